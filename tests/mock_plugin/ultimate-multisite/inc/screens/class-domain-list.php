<?php
/**
 * The list of all domains in the network admin.
 */

namespace WP_Ultimo\Mock;

defined( 'ABSPATH' ) || exit;

final class Domain_List {

	public static function output() {
		require_once ABSPATH . 'wp-admin/includes/class-wp-list-table.php';
		require_once __DIR__ . '/class-domain-table.php';
		$table = new Domain_Table( array( 'plural' => 'domains' ) );
		$table->prepare_items();
		echo '<div class="wrap"><h1>Domains</h1><form method="get"><input type="hidden" name="page" value="wp-ultimo-domains">';
		$table->search_box( 'Search Domains', 'domain' );
		$table->display();
		echo '</form></div>';
	}
}
