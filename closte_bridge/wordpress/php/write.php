<?php
/**
 * Write network options in one process: the owner, the integration setting, the heartbeat and the domain states.
 *
 * A request to set the owner has the expected current value, so that two engines cannot overwrite each other unnoticed. All
 * values are read back from the table: WordPress does not report a read-only or full database, a plugin's filter can keep the
 * old value, and an object cache can return a value that was never stored.
 */

/**
 * Read one network option from the table.
 *
 * @param string $name The option.
 * @return mixed Null if there is none.
 */
function closte_bridge_stored( string $name ) {
	return closte_bridge_network_options( get_current_network_id(), array( $name ) )[ $name ] ?? null;
}

/**
 * Set or clear the owner of this network.
 *
 * @param array $operation `expected`: the ID of the expected owner, or null; `owner`: the new value, or null to clear it.
 * @return array `done`, `conflict` if the owner is not the expected one, or `failed` if WordPress did not store the value.
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
	$stored = closte_bridge_engine_of( closte_bridge_stored( 'closte_bridge_owner' ) ) === ( $operation['owner']['engine'] ?? null );
	return array( 'result' => $stored ? 'done' : 'failed' );
}

/**
 * Enable or disable the Closte integration of Ultimate Multisite; other integrations are not changed.
 *
 * @param array $operation `enabled`: bool.
 * @return array `done`, or `failed` if WordPress did not store the value; and the previous value.
 */
function closte_bridge_set_toggle( array $operation ): array {
	$toggles           = get_network_option( null, 'wu_host_integrations_enabled', array() );
	$toggles           = is_array( $toggles ) ? $toggles : array();
	$was               = ! empty( $toggles['closte'] );
	$toggles['closte'] = (bool) $operation['enabled'];
	if ( $was !== $toggles['closte'] ) {
		update_network_option( null, 'wu_host_integrations_enabled', $toggles );
	}
	$stored = closte_bridge_stored( 'wu_host_integrations_enabled' );
	$is     = is_array( $stored ) && ! empty( $stored['closte'] );
	return array(
		'result' => $is === $toggles['closte'] ? 'done' : 'failed',
		'was'    => $was,
	);
}

/**
 * Write the heartbeat, if the engine is the owner.
 *
 * @param array $operation `engine`: the engine that asks; the others: see closte_bridge_put_status().
 * @return array `done`, or `conflict`.
 */
function closte_bridge_set_status( array $operation ): array {
	if ( closte_bridge_engine_of( closte_bridge_stored( 'closte_bridge_owner' ) ) !== $operation['engine'] ) {
		return array( 'result' => 'conflict' );
	}
	closte_bridge_put_status( get_current_network_id(), time(), $operation );
	return array( 'result' => 'done' );
}

/**
 * Write domain states and the summary.
 *
 * @param array $operation `engine`: the engine that asks; the others: see closte_bridge_put_states().
 * @return array The result of closte_bridge_put_states().
 */
function closte_bridge_set_states( array $operation ): array {
	return array( 'result' => closte_bridge_put_states( get_current_network_id(), (string) $operation['engine'], $operation ) );
}

/**
 * Run the operations in order.
 *
 * @param array $request The engine's request.
 * @return array
 */
function closte_bridge_write( array $request ): array {
	$jobs    = array(
		'set-owner'  => 'closte_bridge_set_owner',
		'set-toggle' => 'closte_bridge_set_toggle',
		'set-status' => 'closte_bridge_set_status',
		'set-states' => 'closte_bridge_set_states',
	);
	$results = array();
	foreach ( $request['operations'] as $operation ) {
		$results[] = $jobs[ $operation['do'] ]( $operation );
	}
	return array( 'results' => $results );
}

closte_bridge_serve( 'closte_bridge_write', $closte_bridge_request );
