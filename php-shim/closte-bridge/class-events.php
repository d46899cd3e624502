<?php
/**
 * Collects what happened in this request, and hands it to the engine at its end.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * One insert at the end of a request that had events. They are hints with a reason: the engine looks for itself.
 */
final class Events {

	/** More than this, and one row says *everything*. */
	const MOST_ROWS  = 1000;
	const MOST_BYTES = 262144;

	/** A name that is longer is none, and would be cut into another one. */
	const LONGEST_NAME   = 253;
	const LONGEST_DETAIL = 2000;

	/** So many rows are kept when nobody fetches them. */
	const KEPT = 50000;

	/**
	 * The rows, by what makes them differ: kind, blog_id, domain, detail.
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
	 * A mapping got a name, or another one.
	 *
	 * @param mixed $before The old name, or `new`.
	 * @param mixed $name   The new name.
	 * @param mixed $id     The mapping.
	 */
	public static function domain_changed( $before, $name = '', $id = 0 ) {
		if ( $before === $name || ! \is_scalar( $before ) || ! \is_scalar( $name ) ) {
			return;
		}
		$detail = 'new' === $before ? array() : array( 'from' => (string) $before );
		$key    = self::add( $detail ? 'mapping_renamed' : 'mapping_added', 0, $name, $detail );
		if ( null !== $key ) {
			self::$siteless[ (int) $id ][] = $key;
		}
	}

	/**
	 * A mapping was saved: now its site is known.
	 *
	 * @param mixed $data   Its columns.
	 * @param mixed $domain The mapping.
	 */
	public static function domain_saved( $data, $domain = null ) {
		if ( ! \is_object( $domain ) || ! self::$siteless || ! isset( self::$siteless[ (int) $domain->get_id() ] ) ) {
			return;
		}
		foreach ( self::$siteless[ (int) $domain->get_id() ] as $key ) {
			if ( isset( self::$rows[ $key ] ) ) {
				self::$rows[ $key ]['blog_id'] = (int) $domain->get_blog_id();
			}
		}
		unset( self::$siteless[ (int) $domain->get_id() ] );
	}

	/**
	 * A mapping was deleted.
	 *
	 * @param mixed $result Whether it was.
	 * @param mixed $domain The mapping.
	 */
	public static function domain_deleted( $result, $domain = null ) {
		if ( $result && ! \is_wp_error( $result ) && \is_object( $domain ) ) {
			self::add( 'mapping_removed', $domain->get_blog_id(), $domain->get_domain() );
		}
	}

	/**
	 * A stage was changed by a person, not by the checks of Ultimate Multisite.
	 *
	 * @param mixed $before The old stage, or `new`.
	 * @param mixed $stage  The new one.
	 * @param mixed $id     The mapping.
	 */
	public static function stage_changed( $before, $stage = '', $id = 0 ) {
		if ( ! \is_scalar( $before ) || ! \is_scalar( $stage ) || 'new' === $before || $before === $stage || \doing_action( 'wu_async_process_domain_stage' ) ) {
			return;
		}
		$mapping = \function_exists( 'wu_get_domain' ) ? \wu_get_domain( (int) $id ) : null;
		if ( $mapping ) {
			$detail = array(
				'from' => \substr( (string) $before, 0, 40 ),
				'to'   => \substr( (string) $stage, 0, 40 ),
			);
			self::add( 'stage_changed', $mapping->get_blog_id(), $mapping->get_domain(), $detail );
		}
	}

	/**
	 * A site was created.
	 *
	 * @param mixed $site A WP_Site.
	 */
	public static function site_created( $site ) {
		if ( $site instanceof \WP_Site ) {
			self::add( 'site_created', $site->blog_id, $site->domain );
			if ( ! self::is_silent() ) {
				run( 'Records', 'expect', array( (int) $site->blog_id ) );
			}
		}
	}

	/**
	 * A site was duplicated, and the copy is complete.
	 *
	 * @param mixed $copy `site_id`, and since some release `from_site_id`.
	 */
	public static function site_duplicated( $copy ) {
		// For 0 there would be the current site.
		$id   = \is_array( $copy ) && isset( $copy['site_id'] ) ? (int) $copy['site_id'] : 0;
		$site = $id > 0 ? \get_site( $id ) : null;
		if ( $site ) {
			$from = isset( $copy['from_site_id'] ) ? array( 'from' => (int) $copy['from_site_id'] ) : array();
			self::add( 'site_duplicated', $site->blog_id, $site->domain, $from );
			if ( ! self::is_silent() ) {
				run( 'Records', 'settle', array( (int) $site->blog_id ) );
			}
		}
	}

	/**
	 * A site was deleted: with it, those of its names were given up that have no row at the end of the request.
	 *
	 * @param mixed $site The WP_Site that was.
	 */
	public static function site_deleted( $site ) {
		if ( ! $site instanceof \WP_Site ) {
			return;
		}
		$names = \array_merge( array( $site->domain ), self::mapped_to( $site->blog_id ) );
		// One odd name must not spoil the evidence of the others.
		$names = \array_filter( \array_unique( $names ), array( __CLASS__, 'is_name' ) );
		foreach ( $names ? \array_chunk( $names, 7 ) : array( array() ) as $some ) {
			self::add( 'site_deleted', $site->blog_id, $site->domain, array( 'domains' => $some ) );
		}
	}

	/**
	 * Return the names that have a row for a site.
	 *
	 * @param mixed $blog_id The site.
	 * @return array
	 */
	private static function mapped_to( $blog_id ) {
		$query    = array(
			'blog_id' => (int) $blog_id,
			'number'  => self::MOST_ROWS,
		);
		$mappings = \function_exists( 'wu_get_domains' ) ? \wu_get_domains( $query ) : array();
		$names    = array();
		foreach ( \is_array( $mappings ) ? $mappings : array() as $mapping ) {
			$names[] = $mapping->get_domain();
		}
		return $names;
	}

	/**
	 * Leave out of deleted sites what they still have rows for: Ultimate Multisite keeps them, so that those names were
	 * not given up. Whoever deletes such a row later says so then.
	 *
	 * @param array $rows The events of this request.
	 * @return array
	 */
	public static function given_up( array $rows ) {
		$standing = array();
		foreach ( $rows as $key => $row ) {
			if ( 'site_deleted' !== $row['kind'] ) {
				continue;
			}
			$site  = $row['blog_id'];
			$first = ! isset( $standing[ $site ] );
			if ( $first ) {
				$standing[ $site ] = self::mapped_to( $site );
			}
			$detail = \json_decode( $row['detail'], true );
			$names  = \array_values( \array_udiff( $detail['domains'], $standing[ $site ], 'strcasecmp' ) );
			if ( ! $names && ! $first ) {
				unset( $rows[ $key ] );
				continue;
			}
			$rows[ $key ]['detail'] = (string) \wp_json_encode( array( 'domains' => $names ), JSON_UNESCAPED_SLASHES );
		}
		return $rows;
	}

	/**
	 * A site was archived, marked as spam or deactivated.
	 *
	 * @param mixed $blog_id The site.
	 */
	public static function site_archived( $blog_id ) {
		self::site_changed( 'site_archived', $blog_id );
	}

	/**
	 * A site is back.
	 *
	 * @param mixed $blog_id The site.
	 */
	public static function site_restored( $blog_id ) {
		self::site_changed( 'site_restored', $blog_id );
	}

	/**
	 * Note what happened to a site.
	 *
	 * @param string $kind    The event.
	 * @param mixed  $blog_id The site.
	 */
	private static function site_changed( $kind, $blog_id ) {
		$site = (int) $blog_id > 0 ? \get_site( (int) $blog_id ) : null;
		self::add( $kind, $blog_id, $site ? $site->domain : '' );
	}

	/**
	 * An option that concerns us was added.
	 *
	 * @param mixed $option     Its name.
	 * @param mixed $value      Its value.
	 * @param mixed $network_id The network.
	 */
	public static function option_added( $option, $value = null, $network_id = 0 ) {
		self::option_updated( $option, $value, null, $network_id );
	}

	/**
	 * An option that concerns us was deleted.
	 *
	 * @param mixed $option     Its name.
	 * @param mixed $network_id The network.
	 */
	public static function option_deleted( $option, $network_id = 0 ) {
		self::option_updated( $option, null, array( 'closte' => true ), $network_id );
	}

	/**
	 * An option that concerns us has another value. Only its name leaves this place.
	 *
	 * @param mixed $option     Its name.
	 * @param mixed $value      The new value.
	 * @param mixed $before     The old value.
	 * @param mixed $network_id The network.
	 */
	public static function option_updated( $option, $value = null, $before = null, $network_id = 0 ) {
		$network_id = (int) $network_id;
		if ( 'wu_host_integrations_enabled' === $option ) {
			$on  = \is_array( $value ) && ! empty( $value['closte'] );
			$was = \is_array( $before ) && ! empty( $before['closte'] );
			if ( $on !== $was ) {
				self::add( 'toggle_changed', 0, '', array( 'enabled' => $on ), $network_id );
			}
			return;
		}
		if ( 'wp-ultimo_v2_settings' === $option ) {
			$ours    = \array_flip( array( 'enable_domain_mapping', 'dns_check_interval', 'auto_create_www_subdomain' ) );
			$value   = \array_intersect_key( \is_array( $value ) ? $value : array(), $ours );
			$before  = \array_intersect_key( \is_array( $before ) ? $before : array(), $ours );
			$changed = array();
			foreach ( \array_keys( $ours ) as $key ) {
				if ( ( isset( $value[ $key ] ) ? $value[ $key ] : null ) !== ( isset( $before[ $key ] ) ? $before[ $key ] : null ) ) {
					$changed[] = $key;
				}
			}
			if ( $changed ) {
				self::add( 'settings_changed', 0, '', array( 'settings' => $changed ), $network_id );
			}
			return;
		}
		self::add( 'settings_changed', 0, '', array( 'settings' => array( 'api_key' ) ), $network_id );
	}

	/**
	 * Collect one event.
	 *
	 * @param string $kind       What happened.
	 * @param mixed  $blog_id    To which site.
	 * @param mixed  $domain     To which name.
	 * @param array  $detail     More of it.
	 * @param int    $network_id The network; 0 for that of the site.
	 * @return string|null The key of its row, or null when it was not kept.
	 */
	private static function add( $kind, $blog_id, $domain, array $detail = array(), $network_id = 0 ) {
		if ( self::is_silent() ) {
			return null;
		}
		$blog_id = (int) $blog_id;
		$domain  = \is_scalar( $domain ) ? (string) $domain : '';
		$text    = $detail ? (string) \wp_json_encode( $detail, JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES ) : '';
		if ( \strlen( $domain ) > self::LONGEST_NAME || \strlen( $text ) > self::LONGEST_DETAIL ) {
			list( $kind, $domain, $text ) = array( 'everything', '', '' );
		}
		$key = $kind . "\0" . $blog_id . "\0" . $domain . "\0" . $text;
		if ( ! isset( self::$rows[ $key ] ) && \count( self::$rows ) <= self::MOST_ROWS && self::$bytes <= self::MOST_BYTES ) {
			self::$bytes       += \strlen( $key ) + 100;
			self::$rows[ $key ] = array(
				'network_id' => $network_id,
				'created_at' => \time(),
				'kind'       => $kind,
				'blog_id'    => $blog_id,
				'domain'     => $domain,
				'detail'     => $text,
			);
		}
		self::expect_the_end();
		return $key;
	}

	/**
	 * Have `finish` called at the end of the request.
	 */
	private static function expect_the_end() {
		if ( self::$expected ) {
			return;
		}
		self::$expected = true;
		if ( \did_action( 'shutdown' ) && ! \doing_action( 'shutdown' ) ) {
			\register_shutdown_function( __NAMESPACE__ . '\run', 'Events', 'finish' );
			return;
		}
		lead( 'shutdown', 'Events', 'finish', \PHP_INT_MAX, 0 );
	}

	/**
	 * At the end of the request: make the records that are missing, write the events, wake the engine.
	 */
	public static function finish() {
		run( 'Records', 'settle' );
		$rows           = self::$rows;
		$too_many       = \count( $rows ) > self::MOST_ROWS || self::$bytes > self::MOST_BYTES;
		self::$rows     = array();
		self::$siteless = array();
		self::$bytes    = 0;
		self::$expected = false;
		// Nobody would fetch them: a network without an owner gets no rows.
		if ( ! $rows || '' === run( 'Charge', 'owner' ) ) {
			return;
		}
		if ( $too_many ) {
			$row  = \reset( $rows );
			$rows = array( \array_merge( $row, array( 'kind' => 'everything', 'blog_id' => 0, 'domain' => '', 'detail' => '' ) ) ); // phpcs:ignore WordPress.Arrays.ArrayDeclarationSpacing -- one row.
		}
		if ( self::write( run( 'Events', 'given_up', array( $rows ) ) ) ) {
			run( 'Wake', 'engine' );
		}
	}

	/**
	 * Write the rows with one statement.
	 *
	 * @param array $rows What to write.
	 * @return bool Whether the database took them.
	 */
	private static function write( array $rows ) {
		global $wpdb;
		$table   = $wpdb->base_prefix . 'closte_bridge_events';
		$current = \get_current_network_id();
		$values  = array();
		foreach ( $rows as $row ) {
			$site     = ! $row['network_id'] && $row['blog_id'] ? \get_site( $row['blog_id'] ) : null;
			$network  = $row['network_id'] ? $row['network_id'] : ( $site ? (int) $site->network_id : $current );
			$domain   = \wp_check_invalid_utf8( $row['domain'], true );
			$values[] = $wpdb->prepare(
				'(%d, %s, %d, %s, %d, %s, %s)',
				$network,
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
		$last    = (int) $wpdb->insert_id;
		if ( $written && $last > self::KEPT && $last % 500 < \count( $rows ) ) {
			$wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE id <= %d", $last - self::KEPT ) ); // phpcs:ignore WordPress.DB -- our own table.
		}
		$wpdb->suppress_errors( $suppressed );
		return (bool) $written;
	}

	/**
	 * Tell whether a text can be a domain at all.
	 *
	 * @param mixed $name The text.
	 * @return bool
	 */
	public static function is_name( $name ) {
		return \is_string( $name ) && \strlen( $name ) <= self::LONGEST_NAME && \preg_match( '/^[a-z0-9_*-]+(\.[a-z0-9_-]+)+$/iD', $name );
	}

	/**
	 * Tell whether this is the engine's own call: it knows what it does.
	 *
	 * @return bool
	 */
	private static function is_silent() {
		return \defined( 'CLOSTE_BRIDGE_ENGINE' );
	}
}
