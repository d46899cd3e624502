<?php
/**
 * Checks how the shim passes arguments to the engine; `unit.php` loads it.
 */

$words = static function ( $line ) {
	return Closte_Bridge\run( 'Command', 'behind', array( explode( ' ', $line ) ) );
};
class WP_CLI {}
check( 'arguments are passed on', $words( '--path=/x closte-bridge plan --no-www -- --help closte-bridge' ), array( 'plan', '--no-www', '--', '--help', 'closte-bridge' ) );
check( 'options before the command', $words( '--path=/x --quiet --debug=a --user=b closte-bridge plan --skip-themes --prompt=x --no-color -- --user=c' ), array( '--quiet', '--debug=a', 'plan', '--no-color', '--', '--user=c' ) );
check( 'no arguments', $words( '--path=/x closte-bridge' ), array( '--help' ) );
check( 'no arguments but an option', $words( '--quiet closte-bridge' ), array( '--quiet', '--help' ) );
$own = static function ( $line ) {
	return Closte_Bridge\Command::is_own_process( explode( ' ', $line ) );
};
check( 'whether the process was started for the command', array( $own( '--path=/x closte-bridge plan' ), $own( '@one closte-bridge' ), $own( 'help closte-bridge plan' ), $own( 'eval closte-bridge' ), $own( '' ) ), array( true, true, true, false, false ) );
check( 'parsed arguments are rebuilt', Closte_Bridge\Command::words( array( 'domain', 'get', 'x' ), array( 'field' => 'a', 'quiet' => true, 'color' => false, 'user' => 'b' ) ), array( 'domain', 'get', 'x', '--field=a', '--quiet', '--no-color' ) );
check( 'no parsed arguments', Closte_Bridge\Command::words( array(), array() ), array( '--help' ) );
check( 'help', $words( 'help closte-bridge plan' ), array( 'plan', '--help' ) );
foreach ( array( array(), array( 'wake' => 'odd' ), array( 'engine' => 'odd', 'trigger_file' => '/x' ), array( 'engine' => array( '/no/such' ), 'trigger_file' => '/no/such/x' ) ) as $config ) {
	$method = Closte_Bridge\run( 'Trigger', 'method', array( $config ) );
	check( 'no trigger method', $method[0], 'poll' );
}
$here   = array(
	'engine'    => array( PHP_BINARY ),
	'start'     => array( PHP_BINARY ),
	'trigger_file' => '/no/such/folder/trigger',
);
$method = Closte_Bridge\run( 'Trigger', 'method', array( $here ) );
check( 'no process without a writable folder', $method[0], 'poll' );
foreach ( array( null, array(), 'odd' ) as $none ) {
	$method = Closte_Bridge\run( 'Trigger', 'method', array( array( 'start' => $none ) + $here ) );
	check( 'no process without a start method', $method, array( 'poll', 'No method to start a program in the background works on this machine.' ) );
}
$fixed = array( '/e', '--config=/c', '--network=one', '--path=/x', '--url=u', '--allow-root' );
$left  = static function ( ...$behind ) use ( $fixed ) {
	return implode( ' ', Closte_Bridge\run( 'Command', 'engine_for', array( $fixed, $behind ) ) );
};
check( 'configured options are kept', $left( 'plan', '--network=one', '--pathless' ), implode( ' ', $fixed ) );
check( 'not for another network', $left( 'plan', '--network=two' ), '/e --config=/c --allow-root' );
check( 'not for all networks', $left( 'plan', '--all' ), '/e --config=/c --allow-root' );
check( 'not for another WordPress', $left( 'plan', '--ssh=host' ), '/e --config=/c --network=one --allow-root' );
