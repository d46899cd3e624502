<?php
/**
 * Loaded before all plugins. Stores whether the plugin was active at the last load; mapped domains are only served if so.
 */

namespace WP_Ultimo;

defined( 'ABSPATH' ) || exit;

class Sunrise {

	public static function init(): void {
		add_action( 'init', array( self::class, 'maybe_tap_on_init' ) );
	}

	public static function maybe_tap_on_init(): void {
		$active = function_exists( 'WP_Ultimo' ) && \WP_Ultimo()->is_loaded();
		$meta  = get_network_option( null, 'wu_sunrise_meta', array( 'active' => false ) );
		if ( $active !== (bool) $meta['active'] ) {
			$meta['active'] = $active;
			$meta[ $active ? 'last_activated' : 'last_deactivated' ] = gmdate( 'U' );
			update_network_option( null, 'wu_sunrise_meta', $meta );
		}
	}
}
