<?php
/**
 * The network's address, as shown to customers.
 */

namespace WP_Ultimo\Domain_Mapping;

defined( 'ABSPATH' ) || exit;

class Helper {

	/** The real plugin asks look-up services for the address of outgoing requests, unless the transient has one. */
	public static function get_network_public_ip() {
		$address = get_site_transient( 'wu_public_network_ip' );
		return apply_filters( 'wu_get_network_public_ip', $address ? $address : '203.0.113.200', false );
	}
}
