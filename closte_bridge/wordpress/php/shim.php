<?php
/**
 * Install and inspect the shim; `shim-uninstall.php` removes it. The engine provides the files, WordPress the folder.
 *
 * The second line of a file marks it as created by closte-bridge and has the digest of the rest. Other files are never
 * changed.
 */

const CLOSTE_BRIDGE_LOADER = 'closte-bridge-shim.php';
const CLOSTE_BRIDGE_PARTS  = 'closte-bridge';
const CLOSTE_BRIDGE_TEXTS  = 'closte-bridge/languages';

/**
 * Add the mark to a file's text.
 *
 * @param string $text    The text; its first line is the opening tag.
 * @param string $version The version of the shim.
 * @return string
 */
function closte_bridge_mark( string $text, string $version ): string {
	$rest = substr( $text, strlen( "<?php\n" ) );
	return "<?php\n// closte-bridge-shim $version sha256:" . hash( 'sha256', $rest ) . "\n" . $rest;
}

/**
 * Return the state of a file.
 *
 * @param string $path The file.
 * @return array State (`missing`, `foreign-file`, `unreadable`, `changed` or `intact`) and version.
 */
function closte_bridge_file_state( string $path ): array {
	if ( ! file_exists( $path ) && ! is_link( $path ) ) {
		return array( 'missing', null );
	}
	if ( is_file( $path ) && ! is_link( $path ) && ! is_readable( $path ) ) {
		return array( 'unreadable', null );
	}
	$text = is_file( $path ) && ! is_link( $path ) ? (string) file_get_contents( $path ) : '';
	if ( ! preg_match( '#\A<\?php\n// closte-bridge-shim (\S{1,40}) sha256:([0-9a-f]{64})\n#', $text, $found ) ) {
		return array( 'foreign-file', null );
	}
	$intact = hash( 'sha256', substr( $text, strlen( $found[0] ) ) ) === $found[2];
	return array( $intact ? 'intact' : 'changed', $found[1] );
}

/**
 * Return the files of an installation, including those of other versions. Translations that others added are not among them.
 *
 * @param array $names The files of this version.
 * @return array Paths by name.
 */
function closte_bridge_shim_files( array $names ): array {
	foreach ( (array) glob( WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_PARTS . '/*.php' ) as $path ) {
		$names[] = CLOSTE_BRIDGE_PARTS . '/' . basename( $path );
	}
	foreach ( (array) glob( WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_TEXTS . '/*.php' ) as $path ) {
		if ( 'foreign-file' !== closte_bridge_file_state( $path )[0] ) {
			$names[] = CLOSTE_BRIDGE_TEXTS . '/' . basename( $path );
		}
	}
	$names[] = CLOSTE_BRIDGE_LOADER;
	$names[] = CLOSTE_BRIDGE_PARTS . '/config.php';
	$names[] = CLOSTE_BRIDGE_PARTS . '/secret.php';
	$files   = array();
	foreach ( array_unique( $names ) as $name ) {
		$files[ $name ] = WPMU_PLUGIN_DIR . '/' . $name;
	}
	return $files;
}

/**
 * Write a file atomically.
 *
 * @param string $path The file.
 * @param string $text Its text.
 * @param int    $mode Its mode.
 * @throws RuntimeException If it cannot be written.
 */
function closte_bridge_write_file( string $path, string $text, int $mode = 0644 ): void {
	$temporary = $path . '.' . bin2hex( random_bytes( 4 ) ) . '.tmp';
	// No other user can open the file before its mode is set.
	$mask   = umask( 0077 );
	$length = @file_put_contents( $temporary, $text );
	umask( $mask );
	if ( strlen( $text ) !== $length || ! @chmod( $temporary, $mode ) || ! @rename( $temporary, $path ) ) {
		if ( file_exists( $temporary ) ) {
			unlink( $temporary );
		}
		throw new RuntimeException( 'shim-not-writable' );
	}
	if ( function_exists( 'opcache_invalidate' ) ) {
		@opcache_invalidate( $path, true );
	}
}

/**
 * Return the ID of the engine that owns a network.
 *
 * @param int $network_id The network.
 * @return string|null
 */
function closte_bridge_owner_engine( int $network_id ): ?string {
	return closte_bridge_engine_of( get_network_option( $network_id, 'closte_bridge_owner', null ) );
}

/**
 * Refuse a change if another engine owns the network.
 *
 * @param int   $network_id The network.
 * @param array $request    `engine`: the ID of the engine that asks, or null.
 * @throws RuntimeException If another engine is the owner.
 */
function closte_bridge_refuse_other_owner( int $network_id, array $request ): void {
	$owner = closte_bridge_owner_engine( $network_id );
	if ( null !== $owner && ( $request['engine'] ?? null ) !== $owner ) {
		throw new RuntimeException( 'shim-other-owner' );
	}
}

/**
 * Read the configuration of all networks.
 *
 * @return array By network ID.
 */
function closte_bridge_shim_config(): array {
	$path = WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_PARTS . '/config.php';
	if ( 'intact' !== closte_bridge_file_state( $path )[0] ) {
		return array();
	}
	$config = include $path;
	return is_array( $config ) ? $config : array();
}

/**
 * Refuse to overwrite a changed configuration file if another network needs it: its entries cannot be trusted.
 *
 * @param int $id This network.
 * @throws RuntimeException If the file was changed and another network has an owner.
 */
function closte_bridge_refuse_loss( int $id ): void {
	$state = closte_bridge_file_state( WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_PARTS . '/config.php' )[0];
	if ( ! in_array( $state, array( 'intact', 'missing' ), true ) && closte_bridge_owned_elsewhere( $id ) ) {
		throw new RuntimeException( 'shim-changed' );
	}
}

/**
 * Write the configuration of all networks.
 *
 * @param array  $config  By network ID.
 * @param string $version The version of the shim.
 */
function closte_bridge_write_config( array $config, string $version ): void {
	$text = "<?php\n/**\n * The engine of each network. Written by `closte-bridge shim install`.\n */\n\n"
		. "defined( 'ABSPATH' ) || exit;\n\nreturn " . var_export( $config, true ) . ";\n";
	closte_bridge_write_file( WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_PARTS . '/config.php', closte_bridge_mark( $text, $version ) );
}

/**
 * Write the secret of a network, or remove it. The secrets of other networks stay.
 *
 * The file is PHP, so that a web server never shows it, and the secrets are in a comment, so that PHP's opcode cache has no copy.
 *
 * @param int         $id      The network.
 * @param string|null $secret  64 hex digits; null to remove it.
 * @param string      $version The version of the shim.
 */
function closte_bridge_write_secret( int $id, ?string $secret, string $version ): void {
	$path  = WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_PARTS . '/secret.php';
	$known = 'intact' === closte_bridge_file_state( $path )[0] ? (string) file_get_contents( $path ) : '';
	$all   = preg_match( '#^// secrets (\{.*\})$#m', $known, $found ) ? json_decode( $found[1], true ) : array();
	$all   = array_filter( array( $id => $secret ) + ( is_array( $all ) ? $all : array() ) );
	$text  = "<?php\n/**\n * The secret that signs requests, of each network. Written by `closte-bridge shim install`.\n */\n\n"
		. "defined( 'ABSPATH' ) || exit;\n\n// secrets " . json_encode( (object) $all ) . "\n";
	closte_bridge_write_file( $path, closte_bridge_mark( $text, $version ), 0600 );
}

/**
 * Create the event table, which all networks share.
 *
 * @throws RuntimeException If the database refuses.
 */
function closte_bridge_make_table(): void {
	global $wpdb;
	$table   = closte_bridge_events_table();
	$collate = $wpdb->get_charset_collate();
	if ( null !== closte_bridge_table( $table ) ) {
		return;
	}
	$wpdb->query(
		"CREATE TABLE $table (
			id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
			network_id bigint(20) unsigned NOT NULL,
			uid varchar(32) NOT NULL,
			created_at bigint(20) NOT NULL,
			kind varchar(32) NOT NULL,
			blog_id bigint(20) unsigned NOT NULL DEFAULT 0,
			domain varchar(255) NOT NULL DEFAULT '',
			detail text NOT NULL,
			PRIMARY KEY  (id),
			UNIQUE KEY uid (uid),
			KEY network_id (network_id, id)
		) $collate"
	);
	if ( null === closte_bridge_table( $table ) ) {
		throw new RuntimeException( 'shim-no-table' );
	}
}

/**
 * Install or update the shim.
 *
 * @param array $request `version`; `files` (name => text in base64, in the order to write them); `config` (for this network);
 *                       `engine`; `secret`; `name_folder`: whether to add the path of WordPress to the engine's command.
 * @return array
 * @throws RuntimeException If the installation is refused.
 */
function closte_bridge_shim_install( array $request ): array {
	$id = get_current_network_id();
	closte_bridge_refuse_other_owner( $id, $request );
	$foreign = array();
	$files   = closte_bridge_shim_files( array_keys( $request['files'] ) );
	foreach ( $files as $name => $path ) {
		if ( 'foreign-file' === closte_bridge_file_state( $path )[0] ) {
			$foreign[] = $name;
		}
	}
	if ( $foreign ) {
		return array(
			'result'        => 'foreign_files',
			'folder'        => WPMU_PLUGIN_DIR,
			'foreign_files' => $foreign,
		);
	}
	$folder = WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_PARTS;
	$texts  = WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_TEXTS;
	if ( is_link( $folder ) || is_link( $texts ) || ! wp_mkdir_p( $texts ) || ! is_writable( $folder ) || ! is_writable( $texts ) || ! is_writable( WPMU_PLUGIN_DIR ) ) {
		return array(
			'result' => 'not-writable',
			'folder' => WPMU_PLUGIN_DIR,
		);
	}
	closte_bridge_refuse_loss( $id );
	closte_bridge_make_table();
	closte_bridge_make_states_table();
	if ( ! empty( $request['name_folder'] ) ) {
		// The installation ran in WordPress' folder; an engine started by the shim does not.
		$request['config']['engine'][] = '--path=' . ABSPATH;
	}
	$config        = closte_bridge_shim_config();
	$config[ $id ] = array( 'files' => array_keys( $request['files'] ) ) + $request['config'];
	closte_bridge_write_config( $config, $request['version'] );
	closte_bridge_write_secret( $id, $request['secret'] ?? null, $request['version'] );
	// In the engine's order: an older loader uses the new classes immediately.
	foreach ( $request['files'] as $name => $text ) {
		closte_bridge_write_file( WPMU_PLUGIN_DIR . '/' . $name, closte_bridge_mark( base64_decode( $text ), $request['version'] ) );
	}
	$kept = array( CLOSTE_BRIDGE_PARTS . '/config.php', CLOSTE_BRIDGE_PARTS . '/secret.php' );
	foreach ( array_diff_key( $files, $request['files'], array_flip( $kept ) ) as $name => $path ) {
		if ( 'missing' !== closte_bridge_file_state( $path )[0] ) {
			unlink( $path ); // A file of an older version.
		}
	}
	return array(
		'result' => 'done',
		'owner'  => closte_bridge_owner_engine( $id ),
	);
}

/**
 * Return whether another network of this installation has an owner: its events are in the same table.
 *
 * @param int $id This network.
 * @return bool
 */
function closte_bridge_owned_elsewhere( int $id ): bool {
	global $wpdb;
	$sql = "SELECT COUNT(*) FROM {$wpdb->sitemeta} WHERE meta_key = 'closte_bridge_owner' AND site_id <> %d";
	return (bool) (int) closte_bridge_rows( $wpdb->prepare( $sql, $id ) )[0][0];
}

/**
 * Call a method of the shim that is loaded in this process.
 *
 * @param string $part   The class.
 * @param string $method The method.
 * @param array  $args   The arguments.
 * @return mixed Null if no shim is loaded.
 */
function closte_bridge_call_shim( string $part, string $method, array $args = array() ) {
	return defined( 'CLOSTE_BRIDGE_SHIM' ) ? Closte_Bridge\run( $part, $method, $args ) : null;
}

/**
 * Return whether the database can store an event: insert a row of network 0, which no engine reads, and delete it.
 *
 * Only a write detects a read-only database or a full disk, and on SQLite only the commit.
 *
 * @param string $table The table.
 * @return bool
 */
function closte_bridge_can_store_events( string $table ): bool {
	global $wpdb;
	$uid    = bin2hex( random_bytes( 16 ) );
	$stored = $wpdb->query(
		$wpdb->prepare(
			"INSERT INTO $table (network_id, uid, created_at, kind, blog_id, domain, detail) VALUES (0, %s, %d, 'probe', 0, '', '')",
			$uid,
			time()
		)
	);
	return $stored && $wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE network_id = 0 AND uid = %s", $uid ) );
}

/**
 * Return the status of the shim.
 *
 * @param array $request `files`: name => text in base64, of this version; `probe`: whether to test that events can be stored;
 *                       `wake`: whether to test a wake-up.
 * @return array
 */
function closte_bridge_shim_status( array $request ): array {
	global $wpdb;
	$id      = get_current_network_id();
	$table   = closte_bridge_events_table();
	$version = null;
	$states  = array();
	foreach ( closte_bridge_shim_files( array_keys( $request['files'] ?? array() ) ) as $name => $path ) {
		list( $state, $of ) = closte_bridge_file_state( $path );
		if ( 'intact' === $state && isset( $request['files'][ $name ] ) ) {
			$wanted = closte_bridge_mark( base64_decode( $request['files'][ $name ] ), $of );
			$state  = file_get_contents( $path ) === $wanted ? 'intact' : 'other-version';
		}
		$version         = CLOSTE_BRIDGE_LOADER === $name ? $of : $version;
		$states[ $name ] = $state;
	}
	$has_table = null !== closte_bridge_table( $table );
	$events    = $has_table
		? closte_bridge_rows( $wpdb->prepare( "SELECT COUNT(*), MIN(created_at) FROM $table WHERE network_id = %d", $id ) )[0]
		: array( 0, null );
	$config    = closte_bridge_shim_config()[ $id ] ?? null;
	$trigger   = is_array( $config ) ? closte_bridge_call_shim( 'Trigger', 'method', array( $config ) ) : null;
	$tests     = ! empty( $request['wake'] ) && is_array( $trigger ) && 'url' === $trigger[0];
	return array(
		'folder'   => WPMU_PLUGIN_DIR,
		'root'     => ABSPATH,
		'version'  => $version,
		'files'    => $states,
		'loaded'   => defined( 'CLOSTE_BRIDGE_SHIM' ),
		'disabled' => defined( 'CLOSTE_BRIDGE_DISABLE' ) && CLOSTE_BRIDGE_DISABLE,
		'config'   => $config,
		'secret'   => closte_bridge_call_shim( 'Routes', 'fingerprint' ),
		'table'    => $has_table,
		'writable' => $has_table && ( empty( $request['probe'] ) || closte_bridge_can_store_events( $table ) ),
		'events'   => (int) $events[0],
		'oldest'   => null === $events[1] ? null : max( 0, time() - (int) $events[1] ),
		'owner'    => closte_bridge_owner_engine( $id ),
		'active'   => (bool) closte_bridge_call_shim( 'Owner', 'is_active' ),
		'silence'  => closte_bridge_call_shim( 'Owner', 'silence' ),
		'trigger'  => $trigger,
		'wake'     => $tests ? closte_bridge_call_shim( 'Wake', 'test', array( $config ) ) : null,
	);
}

/**
 * Run the requested job.
 *
 * @param array $request `do`: `install`, `status` or `uninstall`.
 * @return array
 */
function closte_bridge_shim( array $request ): array {
	$jobs = array(
		'install'   => 'closte_bridge_shim_install',
		'status'    => 'closte_bridge_shim_status',
		'uninstall' => 'closte_bridge_shim_uninstall',
	);
	return $jobs[ $request['do'] ]( $request );
}

closte_bridge_serve( 'closte_bridge_shim', $closte_bridge_request );
