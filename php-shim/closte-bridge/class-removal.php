<?php
/**
 * Removes the shim without the engine, if its program is missing.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Does the same as `closte-bridge shim uninstall`. Keeps everything that another network uses.
 */
final class Removal {

	/**
	 * Remove the files, the events, the domain states and the options of closte-bridge.
	 *
	 * @param array $failed      The result if this method throws: `run` returns the first argument then.
	 * @param bool  $keeps_owner Whether to keep the option that names the owner.
	 * @return array Paths, tables and options that could not be removed.
	 */
	public static function remove( array $failed, $keeps_owner = false ) {
		unset( $failed );
		$shared = self::is_shared();
		$left   = $shared ? array() : self::remove_files();
		if ( ! $shared ) {
			// What people chose in the screen options.
			\delete_metadata( 'user', 0, 'closte_bridge_per_page', '', true );
		}
		return \array_merge( $left, self::remove_rows( 'closte_bridge_events', $shared ), self::remove_rows( 'closte_bridge_domains', $shared ), self::remove_options( $keeps_owner ) );
	}

	/**
	 * Return whether another network uses the shim.
	 *
	 * @return bool
	 */
	public static function is_shared() {
		global $wpdb;
		$sql   = $wpdb->prepare( "SELECT COUNT(*) FROM {$wpdb->sitemeta} WHERE meta_key = 'closte_bridge_owner' AND site_id <> %d", \get_current_network_id() );
		$owned = (int) $wpdb->get_var( $sql ); // phpcs:ignore WordPress.DB -- prepared above; a cache may be stale.
		$file  = __DIR__ . '/config.php';
		$all   = \is_readable( $file ) ? include $file : array();
		return $owned > 0 || ( \is_array( $all ) && \array_diff_key( $all, array( \get_current_network_id() => true ) ) );
	}

	/**
	 * Remove the shim's files; the loader first, so that no request loads a partial shim.
	 *
	 * @return array Paths that could not be removed.
	 */
	private static function remove_files() {
		$left = array();
		foreach ( \array_merge( array( \dirname( __DIR__ ) . '/closte-bridge-shim.php' ), (array) \glob( __DIR__ . '/*.php' ) ) as $path ) {
			if ( \is_file( $path ) && ( ! self::is_own( $path ) || ! @\unlink( $path ) ) ) { // phpcs:ignore -- what cannot be removed is reported.
				$left[] = $path;
			}
		}
		// Others can add translations. These stay, and are not reported.
		foreach ( \array_filter( (array) \glob( __DIR__ . '/languages/*.php' ), array( __CLASS__, 'is_own' ) ) as $path ) {
			if ( ! @\unlink( $path ) ) { // phpcs:ignore -- the same.
				$left[] = $path;
			}
		}
		foreach ( array( __DIR__ . '/languages', __DIR__ ) as $folder ) {
			foreach ( (array) \glob( "$folder/*.tmp" ) as $leftover ) {
				@\unlink( $leftover ); // phpcs:ignore -- the same.
			}
			@\rmdir( $folder ); // phpcs:ignore -- not empty if a file could not be removed.
		}
		return $left;
	}

	/**
	 * Return whether closte-bridge created a file.
	 *
	 * @param string $path The file.
	 * @return bool
	 */
	private static function is_own( $path ) {
		$text = \is_link( $path ) ? '' : (string) \file_get_contents( $path, false, null, 0, 200 ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- a file of this machine.
		return 1 === \preg_match( '#\A<\?php\n// closte-bridge-shim \S{1,40} sha256:[0-9a-f]{64}\n#', $text );
	}

	/**
	 * Remove this network's rows of a table, and the table if no other network uses it.
	 *
	 * @param string $name   The table's name without prefix.
	 * @param bool   $shared Whether another network uses it.
	 * @return array The table, if this failed.
	 */
	private static function remove_rows( $name, $shared ) {
		global $wpdb;
		$table      = $wpdb->base_prefix . $name;
		$suppressed = $wpdb->suppress_errors( true );
		$of         = \get_current_network_id();
		$sql        = $shared ? $wpdb->prepare( "DELETE FROM $table WHERE network_id = %d", $of ) : "DROP TABLE IF EXISTS $table"; // phpcs:ignore WordPress.DB.PreparedSQL -- the shim's own table.
		$done       = $wpdb->query( $sql ); // phpcs:ignore WordPress.DB -- the shim's own table.
		$missing    = false === $done && ! $wpdb->get_var( $wpdb->prepare( 'SHOW TABLES LIKE %s', $wpdb->esc_like( $table ) ) ); // phpcs:ignore WordPress.DB -- the same.
		$wpdb->suppress_errors( $suppressed );
		return false === $done && ! $missing ? array( run( 'Messages', 'table', array( $table ) ) ) : array();
	}

	/**
	 * Remove closte-bridge's options of this network.
	 *
	 * @param bool $keeps_owner Whether to keep the owner.
	 * @return array Options that could not be removed.
	 */
	private static function remove_options( $keeps_owner ) {
		$left = array();
		\delete_site_transient( 'closte_bridge_requests' );
		$names = array( 'closte_bridge_status', 'closte_bridge_announced', 'closte_bridge_failures' );
		foreach ( $keeps_owner ? $names : \array_merge( $names, array( 'closte_bridge_owner' ) ) as $name ) {
			\delete_network_option( null, $name );
			if ( null !== \get_network_option( null, $name, null ) ) {
				$left[] = run( 'Messages', 'option', array( $name ) );
			}
		}
		return $left;
	}
}
