<?php
/**
 * Plugin Name: Ultimate Multisite (stand-in)
 * Description: Behaves as Ultimate Multisite does as far as domain mappings go, for the tests of closte-bridge.
 * Version: 2.14.2
 * Network: true
 * Requires PHP: 7.4
 *
 * Written from what was measured on the real plugin; tests/integration/test_mock_plugin.py holds it to that
 * and passes on both.
 */

defined( 'ABSPATH' ) || exit;

define( 'WP_ULTIMO_PLUGIN_FILE', __FILE__ );
define( 'WP_ULTIMO_VERSION', '2.14.2' );

foreach (
	array(
		'class-wp-ultimo',
		'functions',
		'queue',
		'setup',
		'class-domain-stage',
		'class-domain-store',
		'class-domain',
		'class-domain-manager',
		'class-stage-machine',
		'helpers/class-credential-store',
		'class-site-duplicator',
		'class-integration-registry',
		'class-closte-integration',
		'class-closte-domain-mapping',
		'class-domain-command',
	) as $wu_stand_in_file
) {
	require_once __DIR__ . '/inc/' . $wu_stand_in_file . '.php';
}
unset( $wu_stand_in_file );

WP_Ultimo()->start();
