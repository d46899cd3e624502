<?php
/**
 * Reads the domain states that the engine wrote for people.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * All values come from a table that other code may have changed: who prints one has to escape it. Without the table, nothing is found.
 */
final class States {

	/** Views of the list, with the condition for their rows. A failed change is on hold until its retry. */
	const VIEWS = array(
		'all'            => '1 = 1',
		'live'           => "state = 'live'",
		'needs-customer' => "needs = 'customer'",
		'failed'         => "(code IN ('back-off', 'exists-elsewhere', 'not-listed', 'not-managed', 'refused') OR (state = 'blocked' AND needs = 'operator' AND status IN ('in-sync', 'own')))",
		'on-hold'        => "status = 'on-hold'",
		'needs-approval' => "status = 'needs-approval'",
		'unmanaged'      => "status = 'unmanaged'",
		'site-gone'      => "(status = 'orphaned' OR code = 'site-gone')",
	);

	/** Columns by which a page can be sorted. */
	const SORTED_BY = array( 'domain', 'state', 'since', 'next_check', 'blog_id' );

	/** Most rows of a page. */
	const MOST = 1000;

	/** Longest arguments in bytes. */
	const LONGEST_ARGS = 65535;

	/**
	 * Return the engine's summary of a network.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return array Empty without one.
	 */
	public static function summary( $network_id = null ) {
		$summary = run( 'Owner', 'summary', array( $network_id ) );
		return \is_array( $summary ) ? $summary : array();
	}

	/**
	 * Return the name of the table.
	 *
	 * @return string
	 */
	public static function table() {
		global $wpdb;
		return $wpdb->base_prefix . 'closte_bridge_domains';
	}

	/**
	 * Return whether the table exists.
	 *
	 * @return bool
	 */
	public static function exists() {
		return null !== self::ask( 'SELECT domain FROM ' . self::table() . ' WHERE network_id = %d LIMIT 1', array( 0 ) );
	}

	/**
	 * Count the domains of each view with one query.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return array View => count.
	 */
	public static function counts( $network_id = null ) {
		$sums = array();
		foreach ( self::VIEWS as $condition ) {
			$sums[] = "SUM(CASE WHEN $condition THEN number ELSE 0 END)";
		}
		$rows = self::ask( 'SELECT ' . \implode( ', ', $sums ) . ' FROM ' . self::groups(), array( self::network( $network_id ) ) );
		$row  = $rows ? \array_map( 'intval', \array_values( $rows[0] ) ) : \array_fill( 0, \count( $sums ), 0 );
		return \array_combine( \array_keys( self::VIEWS ), $row );
	}

	/**
	 * Return one page of domains.
	 *
	 * @param array $query `view`, `search` (a part of the domain), `blog_id`, `orderby`, `order`, `per_page`, `offset`; `network_id`.
	 * @return array `rows`, and the number of all rows in `total`.
	 */
	public static function page( array $query ) {
		global $wpdb;
		$table  = self::table();
		$view   = self::condition( isset( $query['view'] ) ? $query['view'] : 'all' );
		$where  = "network_id = %d AND $view";
		$values = array( self::network( isset( $query['network_id'] ) ? $query['network_id'] : null ) );
		$search = isset( $query['search'] ) && \is_scalar( $query['search'] ) ? \strtolower( \trim( (string) $query['search'] ) ) : '';
		if ( '' !== $search ) {
			$where   .= ' AND domain LIKE %s';
			$values[] = '%' . $wpdb->esc_like( $search ) . '%';
		}
		if ( isset( $query['blog_id'] ) ) {
			$where   .= ' AND blog_id = %d';
			$values[] = (int) $query['blog_id'];
		}
		$whole = 1 === \count( $values ) && self::VIEWS['all'] !== $view;
		$total = self::ask( $whole ? 'SELECT SUM(number) AS number FROM ' . self::groups() . " WHERE $view" : "SELECT COUNT(*) AS number FROM $table WHERE $where", $values );
		$total = $total ? (int) $total[0]['number'] : 0;
		$names = ! $total ? null : self::ask(
			"SELECT domain FROM $table WHERE $where ORDER BY " . self::order( $query ) . ' LIMIT %d OFFSET %d',
			\array_merge( $values, self::window( $query ) )
		);
		$found = self::rows_of( $names ? \array_column( $names, 'domain' ) : array(), $values[0] );
		return array(
			'rows'  => \array_values( $found ),
			'total' => $total,
		);
	}

	/**
	 * Return the states of some domains of this network.
	 *
	 * @param array    $domains    The domains.
	 * @param int|null $network_id The network; null for this one.
	 * @return array Domain => row.
	 */
	public static function of( array $domains, $network_id = null ) {
		$names = \array_filter( \array_map( 'strtolower', \array_filter( $domains, 'is_string' ) ), 'strlen' );
		return self::rows_of( \array_slice( \array_values( \array_unique( $names ) ), 0, self::MOST ), self::network( $network_id ) );
	}

	/**
	 * Return the states of a site's domains, in the order of their names.
	 *
	 * @param int $blog_id The site.
	 * @return array Rows.
	 */
	public static function of_site( $blog_id ) {
		$network = run( 'Owner', 'network_of', array( $blog_id ) );
		$sql     = 'SELECT * FROM ' . self::table() . ' WHERE network_id = %d AND blog_id = %d ORDER BY domain LIMIT %d';
		$rows    = self::ask( $sql, array( self::network( $network ), (int) $blog_id, self::MOST ) );
		return \array_map( array( __CLASS__, 'decoded' ), $rows ? $rows : array() );
	}

	/**
	 * Return a subquery that counts the domains of a network by all that the views depend on, from one index.
	 *
	 * @return string With a placeholder for the network.
	 */
	private static function groups() {
		return '(SELECT status, state, needs, code, COUNT(*) AS number FROM ' . self::table() . ' WHERE network_id = %d GROUP BY status, state, needs, code) AS kinds';
	}

	/**
	 * Return the condition of a view.
	 *
	 * @param mixed $view The view.
	 * @return string
	 */
	private static function condition( $view ) {
		return \is_string( $view ) && isset( self::VIEWS[ $view ] ) ? self::VIEWS[ $view ] : self::VIEWS['all'];
	}

	/**
	 * Return the order of a page. Equal values are in the order of the domains, in the same direction, as an index has them.
	 *
	 * @param array $query See `page`.
	 * @return string
	 */
	private static function order( array $query ) {
		$column    = isset( $query['orderby'] ) && \in_array( $query['orderby'], self::SORTED_BY, true ) ? $query['orderby'] : 'domain';
		$direction = isset( $query['order'] ) && \is_string( $query['order'] ) && 'desc' === \strtolower( $query['order'] ) ? 'DESC' : 'ASC';
		return 'domain' === $column ? "domain $direction" : "$column $direction, domain $direction";
	}

	/**
	 * Return the number of rows of a page, and of those before it.
	 *
	 * @param array $query See `page`.
	 * @return array
	 */
	private static function window( array $query ) {
		$rows   = isset( $query['per_page'] ) && \is_numeric( $query['per_page'] ) ? (int) $query['per_page'] : 20;
		$offset = isset( $query['offset'] ) && \is_numeric( $query['offset'] ) ? (int) $query['offset'] : 0;
		return array( \max( 1, \min( self::MOST, $rows ) ), \max( 0, $offset ) );
	}

	/**
	 * Return the network of a question.
	 *
	 * @param mixed $network_id The network; null for this one.
	 * @return int
	 */
	private static function network( $network_id ) {
		return null === $network_id ? (int) \get_current_network_id() : (int) $network_id;
	}

	/**
	 * Read the rows of some domains, in the same order.
	 *
	 * @param array $names      The domains.
	 * @param int   $network_id The network.
	 * @return array Domain => row.
	 */
	private static function rows_of( array $names, $network_id ) {
		if ( ! $names ) {
			return array();
		}
		$marks = \implode( ', ', \array_fill( 0, \count( $names ), '%s' ) );
		$rows  = self::ask( 'SELECT * FROM ' . self::table() . " WHERE network_id = %d AND domain IN ($marks)", \array_merge( array( $network_id ), $names ) );
		$found = array();
		foreach ( $rows ? $rows : array() as $row ) {
			$found[ (string) $row['domain'] ] = self::decoded( $row );
		}
		return \array_replace( \array_intersect_key( \array_flip( $names ), $found ), $found );
	}

	/**
	 * Return a row with numbers as numbers and `args` decoded.
	 *
	 * @param array $row A row of the table.
	 * @return array
	 */
	private static function decoded( array $row ) {
		$text        = (string) $row['args'];
		$args        = \strlen( $text ) > self::LONGEST_ARGS ? null : \json_decode( $text, true, 16 );
		$row['args'] = \is_array( $args ) ? $args : array();
		foreach ( array( 'network_id', 'blog_id', 'since', 'next_check' ) as $column ) {
			$row[ $column ] = (int) $row[ $column ];
		}
		return $row;
	}

	/**
	 * Read rows. An error, such as a missing table, is not shown.
	 *
	 * @param string $sql    The statement with placeholders.
	 * @param array  $values Their values.
	 * @return array|null Null after an error.
	 */
	private static function ask( $sql, array $values ) {
		global $wpdb;
		$suppressed       = $wpdb->suppress_errors( true );
		$wpdb->last_error = '';
		$rows             = $wpdb->get_results( $wpdb->prepare( $sql, $values ), \ARRAY_A ); // phpcs:ignore WordPress.DB -- closte-bridge's own table; fixed text with placeholders.
		$failed           = '' !== (string) $wpdb->last_error || ! \is_array( $rows );
		$wpdb->suppress_errors( $suppressed );
		return $failed ? null : $rows;
	}
}
