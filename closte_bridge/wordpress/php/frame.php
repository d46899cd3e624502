<?php
/**
 * Shared by the scripts that the engine passes to `wp eval-file -`.
 *
 * The engine prepends one assignment, `$closte_bridge_request`, to the files that it sends. No file is installed in
 * WordPress: the text is read from standard input and lives for one process.
 *
 * PHP 7.4 to 8.5.
 */

// The shim checks this and records no events of the engine's own changes.
defined( 'CLOSTE_BRIDGE_ENGINE' ) || define( 'CLOSTE_BRIDGE_ENGINE', true );

/**
 * Print one document between two marks with a random value, so that other output cannot imitate them.
 *
 * Writes to the descriptor in one piece, past output buffers: PHP notices can appear before or after it, never inside.
 *
 * @param array  $document The answer.
 * @param string $nonce    The engine's random value for this call.
 */
function closte_bridge_answer( array $document, string $nonce ): void {
	$json = json_encode( $document, JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE );
	if ( false === $json ) {
		$json = json_encode( array( 'error' => array( 'code' => 'not-encodable' ) ) );
	}
	fwrite(
		STDOUT,
		"\n@closte-bridge-begin 1 $nonce@\n$json\n@closte-bridge-end $nonce " . strlen( $json ) . ' ' . hash( 'sha256', $json ) . "@\n"
	);
	fflush( STDOUT );
}

/**
 * Run one query and throw on errors, which wpdb only prints.
 *
 * @param string $sql  The statement.
 * @param int    $mode OBJECT, ARRAY_A or ARRAY_N.
 * @return array The rows.
 * @throws RuntimeException If the database refused it. The message contains no SQL.
 */
function closte_bridge_rows( string $sql, $mode = ARRAY_N ): array {
	global $wpdb;
	$wpdb->last_error = '';
	$rows             = $wpdb->get_results( $sql, $mode );
	if ( '' !== (string) $wpdb->last_error || ! is_array( $rows ) ) {
		throw new RuntimeException( 'query-failed' );
	}
	return $rows;
}

/**
 * Read several network options from the table.
 *
 * @param int   $network_id The network.
 * @param array $names      Option names.
 * @return array Name => value, only those that exist.
 */
function closte_bridge_network_options( int $network_id, array $names ): array {
	global $wpdb;
	$marks = implode( ',', array_fill( 0, count( $names ), '%s' ) );
	$rows  = closte_bridge_rows(
		$wpdb->prepare(
			"SELECT meta_key, meta_value FROM {$wpdb->sitemeta} WHERE site_id = %d AND meta_key IN ($marks) ORDER BY meta_id DESC",
			array_merge( array( $network_id ), $names )
		)
	);
	$found = array();
	foreach ( $rows as $row ) {
		// The options are plain arrays. A serialized object can only be an attack, so it is not created.
		$found[ $row[0] ] = is_serialized( $row[1] ) ? unserialize( trim( $row[1] ), array( 'allowed_classes' => false ) ) : $row[1];
	}
	return $found;
}

/**
 * Find a table by its exact name.
 *
 * @param string $table The full name.
 * @return array|null The row of SHOW TABLE STATUS; null if there is no such table.
 */
function closte_bridge_table( string $table ): ?array {
	global $wpdb;
	foreach ( closte_bridge_rows( $wpdb->prepare( 'SHOW TABLE STATUS LIKE %s', $wpdb->esc_like( $table ) ), ARRAY_A ) as $row ) {
		if ( $table === $row['Name'] ) {
			return $row;
		}
	}
	return null;
}

/**
 * Return the name of the shim's event table, which all networks of an installation share.
 *
 * @return string
 */
function closte_bridge_events_table(): string {
	global $wpdb;
	return $wpdb->base_prefix . 'closte_bridge_events';
}

/**
 * Return the engine that an owner option names.
 *
 * @param mixed $owner The option `closte_bridge_owner`.
 * @return string|null
 */
function closte_bridge_engine_of( $owner ): ?string {
	return is_array( $owner ) && isset( $owner['engine'] ) && is_string( $owner['engine'] ) ? $owner['engine'] : null;
}

/**
 * Return the time of the last heartbeat.
 *
 * @param array $options Network options.
 * @return int Seconds since the epoch; 0 if never.
 */
function closte_bridge_heartbeat( array $options ): int {
	$status = $options['closte_bridge_status'] ?? null;
	return is_array( $status ) && is_numeric( $status['heartbeat'] ?? null ) ? (int) $status['heartbeat'] : 0;
}

/**
 * Return the number of reports that the engine wrote to this database: an older copy of the database has fewer.
 *
 * @param array $options Network options.
 * @return array|null A random ID of this count, which changes if the count restarts, and the number; null if there is none.
 */
function closte_bridge_reports( array $options ): ?array {
	$reports = $options['closte_bridge_status']['reports'] ?? null;
	return is_array( $reports ) && is_string( $reports[0] ?? null ) && is_int( $reports[1] ?? null ) ? $reports : null;
}

/**
 * Write the engine's status for the shim, and count this report.
 *
 * @param int   $network_id The network.
 * @param int   $heartbeat  Time of the engine's last successful sync, in seconds since the epoch.
 * @param array $status     `verdicts`: domain => whether its DNS is correct; `addresses`: where domains must point; `summary`.
 */
function closte_bridge_put_status( int $network_id, int $heartbeat, array $status ): void {
	$options = closte_bridge_network_options( $network_id, array( 'closte_bridge_status' ) );
	$before  = closte_bridge_reports( $options );
	$known   = (array) ( $options['closte_bridge_status']['summary'] ?? array() );
	$new     = (array) ( $status['summary'] ?? array() );
	update_network_option(
		$network_id,
		'closte_bridge_status',
		array(
			'heartbeat' => $heartbeat,
			'verdicts'  => $status['verdicts'],
			'addresses' => $status['addresses'],
			'reports'   => array( $before[0] ?? bin2hex( random_bytes( 8 ) ), ( $before[1] ?? 0 ) + 1 ),
			// Only a write of domain states changes the generation.
			'summary'   => array( 'generation' => $known['generation'] ?? 0 ) + ( $new ? $new : $known ),
		)
	);
}

/**
 * Return whether an update is in progress. As in WordPress, its file must be younger than 10 minutes.
 *
 * WP-CLI makes wp_is_maintenance_mode() return false.
 *
 * @return bool
 */
function closte_bridge_maintenance(): bool {
	$upgrading = 0;
	if ( is_readable( ABSPATH . '.maintenance' ) ) {
		require ABSPATH . '.maintenance';
	}
	return time() - (int) $upgrading < 600;
}

/**
 * Run a job and answer with its document, or with a code if it failed.
 *
 * The answer never has an exception's message, which may quote secrets.
 *
 * @param callable $job     Returns the document.
 * @param array    $request The engine's request.
 */
function closte_bridge_serve( callable $job, array $request ): void {
	global $wpdb;
	if ( ! is_multisite() ) {
		closte_bridge_answer( array( 'error' => array( 'code' => 'not-multisite' ) ), $request['nonce'] );
		return;
	}
	if ( closte_bridge_maintenance() ) {
		closte_bridge_answer( array( 'error' => array( 'code' => 'maintenance' ) ), $request['nonce'] );
		return;
	}
	$wpdb->suppress_errors( true );
	try {
		$document = $job( $request );
	} catch ( Throwable $failure ) {
		$code     = $failure instanceof RuntimeException ? $failure->getMessage() : 'php-exception';
		$document = array(
			'error' => array(
				'code' => preg_match( '/^[a-z-]{1,40}$/', $code ) ? $code : 'php-exception',
				'type' => get_class( $failure ),
				'line' => $failure->getLine(),
			),
		);
	}
	closte_bridge_answer( $document, $request['nonce'] );
}
