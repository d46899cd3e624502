<?php
/**
 * Answers questions about the shim's texts, without WordPress: php phrases.php <shim folder>, with one question per line
 * of standard input: JSON with the method of `Phrases`, `Labels` or `Advice` and its arguments. One answer per line.
 */

require __DIR__ . '/stubs.php';
require $argv[1] . '/closte-bridge-shim.php';

Closte_Bridge\run( 'Messages', 'load' );
Closte_Bridge\run( 'Phrases', 'step', array( array( 'code' => 'none' ) ) );
Closte_Bridge\run( 'Labels', 'states' );
foreach ( file( 'php://stdin' ) as $line ) {
	list( $part, $method, $args ) = json_decode( $line, true );
	// Not through `run`, which hides exceptions.
	echo json_encode( ( "Closte_Bridge\\$part::$method" )( ...$args ), JSON_UNESCAPED_UNICODE ), "\n";
}
