<?php
/**
 * What happened to domains, as events of Ultimate Multisite: its e-mails and webhooks carry them.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Registers the event types where they are listed, and sends events in closte-bridge's own `wp` call.
 *
 * All values of an event are texts: the plugin puts them into e-mails in HTML without escaping, so they have no angle brackets.
 */
final class Announcements {

	/** The network option with the last event that was begun: engine, number and time. */
	const OPTION = 'closte_bridge_announced';

	/** Severities of Ultimate Multisite, by event type. */
	const SEVERITIES = array(
		'closte_domain_live'      => 1,
		'closte_domain_needs_dns' => 3,
		'closte_domain_broken'    => 4,
		'closte_needs_approval'   => 4,
	);

	/**
	 * Register the event types.
	 */
	public static function register() {
		run( 'Messages', 'load' );
		$types = array(
			'closte_domain_live'      => array( __( 'Closte: Domain Live', 'closte-bridge' ), __( 'This event is fired when visitors of a domain get the right site over HTTPS, for the first time or again.', 'closte-bridge' ) ),
			'closte_domain_needs_dns' => array( __( 'Closte: DNS Change Needed', 'closte-bridge' ), __( 'This event is fired when the owner of a domain has to change its DNS. It has the records to set.', 'closte-bridge' ) ),
			'closte_domain_broken'    => array( __( 'Closte: Domain Broken', 'closte-bridge' ), __( 'This event is fired when a domain that was live is not live any more. It has the reason and the next step.', 'closte-bridge' ) ),
			'closte_needs_approval'   => array( __( 'Closte: Approval Needed', 'closte-bridge' ), __( 'This event is fired when domains on Closte are not removed without your approval. It has the domains.', 'closte-bridge' ) ),
		);
		foreach ( $types as $slug => $texts ) {
			\wu_register_event_type(
				$slug,
				array(
					'name'            => $texts[0],
					'desc'            => $texts[1],
					'payload'         => static function () use ( $slug ) {
						return self::example( $slug );
					},
					'deprecated_args' => array(),
				)
			);
		}
	}

	/**
	 * Add the sentences that the plugin's list of events shows.
	 *
	 * @param mixed $messages HTML by event type.
	 * @return mixed
	 */
	public static function messages( $messages ) {
		run( 'Messages', 'load' );
		$texts = array(
			/* translators: %s: domain. */
			'closte_domain_live'      => \sprintf( __( 'The domain %s is live.', 'closte-bridge' ), '{{closte_domain}}' ),
			/* translators: %s: domain. */
			'closte_domain_needs_dns' => \sprintf( __( 'The DNS of %s has to be changed.', 'closte-bridge' ), '{{closte_domain}}' ),
			/* translators: %s: domain. */
			'closte_domain_broken'    => \sprintf( __( 'The domain %s is not live any more.', 'closte-bridge' ), '{{closte_domain}}' ),
			/* translators: %s: list of domains. */
			'closte_needs_approval'   => \sprintf( __( 'The removal of these domains needs your approval: %s.', 'closte-bridge' ), '{{closte_domains}}' ),
		);
		return \is_array( $messages ) ? \array_map( 'esc_html', $texts ) + $messages : $messages;
	}

	/**
	 * Send events, each at most once.
	 *
	 * @param array  $failed The result if this method throws: `run` returns the first argument then.
	 * @param string $engine The ID of the engine.
	 * @param array  $events Events in the order of their numbers: `id`, `at`, `type`, `kind`, `domain`, `site`, `code`, `step`, `data`.
	 * @return array A result for each: `sent`, `known` (begun before), `unsupported`, or `failed`: not begun.
	 */
	public static function send( array $failed, $engine, array $events ) {
		unset( $failed );
		run( 'Messages', 'load' );
		$results = array();
		foreach ( $events as $event ) {
			$results[] = self::send_one( $engine, $event );
		}
		return $results;
	}

	/**
	 * Send one event.
	 *
	 * @param string $engine The ID of the engine.
	 * @param array  $event  The event.
	 * @return string A result.
	 */
	private static function send_one( $engine, array $event ) {
		if ( ! \function_exists( 'wu_do_event' ) || ! \function_exists( 'wu_get_event_type' ) || ! \wu_get_event_type( $event['type'] ) ) {
			return 'unsupported';
		}
		$last = \get_network_option( null, self::OPTION, null );
		$mark = array(
			'engine' => $engine,
			'id'     => (int) $event['id'],
			'at'     => (int) $event['at'],
		);
		// A ledger that was restored from a backup uses numbers again, but at a later time.
		if ( \is_array( $last ) && isset( $last['engine'], $last['id'], $last['at'] ) && $engine === $last['engine'] && $mark['id'] <= $last['id'] && $mark['at'] <= $last['at'] ) {
			return 'known';
		}
		$payload = self::payload( $event );
		// Before the event: a webhook that hangs until `wp` is killed must not get it again and again.
		\update_network_option( null, self::OPTION, $mark );
		if ( \get_network_option( null, self::OPTION, null ) !== $mark ) {
			return 'failed';
		}
		try {
			\wu_do_event( $event['type'], $payload );
		} catch ( \Throwable $failure ) {
			report( 'Announcements::send', $failure );
		}
		return 'sent';
	}

	/**
	 * Return the values of an event. Those of site, domain, membership and customer have the plugin's own names.
	 *
	 * @param array $event The event.
	 * @return array Texts by name.
	 */
	private static function payload( array $event ) {
		$site     = $event['site'] && \function_exists( 'wu_get_site' ) ? \wu_get_site( (int) $event['site'] ) : null;
		$domain   = '' !== $event['domain'] ? \wu_get_domain_by_domain( $event['domain'] ) : null;
		$customer = \is_object( $site ) && \is_callable( array( $site, 'get_customer' ) ) ? $site->get_customer() : null;
		$switched = $customer && \function_exists( 'switch_to_user_locale' ) && \switch_to_user_locale( (int) $customer->get_user_id() );
		$own      = self::own_values( $event );
		if ( $switched ) {
			\restore_previous_locale();
		}
		$payload = array_merge(
			self::values_of( 'domain', $domain ),
			self::values_of( 'site', $site ),
			self::values_of( 'membership', \is_object( $site ) && \is_callable( array( $site, 'get_membership' ) ) ? $site->get_membership() : null ),
			self::values_of( 'customer', $customer )
		);
		return \array_merge(
			$payload,
			$own,
			array(
				'type'        => self::SEVERITIES[ $event['type'] ],
				'object_type' => $domain ? 'domain' : 'network',
				'object_id'   => $domain ? (int) $domain->get_id() : 0,
			)
		);
	}

	/**
	 * Return the plugin's values of an object.
	 *
	 * @param string $model  The kind of the object.
	 * @param mixed  $thing  The object, if there is one.
	 * @return array
	 */
	private static function values_of( $model, $thing ) {
		try {
			return \is_object( $thing ) ? \wu_generate_event_payload( $model, $thing ) : array();
		} catch ( \Throwable $failure ) {
			report( 'Announcements::values_of', $failure );
			return array();
		}
	}

	/**
	 * Return closte-bridge's values of an event.
	 *
	 * @param array $event The event.
	 * @return array Texts by name.
	 */
	private static function own_values( array $event ) {
		$step    = \is_array( $event['step'] ) ? $event['step'] : array();
		$records = isset( $step['records'] ) ? $step['records'] : array();
		$data    = \is_array( $event['data'] ) ? $event['data'] : array();
		$names   = isset( $data['domains'] ) && \is_array( $data['domains'] ) ? $data['domains'] : array();
		$count   = isset( $data['count'] ) ? (int) $data['count'] : \count( $names );
		$values  = array(
			'closte_event_id' => "{$event['id']}-{$event['at']}",
			'closte_change'   => $event['kind'],
			'closte_at'       => \gmdate( 'Y-m-d\TH:i:s\Z', (int) $event['at'] ),
		);
		if ( 'closte_needs_approval' === $event['type'] ) {
			$values += array(
				'closte_count'   => (string) $count,
				'closte_domains' => \implode( ', ', $names ) . ( $count > \count( $names ) ? ', …' : '' ),
				'closte_command' => 'closte-bridge plan',
			);
		} else {
			$text    = run( 'Phrases', 'step', array( $step ) );
			$lines   = run( 'Phrases', 'record_sentences', array( $records ) );
			$values += array(
				'closte_domain'       => $event['domain'],
				'closte_code'         => $event['code'],
				'closte_reason'       => (string) run( 'Phrases', 'code', array( $event['code'] ) ),
				'closte_next_step'    => \is_string( $text ) ? $text : '',
				'closte_step_code'    => isset( $step['code'] ) ? $step['code'] : '',
				'closte_records'      => \is_string( $lines ) ? $lines : '',
				'closte_records_json' => (string) \wp_json_encode( $records ),
			);
		}
		return \str_replace( array( '<', '>' ), '', $values );
	}

	/**
	 * Return the values of an example, which the plugin shows for a type.
	 *
	 * @param string $slug The type.
	 * @return array
	 */
	private static function example( $slug ) {
		$host    = 'shop.example.com';
		$record  = array(
			'type'    => 'A',
			'host'    => $host,
			'value'   => array( '192.0.2.10' ),
			'current' => array( '203.0.113.9' ),
		);
		$step    = array(
			'code'    => 'change-records',
			'args'    => array(),
			'records' => array( $record ),
		);
		$kinds   = array(
			'closte_domain_live'      => 'went-live',
			'closte_domain_needs_dns' => 'needs-customer',
			'closte_domain_broken'    => 'broke',
			'closte_needs_approval'   => 'needs-approval',
		);
		$is_live = 'closte_domain_live' === $slug;
		$own     = self::own_values(
			array(
				'id'     => 1,
				'at'     => \time(),
				'type'   => $slug,
				'kind'   => $kinds[ $slug ],
				'domain' => $host,
				'site'   => 2,
				'code'   => $is_live ? '' : 'points-elsewhere',
				'step'   => $is_live ? array() : $step,
				'data'   => array( 'domains' => array( $host ) ),
			)
		);
		if ( 'closte_needs_approval' === $slug ) {
			return $own;
		}
		return \array_merge( \wu_generate_event_payload( 'domain' ), \wu_generate_event_payload( 'site' ), \wu_generate_event_payload( 'membership' ), \wu_generate_event_payload( 'customer' ), $own );
	}
}
