<?php
/**
 * Write what the engine asks for, in one process: the owner, the toggle and the heartbeat, all plain network options.
 *
 * Setting the owner names the value it expects to find, so that two engines cannot overwrite one another unseen. What was
 * written is read back from the table: a database that is read-only or full says so to nobody but its log, a plugin's
 * filter can keep the old value, and an object cache can hold what was never stored.
 */

/**
 * Read one network option as it is stored.
 *
 * @param string $name The option.
 * @return mixed Null when there is none.
 */
function closte_bridge_stored( string $name ) {
	return closte_bridge_network_options( get_current_network_id(), array( $name ) )[ $name ] ?? null;
}

/**
 * Set or clear the owner of this network.
 *
 * @param array $operation `expected`: the engine id found before, or null; `owner`: the new value, or null to clear it.
 * @return array `done`, `conflict` when somebody else was there first, or `failed` when WordPress did not take it.
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
	$taken = closte_bridge_engine_of( closte_bridge_stored( 'closte_bridge_owner' ) ) === ( $operation['owner']['engine'] ?? null );
	return array( 'result' => $taken ? 'done' : 'failed' );
}

/**
 * Switch the Closte integration of Ultimate Multisite on or off, leaving all others as they are.
 *
 * @param array $operation `enabled`: bool.
 * @return array `done`, or `failed` when it is not stored so afterwards; and what it was.
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
 * Write the heartbeat, if who asks is the owner.
 *
 * @param array $operation `engine`; `verdicts`: domain => whether its DNS is correct.
 * @return array `done`, or `conflict`.
 */
function closte_bridge_set_status( array $operation ): array {
	if ( closte_bridge_engine_of( closte_bridge_stored( 'closte_bridge_owner' ) ) !== $operation['engine'] ) {
		return array( 'result' => 'conflict' );
	}
	closte_bridge_put_status( get_current_network_id(), time(), $operation['verdicts'] );
	return array( 'result' => 'done' );
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
		'set-status' => 'closte_bridge_set_status',
	);
	$results = array();
	foreach ( $request['operations'] as $operation ) {
		$results[] = $jobs[ $operation['do'] ]( $operation );
	}
	return array( 'results' => $results );
}

closte_bridge_serve( 'closte_bridge_write', $closte_bridge_request );
