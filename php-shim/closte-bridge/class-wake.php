<?php
/**
 * Wakes an engine on another machine with a signed request.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Sends at most one request per network, after the response to the visitor, and waits for no engine.
 *
 * The header `X-Closte-Bridge` has five words: version 1, the time in seconds, a nonce that is used once, the HMAC-SHA256 of version,
 * address, time, nonce and the body's digest, and what identifies the secret.
 */
final class Wake {

	/** Seconds to connect, and to wait until a proxy has passed the request on. Only after the response was sent. */
	const CONNECT = 1.0;
	const PASSING = 0.5;

	/** Seconds of a test. */
	const TEST = 5;

	/** Seconds without another try after one that failed. */
	const REST = 60;

	/**
	 * Newest event by network, of the requests that are due.
	 *
	 * @var array
	 */
	private static $due = array();

	/**
	 * Networks that this process has woken.
	 *
	 * @var array
	 */
	private static $sent = array();

	/**
	 * Return why no wake-up can be sent.
	 *
	 * @param array $config From `Trigger::config`.
	 * @return string A sentence, or ''.
	 */
	public static function why_not( array $config ) {
		$place = self::place( $config );
		if ( ! $place ) {
			return 'The address of the listener is not valid.';
		}
		if ( '' === (string) run( 'Routes', 'fingerprint' ) ) {
			return 'PHP cannot read the secret of closte-bridge.';
		}
		if ( 'https' === $place['scheme'] && ! self::finisher() && 'cli' !== \PHP_SAPI ) {
			return 'This PHP cannot send anything after its response.';
		}
		return '';
	}

	/**
	 * Wake the engine of a network at the end of this request, once.
	 *
	 * @param int $network_id The network.
	 * @param int $newest     The ID of its newest event.
	 */
	public static function later( $network_id, $newest ) {
		if ( ! self::$due && ! self::$sent ) {
			// Behind all other functions: the response ends before it.
			\register_shutdown_function( __NAMESPACE__ . '\run', 'Wake', 'send_all' );
		}
		if ( ! isset( self::$sent[ $network_id ] ) ) {
			self::$due[ $network_id ] = $newest;
		}
	}

	/**
	 * Send the requests that are due.
	 */
	public static function send_all() {
		$due        = self::$due;
		self::$due  = array();
		self::$sent = $due + self::$sent;
		foreach ( $due as $network_id => $newest ) {
			$config = Trigger::config( $network_id );
			$place  = self::place( $config );
			$mark   = self::mark( $config );
			if ( $place && ! self::rests( $mark ) && ! self::send( $place, self::request( $config, $place, $network_id, $newest )[0] ) ) {
				@\touch( $mark ); // phpcs:ignore -- without it, the next request tries again.
			}
		}
	}

	/**
	 * Ask the listener for an answer, without triggering a run.
	 *
	 * @param array $config From `Trigger::config`.
	 * @return string '' if it accepts this network's requests, else a clause.
	 */
	public static function test( array $config ) {
		$place = self::place( $config );
		if ( ! $place ) {
			return 'its address is not valid';
		}
		list( $request, $nonce ) = self::request( $config, $place, \get_current_network_id(), 0, true );
		$reason                  = '';
		$socket                  = self::connect( $place, self::TEST, $reason );
		if ( ! $socket ) {
			return 'it cannot be reached' . $reason;
		}
		\stream_set_timeout( $socket, self::TEST );
		\fwrite( $socket, $request ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- a socket.
		$answer = (string) @\stream_get_contents( $socket, 16384 ); // phpcs:ignore -- a reset connection is no answer.
		\fclose( $socket ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- the same.
		return self::verdict( $answer, $nonce );
	}

	/**
	 * Return what an answer to a test means.
	 *
	 * @param string $answer The answer with its headers.
	 * @param string $nonce  The nonce of the request.
	 * @return string '' if the listener accepted it, else a clause.
	 */
	private static function verdict( $answer, $nonce ) {
		if ( ! \preg_match( '#^HTTP/1\.[01] (\d{3})#', $answer, $found ) ) {
			return 'it does not answer';
		}
		$parts  = \explode( "\r\n\r\n", $answer, 2 );
		$status = $found[1];
		$body   = isset( $parts[1] ) ? $parts[1] : '';
		$signed = \preg_match( '/^X-Closte-Bridge: ([0-9a-f]{64})\r?$/mi', $parts[0], $own ) ? $own[1] : '';
		$text   = array( 'closte-bridge 1 answer', $nonce, $status, \hash( 'sha256', $body ) );
		if ( ! \hash_equals( Routes::signature( $text, \get_current_network_id() ), $signed ) ) {
			return '401' === $status ? 'it does not know the secret of this network' : "another server answers there (HTTP $status)";
		}
		if ( false !== \strpos( $body, '"clock"' ) ) {
			return 'the clocks of both machines differ by more than five minutes';
		}
		return '200' === $status ? '' : "it refuses the request (HTTP $status)";
	}

	/**
	 * Return the parts of the listener's address.
	 *
	 * @param array $config From `Trigger::config`.
	 * @return array `scheme`, `host`, `port`, `path`, and the `name` for the header; empty if there is no valid address.
	 */
	private static function place( array $config ) {
		$parts = isset( $config['url'] ) && \is_string( $config['url'] ) ? \parse_url( $config['url'] ) : false; // phpcs:ignore WordPress.WP.AlternativeFunctions -- WordPress' own adds nothing here.
		if ( ! $parts || empty( $parts['host'] ) || ! isset( $parts['scheme'] ) || ! \in_array( $parts['scheme'], array( 'http', 'https' ), true ) ) {
			return array();
		}
		return $parts + array(
			'name' => $parts['host'] . ( isset( $parts['port'] ) ? ":{$parts['port']}" : '' ),
			'port' => 'https' === $parts['scheme'] ? 443 : 80,
			'path' => '/',
		);
	}

	/**
	 * Return a signed request.
	 *
	 * @param array $config     From `Trigger::config`.
	 * @param array $place      From `place`.
	 * @param int   $network_id The network.
	 * @param int   $newest     The ID of its newest event.
	 * @param bool  $test       Whether it only tests the listener.
	 * @return array The request and its nonce.
	 */
	private static function request( array $config, array $place, $network_id, $newest, $test = false ) {
		$network  = \get_network( $network_id );
		$document = array(
			'network' => $network ? (string) $network->domain : '',
			'newest'  => (int) $newest,
		) + ( $test ? array( 'test' => true ) : array() );
		// This also loads the class.
		$key    = (string) run( 'Routes', 'fingerprint', array( $network_id ) );
		$body   = (string) \json_encode( $document, \JSON_INVALID_UTF8_SUBSTITUTE ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- no filter of a plugin may change it.
		$time   = \time();
		$nonce  = \bin2hex( \random_bytes( 16 ) );
		$text   = array( 'closte-bridge 1 wake', $config['url'], $time, $nonce, \hash( 'sha256', $body ) );
		$header = "1 $time $nonce " . Routes::signature( $text, $network_id ) . ' ' . $key;
		$lines  = array(
			// No chunks in the answer.
			"POST {$place['path']} HTTP/1.0",
			"Host: {$place['name']}",
			'Content-Type: application/json',
			'Content-Length: ' . \strlen( $body ),
			"X-Closte-Bridge: $header",
			'Connection: close',
			'',
			$body,
		);
		return array( \implode( "\r\n", $lines ), $nonce );
	}

	/**
	 * Send a request. If the response to the visitor cannot be ended first, wait for nothing.
	 *
	 * @param array  $place   From `place`.
	 * @param string $request The request.
	 * @return bool Whether the listener took it.
	 */
	private static function send( array $place, $request ) {
		$finish = self::finisher();
		if ( '' !== $finish ) {
			$finish();
		}
		$patient = '' !== $finish || 'cli' === \PHP_SAPI;
		$socket  = self::connect( $place, $patient ? self::CONNECT : 0.0 );
		if ( ! $socket ) {
			return false;
		}
		\stream_set_blocking( $socket, $patient );
		\stream_set_timeout( $socket, 1 );
		$sent = @\fwrite( $socket, $request ) === \strlen( $request ); // phpcs:ignore -- a closed connection is a failure as any other.
		if ( $sent && $patient ) {
			// A proxy drops the request of a client that is gone before it has passed it on.
			\stream_set_timeout( $socket, 0, (int) ( self::PASSING * 1e6 ) );
			@\fread( $socket, 1 ); // phpcs:ignore -- the same.
		}
		\fclose( $socket ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- a socket.
		return $sent;
	}

	/**
	 * Connect to the listener.
	 *
	 * @param array  $place   From `place`.
	 * @param float  $seconds Time limit; 0 to give up unless it accepts immediately, as only this machine does.
	 * @param string $reason  Gets the reason of a failure, to be put behind a clause.
	 * @return resource|null
	 */
	private static function connect( array $place, $seconds, &$reason = '' ) {
		$secure  = 'https' === $place['scheme'];
		$address = ( $secure ? 'ssl' : 'tcp' ) . "://{$place['host']}:{$place['port']}";
		$flags   = \STREAM_CLIENT_CONNECT | ( $seconds > 0 ? 0 : \STREAM_CLIENT_ASYNC_CONNECT );
		$options = array( 'ssl' => array( 'peer_name' => \trim( $place['host'], '[]' ) ) );
		$socket  = @\stream_socket_client( $address, $code, $text, $seconds > 0 ? $seconds : 1, $flags, \stream_context_create( $options ) ); // phpcs:ignore -- the listener may be down.
		if ( ! $socket ) {
			// A failed handshake has no code and no text.
			$reason = '' !== (string) $text ? " ($text)" : ( $secure ? ' (TLS failed)' : '' );
			return null;
		}
		$ready = array( $socket );
		$none  = null;
		if ( $seconds <= 0 && ! @\stream_select( $none, $ready, $none, 0, 1000 ) ) { // phpcs:ignore -- a signal may interrupt it.
			\fclose( $socket ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- a socket.
			return null;
		}
		return $socket;
	}

	/**
	 * Return the function that ends the response to the visitor.
	 *
	 * @return string '' if this PHP has none.
	 */
	private static function finisher() {
		foreach ( array( 'fastcgi_finish_request', 'litespeed_finish_request' ) as $name ) {
			if ( \function_exists( $name ) ) {
				return $name;
			}
		}
		return '';
	}

	/**
	 * Return the file whose time is that of the last failure. Such a failure may take many seconds, if names do not resolve.
	 *
	 * @param array $config From `Trigger::config`.
	 * @return string
	 */
	private static function mark( array $config ) {
		$url = isset( $config['url'] ) && \is_string( $config['url'] ) ? $config['url'] : '';
		return \rtrim( \sys_get_temp_dir(), '/' ) . '/closte-bridge-' . \substr( \hash( 'sha256', __DIR__ . $url ), 0, 16 );
	}

	/**
	 * Return whether the last try failed a moment ago.
	 *
	 * @param string $mark From `mark`.
	 * @return bool
	 */
	private static function rests( $mark ) {
		\clearstatcache( true, $mark );
		$failed = @\filemtime( $mark ); // phpcs:ignore -- the file may be missing.
		return \is_int( $failed ) && \abs( \time() - $failed ) < self::REST;
	}
}
