<?php
/**
 * Read facts that only WordPress with loaded plugins has. Changes nothing.
 */

/**
 * Return whether Ultimate Multisite's built-in Closte provider listens for new domains.
 *
 * @return bool
 */
function closte_bridge_provider_listens(): bool {
	global $wp_filter;
	$classes = array(
		'WP_Ultimo\Integrations\Providers\Closte\Closte_Domain_Mapping', // Since 2.5.
		'WP_Ultimo\Integrations\Host_Providers\Closte_Host_Provider',    // Before.
	);
	foreach ( array( 'wu_add_domain', 'wu_add_subdomain' ) as $hook ) {
		foreach ( isset( $wp_filter[ $hook ] ) ? $wp_filter[ $hook ]->callbacks : array() as $callbacks ) {
			foreach ( $callbacks as $callback ) {
				$function = $callback['function'];
				foreach ( is_array( $function ) && is_object( $function[0] ) ? $classes : array() as $class ) {
					if ( $function[0] instanceof $class ) {
						return true;
					}
				}
			}
		}
	}
	return false;
}

/**
 * Return the facts.
 *
 * @param array $request The engine's request.
 * @return array
 */
function closte_bridge_doctor( array $request ): array {
	unset( $request );
	return array(
		'time'             => time(),
		'wp_cli'           => defined( 'WP_CLI_VERSION' ) ? WP_CLI_VERSION : null,
		'sunrise_constant' => defined( 'SUNRISE' ) && SUNRISE,
		'sunrise_file'     => is_readable( WP_CONTENT_DIR . '/sunrise.php' ),
		'plugin_loaded'    => defined( 'WP_ULTIMO_VERSION' ) || class_exists( '\WP_Ultimo', false ),
		'provider_listens' => closte_bridge_provider_listens(),
		// A drop-in may disable itself under WP-CLI; then its ID is missing.
		'object_cache'     => is_readable( WP_CONTENT_DIR . '/object-cache.php' ),
		'cache_id'         => defined( 'CLOSTE_BRIDGE_SHIM' ) ? (string) Closte_Bridge\run( 'Served', 'cache_id' ) : '',
		'proc_open'        => function_exists( 'proc_open' ),
		// If active, the shim removes the provider's listeners, but only before they would run.
		'active'           => defined( 'CLOSTE_BRIDGE_SHIM' ) && Closte_Bridge\run( 'Owner', 'is_active' ),
	);
}

closte_bridge_serve( 'closte_bridge_doctor', $closte_bridge_request );
