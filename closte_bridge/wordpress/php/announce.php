<?php
/**
 * Send events of Ultimate Multisite: what happened to domains. The shim knows their types and texts.
 *
 * Runs with plugins loaded, so that the plugin's e-mails and webhooks work.
 */

/**
 * Send events in order.
 *
 * @param array $request `engine`; `events`: see `Announcements::send`.
 * @return array `results`, one per event; none if another engine is the owner.
 */
function closte_bridge_announce( array $request ): array {
	$options = closte_bridge_network_options( get_current_network_id(), array( 'closte_bridge_owner' ) );
	if ( closte_bridge_engine_of( $options['closte_bridge_owner'] ?? null ) !== $request['engine'] ) {
		return array( 'results' => array() );
	}
	// The shim is disabled, or of an older version.
	if ( ! defined( 'CLOSTE_BRIDGE_SHIM' ) || ! is_readable( WPMU_PLUGIN_DIR . '/closte-bridge/class-announcements.php' ) ) {
		return array( 'results' => array_fill( 0, count( $request['events'] ), 'unsupported' ) );
	}
	return array( 'results' => Closte_Bridge\run( 'Announcements', 'send', array( array(), $request['engine'], $request['events'] ) ) );
}

closte_bridge_serve( 'closte_bridge_announce', $closte_bridge_request );
