<?php
/**
 * Plugin Name: closte-bridge shim
 * Description: Notifies closte-bridge when the domains of this network change, and disables the built-in Closte provider while closte-bridge is active.
 * Version: 0.1.0
 * Network: true
 * Requires PHP: 7.4
 * License: MIT
 * Text Domain: closte-bridge
 *
 * `closte-bridge shim install` and `closte-bridge shim uninstall` install and remove it. To disable it without removing
 * it, add `define( 'CLOSTE_BRIDGE_DISABLE', true );` to wp-config.php.
 *
 * On normal page views only this file is loaded: it registers hooks and makes no database queries.
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

// Inside a block, so that a second copy of this file does not declare the functions again.
if ( ! \defined( 'CLOSTE_BRIDGE_SHIM' ) ) {
	\define( 'CLOSTE_BRIDGE_SHIM', true );

	/**
	 * Load a class on first use.
	 *
	 * @param string $part The class, such as `Events`.
	 * @return string Its whole name; '' if its file is missing.
	 */
	function need( $part ) {
		$class = __NAMESPACE__ . '\\' . $part;
		if ( ! \class_exists( $class, false ) ) {
			$file = __DIR__ . '/closte-bridge/class-' . \strtolower( $part ) . '.php';
			if ( ! \is_readable( $file ) ) {
				return '';
			}
			include_once $file;
		}
		return $class;
	}

	/**
	 * Call a method of a class and swallow all exceptions.
	 *
	 * @param string $part   The class, such as `Events`.
	 * @param string $method The method.
	 * @param array  $args   The arguments of the hook.
	 * @return mixed The result; the first argument if the method failed, as a filter has to return it.
	 */
	function run( $part, $method, array $args = array() ) {
		try {
			$class = need( $part );
			if ( '' === $class ) {
				return isset( $args[0] ) ? $args[0] : null;
			}
			return $class::$method( ...$args );
		} catch ( \Throwable $failure ) {
			report( "$part::$method", $failure );
			return isset( $args[0] ) ? $args[0] : null;
		}
	}

	/**
	 * Log an exception if WP_DEBUG is on, but never to a terminal, and keep where it was for Site Health.
	 *
	 * @param string     $where   The class and the method.
	 * @param \Throwable $failure The exception.
	 */
	function report( $where, $failure ) {
		$logs = \function_exists( 'error_log' ) && ( 'cli' !== \PHP_SAPI || \ini_get( 'error_log' ) );
		if ( $logs && \defined( 'WP_DEBUG' ) && WP_DEBUG ) {
			$place = \basename( $failure->getFile() ) . ':' . $failure->getLine();
			\error_log( "closte-bridge shim: $where failed: {$failure->getMessage()} ($place)" ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- only under WP_DEBUG.
		}
		// Not what fails while this is written: the database may be the cause.
		static $keeps = false;
		if ( ! $keeps ) {
			$keeps = true;
			run( 'Failures', 'keep', array( $where, $failure ) );
			$keeps = false;
		}
	}

	/**
	 * Attach a method to a hook.
	 *
	 * @param string $hook     The hook.
	 * @param string $part     The class.
	 * @param string $method   The method.
	 * @param int    $priority The priority; last by default.
	 * @param int    $args     The number of arguments that the method accepts.
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
	 * Register a gate on the provider's events, but only if another listener exists: Ultimate Multisite checks for listeners.
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
	 * Remove or restore the provider's listeners before they run.
	 *
	 * @param mixed $passed  The hook's first argument.
	 * @param mixed $blog_id The site.
	 * @return mixed The first argument.
	 */
	function gate( $passed = null, $blog_id = null ) {
		return run( 'Listeners', 'decide', array( $passed, $blog_id ) );
	}

	/**
	 * Return the signed route that this request asks for, with any prefix of the REST API and without permalinks.
	 *
	 * @return string|null Null for any other request.
	 */
	function asked_route() {
		$asked = isset( $_GET['rest_route'] ) ? $_GET['rest_route'] : ( isset( $_SERVER['REQUEST_URI'] ) ? \strtok( $_SERVER['REQUEST_URI'], '?' ) : '' ); // phpcs:ignore WordPress.Security -- only compared.
		return \is_string( $asked ) && \preg_match( '#/closte-bridge/v1(?:/([^/]*))?/?$#D', $asked, $found ) ? ( isset( $found[1] ) ? $found[1] : '' ) : null;
	}

	/**
	 * Return whether this request may list or send events of Ultimate Multisite: WP-CLI, its pages, forms and REST route.
	 *
	 * @return bool
	 */
	function needs_event_types() {
		// phpcs:disable WordPress.Security -- only compared.
		foreach ( array( 'page', 'action' ) as $name ) {
			if ( isset( $_REQUEST[ $name ] ) && \is_string( $_REQUEST[ $name ] ) && \preg_match( '/^(?:wp-ultimo|wu_)/', $_REQUEST[ $name ] ) ) {
				return true;
			}
		}
		return ( \defined( 'WP_CLI' ) && \WP_CLI ) || isset( $_REQUEST['wu-ajax'] ) || ( isset( $_SERVER['REQUEST_URI'] ) && false !== \strpos( $_SERVER['REQUEST_URI'], 'wu/v2/hooks' ) );
		// phpcs:enable
	}
}

// Events: changes in WordPress.
attach( 'wu_transition_domain_domain', 'Events', 'domain_changed', \PHP_INT_MAX, 3 );
attach( 'wu_transition_domain_stage', 'Events', 'stage_changed', \PHP_INT_MAX, 3 );
attach( 'wu_domain_post_save', 'Events', 'domain_saved', \PHP_INT_MAX, 2 );
attach( 'wu_domain_post_delete', 'Events', 'domain_deleted', \PHP_INT_MAX, 2 );
attach( 'wp_insert_site', 'Events', 'site_created' );
attach( 'wu_duplicate_site', 'Events', 'site_duplicated' );
attach( 'wp_update_site', 'Events', 'site_updated', \PHP_INT_MAX, 2 );
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

// The built-in provider's listeners: removed, before Ultimate Multisite checks for listeners, while closte-bridge is active for the site's network.
\add_action( 'plugins_loaded', __NAMESPACE__ . '\place_gates', \PHP_INT_MAX );
attach( 'wp_insert_site', 'Listeners', 'before', \PHP_INT_MIN );
attach( 'wp_insert_site', 'Listeners', 'after' );
attach( 'wu_transition_domain_domain', 'Listeners', 'before', \PHP_INT_MIN, 3 );
attach( 'wu_transition_domain_domain', 'Listeners', 'after' );

// The engine's DNS check results, and the notice that it is offline.
attach( 'wu_domain_has_correct_dns', 'Owner', 'verdict', \PHP_INT_MAX, 2 );
attach( 'network_admin_notices', 'Owner', 'notice', 10, 0 );

// The address that Ultimate Multisite shows to customers and compares their DNS with. The first filter prevents its own requests to look-up services.
attach( 'pre_site_transient_wu_public_network_ip', 'Address', 'known' );
attach( 'wu_get_network_public_ip', 'Address', 'known' );

// The customer's views: badge and next step of each domain, the check before one is added, and the requests of both.
attach( 'wu_domain_mapping_row_info', 'Customer', 'info', 10, 2 );
attach( 'wu_domain_mapping_header_actions', 'Customer', 'header', 10, 0 );
attach( 'wu_get_domain_mapping_instructions', 'Customer', 'instructions', 10, 1 );
attach( 'wp_ajax_closte_bridge_domain', 'Customer', 'answer', 10, 0 );
attach( 'wp_ajax_nopriv_closte_bridge_domain', 'Customer', 'answer', 10, 0 );

// The network's administrators: the page *Closte*, and domain states in the pages of Ultimate Multisite.
attach( 'network_admin_menu', 'Page', 'register', 50, 0 );
attach( 'set-screen-option', 'Page', 'keep_rows', 10, 3 ); // Before WordPress 5.4.2.
attach( 'set_screen_option_closte_bridge_per_page', 'Page', 'keep_rows', 10, 3 );
attach( 'wu_domain_list_column_domain', 'Embed', 'column', \PHP_INT_MAX, 2 );
attach( 'wu_page_wp-ultimo-edit-domain_register_widgets', 'Embed', 'register_box', 10, 3 );
attach( 'wu_hosting_integration_wizard_sections', 'Embed', 'sections', 10, 3 );
attach( 'site_status_tests', 'Health', 'tests' );
attach( 'debug_information', 'Facts', 'information' );
attach( 'wu_system_info_data', 'Facts', 'system_info' );

// What happened to domains, for its e-mails and webhooks.
if ( needs_event_types() ) {
	attach( 'wu_register_all_events', 'Announcements', 'register', 10, 0 );
}
attach( 'wu_get_default_system_messages', 'Announcements', 'messages', 10 );

if ( \defined( 'WP_CLI' ) && \WP_CLI ) {
	run( 'Command', 'register' );
} elseif ( null !== asked_route() ) {
	// Before plugins load: none of them can block, redirect or cache the engine's signed requests.
	run( 'Routes', 'serve', array( (string) asked_route() ) );
}
