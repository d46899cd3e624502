<?php
/**
 * Triggers a sync: touches a file that `closte-bridge watch` checks, sends it a request, or starts a process.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Best effort and non-blocking: the next scheduled sync picks up anything missed.
 */
final class Trigger {

	/** Maximum age of the watcher's heartbeat, in seconds; it writes one every few seconds. */
	const FRESH = 30;

	/** Seconds to wait for an engine that was started before starting another. */
	const PENDING = 30;

	/**
	 * Return the configuration that `closte-bridge shim install` wrote for a network.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return array Empty if there is none.
	 */
	public static function config( $network_id = null ) {
		$file = __DIR__ . '/config.php';
		if ( ! \is_readable( $file ) ) {
			return array();
		}
		$all = include $file;
		$id  = null === $network_id ? \get_current_network_id() : $network_id;
		return \is_array( $all ) && isset( $all[ $id ] ) && \is_array( $all[ $id ] ) ? $all[ $id ] : array();
	}

	/**
	 * Trigger a sync of a network.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @param int      $newest     The ID of its newest event.
	 */
	public static function engine( $network_id = null, $newest = 0 ) {
		$config = self::config( $network_id );
		$method = self::method( $config );
		if ( 'file' === $method[0] ) {
			@\touch( $config['trigger_file'] ); // phpcs:ignore -- a full disk only delays the sync.
		} elseif ( 'url' === $method[0] ) {
			run( 'Wake', 'later', array( null === $network_id ? \get_current_network_id() : $network_id, $newest ) );
		} elseif ( 'process' === $method[0] && ! self::is_pending( $config['trigger_file'] ) && ! self::is_at_work( $config['trigger_file'] ) ) {
			// Start without further delay: an engine that found its lock taken by this check has exited.
			self::note_start( $config['trigger_file'] );
			self::start( $config );
		}
	}

	/**
	 * Return whether an engine that was started earlier still runs, for example while removals wait. If so, touch the
	 * trigger file, so that it syncs again.
	 *
	 * @param string $trigger_file The file.
	 * @return bool
	 */
	private static function is_at_work( $trigger_file ) {
		$lock = \dirname( $trigger_file ) . '/triggered.lock';
		if ( ! self::is_locked( $lock ) ) {
			return false;
		}
		@\touch( $trigger_file ); // phpcs:ignore -- the same.
		// It may have exited just before the file was touched.
		return self::is_locked( $lock );
	}

	/**
	 * Return whether a process holds a lock, without waiting for it.
	 *
	 * @param string $path The file.
	 * @return bool
	 */
	private static function is_locked( $path ) {
		$file = @\fopen( $path, 'r' ); // phpcs:ignore -- the file may be missing; only its lock is used.
		if ( ! $file ) {
			return false;
		}
		$blocked = 0;
		$free    = \flock( $file, \LOCK_SH | \LOCK_NB, $blocked );
		\fclose( $file ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- the same.
		return ! $free && $blocked;
	}

	/**
	 * Return whether an engine that was just started has not begun yet: it will read the events written now.
	 *
	 * It touches the trigger file before it reads. An engine that fails or hangs never does, so it is not started on each
	 * request.
	 *
	 * @param string $trigger_file The file.
	 * @return bool
	 */
	private static function is_pending( $trigger_file ) {
		$tried = self::is_unanswered( $trigger_file ) ? @\fileatime( \dirname( $trigger_file ) . '/spawned' ) : false; // phpcs:ignore -- the file may be missing.
		$age   = \is_int( $tried ) ? \time() - $tried : -1;
		return $age >= 0 && $age < self::PENDING;
	}

	/**
	 * Return whether the engine was started and has not begun since.
	 *
	 * @param string $trigger_file The file.
	 * @return bool
	 */
	private static function is_unanswered( $trigger_file ) {
		$mark = \dirname( $trigger_file ) . '/spawned';
		\clearstatcache( true, $mark );
		\clearstatcache( true, $trigger_file );
		$started = @\filemtime( $mark ); // phpcs:ignore -- the file may be missing.
		$shown   = @\filemtime( $trigger_file ); // phpcs:ignore -- the same.
		return \is_int( $started ) && ( ! \is_int( $shown ) || $shown < $started );
	}

	/**
	 * Record the start of the engine. The modification time is that of the first start without an answer; the access time
	 * is that of the last start.
	 *
	 * @param string $trigger_file The file.
	 */
	private static function note_start( $trigger_file ) {
		$mark  = \dirname( $trigger_file ) . '/spawned';
		$first = self::is_unanswered( $trigger_file ) ? \filemtime( $mark ) : \time();
		@\touch( $mark, $first, \time() ); // phpcs:ignore -- a full disk only delays the sync.
	}

	/**
	 * Choose the trigger method and return it with the reason.
	 *
	 * @param array $config From `config`.
	 * @return array `file`, `url`, `process` or `poll`, and a sentence for `closte-bridge shim status`, which is not translated.
	 */
	public static function method( array $config ) {
		$mode = \defined( 'CLOSTE_BRIDGE_WAKE' ) ? CLOSTE_BRIDGE_WAKE : ( isset( $config['wake'] ) ? $config['wake'] : 'auto' );
		if ( ! \in_array( $mode, array( 'auto', 'file', 'url', 'process', 'none' ), true ) ) {
			return array( 'poll', 'CLOSTE_BRIDGE_WAKE must be "auto", "file", "url", "process" or "none".' );
		}
		if ( 'none' === $mode ) {
			return array( 'poll', 'Triggering is disabled.' );
		}
		$here = self::why_not_here( $config );
		$file = '' === $here && ( 'auto' === $mode || 'file' === $mode ) && self::is_usable( $config );
		if ( $file && ( 'file' === $mode || self::is_watched( \dirname( $config['trigger_file'] ) ) ) ) {
			return array( 'file', 'file' === $mode ? 'The method "file" is set.' : '`closte-bridge watch` is running.' );
		}
		$url = self::why_no_url( $config, $mode );
		if ( '' === $url || 'url' === $mode ) {
			return '' === $url ? array( 'url', '`wake_url` is set.' ) : array( 'poll', $url );
		}
		if ( '' !== $here ) {
			return array( 'poll', 'auto' !== $mode || empty( $config['url'] ) ? $here : $url );
		}
		$why = 'file' === $mode ? '' : self::why_no_process( $config );
		if ( '' === $why && ! self::is_usable( $config ) ) {
			// Even if the user ID is unknown: each event would start an engine that cannot write there and exits.
			$why = 'PHP cannot write to the state folder.';
		}
		return '' === $why ? array( 'process', 'PHP starts closte-bridge.' ) : array( 'poll', $why );
	}

	/**
	 * Return why PHP and the engine have no files and no processes in common.
	 *
	 * @param array $config From `config`.
	 * @return string A sentence, or ''.
	 */
	private static function why_not_here( array $config ) {
		if ( empty( $config['trigger_file'] ) || empty( $config['engine'] ) || ! \is_array( $config['engine'] ) ) {
			return 'closte-bridge runs on another machine.';
		}
		$other = \function_exists( 'posix_geteuid' ) && isset( $config['user'] ) && \posix_geteuid() !== $config['user'];
		return $other ? 'PHP runs as a different user than closte-bridge.' : '';
	}

	/**
	 * Return whether PHP can write to the state folder.
	 *
	 * @param array $config From `config`.
	 * @return bool
	 */
	private static function is_usable( array $config ) {
		$folder = \dirname( $config['trigger_file'] );
		return @\is_dir( $folder ) && @\is_writable( $folder ); // phpcs:ignore -- open_basedir complains.
	}

	/**
	 * Return why no request wakes the engine.
	 *
	 * @param array  $config From `config`.
	 * @param string $mode   The method that is set.
	 * @return string A sentence, or ''.
	 */
	private static function why_no_url( array $config, $mode ) {
		if ( empty( $config['url'] ) ) {
			return '`wake_url` is not set.';
		}
		if ( 'auto' !== $mode && 'url' !== $mode ) {
			return \sprintf( 'The method "%s" is set.', $mode );
		}
		$why = run( 'Wake', 'why_not', array( $config ) );
		// `run` returns the argument if the part is missing or failed.
		return \is_string( $why ) ? $why : 'The shim is damaged.';
	}

	/**
	 * Return whether `closte-bridge watch` is running.
	 *
	 * @param string $folder The state folder.
	 * @return bool
	 */
	private static function is_watched( $folder ) {
		\clearstatcache( true, $folder . '/heartbeat' );
		$seen = @\filemtime( $folder . '/heartbeat' ); // phpcs:ignore -- the file may be missing.
		return \is_int( $seen ) && \abs( \time() - $seen ) <= self::FRESH;
	}

	/**
	 * Return why no process can be started.
	 *
	 * @param array $config From `config`.
	 * @return string A sentence, or ''.
	 */
	private static function why_no_process( array $config ) {
		if ( ! \function_exists( 'proc_open' ) || ! \function_exists( 'proc_close' ) ) {
			return 'PHP cannot start processes (disable_functions).';
		}
		$start = self::start_of( $config );
		if ( ! $start ) {
			return 'No method to start a program in the background works on this machine.';
		}
		foreach ( array( $start[0], $config['engine'][0] ) as $program ) {
			if ( ! \is_string( $program ) || '' === $program || ! @\is_executable( $program ) ) { // phpcs:ignore -- open_basedir complains.
				return \sprintf( '"%s" is not executable.', \is_string( $program ) ? $program : '' );
			}
		}
		return '';
	}

	/**
	 * Return the command that starts the engine in the background, as tested by `closte-bridge shim install`.
	 *
	 * @param array $config From `config`.
	 * @return array Empty if there is none.
	 */
	private static function start_of( array $config ) {
		if ( ! \array_key_exists( 'start', $config ) ) {
			return isset( $config['setsid'] ) && \is_string( $config['setsid'] ) ? array( $config['setsid'], '--fork' ) : array(); // An older installation.
		}
		return \is_array( $config['start'] ) ? \array_values( $config['start'] ) : array();
	}

	/**
	 * Start the engine detached: no terminal, a minimal environment, no waiting.
	 *
	 * @param array $config From `config`.
	 */
	private static function start( array $config ) {
		$argv    = \array_merge( self::start_of( $config ), \array_values( $config['engine'] ), array( 'sync', '--triggered', '--quiet' ) );
		$null    = array( 'null' );
		$pipes   = array();
		$process = @\proc_open( $argv, array( $null, $null, $null ), $pipes, '/', isset( $config['environment'] ) ? $config['environment'] : array() ); // phpcs:ignore -- an argument list, no shell.
		if ( \is_resource( $process ) ) {
			\proc_close( $process );
		}
	}
}
