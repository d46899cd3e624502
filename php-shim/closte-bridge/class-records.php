<?php
/**
 * Creates the domain records of new sites.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * A site's record is the mapping of its address, whatever other mappings it has. Ultimate Multisite 2.4 and later create it
 * with the site, but not for a new address of the site. Otherwise it is created at the end of the request or of a
 * duplication, never while a site is still being copied.
 */
final class Records {

	/**
	 * The sites of this request that need a record (true) or must not get one (false).
	 *
	 * @var array
	 */
	private static $sites = array();

	/**
	 * The domains whose mappings were deleted or renamed in this request, as keys, by site.
	 *
	 * @var array
	 */
	private static $removed = array();

	/**
	 * Remember a new site.
	 *
	 * @param int $blog_id The site.
	 */
	public static function expect( $blog_id ) {
		self::$sites[ (int) $blog_id ] = true;
	}

	/**
	 * Remember a site with a new address, unless closte-bridge is paused or has no owner: Ultimate Multisite itself would
	 * create nothing.
	 *
	 * @param \WP_Site $site The site.
	 */
	public static function expect_moved( $site ) {
		$id = (int) $site->blog_id;
		unset( self::$removed[ $id ][ \strtolower( $site->domain ) ] );
		if ( ! isset( self::$sites[ $id ] ) && self::is_on( (int) $site->network_id ) ) {
			self::expect( $id );
		}
	}

	/**
	 * Return whether a network has an owner, the Closte integration and domain mapping.
	 *
	 * @param int $network_id The network.
	 * @return bool
	 */
	private static function is_on( $network_id ) {
		$integrations = \get_network_option( $network_id, 'wu_host_integrations_enabled' );
		$settings     = \get_network_option( $network_id, 'wp-ultimo_v2_settings' );
		$mapping      = \is_array( $settings ) && isset( $settings['enable_domain_mapping'] ) ? $settings['enable_domain_mapping'] : true;
		$owner        = run( 'Owner', 'owner', array( $network_id ) );
		return $mapping && \is_array( $integrations ) && ! empty( $integrations['closte'] ) && \is_string( $owner ) && '' !== $owner;
	}

	/**
	 * Do not create a record for a new site in this request.
	 *
	 * @param int $blog_id The site.
	 */
	public static function decline( $blog_id ) {
		self::$sites[ (int) $blog_id ] = false;
	}

	/**
	 * Do not create a record again that was deleted or renamed in this request.
	 *
	 * @param int    $blog_id The site.
	 * @param string $domain  The domain of the record.
	 */
	public static function removed( $blog_id, $domain ) {
		self::$removed[ (int) $blog_id ][ \strtolower( (string) $domain ) ] = true;
	}

	/**
	 * Return whether the record of a site's address was deleted or renamed in this request.
	 *
	 * @param int $blog_id The site.
	 * @return bool
	 */
	private static function was_removed( $blog_id ) {
		$site = isset( self::$removed[ $blog_id ] ) ? \get_site( $blog_id ) : null;
		return $site && isset( self::$removed[ $blog_id ][ \strtolower( $site->domain ) ] );
	}

	/**
	 * Create the missing records.
	 *
	 * @param int|null $blog_id Only for this site; null for all.
	 */
	public static function settle( $blog_id = null ) {
		if ( null === $blog_id ) {
			$sites       = self::$sites;
			self::$sites = array();
		} else {
			$wanted = isset( self::$sites[ (int) $blog_id ] ) ? self::$sites[ (int) $blog_id ] : true;
			$sites  = array( (int) $blog_id => $wanted );
			if ( $wanted ) {
				unset( self::$sites[ (int) $blog_id ] );
			}
		}
		foreach ( \array_keys( \array_filter( $sites ) ) as $site ) {
			if ( ! self::was_removed( $site ) ) {
				run( 'Records', 'make', array( $site ) ); // If this fails, the next sync creates it.
			}
		}
		if ( null === $blog_id ) {
			self::$removed = array();
		}
	}

	/**
	 * Create a site's record unless it exists or must not exist. It becomes primary only if the site has no other mapping.
	 *
	 * @param int  $blog_id The site.
	 * @param bool $really  Whether to create it, or only return what would be done.
	 * @return string `made`, `missing` (it would be created), `there`, `unwanted`, `gone`, `inactive` (Ultimate Multisite is not
	 *                active), or `refused` with the code of its error.
	 */
	public static function make( $blog_id, $really = true ) {
		if ( ! \function_exists( 'wu_create_domain' ) || ! \function_exists( 'wu_get_domains' ) ) {
			return 'inactive';
		}
		if ( ! \get_network_option( null, 'wu_setup_finished' ) ) {
			return 'inactive';
		}
		$site = \get_site( $blog_id );
		if ( ! $site ) {
			return 'gone';
		}
		if ( self::of( $site ) || ( \function_exists( 'wu_get_domain_by_domain' ) && \wu_get_domain_by_domain( $site->domain ) ) ) {
			return 'there';
		}
		if ( ! self::may_have_one( $site ) ) {
			return 'unwanted';
		}
		if ( self::has_row( 'domain', $site->domain ) ) {
			return 'there';
		}
		if ( ! $really ) {
			return 'missing';
		}
		$made = self::create( $site );
		if ( \is_wp_error( $made ) ) {
			return 'refused ' . \preg_replace( '/[^a-z0-9_-]/i', '', (string) $made->get_error_code() );
		}
		return self::of( $site ) ? 'made' : 'refused';
	}

	/**
	 * Find a site's record.
	 *
	 * @param \WP_Site $site The site.
	 * @return object|null The mapping of its address.
	 */
	public static function of( $site ) {
		return self::mapping(
			array(
				'blog_id' => (int) $site->blog_id,
				'domain'  => $site->domain,
			)
		);
	}

	/**
	 * Find a mapping.
	 *
	 * @param array $query Its columns.
	 * @return object|null
	 */
	private static function mapping( array $query ) {
		$there = \wu_get_domains( $query + array( 'number' => 1 ) );
		return \is_array( $there ) && $there ? \reset( $there ) : null;
	}

	/**
	 * Return whether the tables have a row for a domain or a site. An object cache does not know rows that were inserted by
	 * SQL, and would allow a second row or a second primary domain.
	 *
	 * @param string     $column `domain` or `blog_id`.
	 * @param string|int $value  The domain or the site.
	 * @return bool
	 */
	private static function has_row( $column, $value ) {
		global $wpdb;
		// Ultimate Multisite 2.14.2 has another table on a secondary network.
		$like = $wpdb->esc_like( $wpdb->base_prefix . 'wu_' ) . '%' . $wpdb->esc_like( 'domain_mappings' );
		foreach ( (array) $wpdb->get_col( $wpdb->prepare( 'SHOW TABLES LIKE %s', $like ) ) as $table ) { // phpcs:ignore WordPress.DB -- a cache may be stale.
			if ( \preg_match( '/^\w+$/D', $table ) && $wpdb->get_var( $wpdb->prepare( "SELECT 1 FROM $table WHERE $column = %s LIMIT 1", $value ) ) ) { // phpcs:ignore WordPress.DB -- the same.
				return true;
			}
		}
		return false;
	}

	/**
	 * Create the record. The first mapping of a site is created with Ultimate Multisite's own function for sites, if it has
	 * one. That function returns any existing mapping instead, and a second primary domain would redirect visitors.
	 *
	 * @param \WP_Site $site The site.
	 * @return mixed The mapping, or a WP_Error.
	 */
	private static function create( $site ) {
		$first   = ! self::mapping( array( 'blog_id' => (int) $site->blog_id ) ) && ! self::has_row( 'blog_id', (int) $site->blog_id );
		$class   = '\WP_Ultimo\Managers\Domain_Manager';
		$manager = \class_exists( $class, false ) ? $class::get_instance() : null;
		if ( $first && \is_callable( array( $manager, 'create_domain_record_for_site' ) ) ) {
			return $manager->create_domain_record_for_site( $site );
		}
		return \wu_create_domain(
			array(
				'blog_id'        => (int) $site->blog_id,
				'domain'         => $site->domain,
				'active'         => true,
				'primary_domain' => $first,
				'secure'         => false,
				'stage'          => 'checking-dns',
			)
		);
	}

	/**
	 * Return whether a site may have a record: its domain is not shared, and no plugin refuses one.
	 *
	 * @param \WP_Site $site The site.
	 * @return bool
	 */
	private static function may_have_one( $site ) {
		$network = \get_network( (int) $site->network_id );
		if ( ! $network || \is_main_site( (int) $site->blog_id, (int) $site->network_id ) || $site->path !== $network->path ) {
			return false;
		}
		$class   = '\WP_Ultimo\Managers\Domain_Manager';
		$manager = \class_exists( $class, false ) ? $class::get_instance() : null;
		$shared  = \is_callable( array( $manager, 'is_network_base_domain' ) ) && $manager->is_network_base_domain( $site->domain );
		$bases   = (array) \apply_filters( 'wu_checkout_form_base_domains', array() ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals -- a hook of Ultimate Multisite.
		$bases[] = $network->domain;
		if ( $shared || \in_array( self::bare( $site->domain ), \array_map( array( __CLASS__, 'bare' ), $bases ), true ) ) {
			return false;
		}
		return ! self::shares_domain( $site ) && self::is_allowed( $site );
	}

	/**
	 * Return whether another site has the same domain with another path. A record would send its visitors to this site.
	 *
	 * @param \WP_Site $site The site.
	 * @return bool
	 */
	private static function shares_domain( $site ) {
		$others = \get_sites(
			array(
				'domain'       => $site->domain,
				'site__not_in' => array( (int) $site->blog_id ),
				'number'       => 1,
				'count'        => true,
			)
		);
		return $others > 0;
	}

	/**
	 * Return whether a site's record is allowed by the filter that Ultimate Multisite has since 2.12.1.
	 *
	 * @param \WP_Site $site The site.
	 * @return bool
	 */
	public static function is_allowed( $site ) {
		return (bool) \apply_filters( 'wu_should_create_domain_record_for_site', true, $site ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals -- a hook of Ultimate Multisite.
	}

	/**
	 * Normalize a domain for comparison.
	 *
	 * @param mixed $domain A domain, or a URL.
	 * @return string Lower case, without scheme, port, path, trailing dot and `www.`.
	 */
	public static function bare( $domain ) {
		$domain = \strtolower( \trim( \is_scalar( $domain ) ? (string) $domain : '' ) );
		$domain = (string) \preg_replace( array( '#^[a-z]+://#', '#[/:].*$#s', '#\.$#', '#^www\.#' ), '', $domain );
		return $domain;
	}
}
