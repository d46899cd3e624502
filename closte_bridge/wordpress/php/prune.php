<?php
/**
 * Delete mappings whose site does not exist, through Ultimate Multisite's own model, so that its hooks run.
 *
 * Runs with plugins loaded. Each row has the expected values, and is read again just before.
 */

/**
 * Delete one mapping.
 *
 * @param array $row `id`, `site`, `domain`.
 * @return string `done`, `changed` (the row is not as expected, or its site exists), or `refused` with Ultimate Multisite's code.
 */
function closte_bridge_prune_row( array $row ): string {
	global $wpdb;
	$mapping = wu_get_domain( (int) $row['id'] );
	$same    = $mapping && 0 === strcasecmp( $mapping->get_domain(), $row['domain'] ) && (int) $mapping->get_blog_id() === (int) $row['site'];
	// Not get_site(): an object cache may be stale. A failed query is not 0.
	if ( ! $same || 0 !== $wpdb->query( $wpdb->prepare( "SELECT blog_id FROM $wpdb->blogs WHERE blog_id = %d", (int) $row['site'] ) ) ) {
		return 'changed';
	}
	$deleted = $mapping->delete();
	if ( is_wp_error( $deleted ) ) {
		return 'refused ' . preg_replace( '/[^a-z0-9_-]/i', '', (string) $deleted->get_error_code() );
	}
	return $deleted ? 'done' : 'refused';
}

/**
 * Delete the mappings, with pauses: each deletion flushes the object cache.
 *
 * @param array $request `rows`, and `pause` in microseconds.
 * @return array `results`: one for each row, in the same order.
 */
function closte_bridge_prune( array $request ): array {
	if ( ! function_exists( 'wu_get_domain' ) ) {
		throw new RuntimeException( 'plugin-inactive' );
	}
	$results = array();
	foreach ( $request['rows'] as $row ) {
		if ( $results ) {
			usleep( (int) $request['pause'] );
		}
		try {
			$results[] = closte_bridge_prune_row( $row );
		} catch ( Throwable $failure ) {
			$results[] = 'refused exception'; // One failure must not stop the other rows.
		}
	}
	return array( 'results' => $results );
}

closte_bridge_serve( 'closte_bridge_prune', $closte_bridge_request );
