<?php
/**
 * What this web process serves, and what it cached of it.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * The content of the signed routes: each method gets the request's document and returns the answer's.
 */
final class Served {

	/** Most domains, sites or options of one request. */
	const MOST = 500;

	/** The cache group of closte-bridge. */
	const GROUP = 'closte_bridge';

	/**
	 * Return which site this process serves for the host asked.
	 *
	 * @return array
	 */
	public static function site() {
		$site = \get_site();
		return array(
			'blog_id'    => (int) \get_current_blog_id(),
			'network_id' => (int) \get_current_network_id(),
			'main'       => \is_main_site(),
			'state'      => self::state( $site ),
			'mapping'    => self::mapping(),
			'primary'    => self::primary( (int) \get_current_blog_id() ),
			'cache'      => self::cache_id(),
		);
	}

	/**
	 * Return why a site is not public.
	 *
	 * @param mixed $site A WP_Site.
	 * @return string `archived`, `spam` or `deleted`; '' if none of them.
	 */
	private static function state( $site ) {
		foreach ( array( 'archived', 'spam', 'deleted' ) as $flag ) {
			if ( ! empty( $site->$flag ) ) {
				return $flag;
			}
		}
		return '';
	}

	/**
	 * Return the mapping that Ultimate Multisite uses in this request, as it is in its cache.
	 *
	 * @return array|null
	 */
	private static function mapping() {
		$class   = '\WP_Ultimo\Domain_Mapping';
		$mapper  = \did_action( 'wu_domain_mapping_load' ) && \class_exists( $class, false ) ? $class::get_instance() : null;
		$mapping = $mapper && isset( $mapper->current_mapping ) ? $mapper->current_mapping : null;
		if ( ! \is_object( $mapping ) || ! \method_exists( $mapping, 'get_domain' ) ) {
			return null;
		}
		return array(
			'domain'  => (string) $mapping->get_domain(),
			'blog_id' => (int) $mapping->get_blog_id(),
			'stage'   => (string) $mapping->get_stage(),
			'active'  => (bool) $mapping->is_active(),
			'secure'  => (bool) $mapping->is_secure(),
		);
	}

	/**
	 * Return the primary domain of a site, to which Ultimate Multisite redirects visitors.
	 *
	 * @param int $blog_id The site.
	 * @return string|null
	 */
	private static function primary( $blog_id ) {
		global $wpdb;
		$suppressed = $wpdb->suppress_errors( true );
		$sql        = "SELECT domain FROM {$wpdb->base_prefix}wu_domain_mappings WHERE blog_id = %d AND primary_domain = 1 AND active = 1 AND stage IN ('done', 'done-without-ssl') ORDER BY id LIMIT 1";
		$domain     = $wpdb->get_var( $wpdb->prepare( $sql, $blog_id ) ); // phpcs:ignore WordPress.DB -- prepared.
		$wpdb->suppress_errors( $suppressed );
		return \is_string( $domain ) ? $domain : null;
	}

	/**
	 * Return the newest event of this network that the engine has not fetched.
	 *
	 * @return array
	 */
	public static function pulse() {
		global $wpdb;
		$suppressed = $wpdb->suppress_errors( true );
		$newest     = $wpdb->get_var( $wpdb->prepare( "SELECT MAX(id) FROM {$wpdb->base_prefix}closte_bridge_events WHERE network_id = %d", \get_current_network_id() ) ); // phpcs:ignore WordPress.DB -- the shim's own table.
		$wpdb->suppress_errors( $suppressed );
		return array( 'newest' => (int) $newest );
	}

	/**
	 * Return the ID of the object cache that this process uses: web servers with the same one share it.
	 *
	 * @return string '' if it does not outlive a request.
	 */
	public static function cache_id() {
		if ( ! \wp_using_ext_object_cache() ) {
			return '';
		}
		\wp_cache_add_global_groups( array( self::GROUP ) );
		$id = \wp_cache_get( 'id', self::GROUP );
		if ( ! \is_string( $id ) || ! \preg_match( '/^[0-9a-f]{16}$/D', $id ) ) {
			\wp_cache_add( 'id', \bin2hex( \random_bytes( 8 ) ), self::GROUP );
			// Another process may have been first.
			$id = \wp_cache_get( 'id', self::GROUP );
		}
		return \is_string( $id ) ? $id : '';
	}

	/**
	 * Drop what is cached of domains, sites and network options, and nothing else.
	 *
	 * @param array $request `domains`, `sites` and `options`: lists; each may be missing.
	 * @return array The number of each, and the ID of the cache.
	 */
	public static function refresh( array $request ) {
		$domains = self::of( $request, 'domains', '/^[a-z0-9*._-]{1,253}$/D' );
		$sites   = self::of( $request, 'sites', '/^[1-9]\d{0,18}$/D' );
		$options = self::of( $request, 'options', '/^[\w:-]{1,191}$/D' );
		self::drop_domains( $domains );
		self::drop_sites( \array_map( 'intval', $sites ) );
		self::drop_options( $options );
		return array(
			'domains' => \count( $domains ),
			'sites'   => \count( $sites ),
			'options' => \count( $options ),
			'cache'   => self::cache_id(),
		);
	}

	/**
	 * Return the valid items of a list.
	 *
	 * @param array  $request The request.
	 * @param string $name    The list.
	 * @param string $shape   A pattern for its items.
	 * @return array Texts.
	 */
	private static function of( array $request, $name, $shape ) {
		$list = isset( $request[ $name ] ) && \is_array( $request[ $name ] ) ? \array_filter( $request[ $name ], 'is_scalar' ) : array();
		return \array_slice( \array_values( \array_unique( \preg_grep( $shape, \array_map( 'strval', $list ) ) ) ), 0, self::MOST );
	}

	/**
	 * Drop the mappings of domains and of their `www.` forms, which Ultimate Multisite looks up together.
	 *
	 * @param array $domains Domains.
	 */
	private static function drop_domains( array $domains ) {
		if ( ! $domains ) {
			return;
		}
		\wp_cache_add_global_groups( array( 'domain_mappings', 'wu-domains' ) );
		$both = array();
		foreach ( $domains as $domain ) {
			$bare = 0 === \strpos( $domain, 'www.' ) ? \substr( $domain, 4 ) : $domain;
			\array_push( $both, $bare, "www.$bare" );
		}
		$both = \array_unique( $both );
		$rows = self::rows( $both );
		foreach ( $both as $domain ) {
			// A row that is gone or moved is known only to the cache.
			$cached = \wp_cache_get( "domain:$domain", 'domain_mappings' );
			$rows[] = \is_object( $cached ) ? $cached : null;
			\wp_cache_delete( "domain:$domain", 'domain_mappings' );
		}
		foreach ( \array_filter( $rows ) as $row ) {
			if ( isset( $row->id, $row->blog_id ) ) {
				\wp_cache_delete( (int) $row->id, 'wu-domains' );
				self::drop_mappings_of( (int) $row->blog_id );
			}
		}
		\wp_cache_set( 'last_changed', \microtime(), 'wu-domains' );
	}

	/**
	 * Read the mappings of domains.
	 *
	 * @param array $domains Domains.
	 * @return array Rows.
	 */
	private static function rows( array $domains ) {
		global $wpdb;
		$suppressed = $wpdb->suppress_errors( true );
		$marks      = \implode( ', ', \array_fill( 0, \count( $domains ), '%s' ) );
		$rows       = $wpdb->get_results( $wpdb->prepare( "SELECT id, blog_id FROM {$wpdb->base_prefix}wu_domain_mappings WHERE domain IN ($marks)", ...\array_values( $domains ) ) ); // phpcs:ignore WordPress.DB -- prepared.
		$wpdb->suppress_errors( $suppressed );
		return \is_array( $rows ) ? $rows : array();
	}

	/**
	 * Drop the list of a site's mappings. Ultimate Multisite caches it for each site that asks: itself and the main site.
	 *
	 * @param int $blog_id The site.
	 */
	private static function drop_mappings_of( $blog_id ) {
		$here = (int) \get_current_blog_id();
		foreach ( \array_unique( array( $here, (int) \get_main_site_id(), $blog_id ) ) as $asking ) {
			\wp_cache_switch_to_blog( $asking );
			\wp_cache_delete( "id:$blog_id", 'domain_mapping' );
		}
		\wp_cache_switch_to_blog( $here );
	}

	/**
	 * Drop sites.
	 *
	 * @param array $sites IDs.
	 */
	private static function drop_sites( array $sites ) {
		\wp_cache_add_global_groups( array( 'wu-sites' ) );
		foreach ( $sites as $blog_id ) {
			\clean_blog_cache( $blog_id );
			\wp_cache_delete( $blog_id, 'wu-sites' );
		}
		if ( $sites ) {
			\wp_cache_set( 'last_changed', \microtime(), 'wu-sites' );
		}
	}

	/**
	 * Drop options of this network, also if they are cached as missing.
	 *
	 * @param array $options Names.
	 */
	private static function drop_options( array $options ) {
		$id = \get_current_network_id();
		foreach ( $options as $option ) {
			\wp_cache_delete( "$id:$option", 'site-options' );
		}
		$missing = $options ? \wp_cache_get( "$id:notoptions", 'site-options' ) : null;
		if ( \is_array( $missing ) && \array_intersect_key( $missing, \array_flip( $options ) ) ) {
			\wp_cache_set( "$id:notoptions", \array_diff_key( $missing, \array_flip( $options ) ), 'site-options' );
		}
	}
}
