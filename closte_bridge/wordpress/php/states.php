<?php
/**
 * Write the domain states that people see in WordPress: one row per domain, and a summary in the status option.
 *
 * A random number, the generation, changes with each write. So the engine notices a table that is missing or was restored.
 */

/** Rows of one statement, which stays below the smallest usual `max_allowed_packet`. */
const CLOSTE_BRIDGE_STATES_AT_ONCE = 100;

/**
 * Return the name of the table with the domain states, which all networks of an installation share.
 *
 * @return string
 */
function closte_bridge_states_table(): string {
	global $wpdb;
	return $wpdb->base_prefix . 'closte_bridge_domains';
}

/**
 * Create the table. Its texts are ASCII: domains in A-label form, codes, and JSON with escapes.
 *
 * @return bool Whether it exists now.
 */
function closte_bridge_make_states_table(): bool {
	global $wpdb;
	$table = closte_bridge_states_table();
	if ( null !== closte_bridge_table( $table ) ) {
		return true;
	}
	$wpdb->query(
		"CREATE TABLE $table (
			network_id bigint(20) unsigned NOT NULL,
			domain varchar(255) NOT NULL,
			blog_id bigint(20) unsigned NOT NULL DEFAULT 0,
			state varchar(16) NOT NULL DEFAULT '',
			status varchar(32) NOT NULL DEFAULT '',
			code varchar(40) NOT NULL DEFAULT '',
			needs varchar(16) NOT NULL DEFAULT '',
			args text NOT NULL,
			since bigint(20) NOT NULL DEFAULT 0,
			next_check bigint(20) NOT NULL DEFAULT 0,
			PRIMARY KEY  (network_id, domain),
			KEY views (network_id, status, state, needs, code, domain),
			KEY needs (network_id, needs, domain),
			KEY state (network_id, state, domain),
			KEY site (network_id, blog_id, domain),
			KEY since (network_id, since, domain),
			KEY next_check (network_id, next_check, domain)
		) DEFAULT CHARACTER SET ascii COLLATE ascii_bin"
	);
	return null !== closte_bridge_table( $table );
}

/**
 * Return the generation in the status option.
 *
 * @param array $options Network options.
 * @return int 0 without one.
 */
function closte_bridge_generation( array $options ): int {
	$generation = $options['closte_bridge_status']['summary']['generation'] ?? 0;
	return is_numeric( $generation ) ? (int) $generation : 0;
}

/**
 * Return what the engine has to know about the table before it writes.
 *
 * @param int   $network_id The network.
 * @param array $options    Its options.
 * @return array Whether the table exists, its rows of this network, and the generation.
 */
function closte_bridge_states_report( int $network_id, array $options ): array {
	global $wpdb;
	$table   = closte_bridge_states_table();
	$present = null !== closte_bridge_table( $table );
	return array(
		'present'    => $present,
		'count'      => $present ? (int) closte_bridge_rows( $wpdb->prepare( "SELECT COUNT(*) FROM $table WHERE network_id = %d", $network_id ) )[0][0] : 0,
		'generation' => closte_bridge_generation( $options ),
	);
}

/**
 * Write domain states, if the engine is the owner and the table is as it expects.
 *
 * @param int    $network_id The network.
 * @param string $engine     The engine that asks.
 * @param array  $request    `expected`: the generation before; null to delete all rows first; `generation`: the new one; `rows`: lists
 *                           of the columns after `network_id`; `gone`: domains to delete; `summary`.
 * @return string `done`; `conflict` with another owner; `stale` with another generation or without the table; `failed`.
 */
function closte_bridge_put_states( int $network_id, string $engine, array $request ): string {
	global $wpdb;
	$options = closte_bridge_network_options( $network_id, array( 'closte_bridge_owner', 'closte_bridge_status' ) );
	if ( closte_bridge_engine_of( $options['closte_bridge_owner'] ?? null ) !== $engine ) {
		return 'conflict';
	}
	$table = closte_bridge_states_table();
	$fresh = null === $request['expected'];
	if ( ! $fresh && ( closte_bridge_generation( $options ) !== $request['expected'] || null === closte_bridge_table( $table ) ) ) {
		return 'stale';
	}
	if ( $fresh && ( ! closte_bridge_make_states_table() || false === $wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE network_id = %d", $network_id ) ) ) ) {
		return 'failed';
	}
	foreach ( array_chunk( $request['gone'], 500 ) as $chunk ) {
		$marks = implode( ',', array_fill( 0, count( $chunk ), '%s' ) );
		if ( false === $wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE network_id = %d AND domain IN ($marks)", array_merge( array( $network_id ), $chunk ) ) ) ) {
			return 'failed';
		}
	}
	foreach ( array_chunk( $request['rows'], CLOSTE_BRIDGE_STATES_AT_ONCE ) as $chunk ) {
		if ( ! closte_bridge_replace_states( $network_id, $chunk ) ) {
			return 'failed';
		}
	}
	return closte_bridge_put_summary( $network_id, $options, $request['summary'], $request['generation'] ) ? 'done' : 'failed';
}

/**
 * Insert or replace some rows with one statement.
 *
 * @param int   $network_id The network.
 * @param array $rows       The rows.
 * @return bool Whether this succeeded.
 */
function closte_bridge_replace_states( int $network_id, array $rows ): bool {
	global $wpdb;
	$table  = closte_bridge_states_table();
	$values = array();
	foreach ( $rows as $row ) {
		$values[] = $wpdb->prepare( '(%d, %s, %d, %s, %s, %s, %s, %s, %d, %d)', $network_id, ...$row ); // phpcs:ignore WordPress.DB.PreparedSQLPlaceholders -- a row has nine values.
	}
	return false !== $wpdb->query(
		"REPLACE INTO $table (network_id, domain, blog_id, state, status, code, needs, args, since, next_check) VALUES " . implode( ', ', $values )
	);
}

/**
 * Save the summary and the generation in the status option; the other values stay.
 *
 * @param int   $network_id The network.
 * @param array $options    Its options.
 * @param array $summary    The summary; empty to keep the one that is there.
 * @param int   $generation The new generation.
 * @return bool Whether the table has it now.
 */
function closte_bridge_put_summary( int $network_id, array $options, array $summary, int $generation ): bool {
	$status            = $options['closte_bridge_status'] ?? null;
	$status            = is_array( $status ) ? $status : array();
	$status['summary'] = array( 'generation' => $generation ) + ( $summary ? $summary : (array) ( $status['summary'] ?? array() ) );
	update_network_option( $network_id, 'closte_bridge_status', $status );
	return closte_bridge_generation( closte_bridge_network_options( $network_id, array( 'closte_bridge_status' ) ) ) === $generation;
}

/**
 * Write the states that wait, in a call that reads the network. A failure must not break the read.
 *
 * @param int    $network_id The network.
 * @param string $engine     The engine that asks.
 * @param array  $request    See closte_bridge_put_states().
 * @return string
 */
function closte_bridge_try_states( int $network_id, string $engine, array $request ): string {
	try {
		return closte_bridge_put_states( $network_id, $engine, $request );
	} catch ( Throwable $failure ) {
		return 'failed';
	}
}

/**
 * Remove this network's states, and their table if no other network uses it.
 *
 * @param int  $id     This network.
 * @param bool $shared Whether another network uses the table.
 * @return array Names of what could not be removed.
 */
function closte_bridge_remove_states( int $id, bool $shared ): array {
	global $wpdb;
	$table = closte_bridge_states_table();
	if ( null === closte_bridge_table( $table ) ) {
		return array();
	}
	$done = $wpdb->query( $shared ? $wpdb->prepare( "DELETE FROM $table WHERE network_id = %d", $id ) : "DROP TABLE $table" );
	if ( $shared ) {
		return false === $done ? array( "domain states in the table $table" ) : array();
	}
	return null === closte_bridge_table( $table ) ? array() : array( "the table $table" );
}
