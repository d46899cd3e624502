<?php
/**
 * The screen *Edit Domain*.
 */

namespace WP_Ultimo\Mock;

defined( 'ABSPATH' ) || exit;

final class Domain_Page {

	const SLUG  = 'wp-ultimo-edit-domain';
	const TITLE = 'Edit Domain';

	/** @var \WP_Ultimo\Models\Domain */
	private $item;

	public function get_object() {
		return $this->item;
	}

	public function load( $hook ) {
		$this->item = wu_get_domain( isset( $_GET['id'] ) ? absint( $_GET['id'] ) : 0 );
		if ( ! $this->item ) {
			wp_die( 'There is no such domain.' );
		}
		do_action( 'wu_page_' . self::SLUG . '_register_widgets', self::SLUG, $hook, $this );
	}

	public function output() {
		printf( '<div class="wrap"><h1>%s</h1><p>%s</p><div id="poststuff">', esc_html( self::TITLE ), esc_html( $this->item->get_domain() ) );
		do_meta_boxes( get_current_screen()->id, 'normal', $this->item );
		echo '</div></div>';
	}
}
