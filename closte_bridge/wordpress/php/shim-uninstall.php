<?php
/**
 * Remove the shim, with all that is ours in WordPress. A part of `shim.php`, which knows the files.
 */

/**
 * Tell whether another network of this installation still uses the shim.
 *
 * @param int $id This network.
 * @return bool
 */
function closte_bridge_used_elsewhere( int $id ): bool {
	return array_diff_key( closte_bridge_shim_config(), array( $id => true ) ) || closte_bridge_owned_elsewhere( $id );
}

/**
 * Remove everything of this network's, and the files and the table when no other network uses them.
 *
 * @param array $request `engine`; `keep_owner`; `version`.
 * @return array
 * @throws RuntimeException When another engine is in charge, or would lose what it needs.
 */
function closte_bridge_shim_uninstall( array $request ): array {
	global $wpdb;
	$id = get_current_network_id();
	closte_bridge_refuse_stranger( $id, $request );
	closte_bridge_refuse_loss( $id );
	$table  = closte_bridge_events_table();
	$shared = closte_bridge_used_elsewhere( $id );
	$left   = array();
	if ( $shared ) {
		$config = closte_bridge_shim_config();
		if ( isset( $config[ $id ] ) ) {
			unset( $config[ $id ] );
			closte_bridge_write_config( $config, $request['version'] );
		}
	} else {
		$left = closte_bridge_remove_files();
	}
	if ( null !== closte_bridge_table( $table ) ) {
		$wpdb->query( $shared ? $wpdb->prepare( "DELETE FROM $table WHERE network_id = %d", $id ) : "DROP TABLE $table" );
	}
	delete_network_option( $id, 'closte_bridge_status' );
	if ( empty( $request['keep_owner'] ) ) {
		delete_network_option( $id, 'closte_bridge_owner' );
	}
	return array(
		'result' => 'done',
		'folder' => WPMU_PLUGIN_DIR,
		'left'   => $left,
		'shared' => $shared,
	);
}

/**
 * Remove the files that are ours; the loader first, so that nothing of the rest is used.
 *
 * @return array Names of files that could not be removed, or are not ours.
 */
function closte_bridge_remove_files(): array {
	$left = array();
	foreach ( array_reverse( closte_bridge_shim_files( array() ) ) as $name => $path ) {
		$state = closte_bridge_file_state( $path )[0];
		if ( 'missing' !== $state && ( 'stranger' === $state || ! @unlink( $path ) ) ) {
			$left[] = $name;
		}
	}
	$folder = WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_PARTS;
	if ( is_dir( $folder ) && ! is_link( $folder ) ) {
		foreach ( (array) glob( $folder . '/*.tmp' ) as $leftover ) {
			unlink( $leftover );
		}
		@rmdir( $folder );
	}
	return $left;
}
