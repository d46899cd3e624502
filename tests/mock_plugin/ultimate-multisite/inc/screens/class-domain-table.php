<?php
/**
 * The table of all domains.
 */

namespace WP_Ultimo\Mock;

defined( 'ABSPATH' ) || exit;

final class Domain_Table extends \WP_List_Table {

	public function get_columns() {
		return array(
			'domain' => 'Domain',
			'stage'  => 'Stage',
		);
	}

	public function prepare_items() {
		$this->_column_headers = array( $this->get_columns(), array(), array() );
		$search                = isset( $_GET['s'] ) ? sanitize_text_field( wp_unslash( $_GET['s'] ) ) : '';
		foreach ( wu_get_domains() as $item ) {
			if ( '' === $search || false !== strpos( $item->get_domain(), $search ) ) {
				$this->items[] = $item;
			}
		}
	}

	/** The filter gets HTML that was already escaped, and its result is not escaped again. */
	public function column_domain( $item ) {
		$url  = network_admin_url( 'admin.php?page=wp-ultimo-edit-domain&id=' . $item->get_id() . '&model=domain' );
		$html = sprintf( '<strong><a href="%s">%s</a></strong>', esc_url( $url ), esc_html( $item->get_domain() ) );
		return apply_filters( 'wu_domain_list_column_domain', $html, $item ) . $this->row_actions( array( 'edit' => '<a href="' . esc_url( $url ) . '">Edit</a>' ) );
	}

	/** `row_actions` has the button that shows the other columns on a phone. */
	protected function handle_row_actions( $item, $column_name, $primary ) {
		return '';
	}

	public function column_stage( $item ) {
		return esc_html( $item->get_stage() );
	}
}
