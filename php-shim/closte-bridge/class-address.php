<?php
/**
 * Tells Ultimate Multisite the address to which customers must point their domains.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Without it, Ultimate Multisite shows the address of this server's outgoing requests, which is not the one that serves visitors.
 */
final class Address {

	/**
	 * Return the address: the first IPv4 address that the engine observed, else any that it observed, else Closte's constant.
	 *
	 * The engine's addresses are those of `dns.targets`, else of the constant, else of the network's main domain. They stay valid
	 * while the engine is offline, so the heartbeat does not matter.
	 *
	 * @param mixed $given The address so far.
	 * @return mixed
	 */
	public static function known( $given = null ) {
		$addresses = self::all();
		foreach ( $addresses as $address ) {
			if ( false !== \filter_var( $address, \FILTER_VALIDATE_IP, \FILTER_FLAG_IPV4 ) ) {
				return $address;
			}
		}
		return isset( $addresses[0] ) ? $addresses[0] : $given;
	}

	/**
	 * Return all addresses: those that the engine observed, else Closte's constant.
	 *
	 * @return array
	 */
	public static function all() {
		$addresses = \array_values( \array_filter( (array) run( 'Owner', 'addresses' ), __CLASS__ . '::valid' ) );
		return $addresses || ! \defined( 'CLOSTE_PUBLIC_IP_ADDRESS' ) || ! self::valid( CLOSTE_PUBLIC_IP_ADDRESS ) ? $addresses : array( CLOSTE_PUBLIC_IP_ADDRESS );
	}

	/**
	 * Return whether a value is an IP address.
	 *
	 * @param mixed $value Any value.
	 * @return bool
	 */
	private static function valid( $value ) {
		return \is_string( $value ) && false !== \filter_var( $value, \FILTER_VALIDATE_IP );
	}
}
