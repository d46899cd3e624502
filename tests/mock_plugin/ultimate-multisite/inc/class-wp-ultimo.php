<?php
/**
 * The plugin's main class: its version, and whether the setup is finished.
 */

defined( 'ABSPATH' ) || exit;

final class WP_Ultimo {

	const VERSION                       = '2.14.2';
	const NETWORK_OPTION_SETUP_FINISHED = 'wu_setup_finished';

	/** @var string */
	public $version = self::VERSION;

	/** @var bool */
	private $loaded = false;

	/** @var self|null */
	private static $instance;

	public static function get_instance() {
		if ( null === self::$instance ) {
			self::$instance = new self();
		}
		return self::$instance;
	}

	/** Set-up not finished: the functions are there, but nothing is hooked and there are no commands. */
	public function start() {
		if ( $this->loaded || ! get_network_option( null, self::NETWORK_OPTION_SETUP_FINISHED, false ) ) {
			return;
		}
		$this->loaded = true;
		\WP_Ultimo\Managers\Domain_Manager::get_instance()->register_hooks();
		\WP_Ultimo\Integrations\Integration_Registry::get_instance()->init();
		if ( defined( 'WP_CLI' ) ) {
			\WP_Ultimo\Domain_Command::register();
		}
		if ( is_admin() ) {
			\WP_Ultimo\Mock\Screens::register();
		}
	}

	public function is_loaded() {
		return $this->loaded;
	}
}

function WP_Ultimo() { // phpcs:ignore WordPress.NamingConventions.ValidFunctionName -- the real plugin's name.
	return WP_Ultimo::get_instance();
}
