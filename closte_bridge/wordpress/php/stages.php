<?php
/**
 * Change the stage of mappings through Ultimate Multisite's own model, so that its hooks run.
 *
 * Runs with plugins loaded. Each change has the expected current values. A mapping that a person or Ultimate Multisite
 * changed in the meantime is not changed.
 */

/**
 * Prevent Ultimate Multisite from making a mapping its site's primary domain, and return a function that undoes this.
 *
 * Ultimate Multisite does so when a mapping reaches "done". That is only correct for a new mapping: for an older one, a
 * person may have chosen another primary domain since.
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
 * Return whether requests for the domain reach this network: Ultimate Multisite requests the mapping's ID from the domain,
 * with a token that only this network can create.
 *
 * @param object $domain The mapping.
 * @return bool True if Ultimate Multisite does not support this check (before 2.4.4).
 */
function closte_bridge_points_here( $domain ): bool {
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
 *                      `prove`: it is behind a CDN, which may point elsewhere.
 * @return string `done`, `changed` (current values are not the expected ones), `unproven` (the CDN does not point here), or
 *                `refused` with Ultimate Multisite's error code.
 */
function closte_bridge_move_stage( array $change ): string {
	$domain = wu_get_domain( (int) $change['id'] );
	// Ultimate Multisite's model returns the domain in lower case, unlike the table.
	if ( ! $domain || 0 !== strcasecmp( $domain->get_domain(), $change['domain'] ) || $domain->get_stage() !== $change['from'] ) {
		return 'changed';
	}
	if ( ! empty( $change['prove'] ) && ! closte_bridge_points_here( $domain ) ) {
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
 * Change several mappings. Pauses between them, because each save flushes the object cache.
 *
 * @param array $request `changes`, and `pause` in microseconds.
 * @return array One result per change, in order.
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
