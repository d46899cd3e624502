<?php
/**
 * Functions for other plugins: settings, logs and domains.
 */

defined( 'ABSPATH' ) || exit;

const WU_MOCK_SETTINGS = 'wp-ultimo_v2_settings';

/** As long as nobody saved a setting, the caller's default counts; without one it is false. */
function wu_get_setting( $setting, $default_value = false ) {
	$settings = get_network_option( null, WU_MOCK_SETTINGS, array() );
	$value    = $settings[ $setting ] ?? $default_value;
	return apply_filters( 'wu_get_setting', $value, $setting, $default_value, $settings );
}

function wu_save_setting( $setting, $value ) {
	$settings             = get_network_option( null, WU_MOCK_SETTINGS, array() );
	$settings[ $setting ] = apply_filters( 'wu_save_setting', $value, $setting, $settings );
	return update_network_option( null, WU_MOCK_SETTINGS, $settings );
}

/** Adds a line to a log, as a file in the uploads folder of the main site. */
function wu_log_add( $handle, $message ) {
	$uploads = wp_upload_dir( null, false );
	$folder  = $uploads['basedir'] . '/wu-logs';
	if ( wp_mkdir_p( $folder ) ) {
		$line = is_wp_error( $message ) ? $message->get_error_message() : $message;
		file_put_contents( $folder . '/' . sanitize_file_name( $handle ) . '.log', gmdate( 'c' ) . ' ' . $line . "\n", FILE_APPEND );
	}
}

function wu_get_current_site() {
	return wu_get_site( get_current_blog_id() );
}

function wu_get_domain( $domain_id ) {
	return \WP_Ultimo\Models\Domain::get_by_id( $domain_id );
}

function wu_get_domain_by_domain( $domain ) {
	return \WP_Ultimo\Models\Domain::get_by( 'domain', $domain );
}

/** At most 100 of them, newest first, unless `number` says otherwise. */
function wu_get_domains( $query = array() ) {
	return \WP_Ultimo\Models\Domain::query( $query );
}

/** Returns the saved model, or a WP_Error when it was refused. */
function wu_create_domain( $domain_data ) {
	$defaults = array(
		'blog_id'        => false,
		'domain'         => false,
		'active'         => true,
		'primary_domain' => false,
		'secure'         => false,
		'stage'          => \WP_Ultimo\Database\Domains\Domain_Stage::CHECKING_DNS,
		'date_created'   => current_time( 'mysql', true ),
		'date_modified'  => current_time( 'mysql', true ),
	);
	$domain   = new \WP_Ultimo\Models\Domain( wp_parse_args( $domain_data, $defaults ) );
	$saved    = $domain->save();
	if ( is_wp_error( $saved ) ) {
		return $saved;
	}
	wu_enqueue_async_action( 'wu_async_process_domain_stage', array( 'domain_id' => $domain->get_id() ), 'domain' );
	return $domain;
}
