<?php
/**
 * Domain mapping, which starts before all plugins if its setting was saved as true, as the setup wizard does.
 */

namespace WP_Ultimo;

use WP_Ultimo\Models\Domain;

defined( 'ABSPATH' ) || exit;

class Domain_Mapping {

	/** @var self|null */
	private static $instance;

	/** @var Domain|null The mapping of this request. */
	public $current_mapping;

	public static function get_instance() {
		if ( null === self::$instance ) {
			self::$instance = new self();
		}
		return self::$instance;
	}

	public function startup(): void {
		wp_cache_add_global_groups( array( 'domain_mappings' ) );
		do_action( 'wu_domain_mapping_load' );
		add_action( 'wp_delete_site', array( $this, 'clear_mappings_on_delete' ) );
	}

	/** Deletes the mappings of a deleted site one by one, with the hooks of each. */
	public function clear_mappings_on_delete( $site ): void {
		$mappings = class_exists( Domain::class ) ? Domain::get_by_site( $site->blog_id ) : false;
		foreach ( $mappings ? $mappings : array() as $mapping ) {
			$mapping->delete();
		}
	}
}
