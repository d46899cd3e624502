<?php
/**
 * Plugin Name: closte-bridge shim
 * Description: Tells the closte-bridge engine when the domains of this network change, and keeps the built-in Closte provider from doing the same work twice.
 * Network: true
 * Requires PHP: 7.4
 *
 * Installed and removed by `closte-bridge shim install` and `closte-bridge shim uninstall`. To switch it off without
 * removing it: `define( 'CLOSTE_BRIDGE_DISABLE', true );` in wp-config.php.
 *
 * On an ordinary page view this file is all there is: it notes which hook leads where, and asks the database nothing.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

if ( ! \defined( 'ABSPATH' ) || ! \is_multisite() || \PHP_VERSION_ID < 70400 || \defined( 'CLOSTE_BRIDGE_SHIM' ) ) {
	return;
}
if ( \defined( 'CLOSTE_BRIDGE_DISABLE' ) && CLOSTE_BRIDGE_DISABLE ) {
	return;
}

// In a block, so that a second copy of this file declares nothing twice.
if ( ! \defined( 'CLOSTE_BRIDGE_SHIM' ) ) {
	\define( 'CLOSTE_BRIDGE_SHIM', true );

	/**
	 * Run one method of a part, which is loaded at its first use, and let nothing of it out.
	 *
	 * @param string $part   The part, such as `Events`.
	 * @param string $method Its method.
	 * @param array  $args   What the hook handed over.
	 * @return mixed What the method returned; the first argument when it failed, as a filter needs it.
	 */
	function run( $part, $method, array $args = array() ) {
		try {
			$class = __NAMESPACE__ . '\\' . $part;
			if ( ! \class_exists( $class, false ) ) {
				$file = __DIR__ . '/closte-bridge/class-' . \strtolower( $part ) . '.php';
				if ( ! \is_readable( $file ) ) {
					return isset( $args[0] ) ? $args[0] : null;
				}
				include_once $file;
			}
			return $class::$method( ...$args );
		} catch ( \Throwable $failure ) {
			return isset( $args[0] ) ? $args[0] : null;
		}
	}

	/**
	 * Attach a method to a hook.
	 *
	 * @param string $hook     The hook.
	 * @param string $part     The part.
	 * @param string $method   Its method.
	 * @param int    $priority When; late, unless something is to be seen before Ultimate Multisite sees it.
	 * @param int    $args     How many arguments the method takes.
	 */
	function attach( $hook, $part, $method, $priority = \PHP_INT_MAX, $args = 1 ) {
		\add_filter(
			$hook,
			static function ( ...$given ) use ( $part, $method ) {
				return run( $part, $method, $given );
			},
			$priority,
			$args
		);
	}

	/**
	 * Stand before whoever listens to the provider's events: with an audience already there, one more changes nothing.
	 */
	function place_gates() {
		global $wp_filter;
		foreach ( array( 'wu_add_domain', 'wu_remove_domain', 'wu_add_subdomain', 'wu_remove_subdomain' ) as $hook ) {
			if ( isset( $wp_filter[ $hook ] ) ) {
				\add_action( $hook, __NAMESPACE__ . '\gate', \PHP_INT_MIN );
			}
		}
	}

	/**
	 * Decide, before the provider hears of something, whether it is to.
	 *
	 * @param mixed $passed The hook's first argument.
	 * @return mixed The same.
	 */
	function gate( $passed = null ) {
		return run( 'Listeners', 'decide', array( $passed ) );
	}
}

// What changes in WordPress.
attach( 'wu_transition_domain_domain', 'Events', 'domain_changed', \PHP_INT_MAX, 3 );
attach( 'wu_transition_domain_stage', 'Events', 'stage_changed', \PHP_INT_MAX, 3 );
attach( 'wu_domain_post_save', 'Events', 'domain_saved', \PHP_INT_MAX, 2 );
attach( 'wu_domain_post_delete', 'Events', 'domain_deleted', \PHP_INT_MAX, 2 );
attach( 'wp_insert_site', 'Events', 'site_created' );
attach( 'wu_duplicate_site', 'Events', 'site_duplicated' );
attach( 'wp_delete_site', 'Events', 'site_deleted' );
foreach ( array( 'archive_blog', 'make_spam_blog', 'make_delete_blog' ) as $closte_bridge_hook ) {
	attach( $closte_bridge_hook, 'Events', 'site_archived' );
}
foreach ( array( 'unarchive_blog', 'make_ham_blog', 'make_undelete_blog' ) as $closte_bridge_hook ) {
	attach( $closte_bridge_hook, 'Events', 'site_restored' );
}
foreach ( array( 'wu_host_integrations_enabled', 'wp-ultimo_v2_settings', 'wu_hosting_credential_CLOSTE_CLIENT_API_KEY' ) as $closte_bridge_hook ) {
	attach( "add_site_option_$closte_bridge_hook", 'Events', 'option_added', \PHP_INT_MAX, 3 );
	attach( "update_site_option_$closte_bridge_hook", 'Events', 'option_updated', \PHP_INT_MAX, 4 );
	attach( "delete_site_option_$closte_bridge_hook", 'Events', 'option_deleted', \PHP_INT_MAX, 2 );
}
unset( $closte_bridge_hook );

// The built-in provider's listeners: whoever sends while the bridge is in charge is taken off before Ultimate Multisite asks who listens.
\add_action( 'plugins_loaded', __NAMESPACE__ . '\place_gates', \PHP_INT_MAX );
attach( 'wp_insert_site', 'Listeners', 'before', \PHP_INT_MIN );
attach( 'wp_insert_site', 'Listeners', 'after' );
attach( 'wu_transition_domain_domain', 'Listeners', 'before', \PHP_INT_MIN );
attach( 'wu_transition_domain_domain', 'Listeners', 'after' );

// What the engine proved, and whether it is alive.
attach( 'wu_domain_has_correct_dns', 'Owner', 'verdict', \PHP_INT_MAX, 2 );
attach( 'network_admin_notices', 'Owner', 'notice', 10, 0 );

if ( \defined( 'WP_CLI' ) && \WP_CLI ) {
	run( 'Command', 'register' );
}
