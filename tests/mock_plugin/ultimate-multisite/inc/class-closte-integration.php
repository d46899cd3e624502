<?php
/**
 * The built-in Closte provider: its setting, its key and its requests.
 */

namespace WP_Ultimo\Integrations\Providers\Closte;

use WP_Ultimo\Helpers\Credential_Store;

defined( 'ABSPATH' ) || exit;

class Closte_Integration {

	const SWITCHES = 'wu_host_integrations_enabled';
	const KEY      = 'CLOSTE_CLIENT_API_KEY';
	const BASE_URL = 'https://app.closte.com/api/client';

	public function get_id() {
		return 'closte';
	}

	public function get_title() {
		return 'Closte';
	}

	public function is_enabled() {
		$switches = get_network_option( null, self::SWITCHES, array() );
		return ! empty( $switches['closte'] );
	}

	public function enable() {
		return $this->switch_to( true );
	}

	public function disable() {
		return $this->switch_to( false );
	}

	private function switch_to( $state ) {
		$switches           = get_network_option( null, self::SWITCHES, array() );
		$switches['closte'] = $state;
		return update_network_option( null, self::SWITCHES, $switches );
	}

	public function is_setup() {
		return '' !== $this->get_credential( self::KEY );
	}

	public function detect() {
		return $this->is_setup();
	}

	/** The constant, else the encrypted network option, else an empty string. */
	public function get_credential( $name ) {
		if ( defined( $name ) && constant( $name ) ) {
			return (string) constant( $name );
		}
		$stored = get_network_option( null, "wu_hosting_credential_{$name}", '' );
		return $stored ? Credential_Store::decrypt( $stored ) : '';
	}

	public function save_credentials( $values ) {
		$value = $values[ self::KEY ] ?? '';
		if ( $value ) {
			update_network_option( null, 'wu_hosting_credential_' . self::KEY, Credential_Store::encrypt( $value ) );
		} else {
			delete_network_option( null, 'wu_hosting_credential_' . self::KEY );
		}
	}

	/** True, or a WP_Error. A valid key with no domain is known by the sentence that refuses it. */
	public function test_connection() {
		$answer = $this->api_call( '/adddomainalias', array() );
		if ( is_wp_error( $answer ) ) {
			return $answer;
		}
		$valid = 'Invalid or empty domain: ' === ( $answer['error'] ?? '' );
		return $valid ? true : new \WP_Error( 'not-auth', 'Closte did not accept the key.' );
	}

	/** @return array|\WP_Error The decoded answer; for a bad one `success` is false. */
	public function api_call( $endpoint, $data ) {
		$key = $this->get_credential( self::KEY );
		if ( '' === $key ) {
			return new \WP_Error( 'missing-key', 'There is no key.' );
		}
		$options  = array( 'timeout' => 45, 'body' => array( 'apikey' => $key ) + $data );
		$response = wp_remote_post( self::BASE_URL . $endpoint, $options );
		if ( is_wp_error( $response ) ) {
			return $response;
		}
		$status = wp_remote_retrieve_response_code( $response );
		$answer = json_decode( wp_remote_retrieve_body( $response ), true );
		if ( $status >= 400 || ! is_array( $answer ) ) {
			return array( 'success' => false, 'error' => "HTTP {$status} error" );
		}
		return $answer;
	}
}
