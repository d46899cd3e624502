<?php
/**
 * Move mappings to another stage through Ultimate Multisite's own model, so that its hooks fire as they always do.
 *
 * Runs with plugins loaded. Each change names what it expects to find: whatever was changed in the meantime, by a
 * person or by Ultimate Multisite itself, stays as it is.
 */

/**
 * Keep Ultimate Multisite from making a mapping its site's primary domain, and return how to let it again.
 *
 * Reaching "done" does so for a mapping that is new. One that was there before and comes back has had its turn, and one
 * that was forgotten for long is expected by nobody: what is primary since then is somebody's decision.
 *
 * @return callable
 */
function closte_bridge_without_promotion(): callable {
	global $wp_filter;
	$hook  = 'wu_transition_domain_stage';
	$taken = array();
	foreach ( isset( $wp_filter[ $hook ] ) ? $wp_filter[ $hook ]->callbacks : array() as $priority => $callbacks ) {
		foreach ( $callbacks as $callback ) {
			$function = $callback['function'];
			if ( is_array( $function ) && 'maybe_auto_promote_primary_domain' === $function[1] ) {
				$taken[] = array( $hook, $function, $priority, $callback['accepted_args'] );
				remove_filter( $hook, $function, $priority );
			}
		}
	}
	return static function () use ( $taken ) {
		foreach ( $taken as $arguments ) {
			add_filter( ...$arguments );
		}
	};
}

/**
 * Tell whether a request for the domain arrives at this very network: Ultimate Multisite asks the domain for the
 * mapping's id, with a token that only this network can have made.
 *
 * @param object $domain The mapping.
 * @return bool True as well where Ultimate Multisite has no such request (before 2.4.4).
 */
function closte_bridge_leads_here( $domain ): bool {
	$manager = is_callable( array( '\WP_Ultimo\Managers\Domain_Manager', 'get_instance' ) )
		? \WP_Ultimo\Managers\Domain_Manager::get_instance()
		: null;
	if ( ! $manager || ! method_exists( $manager, 'verify_domain_with_loopback_request' ) ) {
		return true;
	}
	return (bool) $manager->verify_domain_with_loopback_request( $domain );
}

/**
 * Change one mapping.
 *
 * @param array $change `id`, `domain`, `from`, `to`, `secure` (bool, or null to leave it), `back`: it is not new;
 *                      `prove`: it is behind a CDN, which may lead elsewhere.
 * @return string `done`, `changed` (it is not what was expected), `unproven` (the CDN does not lead here), or `refused`
 *                with Ultimate Multisite's error code.
 */
function closte_bridge_move_stage( array $change ): string {
	$domain = wu_get_domain( (int) $change['id'] );
	// Ultimate Multisite's model gives a row's name in lower case, whatever stands in the table.
	if ( ! $domain || 0 !== strcasecmp( $domain->get_domain(), $change['domain'] ) || $domain->get_stage() !== $change['from'] ) {
		return 'changed';
	}
	if ( ! empty( $change['prove'] ) && ! closte_bridge_leads_here( $domain ) ) {
		return 'unproven';
	}
	$domain->set_stage( $change['to'] );
	if ( null !== $change['secure'] ) {
		$domain->set_secure( (bool) $change['secure'] );
	}
	$restore = empty( $change['back'] ) ? null : closte_bridge_without_promotion();
	try {
		$saved = $domain->save();
	} finally {
		if ( $restore ) {
			$restore();
		}
	}
	if ( is_wp_error( $saved ) ) {
		return 'refused ' . preg_replace( '/[^a-z0-9_-]/i', '', (string) $saved->get_error_code() );
	}
	return 'done';
}

/**
 * Change several, with a breath between them: each save flushes the object cache.
 *
 * @param array $request `changes`, and `pause` in microseconds.
 * @return array One result a change, in their order.
 */
function closte_bridge_move_stages( array $request ): array {
	if ( ! function_exists( 'wu_get_domain' ) ) {
		throw new RuntimeException( 'plugin-inactive' );
	}
	$results = array();
	foreach ( $request['changes'] as $change ) {
		if ( $results ) {
			usleep( (int) $request['pause'] );
		}
		$results[] = closte_bridge_move_stage( $change );
	}
	return array( 'results' => $results );
}

closte_bridge_serve( 'closte_bridge_move_stages', $closte_bridge_request );
