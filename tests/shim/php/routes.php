<?php
/**
 * Checks the signed routes without WordPress. Part of unit.php.
 */

final class Routes_DB {
	public $base_prefix = 'wp_';
	public $known       = array();
	public $deleted     = 0;
	public $works       = true;

	public function prepare( $sql, ...$values ) {
		return vsprintf( str_replace( '%s', "'%s'", $sql ), $values );
	}

	public function query( $sql ) {
		if ( 0 === strpos( $sql, 'DELETE' ) ) {
			++$this->deleted;
			return 1;
		}
		preg_match( "/'([0-9a-f]{32})'/", $sql, $found );
		if ( ! $this->works || isset( $this->known[ $found[1] ] ) ) {
			return false;
		}
		$this->known[ $found[1] ] = true;
		return 1;
	}

	public function get_var( $sql ) {
		if ( preg_match( "/uid = '([0-9a-f]{32})'/", $sql, $found ) ) {
			return isset( $this->known[ $found[1] ] ) ? $found[1] : null;
		}
		return false === strpos( $sql, 'MAX(id)' ) ? null : '7';
	}

	public function get_results( $sql ) {
		return false === strpos( $sql, "'shop.example.com'" ) ? array() : array( (object) array( 'id' => '5', 'blog_id' => '2' ) );
	}

	public function suppress_errors( $on = true ) {
		return false;
	}
}

final class Cache {
	public static $entries = array();
	public static $outside = true;
}

function wp_using_ext_object_cache() {
	return Cache::$outside;
}

function wp_cache_add_global_groups( $groups ) {
}

function wp_cache_switch_to_blog( $blog ) {
}

function wp_cache_get( $key, $group = '' ) {
	return isset( Cache::$entries[ "$group|$key" ] ) ? Cache::$entries[ "$group|$key" ] : false;
}

function wp_cache_set( $key, $value, $group = '' ) {
	Cache::$entries[ "$group|$key" ] = $value;
	return true;
}

function wp_cache_add( $key, $value, $group = '' ) {
	return wp_cache_set( $key, $value, $group );
}

function wp_cache_delete( $key, $group = '' ) {
	unset( Cache::$entries[ "$group|$key" ] );
	return true;
}

function clean_blog_cache( $blog ) {
	Cache::$entries[ "cleaned|$blog" ] = true;
}

function get_current_blog_id() {
	return 1;
}

function get_main_site_id() {
	return 1;
}

$before = $wpdb;
$wpdb   = new Routes_DB();
$secret = str_repeat( 'ab', 32 );
$place  = $argv[1] . '/closte-bridge/secret.php';
$signed = static function ( $route, $body = '', array $change = array() ) use ( $secret ) {
	static $count = 0;
	$is           = $change + array(
		'method' => 'pulse' === $route ? 'GET' : 'POST',
		'host'   => 'example.net',
		'time'   => 1000,
		'nonce'  => sprintf( '1%031x', ++$count ),
		'secret' => $secret,
		'etag'   => '',
		'now'    => 1000,
		'sent'   => $body,
	);
	$text         = array( 'closte-bridge 1', $is['method'], $is['host'], $route, $is['time'], $is['nonce'], hash( 'sha256', $body ) );
	$signature    = hash_hmac( 'sha256', implode( "\n", $text ), $is['secret'] );
	return array(
		'route'  => $route,
		'method' => $is['method'],
		'host'   => isset( $change['at'] ) ? $change['at'] : $is['host'],
		'header' => isset( $change['header'] ) ? $change['header'] : "1 {$is['time']} {$is['nonce']} $signature",
		'etag'   => $is['etag'],
		'body'   => $is['sent'],
		'now'    => $is['now'],
	);
};
$ask    = static function ( array $request ) {
	list( $status, $body ) = Closte_Bridge\run( 'Routes', 'answer', array( $request ) );
	return "$status $body";
};

check( 'no answer without a secret', $ask( $signed( 'pulse' ) ), '401 {"code":"unsigned"}' );
file_put_contents( $place, "<?php\n// closte-bridge-shim test sha256:0\n\n// secrets {\"1\":\"$secret\",\"2\":\"" . str_repeat( 'cd', 32 ) . "\"}\n" );
check( 'a signed request is answered', $ask( $signed( 'pulse' ) ), '200 {"newest":7}' );
check( 'an unchanged pulse', $ask( $signed( 'pulse', '', array( 'etag' => 'W/"7"' ) ) ), '304 ' );
check( 'the secret of another network', $ask( $signed( 'pulse', '', array( 'secret' => str_repeat( 'cd', 32 ) ) ) ), '401 {"code":"unsigned"}' );
check( 'another host', $ask( $signed( 'pulse', '', array( 'at' => 'other.example.net' ) ) ), '401 {"code":"unsigned"}' );
check( 'another body', $ask( $signed( 'refresh', '{}', array( 'sent' => '{"domains":["a.example"]}' ) ) ), '401 {"code":"unsigned"}' );
foreach ( array( '', '1', '1 1000', 'Bearer x', "1 1000 x\n", str_repeat( '9', 9999 ) ) as $header ) {
	check( 'a malformed header', $ask( $signed( 'pulse', '', array( 'header' => $header ) ) ), '401 {"code":"unsigned"}' );
}
check( 'a request from the past', $ask( $signed( 'pulse', '', array( 'now' => 1301 ) ) ), '401 {"code":"clock"}' );
check( 'a request from the future', $ask( $signed( 'pulse', '', array( 'now' => 699 ) ) ), '401 {"code":"clock"}' );
check( 'five minutes are accepted', $ask( $signed( 'pulse', '', array( 'now' => 1300 ) ) ), '200 {"newest":7}' );
$once = $signed( 'refresh', '{}' );
check( 'a request', $ask( $once ), preg_replace( '/[0-9a-f]{16}/', Closte_Bridge\Served::cache_id(), '200 {"domains":0,"sites":0,"options":0,"cache":"0123456789abcdef"}' ) );
check( 'a request again', $ask( $once ), '401 {"code":"replayed"}' );
check( 'another method', $ask( $signed( 'refresh', '{}', array( 'method' => 'GET' ) ) ), '404 {"code":"no-route"}' );
check( 'an unknown route', $ask( $signed( 'fetch' ) ), '404 {"code":"no-route"}' );
foreach ( array( '[', '"x"', '7', str_repeat( '[', 99 ) ) as $odd ) {
	check( 'a malformed body', $ask( $signed( 'refresh', $odd ) ), '400 {"code":"failed"}' );
}
$wpdb->works = false;
check( 'no answer if the nonce cannot be stored', $ask( $signed( 'refresh', '{}' ) ), '503 {"code":"store"}' );
check( 'a request that only reads stores no nonce', $ask( $signed( 'pulse' ) ), '200 {"newest":7}' );
$wpdb->works = true;
$deleted     = $wpdb->deleted;
$ask( $signed( 'refresh', '{}', array( 'nonce' => str_repeat( '0', 32 ) ) ) );
check( 'old nonces are deleted', $wpdb->deleted, $deleted + 1 );
list( , $body, $headers ) = Closte_Bridge\Routes::answer( $signed( 'pulse', '', array( 'nonce' => str_repeat( 'f', 32 ) ) ) );
$text                     = "closte-bridge 1 answer\n" . str_repeat( 'f', 32 ) . "\n200\n" . hash( 'sha256', $body );
check( 'the answer is signed', $headers, array( 'ETag' => '"7"', 'X-Closte-Bridge' => hash_hmac( 'sha256', $text, $secret ) ) );

// What is dropped, and nothing else.
Cache::$entries = array(
	'domain_mappings|domain:shop.example.com'     => 'notexists',
	'domain_mappings|domain:www.shop.example.com' => (object) array( 'id' => '6', 'blog_id' => '3' ),
	'domain_mappings|domain:other.example.com'    => 'notexists',
	'domain_mapping|id:2'                         => 'none',
	'domain_mapping|id:3'                         => 'none',
	'domain_mapping|id:4'                         => 'none',
	'wu-domains|5'                                => 'row',
	'wu-domains|6'                                => 'row',
	'wu-domains|7'                                => 'row',
	'site-options|1:a'                            => 'old',
	'site-options|1:b'                            => 'old',
	'site-options|1:notoptions'                   => array( 'a' => true, 'c' => true ),
);
$body = '{"domains":["www.shop.example.com","NOT A DOMAIN",{"x":1}],"sites":[2,"x",-1],"options":["a","a b"]}';
check( 'only valid items count', 1 === preg_match( '/^200 \{"domains":1,"sites":1,"options":1,/', $ask( $signed( 'refresh', $body ) ) ) );
unset( Cache::$entries['wu-domains|last_changed'], Cache::$entries['wu-sites|last_changed'], Cache::$entries['closte_bridge|id'] );
check(
	'what stays cached',
	Cache::$entries,
	array(
		'domain_mappings|domain:other.example.com' => 'notexists',
		'domain_mapping|id:4'                      => 'none',
		'wu-domains|7'                             => 'row',
		'site-options|1:b'                         => 'old',
		'site-options|1:notoptions'                => array( 'c' => true ),
		'cleaned|2'                                => true,
	)
);
Cache::$outside = false;
check( 'a cache that ends with the request', Closte_Bridge\Served::cache_id(), '' );
unlink( $place );
if ( ! $older ) {
	$asked = array(
		'/wp-json/closte-bridge/v1/site'      => 'site',
		'/a/api/closte-bridge/v1/pulse/?x=1'  => 'pulse',
		'/wp-json/closte-bridge/v1'           => '',
		'/wp-json/closte-bridge/v1/site/more' => null,
		'/wp-json/closte-bridge/v10/site'     => null,
		'/?closte-bridge/v1/site'             => null,
	);
	foreach ( $asked as $uri => $route ) {
		$_SERVER['REQUEST_URI'] = $uri;
		check( "the route of $uri", Closte_Bridge\asked_route(), $route );
	}
	$_GET['rest_route'] = '/closte-bridge/v1/site';
	check( 'a route without permalinks', Closte_Bridge\asked_route(), 'site' );
	$_GET['rest_route'] = array( 'x' );
	check( 'a malformed route', Closte_Bridge\asked_route(), null );
	unset( $_GET['rest_route'], $_SERVER['REQUEST_URI'] );
}
$wpdb = $before;
