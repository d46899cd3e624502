<?php
/**
 * Events of the plugin, and the webhooks that carry them. Both are kept in network options.
 */

defined( 'ABSPATH' ) || exit;

final class WU_Mock_Events {

	const EVENTS   = 'wu_mock_events';
	const WEBHOOKS = 'wu_mock_webhooks';

	/** @var array */
	public static $types = array();

	public static function register_hooks() {
		add_action( 'init', array( __CLASS__, 'register_all' ) );
	}

	/** As in the real plugin, webhooks listen only to types that are registered by then. */
	public static function register_all() {
		do_action( 'wu_register_all_events' );
		foreach ( array_keys( self::$types ) as $slug ) {
			add_action( 'wu_event_' . $slug, array( __CLASS__, 'send_webhooks' ) );
		}
	}

	public static function send_webhooks( $payload ) {
		foreach ( get_network_option( null, self::WEBHOOKS, array() ) as $webhook ) {
			if ( current_filter() === 'wu_event_' . $webhook['event'] ) {
				wp_remote_post(
					$webhook['webhook_url'],
					array(
						'headers'  => array( 'Content-Type' => 'application/json' ),
						'body'     => wp_json_encode( $payload ),
						'blocking' => false,
					)
				);
			}
		}
	}
}

WU_Mock_Events::register_hooks();

function wu_register_event_type( $slug, $args ) {
	WU_Mock_Events::$types[ $slug ] = $args;
	return true;
}

function wu_get_event_types() {
	return WU_Mock_Events::$types;
}

function wu_get_event_type( $slug ) {
	return WU_Mock_Events::$types[ $slug ] ?? false;
}

function wu_maybe_lazy_load_payload( $payload ) {
	return array( 'wu_version' => WP_ULTIMO_VERSION ) + ( is_callable( $payload ) ? $payload() : $payload );
}

function wu_generate_event_payload( $model_name, $model = false ) {
	if ( 'domain' !== $model_name ) {
		return array();
	}
	return array(
		'domain_id'     => $model ? $model->get_id() : 1,
		'domain_domain' => $model ? $model->get_domain() : 'example.com',
		'domain_stage'  => $model ? $model->get_stage() : 'checking-dns',
	);
}

function wu_do_event( $slug, $payload ) {
	if ( ! wu_get_event_type( $slug ) ) {
		return false;
	}
	$payload['wu_version'] = WP_ULTIMO_VERSION;
	do_action( 'wu_event', $slug, $payload );
	do_action( "wu_event_{$slug}", $payload );
	$events   = get_network_option( null, WU_Mock_Events::EVENTS, array() );
	$events[] = array( $slug, $payload );
	return update_network_option( null, WU_Mock_Events::EVENTS, $events );
}

function wu_create_webhook( $webhook_data ) {
	$webhooks   = get_network_option( null, WU_Mock_Events::WEBHOOKS, array() );
	$webhooks[] = $webhook_data;
	update_network_option( null, WU_Mock_Events::WEBHOOKS, $webhooks );
	return $webhook_data;
}
