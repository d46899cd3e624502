<?php
/**
 * `wp closte-bridge …`: everything behind it goes to the engine as it stands.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * WP-CLI has taken the arguments apart before a command sees them, so they are taken from the process itself.
 */
final class Command {

	/**
	 * Make the command known.
	 */
	public static function register() {
		\WP_CLI::add_command(
			'closte-bridge',
			static function () {
				self::pass_on();
			},
			array(
				'shortdesc' => 'Keeps the domains here and at Closte in step.',
				'when'      => 'after_wp_load',
			)
		);
		// `--help` belongs to the engine, too: WP-CLI turns it into its own `help`.
		\WP_CLI::add_hook(
			'before_run_command',
			static function ( $args = array() ) {
				if ( \is_array( $args ) && 'help' === \reset( $args ) && 'closte-bridge' === \next( $args ) ) {
					self::pass_on();
				}
			}
		);
	}

	/**
	 * Return what stood behind `closte-bridge` on the command line.
	 *
	 * @param array $argv The process's own arguments.
	 * @return array
	 */
	public static function behind( array $argv ) {
		$at = \array_search( 'closte-bridge', $argv, true );
		if ( false === $at ) {
			return array( '--help' );
		}
		$behind = \array_slice( $argv, $at + 1 );
		return 'help' === ( $at > 0 ? $argv[ $at - 1 ] : '' ) ? \array_merge( $behind, array( '--help' ) ) : $behind;
	}

	/**
	 * Run the engine with this process's own streams, and end as it ends.
	 */
	private static function pass_on() {
		$config = run( 'Wake', 'config' );
		if ( empty( $config['engine'] ) ) {
			\WP_CLI::error( 'The engine is not on this machine: run "closte-bridge" where it is installed.' );
		}
		if ( ! \function_exists( 'proc_open' ) ) {
			\WP_CLI::error( 'PHP may not start processes here (disable_functions).' );
		}
		$argv   = \array_slice( isset( $GLOBALS['argv'] ) ? (array) $GLOBALS['argv'] : array(), 1 );
		$behind = self::behind( $argv );
		$engine = self::engine_for( \array_values( $config['engine'] ), $behind );
		$pipes  = array();
		// What was set at the installation, such as where the state is; what is set now comes first.
		$env     = \array_merge( isset( $config['environment'] ) ? (array) $config['environment'] : array(), (array) \getenv() );
		$process = @\proc_open( \array_merge( $engine, $behind ), array( STDIN, STDOUT, STDERR ), $pipes, null, $env ); // phpcs:ignore -- an argument list, no shell.
		if ( ! \is_resource( $process ) ) {
			\WP_CLI::error( \sprintf( 'The engine "%s" could not be started.', $engine[0] ) );
		}
		$code = \proc_close( $process );
		\WP_CLI::halt( $code < 0 ? 1 : $code );
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
