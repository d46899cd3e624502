<?php
/**
 * Remove the shim with all its data in WordPress. Used by `shim.php`.
 */

/**
 * Return whether another network of this installation still uses the shim.
 *
 * @param int $id This network.
 * @return bool
 */
function closte_bridge_used_elsewhere( int $id ): bool {
	return array_diff_key( closte_bridge_shim_config(), array( $id => true ) ) || closte_bridge_owned_elsewhere( $id );
}

/**
 * Remove the data of this network, and the files and the table if no other network uses them.
 *
 * @param array $request `engine`; `keep_owner`; `version`.
 * @return array
 * @throws RuntimeException If another engine owns the network, or another network would lose its configuration.
 */
function closte_bridge_shim_uninstall( array $request ): array {
	$id = get_current_network_id();
	closte_bridge_refuse_other_owner( $id, $request );
	closte_bridge_refuse_loss( $id );
	$shared = closte_bridge_used_elsewhere( $id );
	$left   = array();
	if ( $shared ) {
		$config = closte_bridge_shim_config();
		if ( isset( $config[ $id ] ) ) {
			unset( $config[ $id ] );
			closte_bridge_write_config( $config, $request['version'] );
			closte_bridge_write_secret( $id, null, $request['version'] );
		}
	} else {
		$left = closte_bridge_remove_files();
		// What people chose in the screen options.
		delete_metadata( 'user', 0, 'closte_bridge_per_page', '', true );
	}
	return array(
		'result'           => 'done',
		'folder'           => WPMU_PLUGIN_DIR,
		'left'             => $left,
		'left_in_database' => array_merge( closte_bridge_remove_events( $id, $shared ), closte_bridge_remove_states( $id, $shared ), closte_bridge_remove_options( $id, ! empty( $request['keep_owner'] ) ) ),
		'shared'           => $shared,
	);
}

/**
 * Remove this network's events, and their table if no other network uses it.
 *
 * @param int  $id     This network.
 * @param bool $shared Whether another network uses the table.
 * @return array Names of what could not be removed.
 */
function closte_bridge_remove_events( int $id, bool $shared ): array {
	global $wpdb;
	$table = closte_bridge_events_table();
	if ( null === closte_bridge_table( $table ) ) {
		return array();
	}
	$done = $wpdb->query( $shared ? $wpdb->prepare( "DELETE FROM $table WHERE network_id = %d", $id ) : "DROP TABLE $table" );
	if ( $shared ) {
		return false === $done ? array( "events in the table $table" ) : array();
	}
	return null === closte_bridge_table( $table ) ? array() : array( "the table $table" );
}

/**
 * Remove closte-bridge's options of this network.
 *
 * @param int  $id         This network.
 * @param bool $keep_owner Whether to keep the owner.
 * @return array Names of options that are still stored; an object cache may have hidden them.
 */
function closte_bridge_remove_options( int $id, bool $keep_owner ): array {
	$names = array( 'closte_bridge_status', 'closte_bridge_announced', 'closte_bridge_failures' );
	$names = $keep_owner ? $names : array_merge( $names, array( 'closte_bridge_owner' ) );
	foreach ( $names as $name ) {
		delete_network_option( $id, $name );
	}
	delete_site_transient( 'closte_bridge_requests' );
	$left = array();
	foreach ( array_keys( closte_bridge_network_options( $id, $names ) ) as $name ) {
		$left[] = "the option $name";
	}
	return $left;
}

/**
 * Remove the shim's files; the loader first, so that no request loads a partial shim.
 *
 * @return array Files that could not be removed or were not created by closte-bridge.
 */
function closte_bridge_remove_files(): array {
	$left = array();
	foreach ( array_reverse( closte_bridge_shim_files( array() ) ) as $name => $path ) {
		$state = closte_bridge_file_state( $path )[0];
		if ( 'missing' !== $state && ( 'foreign-file' === $state || ! @unlink( $path ) ) ) {
			$left[] = $name;
		}
	}
	foreach ( array( CLOSTE_BRIDGE_TEXTS, CLOSTE_BRIDGE_PARTS ) as $name ) {
		$folder = WPMU_PLUGIN_DIR . '/' . $name;
		if ( is_dir( $folder ) && ! is_link( $folder ) ) {
			foreach ( (array) glob( $folder . '/*.tmp' ) as $leftover ) {
				unlink( $leftover );
			}
			@rmdir( $folder );
		}
	}
	return $left;
}
