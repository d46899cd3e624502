<?php
/**
 * Shared by the scripts that the engine feeds to `wp eval-file -`.
 *
 * The engine prepends one assignment, `$closte_bridge_request`, to whichever files it sends. Nothing here stays
 * behind in WordPress: the text is read from standard input and lives as long as the process.
 *
 * PHP 7.4 to 8.5.
 */

// The shim looks at this and stays silent inside the engine's own calls.
defined( 'CLOSTE_BRIDGE_ENGINE' ) || define( 'CLOSTE_BRIDGE_ENGINE', true );

/**
 * Print one document between two marks that nothing else in this process can print.
 *
 * It goes straight to the descriptor, past output buffers, in one piece: notices can stand before and after it, never inside.
 *
 * @param array  $document What the engine asked for.
 * @param string $nonce    The engine's random mark for this call.
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
 * Run one query and fail loudly: wpdb would print its error into the page and go on.
 *
 * @param string $sql  The statement.
 * @param int    $mode OBJECT, ARRAY_A or ARRAY_N.
 * @return array The rows.
 * @throws RuntimeException When the database refused it. The message holds no SQL.
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
 * Read several network options as stored.
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
		// Settings are plain arrays. An object in there is somebody's mischief, and is not built.
		$found[ $row[0] ] = is_serialized( $row[1] ) ? unserialize( trim( $row[1] ), array( 'allowed_classes' => false ) ) : $row[1];
	}
	return $found;
}

/**
 * Look for a table by its exact name.
 *
 * @param string $table The full name.
 * @return array|null The row of SHOW TABLE STATUS, or null when there is no such table.
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
 * Name the table of the shim's events, which all networks of an installation share.
 *
 * @return string
 */
function closte_bridge_events_table(): string {
	global $wpdb;
	return $wpdb->base_prefix . 'closte_bridge_events';
}

/**
 * Read which engine an owner option names.
 *
 * @param mixed $owner The option `closte_bridge_owner`.
 * @return string|null
 */
function closte_bridge_engine_of( $owner ): ?string {
	return is_array( $owner ) && isset( $owner['engine'] ) && is_string( $owner['engine'] ) ? $owner['engine'] : null;
}

/**
 * Read when the engine reported last.
 *
 * @param array $options Network options.
 * @return int Seconds since the epoch; 0 if never.
 */
function closte_bridge_heartbeat( array $options ): int {
	$status = $options['closte_bridge_status'] ?? null;
	return is_array( $status ) && is_numeric( $status['heartbeat'] ?? null ) ? (int) $status['heartbeat'] : 0;
}

/**
 * Read how many reports of the engine this database has taken: an older copy of it has fewer.
 *
 * @param array $options Network options.
 * @return array|null What tells this count from one that began anew, and the number; null if there was none.
 */
function closte_bridge_reports( array $options ): ?array {
	$reports = $options['closte_bridge_status']['reports'] ?? null;
	return is_array( $reports ) && is_string( $reports[0] ?? null ) && is_int( $reports[1] ?? null ) ? $reports : null;
}

/**
 * Write what the shim is to know of the engine, and count that.
 *
 * @param int   $network_id The network.
 * @param int   $heartbeat  When the engine succeeded last, in seconds since the epoch.
 * @param array $verdicts   Domain => whether its DNS is correct.
 */
function closte_bridge_put_status( int $network_id, int $heartbeat, array $verdicts ): void {
	$before = closte_bridge_reports( closte_bridge_network_options( $network_id, array( 'closte_bridge_status' ) ) );
	update_network_option(
		$network_id,
		'closte_bridge_status',
		array(
			'heartbeat' => $heartbeat,
			'verdicts'  => $verdicts,
			'reports'   => array( $before[0] ?? bin2hex( random_bytes( 8 ) ), ( $before[1] ?? 0 ) + 1 ),
		)
	);
}

/**
 * Tell whether an update is under way, by the rule of WordPress: its file is there, and is younger than ten minutes.
 *
 * Not wp_is_maintenance_mode(): WP-CLI makes that say no.
 */
function closte_bridge_maintenance(): bool {
	$upgrading = 0;
	if ( is_readable( ABSPATH . '.maintenance' ) ) {
		require ABSPATH . '.maintenance';
	}
	return time() - (int) $upgrading < 600;
}

/**
 * Run a job and answer with its document, or with a code when it failed.
 *
 * Only a code leaves this place: an exception's message may quote what it was handed.
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
