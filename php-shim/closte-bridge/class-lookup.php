<?php
/**
 * Asks a resolver for the addresses of a domain, for two seconds at most.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * PHP's own functions (`dns_get_record`, `gethostbynamel`) have no time limit: a silent resolver keeps them for half a minute.
 */
final class Lookup {

	/** Seconds for everything, and for one resolver. */
	const PATIENCE  = 2.0;
	const FOR_EACH  = 1.0;
	const TYPE_A    = 1;
	const TYPE_AAAA = 28;

	/**
	 * Return the addresses of a domain.
	 *
	 * @param string $domain A domain in ASCII.
	 * @return array|null IPv4 and IPv6 addresses; null if no resolver answered.
	 */
	public static function addresses( $domain ) {
		$end = \microtime( true ) + self::PATIENCE;
		foreach ( self::resolvers() as $resolver ) {
			$left = $end - \microtime( true );
			if ( $left <= 0.05 ) {
				break;
			}
			$found = self::ask( $resolver, $domain, \min( $left, self::FOR_EACH ) );
			if ( null !== $found ) {
				return $found;
			}
		}
		return null;
	}

	/**
	 * Return the resolvers: those of the constant CLOSTE_BRIDGE_RESOLVERS, else those of this machine.
	 *
	 * @return array Addresses such as `192.0.2.1:53` and `[2001:db8::1]:53`.
	 */
	private static function resolvers() {
		if ( \defined( 'CLOSTE_BRIDGE_RESOLVERS' ) ) {
			return \array_filter( \array_map( 'trim', \explode( ',', (string) CLOSTE_BRIDGE_RESOLVERS ) ) );
		}
		$text = (string) @\file_get_contents( '/etc/resolv.conf', false, null, 0, 8192 ); // phpcs:ignore -- a file of this machine, which open_basedir may hide.
		\preg_match_all( '/^\s*nameserver\s+([0-9a-f.:]+)/mi', $text, $found );
		return \array_map(
			static function ( $address ) {
				return ( false === \strpos( $address, ':' ) ? $address : "[$address]" ) . ':53';
			},
			\array_slice( $found[1], 0, 3 )
		);
	}

	/**
	 * Ask one resolver for both kinds of addresses.
	 *
	 * @param string $resolver Its address and port.
	 * @param string $domain   The domain.
	 * @param float  $seconds  The time limit.
	 * @return array|null Null without both answers.
	 */
	private static function ask( $resolver, $domain, $seconds ) {
		$socket = @\stream_socket_client( 'udp://' . $resolver, $code, $text, $seconds ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- no route is no answer.
		if ( ! $socket ) {
			return null;
		}
		$end     = \microtime( true ) + $seconds;
		$waiting = array();
		foreach ( array( self::TYPE_A, self::TYPE_AAAA ) as $type ) {
			$question         = self::question( $domain, $type );
			$id               = \random_bytes( 2 );
			$waiting[ $type ] = $id . $question;
			if ( ! @\fwrite( $socket, $id . "\x01\0\0\1\0\0\0\0\0\0" . $question ) ) { // phpcs:ignore -- a socket.
				return null; // No resolver listens there.
			}
		}
		$found = array();
		while ( $waiting && \microtime( true ) < $end ) {
			$left  = \max( 0, $end - \microtime( true ) );
			$ready = array( $socket );
			$none  = null;
			if ( ! \stream_select( $ready, $none, $none, (int) $left, (int) ( \fmod( $left, 1 ) * 1000000 ) ) ) {
				break;
			}
			// Not `fread`: an empty packet would end the stream.
			$answer = @\stream_socket_recvfrom( $socket, 4096 ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- a refused packet is no answer.
			if ( false === $answer ) {
				break;
			}
			foreach ( $waiting as $type => $expected ) {
				if ( \substr( $answer, 0, 2 ) . \substr( $answer, 12, \strlen( $expected ) - 2 ) === $expected ) {
					$addresses = self::read( $answer, 10 + \strlen( $expected ), $type );
					if ( null === $addresses ) {
						break 2;
					}
					$found = \array_merge( $found, $addresses );
					unset( $waiting[ $type ] );
				}
			}
		}
		\fclose( $socket ); // phpcs:ignore WordPress.WP.AlternativeFunctions -- a socket.
		return $waiting ? null : \array_values( \array_unique( $found ) );
	}

	/**
	 * Return the question for a domain.
	 *
	 * @param string $domain The domain.
	 * @param int    $type   The type of records.
	 * @return string
	 */
	private static function question( $domain, $type ) {
		$text = '';
		foreach ( \explode( '.', $domain ) as $label ) {
			$text .= \chr( \strlen( $label ) & 63 ) . $label;
		}
		return $text . "\0" . \pack( 'nn', $type, 1 );
	}

	/**
	 * Return the addresses in an answer.
	 *
	 * @param string $answer The answer.
	 * @param int    $at     Where its records begin.
	 * @param int    $type   The type of records.
	 * @return array|null Null if the resolver failed.
	 */
	private static function read( $answer, $at, $type ) {
		$code  = \ord( $answer[3] ) & 15;
		$found = array();
		if ( 3 === $code ) {
			return $found; // The domain does not exist.
		}
		if ( 0 !== $code || ! ( \ord( $answer[2] ) & 128 ) ) {
			return null;
		}
		$count = \min( 50, \unpack( 'n', \substr( $answer, 6, 2 ) )[1] );
		for ( $i = 0; $i < $count; $i++ ) {
			$at = self::after_name( $answer, $at );
			if ( \strlen( $answer ) < $at + 10 ) {
				break;
			}
			$record = \unpack( 'ntype/nclass/Nttl/nlength', \substr( $answer, $at, 10 ) );
			$value  = \substr( $answer, $at + 10, $record['length'] );
			$length = self::TYPE_A === $type ? 4 : 16;
			if ( $type === $record['type'] && \strlen( $value ) === $length ) {
				$found[] = (string) \inet_ntop( $value );
			}
			$at += 10 + $record['length'];
		}
		return $found;
	}

	/**
	 * Return the position after a name.
	 *
	 * @param string $answer The answer.
	 * @param int    $at     Where the name begins.
	 * @return int
	 */
	private static function after_name( $answer, $at ) {
		$end = \strlen( $answer );
		while ( $at < $end ) {
			$length = \ord( $answer[ $at ] );
			if ( 0 === $length ) {
				return $at + 1;
			}
			if ( $length >= 192 ) {
				return $at + 2;
			}
			$at += $length + 1;
		}
		return $end;
	}
}
