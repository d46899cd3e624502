<?php
/**
 * Install the shim, look at it, and with `shim-uninstall.php` remove it. What is written comes from the engine; where it
 * goes is asked of WordPress.
 *
 * A file is ours when its second line says so, with the digest of all the rest. Others are never touched.
 */

const CLOSTE_BRIDGE_LOADER = 'closte-bridge-shim.php';
const CLOSTE_BRIDGE_PARTS  = 'closte-bridge';

/**
 * Put the mark into a file's text.
 *
 * @param string $text    The text, which begins with a line of its own for the opening tag.
 * @param string $version The version it belongs to.
 * @return string
 */
function closte_bridge_mark( string $text, string $version ): string {
	$rest = substr( $text, strlen( "<?php\n" ) );
	return "<?php\n// closte-bridge-shim $version sha256:" . hash( 'sha256', $rest ) . "\n" . $rest;
}

/**
 * Look at a file.
 *
 * @param string $path The file.
 * @return array State (`missing`, `foreign-file`, `changed` or `intact`), and the version that it names.
 */
function closte_bridge_file_state( string $path ): array {
	if ( ! file_exists( $path ) && ! is_link( $path ) ) {
		return array( 'missing', null );
	}
	$text = is_file( $path ) && ! is_link( $path ) ? (string) file_get_contents( $path ) : '';
	if ( ! preg_match( '#\A<\?php\n// closte-bridge-shim (\S{1,40}) sha256:([0-9a-f]{64})\n#', $text, $found ) ) {
		return array( 'foreign-file', null );
	}
	$intact = hash( 'sha256', substr( $text, strlen( $found[0] ) ) ) === $found[2];
	return array( $intact ? 'intact' : 'changed', $found[1] );
}

/**
 * List the files of an installation, with those of other versions.
 *
 * @param array $names Those that this version has.
 * @return array Paths by name.
 */
function closte_bridge_shim_files( array $names ): array {
	foreach ( (array) glob( WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_PARTS . '/*.php' ) as $path ) {
		$names[] = CLOSTE_BRIDGE_PARTS . '/' . basename( $path );
	}
	$names[] = CLOSTE_BRIDGE_LOADER;
	$names[] = CLOSTE_BRIDGE_PARTS . '/config.php';
	$files   = array();
	foreach ( array_unique( $names ) as $name ) {
		$files[ $name ] = WPMU_PLUGIN_DIR . '/' . $name;
	}
	return $files;
}

/**
 * Write one file so that a reader sees the old one or the new one, never a part.
 *
 * @param string $path The file.
 * @param string $text Its text.
 * @throws RuntimeException When it cannot be written.
 */
function closte_bridge_write_whole( string $path, string $text ): void {
	$beside = $path . '.' . bin2hex( random_bytes( 4 ) ) . '.tmp';
	$length = @file_put_contents( $beside, $text );
	if ( strlen( $text ) !== $length || ! @chmod( $beside, 0644 ) || ! @rename( $beside, $path ) ) {
		if ( file_exists( $beside ) ) {
			unlink( $beside );
		}
		throw new RuntimeException( 'shim-not-writable' );
	}
	if ( function_exists( 'opcache_invalidate' ) ) {
		@opcache_invalidate( $path, true );
	}
}

/**
 * Read the owner's engine id.
 *
 * @param int $network_id The network.
 * @return string|null
 */
function closte_bridge_owner_engine( int $network_id ): ?string {
	return closte_bridge_engine_of( get_network_option( $network_id, 'closte_bridge_owner', null ) );
}

/**
 * Refuse to change what another engine put here.
 *
 * @param int   $network_id The network.
 * @param array $request    `engine`: who asks, or null.
 * @throws RuntimeException When another engine is the owner.
 */
function closte_bridge_refuse_other_owner( int $network_id, array $request ): void {
	$owner = closte_bridge_owner_engine( $network_id );
	if ( null !== $owner && ( $request['engine'] ?? null ) !== $owner ) {
		throw new RuntimeException( 'shim-other-owner' );
	}
}

/**
 * Read what is configured for each network.
 *
 * @return array By network id.
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
 * Refuse to lose what is configured for other networks: of a file that somebody changed nothing can be taken over.
 *
 * @param int $id This network.
 * @throws RuntimeException When the file is not as it was written, and another network has an engine.
 */
function closte_bridge_refuse_loss( int $id ): void {
	$state = closte_bridge_file_state( WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_PARTS . '/config.php' )[0];
	if ( ! in_array( $state, array( 'intact', 'missing' ), true ) && closte_bridge_owned_elsewhere( $id ) ) {
		throw new RuntimeException( 'shim-changed' );
	}
}

/**
 * Write what is configured for each network.
 *
 * @param array  $config  By network id.
 * @param string $version The version of the shim.
 */
function closte_bridge_write_config( array $config, string $version ): void {
	$text = "<?php\n/**\n * What the shim needs to know of the engine, by network. Written by `closte-bridge shim install`.\n */\n\n"
		. "defined( 'ABSPATH' ) || exit;\n\nreturn " . var_export( $config, true ) . ";\n";
	closte_bridge_write_whole( WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_PARTS . '/config.php', closte_bridge_mark( $text, $version ) );
}

/**
 * Make the table of events, which all networks share.
 *
 * @throws RuntimeException When the database refuses.
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
 * Install, or bring up to date.
 *
 * @param array $request `version`, `files` (name => text in base64, in the order to write them), `config` (for this network), `engine`,
 *                       `name_folder`: whether the engine is to be told where WordPress is.
 * @return array
 * @throws RuntimeException When something is in the way.
 */
function closte_bridge_shim_install( array $request ): array {
	$id = get_current_network_id();
	closte_bridge_refuse_other_owner( $id, $request );
	$foreign = array();
	$files     = closte_bridge_shim_files( array_keys( $request['files'] ) );
	foreach ( $files as $name => $path ) {
		if ( 'foreign-file' === closte_bridge_file_state( $path )[0] ) {
			$foreign[] = $name;
		}
	}
	if ( $foreign ) {
		return array(
			'result'    => 'foreign_files',
			'folder'    => WPMU_PLUGIN_DIR,
			'foreign_files' => $foreign,
		);
	}
	$folder = WPMU_PLUGIN_DIR . '/' . CLOSTE_BRIDGE_PARTS;
	if ( is_link( $folder ) || ! wp_mkdir_p( $folder ) || ! is_writable( $folder ) || ! is_writable( WPMU_PLUGIN_DIR ) ) {
		return array(
			'result' => 'not-writable',
			'folder' => WPMU_PLUGIN_DIR,
		);
	}
	closte_bridge_refuse_loss( $id );
	closte_bridge_make_table();
	if ( ! empty( $request['name_folder'] ) ) {
		// Whoever installs stands in WordPress' folder; whoever is woken does not.
		$request['config']['engine'][] = '--path=' . ABSPATH;
	}
	$config        = closte_bridge_shim_config();
	$config[ $id ] = $request['config'];
	closte_bridge_write_config( $config, $request['version'] );
	// In this order, which is the engine's: an older loader uses new parts at once.
	foreach ( $request['files'] as $name => $text ) {
		closte_bridge_write_whole( WPMU_PLUGIN_DIR . '/' . $name, closte_bridge_mark( base64_decode( $text ), $request['version'] ) );
	}
	foreach ( array_diff_key( $files, $request['files'] ) as $name => $path ) {
		if ( CLOSTE_BRIDGE_PARTS . '/config.php' !== $name && 'missing' !== closte_bridge_file_state( $path )[0] ) {
			unlink( $path ); // Of an older version.
		}
	}
	return array(
		'result' => 'done',
		'owner'  => closte_bridge_owner_engine( $id ),
	);
}

/**
 * Tell whether an engine is in charge of another network of this installation: its events go into the same table.
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
 * Ask the shim that is loaded in this process a question.
 *
 * @param string $part   The part.
 * @param string $method Its method.
 * @param array  $args   Arguments.
 * @return mixed Null when no shim is loaded.
 */
function closte_bridge_ask_shim( string $part, string $method, array $args = array() ) {
	return defined( 'CLOSTE_BRIDGE_SHIM' ) ? Closte_Bridge\run( $part, $method, $args ) : null;
}

/**
 * Try whether an event could be written down: a row of no network, which nobody reads, and which goes at once.
 *
 * A read-only database and a full disk show only by trying, and on SQLite only when it is committed.
 *
 * @param string $table The table.
 * @return bool
 */
function closte_bridge_takes_events( string $table ): bool {
	global $wpdb;
	$uid   = bin2hex( random_bytes( 16 ) );
	$taken = $wpdb->query(
		$wpdb->prepare(
			"INSERT INTO $table (network_id, uid, created_at, kind, blog_id, domain, detail) VALUES (0, %s, %d, 'probe', 0, '', '')",
			$uid,
			time()
		)
	);
	return $taken && $wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE network_id = 0 AND uid = %s", $uid ) );
}

/**
 * Look at everything.
 *
 * @param array $request `files`: name => text in base64, of this version; `probe`: whether to try to write a row.
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
	return array(
		'folder'    => WPMU_PLUGIN_DIR,
		'root'      => ABSPATH,
		'version'   => $version,
		'files'     => $states,
		'loaded'    => defined( 'CLOSTE_BRIDGE_SHIM' ),
		'disabled'  => defined( 'CLOSTE_BRIDGE_DISABLE' ) && CLOSTE_BRIDGE_DISABLE,
		'config'    => $config,
		'table'     => $has_table,
		'writable'  => $has_table && ( empty( $request['probe'] ) || closte_bridge_takes_events( $table ) ),
		'events'    => (int) $events[0],
		'oldest'    => null === $events[1] ? null : max( 0, time() - (int) $events[1] ),
		'owner'     => closte_bridge_owner_engine( $id ),
		'active' => (bool) closte_bridge_ask_shim( 'Owner', 'is_active' ),
		'silence'   => closte_bridge_ask_shim( 'Owner', 'silence' ),
		'trigger'      => is_array( $config ) ? closte_bridge_ask_shim( 'Trigger', 'method', array( $config ) ) : null,
	);
}

/**
 * Do what the engine asks for.
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
