<?php
/**
 * An object cache as on Closte: one per PHP server (here: a folder), and its entries never expire.
 */

defined( 'ABSPATH' ) || exit;

final class Test_Object_Cache {

	private $folder;
	private $blog;
	private $global  = array();
	private $request = array();
	private $local   = array( 'counts', 'plugins', 'theme_json' );

	public function __construct() {
		$this->folder = getenv( 'TEST_OBJECT_CACHE' );
		$this->blog   = get_current_blog_id();
		is_dir( $this->folder ) || mkdir( $this->folder, 0777, true );
	}

	public function add_global_groups( $groups ) {
		$this->global += array_fill_keys( (array) $groups, true );
	}

	public function add_local_groups( $groups ) {
		$this->local = array_merge( $this->local, (array) $groups );
	}

	public function switch_to_blog( $blog ) {
		$this->blog = (int) $blog;
	}

	private function path( $key, $group ) {
		$group = $group ? $group : 'default';
		return $this->folder . '/' . sha1( ( isset( $this->global[ $group ] ) ? '' : $this->blog ) . "|$group|$key" );
	}

	public function get( $key, $group, &$found = null ) {
		$path = $this->path( $key, $group );
		if ( ! array_key_exists( $path, $this->request ) ) {
			$text                   = in_array( $group, $this->local, true ) ? false : @file_get_contents( $path );
			$this->request[ $path ] = false === $text ? null : unserialize( $text );
		}
		$entry = $this->request[ $path ];
		$found = is_array( $entry ) && ( ! $entry[1] || $entry[1] > time() );
		return $found ? ( is_object( $entry[0] ) ? clone $entry[0] : $entry[0] ) : false;
	}

	public function set( $key, $value, $group, $seconds ) {
		$path                   = $this->path( $key, $group );
		$this->request[ $path ] = array( is_object( $value ) ? clone $value : $value, $seconds ? time() + (int) $seconds : 0 );
		if ( in_array( $group, $this->local, true ) ) {
			return true;
		}
		$temporary = $path . '.' . getmypid();
		return false !== file_put_contents( $temporary, serialize( $this->request[ $path ] ) ) && rename( $temporary, $path );
	}

	public function delete( $key, $group ) {
		$path                   = $this->path( $key, $group );
		$this->request[ $path ] = null;
		return @unlink( $path );
	}

	public function flush() {
		$this->request = array();
		array_map( 'unlink', glob( $this->folder . '/*' ) );
		return true;
	}
}

function wp_cache_init() {
	$GLOBALS['wp_object_cache'] = new Test_Object_Cache();
}

function wp_cache_get( $key, $group = '', $force = false, &$found = null ) {
	return $GLOBALS['wp_object_cache']->get( $key, $group, $found );
}

function wp_cache_get_multiple( $keys, $group = '', $force = false ) {
	$values = array();
	foreach ( $keys as $key ) {
		$values[ $key ] = wp_cache_get( $key, $group );
	}
	return $values;
}

function wp_cache_set( $key, $value, $group = '', $seconds = 0 ) {
	return $GLOBALS['wp_object_cache']->set( $key, $value, $group, $seconds );
}

function wp_cache_set_multiple( array $data, $group = '', $seconds = 0 ) {
	foreach ( $data as $key => $value ) {
		wp_cache_set( $key, $value, $group, $seconds );
	}
	return array_fill_keys( array_keys( $data ), true );
}

function wp_cache_add( $key, $value, $group = '', $seconds = 0 ) {
	wp_cache_get( $key, $group, false, $found );
	return $found || wp_suspend_cache_addition() ? false : wp_cache_set( $key, $value, $group, $seconds );
}

function wp_cache_add_multiple( array $data, $group = '', $seconds = 0 ) {
	$added = array();
	foreach ( $data as $key => $value ) {
		$added[ $key ] = wp_cache_add( $key, $value, $group, $seconds );
	}
	return $added;
}

function wp_cache_replace( $key, $value, $group = '', $seconds = 0 ) {
	wp_cache_get( $key, $group, false, $found );
	return $found && wp_cache_set( $key, $value, $group, $seconds );
}

function wp_cache_incr( $key, $offset = 1, $group = '' ) {
	$value = max( 0, (int) wp_cache_get( $key, $group ) + $offset );
	wp_cache_set( $key, $value, $group );
	return $value;
}

function wp_cache_decr( $key, $offset = 1, $group = '' ) {
	return wp_cache_incr( $key, -$offset, $group );
}

function wp_cache_delete( $key, $group = '' ) {
	return $GLOBALS['wp_object_cache']->delete( $key, $group );
}

function wp_cache_delete_multiple( array $keys, $group = '' ) {
	foreach ( $keys as $key ) {
		wp_cache_delete( $key, $group );
	}
	return array_fill_keys( $keys, true );
}

function wp_cache_flush() {
	return $GLOBALS['wp_object_cache']->flush();
}

function wp_cache_flush_runtime() {
	return true;
}

function wp_cache_supports( $feature ) {
	return in_array( $feature, array( 'add_multiple', 'set_multiple', 'get_multiple', 'delete_multiple' ), true );
}

function wp_cache_close() {
	return true;
}

function wp_cache_add_global_groups( $groups ) {
	$GLOBALS['wp_object_cache']->add_global_groups( $groups );
}

function wp_cache_add_non_persistent_groups( $groups ) {
	$GLOBALS['wp_object_cache']->add_local_groups( $groups );
}

function wp_cache_switch_to_blog( $blog ) {
	$GLOBALS['wp_object_cache']->switch_to_blog( $blog );
}
