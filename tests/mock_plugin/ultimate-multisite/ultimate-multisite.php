<?php
/**
 * Plugin Name: Ultimate Multisite (mock)
 * Description: Behaves like Ultimate Multisite for domain mappings, for the tests of closte-bridge.
 * Version: 2.14.2
 * Network: true
 * Requires PHP: 7.4
 *
 * Based on measurements of the real plugin; tests/integration/test_mock_plugin.py passes with both.
 */

defined( 'ABSPATH' ) || exit;

define( 'WP_ULTIMO_PLUGIN_FILE', __FILE__ );
define( 'WP_ULTIMO_VERSION', '2.14.2' );

foreach (
	array(
		'class-wp-ultimo',
		'functions',
		'queue',
		'events',
		'setup',
		'customers',
		'class-domain-stage',
		'class-domain-store',
		'class-domain',
		'class-domain-manager',
		'class-helper',
		'class-stage-machine',
		'helpers/class-credential-store',
		'class-site-duplicator',
		'class-integration-registry',
		'class-closte-integration',
		'class-closte-domain-mapping',
		'class-domain-command',
		'screens/class-screens',
		'screens/class-domain-list',
		'screens/class-domain-page',
		'screens/class-wizard-page',
		'screens/class-domains-element',
	) as $wu_mock_file
) {
	require_once __DIR__ . '/inc/' . $wu_mock_file . '.php';
}
unset( $wu_mock_file );

WP_Ultimo()->start();
