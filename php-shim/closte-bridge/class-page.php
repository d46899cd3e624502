<?php
/**
 * The page *Closte* of the network admin: its menu item, its screen and its addresses.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * On other screens, only the menu item with its badge is made, with the query that the notice shares.
 */
final class Page {

	const SLUG       = 'closte-bridge';
	const CAPABILITY = 'manage_network';

	/** The screen option, and the most rows of a page: their requests fit into one insert. */
	const PER_PAGE      = 'closte_bridge_per_page';
	const MOST_PER_PAGE = 500;

	/**
	 * The list table of this screen.
	 *
	 * @var Table|null
	 */
	private static $table = null;

	/**
	 * Add the menu item: below *Domains* of Ultimate Multisite, else below *Settings*.
	 */
	public static function register() {
		if ( ! \current_user_can( self::CAPABILITY ) ) {
			return;
		}
		$hook = \add_submenu_page( self::parent_page(), 'Closte', 'Closte' . self::badge(), self::CAPABILITY, self::SLUG, array( __CLASS__, 'display' ), 8 );
		if ( $hook ) {
			attach( "load-$hook", 'Page', 'load', 10, 0 );
		}
	}

	/**
	 * Return the menu that contains the page.
	 *
	 * @return string
	 */
	private static function parent_page() {
		global $admin_page_hooks;
		if ( \is_network_admin() ) {
			return isset( $admin_page_hooks['wp-ultimo'] ) ? 'wp-ultimo' : 'settings.php';
		}
		// Elsewhere, there are no menus of the network admin.
		$plugin = \function_exists( 'WP_Ultimo' ) ? \WP_Ultimo() : null;
		return \is_callable( array( $plugin, 'is_loaded' ) ) && $plugin->is_loaded() ? 'wp-ultimo' : 'settings.php';
	}

	/**
	 * Return the number of things that need an administrator, as WordPress shows it in menus.
	 *
	 * @return string
	 */
	private static function badge() {
		$count = run( 'Overview', 'open', array( run( 'Owner', 'shown' ) ) );
		if ( ! \is_int( $count ) || $count <= 0 ) {
			return '';
		}
		run( 'Messages', 'load' );
		/* translators: %s: number of domains and other things. */
		$text = \sprintf( _n( '%s needs you', '%s need you', $count, 'closte-bridge' ), \number_format_i18n( $count ) );
		return \sprintf(
			' <span class="awaiting-mod count-%1$d"><span class="pending-count" aria-hidden="true">%2$s</span><span class="screen-reader-text">%3$s</span></span>',
			$count,
			\esc_html( \number_format_i18n( $count ) ),
			\esc_html( $text )
		);
	}

	/**
	 * Return an address of the page, not escaped.
	 *
	 * @param array $query More parameters.
	 * @return string
	 */
	public static function url( array $query = array() ) {
		$base = \network_admin_url( 'wp-ultimo' === self::parent_page() ? 'admin.php' : 'settings.php' );
		return \add_query_arg( \array_map( 'rawurlencode', array( 'page' => self::SLUG ) + $query ), $base );
	}

	/**
	 * Return a parameter of the request.
	 *
	 * @param string $name The parameter.
	 * @return string
	 */
	public static function param( $name ) {
		return isset( $_REQUEST[ $name ] ) && \is_string( $_REQUEST[ $name ] ) ? \sanitize_text_field( \wp_unslash( $_REQUEST[ $name ] ) ) : ''; // phpcs:ignore WordPress.Security.NonceVerification -- only reads; `Actions` verifies nonces.
	}

	/**
	 * Prepare the screen before its output: carry out a request, add the screen options, help and the script.
	 */
	public static function load() {
		run( 'Messages', 'load' );
		need( 'Row' );
		need( 'Markup' );
		run( 'Actions', 'handle' );
		$screen = \get_current_screen();
		if ( '' === self::param( 'domain' ) ) {
			\add_screen_option(
				'per_page',
				array(
					'default' => 20,
					'option'  => self::PER_PAGE,
				)
			);
			// Here, so that the screen options list the columns.
			self::$table = run( 'Table', 'create', array( $screen ) );
		}
		run( 'Overview', 'help', array( $screen ) );
		run( 'Style', 'enqueue' );
	}

	/**
	 * Keep the number of rows that a person chose in the screen options.
	 *
	 * @param mixed $kept   What other plugins keep.
	 * @param mixed $option The option.
	 * @param mixed $value  The number.
	 * @return mixed
	 */
	public static function keep_rows( $kept, $option = '', $value = 0 ) {
		return self::PER_PAGE === $option ? \max( 1, \min( self::MOST_PER_PAGE, (int) $value ) ) : $kept;
	}

	/**
	 * Show the page, or why that failed.
	 */
	public static function display() {
		echo '<div class="wrap" id="closte-bridge">';
		$domain = self::param( 'domain' );
		$shown  = '' === $domain ? run( 'Overview', 'show', array( self::$table ) ) : run( 'Details', 'show', array( $domain ) );
		if ( true !== $shown ) {
			\printf(
				'<div class="notice notice-error"><p>%s</p></div>',
				esc_html__( 'closte-bridge could not show this page. With WP_DEBUG, the error log of PHP has the reason.', 'closte-bridge' )
			);
		}
		echo '</div>';
	}
}
