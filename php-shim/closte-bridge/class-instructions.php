<?php
/**
 * Sentences about DNS records, and the parts that sentences share: lists and durations.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * The counterpart of closte-bridge's `records.py`: in English, both give the same text.
 *
 * A record has `type`, `host`, `value` (the values to set; empty: delete it) and `current` (the values in DNS now; empty: add
 * it). All of it comes from the database: values of another type count as missing.
 */
final class Instructions {

	/** The longest list in a sentence. */
	const MOST_LISTED = 4;

	/**
	 * Return what to do with each record, one sentence per record.
	 *
	 * @param array  $records Decoded with `decode`.
	 * @param string $zone    The zone to name as the place of the DNS settings, or ''.
	 * @return array Sentences.
	 */
	public static function steps( array $records, $zone = '' ) {
		$steps = array();
		foreach ( $records as $record ) {
			$steps[] = self::step( $record, $steps ? '' : $zone );
		}
		return $steps;
	}

	/**
	 * Return the records as rows with text only.
	 *
	 * @param mixed $records From the database.
	 * @return array Rows with `type`, `host`, and lists of texts `value` and `current`.
	 */
	public static function decode( $records ) {
		$rows = array();
		foreach ( \is_array( $records ) ? $records : array() as $record ) {
			$type = \is_array( $record ) && isset( $record['type'] ) && \is_string( $record['type'] ) ? $record['type'] : '';
			$host = \is_array( $record ) && isset( $record['host'] ) && \is_string( $record['host'] ) ? $record['host'] : '';
			if ( '' !== $type && '' !== $host ) {
				$value   = self::texts( isset( $record['value'] ) ? $record['value'] : array() );
				$current = self::texts( isset( $record['current'] ) ? $record['current'] : array() );
				$rows[]  = \compact( 'type', 'host', 'value', 'current' );
			}
		}
		return $rows;
	}

	/**
	 * Return the items of a list that can be shown.
	 *
	 * @param mixed $values From the database.
	 * @return array Texts.
	 */
	public static function texts( $values ) {
		return \array_map( 'strval', \array_values( \array_filter( \is_array( $values ) ? $values : array(), 'is_scalar' ) ) );
	}

	/**
	 * Return what to do with one record.
	 *
	 * @param array  $record Decoded with `decode`.
	 * @param string $zone   The zone to name as the place of the DNS settings, or ''.
	 * @return string
	 */
	private static function step( array $record, $zone ) {
		$values = self::listed( $record['value'] );
		$type   = $record['type'];
		$host   = $record['host'];
		if ( ! $record['value'] ) {
			/* translators: 1: type of a DNS record, such as "A". 2: domain. */
			return \sprintf( _n( 'Delete the %1$s record of %2$s.', 'Delete the %1$s records of %2$s.', \count( $record['current'] ), 'closte-bridge' ), $type, $host );
		}
		if ( $record['current'] ) {
			/* translators: 1: type of a DNS record, such as "A". 2: domain. 3: address or addresses. */
			return \sprintf( _n( 'Change the %1$s record of %2$s to %3$s.', 'Change the %1$s records of %2$s to %3$s.', \count( $record['value'] ), 'closte-bridge' ), $type, $host, $values );
		}
		return '' === $zone ? self::addition( $type, $host, $values, \count( $record['value'] ) ) : self::addition_in( $zone, $type, $host, $values, \count( $record['value'] ) );
	}

	/**
	 * Return the sentence for a missing record.
	 *
	 * @param string $type   The type of the record.
	 * @param string $host   The domain.
	 * @param string $values The values, as text.
	 * @param int    $count  The number of values.
	 * @return string
	 */
	private static function addition( $type, $host, $values, $count ) {
		$text = self::takes_an( $type )
			/* translators: 1: type of a DNS record that starts with A, such as "A" or "AAAA". 2: domain. 3: value or values. */
			? _n( 'Add an %1$s record for %2$s with the value %3$s.', 'Add %1$s records for %2$s with the values %3$s.', $count, 'closte-bridge' )
			/* translators: 1: type of a DNS record, such as "CNAME". 2: domain. 3: value or values. */
			: _n( 'Add a %1$s record for %2$s with the value %3$s.', 'Add %1$s records for %2$s with the values %3$s.', $count, 'closte-bridge' );
		return \sprintf( $text, $type, $host, $values );
	}

	/**
	 * Return the sentence for a missing record, with the zone.
	 *
	 * @param string $zone   The zone.
	 * @param string $type   The type of the record.
	 * @param string $host   The domain.
	 * @param string $values The values, as text.
	 * @param int    $count  The number of values.
	 * @return string
	 */
	private static function addition_in( $zone, $type, $host, $values, $count ) {
		$text = self::takes_an( $type )
			/* translators: 1: type of a DNS record that starts with A, such as "A" or "AAAA". 2: domain. 3: value or values. 4: domain of the DNS settings. */
			? _n( 'Add an %1$s record for %2$s with the value %3$s in the DNS settings of %4$s.', 'Add %1$s records for %2$s with the values %3$s in the DNS settings of %4$s.', $count, 'closte-bridge' )
			/* translators: 1: type of a DNS record, such as "CNAME". 2: domain. 3: value or values. 4: domain of the DNS settings. */
			: _n( 'Add a %1$s record for %2$s with the value %3$s in the DNS settings of %4$s.', 'Add %1$s records for %2$s with the values %3$s in the DNS settings of %4$s.', $count, 'closte-bridge' );
		return \sprintf( $text, $type, $host, $values, $zone );
	}

	/**
	 * Return whether the English article of a type is "an".
	 *
	 * @param string $type The type of a record.
	 * @return bool
	 */
	public static function takes_an( $type ) {
		return 'A' === \substr( $type, 0, 1 );
	}

	/**
	 * Return where the records point to now.
	 *
	 * @param array $records Decoded with `decode`.
	 * @return string A sentence, or '' if no record has a current value.
	 */
	public static function currently( array $records ) {
		$current = array();
		foreach ( $records as $record ) {
			$current = \array_merge( $current, $record['current'] );
		}
		/* translators: %s: address or addresses. */
		return $current ? \sprintf( __( 'It currently points to %s.', 'closte-bridge' ), self::listed( \array_values( \array_unique( $current ) ) ) ) : '';
	}

	/**
	 * Return up to four items with commas, and the number of the others.
	 *
	 * @param array $items Texts.
	 * @param int   $more  How many items are missing in `items`.
	 * @return string
	 */
	public static function listed( array $items, $more = 0 ) {
		$more     += \max( 0, \count( $items ) - self::MOST_LISTED );
		$separator = \function_exists( 'wp_get_list_item_separator' ) ? \wp_get_list_item_separator() : ', ';
		$shown     = \implode( $separator, \array_slice( $items, 0, self::MOST_LISTED ) );
		/* translators: 1: list, such as "192.0.2.1, 192.0.2.2". 2: number of items that the list leaves out. */
		return $more > 0 ? \sprintf( _n( '%1$s and %2$s more', '%1$s and %2$s more', $more, 'closte-bridge' ), $shown, \number_format_i18n( $more ) ) : $shown;
	}

	/**
	 * Return a duration, rounded up to its largest unit.
	 *
	 * @param int $seconds Seconds.
	 * @return string Such as "5 minutes".
	 */
	public static function duration( $seconds ) {
		if ( $seconds >= 86400 ) {
			$count = (int) \ceil( $seconds / 86400 );
			/* translators: %s: number of days. */
			$text = _n( '%s day', '%s days', $count, 'closte-bridge' );
		} elseif ( $seconds >= 3600 ) {
			$count = (int) \ceil( $seconds / 3600 );
			/* translators: %s: number of hours. */
			$text = _n( '%s hour', '%s hours', $count, 'closte-bridge' );
		} elseif ( $seconds >= 60 ) {
			$count = (int) \ceil( $seconds / 60 );
			/* translators: %s: number of minutes. */
			$text = _n( '%s minute', '%s minutes', $count, 'closte-bridge' );
		} else {
			$count = (int) $seconds;
			/* translators: %s: number of seconds. */
			$text = _n( '%s second', '%s seconds', $count, 'closte-bridge' );
		}
		return \sprintf( $text, \number_format_i18n( $count ) );
	}
}
