<?php
/**
 * Reads values of a domain's row, and the words for them.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * The row comes from a table that other code can write to. Nothing here is escaped.
 */
final class Row {

	/**
	 * Return a text of `Phrases`, not escaped.
	 *
	 * @param string $method  Its method.
	 * @param mixed  ...$args Its arguments.
	 * @return string '' if there is none.
	 */
	public static function phrase( $method, ...$args ) {
		$text = run( 'Phrases', $method, $args );
		return \is_string( $text ) ? $text : '';
	}

	/**
	 * Return a value of a row's `args`.
	 *
	 * @param mixed  $row  The row.
	 * @param string $name The value.
	 * @return mixed Null without one.
	 */
	public static function arg( $row, $name ) {
		return isset( $row['args'] ) && \is_array( $row['args'] ) && isset( $row['args'][ $name ] ) ? $row['args'][ $name ] : null;
	}

	/**
	 * Return the request that is possible for a domain besides a check: a retry, if its change failed.
	 *
	 * @param mixed $row The row of the domain.
	 * @return bool
	 */
	public static function can_retry( $row ) {
		return isset( $row['code'] ) && \in_array( $row['code'], array( 'back-off', 'exists-elsewhere', 'not-listed', 'not-managed', 'refused' ), true );
	}
}
