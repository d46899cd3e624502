<?php
/**
 * The next step of a domain's owner as sentences.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * The counterpart of closte-bridge's `advice_text.py`: in English, both give the same text for each code.
 *
 * Each row of a table has a text and the names of its arguments. `Phrases::step` is the entry.
 */
final class Advice {

	/**
	 * Return all codes, for the test that compares them with closte-bridge's.
	 *
	 * @return array
	 */
	public static function codes() {
		return \array_map( 'strval', \array_keys( self::changes( array() ) + self::dns( array() ) + self::tls( array() ) + self::http( array() ) + array( '' => '' ) ) );
	}

	/**
	 * Return the sentences of a code.
	 *
	 * @param string $code    The code.
	 * @param array  $args    Its arguments.
	 * @param array  $records The records to set.
	 * @return string
	 * @throws \UnexpectedValueException If the code is unknown, or an argument is missing.
	 */
	public static function text( $code, array $args, array $records ) {
		if ( '' === $code ) {
			return '';
		}
		$changes = self::changes( $args );
		if ( isset( $changes[ $code ] ) ) {
			$sentences   = self::change( $code, $args, Instructions::decode( $records ) );
			$sentences[] = self::filled( $changes[ $code ], $args );
		} else {
			$rows = self::dns( $args ) + self::tls( $args ) + self::http( $args );
			if ( ! isset( $rows[ $code ] ) ) {
				throw new \UnexpectedValueException( 'unknown code' );
			}
			$sentences = array( self::filled( $rows[ $code ], $args ) );
		}
		if ( isset( $args['alternative'] ) && \is_array( $args['alternative'] ) ) {
			$sentences[] = self::alternative( $args['alternative'] );
		}
		return \implode( ' ', \array_filter( $sentences, 'strlen' ) );
	}

	/**
	 * Return a text with its arguments.
	 *
	 * @param array $row  The text, and the names of its arguments.
	 * @param array $args The arguments.
	 * @return string
	 */
	private static function filled( array $row, array $args ) {
		$values = array();
		foreach ( \array_slice( $row, 1 ) as $name ) {
			$values[] = self::argument( $args, $name );
		}
		return \vsprintf( $row[0], $values );
	}

	/**
	 * Return an argument as text.
	 *
	 * @param array  $args The arguments.
	 * @param string $name The name of the argument.
	 * @return string
	 * @throws \UnexpectedValueException If it is missing.
	 */
	private static function argument( array $args, $name ) {
		$value = isset( $args[ $name ] ) ? $args[ $name ] : null;
		if ( \is_array( $value ) ) {
			$more = isset( $args[ "more_$name" ] ) && \is_int( $args[ "more_$name" ] ) ? $args[ "more_$name" ] : 0;
			return Instructions::listed( Instructions::texts( $value ), $more );
		}
		if ( ! \is_scalar( $value ) ) {
			throw new \UnexpectedValueException( 'missing argument' );
		}
		return 'seconds' === $name ? Instructions::duration( (int) $value ) : (string) $value;
	}

	/**
	 * Return what to do with the records, and where the domain points to now.
	 *
	 * @param string $code    The code.
	 * @param array  $args    The arguments.
	 * @param array  $records Decoded records.
	 * @return array Sentences.
	 * @throws \UnexpectedValueException If there are no records.
	 */
	private static function change( $code, array $args, array $records ) {
		$of_a_name = 'change-cname' === $code || 'cname-without-address' === $code;
		if ( ! $records || ( $of_a_name && ! $records[0]['current'] ) ) {
			throw new \UnexpectedValueException( 'missing record' );
		}
		$zone      = isset( $args['in_zone'] ) && \is_string( $args['in_zone'] ) ? $args['in_zone'] : '';
		$sentences = Instructions::steps( $records, $zone );
		if ( 'change-cname' === $code ) {
			/* translators: 1: domain. 2: its addresses. */
			$sentences[] = \sprintf( __( 'It currently points to %1$s (%2$s).', 'closte-bridge' ), $records[0]['current'][0], self::argument( $args, 'addresses' ) );
		} elseif ( $of_a_name ) {
			/* translators: %s: domain. */
			$sentences[] = \sprintf( __( 'It currently points to %s, which has no address.', 'closte-bridge' ), $records[0]['current'][0] );
		} else {
			$sentences[] = Instructions::currently( $records );
		}
		return $sentences;
	}

	/**
	 * Return the way of the zone's DNS provider to point the root of a domain to a name.
	 *
	 * @param array $other `type`, `value` and `provider`.
	 * @return string
	 */
	private static function alternative( array $other ) {
		$type = self::argument( $other, 'type' );
		$text = Instructions::takes_an( $type )
			/* translators: 1: type of a DNS record that starts with A, such as "ALIAS". 2: value. 3: name of a DNS provider. */
			? __( 'Or use an %1$s record with the value %2$s, which %3$s supports at the root of a domain.', 'closte-bridge' )
			/* translators: 1: type of a DNS record, such as "CNAME". 2: value. 3: name of a DNS provider. */
			: __( 'Or use a %1$s record with the value %2$s, which %3$s supports at the root of a domain.', 'closte-bridge' );
		return \sprintf( $text, $type, self::argument( $other, 'value' ), self::argument( $other, 'provider' ) );
	}

	/**
	 * Return the codes that ask for records, and what follows the instructions.
	 *
	 * @param array $args The arguments.
	 * @return array
	 */
	private static function changes( array $args ) {
		unset( $args );
		return array(
			'change-records'        => array( '' ),
			'change-cname'          => array( '' ),
			'cname-without-address' => array( '' ),
			'a-elsewhere'           => array( '' ),
			'a-missing'             => array( __( 'Without it, visitors without IPv6 cannot reach the site.', 'closte-bridge' ) ),
			'a-unwanted'            => array( __( 'The server has no IPv4 address.', 'closte-bridge' ) ),
			'aaaa-elsewhere'        => array( '' ),
			'aaaa-unwanted'         => array( __( 'The server has no IPv6 address.', 'closte-bridge' ) ),
			'nxdomain'              => array( __( 'The domain does not exist in DNS.', 'closte-bridge' ) ),
			'no-address'            => array( __( 'The domain has no A or AAAA record.', 'closte-bridge' ) ),
			'cname-at-apex'         => array( __( 'A CNAME record is not allowed at the root of a domain.', 'closte-bridge' ) ),
			/* translators: %s: list of DNS records. */
			'caa-forbids'           => array( __( 'The existing CAA records (%s) prevent the certificate from being issued.', 'closte-bridge' ), 'caa' ),
		);
	}

	/**
	 * Return the codes of DNS that ask for no record.
	 *
	 * @param array $args The arguments: some texts depend on them.
	 * @return array
	 */
	private static function dns( array $args ) {
		$servers = isset( $args['servers'] ) && \is_array( $args['servers'] ) ? \count( $args['servers'] ) : 0;
		return array(
			'text'                  => array( '%s', 'text' ),
			/* translators: %s: domain. */
			'dnssec-broken'         => array( __( 'Ask your registrar to fix or remove the DS record of %s. DNSSEC validation fails, so many visitors cannot reach the site and no certificate can be issued.', 'closte-bridge' ), 'zone' ),
			/* translators: 1: domain. 2: name of a server, or several. */
			'nameservers-outdated'  => array( _n( 'Ask the DNS provider of %1$s to update all of its nameservers. %2$s still returns an outdated answer.', 'Ask the DNS provider of %1$s to update all of its nameservers. %2$s still return an outdated answer.', $servers, 'closte-bridge' ), 'zone', 'servers' ),
			'dns-propagating'       => empty( $args['seconds'] )
				/* translators: %s: name of a server, or several. */
				? array( _n( 'Please wait. Your DNS change is still propagating. %s still returns the old answer.', 'Please wait. Your DNS change is still propagating. %s still return the old answer.', $servers, 'closte-bridge' ), 'servers' )
				/* translators: 1: duration, such as "5 minutes". 2: name of a server, or several. */
				: array( _n( 'Please wait for up to %1$s. Your DNS change is still propagating. %2$s still returns the old answer.', 'Please wait for up to %1$s. Your DNS change is still propagating. %2$s still return the old answer.', $servers, 'closte-bridge' ), 'seconds', 'servers' ),
			/* translators: 1: domain. 2: list of nameservers. */
			'nameservers-incorrect' => array( __( 'Correct the nameservers of %1$s at your domain registrar. The current ones (%2$s) do not host this domain.', 'closte-bridge' ), 'zone', 'servers' ),
			/* translators: %s: domain. */
			'not-registered'        => array( __( 'Check that %s is registered and that nameservers are set at its registrar. It does not exist in DNS.', 'closte-bridge' ), 'zone' ),
			'nameservers-silent'    => $servers
				/* translators: 1: domain. 2: list of nameservers. */
				? array( __( 'Contact the DNS provider of %1$s. Its nameservers (%2$s) are not responding.', 'closte-bridge' ), 'zone', 'servers' )
				/* translators: %s: domain. */
				: array( __( 'Contact the DNS provider of %s. Its nameservers are not responding.', 'closte-bridge' ), 'zone' ),
			'no-dns-answer'         => array( __( 'Check this machine\'s internet connection, then the domain\'s nameservers. No DNS server gave a usable answer.', 'closte-bridge' ) ),
			/* translators: %s: domain. */
			'no-target'             => array( __( 'Set `dns.targets` in the config to see where %s must point: the network\'s main domain could not be resolved.', 'closte-bridge' ), 'domain' ),
			/* translators: %s: domain. */
			'no-target-no-address'  => array( __( 'Add an A record for %s with the address of this network: the domain does not resolve. To see the address here, set `dns.targets` in the config: the network\'s main domain could not be resolved.', 'closte-bridge' ), 'domain' ),
		);
	}

	/**
	 * Return the codes of certificates.
	 *
	 * @param array $args The arguments: some texts depend on them.
	 * @return array
	 */
	private static function tls( array $args ) {
		return array(
			/* translators: 1: domain. 2: address. */
			'no-listener'         => array( __( 'Check that %1$s points to the right server. The server at %2$s does not accept HTTPS connections.', 'closte-bridge' ), 'domain', 'address' ),
			/* translators: 1: domain. 2: address. */
			'tls-time-out'        => array( __( 'Check that %1$s points to the right server. The HTTPS connection to %2$s timed out.', 'closte-bridge' ), 'domain', 'address' ),
			'wrong-name'          => array(
				empty( $args['names'] )
					/* translators: 1: domain. 2: address. */
					? __( 'Check that %1$s points to the right server. The certificate at %2$s was issued for no domain, so %1$s needs its own.', 'closte-bridge' )
					/* translators: 1: domain. 2: address. 3: list of domains. */
					: __( 'Check that %1$s points to the right server. The certificate at %2$s was issued for %3$s, so %1$s needs its own.', 'closte-bridge' ),
				'domain',
				'address',
				'names',
			),
			/* translators: 1: domain. 2: address. */
			'self-signed'         => array( __( 'Install a certificate from a trusted authority for %1$s. The current one at %2$s is self-signed.', 'closte-bridge' ), 'domain', 'address' ),
			/* translators: 1: domain. 2: address. */
			'expired'             => array( __( 'Renew the certificate of %1$s. The one at %2$s has expired.', 'closte-bridge' ), 'domain', 'address' ),
			/* translators: %s: address. */
			'not-yet-valid'       => array( __( 'Check the server\'s clock, or wait. The certificate at %s is not valid yet.', 'closte-bridge' ), 'address' ),
			'unknown-issuer'      => array(
				empty( $args['issuer'] )
					/* translators: 1: domain. 2: address. */
					? __( 'Install a certificate from a trusted authority for %1$s, with its full chain. The current one at %2$s was issued by an unknown issuer.', 'closte-bridge' )
					/* translators: 1: domain. 2: address. 3: name of an issuer. */
					: __( 'Install a certificate from a trusted authority for %1$s, with its full chain. The current one at %2$s was issued by %3$s.', 'closte-bridge' ),
				'domain',
				'address',
				'issuer',
			),
			'default-certificate' => array(
				empty( $args['names'] )
					/* translators: 1: domain. 2: address. */
					? __( 'Please wait. The certificate for %1$s has not been issued yet. %2$s still serves the host\'s default certificate (no domain).', 'closte-bridge' )
					/* translators: 1: domain. 2: address. 3: list of domains. */
					: __( 'Please wait. The certificate for %1$s has not been issued yet. %2$s still serves the host\'s default certificate (%3$s).', 'closte-bridge' ),
				'domain',
				'address',
				'names',
			),
			/* translators: 1: address. 2: domain. */
			'handshake-failed'    => array( __( 'Check the server at %1$s. The TLS handshake for %2$s fails.', 'closte-bridge' ), 'address', 'domain' ),
		);
	}

	/**
	 * Return the codes of what visitors get.
	 *
	 * @param array $args The arguments: some texts depend on them.
	 * @return array
	 */
	private static function http( array $args ) {
		$answers = ! empty( $args['status'] );
		return array(
			/* translators: %s: domain. */
			'sign-up-page'        => array( __( 'Clear the web server\'s object cache. It still sends visitors of %s to the network\'s sign-up page.', 'closte-bridge' ), 'domain' ),
			/* translators: %s: domain. */
			'other-site'          => array( __( 'Clear the web server\'s object cache. It still serves another site to visitors of %s.', 'closte-bridge' ), 'domain' ),
			/* translators: 1: domain. 2: web address. */
			'redirect-elsewhere'  => array( __( 'Check the site of %1$s. It redirects visitors to %2$s.', 'closte-bridge' ), 'domain', 'location' ),
			/* translators: %s: domain. */
			'redirect-loop'       => array( __( 'Check the redirects of %s in its plugins, the web server and the CDN. They never end.', 'closte-bridge' ), 'domain' ),
			'blocked'             => array(
				$answers
					/* translators: 1: domain. 2: HTTP status, such as "403". */
					? __( 'Check the limits and the membership of the site of %1$s in Ultimate Multisite. It answers with HTTP %2$s.', 'closte-bridge' )
					/* translators: %1$s: domain. */
					: __( 'Check the limits and the membership of the site of %1$s in Ultimate Multisite. It closes connections without an answer.', 'closte-bridge' ),
				'domain',
				'status',
			),
			/* translators: %s: domain. */
			'visits-exceeded'     => array( __( 'Raise the visit limit of the site of %s. Ultimate Multisite blocks visitors above it.', 'closte-bridge' ), 'domain' ),
			/* translators: %s: domain. */
			'membership-inactive' => array( __( 'Renew the membership of the site of %s. Ultimate Multisite blocks its visitors.', 'closte-bridge' ), 'domain' ),
			/* translators: 1: domain. 2: code of the reason. */
			'blocked-by-plugin'   => array( __( 'Check the site of %1$s in Ultimate Multisite, which blocks its visitors (%2$s).', 'closte-bridge' ), 'domain', 'reason' ),
			'server-error'        => array(
				$answers
					/* translators: 1: domain. 2: HTTP status, such as "500". */
					? __( 'Check the web server\'s error log for %1$s. It answers with HTTP %2$s.', 'closte-bridge' )
					/* translators: %1$s: domain. */
					: __( 'Check the web server\'s error log for %1$s. It closes connections without an answer.', 'closte-bridge' ),
				'domain',
				'status',
			),
			/* translators: %s: domain. */
			'other-server'        => array( __( 'Check that %s points to the right server. Another server answers its visitors.', 'closte-bridge' ), 'domain' ),
			/* translators: %s: domain. */
			'http-time-out'       => array( __( 'Check the load of the web server. %s does not answer in time.', 'closte-bridge' ), 'domain' ),
			/* translators: %s: domain. */
			'server-unknown'      => array( __( 'Install the shim with `closte-bridge shim install`. Without it, nothing shows which server answers visitors of %s.', 'closte-bridge' ), 'domain' ),
		);
	}
}
