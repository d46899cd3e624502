<?php
/**
 * Takes the built-in Closte provider's listeners off while the bridge owns the site's network, and gives them back.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Ultimate Multisite enqueues `wu_add_domain` and `wu_add_subdomain` only when somebody listens to them. So our gates
 * stand only where somebody listens anyway, and step aside with the provider when that question is about to be asked.
 *
 * Whether the bridge owns the network that the site belongs to, which need not be the network of the request, is looked up
 * at the moment when it matters, which is on no ordinary page view.
 */
final class Listeners {

	const ADDING = array( 'wu_add_domain', 'wu_add_subdomain' );

	const ALL = array( 'wu_add_domain', 'wu_remove_domain', 'wu_add_subdomain', 'wu_remove_subdomain' );

	/** The provider since 2.5, and before. */
	const PROVIDERS = array(
		'WP_Ultimo\Integrations\Providers\Closte\Closte_Domain_Mapping',
		'WP_Ultimo\Integrations\Host_Providers\Closte_Host_Provider',
	);

	/**
	 * What was taken off: hook, function, priority, number of arguments.
	 *
	 * @var array
	 */
	private static $taken = array();

	/**
	 * The hooks whose gates stand aside.
	 *
	 * @var array
	 */
	private static $aside = array();

	/**
	 * Before Ultimate Multisite asks whether anybody wants to hear of a new domain.
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
		foreach ( self::$taken ? self::ADDING : array() as $hook ) {
			if ( \remove_action( $hook, __NAMESPACE__ . '\gate', \PHP_INT_MIN ) ) {
				self::$aside[] = $hook;
			}
		}
		return $passed;
	}

	/**
	 * After it has asked: stand there again, for jobs that were enqueued earlier.
	 *
	 * @param mixed $passed The hook's first argument.
	 * @return mixed The same.
	 */
	public static function after( $passed = null ) {
		foreach ( self::$aside as $hook ) {
			\add_action( $hook, __NAMESPACE__ . '\gate', \PHP_INT_MIN, 2 );
		}
		self::$aside = array();
		return $passed;
	}

	/**
	 * Decide for a job of the provider, by the network of its site.
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
	 * Take the provider's listeners off if the bridge owns a network, and give them back if it does not.
	 *
	 * @param int|null $network_id The network; null for this one.
	 */
	private static function decide_for( $network_id ) {
		// What fails answers with its argument.
		true === run( 'Owner', 'is_active', array( $network_id ) ) ? self::take_off() : self::give_back();
	}

	/**
	 * Take them off.
	 */
	private static function take_off() {
		foreach ( self::ALL as $hook ) {
			foreach ( self::of_provider( $hook ) as $listener ) {
				\remove_action( $hook, $listener[1], $listener[2] );
				self::$taken[] = $listener;
			}
		}
	}

	/**
	 * Give them back.
	 */
	private static function give_back() {
		foreach ( self::$taken as $listener ) {
			\add_action( ...$listener );
		}
		self::$taken = array();
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
