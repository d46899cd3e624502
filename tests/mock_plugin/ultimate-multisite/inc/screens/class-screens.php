<?php
/**
 * The plugin's menus and screens: those of domains in the network admin, and the customer's account.
 */

namespace WP_Ultimo\Mock;

defined( 'ABSPATH' ) || exit;

/** The same slugs, hooks and filters as the real screens; only the forms that closte-bridge extends. */
final class Screens {

	public static function register() {
		add_action( 'network_admin_menu', array( __CLASS__, 'network_menu' ) );
		add_action( 'admin_menu', array( __CLASS__, 'account_menu' ) );
		add_action( 'admin_enqueue_scripts', array( __CLASS__, 'style' ) );
	}

	/** The real menu has its dashboard first. */
	public static function network_menu() {
		add_menu_page( 'Ultimate Multisite', 'Multisite', 'manage_network', 'wp-ultimo', '__return_empty_string' );
		add_submenu_page( 'wp-ultimo', 'Domains', 'Domains', 'manage_network', 'wp-ultimo-domains', array( Domain_List::class, 'output' ) );
		foreach ( array( Domain_Page::class, Wizard_Page::class ) as $class ) {
			$page = new $class();
			// An empty parent: the page is in no menu.
			$hook = add_submenu_page( ' ', $page::TITLE, $page::TITLE, 'manage_network', $page::SLUG, array( $page, 'output' ) );
			add_action(
				"load-$hook",
				function () use ( $page, $hook ) {
					$GLOBALS['title'] = $page::TITLE;
					$page->load( $hook );
				}
			);
		}
	}

	/** The page of a customer's own site. */
	public static function account_menu() {
		if ( 'customer_owned' === wu_get_current_site()->get_type() ) {
			add_menu_page( 'Account', 'Account', 'read', 'account', array( __CLASS__, 'account' ) );
		}
	}

	public static function account() {
		echo '<div class="wrap"><h1>Account</h1><div class="postbox" style="max-width: 32rem">';
		Domains_Element::output();
		echo '</div></div>';
	}

	/** Some of the real plugin's classes. */
	public static function style() {
		wp_register_style( 'wu-mock', false, array(), WP_ULTIMO_VERSION );
		wp_enqueue_style( 'wu-mock' );
		wp_add_inline_style( 'wu-mock', '.wu-flex{display:flex;flex-wrap:wrap;gap:.5em;align-items:center}.wu-p-2{padding:.5rem}.wu-text-xs{font-size:.75rem}' );
	}
}
