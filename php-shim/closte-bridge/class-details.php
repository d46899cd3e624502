<?php
/**
 * The view *Why?* of a domain on the page *Closte*: what to do, records, evidence and history.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

run( 'Messages', 'load' ); // This class shows texts.

/**
 * Has an address of its own and needs no JavaScript.
 */
final class Details {

	/** Most lines of a history or of a list of values. */
	const MOST = 20;

	/**
	 * Print the view.
	 *
	 * @param string $domain The domain, as the request names it.
	 * @return bool True.
	 */
	public static function show( $domain ) {
		$name  = \strtolower( \trim( $domain ) );
		$found = run( 'States', 'of', array( array( $name ) ) );
		$row   = \is_array( $found ) && isset( $found[ $name ] ) && \is_array( $found[ $name ] ) ? $found[ $name ] : null;
		/* translators: %s: domain. */
		\printf( '<h1>%s</h1>', \sprintf( esc_html__( 'Why? %s', 'closte-bridge' ), Markup::text( $name ) ) ); // phpcs:ignore WordPress.Security.EscapeOutput -- Markup escapes.
		\printf( '<p><a href="%s">%s</a></p>', \esc_url( Page::url() ), esc_html__( 'Back to all domains', 'closte-bridge' ) );
		Actions::notice();
		if ( ! $row ) {
			/* translators: %s: domain. */
			\printf( '<div class="notice notice-warning inline"><p>%s</p></div>', \sprintf( esc_html__( 'closte-bridge does not know %s.', 'closte-bridge' ), Markup::text( $name ) ) ); // phpcs:ignore WordPress.Security.EscapeOutput -- Markup escapes.
			return true;
		}
		echo '<div id="closte-bridge-overview">';
		self::steps( $row );
		self::records( $row );
		self::evidence( $row );
		self::history( $row );
		echo '</div>';
		return true;
	}

	/**
	 * Print the stage, the next steps and the buttons.
	 *
	 * @param array $row The row of the domain.
	 */
	private static function steps( array $row ) {
		$name = (string) $row['domain'];
		\printf( '<h2>%s</h2><p>%s</p>', esc_html__( 'Next step', 'closte-bridge' ), Markup::next_step( $row ) ); // phpcs:ignore WordPress.Security.EscapeOutput -- Markup escapes.
		$customer = Markup::sentences( Row::phrase( 'step', Row::arg( $row, 'step' ) ) );
		if ( '' !== $customer && Markup::next_step( $row ) !== $customer ) {
			\printf( '<p>%s</p>', $customer ); // phpcs:ignore WordPress.Security.EscapeOutput -- escaped above.
		}
		echo '<p>';
		foreach ( Row::can_retry( $row ) ? array( 'check', 'retry' ) : array( 'check' ) as $kind ) {
			$label = 'check' === $kind ? __( 'Check now', 'closte-bridge' ) : __( 'Retry', 'closte-bridge' );
			\printf( '<a class="button" id="closte-bridge-%s" href="%s">%s</a> ', \esc_attr( $kind ), \esc_url( Actions::link( $kind, $name ) ), \esc_html( $label ) );
		}
		echo '</p>';
	}

	/**
	 * Print the DNS records to set.
	 *
	 * @param array $row The row of the domain.
	 */
	private static function records( array $row ) {
		$step    = Row::arg( $row, 'step' );
		$records = \is_array( $step ) && isset( $step['records'] ) ? run( 'Phrases', 'records', array( $step['records'] ) ) : array();
		$lines   = array();
		foreach ( \is_array( $records ) ? \array_slice( $records, 0, self::MOST ) : array() as $record ) {
			$line = array();
			foreach ( array( 'type', 'host', 'value', 'current' ) as $name ) {
				$line[ $name ] = self::several( isset( $record[ $name ] ) && \is_string( $record[ $name ] ) ? \explode( "\n", $record[ $name ] ) : array(), 'value' === $name || 'host' === $name );
			}
			$lines[] = $line;
		}
		if ( $lines ) {
			$heads = array( __( 'Type', 'closte-bridge' ), __( 'Host', 'closte-bridge' ), __( 'Value', 'closte-bridge' ), __( 'Current value', 'closte-bridge' ) );
			self::table( 'records', __( 'DNS records to set', 'closte-bridge' ), $heads, $lines );
		}
	}

	/**
	 * Return some values, one a line.
	 *
	 * @param array $values   The values.
	 * @param bool  $copyable Whether each has a button to copy it.
	 * @return string
	 */
	private static function several( array $values, $copyable = false ) {
		$values = \array_filter( \array_slice( $values, 0, self::MOST ), 'is_scalar' );
		$values = \array_filter( \array_map( 'strval', $values ), 'strlen' );
		return $values ? \implode( '<br>', \array_map( array( Markup::class, $copyable ? 'copyable' : 'text' ), $values ) ) : Markup::none();
	}

	/**
	 * Print what the engine observed, without what it does not know.
	 *
	 * @param array $row The row of the domain.
	 */
	private static function evidence( array $row ) {
		$evidence = Row::arg( $row, 'evidence' );
		$evidence = \is_array( $evidence ) ? $evidence : array();
		$value    = static function ( $name ) use ( $evidence ) {
			return isset( $evidence[ $name ] ) && \is_scalar( $evidence[ $name ] ) && '' !== (string) $evidence[ $name ] ? Markup::text( $evidence[ $name ] ) : Markup::none();
		};
		$pairs    = array(
			__( 'Stage', 'closte-bridge' )               => Markup::stage( $row ),
			__( 'Since', 'closte-bridge' )               => Markup::time( isset( $row['since'] ) ? $row['since'] : 0 ),
			__( 'Site', 'closte-bridge' )                => self::site( isset( $row['blog_id'] ) ? (int) $row['blog_id'] : 0 ),
			__( 'On Closte', 'closte-bridge' )           => Markup::on_closte( $row ),
			__( 'DNS', 'closte-bridge' )                 => Markup::verdict( 'dns', $row ),
			__( 'Addresses', 'closte-bridge' )           => self::several( isset( $evidence['addresses'] ) ? (array) $evidence['addresses'] : array() ),
			__( 'HTTPS', 'closte-bridge' )               => Markup::verdict( 'https', $row ),
			__( 'Issuer', 'closte-bridge' )              => $value( 'issuer' ),
			__( 'Certificate expires', 'closte-bridge' ) => Markup::time( isset( $evidence['not_after'] ) ? $evidence['not_after'] : 0 ),
			__( 'Visitors get', 'closte-bridge' )        => Markup::verdict( 'http', $row ),
			__( 'HTTP status', 'closte-bridge' )         => $value( 'http_status' ),
			__( 'Redirect to', 'closte-bridge' )         => $value( 'location' ),
			__( 'Last check', 'closte-bridge' )          => Markup::time( Row::arg( $row, 'checked_at' ) ),
			__( 'Next check', 'closte-bridge' )          => Markup::time( isset( $row['next_check'] ) ? $row['next_check'] : 0 ),
		);
		$lines    = array();
		foreach ( \array_diff( $pairs, array( Markup::none() ) ) as $name => $html ) {
			$lines[] = array( \esc_html( $name ), $html );
		}
		self::table( 'evidence', __( 'Evidence', 'closte-bridge' ), array(), $lines );
	}

	/**
	 * Return the site of a domain, with its title.
	 *
	 * @param int $blog_id The site.
	 * @return string
	 */
	private static function site( $blog_id ) {
		$site = $blog_id ? \get_site( $blog_id ) : null;
		if ( ! $site ) {
			return Markup::none();
		}
		$title   = Markup::text( \get_blog_option( $blog_id, 'blogname' ) );
		$address = Markup::text( \untrailingslashit( $site->domain . $site->path ) );
		/* translators: 1: name, time or action. 2: more about it. */
		$text = '' === $title ? $address : \sprintf( esc_html__( '%1$s (%2$s)', 'closte-bridge' ), $title, $address );
		return \sprintf( '<a href="%s">%s</a>', \esc_url( \network_admin_url( "site-info.php?id=$blog_id" ) ), $text );
	}

	/**
	 * Print the states that the domain had, newest first.
	 *
	 * @param array $row The row of the domain.
	 */
	private static function history( array $row ) {
		$history = Row::arg( $row, 'history' );
		$lines   = array();
		foreach ( \is_array( $history ) ? \array_slice( $history, 0, self::MOST ) : array() as $entry ) {
			if ( \is_array( $entry ) && isset( $entry[0], $entry[1] ) && \is_string( $entry[1] ) ) {
				$code    = isset( $entry[2] ) && \is_string( $entry[2] ) && '' !== $entry[2] ? Markup::text( Row::phrase( 'code', $entry[2] ) ) : Markup::none();
				$lines[] = array( Markup::time( $entry[0] ), Markup::text( Row::phrase( 'state', $entry[1] ) ), $code );
			}
		}
		if ( $lines ) {
			self::table( 'history', __( 'History', 'closte-bridge' ), array( __( 'Time', 'closte-bridge' ), __( 'Stage', 'closte-bridge' ), __( 'Reason', 'closte-bridge' ) ), $lines );
		}
	}

	/**
	 * Print a table.
	 *
	 * @param string $id    The end of its ID.
	 * @param string $title Its title.
	 * @param array  $heads The columns; without them, the first cell of a line is its head.
	 * @param array  $lines Lists of escaped cells.
	 */
	private static function table( $id, $title, array $heads, array $lines ) {
		\printf( '<h2 id="closte-bridge-%1$s-title">%2$s</h2><div class="closte-bridge-wide"><table class="widefat striped" id="closte-bridge-%1$s" aria-labelledby="closte-bridge-%1$s-title">', \esc_attr( $id ), \esc_html( $title ) );
		if ( $heads ) {
			echo '<thead><tr>';
			foreach ( $heads as $head ) {
				\printf( '<th scope="col">%s</th>', \esc_html( $head ) );
			}
			echo '</tr></thead>';
		}
		echo '<tbody>';
		foreach ( $lines as $line ) {
			$cells = '';
			foreach ( \array_values( $line ) as $number => $html ) {
				$cells .= ! $heads && 0 === $number ? "<th scope=\"row\">$html</th>" : "<td>$html</td>";
			}
			echo '<tr>' . $cells . '</tr>'; // phpcs:ignore WordPress.Security.EscapeOutput -- escaped by the callers.
		}
		echo '</tbody></table></div>';
	}
}
