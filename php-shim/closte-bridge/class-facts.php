<?php
/**
 * Facts about closte-bridge for support: Site Health's *Info*, and *System Info* of Ultimate Multisite.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

run( 'Messages', 'load' ); // This class shows texts.

/**
 * No value is secret. Domains are left out: only their numbers help. Both pages escape what they print.
 */
final class Facts {

	/**
	 * Add a section to Site Health's *Info*.
	 *
	 * @param mixed $info The sections.
	 * @return mixed
	 */
	public static function information( $info ) {
		if ( ! \is_array( $info ) || ! run( 'Health', 'is_shown' ) ) {
			return $info;
		}
		$fields = array();
		foreach ( self::facts() as $key => $fact ) {
			$fields[ $key ] = array(
				'label'   => $fact[0],
				'value'   => $fact[1],
				// WordPress leaves these out of the text that people copy.
				'private' => 'host' === $key,
			);
		}
		$info['closte-bridge'] = array(
			'label'  => 'closte-bridge',
			'fields' => $fields,
		);
		return $info;
	}

	/**
	 * Add a table to *System Info* of Ultimate Multisite.
	 *
	 * @param mixed $tables The tables.
	 * @return mixed
	 */
	public static function system_info( $tables ) {
		if ( ! \is_array( $tables ) ) {
			return $tables;
		}
		foreach ( self::facts() as $key => $fact ) {
			$tables['closte-bridge'][ "closte-bridge-$key" ] = array(
				'tooltip' => '',
				'title'   => $fact[0],
				'value'   => $fact[1],
			);
		}
		return $tables;
	}

	/**
	 * Return the facts.
	 *
	 * @return array Key => label and value.
	 */
	private static function facts() {
		$shown   = run( 'Owner', 'shown' );
		$summary = $shown['summary'];
		$run     = isset( $summary['last_run'] ) && \is_array( $summary['last_run'] ) ? $summary['last_run'] : array();
		$method  = run( 'Trigger', 'method', array( (array) run( 'Trigger', 'config' ) ) );
		$parts   = \array_keys( (array) run( 'Failures', 'known' ) );
		$facts   = array(
			'shim'    => array( __( 'Version of the shim', 'closte-bridge' ), (string) run( 'Health', 'version' ) ),
			'engine'  => array( __( 'Version of closte-bridge', 'closte-bridge' ), self::text( $summary, 'version' ) ),
			'host'    => array( __( 'Owner', 'closte-bridge' ), '' === $shown['owner'] ? '' : $shown['host'] . ' (' . $shown['since'] . ')' ),
			'active'  => array( __( 'Last heartbeat', 'closte-bridge' ), null === $shown['silence'] ? '' : self::time( \time() - $shown['silence'] ) ),
			'mode'    => array( __( 'Mode', 'closte-bridge' ), \trim( self::text( $summary, 'mode' ) . ' ' . self::text( $summary, 'reason' ) ) ),
			'how'     => array( __( 'Schedule', 'closte-bridge' ), self::text( $summary, 'how' ) ),
			'run'     => array( __( 'Last run', 'closte-bridge' ), \trim( self::time( self::text( $run, 'at' ) ) . ' ' . self::text( $run, 'outcome' ) ) ),
			'trigger' => array( __( 'Trigger', 'closte-bridge' ), \implode( ': ', \array_map( 'strval', (array) $method ) ) ),
			'secret'  => array( __( 'Signed requests', 'closte-bridge' ), self::yes( (bool) run( 'Routes', 'fingerprint' ) ) ),
			'cache'   => array( __( 'Object cache', 'closte-bridge' ), self::yes( (bool) \wp_using_ext_object_cache() ) ),
			'states'  => array( __( 'Table of domain states', 'closte-bridge' ), self::yes( (bool) run( 'States', 'exists' ) ) ),
			'parts'   => array( __( 'Parts that threw', 'closte-bridge' ), \implode( ', ', $parts ) ),
		);
		$counts  = array();
		foreach ( (array) run( 'States', 'counts' ) as $view => $number ) {
			$counts[] = "$view: $number";
		}
		return $facts + array( 'domains' => array( __( 'Domains', 'closte-bridge' ), \implode( ', ', $counts ) ) );
	}

	/**
	 * Return a text of a summary.
	 *
	 * @param array  $summary The summary.
	 * @param string $key     The key.
	 * @return string
	 */
	private static function text( $summary, $key ) {
		return (string) run( 'Health', 'text', array( $summary, $key ) );
	}

	/**
	 * Return a time in UTC, as support needs it.
	 *
	 * @param mixed $epoch Seconds since the epoch.
	 * @return string
	 */
	private static function time( $epoch ) {
		return \is_numeric( $epoch ) && $epoch > 0 ? \gmdate( 'Y-m-d H:i:s', (int) $epoch ) . ' UTC' : '';
	}

	/**
	 * Return yes or no.
	 *
	 * @param bool $value The value.
	 * @return string
	 */
	private static function yes( $value ) {
		return $value ? __( 'yes', 'closte-bridge' ) : __( 'no', 'closte-bridge' );
	}
}
