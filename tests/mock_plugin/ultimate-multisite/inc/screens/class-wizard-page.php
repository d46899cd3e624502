<?php
/**
 * The wizard that sets up a hosting provider.
 */

namespace WP_Ultimo\Mock;

defined( 'ABSPATH' ) || exit;

final class Wizard_Page {

	const SLUG  = 'wp-ultimo-hosting-integration-wizard';
	const TITLE = 'Integration Setup';

	/** @var object|null */
	private $integration;

	public function load() {
		$registry          = \WP_Ultimo\Integrations\Integration_Registry::get_instance();
		$this->integration = $registry->get( isset( $_GET['integration'] ) ? sanitize_key( $_GET['integration'] ) : '' );
		if ( ! $this->integration ) {
			wp_safe_redirect( network_admin_url() );
			exit;
		}
	}

	public function get_sections() {
		$sections = array();
		foreach ( array( 'activation' => 'Activation', 'config' => 'Configuration', 'testing' => 'Testing Integration', 'done' => 'Ready!' ) as $name => $title ) {
			$sections[ $name ] = array(
				'title' => $title,
				'view'  => array( $this, 'render_submit_box' ),
			);
		}
		return apply_filters( 'wu_hosting_integration_wizard_sections', $sections, $this->integration, $this );
	}

	/** The real wizard gets the name of the next section from the order of all. */
	public function render_submit_box(): void {
		echo '<p class="submit"><button type="submit" class="button button-primary">Continue</button></p>';
	}

	public function output() {
		$sections = $this->get_sections();
		$name     = isset( $_GET['step'] ) ? sanitize_key( $_GET['step'] ) : key( $sections );
		printf( '<div class="wrap"><h2>%s</h2><ul>', esc_html( self::TITLE ) );
		foreach ( $sections as $key => $section ) {
			$url = add_query_arg( array( 'page' => self::SLUG, 'integration' => $this->integration->get_id(), 'step' => $key ), network_admin_url( 'admin.php' ) );
			printf( '<li><a href="%s">%s</a></li>', esc_url( $url ), esc_html( $section['title'] ) );
		}
		echo '</ul><form method="post">';
		call_user_func( $sections[ $name ]['view'] );
		echo '</form></div>';
	}
}
