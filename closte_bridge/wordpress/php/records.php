<?php
/**
 * Create missing domain records of sites, with the rules of the shim, even if it is not installed.
 *
 * Runs with plugins loaded, so that Ultimate Multisite's own function creates them, and its hooks and checks run.
 */

/**
 * Return a site's record as a row of the mappings table.
 *
 * @param int $blog_id The site.
 * @return array|null Id, site, domain, active, primary, secure, stage.
 */
function closte_bridge_record( int $blog_id ): ?array {
	$site   = get_site( $blog_id );
	$record = $site ? Closte_Bridge\Records::of( $site ) : null;
	if ( ! $record ) {
		return null;
	}
	return array(
		(int) $record->get_id(),
		$blog_id,
		(string) $record->get_domain(),
		(int) (bool) $record->is_active(),
		(int) (bool) $record->is_primary_domain(),
		(int) (bool) $record->is_secure(),
		(string) $record->get_stage(),
	);
}

/**
 * Check each site and, if requested, create its record. Pauses between records, because each save flushes the object cache.
 *
 * @param array $request `sites`: blog IDs; `really`: whether to create the records; `pause` in microseconds; `rules`: the
 *                       shim's class, as text.
 * @return array For each site, in order, a result (see `Records::make`) and, if created, the record.
 */
function closte_bridge_records( array $request ): array {
	if ( ! function_exists( 'wu_create_domain' ) ) {
		throw new RuntimeException( 'plugin-inactive' );
	}
	if ( ! class_exists( 'Closte_Bridge\Records', false ) ) {
		eval( '?>' . base64_decode( $request['rules'] ) ); // phpcs:ignore Squiz.PHP.Eval -- it comes from standard input, like this file.
	}
	$results = array();
	$made    = 0;
	foreach ( $request['sites'] as $blog_id ) {
		if ( $made ) {
			usleep( (int) $request['pause'] );
		}
		try {
			$result = Closte_Bridge\Records::make( (int) $blog_id, (bool) $request['really'] );
		} catch ( Throwable $failure ) {
			$result = 'refused exception'; // One failure must not stop the other sites.
		}
		$made     += 'made' === $result ? 1 : 0;
		$results[] = array( $result, 'made' === $result ? closte_bridge_record( (int) $blog_id ) : null );
	}
	return array( 'results' => $results );
}

closte_bridge_serve( 'closte_bridge_records', $closte_bridge_request );
