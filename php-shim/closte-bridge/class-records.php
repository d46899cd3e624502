<?php
/**
 * Creates the domain records of new sites.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Ultimate Multisite 2.4 and later create the record themselves. Otherwise it is created at the end of the request or of a
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
	 * Remember a new site.
	 *
	 * @param int $blog_id The site.
	 */
	public static function expect( $blog_id ) {
		self::$sites[ (int) $blog_id ] = true;
	}

	/**
	 * Do not create a record for a site in this request.
	 *
	 * @param int $blog_id The site.
	 */
	public static function decline( $blog_id ) {
		self::$sites[ (int) $blog_id ] = false;
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
			run( 'Records', 'make', array( $site ) ); // If this fails, the next sync creates it.
		}
	}

	/**
	 * Create a site's record unless it exists or must not exist.
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
		if ( self::of( $blog_id ) || ( \function_exists( 'wu_get_domain_by_domain' ) && \wu_get_domain_by_domain( $site->domain ) ) ) {
			return 'there';
		}
		if ( ! self::may_have_one( $site ) ) {
			return 'unwanted';
		}
		if ( self::is_mapped( $site ) ) {
			return 'there';
		}
		if ( ! $really ) {
			return 'missing';
		}
		$made = self::create( $site );
		if ( \is_wp_error( $made ) ) {
			return 'refused ' . \preg_replace( '/[^a-z0-9_-]/i', '', (string) $made->get_error_code() );
		}
		return self::of( $blog_id ) ? 'made' : 'refused';
	}

	/**
	 * Find a site's record.
	 *
	 * @param int $blog_id The site.
	 * @return object|null One of its mappings.
	 */
	public static function of( $blog_id ) {
		$there = \wu_get_domains(
			array(
				'blog_id' => (int) $blog_id,
				'number'  => 1,
			)
		);
		return \is_array( $there ) && $there ? \reset( $there ) : null;
	}

	/**
	 * Return whether the tables have a row for a site or its domain. An object cache does not know rows that were inserted
	 * by SQL, and a second row would be a second primary domain.
	 *
	 * @param \WP_Site $site The site.
	 * @return bool
	 */
	private static function is_mapped( $site ) {
		global $wpdb;
		// Ultimate Multisite 2.14.2 has another table on a secondary network.
		$like = $wpdb->esc_like( $wpdb->base_prefix . 'wu_' ) . '%' . $wpdb->esc_like( 'domain_mappings' );
		foreach ( (array) $wpdb->get_col( $wpdb->prepare( 'SHOW TABLES LIKE %s', $like ) ) as $table ) { // phpcs:ignore WordPress.DB -- a cache may be stale.
			if ( \preg_match( '/^\w+$/D', $table ) && $wpdb->get_var( $wpdb->prepare( "SELECT 1 FROM $table WHERE blog_id = %d OR domain = %s LIMIT 1", $site->blog_id, $site->domain ) ) ) { // phpcs:ignore WordPress.DB -- the same.
				return true;
			}
		}
		return false;
	}

	/**
	 * Create the record with Ultimate Multisite's own function for sites, or else its function for domains.
	 *
	 * @param \WP_Site $site The site.
	 * @return mixed The mapping, or a WP_Error.
	 */
	private static function create( $site ) {
		$class   = '\WP_Ultimo\Managers\Domain_Manager';
		$manager = \class_exists( $class, false ) ? $class::get_instance() : null;
		if ( \is_callable( array( $manager, 'create_domain_record_for_site' ) ) ) {
			return $manager->create_domain_record_for_site( $site );
		}
		return \wu_create_domain(
			array(
				'blog_id'        => (int) $site->blog_id,
				'domain'         => $site->domain,
				'active'         => true,
				'primary_domain' => true,
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
		return self::is_allowed( $site );
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
