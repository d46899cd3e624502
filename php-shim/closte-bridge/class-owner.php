<?php
/**
 * Tracks the network's owner and the engine's last heartbeat.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Reads two network options: the owner, which `closte-bridge adopt` writes, and the engine's status with its heartbeat.
 *
 * Reads the table directly, because an object cache that is not shared with WP-CLI could return stale values.
 */
final class Owner {

	/** Heartbeat timeout in seconds. Without a newer heartbeat, the built-in provider is active. */
	const PATIENCE = 1800;

	/**
	 * The options that an admin screen has read, so that its parts share one query.
	 *
	 * @var array|null
	 */
	private static $read = null;

	/**
	 * Return what an admin screen shows of this network's owner. All parts of the screen share one query.
	 *
	 * @return array `owner` (its ID, or ''), `host`, `since`, `silence`, `active`, and the engine's `summary`. Not validated.
	 */
	public static function shown() {
		if ( null === self::$read ) {
			self::$read = self::options();
		}
		$options = self::$read;
		$owner   = isset( $options['closte_bridge_owner'] ) && \is_array( $options['closte_bridge_owner'] ) ? $options['closte_bridge_owner'] : array();
		$status  = isset( $options['closte_bridge_status'] ) && \is_array( $options['closte_bridge_status'] ) ? $options['closte_bridge_status'] : array();
		return array(
			'owner'   => self::owner_in( $options ),
			'host'    => isset( $owner['host'] ) && \is_string( $owner['host'] ) ? $owner['host'] : '',
			'since'   => isset( $owner['since'] ) && \is_scalar( $owner['since'] ) ? $owner['since'] : '',
			'silence' => self::silence_in( $options ),
			'active'  => self::is_active_in( $options ),
			'summary' => isset( $status['summary'] ) && \is_array( $status['summary'] ) ? $status['summary'] : array(),
		);
	}

	/**
	 * Return the engine that owns a network.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return string Its id, or '' if there is none.
	 */
	public static function owner( $network_id = null ) {
		return self::owner_in( self::options( $network_id ) );
	}

	/**
	 * Read closte-bridge's options of a network with one query.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return array Name => value, only those that exist.
	 */
	private static function options( $network_id = null ) {
		global $wpdb;
		$id    = null === $network_id ? \get_current_network_id() : (int) $network_id;
		$sql   = $wpdb->prepare( "SELECT meta_key, meta_value FROM {$wpdb->sitemeta} WHERE site_id = %d AND meta_key IN ('closte_bridge_owner', 'closte_bridge_status') ORDER BY meta_id DESC", $id );
		$rows  = $wpdb->get_results( $sql, \ARRAY_N ); // phpcs:ignore WordPress.DB -- prepared above; a cache may be stale.
		$found = array();
		foreach ( \is_array( $rows ) ? $rows : array() as $row ) {
			// The options are plain arrays. A serialized object can only be an attack, so it is not created.
			$found[ $row[0] ] = \is_serialized( $row[1] ) ? \unserialize( \trim( $row[1] ), array( 'allowed_classes' => false ) ) : $row[1]; // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- as WordPress stores it.
		}
		return $found;
	}

	/**
	 * Return the owner from the options.
	 *
	 * @param array $options From `options`.
	 * @return string Its id, or '' if there is none.
	 */
	private static function owner_in( array $options ) {
		$owner = isset( $options['closte_bridge_owner'] ) ? $options['closte_bridge_owner'] : null;
		return \is_array( $owner ) && isset( $owner['engine'] ) && \is_string( $owner['engine'] ) ? $owner['engine'] : '';
	}

	/**
	 * Return the seconds since the last heartbeat.
	 *
	 * @return int|null Null if there is none.
	 */
	public static function silence() {
		return self::silence_in( self::options() );
	}

	/**
	 * Return the seconds since the heartbeat in the options.
	 *
	 * @param array $options From `options`.
	 * @return int|null Null if there is none.
	 */
	private static function silence_in( array $options ) {
		$status = isset( $options['closte_bridge_status'] ) ? $options['closte_bridge_status'] : null;
		if ( ! \is_array( $status ) || ! isset( $status['heartbeat'] ) || ! \is_numeric( $status['heartbeat'] ) ) {
			return null;
		}
		// Ignore heartbeats in the future (clock skew).
		$age = \time() - (int) $status['heartbeat'];
		return $age < -300 ? null : \max( 0, $age );
	}

	/**
	 * Return the heartbeat timeout.
	 *
	 * @return int Seconds.
	 */
	public static function patience() {
		$set = \defined( 'CLOSTE_BRIDGE_PATIENCE' ) ? CLOSTE_BRIDGE_PATIENCE : self::PATIENCE;
		return \is_numeric( $set ) && $set > 0 ? (int) $set : self::PATIENCE;
	}

	/**
	 * Return whether closte-bridge is active for a network: it owns the network and sent a recent heartbeat.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return bool
	 */
	public static function is_active( $network_id = null ) {
		return self::is_active_in( self::options( $network_id ) );
	}

	/**
	 * Return whether closte-bridge is active according to the options.
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
	 * @return int|null Null if the site is not known.
	 */
	public static function network_of( $blog_id ) {
		$site = \is_numeric( $blog_id ) && $blog_id > 0 ? \get_site( (int) $blog_id ) : null;
		return $site ? (int) $site->network_id : null;
	}

	/**
	 * Return the engine's DNS check result for a domain, if there is one.
	 *
	 * @param mixed  $result The result so far.
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
	 * Return the addresses to which domains must point, as the engine observed them.
	 *
	 * @return array Empty without an owner, or if they are not known yet. The values are not validated.
	 */
	public static function addresses() {
		$options   = self::options();
		$status    = '' === self::owner_in( $options ) || ! isset( $options['closte_bridge_status'] ) ? null : $options['closte_bridge_status'];
		$addresses = \is_array( $status ) && isset( $status['addresses'] ) ? $status['addresses'] : null;
		return \is_array( $addresses ) ? $addresses : array();
	}

	/**
	 * Return the engine's summary of a network.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return array Empty without one. The values are not validated.
	 */
	public static function summary( $network_id = null ) {
		$options = self::options( $network_id );
		$status  = isset( $options['closte_bridge_status'] ) ? $options['closte_bridge_status'] : null;
		$summary = \is_array( $status ) && isset( $status['summary'] ) ? $status['summary'] : null;
		return \is_array( $summary ) ? $summary : array();
	}

	/**
	 * Show the network's administrators a notice while closte-bridge is offline.
	 */
	public static function notice() {
		if ( ! \current_user_can( 'manage_network_options' ) ) {
			return;
		}
		$options = null === self::$read ? self::options() : self::$read;
		if ( '' === self::owner_in( $options ) || self::is_active_in( $options ) ) {
			return;
		}
		\printf(
			'<div class="notice notice-warning"><p>%1$s %2$s</p><p>%3$s</p></div>',
			\esc_html( (string) run( 'Messages', 'offline', array( self::silence_in( $options ) ) ) ),
			\esc_html( (string) run( 'Messages', 'meanwhile' ) ),
			\sprintf( \esc_html( (string) run( 'Messages', 'diagnose' ) ), '<code>closte-bridge shim status</code>' )
		);
	}
}
