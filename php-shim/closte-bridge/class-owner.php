<?php
/**
 * Who is in charge of this network, and what the engine said last.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Reads the two network options: the owner, which adoption writes, and the engine's sign of life.
 *
 * From the table: an object cache that WP-CLI does not share with the web server would go on telling of an engine that is long
 * silent, or of none.
 */
final class Owner {

	/** Seconds after which a silent engine is not in charge any more. */
	const PATIENCE = 1800;

	/**
	 * Return which engine owns a network.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return string Its id, or '' if there is none.
	 */
	public static function owner( $network_id = null ) {
		return self::owner_in( self::options( $network_id ) );
	}

	/**
	 * Read our options of a network with one query.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return array Name => value, only those that exist.
	 */
	private static function options( $network_id = null ) {
		global $wpdb;
		$id    = null === $network_id ? \get_current_network_id() : (int) $network_id;
		$sql   = $wpdb->prepare( "SELECT meta_key, meta_value FROM {$wpdb->sitemeta} WHERE site_id = %d AND meta_key IN ('closte_bridge_owner', 'closte_bridge_status') ORDER BY meta_id DESC", $id );
		$rows  = $wpdb->get_results( $sql, \ARRAY_N ); // phpcs:ignore WordPress.DB -- prepared above, and not to come from a cache.
		$found = array();
		foreach ( \is_array( $rows ) ? $rows : array() as $row ) {
			// They are plain arrays. An object in there is somebody's mischief, and is not built.
			$found[ $row[0] ] = \is_serialized( $row[1] ) ? \unserialize( \trim( $row[1] ), array( 'allowed_classes' => false ) ) : $row[1]; // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- as WordPress stores it.
		}
		return $found;
	}

	/**
	 * Return the owner that options name.
	 *
	 * @param array $options From `options`.
	 * @return string Its id, or '' if there is none.
	 */
	private static function owner_in( array $options ) {
		$owner = isset( $options['closte_bridge_owner'] ) ? $options['closte_bridge_owner'] : null;
		return \is_array( $owner ) && isset( $owner['engine'] ) && \is_string( $owner['engine'] ) ? $owner['engine'] : '';
	}

	/**
	 * Return how long the engine has been silent.
	 *
	 * @return int|null Seconds, or null if it has never reported.
	 */
	public static function silence() {
		return self::silence_in( self::options() );
	}

	/**
	 * Return how long ago options say that the engine reported.
	 *
	 * @param array $options From `options`.
	 * @return int|null Seconds, or null if it has never reported.
	 */
	private static function silence_in( array $options ) {
		$status = isset( $options['closte_bridge_status'] ) ? $options['closte_bridge_status'] : null;
		if ( ! \is_array( $status ) || ! isset( $status['heartbeat'] ) || ! \is_numeric( $status['heartbeat'] ) ) {
			return null;
		}
		// A heartbeat of the future is none: some clock was wrong.
		$age = \time() - (int) $status['heartbeat'];
		return $age < -300 ? null : \max( 0, $age );
	}

	/**
	 * Say how long the engine may be silent.
	 *
	 * @return int Seconds.
	 */
	public static function patience() {
		$set = \defined( 'CLOSTE_BRIDGE_PATIENCE' ) ? CLOSTE_BRIDGE_PATIENCE : self::PATIENCE;
		return \is_numeric( $set ) && $set > 0 ? (int) $set : self::PATIENCE;
	}

	/**
	 * Return whether the bridge does the work for a network: it owns the network, and reported lately.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return bool
	 */
	public static function is_active( $network_id = null ) {
		return self::is_active_in( self::options( $network_id ) );
	}

	/**
	 * Return whether options say that the bridge does the work.
	 *
	 * @param array $options From `options`.
	 * @return bool
	 */
	private static function is_active_in( array $options ) {
		$silence = '' === self::owner_in( $options ) ? null : self::silence_in( $options );
		return null !== $silence && $silence <= self::patience();
	}

	/**
	 * Return the network of a site.
	 *
	 * @param mixed $blog_id The site.
	 * @return int|null Null for this network: the site is not known.
	 */
	public static function network_of( $blog_id ) {
		$site = \is_numeric( $blog_id ) && $blog_id > 0 ? \get_site( (int) $blog_id ) : null;
		return $site ? (int) $site->network_id : null;
	}

	/**
	 * Answer whether a domain's DNS is correct, if the engine of its site's network has proven it.
	 *
	 * @param mixed  $result What is thought so far.
	 * @param object $domain The mapping.
	 * @return mixed
	 */
	public static function verdict( $result, $domain = null ) {
		if ( ! \is_object( $domain ) || ! \method_exists( $domain, 'get_domain' ) || ! \method_exists( $domain, 'get_blog_id' ) ) {
			return $result;
		}
		$options = self::options( self::network_of( $domain->get_blog_id() ) );
		if ( ! self::is_active_in( $options ) ) {
			return $result;
		}
		$status   = $options['closte_bridge_status'];
		$verdicts = isset( $status['verdicts'] ) ? $status['verdicts'] : null;
		$name     = \strtolower( (string) $domain->get_domain() );
		return \is_array( $verdicts ) && isset( $verdicts[ $name ] ) && \is_bool( $verdicts[ $name ] ) ? $verdicts[ $name ] : $result;
	}

	/**
	 * Show the network's administrators that the engine is silent, and what that means.
	 */
	public static function notice() {
		if ( ! \current_user_can( 'manage_network_options' ) ) {
			return;
		}
		$options = self::options();
		if ( '' === self::owner_in( $options ) || self::is_active_in( $options ) ) {
			return;
		}
		$silence = self::silence_in( $options );
		$since   = null === $silence ? 'has not reported yet' : \sprintf( 'has not reported for %d minutes', $silence / 60 );
		\printf(
			'<div class="notice notice-warning"><p>%s</p></div>',
			\esc_html( "closte-bridge $since. Until it does, Ultimate Multisite's own Closte provider does its work. Run \"closte-bridge shim status\" on the host to see what is wrong." )
		);
	}
}
