<?php
/**
 * Write what the engine asks for, in one process: the owner and the toggle, both plain network options.
 *
 * Each operation names the value it expects to find, so that two engines cannot overwrite one another unseen.
 */

/**
 * Set or clear the owner of this network.
 *
 * @param array $operation `expected`: the engine id found before, or null; `owner`: the new value, or null to clear it.
 * @return array `done`, or `conflict` when somebody else was there first.
 */
function closte_bridge_set_owner( array $operation ): array {
	$current = closte_bridge_engine_of( get_network_option( null, 'closte_bridge_owner', null ) );
	if ( $current !== $operation['expected'] ) {
		return array( 'result' => 'conflict' );
	}
	if ( null === $operation['owner'] ) {
		delete_network_option( null, 'closte_bridge_owner' );
	} else {
		update_network_option( null, 'closte_bridge_owner', $operation['owner'] );
	}
	return array( 'result' => 'done' );
}

/**
 * Switch the Closte integration of Ultimate Multisite on or off, leaving all others as they are.
 *
 * @param array $operation `enabled`: bool.
 * @return array
 */
function closte_bridge_set_toggle( array $operation ): array {
	$toggles           = get_network_option( null, 'wu_host_integrations_enabled', array() );
	$toggles           = is_array( $toggles ) ? $toggles : array();
	$was               = ! empty( $toggles['closte'] );
	$toggles['closte'] = (bool) $operation['enabled'];
	if ( $was !== $toggles['closte'] ) {
		update_network_option( null, 'wu_host_integrations_enabled', $toggles );
	}
	return array(
		'result' => 'done',
		'was'    => $was,
	);
}

/**
 * Carry out the operations in order.
 *
 * @param array $request The engine's request.
 * @return array
 */
function closte_bridge_write( array $request ): array {
	$jobs    = array(
		'set-owner'  => 'closte_bridge_set_owner',
		'set-toggle' => 'closte_bridge_set_toggle',
	);
	$results = array();
	foreach ( $request['operations'] as $operation ) {
		$results[] = $jobs[ $operation['do'] ]( $operation );
	}
	return array( 'results' => $results );
}

closte_bridge_serve( 'closte_bridge_write', $closte_bridge_request );
