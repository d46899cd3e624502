<?php
/**
 * Requests of people: check a domain now, or retry its failed change now.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * A request is an event that triggers the engine and is evidence of nothing. The caller checks nonce and capability.
 */
final class Requests {

	/** The requests, and the longest domain. */
	const KINDS   = array( 'check', 'retry' );
	const LONGEST = 253;

	/** In this many seconds: one request per domain, a few per user, and some per network. */
	const WINDOW       = 60;
	const PER_USER     = 10;
	const PER_NETWORK  = 300;
	const RATE_LIMITER = 'closte_bridge_requests';

	/**
	 * The networks with an owner, so that many requests read it once.
	 *
	 * @var array
	 */
	private static $owned = array();

	/**
	 * Save a request at the end of this PHP request, and trigger the engine.
	 *
	 * @param mixed $kind       `check` or `retry`.
	 * @param mixed $domain     The domain.
	 * @param mixed $blog_id    Its site; 0 without one.
	 * @param int   $network_id The network; 0 for that of the site.
	 * @return bool False for an invalid request, and without an owner that could read it.
	 */
	public static function note( $kind, $domain, $blog_id = 0, $network_id = 0 ) {
		if ( ! \in_array( $kind, self::KINDS, true ) || ! self::is_domain( $domain ) ) {
			return false;
		}
		$network = (int) ( $network_id ? $network_id : run( 'Owner', 'network_of', array( $blog_id ) ) );
		$network = $network ? $network : \get_current_network_id();
		if ( ! isset( self::$owned[ $network ] ) ) {
			if ( '' === run( 'Owner', 'owner', array( $network ) ) ) {
				return false;
			}
			self::$owned[ $network ] = true;
		}
		return null !== run( 'Outbox', 'add', array( $kind, (int) $blog_id, $domain, array(), $network ) );
	}

	/**
	 * Return whether a person who is no administrator may request a check of a domain now. If so, this counts as a request.
	 *
	 * @param mixed $domain The domain.
	 * @return bool
	 */
	public static function allowed( $domain ) {
		if ( ! self::is_domain( $domain ) ) {
			return false;
		}
		$now    = \time();
		$user   = (int) \get_current_user_id();
		$recent = array();
		$saved  = \get_site_transient( self::RATE_LIMITER );
		foreach ( \is_array( $saved ) ? $saved : array() as $name => $entry ) {
			if ( \is_array( $entry ) && isset( $entry[0], $entry[1] ) && \abs( $now - (int) $entry[0] ) < self::WINDOW ) {
				$recent[ $name ] = array( (int) $entry[0], (int) $entry[1] );
			}
		}
		$own = \count( \array_keys( \array_column( $recent, 1 ), $user, true ) );
		if ( isset( $recent[ $domain ] ) || $own >= self::PER_USER || \count( $recent ) >= self::PER_NETWORK ) {
			return false;
		}
		$recent[ $domain ] = array( $now, $user );
		\set_site_transient( self::RATE_LIMITER, $recent, self::WINDOW );
		return true;
	}

	/**
	 * Return whether a value can be a domain of the states table: ASCII, in lower case, perhaps a wildcard.
	 *
	 * @param mixed $domain The value.
	 * @return bool
	 */
	public static function is_domain( $domain ) {
		return \is_string( $domain ) && \strlen( $domain ) <= self::LONGEST && \preg_match( '/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)+$/D', $domain );
	}
}
