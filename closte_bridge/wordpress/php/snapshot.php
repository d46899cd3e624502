<?php
/**
 * Read all data of a network that the engine needs, in one transaction.
 *
 * Options are read from the table instead of get_network_option(): they belong to the same transaction as the mappings, and
 * an object cache may be stale.
 */

/**
 * Find the plugin without loading it.
 *
 * @param mixed $active The network option `active_sitewide_plugins`.
 * @return array|null Its file, folder and version.
 */
function closte_bridge_plugin( $active ): ?array {
	// Names of the plugin over time: WP Ultimo, Multisite Ultimate, WP Multisite WaaS, Ultimate Multisite.
	$known = '#^(ultimate-multisite|multisite-ultimate|wp-multisite-waas|wp-ultimo)/[a-z-]+\.php$#';
	foreach ( is_array( $active ) ? array_keys( $active ) : array() as $file ) {
		$path = WP_PLUGIN_DIR . '/' . $file;
		if ( preg_match( $known, $file ) && is_readable( $path ) ) {
			$header = get_file_data( $path, array( 'Version' => 'Version' ) );
			return array(
				'file'    => $file,
				'folder'  => dirname( $path ),
				'version' => defined( 'WP_ULTIMO_VERSION' ) ? WP_ULTIMO_VERSION : $header['Version'],
			);
		}
	}
	return null;
}

/**
 * Read the API key and encrypt it with the engine's one-time pad, so that it never appears in the output.
 *
 * @param array      $options Network options.
 * @param array|null $plugin  From closte_bridge_plugin().
 * @param string     $pad     Random bytes in base64, for this call only.
 * @return array The source of the key, and the encrypted key in base64.
 */
function closte_bridge_key( array $options, ?array $plugin, string $pad ): array {
	$source = 'none';
	$key    = '';
	$stored = $options['wu_hosting_credential_CLOSTE_CLIENT_API_KEY'] ?? '';
	if ( defined( 'CLOSTE_CLIENT_API_KEY' ) && is_string( CLOSTE_CLIENT_API_KEY ) && '' !== CLOSTE_CLIENT_API_KEY ) {
		$source = 'constant';
		$key    = CLOSTE_CLIENT_API_KEY;
	} elseif ( is_string( $stored ) && '' !== $stored ) {
		$class  = '\WP_Ultimo\Helpers\Credential_Store';
		$file   = ( $plugin['folder'] ?? '' ) . '/inc/helpers/class-credential-store.php';
		$source = 'option-undecryptable';
		if ( ! class_exists( $class, false ) && is_readable( $file ) ) {
			require_once $file;
		}
		if ( class_exists( $class, false ) ) {
			try {
				$key = (string) $class::decrypt( $stored );
			} catch ( Throwable $failure ) {
				$key = ''; // Its logging needs the plugin, which is not loaded.
			}
			$source = '' === $key ? $source : 'option';
		}
	}
	$bytes = (string) base64_decode( $pad );
	if ( strlen( $key ) > strlen( $bytes ) ) {
		return array( 'source' => 'too-long' );
	}
	return array(
		'source' => $source,
		'padded' => base64_encode( $key ^ substr( $bytes, 0, strlen( $key ) ) ),
	);
}

/**
 * Turn rows into columns, 5,000 rows at a time.
 *
 * A column is one text with one value per line, which is three times as fast to write and read as separate values. If a
 * value is NULL or contains line breaks, the column is an array.
 *
 * @param array $rows Rows of equal length.
 * @return array Parts, each a list of columns.
 */
function closte_bridge_columns( array $rows ): array {
	$parts = array();
	foreach ( array_chunk( $rows, 5000 ) as $some ) {
		$columns = array();
		foreach ( array_keys( $some[0] ) as $index ) {
			$values    = array_column( $some, $index );
			$text      = implode( "\n", $values );
			$odd       = in_array( null, $values, true ) || substr_count( $text, "\n" ) !== count( $values ) - 1;
			$columns[] = $odd ? $values : $text;
		}
		$parts[] = $columns;
	}
	return $parts;
}

/**
 * Read a table's rows, the number of rows by COUNT, and the highest ID ever used.
 *
 * @param array  $status  The table's row of SHOW TABLE STATUS.
 * @param string $columns The columns, in the order that the engine expects.
 * @param string $id      The ID column.
 * @return array
 */
function closte_bridge_table_rows( array $status, string $columns, string $id ): array {
	$table = $status['Name'];
	$rows  = closte_bridge_rows( "SELECT $columns FROM $table ORDER BY $id" );
	$count = closte_bridge_rows( "SELECT COUNT(*), MAX($id) FROM $table" );
	return array(
		'columns' => closte_bridge_columns( $rows ),
		'count'   => (int) $count[0][0],
		'highest' => max( (int) $count[0][1], (int) ( $status['Auto_increment'] ?? 0 ) - 1 ),
	);
}

/**
 * Read the mappings of the complete installation.
 *
 * All networks share one table, but Ultimate Multisite 2.14.2 uses another name on a secondary network
 * (`wu_2_domain_mappings`). All existing tables are read, and a row belongs to the network of its site.
 *
 * @return array Columns, the number of rows, and the sum of the highest IDs, which only decreases if a table is restored.
 */
function closte_bridge_mappings(): array {
	global $wpdb;
	$shape = '/^' . preg_quote( $wpdb->base_prefix, '/' ) . 'wu_(\d+_)?domain_mappings$/';
	$like  = $wpdb->esc_like( $wpdb->base_prefix . 'wu_' ) . '%' . $wpdb->esc_like( 'domain_mappings' );
	$found = array( 'missing' => true );
	foreach ( closte_bridge_rows( $wpdb->prepare( 'SHOW TABLE STATUS LIKE %s', $like ), ARRAY_A ) as $status ) {
		if ( ! preg_match( $shape, $status['Name'] ) ) {
			continue;
		}
		$part  = closte_bridge_table_rows(
			$status,
			'id, blog_id, domain, active, primary_domain, secure, stage, date_created, date_modified',
			'id'
		);
		$found = isset( $found['missing'] ) ? $part : array(
			'columns' => array_merge( $found['columns'], $part['columns'] ),
			'count'   => $found['count'] + $part['count'],
			'highest' => $found['highest'] + $part['highest'],
		);
	}
	return $found;
}

/**
 * Read the shim's events, oldest first.
 *
 * @param int $network_id The network.
 * @param int $limit      Maximum number of events.
 * @return array
 */
function closte_bridge_events( int $network_id, int $limit ): array {
	global $wpdb;
	$table = closte_bridge_events_table();
	if ( null === closte_bridge_table( $table ) ) {
		return array( 'missing' => true );
	}
	return array(
		'rows'  => closte_bridge_rows(
			$wpdb->prepare(
				"SELECT uid, created_at, kind, blog_id, domain, detail FROM $table WHERE network_id = %d ORDER BY id LIMIT %d",
				$network_id,
				$limit
			)
		),
		'count' => (int) closte_bridge_rows( $wpdb->prepare( "SELECT COUNT(*) FROM $table WHERE network_id = %d", $network_id ) )[0][0],
	);
}

/**
 * Delete the events that are in the engine's ledger, if it is the owner: a cloned engine must not delete them.
 *
 * @param int    $network_id The network.
 * @param string $engine     The engine that asks.
 * @param array  $uids       The events' unique IDs: the database may reuse row IDs after a restore.
 */
function closte_bridge_acknowledge( int $network_id, string $engine, array $uids ): void {
	global $wpdb;
	$table = closte_bridge_events_table();
	$owner = closte_bridge_network_options( $network_id, array( 'closte_bridge_owner' ) )['closte_bridge_owner'] ?? null;
	if ( closte_bridge_engine_of( $owner ) !== $engine || null === closte_bridge_table( $table ) ) {
		return;
	}
	foreach ( array_chunk( array_map( 'strval', $uids ), 500 ) as $chunk ) {
		$marks = implode( ',', array_fill( 0, count( $chunk ), '%s' ) );
		$wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE network_id = %d AND uid IN ($marks)", array_merge( array( $network_id ), $chunk ) ) );
	}
}

/**
 * Store the engine's heartbeat for the shim, if it is the owner: at most every four minutes.
 *
 * @param int    $network_id The network.
 * @param string $engine     The engine that asks.
 * @param array  $options    The network's options.
 * @param array  $status     `age`: seconds since the engine's last success; the others: see closte_bridge_put_status().
 */
function closte_bridge_keep_status( int $network_id, string $engine, array $options, array $status ): void {
	if ( closte_bridge_engine_of( $options['closte_bridge_owner'] ?? null ) !== $engine ) {
		return;
	}
	// By this machine's clock: the engine may run on another machine.
	$heartbeat = time() - (int) $status['age'];
	$before    = closte_bridge_heartbeat( $options );
	if ( $before > time() || $heartbeat - $before >= 240 ) {
		closte_bridge_put_status( $network_id, $heartbeat, $status );
	}
}

/**
 * Return the identity of the database: how WordPress connects to it.
 *
 * It differs for a copy with another name or on another server, but not for a copy on another machine if both use
 * "localhost".
 *
 * @return string
 */
function closte_bridge_database(): string {
	global $wpdb;
	if ( defined( 'DB_ENGINE' ) && 'sqlite' === DB_ENGINE ) {
		$place = 'sqlite ' . ( defined( 'FQDB' ) ? FQDB : '' );
	} else {
		$place = 'mysql ' . DB_HOST . ' ' . DB_NAME;
	}
	return $place . ' ' . $wpdb->base_prefix;
}

/**
 * Return the snapshot.
 *
 * @param array $request The engine's request.
 * @return array
 */
function closte_bridge_snapshot( array $request ): array {
	global $wpdb;
	$network = get_network();
	$id      = (int) $network->id;
	if ( ! empty( $request['acknowledge'] ) ) {
		closte_bridge_acknowledge( $id, (string) $request['engine'], $request['acknowledge'] );
	}
	// If a database drop-in uses replicas, read from the primary: replicas may lag.
	if ( method_exists( $wpdb, 'send_reads_to_masters' ) ) {
		$wpdb->send_reads_to_masters();
	}
	$sqlite = defined( 'DB_ENGINE' ) && 'sqlite' === DB_ENGINE;
	if ( ! $sqlite ) {
		$wpdb->query( 'SET SESSION information_schema_stats_expiry = 0' ); // MySQL 8 caches the counters; other databases do not have this variable.
		$wpdb->query( 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ' );
	}
	if ( false === $wpdb->query( $sqlite ? 'START TRANSACTION' : 'START TRANSACTION WITH CONSISTENT SNAPSHOT' ) ) {
		throw new RuntimeException( 'no-transaction' );
	}
	$options  = closte_bridge_network_options(
		$id,
		array(
			'active_sitewide_plugins',
			'wu_setup_finished',
			'wp-ultimo_v2_settings',
			'wu_host_integrations_enabled',
			'wu_hosting_credential_CLOSTE_CLIENT_API_KEY',
			'closte_bridge_owner',
			'closte_bridge_status',
		)
	);
	$blogs    = closte_bridge_table( $wpdb->blogs );
	$sites    = $blogs
		? closte_bridge_table_rows( $blogs, 'blog_id, site_id, domain, archived, spam, deleted', 'blog_id' )
		: array( 'missing' => true );
	$mappings = closte_bridge_mappings();
	$events   = closte_bridge_events( $id, (int) ( $request['event_limit'] ?? 0 ) );
	$states   = closte_bridge_states_report( $id, $options );
	$wpdb->query( 'COMMIT' );
	if ( isset( $request['status'] ) && empty( $events['missing'] ) ) {
		closte_bridge_keep_status( $id, (string) $request['engine'], $options, $request['status'] );
	}
	if ( isset( $request['states'] ) && empty( $events['missing'] ) ) {
		$states['written'] = closte_bridge_try_states( $id, (string) $request['engine'], $request['states'] );
	}

	$plugin   = closte_bridge_plugin( $options['active_sitewide_plugins'] ?? null );
	$settings = $options['wp-ultimo_v2_settings'] ?? array();
	$toggles  = $options['wu_host_integrations_enabled'] ?? array();
	return array(
		'network'  => array(
			'id'          => $id,
			'domain'      => $network->domain,
			'path'        => $network->path,
			'main_site'   => (int) $network->site_id,
			'environment' => function_exists( 'wp_get_environment_type' ) ? wp_get_environment_type() : 'production',
			'database'    => closte_bridge_database(),
			'app_id'      => defined( 'CLOSTE_APP_ID' ) ? (string) CLOSTE_APP_ID : null,
			'public_ip'   => defined( 'CLOSTE_PUBLIC_IP_ADDRESS' ) && is_string( CLOSTE_PUBLIC_IP_ADDRESS ) ? CLOSTE_PUBLIC_IP_ADDRESS : null,
			'root'        => ABSPATH,
			'wordpress'   => $GLOBALS['wp_version'],
			'php'         => PHP_VERSION,
		),
		'plugin'   => $plugin ? array(
			'file'    => $plugin['file'],
			'version' => $plugin['version'],
			'set_up'  => ! empty( $options['wu_setup_finished'] ),
		) : null,
		'settings' => array_intersect_key(
			is_array( $settings ) ? $settings : array(),
			array_flip( array( 'enable_domain_mapping', 'dns_check_interval', 'auto_create_www_subdomain' ) )
		),
		'toggle'   => is_array( $toggles ) && ! empty( $toggles['closte'] ),
		'owner'    => $options['closte_bridge_owner'] ?? null,
		'silence'  => time() - closte_bridge_heartbeat( $options ),
		'reports'  => closte_bridge_reports( $options ),
		'key'      => isset( $request['pad'] ) ? closte_bridge_key( $options, $plugin, $request['pad'] ) : null,
		'sites'    => $sites,
		'mappings' => $mappings,
		'events'   => $events,
		'states'   => $states,
	);
}

closte_bridge_serve( 'closte_bridge_snapshot', $closte_bridge_request );
