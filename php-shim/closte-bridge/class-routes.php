<?php
/**
 * Answers the engine's signed requests.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Checks the signature of a request and signs the answer. Without a valid signature, the answer is always 401.
 *
 * The header `X-Closte-Bridge` of a request has four words: version 1, the time in seconds, a nonce that is used once, and
 * the HMAC-SHA256 of version, method, host, route, time, nonce and the body's digest. The header of an answer has the HMAC of the
 * nonce, the status and the body's digest, so that no other server can answer.
 */
final class Routes {

	/** Each route with its method. */
	const ROUTES = array(
		'site'    => 'POST',
		'refresh' => 'POST',
		'pulse'   => 'GET',
	);

	/** Accepted difference of the clocks, in seconds. */
	const SKEW = 300;

	/** Longest body, in bytes. */
	const LONGEST = 65536;

	/**
	 * Answer the current request and end it.
	 *
	 * @param string $route The route asked for.
	 */
	public static function serve( $route ) {
		try {
			$answer = self::answer( self::request( $route ) );
		} catch ( \Throwable $failure ) {
			report( 'Routes::serve', $failure );
			$answer = array( 500, '{"code":"failed"}', array() );
		}
		// Neither PHP notices nor the buffer of a page cache may change the answer.
		while ( \ob_get_level() && @\ob_end_clean() ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors -- some buffers cannot be removed.
			continue;
		}
		self::send( $answer );
		exit;
	}

	/**
	 * Return what counts of the current request.
	 *
	 * @param string $route The route asked for.
	 * @return array
	 */
	private static function request( $route ) {
		$of     = static function ( $name ) {
			return isset( $_SERVER[ $name ] ) && \is_string( $_SERVER[ $name ] ) ? $_SERVER[ $name ] : ''; // phpcs:ignore WordPress.Security -- the signature covers it, and nothing prints it.
		};
		$header = $of( 'HTTP_X_CLOSTE_BRIDGE' );
		$small  = (int) $of( 'CONTENT_LENGTH' ) <= self::LONGEST;
		return array(
			'route'  => $route,
			'method' => $of( 'REQUEST_METHOD' ),
			'host'   => (string) \preg_replace( '/:\d+$/D', '', \strtolower( $of( 'HTTP_HOST' ) ) ),
			'header' => $header,
			'etag'   => $of( 'HTTP_IF_NONE_MATCH' ),
			// Without a header, the body does not matter.
			'body'   => '' !== $header && $small ? (string) \file_get_contents( 'php://input', false, null, 0, self::LONGEST + 1 ) : '', // phpcs:ignore WordPress.WP.AlternativeFunctions -- the request's body.
			'now'    => \time(),
		);
	}

	/**
	 * Return the answer to a request.
	 *
	 * @param array $request From `request`.
	 * @return array Status, body and headers.
	 */
	public static function answer( array $request ) {
		$shape  = '/^1 (\d{1,12}) ([0-9a-f]{32}) ([0-9a-f]{64})$/D';
		$secret = self::secret( \get_current_network_id() );
		if ( '' === $secret || ! \preg_match( $shape, $request['header'], $found ) ) {
			return array( 401, '{"code":"unsigned"}', array() );
		}
		list( , $time, $nonce, $signature ) = $found;

		$text = array( 'closte-bridge 1', $request['method'], $request['host'], $request['route'], $time, $nonce, \hash( 'sha256', $request['body'] ) );
		if ( ! \hash_equals( \hash_hmac( 'sha256', \implode( "\n", $text ), $secret ), $signature ) ) {
			return array( 401, '{"code":"unsigned"}', array() );
		}
		$result   = self::signed( $request, (int) $time, $nonce );
		$document = (string) \json_encode( $result[1], \JSON_INVALID_UTF8_SUBSTITUTE | \JSON_UNESCAPED_SLASHES ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- no filter of a plugin may change it.
		$body     = 304 === $result[0] ? '' : $document;
		$text     = array( 'closte-bridge 1 answer', $nonce, $result[0], \hash( 'sha256', $body ) );
		return array( $result[0], $body, $result[2] + array( 'X-Closte-Bridge' => \hash_hmac( 'sha256', \implode( "\n", $text ), $secret ) ) );
	}

	/**
	 * Return the answer to a request whose signature is valid.
	 *
	 * @param array  $request From `request`.
	 * @param int    $time    When it was signed.
	 * @param string $nonce   Its nonce.
	 * @return array Status, document and headers.
	 */
	private static function signed( array $request, $time, $nonce ) {
		if ( \abs( $request['now'] - $time ) > self::SKEW ) {
			return array( 401, array( 'code' => 'clock' ), array() );
		}
		// A request that only reads may come twice: the answer is as good for who has the first one.
		$refusal = 'GET' === $request['method'] ? 0 : self::first_use( $nonce, $request['now'] );
		if ( $refusal ) {
			return array( $refusal, array( 'code' => 401 === $refusal ? 'replayed' : 'store' ), array() );
		}
		$known = self::ROUTES;
		if ( ! isset( $known[ $request['route'] ] ) || $known[ $request['route'] ] !== $request['method'] ) {
			return array( 404, array( 'code' => 'no-route' ), array() );
		}
		$given    = \json_decode( '' === $request['body'] ? '{}' : $request['body'], true, 8 );
		$document = \is_array( $given ) ? run( 'Served', $request['route'], array( $given ) ) : null;
		if ( ! \is_array( $given ) || ! \is_array( $document ) || $document === $given ) {
			// `run` returns the first argument if the part is missing or failed.
			return array( \is_array( $given ) ? 500 : 400, array( 'code' => 'failed' ), array() );
		}
		$headers = isset( $document['newest'] ) ? array( 'ETag' => '"' . $document['newest'] . '"' ) : array();
		$same    = $headers && \in_array( $request['etag'], array( $headers['ETag'], 'W/' . $headers['ETag'] ), true );
		return array( $same ? 304 : 200, $document, $headers );
	}

	/**
	 * Note a nonce, and refuse it if it is known.
	 *
	 * The rows are in the table of events, below network 0, which no engine reads. Only signed requests store one, and old ones
	 * are deleted, so their number is limited.
	 *
	 * @param string $nonce The nonce.
	 * @param int    $now   The time.
	 * @return int 0, or the status of the refusal.
	 */
	private static function first_use( $nonce, $now ) {
		global $wpdb;
		$table      = $wpdb->base_prefix . 'closte_bridge_events';
		$suppressed = $wpdb->suppress_errors( true );
		$values     = array( $nonce, $now );
		$stored     = $wpdb->query( $wpdb->prepare( "INSERT INTO $table (network_id, uid, created_at, kind, blog_id, domain, detail) VALUES (0, %s, %d, 'request', 0, '', '')", ...$values ) ); // phpcs:ignore WordPress.DB -- the shim's own table.
		$known      = ! $stored && $wpdb->get_var( $wpdb->prepare( "SELECT uid FROM $table WHERE uid = %s", $nonce ) ); // phpcs:ignore WordPress.DB -- the same.
		if ( $stored && '0' === $nonce[0] ) {
			// A request may be signed up to five minutes in the future, and stays valid for five more.
			$wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE network_id = 0 AND kind = 'request' AND created_at < %d", $now - 2 * self::SKEW - 60 ) ); // phpcs:ignore WordPress.DB -- the same.
		}
		$wpdb->suppress_errors( $suppressed );
		return $stored ? 0 : ( $known ? 401 : 503 );
	}

	/**
	 * Return the secret of a network, from the file that `closte-bridge shim install` wrote.
	 *
	 * The file is read as text: PHP's opcode cache would keep a copy of it, and an old one after the secret was rotated.
	 *
	 * @param int $network_id The network.
	 * @return string '' if there is none.
	 */
	private static function secret( $network_id ) {
		$text = @\file_get_contents( __DIR__ . '/secret.php', false, null, 0, self::LONGEST ); // phpcs:ignore -- the file may be missing or belong to another user.
		$all  = \preg_match( '#^// secrets (\{.*\})$#m', (string) $text, $found ) ? \json_decode( $found[1], true ) : null;
		$own  = \is_array( $all ) && isset( $all[ $network_id ] ) ? $all[ $network_id ] : '';
		return \is_string( $own ) && \preg_match( '/^[0-9a-f]{64}$/D', $own ) ? $own : '';
	}

	/**
	 * Return what identifies the secret of a network but does not reveal it.
	 *
	 * @param int|null $network_id The network; null for this one.
	 * @return string '' if this process cannot read one.
	 */
	public static function fingerprint( $network_id = null ) {
		$secret = self::secret( null === $network_id ? \get_current_network_id() : $network_id );
		return '' === $secret ? '' : \substr( \hash( 'sha256', "closte-bridge key $secret" ), 0, 16 );
	}

	/**
	 * Sign lines of text with the secret of a network.
	 *
	 * @param array $lines      The lines.
	 * @param int   $network_id The network.
	 * @return string
	 */
	public static function signature( array $lines, $network_id ) {
		return \hash_hmac( 'sha256', \implode( "\n", $lines ), self::secret( $network_id ) );
	}

	/**
	 * Send an answer that no cache may store.
	 *
	 * @param array $answer From `answer`.
	 */
	private static function send( array $answer ) {
		list( $status, $body, $headers ) = $answer;
		\defined( 'DONOTCACHEPAGE' ) || \define( 'DONOTCACHEPAGE', true ); // phpcs:ignore WordPress.NamingConventions -- page caches of WordPress obey it.
		if ( ! \headers_sent() ) {
			\http_response_code( $status );
			$headers += array(
				'Content-Type'           => 'application/json; charset=utf-8',
				'Cache-Control'          => 'no-store, private',
				'X-Content-Type-Options' => 'nosniff',
				'X-Robots-Tag'           => 'noindex',
			);
			foreach ( $headers as $name => $value ) {
				\header( "$name: $value" );
			}
		}
		echo $body; // phpcs:ignore WordPress.Security.EscapeOutput -- JSON, not HTML.
	}
}
