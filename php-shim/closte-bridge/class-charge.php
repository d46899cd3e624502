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
final class Charge {

	/** Seconds after which a silent engine is not in charge any more. */
	const PATIENCE = 1800;

	/**
	 * Say which engine owns a network.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return string Its id, or '' when there is none.
	 */
	public static function owner( $network_id = null ) {
		$owner = self::option( $network_id, 'closte_bridge_owner' );
		return \is_array( $owner ) && isset( $owner['engine'] ) && \is_string( $owner['engine'] ) ? $owner['engine'] : '';
	}

	/**
	 * Read an option of ours.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @param string   $name       The option.
	 * @return mixed Null when there is none.
	 */
	private static function option( $network_id, $name ) {
		global $wpdb;
		$id    = null === $network_id ? \get_current_network_id() : $network_id;
		$sql   = $wpdb->prepare( "SELECT meta_value FROM {$wpdb->sitemeta} WHERE site_id = %d AND meta_key = %s ORDER BY meta_id LIMIT 1", $id, $name );
		$value = $wpdb->get_var( $sql ); // phpcs:ignore WordPress.DB -- prepared above, and not to come from a cache.
		return null === $value ? null : \maybe_unserialize( $value );
	}

	/**
	 * Say how long the engine has been silent.
	 *
	 * @return int|null Seconds, or null when it has never been heard of.
	 */
	public static function silence() {
		$status = self::option( null, 'closte_bridge_status' );
		if ( ! \is_array( $status ) || ! isset( $status['heartbeat'] ) || ! \is_numeric( $status['heartbeat'] ) ) {
			return null;
		}
		// A time to come is no sign of life: some clock was wrong.
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
	 * Tell whether the bridge does the work here: it owns the network, and it was heard of lately.
	 *
	 * @return bool
	 */
	public static function is_ours() {
		if ( '' === self::owner() ) {
			return false;
		}
		$silence = self::silence();
		return null !== $silence && $silence <= self::patience();
	}

	/**
	 * Answer whether a domain's DNS is right, when the engine has proven it one way or the other.
	 *
	 * @param mixed  $result What is thought so far.
	 * @param object $domain The mapping.
	 * @return mixed
	 */
	public static function verdict( $result, $domain = null ) {
		if ( ! \is_object( $domain ) || ! \method_exists( $domain, 'get_domain' ) || ! self::is_ours() ) {
			return $result;
		}
		$status   = self::option( null, 'closte_bridge_status' );
		$verdicts = \is_array( $status ) && isset( $status['verdicts'] ) ? $status['verdicts'] : null;
		$name     = \strtolower( (string) $domain->get_domain() );
		return \is_array( $verdicts ) && isset( $verdicts[ $name ] ) && \is_bool( $verdicts[ $name ] ) ? $verdicts[ $name ] : $result;
	}

	/**
	 * Tell the network's administrators that the engine is silent, and what that means.
	 */
	public static function notice() {
		if ( ! \current_user_can( 'manage_network_options' ) || '' === self::owner() || self::is_ours() ) {
			return;
		}
		$silence = self::silence();
		$since   = null === $silence ? 'has not reported yet' : \sprintf( 'has not reported for %d minutes', $silence / 60 );
		\printf(
			'<div class="notice notice-warning"><p>%s</p></div>',
			\esc_html( "closte-bridge $since. Until it does, Ultimate Multisite's own Closte provider does its work. Run \"closte-bridge shim status\" on the host to see what is wrong." )
		);
	}
}
