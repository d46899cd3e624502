<?php
/**
 * Collects the events of this request, and hands them to the engine at its end.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * One insert at the end of a request that had events, bounded, into a table of the network's own database.
 */
final class Outbox {

	/** More than this, and one row for each network says *everything*. */
	const MOST_ROWS  = 1000;
	const MOST_BYTES = 262144;

	/** A name that is longer is none, and would be cut into another one. */
	const LONGEST_NAME   = 253;
	const LONGEST_DETAIL = 2000;

	/** So many rows are kept when nobody fetches them. */
	const KEPT = 50000;

	/**
	 * The rows, by what makes them differ: network_id, kind, blog_id, domain, detail.
	 *
	 * @var array
	 */
	private static $rows = array();

	/**
	 * Bytes of the rows.
	 *
	 * @var int
	 */
	private static $bytes = 0;

	/**
	 * Network => its row, of those whose events came when no more rows were kept.
	 *
	 * @var array
	 */
	private static $beyond = array();

	/**
	 * Mapping id => keys of the rows that wait to learn their site.
	 *
	 * @var array
	 */
	private static $siteless = array();

	/**
	 * Whether the end of the request was asked for.
	 *
	 * @var bool
	 */
	private static $expected = false;

	/**
	 * Collect one event. In the engine's own calls none: it knows what it does.
	 *
	 * @param string $kind       What happened.
	 * @param mixed  $blog_id    To which site.
	 * @param mixed  $domain     To which name.
	 * @param array  $detail     More of it.
	 * @param int    $network_id The network; 0 for that of the site.
	 * @return string|null The key of its row, or null when it was not kept.
	 */
	public static function add( $kind, $blog_id, $domain, array $detail = array(), $network_id = 0 ) {
		if ( \defined( 'CLOSTE_BRIDGE_ENGINE' ) ) {
			return null;
		}
		$blog_id = (int) $blog_id;
		$domain  = \is_scalar( $domain ) ? (string) $domain : '';
		$text    = $detail ? (string) \wp_json_encode( $detail, JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES ) : '';
		if ( \strlen( $domain ) > self::LONGEST_NAME || \strlen( $text ) > self::LONGEST_DETAIL ) {
			list( $kind, $domain, $text ) = array( 'everything', '', '' );
		}
		$key  = $network_id . "\0" . $kind . "\0" . $blog_id . "\0" . $domain . "\0" . $text;
		$size = \strlen( $key ) + 100;
		if ( isset( self::$rows[ $key ] ) ) {
			// It happened once more: what came between is over, and the last word counts.
			unset( self::$rows[ $key ] );
			self::$bytes -= $size;
		}
		self::expect_the_end();
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
	 * @param string $kind       What happened.
	 * @param int    $blog_id    To which site.
	 * @param string $domain     To which name.
	 * @param string $detail     More of it, as JSON.
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
	 * Tell whether there are more rows than are written one by one.
	 *
	 * @return bool
	 */
	private static function too_many() {
		return \count( self::$rows ) > self::MOST_ROWS || self::$bytes > self::MOST_BYTES;
	}

	/**
	 * Keep of an event that there is no more room for whose it was: that network has to hear of it, too.
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
	 * @param int $network_id Its network, where that is known.
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
	 * @param string $kind   What happened.
	 * @param mixed  $domain To which name.
	 * @param array  $detail More of it.
	 */
	public static function add_siteless( $id, $kind, $domain, array $detail ) {
		$key = self::add( $kind, 0, $domain, $detail );
		if ( null !== $key ) {
			self::$siteless[ $id ][] = $key;
		}
	}

	/**
	 * Write the site of a mapping into the rows that wait for it.
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
			// What was not kept may have waited for this site; to remember each would take room without bound.
			self::note_network( self::network_of( $blog_id ) );
		}
	}

	/**
	 * Have `finish` called at the end of the request.
	 */
	private static function expect_the_end() {
		if ( self::$expected ) {
			return;
		}
		self::$expected = true;
		lead( 'shutdown', 'Outbox', 'finish', \PHP_INT_MAX, 0 );
		if ( \did_action( 'shutdown' ) ) {
			// Its last priority may be under way, and what is added to that is not called any more.
			\register_shutdown_function( __NAMESPACE__ . '\run', 'Outbox', 'finish' );
		}
	}

	/**
	 * At the end of the request: make the records that are missing, write the events, wake the engine.
	 */
	public static function finish() {
		run( 'Records', 'settle' );
		$rows           = self::$rows + self::$beyond;
		$too_many       = self::too_many();
		self::$rows     = array();
		self::$beyond   = array();
		self::$siteless = array();
		self::$bytes    = 0;
		self::$expected = false;
		$rows           = self::of_owned_networks( $rows );
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
		if ( self::write( run( 'Events', 'given_up', array( $rows ) ) ) ) {
			foreach ( $networks as $network_id ) {
				run( 'Trigger', 'engine', array( $network_id ) );
			}
		}
	}

	/**
	 * Give each row its network, and leave out those of networks without an owner: nobody would fetch them.
	 *
	 * @param array $rows The rows of this request.
	 * @return array
	 */
	private static function of_owned_networks( array $rows ) {
		$owned = array();
		$known = array();
		foreach ( $rows as $row ) {
			// A site that was deleted in this request has told its network then.
			if ( $row['network_id'] && $row['blog_id'] ) {
				$known[ $row['blog_id'] ] = $row['network_id'];
			}
		}
		foreach ( $rows as $key => $row ) {
			$told = isset( $known[ $row['blog_id'] ] ) ? $known[ $row['blog_id'] ] : 0;
			$id   = self::network_of( $row['blog_id'], $row['network_id'] ? $row['network_id'] : $told );
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
	 * Write the rows with one statement.
	 *
	 * @param array $rows What to write.
	 * @return bool Whether the database took them.
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
		// Twice, because another process may have been in the way.
		$written = $wpdb->query( $sql ) || $wpdb->query( $sql ); // phpcs:ignore WordPress.DB -- prepared above, row by row.
		// Of several rows MySQL tells the first one's, others the last one's. Ids may come in steps, so chance says when.
		$id = (int) $wpdb->insert_id;
		if ( $written && $id > self::KEPT && \random_int( 1, 500 ) <= \count( $rows ) ) {
			// Of these networks only: another one's engine may have been away for longer, and its rows are evidence.
			foreach ( \array_unique( \array_column( $rows, 'network_id' ) ) as $network_id ) {
				$wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE network_id = %d AND id <= %d", $network_id, $id - self::KEPT ) ); // phpcs:ignore WordPress.DB -- our own table.
			}
		}
		$wpdb->suppress_errors( $suppressed );
		return (bool) $written;
	}
}
