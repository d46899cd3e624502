<?php
/**
 * Checks the shim without WordPress: one line per check; the last line shows that all checks ran.
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

// Every file is valid for this PHP.
foreach ( array_slice( $argv, 1 ) as $folder ) {
	foreach ( array_merge( glob( "$folder/*.php" ), glob( "$folder/*/*.php" ) ) as $file ) {
		check( 'syntax of ' . basename( $file ), count( token_get_all( file_get_contents( $file ), TOKEN_PARSE ) ) > 1 );
	}
}

// A normal page view.
require $argv[1] . '/closte-bridge-shim.php';
do_action( 'plugins_loaded' );
$queries = the_end();
check( 'a page view reads no option', World::$reads, 0 );
check( 'a page view writes nothing', $queries, array() );
$parts = array_filter( get_included_files(), static function ( $file ) {
	return false !== strpos( $file, '/class-' );
} );
check( 'a page view loads no class', array_values( $parts ), array() );
check( 'a hook without listeners gets no gate', has_action( 'wu_add_domain' ), false );
require $argv[1] . '/closte-bridge-shim.php';
check( 'the loader can be loaded twice', defined( 'CLOSTE_BRIDGE_SHIM' ) );
// The loader of an older release with the classes of this one.
$older = ! function_exists( 'Closte_Bridge\report' );

// No owner.
World::$sites   = array( 1 => new WP_Site( 1, 'example.net' ), 2 => new WP_Site( 2, 'one.example.net' ) );
World::$domains = array( array( 'blog_id' => 2, 'domain' => 'one.example.net' ) );
do_action( 'wp_insert_site', World::$sites[2] );
check( 'without an owner, no event is written', the_end(), array() );

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
	'events',
	kinds( $sql ),
	array( 'mapping_added 2', 'mapping_renamed 2', 'mapping_removed 2', 'stage_changed 2', 'site_archived 2', 'site_restored 2' )
);
check( 'events are written once', the_end(), array() );

// A repeated event comes last: the engine uses the latest.
for ( $id = 7; $id < 9; $id++ ) {
	do_action( 'wu_transition_domain_domain', 'new', 'a.example.com', $id );
	do_action( 'wu_domain_post_save', array(), new Stub_Domain( $id, 2, 'a.example.com' ), true );
	if ( 7 === $id ) {
		do_action( 'wu_domain_post_delete', true, new Stub_Domain( $id, 2, 'a.example.com' ) );
	}
}
check( 'the order of repeated events', kinds( the_end() ), array( 'mapping_removed 2', 'mapping_added 2' ) );

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
check( 'events of networks with an owner', kinds( $sql ), array( 'site_deleted 30', 'site_archived 30' ) );
check( 'stored for that network', substr_count( $sql[0], '(3, ' ), 2 );
World::$owners = array( 3 => null );
do_action( 'archive_blog', 2 );
do_action( 'archive_blog', 30 );
check( 'no events of networks without an owner', kinds( the_end() ), array( 'site_archived 2' ) );
World::$owners = array();

// The same event of two networks is stored for both.
do_action( 'update_site_option_wu_host_integrations_enabled', 'wu_host_integrations_enabled', array( 'closte' => true ), array(), 3 );
do_action( 'update_site_option_wu_host_integrations_enabled', 'wu_host_integrations_enabled', array( 'closte' => true ), array(), 1 );
$sql = the_end();
check( 'the toggles of two networks', array( substr_count( $sql[0], '(3, ' ), substr_count( $sql[0], '(1, ' ) ), array( 1, 1 ) );

// Old rows are deleted at random, even if IDs have gaps.
$wpdb->insert_id = 1000001;
for ( $i = 0, $trimmed = array(); $i < 10000 && ! $trimmed; $i++ ) {
	do_action( 'archive_blog', 2 );
	$trimmed = preg_grep( '/^DELETE .* network_id = 1 AND id <= 950001$/', the_end() );
}
check( 'old rows are deleted', count( $trimmed ), 1 );
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
check( 'deleted settings', kinds( the_end() ), array( 'settings_changed 0', 'toggle_changed 0' ) );

for ( $i = 0; $i < 1500; $i++ ) {
	do_action( 'wu_transition_domain_domain', 'new', "$i.example.com", 0 );
}
check( 'too many events become *everything*', kinds( the_end() ), array( 'everything 0' ) );

// Each network gets the event, even for events above the limits; network 4 has no owner.
World::$owners = array( 4 => null );
foreach ( array( 4, 5, 6 ) as $id ) {
	World::$sites[ 10 * $id ]             = new WP_Site( 10 * $id, "$id.example.org" );
	World::$sites[ 10 * $id ]->network_id = $id;
}
foreach ( array( 'by number' => 1500, 'by size' => 900 ) as $what => $many ) {
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
	check( "too many $what become *everything* once per network", kinds( $sql ), array_fill( 0, 4, 'everything 0' ) );
	preg_match_all( "/\((\d+), '[0-9a-f]{32}'/", implode( ' ', $sql ), $found );
	check( "too many $what: the networks", $found[1], array( '1', '3', '5', '6' ) );
}
do_action( 'wu_domain_post_save', array(), new Stub_Domain( 8, 60, 'later.example.org' ), false );
check( 'no row remains', the_end(), array() );
World::$owners = array();

World::$writable = false;
do_action( 'archive_blog', 2 );
check( 'a failed insert is retried once', count( the_end() ), 2 );
World::$writable = true;

$odd = array( null, false, 7, 1.5, 'text', "\xff\xfe", str_repeat( 'a', 10240 ), array( 'x' ), new stdClass(), "a\0b\n'\"\\" );
foreach ( array( 'wu_transition_domain_domain', 'wu_transition_domain_stage', 'wu_domain_post_save', 'wu_domain_post_delete', 'wp_insert_site', 'wu_duplicate_site', 'wp_delete_site', 'archive_blog', 'make_ham_blog', 'update_site_option_wp-ultimo_v2_settings', 'delete_site_option_wu_host_integrations_enabled' ) as $hook ) {
	foreach ( $odd as $one ) {
		foreach ( $odd as $two ) {
			do_action( $hook, $one, $two, $two, $one );
		}
	}
}
check( 'invalid arguments are harmless', count( the_end() ) <= 2 );

// A deleted site: its domains in chunks, without invalid ones.
World::$domains = array();
for ( $i = 0; $i < 20; $i++ ) {
	World::$domains[] = array( 'blog_id' => 2, 'domain' => str_repeat( 'a', 60 ) . ".$i.example.com" );
}
World::$domains[] = array( 'blog_id' => 2, 'domain' => "odd name\n" );
do_action( 'wp_delete_site', World::$sites[2] );
World::$domains = array();
$sql = the_end();
check( 'domains of a deleted site', kinds( $sql ), array( 'site_deleted 2', 'site_deleted 2', 'site_deleted 2' ) );
check( 'invalid domains are omitted', strpos( $sql[0], 'odd name' ), false );
World::$domains = array();
for ( $i = 0; $i < 20; $i++ ) {
	World::$domains[] = array( 'blog_id' => 2, 'domain' => "$i.example.com" );
}
do_action( 'wp_delete_site', World::$sites[2] );
$sql = the_end();
check( 'domains with a row do not count as removed', kinds( $sql ), array( 'site_deleted 2' ) );
check( 'the domain of the site does', substr_count( $sql[0], 'example' ), 2 );

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
check( 'no record while a site is being created', World::$domains, array() );
the_end();
check( 'records', array_column( World::$domains, 'domain' ), array( 'three.example.net' ) );
do_action( 'wp_insert_site', World::$sites[3] );
the_end();
check( 'never a second record', count( World::$domains ), 1 );
World::$sites[8] = new WP_Site( 8, 'eight.example.net' );
do_action( 'wp_insert_site', World::$sites[8] );
do_action( 'wu_duplicate_site', array( 'site_id' => 8 ) );
check( 'a duplicate gets its record immediately', array_column( World::$domains, 'domain' ), array( 'three.example.net', 'eight.example.net' ) );
the_end();
check( 'a duplicate gets one record', count( World::$domains ), 2 );
// A plugin may refuse a record only during the creation, or delete it in the same request.
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
check( 'no record after a refusal', count( World::$domains ), 2 );
check( 'the event has the refusal', substr_count( stripslashes( $sql[0] ), '{"record":false}' ), 1 );
World::$sites[9] = new WP_Site( 9, 'nine.example.net' );
$words = array();
foreach ( array( 3, 4, 5, 6, 7, 8, 9, 99 ) as $id ) {
	$words[] = Closte_Bridge\Records::make( $id, false );
}
check( 'what would be created', $words, array( 'there', 'unwanted', 'unwanted', 'unwanted', 'unwanted', 'there', 'missing', 'gone' ) );
check( 'a dry run creates none', count( World::$domains ), 2 );
check( 'a record is created', Closte_Bridge\Records::make( 9 ), 'made' );
check( 'the record exists then', Closte_Bridge\Records::make( 9 ), 'there' );
World::$sites[12]  = new WP_Site( 12, 'twelve.example.net' );
World::$sites[13]  = new WP_Site( 13, 'thirteen.example.net' );
World::$sites[14]  = new WP_Site( 14, 'fourteen.example.net' );
World::$imported   = array( array( 'blog_id' => 12, 'domain' => 'twelve.example.net' ), array( 'blog_id' => 99, 'domain' => 'thirteen.example.net' ), array( 'blog_id' => 14, 'domain' => 'shop.example.com' ) );
check( 'a row inserted by SQL counts', Closte_Bridge\Records::make( 12 ), 'there' );
check( 'a row of another site counts', Closte_Bridge\Records::make( 13 ), 'there' );
check( 'the first record is primary', end( World::$domains )['primary_domain'] );
check( 'another domain is not the record', Closte_Bridge\Records::make( 14 ), 'made' );
check( 'never a second primary domain', end( World::$domains )['primary_domain'], false );
World::$imported  = array();
World::$sites[15] = new WP_Site( 15, 'fifteen.example.net' );
World::$sites[16] = new WP_Site( 16, 'fifteen.example.net', '/sub/' );
check( 'no record for a domain of two sites', Closte_Bridge\Records::make( 15 ), 'unwanted' );

// A new address.
$move = static function ( $id, $domain, $changes = array() ) {
	$before              = World::$sites[ $id ];
	World::$sites[ $id ] = clone $before;
	foreach ( array( 'domain' => $domain ) + $changes as $name => $value ) {
		World::$sites[ $id ]->$name = $value;
	}
	do_action( 'wp_update_site', World::$sites[ $id ], $before );
};
World::$options['wu_host_integrations_enabled'] = array( 'closte' => true );
if ( ! $older ) {
	$records = count( World::$domains );
	$move( 9, 'nine.example.net', array( 'archived' => '1' ) );
	check( 'an unchanged address is no event', the_end(), array() );
	$move( 9, 'new.example.net' );
	$sql = the_end();
	check( 'a new address is an event', kinds( $sql ), array( 'site_moved 9' ) );
	check( 'the event has both addresses', array( substr_count( $sql[0], "'new.example.net'" ), substr_count( $sql[0], 'nine.example.net' ) ), array( 1, 1 ) );
	check( 'a new address gets its record', array( count( World::$domains ), end( World::$domains )['domain'], end( World::$domains )['primary_domain'] ), array( $records + 1, 'new.example.net', false ) );
	$move( 9, 'nine.example.net' );
	check( 'an earlier address is an event', kinds( the_end() ), array( 'site_moved 9' ) );
	check( 'an earlier address keeps its record', count( World::$domains ), $records + 1 );
	$move( 9, 'shared.example.org' );
	the_end();
	$move( 9, 'example.net' );
	the_end();
	check( 'a shared address gets no record', count( World::$domains ), $records + 1 );
	$move( 9, 'gone.example.net' );
	do_action( 'wu_domain_post_delete', true, new Stub_Domain( 5, 9, 'gone.example.net' ) );
	the_end();
	$move( 9, 'renamed.example.net' );
	do_action( 'wu_transition_domain_domain', 'renamed.example.net', 'other.example.com', 5 );
	do_action( 'wu_domain_post_save', array(), new Stub_Domain( 5, 9, 'other.example.com' ), false );
	the_end();
	check( 'no record after its removal', count( World::$domains ), $records + 1 );
	foreach ( array( array( 'wu_host_integrations_enabled', array() ), array( 'wp-ultimo_v2_settings', array( 'enable_domain_mapping' => false ) ), array( 'closte_bridge_owner', null ) ) as $number => $off ) {
		$kept                        = isset( World::$options[ $off[0] ] ) ? World::$options[ $off[0] ] : null;
		World::$options[ $off[0] ] = $off[1];
		$move( 9, "off$number.example.net" );
		the_end();
		World::$options[ $off[0] ] = $kept;
	}
	check( 'no record while closte-bridge is paused', count( World::$domains ), $records + 1 );
	do_action( 'wu_domain_post_delete', true, new Stub_Domain( 5, 9, 'back.example.net' ) );
	$move( 9, 'back.example.net' );
	the_end();
	check( 'a record for an address that was a mapping', end( World::$domains )['domain'], 'back.example.net' );
	$move( 9, 'nine.example.net' );
	the_end();
}
World::$sites[17] = new WP_Site( 17, 'seventeen.example.net' );
add_filter( 'wu_should_create_domain_record_for_site', $no );
do_action( 'wp_insert_site', World::$sites[17] );
remove_action( 'wu_should_create_domain_record_for_site', $no );
$move( 17, 'refused.example.net' );
the_end();
check( 'a move in the request of the creation keeps its refusal', in_array( 'refused.example.net', array_column( World::$domains, 'domain' ), true ), false );

// Listeners, in both layouts of the provider.
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
	check( 'no heartbeat: the provider listens', $asked() );
	World::$options['closte_bridge_status'] = array( 'heartbeat' => time(), 'verdicts' => array() );
	check( 'active: the provider does not listen', $asked(), false );
	do_action( 'wu_add_domain', 'sent.example.com', 1 );
	check( 'active: an earlier job sends nothing', $provider->sent, array() );
	World::$options['closte_bridge_status']['heartbeat'] = time() - 4000;
	check( 'old heartbeat: the provider listens again', $asked() );
	do_action( 'wu_add_domain', 'sent.example.com', 1 );
	check( 'old heartbeat: the provider sends', $provider->sent, array( 'sent.example.com' ) );

	// The network of the site counts, not that of the request.
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
	$older || check( 'a site of a network without an owner', $there(), array( true, true, false ) );
	$provider->sent = array();
	do_action( 'wu_add_domain', 'there.example.com', 40 );
	do_action( 'wu_add_domain', 'here.example.com', 1 );
	$older || check( 'its jobs are sent by the provider', $provider->sent, array( 'there.example.com' ) );
	World::$elsewhere = array( 'closte_bridge_owner' => array( 'engine' => 'e2' ), 'closte_bridge_status' => $alive );
	unset( World::$options['closte_bridge_status'] );
	$older || check( 'a site of a network with an owner', $there(), array( false, false, true ) );
	World::$elsewhere = null;
	unset( World::$domains[40] );
	remove_action( 'wu_add_domain', array( $provider, 'on_add_domain' ), 10 );
	remove_action( 'wu_add_domain', 'Closte_Bridge\gate', PHP_INT_MIN );
	check( 'no listener remains', has_action( 'wu_add_domain' ), false );
	the_end();
}

// Invalid options.
$domain = new Stub_Domain( 1, 2, 'Shop.example.com' );
foreach ( array( null, 7, 'text', array(), new stdClass(), array( 'heartbeat' => array() ), array( 'heartbeat' => '1e400' ), array( 'heartbeat' => time(), 'verdicts' => 'odd' ), array( 'heartbeat' => time(), 'verdicts' => array( 'shop.example.com' => 'yes' ) ) ) as $invalid ) {
	World::$options['closte_bridge_status'] = $invalid;
	check( 'an invalid status gives no verdict', apply_filters( 'wu_domain_has_correct_dns', 'thought', $domain, array() ), 'thought' );
}
foreach ( array( true, false ) as $verdict ) {
	World::$options['closte_bridge_status'] = array( 'heartbeat' => time(), 'verdicts' => array( 'shop.example.com' => $verdict ) );
	check( 'the verdict', apply_filters( 'wu_domain_has_correct_dns', null, $domain, array() ), $verdict );
}
foreach ( array( null, 7, array( 'engine' => array() ), new stdClass() ) as $invalid ) {
	World::$options['closte_bridge_owner'] = $invalid;
	check( 'an invalid owner does not count', Closte_Bridge\run( 'Owner', 'owner' ), '' );
}

// The address that customers see.
$address = static function ( $status, $owner = array( 'engine' => 'e' ) ) {
	World::$options['closte_bridge_owner']  = $owner;
	World::$options['closte_bridge_status'] = $status;
	return apply_filters( 'wu_get_network_public_ip', '203.0.113.1', false );
};
$known   = array( 'addresses' => array( '2001:db8::1', '192.0.2.10' ) );
if ( ! $older ) {
	check( 'IPv4 comes first', $address( $known ), '192.0.2.10' );
	check( 'the address of an offline engine counts', $address( array( 'heartbeat' => 1 ) + $known ), '192.0.2.10' );
	check( 'an IPv6 address', $address( array( 'addresses' => array( '2001:db8::1' ) ) ), '2001:db8::1' );
	check( 'no requests to look-up services', apply_filters( 'pre_site_transient_wu_public_network_ip', false ), '2001:db8::1' );
	foreach ( array( null, 7, array( 'addresses' => 'x' ), array( 'addresses' => array( '<b>', array(), 9, null ) ) ) as $invalid ) {
		check( 'an invalid status gives no address', $address( $invalid ), '203.0.113.1' );
	}
	check( 'without an owner, no address', $address( $known, null ), '203.0.113.1' );
	define( 'CLOSTE_PUBLIC_IP_ADDRESS', '192.0.2.99' );
	check( 'the address of Closte', $address( null ), '192.0.2.99' );
	check( 'the address of Closte without an owner', $address( $known, null ), '192.0.2.99' );
	check( 'the observed address comes first', $address( $known ), '192.0.2.10' );
}

final class Trap {
	public static $created = false;
	public function __wakeup() {
		self::$created = true;
	}
}
World::$options['closte_bridge_owner']  = array( 'engine' => 'e', 'more' => new Trap() );
World::$options['closte_bridge_status'] = array( 'heartbeat' => time(), 'more' => new Trap() );
World::$reads                           = 0;
ob_start();
do_action( 'network_admin_notices' );
check( 'no notice while closte-bridge is active', ob_get_clean(), '' );
check( 'no notice loads no translation', array( World::$loads, class_exists( 'Closte_Bridge\Messages', false ) ), array( 0, false ) );
check( 'an admin page makes one query', World::$reads, 1 );
check( 'no object of an option is created', Trap::$created, false );

// Messages.
World::$translations = array( 'closte-bridge has not synced yet.' => 'closte-bridge ist <noch> nie gelaufen.' );
$notice              = static function ( $status ) {
	World::$options['closte_bridge_status'] = $status;
	ob_start();
	do_action( 'network_admin_notices' );
	return ob_get_clean();
};
check( 'the notice is translated and escaped', strpos( $notice( null ), '<p>closte-bridge ist &lt;noch&gt; nie gelaufen. Ultimate' ) > 0 );
check( 'the notice has the duration', strpos( $notice( array( 'heartbeat' => time() - 7200 ) ), 'has not synced successfully for 120 minutes. ' ) > 0 );
check( 'the notice has the command', strpos( $notice( array() ), 'run <code>closte-bridge shim status</code> on the server.' ) > 0 );
check( 'translations are loaded once', World::$loads, 1 );
check( 'one item left', strpos( Closte_Bridge\Messages::left( array( '/x' ) ), "Could not remove 1 item: /x.\nRemove it " ), 0 );
check( 'several items left', strpos( Closte_Bridge\Messages::left( array( 'a', 'b' ) ), "Could not remove 2 items: a, b.\nRemove them " ), 0 );
$text = Closte_Bridge\Messages::missing( '/p' );
check( 'a missing program', array( strpos( $text, 'Could not run "/p": ' ), substr_count( $text, ' shim install`' ), substr_count( $text, '`wp closte-bridge shim uninstall`' ) ), array( 0, 1, 1 ) );

// Texts of domain states. Rows are damaged on purpose.
$record = array( 'type' => 'A', 'host' => 'a.com', 'value' => array( '192.0.2.1' ), 'current' => array( '192.0.2.2', null, array() ) );
$step   = static function ( $code, $args, $records ) {
	return Closte_Bridge\run( 'Phrases', 'step', array( compact( 'code', 'args', 'records' ) ) );
};
check( 'a next step', $step( 'change-records', array(), array( $record, 7 ) ), 'Change the A record of a.com to 192.0.2.1. It currently points to 192.0.2.2.' );
check( 'a next step with an argument', $step( 'not-yet-valid', array( 'address' => '192.0.2.1' ), null ), "Check the server's clock, or wait. The certificate at 192.0.2.1 is not valid yet." );
check( 'a next step without its argument', $step( 'not-yet-valid', array(), array() ), 'Ask the administrator of this network to check the domain.' );
check( 'a badge', Closte_Bridge\run( 'Phrases', 'badge', array( array( 'state' => 'dns-ok' ) ) ), 'Certificate pending' );
check( 'a label', Closte_Bridge\run( 'Phrases', 'code', array( 'points-elsewhere' ) ), 'Points elsewhere' );
check( 'an unknown code', Closte_Bridge\run( 'Phrases', 'code', array( '<b>' ) ), '<b>' );

// A method that throws.
$log = tempnam( sys_get_temp_dir(), 'log' );
ini_set( 'error_log', $log );
$odd = static function () {
	return Closte_Bridge\run( 'Owner', 'no_such_method', array( 'given' ) );
};
check( 'a failed method returns the first argument', $odd(), 'given' );
check( 'a failure is not logged', file_get_contents( $log ), '' );
define( 'WP_DEBUG', true );
check( 'a failed method returns the first argument with WP_DEBUG', $odd(), 'given' );
$logged = file_get_contents( $log );
check( 'a failure is logged with WP_DEBUG', $older || 1 === preg_match( '/closte-bridge shim: Owner::no_such_method failed: .+ \(closte-bridge-shim\.php:\d+\)/', $logged ) );
ini_set( 'error_log', '' );
unlink( $log );
check( 'a failure is not logged to a terminal', $odd(), 'given' );

require __DIR__ . '/requests.php';
$older || require __DIR__ . '/admin.php';
require __DIR__ . '/command.php';
require __DIR__ . '/routes.php';
require __DIR__ . '/wake.php';
define( 'CLOSTE_BRIDGE_ENGINE', true );
World::$options['closte_bridge_owner'] = array( 'engine' => 'e' );
do_action( 'archive_blog', 2 );
check( 'no events of the engine itself', the_end(), array() );
echo 'all on PHP ', PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION, "\n";
