<?php
/**
 * Removes the built-in Closte provider's listeners while closte-bridge is active for the site's network, and restores them.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Ultimate Multisite enqueues `wu_add_domain` and `wu_add_subdomain` only if they have listeners. So the gates are only
 * added to hooks that have listeners, and are removed together with the provider's listeners before that check.
 *
 * The network is that of the site, which may differ from the network of the request. The database is only queried when a
 * domain or a site changes, never on normal page views.
 */
final class Listeners {

	const ADDING = array( 'wu_add_domain', 'wu_add_subdomain' );

	const ALL = array( 'wu_add_domain', 'wu_remove_domain', 'wu_add_subdomain', 'wu_remove_subdomain' );

	/** The provider's classes: since Ultimate Multisite 2.5, and before. */
	const PROVIDERS = array(
		'WP_Ultimo\Integrations\Providers\Closte\Closte_Domain_Mapping',
		'WP_Ultimo\Integrations\Host_Providers\Closte_Host_Provider',
	);

	/**
	 * The removed listeners: hook, function, priority, number of arguments.
	 *
	 * @var array
	 */
	private static $removed = array();

	/**
	 * The hooks whose gates are removed at the moment.
	 *
	 * @var array
	 */
	private static $open = array();

	/**
	 * Before Ultimate Multisite checks for listeners: remove the provider's listeners, and the gates as well.
	 *
	 * @param mixed $passed The hook's first argument: the new site, or the old domain of a mapping.
	 * @param mixed $domain The new domain of a mapping.
	 * @param mixed $id     The mapping.
	 * @return mixed The first argument.
	 */
	public static function before( $passed = null, $domain = '', $id = 0 ) {
		unset( $domain );
		if ( $passed instanceof \WP_Site ) {
			$network_id = (int) $passed->network_id;
		} else {
			$mapping    = \is_numeric( $id ) && $id > 0 && \function_exists( 'wu_get_domain' ) ? \wu_get_domain( (int) $id ) : null;
			$network_id = \is_object( $mapping ) ? run( 'Owner', 'network_of', array( $mapping->get_blog_id() ) ) : null;
		}
		self::decide_for( $network_id );
		foreach ( self::$removed ? self::ADDING : array() as $hook ) {
			if ( \remove_action( $hook, __NAMESPACE__ . '\gate', \PHP_INT_MIN ) ) {
				self::$open[] = $hook;
			}
		}
		return $passed;
	}

	/**
	 * After that check: add the gates again, for jobs that were enqueued earlier.
	 *
	 * @param mixed $passed The hook's first argument.
	 * @return mixed The same.
	 */
	public static function after( $passed = null ) {
		foreach ( self::$open as $hook ) {
			\add_action( $hook, __NAMESPACE__ . '\gate', \PHP_INT_MIN, 2 );
		}
		self::$open = array();
		return $passed;
	}

	/**
	 * Before a job of the provider: remove or restore its listeners, by the network of the site.
	 *
	 * @param mixed $passed  The hook's first argument.
	 * @param mixed $blog_id The site.
	 * @return mixed The first argument.
	 */
	public static function decide( $passed = null, $blog_id = null ) {
		self::decide_for( run( 'Owner', 'network_of', array( $blog_id ) ) );
		return $passed;
	}

	/**
	 * Remove the provider's listeners if closte-bridge is active for a network, else restore them.
	 *
	 * @param int|null $network_id The network; null for this one.
	 */
	private static function decide_for( $network_id ) {
		// Compared with true: on failure, `run` returns the argument.
		true === run( 'Owner', 'is_active', array( $network_id ) ) ? self::remove() : self::restore();
	}

	/**
	 * Remove the listeners.
	 */
	private static function remove() {
		foreach ( self::ALL as $hook ) {
			foreach ( self::of_provider( $hook ) as $listener ) {
				\remove_action( $hook, $listener[1], $listener[2] );
				self::$removed[] = $listener;
			}
		}
	}

	/**
	 * Restore the listeners.
	 */
	private static function restore() {
		foreach ( self::$removed as $listener ) {
			\add_action( ...$listener );
		}
		self::$removed = array();
	}

	/**
	 * Find the provider's listeners.
	 *
	 * @param string $hook The hook.
	 * @return array Lists of hook, function, priority, number of arguments.
	 */
	private static function of_provider( $hook ) {
		global $wp_filter;
		$found = array();
		if ( ! isset( $wp_filter[ $hook ]->callbacks ) || ! \is_array( $wp_filter[ $hook ]->callbacks ) ) {
			return $found;
		}
		foreach ( $wp_filter[ $hook ]->callbacks as $priority => $callbacks ) {
			foreach ( $callbacks as $callback ) {
				$function = isset( $callback['function'] ) ? $callback['function'] : null;
				if ( ! \is_array( $function ) || ! isset( $function[0] ) || ! \is_object( $function[0] ) ) {
					continue;
				}
				foreach ( self::PROVIDERS as $class ) {
					if ( $function[0] instanceof $class ) {
						$found[] = array( $hook, $function, $priority, $callback['accepted_args'] );
					}
				}
			}
		}
		return $found;
	}
}
