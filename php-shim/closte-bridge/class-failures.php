<?php
/**
 * The parts of the shim that threw, for Site Health.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Keeps where a part failed and when, without messages, which may quote secrets. Writes the same failure once an hour.
 */
final class Failures {

	/** The network option. */
	const OPTION = 'closte_bridge_failures';

	/** Most failures that are kept. */
	const MOST = 10;

	/** Seconds after which a failure that occurs again is written again, and after which it is forgotten. */
	const AGAIN = 3600;
	const OLD   = 604800;

	/**
	 * Keep a failure.
	 *
	 * @param string     $where   The class and the method.
	 * @param \Throwable $failure The exception.
	 */
	public static function keep( $where, $failure ) {
		$known = self::known();
		$now   = \time();
		if ( isset( $known[ $where ] ) && $now - $known[ $where ]['at'] < self::AGAIN ) {
			return;
		}
		$known[ $where ] = array(
			'at'    => $now,
			'error' => \get_class( $failure ),
			'place' => \basename( $failure->getFile() ) . ':' . $failure->getLine(),
		);
		\uasort(
			$known,
			static function ( $one, $other ) {
				return $other['at'] - $one['at'];
			}
		);
		\update_network_option( null, self::OPTION, \array_slice( $known, 0, self::MOST, true ) );
	}

	/**
	 * Return the failures of the last week, the newest first.
	 *
	 * @return array By class and method: `at` (seconds since the epoch), `error` and `place`.
	 */
	public static function known() {
		$kept  = \get_network_option( null, self::OPTION, array() );
		$known = array();
		foreach ( \is_array( $kept ) ? $kept : array() as $where => $one ) {
			if ( \is_array( $one ) && isset( $one['at'], $one['error'], $one['place'] ) && \is_int( $one['at'] ) && \time() - $one['at'] < self::OLD ) {
				$known[ (string) $where ] = $one;
			}
		}
		return $known;
	}
}
