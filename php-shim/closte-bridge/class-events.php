<?php
/**
 * Says what a hook means: which event it is, of which site and which name.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * What is led to hooks. Events are hints with a reason: the engine looks for itself.
 */
final class Events {

	/** A name that is longer is none. */
	const LONGEST_NAME = 253;

	/** More names of one site are not asked for. */
	const MOST_NAMES = 1000;

	/** What the engine reads of Ultimate Multisite's settings. */
	const SETTINGS = array( 'enable_domain_mapping', 'dns_check_interval', 'auto_create_www_subdomain' );

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
		run( 'Outbox', 'add_siteless', array( (int) $id, $detail ? 'mapping_renamed' : 'mapping_added', $name, $detail ) );
	}

	/**
	 * A mapping was saved: now its site is known.
	 *
	 * @param mixed $data   Its columns.
	 * @param mixed $domain The mapping.
	 */
	public static function domain_saved( $data, $domain = null ) {
		if ( \is_object( $domain ) ) {
			run( 'Outbox', 'site_known', array( (int) $domain->get_id(), (int) $domain->get_blog_id() ) );
		}
	}

	/**
	 * A mapping was deleted.
	 *
	 * @param mixed $result Whether it was.
	 * @param mixed $domain The mapping.
	 */
	public static function domain_deleted( $result, $domain = null ) {
		if ( $result && ! \is_wp_error( $result ) && \is_object( $domain ) ) {
			self::note( 'mapping_removed', $domain->get_blog_id(), $domain->get_domain() );
			// Whoever makes a site and deletes its record in one request wants none.
			run( 'Records', 'decline', array( (int) $domain->get_blog_id() ) );
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
		// Asked for now, as Ultimate Multisite does: whoever says no may do so for as long as this site is being made.
		$wanted = run( 'Records', 'is_allowed', array( $site ) );
		self::note( 'site_created', $site->blog_id, $site->domain, $wanted ? array() : array( 'record' => false ) );
		if ( ! \defined( 'CLOSTE_BRIDGE_ENGINE' ) ) {
			run( 'Records', $wanted ? 'expect' : 'decline', array( (int) $site->blog_id ) );
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
			self::note( 'site_duplicated', $site->blog_id, $site->domain, $from );
			if ( ! \defined( 'CLOSTE_BRIDGE_ENGINE' ) ) {
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
			self::note( 'site_deleted', $site->blog_id, $site->domain, array( 'domains' => $some ), (int) $site->network_id );
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
			'number'  => self::MOST_NAMES,
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
		self::note( $kind, $blog_id, $site ? $site->domain : '' );
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
	 * An option that concerns us was deleted. Nobody says what it held: all of it may be different now.
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
	 * Have an event written at the end of the request.
	 *
	 * @param mixed ...$event What `Outbox::add` takes.
	 */
	private static function note( ...$event ) {
		run( 'Outbox', 'add', $event );
	}

	/**
	 * Tell whether a text can be a domain at all.
	 *
	 * @param mixed $name The text.
	 * @return bool
	 */
	private static function is_name( $name ) {
		return \is_string( $name ) && \strlen( $name ) <= self::LONGEST_NAME && \preg_match( '/^[a-z0-9_*-]+(\.[a-z0-9_-]+)+$/iD', $name );
	}
}
