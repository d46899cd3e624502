<?php
/**
 * Checks the wake-ups: what is sent, when, and that nothing waits. Part of unit.php, behind routes.php.
 */

$place  = $argv[1] . '/closte-bridge/secret.php';
$secret = str_repeat( 'ab', 32 );
file_put_contents( $place, "<?php\n// closte-bridge-shim test sha256:0\n\n// secrets {\"1\":\"$secret\",\"2\":\"" . str_repeat( 'cd', 32 ) . "\"}\n" );
// PHP as WebAssembly connects to no server of its own.
$listener = @stream_socket_server( 'tcp://127.0.0.1:0' );
$url      = 'http://' . ( $listener ? stream_socket_get_name( $listener, false ) : '127.0.0.1:9' );
$own      = $listener ? @stream_socket_client( 'tcp' . substr( $url, 4 ), $code, $reason, 1 ) : false;
if ( ! $own || ! @stream_socket_accept( $listener, 1 ) ) {
	$listener = false;
}
$configs  = static function ( $address, $wake = 'auto' ) use ( $argv ) {
	$one = array( 'engine' => null, 'trigger_file' => null, 'wake' => $wake, 'url' => $address );
	file_put_contents( $argv[1] . '/closte-bridge/config.php', '<?php return ' . var_export( array( 1 => $one, 2 => $one ), true ) . ';' );
	return $one;
};
$method   = static function ( array $config ) {
	return Closte_Bridge\run( 'Trigger', 'method', array( $config ) )[0];
};
$received = static function () use ( $listener ) {
	$client = @stream_socket_accept( $listener, 0.2 );
	return $client ? (string) stream_get_contents( $client ) : '';
};

check( 'an address is called', $method( $configs( $url ) ), 'url' );
check( 'a method without an address', $method( $configs( $url, 'process' ) ), 'poll' );
check( 'an address that is off', $method( $configs( $url, 'none' ) ), 'poll' );
foreach ( array( null, '', 'ftp://127.0.0.1/', 'https://', 'x', 7, array() ) as $odd ) {
	check( 'an invalid address', $method( $configs( $odd ) ), 'poll' );
}

if ( $listener ) {
	$configs( $url );
	Closte_Bridge\run( 'Trigger', 'engine', array( 1, 7 ) );
	Closte_Bridge\run( 'Trigger', 'engine', array( 1, 8 ) );
	check( 'nothing is sent before the end of the request', $received(), '' );
	Closte_Bridge\run( 'Wake', 'send_all' );
	$sent = $received();
	check( 'one request', $received(), '' );
	list( $head, $body ) = explode( "\r\n\r\n", $sent );
	check( 'the newest event', json_decode( $body, true ), array( 'network' => 'example.net', 'newest' => 8 ) );
	check( 'its header', preg_match( '/^X-Closte-Bridge: 1 (\d+) ([0-9a-f]{32}) ([0-9a-f]{64}) ([0-9a-f]{16})\r?$/m', $head, $found ), 1 );
	$text = array( 'closte-bridge 1 wake', $url, $found[1], $found[2], hash( 'sha256', $body ) );
	check( 'its signature', $found[3], hash_hmac( 'sha256', implode( "\n", $text ), $secret ) );
	check( 'what identifies the secret', $found[4], substr( hash( 'sha256', "closte-bridge key $secret" ), 0, 16 ) );
	check( 'the secret itself is not sent', strpos( $sent, $secret ), false );
	Closte_Bridge\run( 'Trigger', 'engine', array( 1, 9 ) );
	Closte_Bridge\run( 'Wake', 'send_all' );
	check( 'once in a request', $received(), '' );
	Closte_Bridge\run( 'Trigger', 'engine', array( 2, 9 ) );
	Closte_Bridge\run( 'Wake', 'send_all' );
	check( 'once for each network', strpos( $received(), substr( hash( 'sha256', 'closte-bridge key ' . str_repeat( 'cd', 32 ) ), 0, 16 ) ) > 0 );
	fclose( $listener );
}
unlink( $place );
check( 'no request without a secret', $method( $configs( $url ) ), 'poll' );
unlink( $argv[1] . '/closte-bridge/config.php' );
