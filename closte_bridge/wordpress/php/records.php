<?php
/**
 * Make the domain records that sites lack, by the very rules of the shim, whether it is installed or not.
 *
 * Runs with plugins loaded, so that Ultimate Multisite's own function makes them, its hooks fire and its checks follow.
 */

/**
 * Return what is known of a site's record, as a row of the mappings table.
 *
 * @param int $blog_id The site.
 * @return array|null Id, site, domain, active, primary, secure, stage.
 */
function closte_bridge_record( int $blog_id ): ?array {
	$record = Closte_Bridge\Records::of( $blog_id );
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
 * Look at each site, and make its record if that is asked for, with a breath between them: each save flushes the cache.
 *
 * @param array $request `sites`: blog ids; `really`: whether to make them; `pause` in microseconds; `rules`: the shim's
 *                       class, as text.
 * @return array For each site, in their order, a word (see `Records::make`) and, when it was made, the record.
 */
function closte_bridge_records( array $request ): array {
	if ( ! function_exists( 'wu_create_domain' ) ) {
		throw new RuntimeException( 'plugin-inactive' );
	}
	if ( ! class_exists( 'Closte_Bridge\Records', false ) ) {
		eval( '?>' . base64_decode( $request['rules'] ) ); // phpcs:ignore Squiz.PHP.Eval -- it comes from standard input, as this file does.
	}
	$results = array();
	$made    = 0;
	foreach ( $request['sites'] as $blog_id ) {
		if ( $made ) {
			usleep( (int) $request['pause'] );
		}
		try {
			$word = Closte_Bridge\Records::make( (int) $blog_id, (bool) $request['really'] );
		} catch ( Throwable $failure ) {
			$word = 'refused exception'; // One odd site must not stop the others.
		}
		$made     += 'made' === $word ? 1 : 0;
		$results[] = array( $word, 'made' === $word ? closte_bridge_record( (int) $blog_id ) : null );
	}
	return array( 'results' => $results );
}

closte_bridge_serve( 'closte_bridge_records', $closte_bridge_request );
