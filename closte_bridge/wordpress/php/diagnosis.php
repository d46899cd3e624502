<?php
/**
 * Ask Ultimate Multisite why the visitors of sites are blocked. Changes nothing.
 *
 * Runs with plugins loaded. Ultimate Multisite's own diagnosis needs a user with permissions, so this asks the functions behind
 * it. A release without them gives no reason.
 */

/**
 * Return why the visitors of a site are blocked.
 *
 * @param int $blog_id The site.
 * @return string A code of Ultimate Multisite, or an empty string.
 */
function closte_bridge_lock_reason( int $blog_id ): string {
	$row = get_site( $blog_id );
	foreach ( array( 'deleted', 'spam', 'archived' ) as $flag ) {
		if ( $row && ! empty( $row->$flag ) ) {
			return "site_$flag";
		}
	}
	$site = function_exists( 'wu_get_site' ) ? wu_get_site( $blog_id ) : null;
	if ( ! $site ) {
		return '';
	}
	$sites  = '\WP_Ultimo\Managers\Site_Manager';
	$visits = '\WP_Ultimo\Managers\Visits_Manager';
	if ( method_exists( $sites, 'evaluate_site_lock' ) ) {
		$lock = $sites::get_instance()->evaluate_site_lock( $site );
		if ( ! empty( $lock['locked'] ) ) {
			return (string) ( $lock['reason'] ?? '' );
		}
	}
	if ( method_exists( $visits, 'get_visit_lock_status' ) ) {
		return empty( $visits::get_instance()->get_visit_lock_status( $site )['locked'] ) ? '' : 'visits_exceeded';
	}
	return '';
}

/**
 * Return the reasons.
 *
 * @param array $request `sites`: the IDs of the sites.
 * @return array `reasons`: a code or an empty string for each, in the same order.
 */
function closte_bridge_diagnosis( array $request ): array {
	$reasons = array();
	foreach ( $request['sites'] as $blog_id ) {
		try {
			$reasons[] = closte_bridge_lock_reason( (int) $blog_id );
		} catch ( Throwable $failure ) {
			$reasons[] = '';
		}
	}
	return array( 'reasons' => $reasons );
}

closte_bridge_serve( 'closte_bridge_diagnosis', $closte_bridge_request );
