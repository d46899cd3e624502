<?php
/**
 * Checks the page *Closte* on every version of PHP: its cost on other screens, its menu item, and what it prints.
 */

final class Screen {
	public static $menu = array();
	public static $boxes = array();
	public $id = 'screen';
}

function add_submenu_page( ...$given ) {
	Screen::$menu[] = $given;
	return 'hook';
}

function add_meta_box( ...$given ) {
	Screen::$boxes[] = $given;
}

function get_current_screen() {
	return new Screen();
}

function wp_doing_ajax() {
	return false;
}

function network_admin_url( $path ) {
	return "http://example.net/wp-admin/network/$path";
}

function add_query_arg( $query, $url ) {
	foreach ( $query as $name => $value ) {
		$url .= ( strpos( $url, '?' ) ? '&' : '?' ) . "$name=$value";
	}
	return $url;
}

function esc_attr( $text ) {
	return htmlspecialchars( $text, ENT_QUOTES );
}

function esc_url( $url ) {
	return htmlspecialchars( $url, ENT_QUOTES );
}

function esc_html__( $text, $domain ) {
	return esc_html( __( $text, $domain ) );
}

function wp_unslash( $value ) {
	return $value;
}

function sanitize_text_field( $text ) {
	return trim( strip_tags( $text ) );
}

function absint( $value ) {
	return abs( (int) $value );
}

function wp_create_nonce( $action ) {
	return md5( $action );
}

function wp_date( $format, $epoch ) {
	return gmdate( 'Y-m-d', $epoch );
}

function is_network_admin() {
	return true;
}

function get_option( $name ) {
	return $name;
}

function get_blog_option( $blog_id, $name ) {
	return '<b>Title</b>';
}

function untrailingslashit( $text ) {
	return rtrim( $text, '/' );
}

$html = static function ( $part, $method, ...$given ) {
	ob_start();
	$result = Closte_Bridge\run( $part, $method, $given );
	$text   = ob_get_clean();
	return is_string( $result ) ? $result : $text;
};

// The menu item and the notice of any screen share one query, and load nothing that the badge does not need.
$counts = array( 'failed' => 2, 'needs-approval' => '1', 'site-gone' => array(), 'live' => 7 );
World::$options['closte_bridge_owner']  = array( 'engine' => 'e', 'host' => '<host>' );
World::$options['closte_bridge_status'] = array( 'heartbeat' => time() - 7200, 'summary' => array( 'counts' => $counts, 'mode' => 'read-only', 'reason_text' => 'a `<copy>`' ) );
World::$reads                           = 0;
ob_start();
do_action( 'network_admin_menu' );
do_action( 'network_admin_notices' );
$notice = ob_get_clean();
check( 'menu and notice make one query', World::$reads, 1 );
check( 'the notice is shown', strpos( $notice, 'for 120 minutes. ' ) > 0 );
$item = Screen::$menu[0];
check( 'the menu item', array( $item[0], $item[3], $item[4], $item[6] ), array( 'settings.php', 'manage_network', 'closte-bridge', 8 ) );
check( 'the badge counts what needs an administrator', strpos( $item[2], 'count-5"' ) > 0 );
$GLOBALS['admin_page_hooks'] = array( 'wp-ultimo' => 'x' );
do_action( 'network_admin_menu' );
check( 'below the plugin', Screen::$menu[1][0], 'wp-ultimo' );
check( 'other screens load only these classes', array( class_exists( 'Closte_Bridge\Markup', false ), class_exists( 'Closte_Bridge\Details', false ) ), array( false, false ) );
check( 'the rows of a page fit into one insert', array( Closte_Bridge\Page::keep_rows( 7, 'other', 900 ), Closte_Bridge\Page::keep_rows( false, 'closte_bridge_per_page', '900' ), Closte_Bridge\Page::keep_rows( false, 'closte_bridge_per_page', 'x' ) ), array( 7, 500, 1 ) );

// The page without its list.
Closte_Bridge\need( 'Row' );
Closte_Bridge\need( 'Markup' );
Closte_Bridge\need( 'Actions' );
$page = $html( 'Overview', 'show', null );
check( 'the summary is escaped', strpos( $page, '&lt;host&gt;' ) > 0 && false === strpos( $page, '<host>' ) );
check( 'the page waits for domains', strpos( $page, 'data-clipboard-text="closte-bridge shim install"' ) > 0 || strpos( $page, 'closte-bridge-empty' ) > 0 );
foreach ( array( null, 7, array(), array( 'owner' => '' ), array( 'owner' => 'e', 'active' => true, 'summary' => array() ) ) as $odd ) {
	check( 'nothing needs an administrator', Closte_Bridge\Overview::open( $odd ), 0 );
}

// Values of every type.
$evil = '"><script>x</script>%s%1$s`';
$odd  = array( null, false, 7, -1.5, 'text', $evil, "\xff", str_repeat( $evil, 1000 ), array( $evil ), array( array() ), 1e30 );
foreach ( $odd as $one ) {
	$row  = array( 'domain' => 'x.example.com', 'state' => $one, 'status' => $one, 'code' => $one, 'since' => $one, 'next_check' => $one );
	$row += array( 'args' => array_fill_keys( array( 'at_closte', 'dns', 'https', 'http', 'live', 'plan_step', 'step', 'evidence', 'history', 'checked_at' ), $one ) );
	$text = '';
	foreach ( array( 'stage', 'next_step', 'on_closte', 'live' ) as $method ) {
		$text .= $html( 'Markup', $method, $row );
	}
	foreach ( array( 'text', 'sentences', 'time', 'copyable' ) as $method ) {
		$text .= $html( 'Markup', $method, $one );
	}
	$text .= $html( 'Markup', 'verdict', 'dns', $row );
	check( 'a value of any type is escaped text', false === strpos( $text, '<script' ) && '' !== $text );
}

// The pages of the plugin.
$item = new Stub_Domain( 1, 2, 'None.example.com' );
check( 'a domain without a state stays as it is', apply_filters( 'wu_domain_list_column_domain', '<b>x</b>', $item ), '<b>x</b>' );
check( 'no cell of another type', apply_filters( 'wu_domain_list_column_domain', null, null ), null );
final class Stub_Page {
	public function get_object() {
		return new Stub_Domain( 1, 2, 'shop.example.com' );
	}
	public function get_id() {
		return 'closte';
	}
}
do_action( 'wu_page_wp-ultimo-edit-domain_register_widgets', 'id', 'hook', new Stub_Page() );
do_action( 'wu_page_wp-ultimo-edit-domain_register_widgets', 'id', 'hook', null );
check( 'one box', count( Screen::$boxes ), 1 );
$sections = static function ( $given, $integration ) {
	$found = apply_filters( 'wu_hosting_integration_wizard_sections', $given, $integration, null );
	return is_array( $found ) ? array_keys( $found ) : $found;
};
check( 'the section comes before the end', $sections( array( 'a' => 1, 'done' => 2 ), new Stub_Page() ), array( 'a', 'closte-bridge', 'done' ) );
check( 'the section comes last without an end', $sections( array( 'a' => 1 ), new Stub_Page() ), array( 'a', 'closte-bridge' ) );
check( 'no section of another integration', array( $sections( array( 'a' => 1 ), null ), $sections( 7, new Stub_Page() ) ), array( array( 'a' ), 7 ) );
the_end();
