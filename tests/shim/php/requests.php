<?php
/**
 * Checks the requests of people: check a domain, retry a change.
 */

World::$options['closte_bridge_owner'] = array( 'engine' => 'e' );
$note = static function ( ...$given ) {
	return Closte_Bridge\run( 'Requests', 'note', $given );
};
the_end();
check( 'requests are accepted', array( $note( 'check', 'shop.example.com', 2 ), $note( 'check', 'shop.example.com', 2 ), $note( 'retry', '*.example.org' ) ), array( true, true, true ) );
check( 'the same request is written once', kinds( the_end() ), array( 'check 2', 'retry 0' ) );
$note( 'check', 'shop.example.com', 30 );
$note( 'check', 'shop.example.com', 30, 1 );
$sql = the_end();
check( 'the network of the site, or the given one', array( substr_count( $sql[0], '(3, ' ), substr_count( $sql[0], '(1, ' ) ), array( 1, 1 ) );
foreach ( array( 'mapping_removed', 'everything', '', null, array( 'check' ) ) as $kind ) {
	check( 'no other kind of event', $note( $kind, 'shop.example.com', 2 ), false );
}
$hostile = array( '', 'localhost', 'Shop.example.com', 'a b.example.com', "x.example.com\n", '<script>.com', "'.example.com", 'x..com', "\xff.com", 'münchen.example', str_repeat( 'a', 250 ) . '.com', array( 'x.com' ), null, 7, new stdClass() );
foreach ( $hostile as $name ) {
	check( 'an invalid domain is refused', array( $note( 'check', $name, 2 ), Closte_Bridge\run( 'Requests', 'allowed', array( $name ) ) ), array( false, false ) );
}
World::$owners = array( 9 => null );
check( 'without an owner, no request', array( $note( 'check', 'shop.example.com', 0, 9 ), the_end() ), array( false, array() ) );
World::$owners = array();
World::$reads = 0;
for ( $i = 0; $i < 1000; $i++ ) {
	$note( 'check', 'shop.example.com', 2 );
}
check( 'a thousand requests read no option', World::$reads, 0 );
check( 'a thousand requests are one row', kinds( the_end() ), array( 'check 2' ) );

// The rate limit.
$allowed = static function ( $domain, $user = 1 ) {
	World::$user = $user;
	return Closte_Bridge\Requests::allowed( $domain );
};
check( 'the first request is allowed', $allowed( 'a.example.com' ) );
check( 'a domain only once a minute, whoever asks', array( $allowed( 'a.example.com' ), $allowed( 'a.example.com', 2 ) ), array( false, false ) );
for ( $i = 0; $i < 9; $i++ ) {
	$allowed( "$i.example.com" );
}
check( 'a user a few times a minute', array( $allowed( 'b.example.com' ), $allowed( 'b.example.com', 2 ) ), array( false, true ) );
foreach ( World::$transients[ Closte_Bridge\Requests::RATE_LIMITER ] as $name => $entry ) {
	World::$transients[ Closte_Bridge\Requests::RATE_LIMITER ][ $name ][0] -= 61;
}
check( 'again after a minute', array( $allowed( 'a.example.com' ), count( World::$transients[ Closte_Bridge\Requests::RATE_LIMITER ] ) ), array( true, 1 ) );
for ( $i = 0; $i < 400; $i++ ) {
	$allowed( "$i.example.net", $i );
}
check( 'a network some times a minute', count( World::$transients[ Closte_Bridge\Requests::RATE_LIMITER ] ), 300 );
foreach ( array( 7, 'text', array( 'x' ), array( 'x' => array() ), array( 'x' => array( 'now', array() ) ) ) as $odd ) {
	World::$transients[ Closte_Bridge\Requests::RATE_LIMITER ] = $odd;
	check( 'an invalid list of requests counts as empty', $allowed( 'a.example.com' ) );
}
World::$transients = array();
