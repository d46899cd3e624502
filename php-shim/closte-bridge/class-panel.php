<?php
/**
 * The panel of a domain for its site's owner: progress, the records to set, and *Check now*.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Returns HTML. Everything from the table is escaped here. Tools that extract strings look for `__`, so it is not fully qualified.
 */
final class Panel {

	/** The states before a domain is live, in order. */
	const ORDER = array( 'wanted', 'added', 'dns-ok', 'https-ok', 'live' );

	/** Next steps that ask the customer to wait. */
	const WAITING = array( 'dns-propagating', 'default-certificate' );

	/** A check that is due longer than this many seconds has no time: the engine may be offline. */
	const LATE = 900;

	/** Maximum numbers of records, and of values of a record. */
	const MOST_RECORDS = 20;
	const MOST_VALUES  = 10;

	/**
	 * Return the short badge of a domain, and the link to its panel.
	 *
	 * @param string $domain The domain.
	 * @param array  $row    Its row; empty if the engine has not seen the domain yet.
	 * @param string $url    The address of the panel.
	 * @return string
	 */
	public static function summary( $domain, array $row, $url ) {
		run( 'Messages', 'load' );
		$badge  = $row ? run( 'Phrases', 'badge', array( $row ) ) : __( 'Waiting for the first check', 'closte-bridge' );
		$needed = self::is( $row, 'needs', 'customer' );
		$live   = self::is( $row, 'state', 'live' );
		$link   = $live && ! $needed ? __( 'Details', 'closte-bridge' ) : __( 'What to do', 'closte-bridge' );
		/* translators: 1: text of a link, 2: domain. */
		$label = \sprintf( __( '%1$s: %2$s', 'closte-bridge' ), $link, $domain );
		return '<span class="closte-bridge-badge is-' . ( $live ? 'live' : ( $needed ? 'needed' : 'waiting' ) ) . '">' . \esc_html( \is_string( $badge ) ? $badge : '' ) . '</span>'
			. ' <a class="closte-bridge-open" href="' . \esc_url( $url ) . '" aria-label="' . \esc_attr( $label ) . '">' . \esc_html( $link ) . '</a>';
	}

	/**
	 * Return why a request was refused.
	 *
	 * @param string $why `expired` or `unavailable`.
	 * @return string
	 */
	public static function refusal( $why ) {
		run( 'Messages', 'load' );
		return 'expired' === $why
			? __( 'This page has expired. Reload it, then try again.', 'closte-bridge' )
			: __( 'This domain is not available to you.', 'closte-bridge' );
	}

	/**
	 * Return the panel of a domain.
	 *
	 * @param string    $domain The domain.
	 * @param array     $row    Its row; empty if the engine has not seen it yet.
	 * @param string    $url    The address of the panel.
	 * @param bool|null $noted  Whether the check asked for was accepted; null if none was.
	 * @return array `title`; `html`: everything; `state`: the part that changes; `digest`: changes with it; `times`; `message`.
	 */
	public static function answer( $domain, array $row, $url, $noted = null ) {
		run( 'Messages', 'load' );
		$state   = self::state( $domain, $row );
		$times   = self::times( $row );
		$message = null === $noted ? '' : ( $noted
			? __( 'The check was requested. This page updates when it ends.', 'closte-bridge' )
			: __( 'A check was requested a moment ago. Wait a minute, then try again.', 'closte-bridge' ) );
		$html    = '<div class="closte-bridge-panel" data-url="' . \esc_url( $url ) . '" data-digest="' . \md5( $state ) . '">'
			. '<h1 class="closte-bridge-title" tabindex="-1">' . \esc_html( $domain ) . '</h1>'
			. '<div class="closte-bridge-state">' . $state . '</div>'
			. '<p class="closte-bridge-times">' . $times . '</p>'
			. '<form method="post" action="' . \esc_url( $url ) . '"><input type="hidden" name="do" value="check">'
			. '<button type="submit" class="button button-primary">' . esc_html__( 'Check now', 'closte-bridge' ) . '</button></form>'
			. '<p class="closte-bridge-message" role="status">' . \esc_html( $message ) . '</p></div>';
		return array(
			'title'   => $domain,
			'html'    => $html,
			'state'   => $state,
			'digest'  => \md5( $state ),
			'times'   => $times,
			'message' => $message,
			'summary' => self::sentence( $domain, $row ),
		);
	}

	/**
	 * Return the part that changes with the state of a domain.
	 *
	 * @param string $domain The domain.
	 * @param array  $row    Its row.
	 * @return string
	 */
	private static function state( $domain, array $row ) {
		$records = self::records_of( $domain, $row );
		$html    = self::progress( $row ) . '<p class="closte-bridge-sentence">' . \esc_html( self::sentence( $domain, $row ) ) . '</p>';
		if ( $records ) {
			$html .= self::records( $records ) . self::provider( $domain, $records );
		}
		return $html;
	}

	/**
	 * Return the records to set: those of the engine, else those for any new domain.
	 *
	 * @param string $domain The domain.
	 * @param array  $row    Its row.
	 * @return array
	 */
	private static function records_of( $domain, array $row ) {
		if ( ! $row ) {
			$records = run( 'Precheck', 'records', array( $domain ) );
		} else {
			$step    = self::is( $row, 'needs', 'customer' ) ? self::step( $row ) : array();
			$records = isset( $step['records'] ) ? $step['records'] : array();
		}
		return \is_array( $records ) ? \array_slice( $records, 0, self::MOST_RECORDS ) : array();
	}

	/**
	 * Return the customer's next step.
	 *
	 * @param array $row The row.
	 * @return array
	 */
	private static function step( array $row ) {
		return isset( $row['args']['step'] ) && \is_array( $row['args']['step'] ) ? $row['args']['step'] : array();
	}

	/**
	 * Return the steps from *Added* to *Live*, each with its progress as text.
	 *
	 * @param array $row The row.
	 * @return string
	 */
	private static function progress( array $row ) {
		$steps = array(
			__( 'Added', 'closte-bridge' ),
			__( 'DNS', 'closte-bridge' ),
			__( 'Secure', 'closte-bridge' ),
			__( 'Live', 'closte-bridge' ),
		);
		$done  = self::done( $row );
		$html  = '';
		foreach ( $steps as $i => $label ) {
			if ( $i < $done ) {
				list( $kind, $text ) = array( 'done', __( 'Done', 'closte-bridge' ) );
			} elseif ( $i > $done ) {
				list( $kind, $text ) = array( 'later', __( 'Not yet', 'closte-bridge' ) );
			} elseif ( self::is( $row, 'needs', 'customer' ) ) {
				list( $kind, $text ) = array( 'needed', __( 'Action needed', 'closte-bridge' ) );
			} else {
				list( $kind, $text ) = array( 'now', __( 'In progress', 'closte-bridge' ) );
			}
			$current = $i === $done ? ' aria-current="step"' : '';
			$html   .= '<li class="is-' . $kind . '"' . $current . '><strong>' . \esc_html( $label ) . '</strong> <span>' . \esc_html( $text ) . '</span></li>';
		}
		return '<ol class="closte-bridge-steps" aria-label="' . esc_attr__( 'Progress', 'closte-bridge' ) . '">' . $html . '</ol>';
	}

	/**
	 * Return how many steps are done.
	 *
	 * @param array $row The row.
	 * @return int 0 to 4.
	 */
	private static function done( array $row ) {
		$place = \array_search( isset( $row['state'] ) ? $row['state'] : '', self::ORDER, true );
		if ( false !== $place ) {
			return $place;
		}
		$args = isset( $row['args'] ) && \is_array( $row['args'] ) ? $row['args'] : array();
		if ( ! isset( $args['at_closte'] ) || true !== $args['at_closte'] ) {
			return 0;
		}
		// Behind a CDN's proxy, valid HTTPS is enough for DNS.
		if ( ! isset( $args['dns'] ) || ! \in_array( $args['dns'], array( 'ok', 'proxied' ), true ) ) {
			return 1;
		}
		return isset( $args['https'] ) && 'ok' === $args['https'] ? 3 : 2;
	}

	/**
	 * Return what the customer has to do, or why there is nothing to do.
	 *
	 * @param string $domain The domain.
	 * @param array  $row    Its row.
	 * @return string Plain text.
	 */
	private static function sentence( $domain, array $row ) {
		$state = isset( $row['state'] ) ? $row['state'] : '';
		if ( ! $row ) {
			return __( 'Your domain was added a moment ago. Set the records below. The first check follows soon.', 'closte-bridge' );
		}
		$step = self::step( $row );
		$code = isset( $step['code'] ) ? $step['code'] : '';
		if ( self::is( $row, 'needs', 'customer' ) || ( self::is( $row, 'needs', '' ) && \in_array( $code, self::WAITING, true ) ) ) {
			$text = run( 'Phrases', 'step', array( $step ) );
			return \is_string( $text ) && '' !== $text ? $text : __( 'Set the records below at your DNS provider.', 'closte-bridge' );
		}
		if ( 'live' === $state ) {
			/* translators: %s: domain. */
			return \sprintf( __( '%s is live. There is nothing for you to do.', 'closte-bridge' ), $domain );
		}
		if ( self::is( $row, 'status', 'to-remove' ) ) {
			return __( 'This domain is being removed from the server.', 'closte-bridge' );
		}
		if ( self::is( $row, 'needs', 'operator' ) ) {
			return __( 'Your host has to finish this step. There is nothing for you to do.', 'closte-bridge' );
		}
		$texts = array(
			'wanted'   => __( 'Your domain is being added to the server. There is nothing for you to do.', 'closte-bridge' ),
			'added'    => __( 'The DNS records of your domain are being checked.', 'closte-bridge' ),
			'dns-ok'   => __( 'The DNS records are correct. The certificate for HTTPS is being issued. This usually takes some minutes.', 'closte-bridge' ),
			'https-ok' => __( 'DNS and HTTPS work. The last check of your site follows soon.', 'closte-bridge' ),
		);
		return \is_string( $state ) && isset( $texts[ $state ] ) ? $texts[ $state ] : __( 'This domain is waiting. There is nothing for you to do.', 'closte-bridge' );
	}

	/**
	 * Return the table of records to set.
	 *
	 * @param array $records `type`, `host`, `value` and `current` of each.
	 * @return string
	 */
	public static function records( array $records ) {
		$titles = array( __( 'Type', 'closte-bridge' ), __( 'Host', 'closte-bridge' ), __( 'Value', 'closte-bridge' ), __( 'Current value', 'closte-bridge' ) );
		$html   = '';
		foreach ( $records as $record ) {
			foreach ( self::rows( $record ) as $row ) {
				$html .= '<tr>';
				foreach ( $row as $i => $cell ) {
					// A phone shows the titles in the cells.
					$title = ' data-label="' . \esc_attr( $titles[ $i ] ) . '"';
					$html .= 0 === $i ? '<th scope="row"' . $title . '>' . $cell . '</th>' : '<td' . $title . '>' . $cell . '</td>';
				}
				$html .= '</tr>';
			}
		}
		$head = '';
		foreach ( $titles as $title ) {
			$head .= '<th scope="col">' . \esc_html( $title ) . '</th>';
		}
		$label = esc_html__( 'DNS records to set', 'closte-bridge' );
		return '<div class="closte-bridge-scroll" role="region" tabindex="0" aria-label="' . $label . '"><table class="closte-bridge-records">'
			. '<caption>' . $label . '</caption><thead><tr>' . $head . '</tr></thead><tbody>' . $html . '</tbody></table></div>';
	}

	/**
	 * Return the cells of a record: one row for each value.
	 *
	 * @param mixed $record The record.
	 * @return array Rows of four cells, as HTML.
	 */
	private static function rows( $record ) {
		$type    = self::text( $record, 'type' );
		$host    = self::text( $record, 'host' );
		$current = self::values( $record, 'current' );
		$none    = isset( $record['current'] ) ? __( 'None', 'closte-bridge' ) : __( 'Unknown', 'closte-bridge' );
		$shown   = $current ? '<code dir="ltr">' . \implode( '</code> <code dir="ltr">', \array_map( 'esc_html', $current ) ) . '</code>' : \esc_html( $none );
		$values  = self::values( $record, 'value' );
		$rows    = array();
		foreach ( $values ? $values : array( null ) as $value ) {
			$cell   = null === $value ? esc_html__( 'Delete this record', 'closte-bridge' ) : self::copyable( $value );
			$rows[] = array( \esc_html( $type ), self::copyable( $host ), $cell, $shown );
		}
		return $rows;
	}

	/**
	 * Return a value with a button that copies it; the script shows the button.
	 *
	 * @param string $value The value.
	 * @return string
	 */
	private static function copyable( $value ) {
		/* translators: %s: value of a DNS record. */
		$label = \sprintf( __( 'Copy %s', 'closte-bridge' ), $value );
		return '<code dir="ltr">' . \esc_html( $value ) . '</code> <button type="button" hidden class="button button-small closte-bridge-copy" data-copy="'
			. \esc_attr( $value ) . '" aria-label="' . \esc_attr( $label ) . '">' . esc_html__( 'Copy', 'closte-bridge' ) . '</button>';
	}

	/**
	 * Return a message that the customer can send to a DNS provider.
	 *
	 * @param string $domain  The domain.
	 * @param array  $records The records.
	 * @return string
	 */
	public static function provider( $domain, array $records ) {
		/* translators: %s: domain. */
		$lines = array( \sprintf( __( 'Please set these DNS records for %s:', 'closte-bridge' ), $domain ) );
		foreach ( $records as $record ) {
			$values  = self::values( $record, 'value' );
			$kind    = self::text( $record, 'type' ) . ' ' . self::text( $record, 'host' ) . ' ';
			$lines[] = $kind . ( $values ? \implode( ', ', $values ) : __( '(delete this record)', 'closte-bridge' ) );
		}
		$text = \implode( "\n", $lines );
		return '<details><summary>' . esc_html__( 'Message for your DNS provider', 'closte-bridge' ) . '</summary>'
			. '<textarea readonly rows="' . ( 1 + \count( $lines ) ) . '" aria-label="' . esc_attr__( 'Message for your DNS provider', 'closte-bridge' ) . '">' . \esc_textarea( $text ) . '</textarea>'
			. '<button type="button" hidden class="button button-small closte-bridge-copy" data-copy="' . \esc_attr( $text ) . '">' . esc_html__( 'Copy the message', 'closte-bridge' ) . '</button></details>';
	}

	/**
	 * Return when the domain was checked, and when it is checked next.
	 *
	 * @param array $row The row.
	 * @return string HTML.
	 */
	private static function times( array $row ) {
		$now   = \time();
		$texts = array();
		$last  = isset( $row['args']['checked_at'] ) && \is_numeric( $row['args']['checked_at'] ) ? (int) $row['args']['checked_at'] : 0;
		$next  = isset( $row['next_check'] ) && \is_numeric( $row['next_check'] ) ? (int) $row['next_check'] : 0;
		if ( $last > 0 && $last <= $now ) {
			/* translators: %s: duration, such as "5 minutes". */
			$texts[] = \sprintf( __( 'Last checked %s ago.', 'closte-bridge' ), \human_time_diff( $last, $now ) );
		}
		if ( $next > $now ) {
			/* translators: %s: duration, such as "5 minutes". */
			$texts[] = \sprintf( __( 'Next check in %s.', 'closte-bridge' ), \human_time_diff( $now, $next ) );
		} elseif ( $next > $now - self::LATE || ! $row ) {
			$texts[] = __( 'The next check starts soon.', 'closte-bridge' );
		}
		return \esc_html( \implode( ' ', $texts ) );
	}

	/**
	 * Print a panel as a page of its own, for browsers without JavaScript.
	 *
	 * @param array $answer `title` and `html`.
	 * @param int   $status The HTTP status.
	 */
	public static function page( array $answer, $status = 200 ) {
		\status_header( $status );
		\header( 'Content-Type: text/html; charset=utf-8' );
		run( 'Assets', 'enqueue' );
		echo '<!DOCTYPE html><html ';
		\language_attributes();
		echo '><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">';
		echo '<title>' . \esc_html( $answer['title'] ) . '</title>';
		\wp_print_styles( array( 'buttons', 'closte-bridge-customer' ) );
		echo '</head><body class="wp-core-ui closte-bridge-page"><main>' . $answer['html'] . '</main>'; // phpcs:ignore WordPress.Security.EscapeOutput -- escaped where it was made.
		\wp_print_scripts( array( 'closte-bridge-customer' ) );
		echo '</body></html>';
	}

	/**
	 * Return whether a column has a value.
	 *
	 * @param array  $row    The row.
	 * @param string $column The column.
	 * @param string $value  The value.
	 * @return bool
	 */
	private static function is( array $row, $column, $value ) {
		return isset( $row[ $column ] ) && $value === $row[ $column ];
	}

	/**
	 * Return a text of a record.
	 *
	 * @param mixed  $record The record.
	 * @param string $key    Its key.
	 * @return string
	 */
	private static function text( $record, $key ) {
		return \is_array( $record ) && isset( $record[ $key ] ) && \is_string( $record[ $key ] ) ? $record[ $key ] : '';
	}

	/**
	 * Return the values of a record.
	 *
	 * @param mixed  $record The record.
	 * @param string $key    `value` or `current`.
	 * @return array
	 */
	private static function values( $record, $key ) {
		$values = \is_array( $record ) && isset( $record[ $key ] ) && \is_array( $record[ $key ] ) ? $record[ $key ] : array();
		return \array_slice( \array_values( \array_filter( $values, 'is_string' ) ), 0, self::MOST_VALUES );
	}
}
