<?php
/**
 * The mappings table: reading, writing, and the hooks for changed columns.
 */

namespace WP_Ultimo\Database\Domains;

defined( 'ABSPATH' ) || exit;

final class Domain_Store {

	const COLUMNS = array( 'id', 'blog_id', 'domain', 'active', 'primary_domain', 'secure', 'stage', 'date_created', 'date_modified' );

	/** Columns whose changes are announced, in this order. */
	const WATCHED = array( 'domain', 'active', 'primary_domain', 'secure', 'stage' );

	public static function table() {
		global $wpdb;
		return $wpdb->base_prefix . 'wu_domain_mappings';
	}

	/** No UNIQUE key: the same domain twice is possible. */
	public static function create_table() {
		global $wpdb;
		$stages = "'" . implode( "', '", Domain_Stage::ALL ) . "'";
		$table  = self::table();
		$wpdb->query(
			"CREATE TABLE IF NOT EXISTS {$table} (
				id bigint(20) NOT NULL auto_increment,
				blog_id bigint(20) NOT NULL,
				domain varchar(191) NOT NULL,
				active tinyint(4) DEFAULT 1,
				primary_domain tinyint(4) DEFAULT 0,
				secure tinyint(4) DEFAULT 0,
				stage enum({$stages}) DEFAULT 'checking-dns',
				date_created datetime NULL,
				date_modified datetime NULL,
				PRIMARY KEY (id),
				KEY blog_id (blog_id, domain, active),
				KEY domain (domain)
			) {$wpdb->get_charset_collate()}"
		);
	}

	/** The first row whose column has this value, as an object, or null. */
	public static function find( $column, $value ) {
		global $wpdb;
		if ( ! in_array( $column, self::COLUMNS, true ) ) {
			return null;
		}
		return $wpdb->get_row( $wpdb->prepare( 'SELECT * FROM ' . self::table() . " WHERE {$column} = %s LIMIT 1", $value ) );
	}

	/**
	 * Return rows by column value, `{column}__in` and `{column}__not_in`: `number` rows (default 100, 0 for all) from
	 * `offset`, sorted by `orderby` and `order` (default: id, descending).
	 */
	public static function select( $query ) {
		global $wpdb;
		$query = wp_parse_args( $query, array( 'number' => 100, 'offset' => 0, 'orderby' => 'id', 'order' => 'DESC' ) );
		$where = self::conditions( $query );
		$order = in_array( $query['orderby'], self::COLUMNS, true ) ? $query['orderby'] : 'id';
		$order .= 'ASC' === strtoupper( $query['order'] ) ? ' ASC' : ' DESC';
		$limit = $query['number'] ? $wpdb->prepare( ' LIMIT %d OFFSET %d', $query['number'], $query['offset'] ) : '';
		return $wpdb->get_results( 'SELECT * FROM ' . self::table() . " WHERE {$where} ORDER BY {$order}{$limit}" );
	}

	public static function count( $query ) {
		global $wpdb;
		return (int) $wpdb->get_var( 'SELECT COUNT(*) FROM ' . self::table() . ' WHERE ' . self::conditions( $query ) );
	}

	private static function conditions( $query ) {
		global $wpdb;
		$where = array( '1 = 1' );
		foreach ( self::COLUMNS as $column ) {
			if ( isset( $query[ $column ] ) && '' !== $query[ $column ] ) {
				$value   = is_bool( $query[ $column ] ) ? (int) $query[ $column ] : $query[ $column ];
				$where[] = $wpdb->prepare( "{$column} = %s", $value );
			}
			foreach ( array( '__in' => 'IN', '__not_in' => 'NOT IN' ) as $suffix => $operator ) {
				if ( ! empty( $query[ $column . $suffix ] ) ) {
					$values  = (array) $query[ $column . $suffix ];
					$marks   = implode( ', ', array_fill( 0, count( $values ), '%s' ) );
					$where[] = $wpdb->prepare( "{$column} {$operator} ({$marks})", $values );
				}
			}
		}
		return implode( ' AND ', $where );
	}

	/** Returns the new id, or 0 when the database refused. */
	public static function insert( $row ) {
		global $wpdb;
		unset( $row['id'] );
		$row['date_modified'] = current_time( 'mysql', true );
		if ( empty( $row['date_created'] ) ) {
			$row['date_created'] = $row['date_modified'];
		}
		if ( ! $wpdb->insert( self::table(), $row ) ) {
			return 0;
		}
		$id = (int) $wpdb->insert_id;
		self::announce( $row, array_fill_keys( self::WATCHED, 'new' ), $id );
		return $id;
	}

	public static function update( $id, $row ) {
		global $wpdb;
		$old = (array) self::find( 'id', $id );
		if ( ! $old ) {
			return false;
		}
		unset( $row['id'] );
		$changed                  = array_diff_assoc( array_map( 'strval', $row ), $old );
		$changed['date_modified'] = current_time( 'mysql', true );
		$done                     = false !== $wpdb->update( self::table(), $changed, array( 'id' => $id ) );
		if ( $done ) {
			self::announce( $changed, $old, $id );
		}
		return $done;
	}

	public static function delete( $id ) {
		global $wpdb;
		return $wpdb->delete( self::table(), array( 'id' => $id ) );
	}

	/**
	 * Fire `wu_transition_domain_{column}` for changed columns. As in the real plugin, only values are compared: a new value
	 * that any watched column had before counts as unchanged.
	 */
	private static function announce( $changed, $old, $id ) {
		$watched = array_flip( self::WATCHED );
		$new     = array_intersect_key( array_merge( array_intersect_key( $watched, $changed ), $changed ), $watched );
		$changes = array_diff( $new, array_intersect_key( $old, $watched ) );
		foreach ( $changes as $column => $value ) {
			do_action( "wu_transition_domain_{$column}", $old[ $column ], $value, $id );
		}
	}
}
