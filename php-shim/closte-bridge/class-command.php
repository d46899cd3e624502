<?php
/**
 * `wp closte-bridge …`: everything behind it goes to the engine as it stands.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * WP-CLI has taken the arguments apart before a command sees them, so they are taken from the process itself, unless
 * another command runs this one inside its own process.
 */
final class Command {

	/** What WP-CLI may be told before the command and the engine understands as well; where WordPress is was fixed. */
	const FORWARDED = '/^--(quiet|debug(=.*)?|(no-)?color|allow-root)$/D';

	/** What is legal behind any command of WP-CLI, and concerns WordPress alone. */
	const OF_WP_CLI = '/^--(no-)?(skip-themes|skip-packages|user|http|require|exec|context|prompt|blog)(=.*)?$/sD';

	/**
	 * Make the command known.
	 */
	public static function register() {
		\WP_CLI::add_command(
			'closte-bridge',
			static function ( $args = array(), $assoc_args = array() ) {
				self::serve( $args, $assoc_args );
			},
			array(
				'shortdesc' => 'Keeps the domains here and on Closte in sync.',
				'when'      => 'after_wp_load',
			)
		);
		// `--help` belongs to the engine, too: WP-CLI turns it into its own `help`.
		\WP_CLI::add_hook(
			'before_run_command',
			static function ( $args = array() ) {
				if ( \is_array( $args ) && 'help' === \reset( $args ) && 'closte-bridge' === \next( $args ) ) {
					self::serve( array(), array() );
					\WP_CLI::halt( 0 );
				}
			}
		);
	}

	/**
	 * Run one call.
	 *
	 * @param array $args       Positional arguments, as WP-CLI has taken them apart.
	 * @param array $assoc_args Options, likewise.
	 */
	private static function serve( $args, $assoc_args ) {
		$argv  = \array_slice( isset( $GLOBALS['argv'] ) ? (array) $GLOBALS['argv'] : array(), 1 );
		$inner = ! self::is_own_process( $argv );
		self::pass_on( $inner ? self::words( (array) $args, (array) $assoc_args ) : self::behind( $argv ), $inner );
	}

	/**
	 * Return whether the process was started for this command: another one may run it by `WP_CLI::runcommand`.
	 *
	 * @param array $argv The process's own arguments.
	 * @return bool
	 */
	public static function is_own_process( array $argv ) {
		$plain = \array_values( \preg_grep( '/^-/', $argv, \PREG_GREP_INVERT ) );
		// An alias stands before the command.
		if ( isset( $plain[0][0] ) && '@' === $plain[0][0] ) {
			\array_shift( $plain );
		}
		return array( 'closte-bridge' ) === \array_slice( $plain, 0, 1 ) || array( 'help', 'closte-bridge' ) === \array_slice( $plain, 0, 2 );
	}

	/**
	 * Put the arguments of a call inside another command together again.
	 *
	 * @param array $args       Positional arguments.
	 * @param array $assoc_args Options.
	 * @return array
	 */
	public static function words( array $args, array $assoc_args ) {
		$words = array();
		foreach ( $assoc_args as $name => $values ) {
			foreach ( (array) $values as $value ) {
				$words[] = true === $value ? "--$name" : ( false === $value ? "--no-$name" : "--$name=$value" );
			}
		}
		return self::for_engine( \array_merge( \array_map( 'strval', \array_values( $args ) ), $words ) );
	}

	/**
	 * Return what the engine is to be told of a command line: what stood behind `closte-bridge`, and before it what it
	 * understands as well.
	 *
	 * @param array $argv The process's own arguments.
	 * @return array
	 */
	public static function behind( array $argv ) {
		$at = \array_search( 'closte-bridge', $argv, true );
		if ( false === $at ) {
			return array( '--help' );
		}
		$before = \array_slice( $argv, 0, $at );
		$behind = \array_slice( $argv, $at + 1 );
		if ( 'help' === \end( $before ) ) {
			$behind[] = '--help';
		}
		return \array_merge( \array_values( \preg_grep( self::FORWARDED, $before ) ), self::for_engine( $behind ) );
	}

	/**
	 * Leave out what concerns WordPress alone; without anything, ask for help.
	 *
	 * @param array $words What was typed.
	 * @return array
	 */
	private static function for_engine( array $words ) {
		$end   = \array_search( '--', $words, true );
		$end   = false === $end ? \count( $words ) : $end;
		$words = \array_merge( \preg_grep( self::OF_WP_CLI, \array_slice( $words, 0, $end ), \PREG_GREP_INVERT ), \array_slice( $words, $end ) );
		return $words ? \array_values( $words ) : array( '--help' );
	}

	/**
	 * Run the engine with this process's own streams, and end as it ends.
	 *
	 * @param array $words For the engine.
	 * @param bool  $inner Whether another command of this process waits for what is printed, and goes on afterwards.
	 */
	private static function pass_on( array $words, $inner ) {
		$config = run( 'Trigger', 'config' );
		if ( empty( $config['engine'] ) || ! \is_array( $config['engine'] ) ) {
			\WP_CLI::error( 'The engine is not on this machine: run "closte-bridge" where it is installed.' );
		}
		$program = (string) \reset( $config['engine'] );
		$removes = array( 'shim', 'uninstall' ) === \array_slice( \array_values( \preg_grep( '/^-/', $words, \PREG_GREP_INVERT ) ), 0, 2 ) && ! \in_array( '--help', $words, true );
		if ( $removes && ! self::answers( $config ) ) {
			self::remove( $words );
			return;
		}
		if ( ! @\is_executable( $program ) ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors -- open_basedir complains.
			\WP_CLI::error( self::missing( $program ) );
		}
		if ( ! \function_exists( 'proc_open' ) ) {
			\WP_CLI::error( 'PHP may not start processes here (disable_functions).' );
		}
		$engine = self::engine_for( \array_values( $config['engine'] ), $words );
		$pipes  = array();
		// What another command waits for goes through PHP, whose output it may capture.
		$streams = $inner ? array( STDIN, array( 'pipe', 'w' ), STDERR ) : array( STDIN, STDOUT, STDERR );
		// What was set at the installation, such as where the state is; what is set now comes first.
		$env     = \array_merge( isset( $config['environment'] ) ? (array) $config['environment'] : array(), (array) \getenv() );
		$process = @\proc_open( \array_merge( $engine, $words ), $streams, $pipes, null, $env ); // phpcs:ignore -- an argument list, no shell.
		if ( ! \is_resource( $process ) ) {
			\WP_CLI::error( \sprintf( 'The engine "%s" could not be started.', $program ) );
		}
		while ( $inner && ! \feof( $pipes[1] ) ) {
			echo \fread( $pipes[1], 8192 ); // phpcs:ignore WordPress -- as the engine printed it, for a terminal.
		}
		$code = \proc_close( $process );
		if ( 127 === $code ) {
			\WP_CLI::error( self::missing( $program ), false );
		}
		if ( 0 !== $code ) {
			\WP_CLI::halt( $code < 0 ? 1 : $code );
		}
	}

	/**
	 * Say what is missing, and how to finish by hand.
	 *
	 * @param string $program The program.
	 * @return string
	 */
	private static function missing( $program ) {
		return \sprintf( "The program \"%s\" is missing or cannot be executed.\nInstall closte-bridge again, then run \"closte-bridge shim install\".\nTo do without it, run \"wp closte-bridge shim uninstall\": it removes the shim, its events and its options. Ultimate Multisite's own provider works again then.", $program );
	}

	/**
	 * Return whether the engine's program can be run at all: its interpreter or its package may be gone.
	 *
	 * @param array $config From `Trigger::config`.
	 * @return bool
	 */
	private static function answers( array $config ) {
		$pipes   = array();
		$null    = array( 'null' );
		$program = \array_values( \preg_grep( '/^--/', $config['engine'], \PREG_GREP_INVERT ) );
		$env     = isset( $config['environment'] ) ? (array) $config['environment'] : null;
		$process = \function_exists( 'proc_open' ) ? @\proc_open( \array_merge( $program, array( '--version' ) ), array( $null, $null, $null ), $pipes, null, $env ) : false; // phpcs:ignore -- an argument list, no shell.
		return \is_resource( $process ) && 0 === \proc_close( $process );
	}

	/**
	 * Remove the shim without the engine.
	 *
	 * @param array $words What was asked for.
	 */
	private static function remove( array $words ) {
		$yes = \in_array( '--yes', $words, true ) ? array( 'yes' => true ) : array();
		\WP_CLI::confirm( 'The program of closte-bridge is missing. Remove the shim, its events and its options?', $yes );
		$shared = run( 'Removal', 'is_shared' );
		$left   = run( 'Removal', 'remove', array( array( 'all of it' ), \in_array( '--keep-owner', $words, true ) ) );
		if ( $left ) {
			\WP_CLI::error( \sprintf( "Not everything could be removed. Left: %s.\nA file that closte-bridge did not write stays. Remove the rest by hand.", \implode( ', ', (array) $left ) ) );
		}
		\WP_CLI::success( $shared ? 'Removed the events and options of this network. Another network uses the shim, so its files stay.' : "The shim is gone. Ultimate Multisite's own provider is back." );
	}

	/**
	 * Leave out what was fixed at the installation for this network when another one, all, or another place are asked for.
	 *
	 * @param array $engine The engine's argv.
	 * @param array $behind What was typed.
	 * @return array
	 */
	public static function engine_for( array $engine, array $behind ) {
		$fixed = array();
		foreach ( \array_diff( $behind, $engine ) as $word ) {
			if ( '--all' === $word || 0 === \strpos( $word, '--network' ) ) {
				\array_push( $fixed, 'network', 'path', 'url' );
			} elseif ( 0 === \strpos( $word, '--ssh' ) || 0 === \strpos( $word, '@' ) ) {
				\array_push( $fixed, 'path', 'url' );
			}
		}
		return \array_values( \preg_grep( '/^--(' . \implode( '|', $fixed ) . ')=/', $engine, \PREG_GREP_INVERT ) );
	}
}
