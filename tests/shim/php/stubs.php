<?php
/**
 * The parts of WordPress and Ultimate Multisite that the shim uses, for tests without them.
 */

error_reporting( E_ALL );
ini_set( 'display_errors', '1' );
set_error_handler(
	static function ( $level, $message, $file, $line ) {
		// Every PHP message is a failure, unless it is silenced on purpose.
		if ( error_reporting() & $level ) {
			throw new ErrorException( $message, 0, $level, $file, $line );
		}
		return true;
	}
);

define( 'ABSPATH', __DIR__ . '/' );
define( 'ARRAY_N', 'ARRAY_N' );

class WP_Hook {
	public $callbacks = array();
}

class WP_Site {
	public $blog_id;
	public $site_id = '1';
	public $network_id = 1;
	public $domain;
	public $path = '/';
	public $archived = '0';

	public function __construct( $blog_id, $domain, $path = '/' ) {
		$this->blog_id = (string) $blog_id;
		$this->domain  = $domain;
		$this->path    = $path;
	}
}

final class World {
	public static $options  = array();
	public static $sites    = array();
	public static $domains  = array();
	public static $queries  = array();
	public static $reads    = 0;
	public static $doing    = array();
	public static $did      = array();
	public static $writable = true;
	public static $owners   = array();
	/** The shim's options of network 2; null for those of all networks. */
	public static $elsewhere = null;
	/** Rows that were inserted by SQL, unknown to the cache. */
	public static $imported = array();
	/** Translations by text, and how often they were loaded. */
	public static $translations = array();
	public static $loads        = 0;
	public static $user         = 1;
	public static $transients   = array();
}

final class Stub_DB {
	public $base_prefix = 'wp_';
	public $sitemeta    = 'wp_sitemeta';
	public $insert_id   = 1;

	public function prepare( $sql, ...$values ) {
		$sql = str_replace( '%s', "'%s'", $sql );
		return vsprintf( $sql, array_map( 'addslashes', array_map( 'strval', $values ) ) );
	}

	public function query( $sql ) {
		World::$queries[] = $sql;
		return World::$writable ? 1 : false;
	}

	public function get_results( $sql ) {
		++World::$reads;
		preg_match( '/site_id = (\d+) /', $sql, $found );
		$network = (int) $found[1];
		$rows    = array();
		foreach ( array( 'closte_bridge_owner', 'closte_bridge_status' ) as $name ) {
			$value = isset( World::$options[ $name ] ) ? World::$options[ $name ] : null;
			if ( 'closte_bridge_owner' === $name && array_key_exists( $network, World::$owners ) ) {
				$value = World::$owners[ $network ];
			} elseif ( 2 === $network && null !== World::$elsewhere ) {
				$value = isset( World::$elsewhere[ $name ] ) ? World::$elsewhere[ $name ] : null;
			}
			if ( null !== $value ) {
				$rows[] = array( $name, is_string( $value ) ? $value : serialize( $value ) );
			}
		}
		return $rows;
	}

	public function esc_like( $text ) {
		return addcslashes( $text, '_%\\' );
	}

	public function get_col( $sql ) {
		return 0 === strpos( $sql, 'SHOW TABLES' ) ? array( 'wp_wu_domain_mappings' ) : array();
	}

	public function get_var( $sql ) {
		preg_match( "/(blog_id|domain) = '(.*)' LIMIT/", $sql, $found );
		foreach ( array_merge( World::$domains, World::$imported ) as $data ) {
			if ( (string) $data[ $found[1] ] === $found[2] ) {
				return '1';
			}
		}
		return null;
	}

	public function suppress_errors( $on = true ) {
		return false;
	}
}

final class Stub_Domain {
	private $id;
	private $blog_id;
	private $domain;

	public function __construct( $id, $blog_id, $domain ) {
		list( $this->id, $this->blog_id, $this->domain ) = array( $id, $blog_id, $domain );
	}

	public function get_id() {
		return $this->id;
	}

	public function get_blog_id() {
		return $this->blog_id;
	}

	public function get_domain() {
		return $this->domain;
	}
}

function wp_json_encode( $value, $flags = 0 ) {
	return json_encode( $value, $flags );
}

$wpdb      = new Stub_DB();
$wp_filter = array();

function add_filter( $hook, $function, $priority = 10, $args = 1 ) {
	global $wp_filter;
	if ( ! isset( $wp_filter[ $hook ] ) ) {
		$wp_filter[ $hook ] = new WP_Hook();
	}
	$wp_filter[ $hook ]->callbacks[ $priority ][] = array( 'function' => $function, 'accepted_args' => $args );
	ksort( $wp_filter[ $hook ]->callbacks );
	return true;
}

function add_action( $hook, $function, $priority = 10, $args = 1 ) {
	return add_filter( $hook, $function, $priority, $args );
}

function remove_action( $hook, $function, $priority = 10 ) {
	global $wp_filter;
	$callbacks = isset( $wp_filter[ $hook ]->callbacks[ $priority ] ) ? $wp_filter[ $hook ]->callbacks[ $priority ] : array();
	foreach ( $callbacks as $key => $callback ) {
		if ( $callback['function'] === $function ) {
			unset( $wp_filter[ $hook ]->callbacks[ $priority ][ $key ] );
			if ( ! $wp_filter[ $hook ]->callbacks[ $priority ] ) {
				unset( $wp_filter[ $hook ]->callbacks[ $priority ] );
			}
			if ( ! $wp_filter[ $hook ]->callbacks ) {
				unset( $wp_filter[ $hook ] );
			}
			return true;
		}
	}
	return false;
}

function has_action( $hook ) {
	global $wp_filter;
	return isset( $wp_filter[ $hook ] );
}

function apply_filters( $hook, $value = null, ...$more ) {
	global $wp_filter;
	$priorities = isset( $wp_filter[ $hook ] ) ? array_keys( $wp_filter[ $hook ]->callbacks ) : array();
	foreach ( $priorities as $priority ) {
		// Read again each time, as WordPress does: a callback may remove others.
		$callbacks = isset( $wp_filter[ $hook ]->callbacks[ $priority ] ) ? $wp_filter[ $hook ]->callbacks[ $priority ] : array();
		foreach ( $callbacks as $callback ) {
			$args  = array_slice( array_merge( array( $value ), $more ), 0, $callback['accepted_args'] );
			$value = call_user_func_array( $callback['function'], $args );
		}
	}
	return $value;
}

function do_action( $hook, ...$args ) {
	global $wp_filter;
	World::$doing[]      = $hook;
	World::$did[ $hook ] = true;
	$last                = null;
	while ( isset( $wp_filter[ $hook ] ) ) {
		// As in WordPress, a callback may add others with a later priority.
		$left = array_filter( array_keys( $wp_filter[ $hook ]->callbacks ), static function ( $priority ) use ( $last ) {
			return null === $last || $priority > $last;
		} );
		if ( ! $left ) {
			break;
		}
		$last = min( $left );
		foreach ( $wp_filter[ $hook ]->callbacks[ $last ] as $callback ) {
			call_user_func_array( $callback['function'], array_slice( $args, 0, $callback['accepted_args'] ) );
		}
	}
	array_pop( World::$doing );
}

function doing_action( $hook ) {
	return in_array( $hook, World::$doing, true );
}

function did_action( $hook ) {
	return isset( World::$did[ $hook ] );
}

function is_multisite() {
	return true;
}

function is_wp_error( $value ) {
	return false;
}

function get_network_option( $network, $name, $otherwise = false ) {
	++World::$reads;
	if ( 0 === strpos( $name, 'closte_bridge_' ) ) {
		return $otherwise; // An object cache that is not shared with WP-CLI.
	}
	return array_key_exists( $name, World::$options ) ? World::$options[ $name ] : $otherwise;
}

function get_current_network_id() {
	return 1;
}

function get_network( $id = null ) {
	return (object) array( 'id' => 1, 'domain' => 'example.net', 'path' => '/', 'site_id' => 1 );
}

function is_main_site( $blog_id, $network_id = null ) {
	return 1 === (int) $blog_id;
}

function get_site( $id ) {
	return isset( World::$sites[ $id ] ) ? World::$sites[ $id ] : null;
}

function get_sites( $query ) {
	$same = array_filter( World::$sites, static function ( $site ) use ( $query ) {
		return $site->domain === $query['domain'] && ! in_array( (int) $site->blog_id, $query['site__not_in'], true );
	} );
	return count( $same );
}

function wp_check_invalid_utf8( $text, $strip = false ) {
	return preg_match( '//u', $text ) ? $text : (string) iconv( 'utf-8', 'utf-8//IGNORE', $text );
}

function current_user_can( $what ) {
	return true;
}

function is_serialized( $text ) {
	return is_string( $text ) && preg_match( '/^([abdiOs]:|N;)/', $text );
}

function esc_html( $text ) {
	return htmlspecialchars( $text, ENT_QUOTES );
}

function get_current_user_id() {
	return World::$user;
}

function get_site_transient( $name ) {
	return isset( World::$transients[ $name ] ) ? World::$transients[ $name ] : false;
}

function set_site_transient( $name, $value, $seconds ) {
	World::$transients[ $name ] = $value;
	return true;
}

function load_muplugin_textdomain( $domain, $folder ) {
	++World::$loads;
	return false;
}

function __( $text, $domain ) {
	if ( 'closte-bridge' !== $domain || ! World::$loads ) {
		throw new LogicException( 'not loaded' );
	}
	return isset( World::$translations[ $text ] ) ? World::$translations[ $text ] : $text;
}

function _n( $one, $many, $count, $domain ) {
	return __( 1 === $count ? $one : $many, $domain );
}

function number_format_i18n( $number ) {
	return number_format( $number );
}

function human_time_diff( $from, $to ) {
	return (int) ( ( $to - $from ) / 60 ) . ' minutes';
}

function wu_create_domain( $data ) {
	World::$domains[] = $data;
	return true;
}

function wu_get_domains( $query ) {
	$found = array();
	foreach ( World::$domains as $id => $data ) {
		if ( $data['blog_id'] === $query['blog_id'] && ( ! isset( $query['domain'] ) || $data['domain'] === $query['domain'] ) ) {
			$found[] = new Stub_Domain( $id + 1, $data['blog_id'], $data['domain'] );
		}
	}
	return $found;
}

function wu_get_domain_by_domain( $name ) {
	foreach ( World::$domains as $id => $data ) {
		if ( $data['domain'] === $name ) {
			return new Stub_Domain( $id + 1, $data['blog_id'], $data['domain'] );
		}
	}
	return false;
}

function wu_get_domain( $id ) {
	return isset( World::$domains[ $id - 1 ] )
		? new Stub_Domain( $id, World::$domains[ $id - 1 ]['blog_id'], World::$domains[ $id - 1 ]['domain'] )
		: false;
}
