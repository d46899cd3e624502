<?php
/**
 * The built-in Closte provider's listeners. They send one request each and never retry.
 */

namespace WP_Ultimo\Integrations\Providers\Closte;

defined( 'ABSPATH' ) || exit;

class Closte_Domain_Mapping {

	/** The provider guesses where certificates are asked for. */
	const GUESSES = array( '/ssl/install', '/installssl', '/ssl', '/certificate/install' );

	/** @var Closte_Integration */
	private $integration;

	public function set_integration( $integration ) {
		$this->integration = $integration;
	}

	public function get_integration() {
		return $this->integration;
	}

	public function get_capability_id() {
		return 'domain-mapping';
	}

	public function register_hooks() {
		add_action( 'wu_add_domain', array( $this, 'on_add_domain' ), 10, 2 );
		add_action( 'wu_remove_domain', array( $this, 'on_remove_domain' ), 10, 2 );
		add_action( 'wu_add_subdomain', array( $this, 'on_add_subdomain' ), 10, 2 );
		add_action( 'wu_remove_subdomain', array( $this, 'on_remove_subdomain' ), 10, 2 );
		add_filter( 'wu_async_process_domain_stage_max_tries', array( $this, 'ssl_tries' ), 10, 2 );
	}

	public function on_add_domain( $domain, $site_id ) {
		wu_log_add( 'integration-closte', "Adding {$domain} of site {$site_id}" );
		$answer = $this->send( '/adddomainalias', $domain );
		if ( is_wp_error( $answer ) || empty( $answer['success'] ) ) {
			return;
		}
		foreach ( self::GUESSES as $endpoint ) {
			$guess = $this->integration->api_call( $endpoint, array( 'domain' => $domain, 'type' => 'letsencrypt' ) );
			if ( ! is_wp_error( $guess ) && ! preg_match( '/HTTP [45]\d\d/', $guess['error'] ?? '' ) ) {
				return;
			}
		}
	}

	public function on_remove_domain( $domain, $site_id ) {
		wu_log_add( 'integration-closte', "Removing {$domain} of site {$site_id}" );
		$this->send( '/deletedomainalias', $domain );
	}

	/** Nothing to do for the network's own subdomains. */
	public function on_add_subdomain( $subdomain, $site_id ) {
	}

	/** Nothing to do for the network's own subdomains. */
	public function on_remove_subdomain( $subdomain, $site_id ) {
	}

	/** Certificates get more time than DNS. */
	public function ssl_tries( $max_tries, $domain ) {
		return 'checking-ssl-cert' === $domain->get_stage() ? 20 : $max_tries;
	}

	public function test_connection() {
		return $this->integration->test_connection();
	}

	private function send( $endpoint, $domain ) {
		$wildcard = 0 === strpos( $domain, '*.' );
		return $this->integration->api_call( $endpoint, array( 'domain' => $domain, 'wildcard' => $wildcard ) );
	}
}
