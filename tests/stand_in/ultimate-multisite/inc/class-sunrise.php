<?php
/**
 * The part that is loaded before any plugin: it notes whether the plugin was there at the last load.
 *
 * Mapped domains are only served while that note says so.
 */

namespace WP_Ultimo;

defined( 'ABSPATH' ) || exit;

class Sunrise {

	public static function init(): void {
		add_action( 'init', array( self::class, 'maybe_tap_on_init' ) );
	}

	public static function maybe_tap_on_init(): void {
		$there = function_exists( 'WP_Ultimo' ) && \WP_Ultimo()->is_loaded();
		$meta  = get_network_option( null, 'wu_sunrise_meta', array( 'active' => false ) );
		if ( $there !== (bool) $meta['active'] ) {
			$meta['active'] = $there;
			$meta[ $there ? 'last_activated' : 'last_deactivated' ] = gmdate( 'U' );
			update_network_option( null, 'wu_sunrise_meta', $meta );
		}
	}
}
