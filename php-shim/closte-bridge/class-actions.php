<?php
/**
 * Carries out what an administrator asks for on the page *Closte*: checks and retries.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

run( 'Messages', 'load' ); // This class shows texts.

/**
 * Nothing here changes a domain or approves a removal: a request only asks the engine to look now.
 */
final class Actions {

	/** The nonce of the list table's bulk actions, as `WP_List_Table` names it, and of links. */
	const BULK = 'bulk-closte-bridge-domains';
	const LINK = 'closte-bridge-request-';

	/** Most domains of one request. */
	const MOST = 500;

	/**
	 * Carry out the request of this page, if there is one, and redirect to the page.
	 *
	 * @param mixed $passed Not used.
	 */
	public static function handle( $passed = null ) {
		unset( $passed );
		$kind = self::kind();
		if ( '' === $kind ) {
			return;
		}
		$domain = Page::param( 'domain' );
		\check_admin_referer( '' === $domain ? self::BULK : self::LINK . $kind . $domain );
		if ( ! \current_user_can( Page::CAPABILITY ) ) {
			\wp_die( esc_html__( 'Sorry, you are not allowed to do that.', 'closte-bridge' ), 403 );
		}
		$noted = self::note_all( $kind, '' === $domain ? self::chosen() : array( $domain ) );
		$query = array(
			'requested' => $kind,
			'count'     => (string) $noted,
		);
		\wp_safe_redirect( \add_query_arg( $query, self::back() ) );
		exit;
	}

	/**
	 * Return the kind of the request.
	 *
	 * @return string `check`, `retry` or ''.
	 */
	private static function kind() {
		foreach ( array( 'action', 'action2' ) as $name ) {
			if ( \in_array( Page::param( $name ), array( 'check', 'retry' ), true ) ) {
				return Page::param( $name );
			}
		}
		return '';
	}

	/**
	 * Return the domains that are chosen in the list.
	 *
	 * @return array
	 */
	private static function chosen() {
		$given = isset( $_REQUEST['domains'] ) && \is_array( $_REQUEST['domains'] ) ? \wp_unslash( $_REQUEST['domains'] ) : array(); // phpcs:ignore WordPress.Security -- `handle` verified the nonce; `Requests` and the table validate each domain.
		return \array_slice( \array_filter( $given, 'is_string' ), 0, self::MOST );
	}

	/**
	 * Save the requests for those domains that closte-bridge knows.
	 *
	 * @param string $kind    The request.
	 * @param array  $domains The domains.
	 * @return int Their number.
	 */
	private static function note_all( $kind, array $domains ) {
		$rows  = $domains ? run( 'States', 'of', array( $domains ) ) : array();
		$noted = 0;
		foreach ( \is_array( $rows ) ? $rows : array() as $row ) {
			if ( isset( $row['domain'] ) && ( 'check' === $kind || Row::can_retry( $row ) ) ) {
				$blog_id = isset( $row['blog_id'] ) ? (int) $row['blog_id'] : 0;
				$noted  += (int) ( true === run( 'Requests', 'note', array( $kind, $row['domain'], $blog_id, \get_current_network_id() ) ) );
			}
		}
		return $noted;
	}

	/**
	 * Return the address to go back to: that of the request without its parameters.
	 *
	 * @return string
	 */
	private static function back() {
		$query = array();
		foreach ( array( 'domain', 'view', 's', 'orderby', 'order', 'paged' ) as $name ) {
			if ( '' !== Page::param( $name ) && ! ( 'domain' === $name && '' !== Page::param( 'list' ) ) ) {
				$query[ $name ] = Page::param( $name );
			}
		}
		return Page::url( $query );
	}

	/**
	 * Return a link that makes a request, not escaped.
	 *
	 * @param string $kind    The request.
	 * @param string $domain  The domain.
	 * @param bool   $to_list Whether to go back to the list instead of the domain.
	 * @return string
	 */
	public static function link( $kind, $domain, $to_list = false ) {
		$query = array(
			'action'   => $kind,
			'domain'   => $domain,
			'_wpnonce' => \wp_create_nonce( self::LINK . $kind . $domain ),
		);
		foreach ( $to_list ? array( 'view', 's', 'orderby', 'order', 'paged' ) : array() as $name ) {
			$query[ $name ] = Page::param( $name );
		}
		return Page::url( \array_filter( $query + ( $to_list ? array( 'list' => '1' ) : array() ), 'strlen' ) );
	}

	/**
	 * Print the notice after a request.
	 */
	public static function notice() {
		$kind = Page::param( 'requested' );
		if ( ! \in_array( $kind, array( 'check', 'retry' ), true ) ) {
			return;
		}
		$count  = \absint( Page::param( 'count' ) );
		$number = \number_format_i18n( $count );
		if ( 'check' === $kind ) {
			/* translators: %s: number of domains. */
			$text = \sprintf( _n( 'closte-bridge checks %s domain in its next run.', 'closte-bridge checks %s domains in its next run.', $count, 'closte-bridge' ), $number );
		} else {
			/* translators: %s: number of changes. */
			$text = \sprintf( _n( 'closte-bridge retries %s failed change in its next run.', 'closte-bridge retries %s failed changes in its next run.', $count, 'closte-bridge' ), $number );
		}
		if ( ! $count ) {
			$text = __( 'Nothing was requested: no chosen domain is known, or none has a failed change.', 'closte-bridge' );
		}
		$level = $count ? 'success' : 'warning';
		\printf( '<div class="notice notice-%s is-dismissible" role="status"><p>%s</p></div>', \esc_attr( $level ), \esc_html( $text ) );
	}
}
