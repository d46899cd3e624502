<?php
/**
 * Loaded by WordPress before any plugin, also where plugins are skipped.
 */

defined( 'ABSPATH' ) || exit;

$wu_stand_in_sunrise = WP_CONTENT_DIR . '/plugins/ultimate-multisite/inc/class-sunrise.php';
if ( is_readable( $wu_stand_in_sunrise ) ) {
	require_once $wu_stand_in_sunrise;
	\WP_Ultimo\Sunrise::init();
}
unset( $wu_stand_in_sunrise );
