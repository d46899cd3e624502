<?php
/**
 * Loaded before all plugins. Stores whether the plugin was active at the last load; domain mapping only starts if so, and
 * only if the setting `enable_domain_mapping` was saved.
 */

namespace WP_Ultimo;

defined( 'ABSPATH' ) || exit;

class Sunrise {

	/**
	 * The mapped domain of this request, or an empty string.
	 *
	 * @var string
	 */
	private static $mapped = '';

	public static function init(): void {
		add_action( 'init', array( self::class, 'maybe_tap_on_init' ) );
		$meta     = get_network_option( null, 'wu_sunrise_meta', array( 'active' => false ) );
		$settings = get_network_option( null, 'wp-ultimo_v2_settings', array() );
		if ( $meta['active'] && get_network_option( null, 'wu_setup_finished' ) && ! empty( $settings['enable_domain_mapping'] ) ) {
			require_once __DIR__ . '/class-domain-mapping.php';
			Domain_Mapping::get_instance()->startup();
			add_filter( 'pre_get_site_by_path', array( self::class, 'find_site' ), 10, 2 );
			add_action( 'template_redirect', array( self::class, 'redirect_to_primary' ), 1 );
		}
	}

	public static function maybe_tap_on_init(): void {
		$active = function_exists( 'WP_Ultimo' ) && \WP_Ultimo()->is_loaded();
		$meta   = get_network_option( null, 'wu_sunrise_meta', array( 'active' => false ) );
		if ( $active !== (bool) $meta['active'] ) {
			$meta['active'] = $active;
			$meta[ $active ? 'last_activated' : 'last_deactivated' ] = gmdate( 'U' );
			update_network_option( null, 'wu_sunrise_meta', $meta );
		}
	}

	/**
	 * Find the site of a mapped domain, with or without `www.`.
	 */
	public static function find_site( $site, $domain ) {
		if ( ! empty( $site ) ) {
			return $site;
		}
		$mapping = self::find_mapping( preg_replace( '/^www\./', '', $domain ) );
		if ( ! $mapping || ! $mapping->active || ! in_array( $mapping->stage, array( 'done', 'done-without-ssl' ), true ) ) {
			return $site;
		}
		self::$mapped = $mapping->domain;
		foreach ( array( 'stage', 'store' ) as $part ) {
			require_once __DIR__ . "/class-domain-$part.php";
		}
		require_once __DIR__ . '/class-domain.php';
		Domain_Mapping::get_instance()->current_mapping = new Models\Domain( $mapping );
		$url          = static function () {
			return 'https://' . self::$mapped;
		};
		add_filter( 'pre_option_home', $url );
		add_filter( 'pre_option_siteurl', $url );
		return get_site( (int) $mapping->blog_id );
	}

	/**
	 * Find the mapping of a domain and its `www.` form; both, and their absence, stay in the object cache for ever.
	 */
	private static function find_mapping( $bare ) {
		global $wpdb;
		$missing = 0;
		foreach ( array( $bare, "www.$bare" ) as $domain ) {
			$cached   = wp_cache_get( "domain:$domain", 'domain_mappings' );
			$missing += 'notexists' === $cached;
			if ( is_object( $cached ) ) {
				return $cached;
			}
		}
		if ( 2 === $missing ) {
			return null;
		}
		$rows    = "SELECT * FROM {$wpdb->base_prefix}wu_domain_mappings WHERE domain IN (%s, %s) LIMIT 1";
		$mapping = $wpdb->get_row( $wpdb->prepare( $rows, $bare, "www.$bare" ) );
		foreach ( $mapping ? array( $mapping->domain ) : array( $bare, "www.$bare" ) as $domain ) {
			wp_cache_set( "domain:$domain", $mapping ? $mapping : 'notexists', 'domain_mappings' );
		}
		return $mapping;
	}

	/**
	 * Send visitors of another domain of the site to its primary domain.
	 */
	public static function redirect_to_primary(): void {
		global $wpdb;
		$rows    = "SELECT domain FROM {$wpdb->base_prefix}wu_domain_mappings WHERE blog_id = %d AND primary_domain = 1 AND stage = 'done'";
		$primary = $wpdb->get_var( $wpdb->prepare( $rows, get_current_blog_id() ) );
		if ( $primary && $primary !== ( $_SERVER['HTTP_HOST'] ?? '' ) ) {
			wp_redirect( 'https://' . $primary . '/' );
			exit;
		}
	}
}
