<?php
/**
 * Measures pages of the domain states: the time of each question in milliseconds, as JSON.
 */

Closte_Bridge\run( 'States', 'table' );

/**
 * Return the lower quartile of the time of a job in milliseconds: other load can only slow it down.
 *
 * @param callable $job    The job.
 * @param int      $rounds How often it runs.
 * @return float
 */
function closte_bridge_bench( callable $job, int $rounds ): float {
	$job();
	$times = array();
	for ( $round = 0; $round < $rounds; $round++ ) {
		$began = hrtime( true );
		$job();
		$times[] = ( hrtime( true ) - $began ) / 1e6;
	}
	sort( $times );
	return $times[ intdiv( $rounds, 4 ) ];
}

$asked = array();
foreach ( array_keys( Closte_Bridge\States::VIEWS ) as $view ) {
	$asked[ "view=$view" ] = array( 'view' => $view );
}
foreach ( Closte_Bridge\States::SORTED_BY as $column ) {
	$asked[ "orderby=$column" ] = array(
		'orderby' => $column,
		'order'   => 'desc',
	);
}
$asked['search=er-99'] = array( 'search' => 'er-99' );
$asked['offset=9980']  = array( 'offset' => 9980 );

$rounds = (int) $args[0];
$found  = array();
foreach ( $asked as $name => $query ) {
	$found[ $name ] = closte_bridge_bench(
		static function () use ( $query ) {
			Closte_Bridge\States::page( $query + array( 'per_page' => 20 ) );
		},
		$rounds
	);
}
$found['counts'] = closte_bridge_bench( array( 'Closte_Bridge\States', 'counts' ), $rounds );
$some            = array_column( Closte_Bridge\States::page( array( 'per_page' => 20 ) )['rows'], 'domain' );
$found['bare']   = closte_bridge_bench(
	static function () use ( $some ) {
		Closte_Bridge\States::of( $some );
	},
	$rounds
);
echo json_encode( $found );
