<?php
/**
 * Loaded by WordPress before all plugins, even if plugins are skipped.
 */

defined( 'ABSPATH' ) || exit;

$wu_mock_sunrise = WP_CONTENT_DIR . '/plugins/ultimate-multisite/inc/class-sunrise.php';
if ( is_readable( $wu_mock_sunrise ) ) {
	require_once $wu_mock_sunrise;
	\WP_Ultimo\Sunrise::init();
}
unset( $wu_mock_sunrise );
