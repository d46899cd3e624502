<?php
/**
 * Pieces of HTML for the network admin: labels, times, commands to copy.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

run( 'Messages', 'load' ); // This class shows texts.

/**
 * Every value may come from a table that other code can write to, so all results are escaped here: phpcs.xml.dist relies on it.
 */
final class Markup {

	/** Longest text of a value; longer ones are cut. */
	const LONGEST = 500;

	/**
	 * Return a value as escaped text.
	 *
	 * @param mixed $value The value.
	 * @return string
	 */
	public static function text( $value ) {
		$text = \is_scalar( $value ) ? \wp_check_invalid_utf8( (string) $value, true ) : '';
		return \esc_html( \preg_match( '/^.{0,' . self::LONGEST . '}/us', $text, $found ) ? $found[0] : '' );
	}

	/**
	 * Return sentences, with commands between backticks as code.
	 *
	 * @param mixed $text The sentences.
	 * @return string
	 */
	public static function sentences( $text ) {
		$text = \is_scalar( $text ) ? \wp_check_invalid_utf8( (string) $text, true ) : '';
		return (string) \preg_replace( '/`([^`]*)`/', '<code>$1</code>', \esc_html( $text ) );
	}

	/**
	 * Return a text with an icon. The icon repeats what the text says.
	 *
	 * @param string $icon Name of a dashicon.
	 * @param string $html The escaped text.
	 * @return string
	 */
	public static function icon( $icon, $html ) {
		return \sprintf( '<span class="dashicons dashicons-%1$s closte-bridge-%1$s" aria-hidden="true"></span> %2$s', \esc_attr( $icon ), $html );
	}

	/**
	 * Return the verdict of a check.
	 *
	 * @param string $kind `dns`, `https` or `http`.
	 * @param mixed  $row  The row of the domain.
	 * @return string
	 */
	public static function verdict( $kind, $row ) {
		$code = Row::arg( $row, $kind );
		if ( ! \is_string( $code ) || '' === $code ) {
			return self::none();
		}
		$icon = \in_array( $code, array( 'ok', 'proxied', 'redirect-to-primary' ), true ) ? 'yes-alt' : 'warning';
		return self::icon( 'unknown' === $code ? 'editor-help' : $icon, self::text( Row::phrase( $kind, $code ) ) );
	}

	/**
	 * Return whether a domain is on Closte, and whether closte-bridge manages it.
	 *
	 * @param mixed $row The row of the domain.
	 * @return string
	 */
	public static function on_closte( $row ) {
		$there = Row::arg( $row, 'at_closte' );
		if ( true !== $there ) {
			return false === $there ? self::icon( 'minus', esc_html__( 'No', 'closte-bridge' ) ) : self::icon( 'editor-help', esc_html__( 'Unknown', 'closte-bridge' ) );
		}
		$status  = isset( $row['status'] ) ? $row['status'] : '';
		$managed = 'own' === $status || ( 'unmanaged' !== $status && true === Row::arg( $row, 'managed' ) );
		return self::icon( 'yes-alt', $managed ? esc_html__( 'Yes', 'closte-bridge' ) : esc_html__( 'Yes, unmanaged', 'closte-bridge' ) );
	}

	/**
	 * Return whether visitors get the right site.
	 *
	 * @param mixed $row The row of the domain.
	 * @return string
	 */
	public static function live( $row ) {
		if ( true !== Row::arg( $row, 'live' ) && null === Row::arg( $row, 'dns' ) ) {
			return self::none();
		}
		return true === Row::arg( $row, 'live' ) ? self::icon( 'yes-alt', esc_html__( 'Yes', 'closte-bridge' ) ) : self::icon( 'minus', esc_html__( 'No', 'closte-bridge' ) );
	}

	/**
	 * Return the stage of a domain: its state, what the plan does with it, and why it waits.
	 *
	 * @param mixed $row The row of the domain.
	 * @return string
	 */
	public static function stage( $row ) {
		$value = static function ( $name ) use ( $row ) {
			return isset( $row[ $name ] ) && \is_string( $row[ $name ] ) ? $row[ $name ] : '';
		};
		// Unmanaged domains have no state.
		$parts = '' === $value( 'state' ) ? array() : array( '<strong>' . self::text( Row::phrase( 'state', $value( 'state' ) ) ) . '</strong>' );
		if ( ! \in_array( $value( 'status' ), array( '', 'in-sync', 'own' ), true ) ) {
			$parts[] = self::text( Row::phrase( 'status', $value( 'status' ) ) );
		}
		if ( '' !== $value( 'code' ) ) {
			$parts[] = self::text( Row::phrase( 'code', $value( 'code' ) ) );
		}
		return $parts ? \implode( '<br>', \array_unique( $parts ) ) : self::none();
	}

	/**
	 * Return what has to be done: the administrator's step, else that of the domain's owner.
	 *
	 * @param mixed $row The row of the domain.
	 * @return string Escaped sentences.
	 */
	public static function next_step( $row ) {
		$code = Row::arg( $row, 'plan_step' );
		if ( \is_string( $code ) && '' !== $code ) {
			return self::sentences( Row::phrase( 'plan_step', $code, $row ) );
		}
		$step = Row::phrase( 'step', Row::arg( $row, 'step' ) );
		return self::sentences( '' === $step ? Row::phrase( 'plan_step', '', $row ) : $step );
	}

	/**
	 * Return a time, relative to now, with the exact time as its title.
	 *
	 * @param mixed $epoch Seconds since the epoch.
	 * @return string
	 */
	public static function time( $epoch ) {
		if ( ! \is_numeric( $epoch ) || $epoch <= 0 || $epoch > 32503680000 ) {
			return self::none();
		}
		$epoch = (int) $epoch;
		$exact = \wp_date( \get_option( 'date_format' ) . ' ' . \get_option( 'time_format' ), $epoch );
		$text  = Row::phrase( $epoch > \time() ? 'in' : 'ago', $epoch );
		return \sprintf( '<time datetime="%s" title="%s">%s</time>', \esc_attr( \gmdate( 'c', $epoch ) ), \esc_attr( $exact ), \esc_html( $text ) );
	}

	/**
	 * Return a dash for a missing value, as WordPress shows it.
	 *
	 * @return string
	 */
	public static function none() {
		return '<span aria-hidden="true">&#8212;</span><span class="screen-reader-text">' . esc_html__( 'Not known', 'closte-bridge' ) . '</span>';
	}

	/**
	 * Return a text as code, with a button that copies it.
	 *
	 * @param mixed $text The text, such as a command.
	 * @return string
	 */
	public static function copyable( $text ) {
		$text = \is_scalar( $text ) ? \wp_check_invalid_utf8( (string) $text, true ) : '';
		return \sprintf(
			'<span class="closte-bridge-copy"><code>%1$s</code> <button type="button" class="button button-small copy-button hide-if-no-js" data-clipboard-text="%2$s" aria-label="%3$s">%4$s</button> <span class="success hidden" aria-hidden="true">%5$s</span></span>',
			\esc_html( $text ),
			\esc_attr( $text ),
			/* translators: %s: command or value. */
			\esc_attr( \sprintf( __( 'Copy to clipboard: %s', 'closte-bridge' ), $text ) ),
			esc_html__( 'Copy', 'closte-bridge' ),
			esc_html__( 'Copied!', 'closte-bridge' )
		);
	}
}
