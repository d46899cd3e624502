<?php
/**
 * Registers the hosting providers that are enabled and have a key.
 */

namespace WP_Ultimo\Integrations;

defined( 'ABSPATH' ) || exit;

final class Integration_Registry {

	/** @var self|null */
	private static $instance;

	/** @var array Providers by id. */
	private $integrations = array();

	/** @var array Capabilities by provider's id and their own. */
	private $capabilities = array();

	public static function get_instance() {
		if ( null === self::$instance ) {
			self::$instance = new self();
		}
		return self::$instance;
	}

	public function init() {
		add_action( 'plugins_loaded', array( $this, 'fire_registration_hooks' ), 9 );
		add_action( 'plugins_loaded', array( $this, 'fire_capability_hooks' ), 12 );
	}

	public function fire_registration_hooks() {
		$closte                                  = new Providers\Closte\Closte_Integration();
		$this->integrations[ $closte->get_id() ] = $closte;
		do_action( 'wu_register_integrations', $this );
	}

	public function fire_capability_hooks() {
		$this->capabilities['closte']['domain-mapping'] = new Providers\Closte\Closte_Domain_Mapping();
		do_action( 'wu_register_capabilities', $this );
		foreach ( $this->capabilities as $id => $capabilities ) {
			$integration = $this->get( $id );
			foreach ( $capabilities as $capability ) {
				$capability->set_integration( $integration );
				if ( $integration->is_enabled() && $integration->is_setup() ) {
					$capability->register_hooks();
				}
			}
		}
	}

	public function get( $id ) {
		return $this->integrations[ $id ] ?? null;
	}

	public function get_capability( $integration_id, $capability_id ) {
		return $this->capabilities[ $integration_id ][ $capability_id ] ?? null;
	}
}
