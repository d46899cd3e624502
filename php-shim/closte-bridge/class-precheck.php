<?php
/**
 * Shows which records a domain needs before it is added.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Reads WordPress and asks a resolver, only when a customer asks. Never says whose a domain is.
 */
final class Precheck {

	/**
	 * Return the name of this check.
	 *
	 * @return string
	 */
	public static function title() {
		run( 'Messages', 'load' );
		return __( 'Check a domain', 'closte-bridge' );
	}

	/**
	 * Return the form, with the result for a domain if one was sent.
	 *
	 * @param string $act   `look` to check the domain.
	 * @param string $typed What the customer typed.
	 * @return array `title`, `html`, `result`.
	 */
	public static function answer( $act, $typed ) {
		$title  = self::title();
		$result = 'look' === $act ? self::result( \substr( $typed, 0, 300 ) ) : '';
		$url    = (string) run( 'Customer', 'url', array( 0 ) );
		$html   = '<div class="closte-bridge-panel"><h1 class="closte-bridge-title" tabindex="-1">' . \esc_html( $title ) . '</h1>'
			. '<form method="post" action="' . \esc_url( $url ) . '"><input type="hidden" name="do" value="look">'
			. '<p><label for="closte-bridge-domain">' . esc_html__( 'Domain', 'closte-bridge' ) . '</label> '
			. '<input type="text" id="closte-bridge-domain" name="domain" required maxlength="253" dir="ltr" autocapitalize="none" spellcheck="false" autocomplete="off" placeholder="shop.example.com" value="' . \esc_attr( $typed ) . '"> '
			. '<button type="submit" class="button button-primary">' . esc_html__( 'Show the records', 'closte-bridge' ) . '</button></p></form>'
			. '<div class="closte-bridge-result" role="status">' . $result . '</div><p class="closte-bridge-message" role="status"></p></div>';
		return array(
			'title'  => $title,
			'html'   => $html,
			'result' => $result,
		);
	}

	/**
	 * Return the result for a domain.
	 *
	 * @param string $typed What the customer typed.
	 * @return string HTML.
	 */
	private static function result( $typed ) {
		$domain = self::clean( $typed );
		$why    = self::refusal( $domain, $typed );
		if ( '' === $why && true !== run( 'Requests', 'allowed', array( $domain ) ) ) {
			$why = __( 'You checked this domain a moment ago. Wait a minute, then try again.', 'closte-bridge' );
		}
		if ( '' !== $why ) {
			return '<p>' . \esc_html( $why ) . '</p>';
		}
		$found = run( 'Lookup', 'addresses', array( $domain ) );
		// A missing part returns its first argument.
		$found   = \is_array( $found ) ? $found : null;
		$records = self::records( $domain, $found );
		$heading = '<h2>' . \esc_html( $domain ) . '</h2>';
		if ( ! $records ) {
			return $heading . '<p>' . esc_html__( 'The address of this network is not known yet. Ask your host for the records to set.', 'closte-bridge' ) . '</p>';
		}
		if ( null !== $found && self::is_correct( $found ) ) {
			return $heading . '<p>' . esc_html__( 'This domain already points here. You can add it now.', 'closte-bridge' ) . '</p>' . run( 'Panel', 'records', array( $records ) );
		}
		$text = null === $found
			? __( 'Set these records at your DNS provider, then add the domain. Its current records could not be read.', 'closte-bridge' )
			: __( 'Set these records at your DNS provider, then add the domain.', 'closte-bridge' );
		return $heading . '<p>' . \esc_html( $text ) . '</p>' . run( 'Panel', 'records', array( $records ) ) . run( 'Panel', 'provider', array( $domain, $records ) );
	}

	/**
	 * Return the domain in what a customer typed: ASCII, lower case, without scheme, path and final dot.
	 *
	 * @param string $typed Any text.
	 * @return string Empty if it is no domain that can be added.
	 */
	public static function clean( $typed ) {
		$text = \preg_replace( '#^[a-z][a-z0-9+.-]*://#i', '', \trim( $typed ) );
		$text = \rtrim( (string) \preg_replace( '#[/?\#:].*$#s', '', (string) $text ), '.' );
		if ( \preg_match( '/[^\x21-\x7e]/', $text ) ) {
			$text = \function_exists( 'idn_to_ascii' ) ? (string) \idn_to_ascii( $text, \IDNA_NONTRANSITIONAL_TO_ASCII, \INTL_IDNA_VARIANT_UTS46 ) : '';
		}
		$text   = \strtolower( $text );
		$label  = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
		$ending = '(?:[a-z]{2,63}|xn--[a-z0-9-]{1,57}[a-z0-9])';
		return \strlen( $text ) <= 253 && \preg_match( "/^(?:$label\\.)+$ending\$/D", $text ) ? $text : '';
	}

	/**
	 * Return why a domain cannot be added.
	 *
	 * @param string $domain The domain; empty if it is none.
	 * @param string $typed  What the customer typed.
	 * @return string Empty if it can be added.
	 */
	private static function refusal( $domain, $typed ) {
		if ( '' === $domain ) {
			/* translators: %s: what the customer typed. */
			return \sprintf( __( '"%s" is not a valid domain. Enter a domain such as shop.example.com.', 'closte-bridge' ), $typed );
		}
		$network = \strtolower( \get_network()->domain );
		$network = 0 === \strpos( $network, 'www.' ) ? \substr( $network, 4 ) : $network;
		if ( $domain === $network || \substr( $domain, -1 - \strlen( $network ) ) === ".$network" ) {
			/* translators: %s: domain of the network. */
			return \sprintf( __( 'Domains of %s belong to this network. Enter a domain of your own.', 'closte-bridge' ), $network );
		}
		$item = \function_exists( 'wu_get_domain_by_domain' ) ? \wu_get_domain_by_domain( $domain ) : null;
		if ( \is_object( $item ) && \is_object( run( 'Customer', 'own_mapping', array( (int) $item->get_id() ) ) ) ) {
			/* translators: %s: domain. */
			return \sprintf( __( '%s is already added to one of your sites. Its row in the list shows what to do.', 'closte-bridge' ), $domain );
		}
		$sites = \get_sites(
			array(
				'domain' => $domain,
				'count'  => true,
			)
		);
		/* translators: %s: domain. */
		return \is_object( $item ) || $sites ? \sprintf( __( '%s is already in use here and cannot be added. If it is your domain, contact your host.', 'closte-bridge' ), $domain ) : '';
	}

	/**
	 * Return the records that a domain needs.
	 *
	 * @param string     $domain  The domain.
	 * @param array|null $current Its addresses in DNS; null if they are not known.
	 * @return array `type`, `host`, `value` and `current` of each; empty if the network's addresses are not known.
	 */
	public static function records( $domain, $current = null ) {
		$records = array();
		$targets = self::targets();
		foreach ( array( 'A', 'AAAA' ) as $type ) {
			$wanted = self::of_type( $targets, $type );
			$now    = self::of_type( (array) $current, $type );
			// An address of a type that the network does not have leads visitors elsewhere.
			if ( $targets && ( $wanted || $now ) ) {
				$records[] = array(
					'type'    => $type,
					'host'    => $domain,
					'value'   => $wanted,
					'current' => null === $current ? null : $now,
				);
			}
		}
		return $records;
	}

	/**
	 * Return the addresses of a type.
	 *
	 * @param array  $addresses Addresses.
	 * @param string $type      `A` or `AAAA`.
	 * @return array
	 */
	private static function of_type( array $addresses, $type ) {
		$found = array();
		foreach ( $addresses as $address ) {
			if ( ( 'AAAA' === $type ) === ( false !== \strpos( $address, ':' ) ) ) {
				$found[] = $address;
			}
		}
		return $found;
	}

	/**
	 * Return the addresses of this network.
	 *
	 * @return array
	 */
	private static function targets() {
		$targets = run( 'Address', 'all', array( array() ) );
		return \is_array( $targets ) ? $targets : array();
	}

	/**
	 * Return whether all addresses of a domain are those of this network.
	 *
	 * @param array $found Its addresses.
	 * @return bool
	 */
	private static function is_correct( array $found ) {
		return $found && ! \array_diff( $found, self::targets() );
	}

	/**
	 * Return the instructions for any domain, before one is added.
	 *
	 * Addresses only: the network's own domain can point elsewhere, such as to a CDN.
	 *
	 * @return string Empty if the network's addresses are not known.
	 */
	public static function instructions() {
		run( 'Messages', 'load' );
		$targets = self::targets();
		if ( ! $targets ) {
			return '';
		}
		$lines = array( __( 'At your DNS provider, set these records for your domain before you add it:', 'closte-bridge' ) );
		foreach ( $targets as $target ) {
			/* translators: 1: type of record, 2: value. */
			$lines[] = \sprintf( __( '%1$s record with the value %2$s', 'closte-bridge' ), false === \strpos( $target, ':' ) ? 'A' : 'AAAA', "<code>$target</code>" );
		}
		/* translators: 1: domain, 2: subdomain. */
		$lines[] = \sprintf( __( 'This works for a domain such as %1$s and for a subdomain such as %2$s.', 'closte-bridge' ), '<code>example.com</code>', '<code>www.example.com</code>' );
		return \implode( "\n\n", $lines );
	}
}
