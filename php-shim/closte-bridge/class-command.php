<?php
/**
 * The command `wp closte-bridge …`, which runs the engine with the same arguments.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * WP-CLI has already parsed the arguments, so they are read from the process itself, unless another command runs this
 * one within its own process.
 */
final class Command {

	/** Global options of WP-CLI that the engine accepts as well; the path of WordPress is in the shim's configuration. */
	const FORWARDED = '/^--(quiet|debug(=.*)?|(no-)?color|allow-root)$/D';

	/** Options that WP-CLI accepts after any command and that the engine does not know. */
	const OF_WP_CLI = '/^--(no-)?(skip-themes|skip-packages|user|http|require|exec|context|prompt|blog)(=.*)?$/sD';

	/**
	 * Register the command.
	 */
	public static function register() {
		\WP_CLI::add_command(
			'closte-bridge',
			static function ( $args = array(), $assoc_args = array() ) {
				self::serve( $args, $assoc_args );
			},
			array(
				// Not translated: it is read before translations may be loaded.
				'shortdesc' => 'Syncs the domains of this network with Closte.',
				'when'      => 'after_wp_load',
			)
		);
		// The engine prints its own help: WP-CLI turns `--help` into `wp help`.
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
	 * Run the command.
	 *
	 * @param array $args       Positional arguments, parsed by WP-CLI.
	 * @param array $assoc_args Options, parsed by WP-CLI.
	 */
	private static function serve( $args, $assoc_args ) {
		$argv  = \array_slice( isset( $GLOBALS['argv'] ) ? (array) $GLOBALS['argv'] : array(), 1 );
		$inner = ! self::is_own_process( $argv );
		self::pass_on( $inner ? self::words( (array) $args, (array) $assoc_args ) : self::behind( $argv ), $inner );
	}

	/**
	 * Return whether the process was started for this command, and not for one that calls `WP_CLI::runcommand`.
	 *
	 * @param array $argv The process's own arguments.
	 * @return bool
	 */
	public static function is_own_process( array $argv ) {
		$plain = \array_values( \preg_grep( '/^-/', $argv, \PREG_GREP_INVERT ) );
		// An alias precedes the command.
		if ( isset( $plain[0][0] ) && '@' === $plain[0][0] ) {
			\array_shift( $plain );
		}
		return array( 'closte-bridge' ) === \array_slice( $plain, 0, 1 ) || array( 'help', 'closte-bridge' ) === \array_slice( $plain, 0, 2 );
	}

	/**
	 * Rebuild the command line from parsed arguments.
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
	 * Return the arguments for the engine: all after `closte-bridge`, and from before it the options that the engine accepts.
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
	 * Remove the options that only WP-CLI knows; without any arguments, return `--help`.
	 *
	 * @param array $words The arguments.
	 * @return array
	 */
	private static function for_engine( array $words ) {
		$end   = \array_search( '--', $words, true );
		$end   = false === $end ? \count( $words ) : $end;
		$words = \array_merge( \preg_grep( self::OF_WP_CLI, \array_slice( $words, 0, $end ), \PREG_GREP_INVERT ), \array_slice( $words, $end ) );
		return $words ? \array_values( $words ) : array( '--help' );
	}

	/**
	 * Run the engine with inherited streams and exit with its exit code.
	 *
	 * @param array $words Arguments for the engine.
	 * @param bool  $inner Whether another command of this process called this one and may capture its output.
	 */
	private static function pass_on( array $words, $inner ) {
		$config = run( 'Trigger', 'config' );
		$here   = ! empty( $config['engine'] ) && \is_array( $config['engine'] );
		// The program may be gone, also from another machine.
		if ( self::is_uninstall( $words ) && ! ( $here && self::answers( $config ) ) ) {
			self::remove( $words );
			return;
		}
		if ( ! $here ) {
			\WP_CLI::error( run( 'Messages', 'not_here' ) );
		}
		$program = (string) \reset( $config['engine'] );
		if ( ! @\is_executable( $program ) ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors -- open_basedir complains.
			\WP_CLI::error( run( 'Messages', 'missing', array( $program ) ) );
		}
		if ( ! \function_exists( 'proc_open' ) ) {
			\WP_CLI::error( run( 'Messages', 'no_processes' ) );
		}
		$code = self::run_engine( $config, $words, $inner );
		if ( null === $code ) {
			\WP_CLI::error( run( 'Messages', 'not_started', array( $program ) ) );
		}
		if ( 127 === $code ) {
			\WP_CLI::error( run( 'Messages', 'missing', array( $program ) ), false );
		}
		if ( 0 !== $code ) {
			\WP_CLI::halt( $code < 0 ? 1 : $code );
		}
	}

	/**
	 * Return whether the arguments are those of `uninstall` or `shim uninstall`.
	 *
	 * @param array $words The arguments.
	 * @return bool
	 */
	private static function is_uninstall( array $words ) {
		$plain = \array_values( \preg_grep( '/^-/', $words, \PREG_GREP_INVERT ) );
		$asked = array( 'shim', 'uninstall' ) === \array_slice( $plain, 0, 2 ) || array( 'uninstall' ) === \array_slice( $plain, 0, 1 );
		return $asked && ! \in_array( '--help', $words, true );
	}

	/**
	 * Run the engine with inherited streams.
	 *
	 * @param array $config From `Trigger::config`.
	 * @param array $words  Arguments for the engine.
	 * @param bool  $inner  Whether to print its output through PHP, for a command that captures it.
	 * @return int|null Its exit code; null if it could not be started.
	 */
	private static function run_engine( array $config, array $words, $inner ) {
		$engine  = self::engine_for( \array_values( $config['engine'] ), $words );
		$pipes   = array();
		$streams = $inner ? array( STDIN, array( 'pipe', 'w' ), STDERR ) : array( STDIN, STDOUT, STDERR );
		// The environment of the installation, such as the state folder; current values take precedence.
		$env     = \array_merge( isset( $config['environment'] ) ? (array) $config['environment'] : array(), (array) \getenv() );
		$process = @\proc_open( \array_merge( $engine, $words ), $streams, $pipes, null, $env ); // phpcs:ignore -- an argument list, no shell.
		if ( ! \is_resource( $process ) ) {
			return null;
		}
		while ( $inner && ! \feof( $pipes[1] ) ) {
			echo \fread( $pipes[1], 8192 ); // phpcs:ignore WordPress -- the engine's output, for a terminal.
		}
		return \proc_close( $process );
	}

	/**
	 * Return whether the engine's program can be run: its interpreter or its package may be missing.
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
	 * @param array $words The arguments.
	 */
	private static function remove( array $words ) {
		$yes = \in_array( '--yes', $words, true ) ? array( 'yes' => true ) : array();
		\WP_CLI::confirm( run( 'Messages', 'question' ), $yes );
		// While the files are still there.
		$success = run( 'Messages', 'removed', array( run( 'Removal', 'is_shared' ) ) );
		$failed  = array( run( 'Messages', 'whole_shim' ) );
		$left    = run( 'Removal', 'remove', array( $failed, \in_array( '--keep-owner', $words, true ) ) );
		if ( $left ) {
			\WP_CLI::error( run( 'Messages', 'left', array( (array) $left ) ) );
		}
		\WP_CLI::success( $success );
	}

	/**
	 * Remove the configured options that contradict the arguments: another network, all networks or another WordPress.
	 *
	 * @param array $engine The engine's configured command line.
	 * @param array $behind The arguments.
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
