<?php
/**
 * Plugin Name: closte-bridge shim
 * Description: Tells the closte-bridge engine when the domains of this network change, and keeps the built-in Closte provider from doing the same work twice.
 * Version: 0.1.0
 * Network: true
 * Requires PHP: 7.4
 * License: MIT
 * Text Domain: closte-bridge
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
			report( "$part::$method", $failure );
			return isset( $args[0] ) ? $args[0] : null;
		}
	}

	/**
	 * Log that a part failed, if WordPress is to be debugged. It is shown to nobody: a terminal is no log.
	 *
	 * @param string     $where   The part and its method.
	 * @param \Throwable $failure What it threw.
	 */
	function report( $where, $failure ) {
		$logs = \function_exists( 'error_log' ) && ( 'cli' !== \PHP_SAPI || \ini_get( 'error_log' ) );
		if ( $logs && \defined( 'WP_DEBUG' ) && WP_DEBUG ) {
			$place = \basename( $failure->getFile() ) . ':' . $failure->getLine();
			\error_log( "closte-bridge shim: $where failed: {$failure->getMessage()} ($place)" ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- only under WP_DEBUG.
		}
	}

	/**
	 * Lead a hook to a method.
	 *
	 * @param string $hook     The hook.
	 * @param string $part     The part.
	 * @param string $method   Its method.
	 * @param int    $priority When; late, unless something is to be seen before Ultimate Multisite sees it.
	 * @param int    $args     How many arguments the method takes.
	 */
	function lead( $hook, $part, $method, $priority = \PHP_INT_MAX, $args = 1 ) {
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
				\add_action( $hook, __NAMESPACE__ . '\gate', \PHP_INT_MIN, 2 );
			}
		}
	}

	/**
	 * Decide, before the provider hears of something, whether it is to.
	 *
	 * @param mixed $passed  The hook's first argument.
	 * @param mixed $blog_id The site.
	 * @return mixed The first argument.
	 */
	function gate( $passed = null, $blog_id = null ) {
		return run( 'Listeners', 'decide', array( $passed, $blog_id ) );
	}
}

// What changes in WordPress.
lead( 'wu_transition_domain_domain', 'Events', 'domain_changed', \PHP_INT_MAX, 3 );
lead( 'wu_transition_domain_stage', 'Events', 'stage_changed', \PHP_INT_MAX, 3 );
lead( 'wu_domain_post_save', 'Events', 'domain_saved', \PHP_INT_MAX, 2 );
lead( 'wu_domain_post_delete', 'Events', 'domain_deleted', \PHP_INT_MAX, 2 );
lead( 'wp_insert_site', 'Events', 'site_created' );
lead( 'wu_duplicate_site', 'Events', 'site_duplicated' );
lead( 'wp_delete_site', 'Events', 'site_deleted' );
foreach ( array( 'archive_blog', 'make_spam_blog', 'make_delete_blog' ) as $closte_bridge_hook ) {
	lead( $closte_bridge_hook, 'Events', 'site_archived' );
}
foreach ( array( 'unarchive_blog', 'make_ham_blog', 'make_undelete_blog' ) as $closte_bridge_hook ) {
	lead( $closte_bridge_hook, 'Events', 'site_restored' );
}
foreach ( array( 'wu_host_integrations_enabled', 'wp-ultimo_v2_settings', 'wu_hosting_credential_CLOSTE_CLIENT_API_KEY' ) as $closte_bridge_hook ) {
	lead( "add_site_option_$closte_bridge_hook", 'Events', 'option_added', \PHP_INT_MAX, 3 );
	lead( "update_site_option_$closte_bridge_hook", 'Events', 'option_updated', \PHP_INT_MAX, 4 );
	lead( "delete_site_option_$closte_bridge_hook", 'Events', 'option_deleted', \PHP_INT_MAX, 2 );
}
unset( $closte_bridge_hook );

// The built-in provider's listeners: whoever sends while the bridge owns the site's network is taken off before Ultimate Multisite asks who listens.
\add_action( 'plugins_loaded', __NAMESPACE__ . '\place_gates', \PHP_INT_MAX );
lead( 'wp_insert_site', 'Listeners', 'before', \PHP_INT_MIN );
lead( 'wp_insert_site', 'Listeners', 'after' );
lead( 'wu_transition_domain_domain', 'Listeners', 'before', \PHP_INT_MIN, 3 );
lead( 'wu_transition_domain_domain', 'Listeners', 'after' );

// What the engine proved, and whether it is alive.
lead( 'wu_domain_has_correct_dns', 'Owner', 'verdict', \PHP_INT_MAX, 2 );
lead( 'network_admin_notices', 'Owner', 'notice', 10, 0 );

if ( \defined( 'WP_CLI' ) && \WP_CLI ) {
	run( 'Command', 'register' );
}
