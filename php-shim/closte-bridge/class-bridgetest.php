<?php
/**
 * The section *closte-bridge* in the wizard of the Closte integration: explains the bridge and tests it.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Each test has the command that repairs what it finds.
 */
final class Bridgetest {

	/**
	 * Print the section.
	 *
	 * @param mixed $page The page object.
	 */
	public static function show( $page ) {
		run( 'Messages', 'load' );
		need( 'Row' );
		need( 'Markup' );
		need( 'Page' );
		run( 'Style', 'enqueue' );
		\printf(
			'<div id="closte-bridge-wizard"><h1>closte-bridge</h1><p>%s</p><p>%s</p><table class="widefat striped"><tbody>',
			esc_html__( 'closte-bridge adds and removes domains on Closte instead of the built-in provider. It compares both sides, retries what failed, and checks DNS and HTTPS from outside.', 'closte-bridge' ),
			esc_html__( 'It runs on the server. These tests show if it works:', 'closte-bridge' )
		);
		foreach ( self::tests() as $test ) {
			$icon = Markup::icon( $test[1] ? 'yes-alt' : 'warning', $test[1] ? esc_html__( 'OK', 'closte-bridge' ) : esc_html__( 'Not yet', 'closte-bridge' ) );
			$more = $test[1] || '' === $test[3] ? '' : ' ' . Markup::copyable( $test[3] );
			\printf( '<tr><th scope="row">%s</th><td>%s</td><td>%s</td></tr>', \esc_html( $test[0] ), $icon, Markup::sentences( $test[2] ) . $more ); // phpcs:ignore WordPress.Security.EscapeOutput -- escaped above.
		}
		\printf( '</tbody></table><p><a class="button" href="%s">%s</a></p></div>', \esc_url( Page::url() ), esc_html__( 'Show all domains', 'closte-bridge' ) );
		if ( \is_object( $page ) && \is_callable( array( $page, 'render_submit_box' ) ) ) {
			$page->render_submit_box();
		}
	}

	/**
	 * Test the bridge.
	 *
	 * @return array Lists of name, result, explanation and command.
	 */
	private static function tests() {
		$shown  = run( 'Owner', 'shown' );
		$shown  = \is_array( $shown ) ? $shown : array();
		$owned  = ! empty( $shown['owner'] );
		$method = run( 'Trigger', 'method', array( (array) run( 'Trigger', 'config' ) ) );
		$way    = \is_array( $method ) && isset( $method[0] ) ? $method[0] : 'poll';
		$ways   = array(
			'file'    => __( 'A change in WordPress triggers closte-bridge watch.', 'closte-bridge' ),
			'process' => __( 'A change in WordPress starts a sync.', 'closte-bridge' ),
			'url'     => __( 'A change in WordPress triggers closte-bridge on another machine.', 'closte-bridge' ),
			'poll'    => __( 'Changes wait for the next scheduled sync.', 'closte-bridge' ),
		);
		/* translators: %s: host name. */
		$owner = $owned ? \sprintf( __( 'closte-bridge on %s owns this network.', 'closte-bridge' ), $shown['host'] ) : __( 'No closte-bridge owns this network yet.', 'closte-bridge' );
		$beat  = empty( $shown['active'] ) ? (string) run( 'Messages', 'offline', array( isset( $shown['silence'] ) ? $shown['silence'] : null ) ) : __( 'closte-bridge synced recently.', 'closte-bridge' );
		return array(
			array( __( 'Owner', 'closte-bridge' ), $owned, $owner, 'closte-bridge setup' ),
			array( __( 'Heartbeat', 'closte-bridge' ), ! empty( $shown['active'] ), $beat, 'closte-bridge sync' ),
			array( __( 'Trigger', 'closte-bridge' ), 'poll' !== $way, isset( $ways[ $way ] ) ? $ways[ $way ] : $ways['poll'], 'closte-bridge shim status' ),
			array( __( 'Domain states', 'closte-bridge' ), true === run( 'States', 'exists' ), __( 'closte-bridge shows the state of each domain in WordPress.', 'closte-bridge' ), 'closte-bridge shim install' ),
		);
	}
}
