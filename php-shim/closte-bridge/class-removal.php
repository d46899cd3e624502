<?php
/**
 * Removes the shim without the engine, whose program is gone.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Does what `closte-bridge shim uninstall` does. What another network of the installation uses stays.
 */
final class Removal {

	/**
	 * Remove all that is ours.
	 *
	 * @param array $failed      What to return if this fails: whoever calls a part gets its first argument back then.
	 * @param bool  $keeps_owner Whether the option that names the owner stays.
	 * @return array What was left, in words.
	 */
	public static function remove( array $failed, $keeps_owner = false ) {
		unset( $failed );
		$shared = self::is_shared();
		$left   = $shared ? array() : self::remove_files();
		return \array_merge( $left, self::remove_events( $shared ), self::remove_options( $keeps_owner ) );
	}

	/**
	 * Return whether another network uses the shim.
	 *
	 * @return bool
	 */
	public static function is_shared() {
		global $wpdb;
		$sql   = $wpdb->prepare( "SELECT COUNT(*) FROM {$wpdb->sitemeta} WHERE meta_key = 'closte_bridge_owner' AND site_id <> %d", \get_current_network_id() );
		$owned = (int) $wpdb->get_var( $sql ); // phpcs:ignore WordPress.DB -- prepared above, and not to come from a cache.
		$file  = __DIR__ . '/config.php';
		$all   = \is_readable( $file ) ? include $file : array();
		return $owned > 0 || ( \is_array( $all ) && \array_diff_key( $all, array( \get_current_network_id() => true ) ) );
	}

	/**
	 * Remove the files that have our mark; the loader first, so that nothing of the rest is used.
	 *
	 * @return array Paths that were left.
	 */
	private static function remove_files() {
		$left = array();
		foreach ( \array_merge( array( \dirname( __DIR__ ) . '/closte-bridge-shim.php' ), (array) \glob( __DIR__ . '/*.php' ) ) as $path ) {
			if ( \is_file( $path ) && ( ! self::is_ours( $path ) || ! @\unlink( $path ) ) ) { // phpcs:ignore -- what is left is told.
				$left[] = $path;
			}
		}
		foreach ( (array) \glob( __DIR__ . '/*.tmp' ) as $leftover ) {
			@\unlink( $leftover ); // phpcs:ignore -- likewise.
		}
		@\rmdir( __DIR__ ); // phpcs:ignore -- it is not empty if something was left.
		return $left;
	}

	/**
	 * Return whether a file has our mark.
	 *
	 * @param string $path The file.
	 * @return bool
	 */
	private static function is_ours( $path ) {
		$text = \is_link( $path ) ? '' : (string) \file_get_contents( $path, false, null, 0, 200 ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- a file of this machine.
		return 1 === \preg_match( '#\A<\?php\n// closte-bridge-shim \S{1,40} sha256:[0-9a-f]{64}\n#', $text );
	}

	/**
	 * Remove this network's events, and the table if no other network uses it.
	 *
	 * @param bool $shared Whether another network uses it.
	 * @return array What was left, in words.
	 */
	private static function remove_events( $shared ) {
		global $wpdb;
		$table      = $wpdb->base_prefix . 'closte_bridge_events';
		$suppressed = $wpdb->suppress_errors( true );
		$of         = \get_current_network_id();
		$sql        = $shared ? $wpdb->prepare( "DELETE FROM $table WHERE network_id = %d", $of ) : "DROP TABLE IF EXISTS $table"; // phpcs:ignore WordPress.DB.PreparedSQL -- our own table.
		$done       = $wpdb->query( $sql ); // phpcs:ignore WordPress.DB -- our own table.
		$wpdb->suppress_errors( $suppressed );
		return false === $done ? array( "the table $table" ) : array();
	}

	/**
	 * Remove our options of this network.
	 *
	 * @param bool $keeps_owner Whether the owner stays.
	 * @return array What was left, in words.
	 */
	private static function remove_options( $keeps_owner ) {
		$left = array();
		foreach ( $keeps_owner ? array( 'closte_bridge_status' ) : array( 'closte_bridge_status', 'closte_bridge_owner' ) as $name ) {
			\delete_network_option( null, $name );
			if ( null !== \get_network_option( null, $name, null ) ) {
				$left[] = "the option $name";
			}
		}
		return $left;
	}
}
