<?php
/**
 * All sentences that the shim shows to people.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Loads its translations with the first sentence. Tools that extract strings look for `__`, so it is not fully qualified.
 */
final class Messages {

	/**
	 * Whether the translations were loaded.
	 *
	 * @var bool
	 */
	private static $loaded = false;

	/**
	 * Load the translations: from `languages/plugins`, else from the shim's own folder `languages`.
	 *
	 * Every part calls this before its first sentence. WordPress 6.7 and later read the file with that sentence.
	 */
	public static function load() {
		if ( ! self::$loaded ) {
			self::$loaded = true;
			\load_muplugin_textdomain( 'closte-bridge', 'closte-bridge/languages' );
		}
	}

	/**
	 * Return how long closte-bridge has been offline.
	 *
	 * @param int|null $silence Seconds since the last heartbeat; null if there is none.
	 * @return string
	 */
	public static function offline( $silence ) {
		self::load();
		if ( null === $silence ) {
			return __( 'closte-bridge has not synced yet.', 'closte-bridge' );
		}
		$now = \time();
		/* translators: %s: duration, such as "2 hours". */
		return \sprintf( __( 'closte-bridge has not synced successfully for %s.', 'closte-bridge' ), \human_time_diff( $now - $silence, $now ) );
	}

	/**
	 * Return what happens while closte-bridge is offline.
	 *
	 * @return string
	 */
	public static function meanwhile() {
		self::load();
		return __( 'Ultimate Multisite\'s built-in Closte provider is active in the meantime.', 'closte-bridge' );
	}

	/**
	 * Return how to find the cause.
	 *
	 * @return string With a placeholder for the command.
	 */
	public static function diagnose() {
		self::load();
		/* translators: %s: command. */
		return __( 'To find the cause, run %s on the server.', 'closte-bridge' );
	}

	/**
	 * Return the error for an installation without a program.
	 *
	 * @return string
	 */
	public static function not_here() {
		self::load();
		return __( "Could not run closte-bridge: it is not installed on this machine.\nRun it on the machine where it is installed.", 'closte-bridge' );
	}

	/**
	 * Return the error for a program that cannot be run.
	 *
	 * @param string $program The program.
	 * @return string
	 */
	public static function missing( $program ) {
		self::load();
		/* translators: 1: program, 2: command, 3: command. */
		$text = __( "Could not run \"%1\$s\": it is missing or not executable.\nReinstall closte-bridge, then run `%2\$s`.\nTo remove the shim, its events and its options instead, run `%3\$s`. Ultimate Multisite's built-in Closte provider is active again then.", 'closte-bridge' );
		return \sprintf( $text, $program, 'closte-bridge shim install', 'wp closte-bridge shim uninstall' );
	}

	/**
	 * Return the error for PHP without `proc_open`.
	 *
	 * @return string
	 */
	public static function no_processes() {
		self::load();
		return __( 'Could not run closte-bridge: PHP cannot start processes (proc_open is in disable_functions).', 'closte-bridge' );
	}

	/**
	 * Return the error for a program that did not start.
	 *
	 * @param string $program The program.
	 * @return string
	 */
	public static function not_started( $program ) {
		self::load();
		/* translators: %s: program. */
		return \sprintf( __( 'Could not start closte-bridge ("%s").', 'closte-bridge' ), $program );
	}

	/**
	 * Return the question before the shim is removed without the engine.
	 *
	 * @return string
	 */
	public static function question() {
		self::load();
		return __( 'The program of closte-bridge is missing. Remove the shim, its events and its options?', 'closte-bridge' );
	}

	/**
	 * Return the success message after the shim was removed.
	 *
	 * @param bool $shared Whether another network still uses it.
	 * @return string
	 */
	public static function removed( $shared ) {
		self::load();
		return $shared
			? __( 'Removed the events and options of this network. Another network uses the shim, so its files stay.', 'closte-bridge' )
			: __( 'Removed the shim. Ultimate Multisite\'s built-in Closte provider is active again.', 'closte-bridge' );
	}

	/**
	 * Return the error for what could not be removed.
	 *
	 * @param array $left Paths, tables and options.
	 * @return string
	 */
	public static function left( array $left ) {
		self::load();
		/* translators: 1: number of items, 2: list of files, tables and options. */
		$text = _n( "Could not remove %1\$s item: %2\$s.\nRemove it manually. Files that closte-bridge did not create are never removed.", "Could not remove %1\$s items: %2\$s.\nRemove them manually. Files that closte-bridge did not create are never removed.", \count( $left ), 'closte-bridge' );
		return \sprintf( $text, \number_format_i18n( \count( $left ) ), \implode( ', ', $left ) );
	}

	/**
	 * Return the list item for the whole shim.
	 *
	 * @return string
	 */
	public static function whole_shim() {
		self::load();
		return __( 'the shim', 'closte-bridge' );
	}

	/**
	 * Return the list item for a table.
	 *
	 * @param string $name The table.
	 * @return string
	 */
	public static function table( $name ) {
		self::load();
		/* translators: %s: name of a database table. */
		return \sprintf( __( 'the table "%s"', 'closte-bridge' ), $name );
	}

	/**
	 * Return the list item for an option.
	 *
	 * @param string $name The option.
	 * @return string
	 */
	public static function option( $name ) {
		self::load();
		/* translators: %s: name of a network option. */
		return \sprintf( __( 'the option "%s"', 'closte-bridge' ), $name );
	}
}
