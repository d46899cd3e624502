<?php
/**
 * The shim without WordPress: each check prints a line, and the last line says that none was left out.
 */

require __DIR__ . '/stubs.php';
require __DIR__ . '/provider.php';

function check( $what, $is, $expected = true ) {
	$same = $is === $expected;
	echo $same ? 'ok ' : 'NOT ok ', $what, $same ? '' : ': ' . var_export( $is, true ) . ' is not ' . var_export( $expected, true ), "\n";
}

function rows() {
	$rows           = World::$queries;
	World::$queries = array();
	return $rows;
}

function the_end() {
	do_action( 'shutdown' );
	World::$did = array();
	return rows();
}

function kinds( $sql ) {
	preg_match_all( "/, '[0-9a-f]{32}', \d+, '([a-z_]+)', (\d+), '/", implode( ' ', $sql ), $found );
	return array_map( static function ( $kind, $blog ) {
		return "$kind $blog";
	}, $found[1], $found[2] );
}

// Every file is one that this PHP can read.
foreach ( array_slice( $argv, 1 ) as $folder ) {
	foreach ( array_merge( glob( "$folder/*.php" ), glob( "$folder/*/*.php" ) ) as $file ) {
		check( 'syntax of ' . basename( $file ), count( token_get_all( file_get_contents( $file ), TOKEN_PARSE ) ) > 1 );
	}
}

// An ordinary page view.
require $argv[1] . '/closte-bridge-shim.php';
do_action( 'plugins_loaded' );
$queries = the_end();
check( 'a page view reads no option', World::$reads, 0 );
check( 'a page view asks the database nothing', $queries, array() );
$parts = array_filter( get_included_files(), static function ( $file ) {
	return false !== strpos( $file, '/class-' );
} );
check( 'a page view loads no part', array_values( $parts ), array() );
check( 'nobody listens where nobody listened', has_action( 'wu_add_domain' ), false );
require $argv[1] . '/closte-bridge-shim.php';
check( 'loaded twice, it is there once', defined( 'CLOSTE_BRIDGE_SHIM' ) );
// The loader of an earlier release, while the parts are of this one already.
$older = ! function_exists( 'Closte_Bridge\report' );

// Nobody in charge.
World::$sites   = array( 1 => new WP_Site( 1, 'example.net' ), 2 => new WP_Site( 2, 'one.example.net' ) );
World::$domains = array( array( 'blog_id' => 2, 'domain' => 'one.example.net' ) );
do_action( 'wp_insert_site', World::$sites[2] );
check( 'without an owner nothing is written', the_end(), array() );

// Events.
World::$options['closte_bridge_owner'] = array( 'engine' => 'e' );
World::$options['wu_setup_finished']   = 1;
do_action( 'wu_transition_domain_domain', 'new', 'a.example.com', 7 );
do_action( 'wu_domain_post_save', array(), new Stub_Domain( 7, 2, 'a.example.com' ), true );
do_action( 'wu_transition_domain_domain', 'a.example.com', 'b.example.com', 7 );
do_action( 'wu_domain_post_save', array(), new Stub_Domain( 7, 2, 'b.example.com' ), false );
do_action( 'wu_domain_post_delete', true, new Stub_Domain( 7, 2, 'b.example.com' ) );
do_action( 'wu_domain_post_delete', false, new Stub_Domain( 8, 2, 'c.example.com' ) );
do_action( 'wu_transition_domain_stage', 'failed', 'done', 1 );
do_action( 'archive_blog', 2 );
do_action( 'archive_blog', 2 );
do_action( 'unarchive_blog', '2' );
$sql = the_end();
check( 'one insert', count( $sql ), 1 );
check(
	'what happened',
	kinds( $sql ),
	array( 'mapping_added 2', 'mapping_renamed 2', 'mapping_removed 2', 'stage_changed 2', 'site_archived 2', 'site_restored 2' )
);
check( 'the end comes once', the_end(), array() );

// What happens again comes last: the engine believes the last word.
for ( $id = 7; $id < 9; $id++ ) {
	do_action( 'wu_transition_domain_domain', 'new', 'a.example.com', $id );
	do_action( 'wu_domain_post_save', array(), new Stub_Domain( $id, 2, 'a.example.com' ), true );
	if ( 7 === $id ) {
		do_action( 'wu_domain_post_delete', true, new Stub_Domain( $id, 2, 'a.example.com' ) );
	}
}
check( 'the order of what happened', kinds( the_end() ), array( 'mapping_removed 2', 'mapping_added 2' ) );

// Sites of other networks.
World::$sites[30]             = new WP_Site( 30, 'example.org' );
World::$sites[30]->network_id = 3;
World::$owners                = array( 3 => array( 'engine' => 'e3' ), 1 => null );
do_action( 'archive_blog', 2 );
do_action( 'archive_blog', 30 );
$gone = World::$sites[30];
unset( World::$sites[30] );
do_action( 'wp_delete_site', $gone );
World::$sites[30] = $gone;
do_action( 'archive_blog', 30 );
$sql = the_end();
check( 'of the networks that have an owner', kinds( $sql ), array( 'site_deleted 30', 'site_archived 30' ) );
check( 'for that network', substr_count( $sql[0], '(3, ' ), 2 );
World::$owners = array( 3 => null );
do_action( 'archive_blog', 2 );
do_action( 'archive_blog', 30 );
check( 'and of no other', kinds( the_end() ), array( 'site_archived 2' ) );
World::$owners = array();

// The same said of two networks is said to both.
do_action( 'update_site_option_wu_host_integrations_enabled', 'wu_host_integrations_enabled', array( 'closte' => true ), array(), 3 );
do_action( 'update_site_option_wu_host_integrations_enabled', 'wu_host_integrations_enabled', array( 'closte' => true ), array(), 1 );
$sql = the_end();
check( 'the toggles of two networks', array( substr_count( $sql[0], '(3, ' ), substr_count( $sql[0], '(1, ' ) ), array( 1, 1 ) );

// Old rows go now and then, also where ids come in steps.
$wpdb->insert_id = 1000001;
for ( $i = 0, $trimmed = array(); $i < 10000 && ! $trimmed; $i++ ) {
	do_action( 'archive_blog', 2 );
	$trimmed = preg_grep( '/^DELETE .* network_id = 1 AND id <= 950001$/', the_end() );
}
check( 'old rows go', count( $trimmed ), 1 );
$wpdb->insert_id = 1;

do_action( 'update_site_option_wu_host_integrations_enabled', 'wu_host_integrations_enabled', array( 'closte' => true ), array(), 1 );
do_action( 'update_site_option_wu_host_integrations_enabled', 'wu_host_integrations_enabled', array( 'x' => true ), array( 'y' => 1 ), 1 );
do_action( 'update_site_option_wp-ultimo_v2_settings', 'wp-ultimo_v2_settings', array( 'dns_check_interval' => 5, 'z' => 1 ), 'odd', 1 );
do_action( 'add_site_option_wp-ultimo_v2_settings', 'wp-ultimo_v2_settings', array( 'z' => 1 ), 1 );
do_action( 'delete_site_option_wu_hosting_credential_CLOSTE_CLIENT_API_KEY', 'wu_hosting_credential_CLOSTE_CLIENT_API_KEY', 1 );
$sql = the_end();
check( 'settings', kinds( $sql ), array( 'toggle_changed 0', 'settings_changed 0', 'settings_changed 0' ) );
do_action( 'delete_site_option_wp-ultimo_v2_settings', 'wp-ultimo_v2_settings', 1 );
do_action( 'delete_site_option_wu_host_integrations_enabled', 'wu_host_integrations_enabled', 1 );
check( 'settings that are gone', kinds( the_end() ), array( 'settings_changed 0', 'toggle_changed 0' ) );

for ( $i = 0; $i < 1500; $i++ ) {
	do_action( 'wu_transition_domain_domain', 'new', "$i.example.com", 0 );
}
check( 'too many say everything', kinds( the_end() ), array( 'everything 0' ) );

// Each network hears of it, also of what came when no more was kept: nobody in 4 would fetch it.
World::$owners = array( 4 => null );
foreach ( array( 4, 5, 6 ) as $id ) {
	World::$sites[ 10 * $id ]             = new WP_Site( 10 * $id, "$id.example.org" );
	World::$sites[ 10 * $id ]->network_id = $id;
}
foreach ( array( 'by their number' => 1500, 'by their size' => 900 ) as $what => $many ) {
	for ( $i = 0; $i < $many; $i++ ) {
		$name = str_repeat( 'a', 1500 === $many ? 1 : 220 ) . ".$i.example.com";
		do_action( 'wu_domain_post_delete', true, new Stub_Domain( $i + 10, 2, $name ) );
	}
	do_action( 'wu_domain_post_delete', true, new Stub_Domain( 9, 30, 'shop.example.org' ) );
	do_action( 'archive_blog', 40 );
	do_action( 'update_site_option_wu_host_integrations_enabled', 'wu_host_integrations_enabled', array( 'closte' => 1 ), array(), 5 );
	do_action( 'wu_transition_domain_domain', 'new', 'later.example.org', 8 );
	do_action( 'wu_domain_post_save', array(), new Stub_Domain( 8, 60, 'later.example.org' ), true );
	$sql = the_end();
	check( "too many $what say everything once a network", kinds( $sql ), array_fill( 0, 4, 'everything 0' ) );
	preg_match_all( "/\((\d+), '[0-9a-f]{32}'/", implode( ' ', $sql ), $found );
	check( "too many $what: whose it is", $found[1], array( '1', '3', '5', '6' ) );
}
do_action( 'wu_domain_post_save', array(), new Stub_Domain( 8, 60, 'later.example.org' ), false );
check( 'and nothing is left of it', the_end(), array() );
World::$owners = array();

World::$writable = false;
do_action( 'archive_blog', 2 );
check( 'a database that refuses is asked twice', count( the_end() ), 2 );
World::$writable = true;

$odd = array( null, false, 7, 1.5, 'text', "\xff\xfe", str_repeat( 'a', 10240 ), array( 'x' ), new stdClass(), "a\0b\n'\"\\" );
foreach ( array( 'wu_transition_domain_domain', 'wu_transition_domain_stage', 'wu_domain_post_save', 'wu_domain_post_delete', 'wp_insert_site', 'wu_duplicate_site', 'wp_delete_site', 'archive_blog', 'make_ham_blog', 'update_site_option_wp-ultimo_v2_settings', 'delete_site_option_wu_host_integrations_enabled' ) as $hook ) {
	foreach ( $odd as $one ) {
		foreach ( $odd as $two ) {
			do_action( $hook, $one, $two, $two, $one );
		}
	}
}
check( 'odd arguments do no harm', count( the_end() ) <= 2 );

// Site deleted: its names in pieces, odd ones left out.
World::$domains = array();
for ( $i = 0; $i < 20; $i++ ) {
	World::$domains[] = array( 'blog_id' => 2, 'domain' => str_repeat( 'a', 60 ) . ".$i.example.com" );
}
World::$domains[] = array( 'blog_id' => 2, 'domain' => "odd name\n" );
do_action( 'wp_delete_site', World::$sites[2] );
World::$domains = array();
$sql = the_end();
check( 'names of a deleted site', kinds( $sql ), array( 'site_deleted 2', 'site_deleted 2', 'site_deleted 2' ) );
check( 'odd names are left out', strpos( $sql[0], 'odd name' ), false );
World::$domains = array();
for ( $i = 0; $i < 20; $i++ ) {
	World::$domains[] = array( 'blog_id' => 2, 'domain' => "$i.example.com" );
}
do_action( 'wp_delete_site', World::$sites[2] );
$sql = the_end();
check( 'names whose rows stand were not given up', kinds( $sql ), array( 'site_deleted 2' ) );
check( 'the site itself was', substr_count( $sql[0], 'example' ), 2 );

// Records.
World::$domains = array();
foreach ( array( array( 3, 'three.example.net', '/' ), array( 4, 'example.net', '/sub/' ), array( 5, 'WWW.Example.NET', '/' ), array( 6, 'shared.example.org', '/' ), array( 7, 'seven.example.net', '/' ) ) as $site ) {
	World::$sites[ $site[0] ] = new WP_Site( ...$site );
	do_action( 'wp_insert_site', World::$sites[ $site[0] ] );
}
add_filter( 'wu_checkout_form_base_domains', static function ( $bases ) {
	return array( 'https://www.Shared.example.org:8080/x', array( 'odd' ), null );
} );
add_filter( 'wu_should_create_domain_record_for_site', static function ( $create, $site ) {
	return '7' !== $site->blog_id;
}, 10, 2 );
check( 'no record while a site is being made', World::$domains, array() );
the_end();
check( 'records', array_column( World::$domains, 'domain' ), array( 'three.example.net' ) );
do_action( 'wp_insert_site', World::$sites[3] );
the_end();
check( 'never a second one', count( World::$domains ), 1 );
World::$sites[8] = new WP_Site( 8, 'eight.example.net' );
do_action( 'wp_insert_site', World::$sites[8] );
do_action( 'wu_duplicate_site', array( 'site_id' => 8 ) );
check( 'a duplicate has its record at once', array_column( World::$domains, 'domain' ), array( 'three.example.net', 'eight.example.net' ) );
the_end();
check( 'and only one', count( World::$domains ), 2 );
// Who objects only while the site is being made, or deletes its record at once, is listened to.
foreach ( array( 10, 11 ) as $id ) {
	World::$sites[ $id ] = new WP_Site( $id, "$id.example.net" );
}
$no = static function () {
	return false;
};
add_filter( 'wu_should_create_domain_record_for_site', $no );
do_action( 'wp_insert_site', World::$sites[10] );
remove_action( 'wu_should_create_domain_record_for_site', $no );
do_action( 'wu_duplicate_site', array( 'site_id' => 10 ) );
do_action( 'wp_insert_site', World::$sites[11] );
do_action( 'wu_domain_post_delete', true, new Stub_Domain( 5, 11, '11.example.net' ) );
$sql = the_end();
check( 'no record against an objection of that moment', count( World::$domains ), 2 );
check( 'the engine is told of it', substr_count( stripslashes( $sql[0] ), '{"record":false}' ), 1 );
World::$sites[9] = new WP_Site( 9, 'nine.example.net' );
$words = array();
foreach ( array( 3, 4, 5, 6, 7, 8, 9, 99 ) as $id ) {
	$words[] = Closte_Bridge\Records::make( $id, false );
}
check( 'what would be made', $words, array( 'there', 'unwanted', 'unwanted', 'unwanted', 'unwanted', 'there', 'missing', 'gone' ) );
check( 'asking makes none', count( World::$domains ), 2 );
check( 'a record is made on command', Closte_Bridge\Records::make( 9 ), 'made' );
check( 'and is there then', Closte_Bridge\Records::make( 9 ), 'there' );
World::$sites[12]  = new WP_Site( 12, 'twelve.example.net' );
World::$sites[13]  = new WP_Site( 13, 'thirteen.example.net' );
World::$imported   = array( array( 'blog_id' => 12, 'domain' => 'shop.example.com' ), array( 'blog_id' => 99, 'domain' => 'thirteen.example.net' ) );
check( 'a row that came by SQL is one', Closte_Bridge\Records::make( 12 ), 'there' );
check( 'also where it is of another site', Closte_Bridge\Records::make( 13 ), 'there' );
World::$imported = array();

// Listeners, in both layouts.
foreach ( array( '\WP_Ultimo\Integrations\Providers\Closte\Closte_Domain_Mapping', '\WP_Ultimo\Integrations\Host_Providers\Closte_Host_Provider' ) as $class ) {
	$provider = new $class();
	add_action( 'wu_add_domain', array( $provider, 'on_add_domain' ), 10, 2 );
	do_action( 'plugins_loaded' );
	$asked = static function ( $id = 9 ) {
		$asked = null;
		$ask   = static function () use ( &$asked ) {
			$asked = has_action( 'wu_add_domain' );
		};
		add_action( 'wu_transition_domain_domain', $ask, 10, 3 );
		do_action( 'wu_transition_domain_domain', 'new', 'x.example.com', $id );
		remove_action( 'wu_transition_domain_domain', $ask, 10 );
		return $asked;
	};
	unset( World::$options['closte_bridge_status'] );
	check( 'not heard of: the provider listens', $asked() );
	World::$options['closte_bridge_status'] = array( 'heartbeat' => time(), 'verdicts' => array() );
	check( 'in charge: nobody listens', $asked(), false );
	do_action( 'wu_add_domain', 'sent.example.com', 1 );
	check( 'in charge: an earlier job sends nothing', $provider->sent, array() );
	World::$options['closte_bridge_status']['heartbeat'] = time() - 4000;
	check( 'silent for long: the provider listens again', $asked() );
	do_action( 'wu_add_domain', 'sent.example.com', 1 );
	check( 'silent for long: it sends', $provider->sent, array( 'sent.example.com' ) );

	// The network of the site decides, not that of the request.
	$there = static function () use ( $asked ) {
		$heard = null;
		$ask   = static function () use ( &$heard ) {
			$heard = has_action( 'wu_add_domain' );
		};
		add_action( 'wp_insert_site', $ask );
		do_action( 'wp_insert_site', World::$sites[40] );
		remove_action( 'wp_insert_site', $ask );
		return array( $heard, $asked( 41 ), $asked() );
	};
	World::$sites[40]             = new WP_Site( 40, 'forty.example.org' );
	World::$sites[40]->network_id = 2;
	World::$domains[40]           = array( 'blog_id' => 40, 'domain' => 'x.example.com' );
	$alive                        = array( 'heartbeat' => time(), 'verdicts' => array() );
	World::$elsewhere             = array();
	World::$options['closte_bridge_status'] = $alive;
	$older || check( 'a site of a network without the bridge', $there(), array( true, true, false ) );
	$provider->sent = array();
	do_action( 'wu_add_domain', 'there.example.com', 40 );
	do_action( 'wu_add_domain', 'here.example.com', 1 );
	$older || check( 'its jobs are sent', $provider->sent, array( 'there.example.com' ) );
	World::$elsewhere = array( 'closte_bridge_owner' => array( 'engine' => 'e2' ), 'closte_bridge_status' => $alive );
	unset( World::$options['closte_bridge_status'] );
	$older || check( 'a site of the network with the bridge', $there(), array( false, false, true ) );
	World::$elsewhere = null;
	unset( World::$domains[40] );
	remove_action( 'wu_add_domain', array( $provider, 'on_add_domain' ), 10 );
	remove_action( 'wu_add_domain', 'Closte_Bridge\gate', PHP_INT_MIN );
	check( 'nothing is left', has_action( 'wu_add_domain' ), false );
	the_end();
}

// Crafted options.
$domain = new Stub_Domain( 1, 2, 'Shop.example.com' );
foreach ( array( null, 7, 'text', array(), new stdClass(), array( 'heartbeat' => array() ), array( 'heartbeat' => '1e400' ), array( 'heartbeat' => time(), 'verdicts' => 'odd' ), array( 'heartbeat' => time(), 'verdicts' => array( 'shop.example.com' => 'yes' ) ) ) as $crafted ) {
	World::$options['closte_bridge_status'] = $crafted;
	check( 'a crafted status is no verdict', apply_filters( 'wu_domain_has_correct_dns', 'thought', $domain, array() ), 'thought' );
}
foreach ( array( true, false ) as $verdict ) {
	World::$options['closte_bridge_status'] = array( 'heartbeat' => time(), 'verdicts' => array( 'shop.example.com' => $verdict ) );
	check( 'the verdict', apply_filters( 'wu_domain_has_correct_dns', null, $domain, array() ), $verdict );
}
foreach ( array( null, 7, array( 'engine' => array() ), new stdClass() ) as $crafted ) {
	World::$options['closte_bridge_owner'] = $crafted;
	check( 'a crafted owner owns nothing', Closte_Bridge\run( 'Owner', 'owner' ), '' );
}

final class Trap {
	public static $sprung = false;
	public function __wakeup() {
		self::$sprung = true;
	}
}
World::$options['closte_bridge_owner']  = array( 'engine' => 'e', 'more' => new Trap() );
World::$options['closte_bridge_status'] = array( 'heartbeat' => time(), 'more' => new Trap() );
World::$reads                           = 0;
ob_start();
do_action( 'network_admin_notices' );
check( 'an admin page says nothing while the engine works', ob_get_clean(), '' );
check( 'an admin page costs one query', World::$reads, 1 );
check( 'no object of an option is built', Trap::$sprung, false );

// A part that throws.
$log = tempnam( sys_get_temp_dir(), 'log' );
ini_set( 'error_log', $log );
$odd = static function () {
	return Closte_Bridge\run( 'Owner', 'no_such_method', array( 'given' ) );
};
check( 'what fails gives back what it was given', $odd(), 'given' );
check( 'and logs nothing', file_get_contents( $log ), '' );
define( 'WP_DEBUG', true );
check( 'nor with WP_DEBUG', $odd(), 'given' );
$logged = file_get_contents( $log );
check( 'which has it logged', $older || 1 === preg_match( '/closte-bridge shim: Owner::no_such_method failed: .+ \(closte-bridge-shim\.php:\d+\)/', $logged ) );
ini_set( 'error_log', '' );
unlink( $log );
check( 'never on a terminal', $odd(), 'given' );

// The way to the engine.
$words = static function ( $line ) {
	return Closte_Bridge\run( 'Command', 'behind', array( explode( ' ', $line ) ) );
};
class WP_CLI {}
check( 'as it stands', $words( '--path=/x closte-bridge plan --no-www -- --help closte-bridge' ), array( 'plan', '--no-www', '--', '--help', 'closte-bridge' ) );
check( 'options before it', $words( '--path=/x --quiet --debug=a --user=b closte-bridge plan --skip-themes --prompt=x --no-color -- --user=c' ), array( '--quiet', '--debug=a', 'plan', '--no-color', '--', '--user=c' ) );
check( 'bare', $words( '--path=/x closte-bridge' ), array( '--help' ) );
check( 'bare but quiet', $words( '--quiet closte-bridge' ), array( '--quiet', '--help' ) );
$own = static function ( $line ) {
	return Closte_Bridge\Command::is_own_process( explode( ' ', $line ) );
};
check( 'whose process it is', array( $own( '--path=/x closte-bridge plan' ), $own( '@one closte-bridge' ), $own( 'help closte-bridge plan' ), $own( 'eval closte-bridge' ), $own( '' ) ), array( true, true, true, false, false ) );
check( 'taken apart and put together', Closte_Bridge\Command::words( array( 'domain', 'get', 'x' ), array( 'field' => 'a', 'quiet' => true, 'color' => false, 'user' => 'b' ) ), array( 'domain', 'get', 'x', '--field=a', '--quiet', '--no-color' ) );
check( 'nothing to put together', Closte_Bridge\Command::words( array(), array() ), array( '--help' ) );
check( 'help', $words( 'help closte-bridge plan' ), array( 'plan', '--help' ) );
foreach ( array( array(), array( 'wake' => 'odd' ), array( 'engine' => 'odd', 'trigger_file' => '/x' ), array( 'engine' => array( '/no/such' ), 'trigger_file' => '/no/such/x' ) ) as $config ) {
	$method = Closte_Bridge\run( 'Trigger', 'method', array( $config ) );
	check( 'no way to wake it', $method[0], 'poll' );
}
$here   = array(
	'engine'    => array( PHP_BINARY ),
	'start'     => array( PHP_BINARY ),
	'trigger_file' => '/no/such/folder/trigger',
);
$method = Closte_Bridge\run( 'Trigger', 'method', array( $here ) );
check( 'nobody is started who cannot write down what he does', $method[0], 'poll' );
foreach ( array( null, array(), 'odd' ) as $none ) {
	$method = Closte_Bridge\run( 'Trigger', 'method', array( array( 'start' => $none ) + $here ) );
	check( 'nothing can be started where no way was found', $method, array( 'poll', 'Nothing on this machine starts a program in the background.' ) );
}
$fixed = array( '/e', '--config=/c', '--network=one', '--path=/x', '--url=u', '--allow-root' );
$left  = static function ( ...$behind ) use ( $fixed ) {
	return implode( ' ', Closte_Bridge\run( 'Command', 'engine_for', array( $fixed, $behind ) ) );
};
check( 'what was fixed stays', $left( 'plan', '--network=one', '--pathless' ), implode( ' ', $fixed ) );
check( 'not for another network', $left( 'plan', '--network=two' ), '/e --config=/c --allow-root' );
check( 'nor for all', $left( 'plan', '--all' ), '/e --config=/c --allow-root' );
check( 'nor for another place', $left( 'plan', '--ssh=host' ), '/e --config=/c --network=one --allow-root' );
define( 'CLOSTE_BRIDGE_ENGINE', true );
World::$options['closte_bridge_owner'] = array( 'engine' => 'e' );
do_action( 'archive_blog', 2 );
check( 'silent in the calls of the engine', the_end(), array() );
echo 'all on PHP ', PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION, "\n";
