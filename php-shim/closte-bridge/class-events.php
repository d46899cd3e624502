<?php
/**
 * Translates hooks into events of a site and a domain.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Hook callbacks. Events are hints; the engine always checks the current state itself.
 */
final class Events {

	/** Longest valid domain. */
	const LONGEST_DOMAIN = 253;

	/** Maximum number of domains to read for a site. */
	const MOST_DOMAINS = 1000;

	/** The settings of Ultimate Multisite that the engine reads. */
	const SETTINGS = array( 'enable_domain_mapping', 'dns_check_interval', 'auto_create_www_subdomain' );

	/**
	 * The old domains of renamed mappings whose site is not known yet, by mapping ID.
	 *
	 * @var array
	 */
	private static $renamed = array();

	/**
	 * A mapping was created, or its domain changed.
	 *
	 * @param mixed $before The old domain, or `new`.
	 * @param mixed $domain The new domain.
	 * @param mixed $id     The mapping.
	 */
	public static function domain_changed( $before, $domain = '', $id = 0 ) {
		if ( $before === $domain || ! \is_scalar( $before ) || ! \is_scalar( $domain ) ) {
			return;
		}
		$detail = 'new' === $before ? array() : array( 'from' => (string) $before );
		if ( $detail ) {
			self::$renamed[ (int) $id ] = (string) $before;
		}
		run( 'Outbox', 'add_siteless', array( (int) $id, $detail ? 'mapping_renamed' : 'mapping_added', $domain, $detail ) );
	}

	/**
	 * A mapping was saved, so that its site is known.
	 *
	 * @param mixed $data   Its columns.
	 * @param mixed $domain The mapping.
	 */
	public static function domain_saved( $data, $domain = null ) {
		if ( \is_object( $domain ) ) {
			$id      = (int) $domain->get_id();
			$blog_id = (int) $domain->get_blog_id();
			run( 'Outbox', 'site_known', array( $id, $blog_id ) );
			if ( isset( self::$renamed[ $id ] ) ) {
				// A record that is renamed in the request that created or moved its site counts as deleted.
				run( 'Records', 'removed', array( $blog_id, self::$renamed[ $id ] ) );
				unset( self::$renamed[ $id ] );
			}
		}
	}

	/**
	 * A mapping was deleted.
	 *
	 * @param mixed $result Whether it was deleted.
	 * @param mixed $domain The mapping.
	 */
	public static function domain_deleted( $result, $domain = null ) {
		if ( $result && ! \is_wp_error( $result ) && \is_object( $domain ) ) {
			self::note( 'mapping_removed', $domain->get_blog_id(), $domain->get_domain() );
			// If a site's record is deleted in the request that created or moved the site, do not create it again.
			run( 'Records', 'removed', array( (int) $domain->get_blog_id(), $domain->get_domain() ) );
		}
	}

	/**
	 * A person changed a stage; changes by Ultimate Multisite's own checks are ignored.
	 *
	 * @param mixed $before The old stage, or `new`.
	 * @param mixed $stage  The new stage.
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
			self::note( 'stage_changed', $mapping->get_blog_id(), $mapping->get_domain(), $detail );
		}
	}

	/**
	 * A site was created.
	 *
	 * @param mixed $site A WP_Site.
	 */
	public static function site_created( $site ) {
		if ( ! $site instanceof \WP_Site ) {
			return;
		}
		// Apply the filter now, as Ultimate Multisite does: a plugin may refuse a record only during the creation.
		$wanted = run( 'Records', 'is_allowed', array( $site ) );
		self::note( 'site_created', $site->blog_id, $site->domain, $wanted ? array() : array( 'record' => false ) );
		if ( ! \defined( 'CLOSTE_BRIDGE_ENGINE' ) ) {
			run( 'Records', $wanted ? 'expect' : 'decline', array( (int) $site->blog_id ) );
		}
	}

	/**
	 * A site was updated. Only a new address matters: WordPress serves it, but Ultimate Multisite changes no mapping.
	 *
	 * @param mixed $site   The WP_Site.
	 * @param mixed $before The WP_Site before the update.
	 */
	public static function site_updated( $site, $before = null ) {
		if ( ! $site instanceof \WP_Site || ! $before instanceof \WP_Site ) {
			return;
		}
		$same_network = (int) $site->network_id === (int) $before->network_id;
		if ( $same_network && $site->domain === $before->domain && $site->path === $before->path ) {
			return;
		}
		self::note( 'site_moved', $site->blog_id, $site->domain, array( 'from' => (string) $before->domain ) );
		if ( ! \defined( 'CLOSTE_BRIDGE_ENGINE' ) ) {
			run( 'Records', 'expect_moved', array( $site ) );
		}
	}

	/**
	 * A site was duplicated, and the copy is complete.
	 *
	 * @param mixed $copy `site_id`, and in newer releases `from_site_id`.
	 */
	public static function site_duplicated( $copy ) {
		// `get_site( 0 )` returns the current site.
		$id   = \is_array( $copy ) && isset( $copy['site_id'] ) ? (int) $copy['site_id'] : 0;
		$site = $id > 0 ? \get_site( $id ) : null;
		if ( $site ) {
			$from = isset( $copy['from_site_id'] ) ? array( 'from' => (int) $copy['from_site_id'] ) : array();
			self::note( 'site_duplicated', $site->blog_id, $site->domain, $from );
			if ( ! \defined( 'CLOSTE_BRIDGE_ENGINE' ) ) {
				run( 'Records', 'settle', array( (int) $site->blog_id ) );
			}
		}
	}

	/**
	 * A site was deleted. Its domains without a mapping row at the end of the request count as removed.
	 *
	 * @param mixed $site The deleted WP_Site.
	 */
	public static function site_deleted( $site ) {
		if ( ! $site instanceof \WP_Site ) {
			return;
		}
		$domains = \array_merge( array( $site->domain ), self::mapped_to( $site->blog_id ) );
		// One invalid domain must not invalidate the event of the others.
		$domains = \array_filter( \array_unique( $domains ), array( __CLASS__, 'is_domain' ) );
		foreach ( $domains ? \array_chunk( $domains, 7 ) : array( array() ) as $some ) {
			self::note( 'site_deleted', $site->blog_id, $site->domain, array( 'domains' => $some ), (int) $site->network_id );
		}
	}

	/**
	 * Return the domains that are mapped to a site.
	 *
	 * @param mixed $blog_id The site.
	 * @return array
	 */
	private static function mapped_to( $blog_id ) {
		$query    = array(
			'blog_id' => (int) $blog_id,
			'number'  => self::MOST_DOMAINS,
		);
		$mappings = \function_exists( 'wu_get_domains' ) ? \wu_get_domains( $query ) : array();
		$domains  = array();
		foreach ( \is_array( $mappings ) ? $mappings : array() as $mapping ) {
			$domains[] = $mapping->get_domain();
		}
		return $domains;
	}

	/**
	 * Remove from the events of deleted sites the domains that still have a mapping row: without domain mapping, rows stay.
	 * If such a row is deleted later, it has an event of its own.
	 *
	 * @param array $rows The events of this request.
	 * @return array
	 */
	public static function given_up( array $rows ) {
		$mapped = array();
		foreach ( $rows as $key => $row ) {
			if ( 'site_deleted' !== $row['kind'] ) {
				continue;
			}
			$site  = $row['blog_id'];
			$first = ! isset( $mapped[ $site ] );
			if ( $first ) {
				$mapped[ $site ] = self::mapped_to( $site );
			}
			$detail = \json_decode( $row['detail'], true );
			$gone   = \array_values( \array_udiff( $detail['domains'], $mapped[ $site ], 'strcasecmp' ) );
			if ( ! $gone && ! $first ) {
				unset( $rows[ $key ] );
				continue;
			}
			$rows[ $key ]['detail'] = (string) \wp_json_encode( array( 'domains' => $gone ), JSON_UNESCAPED_SLASHES );
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
	 * A site was restored.
	 *
	 * @param mixed $blog_id The site.
	 */
	public static function site_restored( $blog_id ) {
		self::site_changed( 'site_restored', $blog_id );
	}

	/**
	 * Add the event of a site.
	 *
	 * @param string $kind    The event.
	 * @param mixed  $blog_id The site.
	 */
	private static function site_changed( $kind, $blog_id ) {
		$site = (int) $blog_id > 0 ? \get_site( (int) $blog_id ) : null;
		self::note( $kind, $blog_id, $site ? $site->domain : '' );
	}

	/**
	 * A relevant option was added.
	 *
	 * @param mixed $option     Its name.
	 * @param mixed $value      Its value.
	 * @param mixed $network_id The network.
	 */
	public static function option_added( $option, $value = null, $network_id = 0 ) {
		self::option_updated( $option, $value, null, $network_id );
	}

	/**
	 * A relevant option was deleted. Its old value is unknown, so all its settings count as changed.
	 *
	 * @param mixed $option     Its name.
	 * @param mixed $network_id The network.
	 */
	public static function option_deleted( $option, $network_id = 0 ) {
		if ( 'wu_host_integrations_enabled' === $option ) {
			self::note( 'toggle_changed', 0, '', array( 'enabled' => false ), (int) $network_id );
			return;
		}
		$settings = 'wp-ultimo_v2_settings' === $option ? self::SETTINGS : array( 'api_key' );
		self::note( 'settings_changed', 0, '', array( 'settings' => $settings ), (int) $network_id );
	}

	/**
	 * A relevant option changed. The event has only its name, never its value.
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
				self::note( 'toggle_changed', 0, '', array( 'enabled' => $on ), $network_id );
			}
			return;
		}
		if ( 'wp-ultimo_v2_settings' === $option ) {
			$value   = \is_array( $value ) ? $value : array();
			$before  = \is_array( $before ) ? $before : array();
			$changed = array();
			foreach ( self::SETTINGS as $key ) {
				if ( ( isset( $value[ $key ] ) ? $value[ $key ] : null ) !== ( isset( $before[ $key ] ) ? $before[ $key ] : null ) ) {
					$changed[] = $key;
				}
			}
			if ( $changed ) {
				self::note( 'settings_changed', 0, '', array( 'settings' => $changed ), $network_id );
			}
			return;
		}
		self::note( 'settings_changed', 0, '', array( 'settings' => array( 'api_key' ) ), $network_id );
	}

	/**
	 * Write an event at the end of the request.
	 *
	 * @param mixed ...$event Arguments of `Outbox::add`.
	 */
	private static function note( ...$event ) {
		run( 'Outbox', 'add', $event );
	}

	/**
	 * Return whether a text can be a domain.
	 *
	 * @param mixed $text The text.
	 * @return bool
	 */
	private static function is_domain( $text ) {
		return \is_string( $text ) && \strlen( $text ) <= self::LONGEST_DOMAIN && \preg_match( '/^[a-z0-9_*-]+(\.[a-z0-9_-]+)+$/iD', $text );
	}
}
