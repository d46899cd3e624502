<?php
/**
 * Collects the events of a request and stores them at its end.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Makes one insert of limited size per request with events.
 */
final class Outbox {

	/** Above these limits, one row *everything* per network replaces all others. */
	const MOST_ROWS  = 1000;
	const MOST_BYTES = 262144;

	/** Longest valid domain and longest detail: the database would truncate longer values. */
	const LONGEST_DOMAIN = 253;
	const LONGEST_DETAIL = 2000;

	/** Number of rows to keep if the engine does not read them. */
	const KEPT = 50000;

	/**
	 * The rows, by network_id, kind, blog_id, domain and detail.
	 *
	 * @var array
	 */
	private static $rows = array();

	/**
	 * Size of the rows in bytes.
	 *
	 * @var int
	 */
	private static $bytes = 0;

	/**
	 * Rows of the networks with events above the limits, by network.
	 *
	 * @var array
	 */
	private static $beyond = array();

	/**
	 * Keys of the rows whose site is not known yet, by mapping ID.
	 *
	 * @var array
	 */
	private static $siteless = array();

	/**
	 * Whether `finish` is registered for the end of the request.
	 *
	 * @var bool
	 */
	private static $registered = false;

	/**
	 * Collect one event. Ignores changes that the engine itself makes.
	 *
	 * @param string $kind       The event.
	 * @param mixed  $blog_id    The site.
	 * @param mixed  $domain     The domain.
	 * @param array  $detail     Details.
	 * @param int    $network_id The network; 0 for that of the site.
	 * @return string|null The key of its row; null if it was not kept.
	 */
	public static function add( $kind, $blog_id, $domain, array $detail = array(), $network_id = 0 ) {
		if ( \defined( 'CLOSTE_BRIDGE_ENGINE' ) ) {
			return null;
		}
		$blog_id = (int) $blog_id;
		$domain  = \is_scalar( $domain ) ? (string) $domain : '';
		$text    = $detail ? (string) \wp_json_encode( $detail, JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES ) : '';
		if ( \strlen( $domain ) > self::LONGEST_DOMAIN || \strlen( $text ) > self::LONGEST_DETAIL ) {
			list( $kind, $domain, $text ) = array( 'everything', '', '' );
		}
		$key  = $network_id . "\0" . $kind . "\0" . $blog_id . "\0" . $domain . "\0" . $text;
		$size = \strlen( $key ) + 100;
		if ( isset( self::$rows[ $key ] ) ) {
			// The same event occurred again; keep only the latest.
			unset( self::$rows[ $key ] );
			self::$bytes -= $size;
		}
		self::register_finish();
		if ( self::too_many() ) {
			self::note_network( self::network_of( $blog_id, $network_id ) );
			return null;
		}
		self::$bytes       += $size;
		self::$rows[ $key ] = self::row( $network_id, $kind, $blog_id, $domain, $text );
		return $key;
	}

	/**
	 * Return one row of the table.
	 *
	 * @param int    $network_id The network; 0 for that of the site.
	 * @param string $kind       The event.
	 * @param int    $blog_id    The site.
	 * @param string $domain     The domain.
	 * @param string $detail     Details, as JSON.
	 * @return array
	 */
	private static function row( $network_id, $kind, $blog_id = 0, $domain = '', $detail = '' ) {
		return array(
			'network_id' => $network_id,
			'created_at' => \time(),
			'kind'       => $kind,
			'blog_id'    => $blog_id,
			'domain'     => $domain,
			'detail'     => $detail,
		);
	}

	/**
	 * Return whether the rows exceed the limits.
	 *
	 * @return bool
	 */
	private static function too_many() {
		return \count( self::$rows ) > self::MOST_ROWS || self::$bytes > self::MOST_BYTES;
	}

	/**
	 * For events above the limits, keep only the network, so that it gets a row *everything*.
	 *
	 * @param int $network_id The network.
	 */
	private static function note_network( $network_id ) {
		self::$beyond[ $network_id ] = self::row( $network_id, 'everything' );
	}

	/**
	 * Return the network of an event.
	 *
	 * @param int $blog_id    Its site.
	 * @param int $network_id Its network; 0 if unknown.
	 * @return int
	 */
	private static function network_of( $blog_id, $network_id = 0 ) {
		$site = ! $network_id && $blog_id ? \get_site( $blog_id ) : null;
		return $network_id ? $network_id : (int) ( $site ? $site->network_id : \get_current_network_id() );
	}

	/**
	 * Collect one event of a mapping whose site is not known yet.
	 *
	 * @param int    $id     The mapping.
	 * @param string $kind   The event.
	 * @param mixed  $domain The domain.
	 * @param array  $detail Details.
	 */
	public static function add_siteless( $id, $kind, $domain, array $detail ) {
		$key = self::add( $kind, 0, $domain, $detail );
		if ( null !== $key ) {
			self::$siteless[ $id ][] = $key;
		}
	}

	/**
	 * Set the site in the rows of a mapping.
	 *
	 * @param int $id      The mapping.
	 * @param int $blog_id Its site.
	 */
	public static function site_known( $id, $blog_id ) {
		foreach ( isset( self::$siteless[ $id ] ) ? self::$siteless[ $id ] : array() as $key ) {
			if ( isset( self::$rows[ $key ] ) ) {
				self::$rows[ $key ]['blog_id'] = $blog_id;
			}
		}
		unset( self::$siteless[ $id ] );
		if ( self::$beyond ) {
			// An event above the limits may belong to this site; keeping all of them would need unlimited memory.
			self::note_network( self::network_of( $blog_id ) );
		}
	}

	/**
	 * Register `finish` for the end of the request.
	 */
	private static function register_finish() {
		if ( self::$registered ) {
			return;
		}
		self::$registered = true;
		attach( 'shutdown', 'Outbox', 'finish', \PHP_INT_MAX, 0 );
		if ( \did_action( 'shutdown' ) ) {
			// The hook's last priority may already run, and a callback added to it now would not be called.
			\register_shutdown_function( __NAMESPACE__ . '\run', 'Outbox', 'finish' );
		}
	}

	/**
	 * Create missing records, store the events and trigger a sync.
	 */
	public static function finish() {
		run( 'Records', 'settle' );
		$rows             = self::$rows + self::$beyond;
		$too_many         = self::too_many();
		self::$rows       = array();
		self::$beyond     = array();
		self::$siteless   = array();
		self::$bytes      = 0;
		self::$registered = false;
		$rows             = self::of_owned_networks( $rows );
		if ( ! $rows ) {
			return;
		}
		$networks = \array_unique( \array_column( $rows, 'network_id' ) );
		if ( $too_many ) {
			$rows = array();
			foreach ( $networks as $network_id ) {
				$rows[] = self::row( $network_id, 'everything' );
			}
		}
		$newest = self::write( run( 'Events', 'given_up', array( $rows ) ) );
		if ( $newest ) {
			foreach ( $networks as $network_id ) {
				run( 'Trigger', 'engine', array( $network_id, $newest ) );
			}
		}
	}

	/**
	 * Set the network of each row, and remove rows of networks without an owner: no engine would read them.
	 *
	 * @param array $rows The rows of this request.
	 * @return array
	 */
	private static function of_owned_networks( array $rows ) {
		$owned = array();
		$known = array();
		foreach ( $rows as $row ) {
			// If the site was deleted in this request, only its own event has the network.
			if ( $row['network_id'] && $row['blog_id'] ) {
				$known[ $row['blog_id'] ] = $row['network_id'];
			}
		}
		foreach ( $rows as $key => $row ) {
			$other = isset( $known[ $row['blog_id'] ] ) ? $known[ $row['blog_id'] ] : 0;
			$id    = self::network_of( $row['blog_id'], $row['network_id'] ? $row['network_id'] : $other );
			if ( ! isset( $owned[ $id ] ) ) {
				$owned[ $id ] = '' !== run( 'Owner', 'owner', array( $id ) );
			}
			$rows[ $key ]['network_id'] = $id;
			if ( ! $owned[ $id ] ) {
				unset( $rows[ $key ] );
			}
		}
		return $rows;
	}

	/**
	 * Insert the rows with one statement.
	 *
	 * @param array $rows The rows.
	 * @return int The ID of one of them; 0 if this failed.
	 */
	private static function write( array $rows ) {
		global $wpdb;
		$table  = $wpdb->base_prefix . 'closte_bridge_events';
		$values = array();
		foreach ( $rows as $row ) {
			$domain   = \wp_check_invalid_utf8( $row['domain'], true );
			$values[] = $wpdb->prepare(
				'(%d, %s, %d, %s, %d, %s, %s)',
				$row['network_id'],
				\bin2hex( \random_bytes( 16 ) ),
				$row['created_at'],
				$row['kind'],
				$row['blog_id'],
				$domain,
				$row['detail']
			);
		}
		$sql        = "INSERT INTO $table (network_id, uid, created_at, kind, blog_id, domain, detail) VALUES " . \implode( ', ', $values );
		$suppressed = $wpdb->suppress_errors( true );
		// Retry once: another process may have locked the table.
		$written = $wpdb->query( $sql ) || $wpdb->query( $sql ); // phpcs:ignore WordPress.DB -- prepared above, row by row.
		// insert_id is the first ID on MySQL and the last one elsewhere, and IDs may have gaps, so clean up at random.
		$id = (int) $wpdb->insert_id;
		if ( $written && $id > self::KEPT && \random_int( 1, 500 ) <= \count( $rows ) ) {
			// Only rows of these networks: another network's engine may have been offline longer and still need its rows.
			foreach ( \array_unique( \array_column( $rows, 'network_id' ) ) as $network_id ) {
				$wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE network_id = %d AND id <= %d", $network_id, $id - self::KEPT ) ); // phpcs:ignore WordPress.DB -- the shim's own table.
			}
		}
		$wpdb->suppress_errors( $suppressed );
		return $written ? \max( 1, $id ) : 0;
	}
}
