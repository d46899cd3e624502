<?php
/**
 * Wakes the engine: by touching a file that somebody watches, else by starting it, else not at all.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Waits for nothing, and needs nothing: what is not seen now is found by the engine's next look.
 */
final class Trigger {

	/** A watcher shows every few seconds that it is there. */
	const FRESH = 30;

	/** An engine that was started and has not shown itself since is not started again for so many seconds. */
	const PENDING = 30;

	/**
	 * Return what `shim install` fixed for a network.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return array Empty when there is nothing.
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
	 * Wake the engine of a network.
	 *
	 * @param int|null $network_id The network; null for this one.
	 */
	public static function engine( $network_id = null ) {
		$config = self::config( $network_id );
		$method = self::method( $config );
		if ( 'file' === $method[0] ) {
			@\touch( $config['trigger_file'] ); // phpcs:ignore -- a full disk only means that nobody sees it.
		} elseif ( 'process' === $method[0] && ! self::is_pending( $config['trigger_file'] ) && ! self::is_at_work( $config['trigger_file'] ) ) {
			// Nothing stands between here and the start: an engine that met our look at its lock has left.
			self::note_start( $config['trigger_file'] );
			self::start( $config );
		}
	}

	/**
	 * Return whether an engine that was started earlier still holds its lock, for example while removals wait: it sees
	 * the trigger file, which is touched then, and runs again.
	 *
	 * @param string $trigger_file The file.
	 * @return bool
	 */
	private static function is_at_work( $trigger_file ) {
		$lock = \dirname( $trigger_file ) . '/triggered.lock';
		if ( ! self::is_locked( $lock ) ) {
			return false;
		}
		@\touch( $trigger_file ); // phpcs:ignore -- as above.
		// It may have ended just before the file was touched.
		return self::is_locked( $lock );
	}

	/**
	 * Return whether somebody holds a lock, without waiting for it.
	 *
	 * @param string $path The file.
	 * @return bool
	 */
	private static function is_locked( $path ) {
		$file = @\fopen( $path, 'r' ); // phpcs:ignore -- usually there is one; it is neither read nor written.
		if ( ! $file ) {
			return false;
		}
		$blocked = 0;
		$free    = \flock( $file, \LOCK_SH | \LOCK_NB, $blocked );
		\fclose( $file ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- as above.
		return ! $free && $blocked;
	}

	/**
	 * Return whether an engine that was started a moment ago has yet to begin: it will see what was noted just now.
	 *
	 * It touches the wake file before it reads. One that is broken or hangs never does, and is not started at each request.
	 *
	 * @param string $trigger_file The file.
	 * @return bool
	 */
	private static function is_pending( $trigger_file ) {
		$tried = self::is_unanswered( $trigger_file ) ? @\fileatime( \dirname( $trigger_file ) . '/spawned' ) : false; // phpcs:ignore -- as below.
		$age   = \is_int( $tried ) ? \time() - $tried : -1;
		return $age >= 0 && $age < self::PENDING;
	}

	/**
	 * Return whether the engine has not begun since it was started.
	 *
	 * @param string $trigger_file The file.
	 * @return bool
	 */
	private static function is_unanswered( $trigger_file ) {
		$mark = \dirname( $trigger_file ) . '/spawned';
		\clearstatcache( true, $mark );
		\clearstatcache( true, $trigger_file );
		$started = @\filemtime( $mark ); // phpcs:ignore -- usually it is old, or there is none.
		$shown   = @\filemtime( $trigger_file ); // phpcs:ignore -- likewise.
		return \is_int( $started ) && ( ! \is_int( $shown ) || $shown < $started );
	}

	/**
	 * Note that the engine is started. As long as no start is answered the first one's time stays, so that it shows for
	 * how long none has been, however often another event starts it.
	 *
	 * @param string $trigger_file The file.
	 */
	private static function note_start( $trigger_file ) {
		$mark  = \dirname( $trigger_file ) . '/spawned';
		$first = self::is_unanswered( $trigger_file ) ? \filemtime( $mark ) : \time();
		@\touch( $mark, $first, \time() ); // phpcs:ignore -- a full disk only means that nobody sees it.
	}

	/**
	 * Choose how, and say why.
	 *
	 * @param array $config From `config`.
	 * @return array `file`, `process` or `poll`, and a sentence.
	 */
	public static function method( array $config ) {
		$mode = \defined( 'CLOSTE_BRIDGE_WAKE' ) ? CLOSTE_BRIDGE_WAKE : ( isset( $config['wake'] ) ? $config['wake'] : 'auto' );
		if ( ! \in_array( $mode, array( 'auto', 'file', 'process', 'none' ), true ) ) {
			return array( 'poll', 'CLOSTE_BRIDGE_WAKE is none of "auto", "file", "process" and "none".' );
		}
		if ( 'none' === $mode ) {
			return array( 'poll', 'Waking is switched off.' );
		}
		if ( empty( $config['trigger_file'] ) || empty( $config['engine'] ) || ! \is_array( $config['engine'] ) ) {
			return array( 'poll', 'The engine is on another machine.' );
		}
		if ( \function_exists( 'posix_geteuid' ) && isset( $config['user'] ) && \posix_geteuid() !== $config['user'] ) {
			return array( 'poll', 'This process does not run as the engine\'s user.' );
		}
		$folder = \dirname( $config['trigger_file'] );
		$usable = @\is_dir( $folder ) && @\is_writable( $folder ); // phpcs:ignore -- open_basedir complains.
		if ( 'process' !== $mode && $usable && ( 'file' === $mode || self::is_watched( $folder ) ) ) {
			return array( 'file', 'Somebody watches the wake file.' );
		}
		$why = 'file' === $mode ? '' : self::why_no_process( $config );
		if ( '' === $why && ! $usable ) {
			// Also where nothing tells the user: an engine that cannot write there would be started by every event, and end.
			$why = 'The folder of the wake file cannot be written.';
		}
		return '' === $why ? array( 'process', 'The engine is started.' ) : array( 'poll', $why );
	}

	/**
	 * Tell whether a watcher was there a moment ago.
	 *
	 * @param string $folder The state folder.
	 * @return bool
	 */
	private static function is_watched( $folder ) {
		\clearstatcache( true, $folder . '/heartbeat' );
		$seen = @\filemtime( $folder . '/heartbeat' ); // phpcs:ignore -- usually there is none.
		return \is_int( $seen ) && \abs( \time() - $seen ) <= self::FRESH;
	}

	/**
	 * Say what keeps a process from being started.
	 *
	 * @param array $config From `config`.
	 * @return string A sentence, or ''.
	 */
	private static function why_no_process( array $config ) {
		if ( ! \function_exists( 'proc_open' ) || ! \function_exists( 'proc_close' ) ) {
			return 'PHP may not start processes (disable_functions).';
		}
		$start = self::start_of( $config );
		if ( ! $start ) {
			return 'Nothing on this machine starts a program in the background.';
		}
		foreach ( array( $start[0], $config['engine'][0] ) as $program ) {
			if ( ! \is_string( $program ) || '' === $program || ! @\is_executable( $program ) ) { // phpcs:ignore -- open_basedir complains.
				return \sprintf( 'The program "%s" cannot be executed.', \is_string( $program ) ? $program : '' );
			}
		}
		return '';
	}

	/**
	 * Return what stands before the engine's command line so that it is started in the background: tried at installation.
	 *
	 * @param array $config From `config`.
	 * @return array Empty if nothing does.
	 */
	private static function start_of( array $config ) {
		if ( ! \array_key_exists( 'start', $config ) ) {
			return isset( $config['setsid'] ) && \is_string( $config['setsid'] ) ? array( $config['setsid'], '--fork' ) : array(); // An older installation.
		}
		return \is_array( $config['start'] ) ? \array_values( $config['start'] ) : array();
	}

	/**
	 * Start the engine and leave it alone: no terminal, no environment of ours, nothing to wait for.
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
