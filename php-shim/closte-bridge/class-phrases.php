<?php
/**
 * The words for domain states: labels, badges and next steps, in the language of the user.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * All results are plain text: who prints them escapes them. No method throws. Rows come from the database, so an unknown code
 * is its own label, and a next step that cannot be rendered has a general sentence.
 */
final class Phrases {

	/**
	 * Return the next step of the domain's owner.
	 *
	 * @param mixed $step `code`, `args` and `records`.
	 * @return string Sentences, or '' without a next step.
	 */
	public static function step( $step ) {
		run( 'Messages', 'load' );
		$code    = \is_array( $step ) && isset( $step['code'] ) && \is_string( $step['code'] ) ? $step['code'] : '';
		$args    = \is_array( $step ) && isset( $step['args'] ) && \is_array( $step['args'] ) ? $step['args'] : array();
		$records = \is_array( $step ) && isset( $step['records'] ) && \is_array( $step['records'] ) ? $step['records'] : array();
		try {
			self::need( 'Instructions' );
			self::need( 'Advice' );
			return Advice::text( $code, $args, $records );
		} catch ( \Throwable $failure ) {
			return __( 'Ask the administrator of this network to check the domain.', 'closte-bridge' );
		}
	}

	/**
	 * Return the network administrator's next step.
	 *
	 * @param mixed $code A key of `Labels::plan_steps`, or ''.
	 * @param mixed $row  The row of the domain.
	 * @return string Sentences.
	 */
	public static function plan_step( $code, $row = array() ) {
		$steps  = self::table( 'plan_steps' );
		$domain = \is_array( $row ) && isset( $row['domain'] ) && \is_string( $row['domain'] ) ? $row['domain'] : '';
		$until  = \is_array( $row ) && isset( $row['args']['until'] ) && \is_numeric( $row['args']['until'] ) ? (int) $row['args']['until'] : 0;
		$now    = \time();
		if ( $until <= $now && ( 'add-later' === $code || 'remove-later' === $code ) ) {
			$code = 'add-later' === $code ? 'add-soon' : 'remove-soon';
		}
		$text   = \is_string( $code ) && isset( $steps[ $code ] ) ? $steps[ $code ] : __( 'Nothing to do for now. closte-bridge rechecks it automatically.', 'closte-bridge' );
		$values = array( $domain, (string) \preg_replace( '/^www\./', '', $domain ), \human_time_diff( $now, \max( $now, $until ) ) );
		return \str_replace( array( '%1$s', '%2$s', '%3$s' ), $values, $text );
	}

	/**
	 * Return the name of a state.
	 *
	 * @param mixed $state The state of a row.
	 * @return string
	 */
	public static function state( $state ) {
		return self::label( self::table( 'states' ), $state );
	}

	/**
	 * Return the name of what the plan does with a domain.
	 *
	 * @param mixed $status The status of a row.
	 * @return string
	 */
	public static function status( $status ) {
		return self::label( self::table( 'statuses' ), $status );
	}

	/**
	 * Return the name of the reason in a row's column `code`, whatever it is about.
	 *
	 * @param mixed $code The code.
	 * @return string
	 */
	public static function code( $code ) {
		return self::label( self::table( 'holds' ) + self::table( 'dns' ) + self::table( 'https' ) + self::table( 'http' ), $code );
	}

	/**
	 * Return the name of a verdict on DNS.
	 *
	 * @param mixed $code The code.
	 * @return string
	 */
	public static function dns( $code ) {
		return self::label( self::table( 'dns' ), $code );
	}

	/**
	 * Return the name of a verdict on the certificate.
	 *
	 * @param mixed $code The code.
	 * @return string
	 */
	public static function https( $code ) {
		return self::label( self::table( 'https' ), $code );
	}

	/**
	 * Return the name of what visitors get.
	 *
	 * @param mixed $code The code.
	 * @return string
	 */
	public static function http( $code ) {
		return self::label( self::table( 'http' ), $code );
	}

	/**
	 * Return the badge that the owner of the site sees.
	 *
	 * @param mixed $row The row of the domain.
	 * @return string
	 */
	public static function badge( $row ) {
		run( 'Messages', 'load' );
		$row   = \is_array( $row ) ? $row : array();
		$state = isset( $row['state'] ) ? $row['state'] : '';
		$code  = isset( $row['code'] ) ? $row['code'] : '';
		if ( 'live' === $state ) {
			return __( 'Live', 'closte-bridge' );
		}
		if ( isset( $row['status'] ) && \in_array( $row['status'], array( 'to-remove', 'needs-approval' ), true ) ) {
			return __( 'Being removed', 'closte-bridge' );
		}
		if ( 'blocked' === $state && ( 'partly-propagated' === $code || 'default-certificate' === $code ) ) {
			return 'partly-propagated' === $code ? __( 'DNS change in progress', 'closte-bridge' ) : __( 'Certificate pending', 'closte-bridge' );
		}
		if ( isset( $row['needs'] ) && 'customer' === $row['needs'] ) {
			$known = self::table( 'dns' );
			return \is_string( $code ) && isset( $known[ $code ] ) && 'ok' !== $code ? __( 'DNS change needed', 'closte-bridge' ) : __( 'Action needed', 'closte-bridge' );
		}
		$badges = array(
			'wanted'   => __( 'Being set up', 'closte-bridge' ),
			'added'    => __( 'Checking DNS', 'closte-bridge' ),
			'dns-ok'   => __( 'Certificate pending', 'closte-bridge' ),
			'https-ok' => __( 'Checking the site', 'closte-bridge' ),
			'blocked'  => __( 'Not live', 'closte-bridge' ),
		);
		return \is_string( $state ) && isset( $badges[ $state ] ) ? $badges[ $state ] : __( 'Unknown', 'closte-bridge' );
	}

	/**
	 * Return what to do with each record.
	 *
	 * @param mixed $records The records of a step.
	 * @return string One sentence per line.
	 */
	public static function record_sentences( $records ) {
		run( 'Messages', 'load' );
		self::need( 'Instructions' );
		return \implode( "\n", Instructions::steps( Instructions::decode( $records ) ) );
	}

	/**
	 * Return the records to set as rows of a table.
	 *
	 * @param mixed $records The records of a step.
	 * @return array Rows of texts `type`, `host`, `value` and `current`; several values are separated by line breaks.
	 */
	public static function records( $records ) {
		self::need( 'Instructions' );
		$rows = array();
		foreach ( Instructions::decode( $records ) as $record ) {
			$record['value']   = \implode( "\n", $record['value'] );
			$record['current'] = \implode( "\n", $record['current'] );
			$rows[]            = $record;
		}
		return $rows;
	}

	/**
	 * Return how long ago a time is.
	 *
	 * @param mixed $epoch Seconds since the epoch.
	 * @return string Such as "5 minutes ago", or '' without a time.
	 */
	public static function ago( $epoch ) {
		run( 'Messages', 'load' );
		$now = \time();
		/* translators: %s: duration, such as "5 minutes". */
		return \is_numeric( $epoch ) && $epoch > 0 ? \sprintf( __( '%s ago', 'closte-bridge' ), \human_time_diff( \min( (int) $epoch, $now ), $now ) ) : '';
	}

	/**
	 * Return in how long a time will be.
	 *
	 * @param mixed $epoch Seconds since the epoch.
	 * @return string Such as "in 5 minutes", or '' without a time.
	 */
	public static function in( $epoch ) {
		run( 'Messages', 'load' );
		$now = \time();
		if ( ! \is_numeric( $epoch ) || $epoch <= 0 ) {
			return '';
		}
		/* translators: %s: duration, such as "5 minutes". */
		return $epoch > $now ? \sprintf( __( 'in %s', 'closte-bridge' ), \human_time_diff( $now, (int) $epoch ) ) : __( 'now', 'closte-bridge' );
	}

	/**
	 * Return a table of texts.
	 *
	 * @param string $name The method of `Labels`.
	 * @return array
	 */
	private static function table( $name ) {
		run( 'Messages', 'load' );
		$table = run( 'Labels', $name );
		return \is_array( $table ) ? $table : array();
	}

	/**
	 * Return the label of a code, or the code itself.
	 *
	 * @param array $table Label by code.
	 * @param mixed $code  The code.
	 * @return string
	 */
	private static function label( array $table, $code ) {
		$code = \is_scalar( $code ) ? (string) $code : '';
		return isset( $table[ $code ] ) ? $table[ $code ] : $code;
	}

	/**
	 * Load a class of the shim without calling it.
	 *
	 * @param string $part The class.
	 */
	private static function need( $part ) {
		if ( ! \class_exists( __NAMESPACE__ . '\\' . $part, false ) ) {
			include_once __DIR__ . '/class-' . \strtolower( $part ) . '.php';
		}
	}
}
