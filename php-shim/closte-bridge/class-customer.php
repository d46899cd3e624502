<?php
/**
 * Shows site owners the state of their domains, and answers their requests.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Hooks into the *Domains* element of Ultimate Multisite. All actions are limited to domains of the customer's own sites.
 */
final class Customer {

	/** The AJAX action, and the start of its nonces. */
	const ACTION = 'closte_bridge_domain';

	/**
	 * The rows of the sites shown on this page: domain => row by site; null if closte-bridge does not manage the network.
	 *
	 * @var array
	 */
	private static $rows = array();

	/**
	 * Add the badge and the link *What to do* to the columns of a domain.
	 *
	 * Not to its actions: Ultimate Multisite prints these with the role of a tooltip, so a screen reader announces no link.
	 *
	 * @param mixed  $columns The columns.
	 * @param object $item    The mapping.
	 * @return mixed
	 */
	public static function info( $columns, $item = null ) {
		$row = \is_array( $columns ) ? self::row_on_page( $item ) : null;
		if ( null === $row ) {
			return $columns;
		}
		run( 'Assets', 'enqueue' );
		$html = run( 'Panel', 'summary', array( \strtolower( (string) $item->get_domain() ), $row, self::url( (int) $item->get_id() ) ) );

		$columns['closte_bridge'] = array(
			'wrapper_classes' => 'closte-bridge-cell',
			'icon'            => '',
			'label'           => '',
			// Ultimate Multisite would call a text that is the name of a function.
			'value'           => static function () use ( $html ) {
				echo $html; // phpcs:ignore WordPress.Security.EscapeOutput -- escaped where it was made.
			},
		);
		return $columns;
	}

	/**
	 * Print the link *Check a domain* next to *Add Domain*.
	 */
	public static function header() {
		$plugin = \function_exists( 'WP_Ultimo' ) ? \WP_Ultimo() : null;
		$site   = isset( $plugin->currents ) ? $plugin->currents->get_site() : null;
		if ( \is_object( $site ) ) {
			// The domains of this site follow, and their rows show that the network is managed.
			self::rows_on_page( (int) $site->get_id() );
		}
		if ( self::is_managed() ) {
			run( 'Assets', 'enqueue' );
			\printf(
				'<a class="wu-text-sm wu-no-underline button closte-bridge-open" href="%s">%s</a>',
				\esc_url( self::url( 0 ) ),
				\esc_html( (string) run( 'Precheck', 'title' ) )
			);
		}
	}

	/**
	 * Replace the default instructions of *Add Domain*, which advise a CNAME record even where DNS forbids it.
	 *
	 * @param mixed $text The instructions; those that the network's administrator wrote stay.
	 * @return mixed
	 */
	public static function instructions( $text ) {
		$manager = '\WP_Ultimo\Managers\Domain_Manager';
		$saved   = \function_exists( 'wu_get_setting' ) ? \wu_get_setting( 'domain_mapping_instructions', '' ) : '';
		$default = \is_callable( array( $manager, 'default_domain_mapping_instructions' ) ) ? $manager::get_instance()->default_domain_mapping_instructions() : '';
		if ( ( $saved && $saved !== $default ) || ! self::is_managed() ) {
			return $text;
		}
		$own = run( 'Precheck', 'instructions', array( '' ) );
		return \is_string( $own ) && '' !== $own ? $own : $text;
	}

	/**
	 * Return the address of a domain's panel.
	 *
	 * @param int $id The mapping; 0 for the check before adding a domain.
	 * @return string Not escaped.
	 */
	public static function url( $id ) {
		$query = array(
			'action'   => self::ACTION,
			'mapping'  => $id,
			'_wpnonce' => \wp_create_nonce( self::ACTION . $id ),
		);
		return \add_query_arg( $query, \admin_url( 'admin-ajax.php' ) );
	}

	/**
	 * Answer a request for a panel: as JSON for the script, else as a page.
	 */
	public static function answer() {
		\nocache_headers();
		$script = 'xmlhttprequest' === \strtolower( self::server( 'HTTP_X_REQUESTED_WITH' ) );
		$id     = \absint( self::param( 'mapping' ) );
		$act    = 'POST' === self::server( 'REQUEST_METHOD' ) ? self::param( 'do' ) : '';
		if ( ! \is_user_logged_in() ) {
			$script ? \wp_send_json( array( 'message' => '' ), 401 ) : \wp_safe_redirect( \wp_login_url( self::url( $id ) ) );
			exit;
		}
		// Only reading a page needs no nonce, so that an old link works.
		if ( ( $script || '' !== $act ) && ! \wp_verify_nonce( self::param( '_wpnonce' ), self::ACTION . $id ) ) {
			self::refuse( $script, 'expired', 403 );
		}
		$item = $id ? self::own_mapping( $id ) : null;
		if ( $id ? null === $item : ! self::is_customer() ) {
			// The same answer for domains of others and for those that do not exist.
			self::refuse( $script, 'unavailable', 404 );
		}
		$answer = $id ? self::domain( $item, $act ) : run( 'Precheck', 'answer', array( $act, self::param( 'domain' ) ) );
		if ( ! \is_array( $answer ) ) {
			self::refuse( $script, 'unavailable', 500 );
		}
		$script ? \wp_send_json( $answer ) : run( 'Panel', 'page', array( $answer ) );
		exit;
	}

	/**
	 * Return the panel of a mapping.
	 *
	 * @param object $item The mapping.
	 * @param string $act  `check` to ask for a check.
	 * @return array From `Panel::answer`.
	 */
	private static function domain( $item, $act ) {
		$name    = \strtolower( (string) $item->get_domain() );
		$blog_id = (int) $item->get_blog_id();
		$noted   = null;
		if ( 'check' === $act ) {
			// A missing part returns its first argument, so compare with true.
			$noted = true === run( 'Requests', 'allowed', array( $name ) ) && true === run( 'Requests', 'note', array( 'check', $name, $blog_id ) );
		}
		return run( 'Panel', 'answer', array( $name, self::row_of( $name, $blog_id ), self::url( (int) $item->get_id() ), $noted ) );
	}

	/**
	 * Refuse a request.
	 *
	 * @param bool   $script Whether the script asked.
	 * @param string $why    `expired` or `unavailable`.
	 * @param int    $status The HTTP status.
	 */
	private static function refuse( $script, $why, $status ) {
		$text = (string) run( 'Panel', 'refusal', array( $why ) );
		if ( $script ) {
			\wp_send_json( array( 'message' => $text ), $status );
		}
		run(
			'Panel',
			'page',
			array(
				array(
					'title' => $text,
					'html'  => '<h1>' . \esc_html( $text ) . '</h1>',
				),
				$status,
			)
		);
		exit;
	}

	/**
	 * Return a mapping if the current user may see it: the customer of its site, or an administrator of the network.
	 *
	 * @param int $id The mapping.
	 * @return object|null
	 */
	public static function own_mapping( $id ) {
		$item = self::is_customer() && \function_exists( 'wu_get_domain' ) ? \wu_get_domain( $id ) : null;
		$site = \is_object( $item ) && \function_exists( 'wu_get_site' ) ? \wu_get_site( (int) $item->get_blog_id() ) : null;
		if ( ! \is_object( $site ) ) {
			return null;
		}
		if ( \current_user_can( 'manage_network' ) ) {
			return $item;
		}
		// Name the customer: without it, Ultimate Multisite may read it from the address of the request.
		$customer = (int) \wu_get_current_customer()->get_id();
		return $customer > 0 && true === $site->is_customer_allowed( $customer ) ? $item : null;
	}

	/**
	 * Return whether the current user is a customer or an administrator of the network.
	 *
	 * @return bool
	 */
	private static function is_customer() {
		if ( ! \function_exists( 'wu_get_current_customer' ) ) {
			return false;
		}
		return \current_user_can( 'manage_network' ) || \is_object( \wu_get_current_customer() );
	}

	/**
	 * Return whether closte-bridge manages the domains of this network.
	 *
	 * @return bool
	 */
	private static function is_managed() {
		foreach ( self::$rows as $rows ) {
			return null !== $rows;
		}
		$owner = run( 'Owner', 'owner' );
		return \is_string( $owner ) && '' !== $owner;
	}

	/**
	 * Return the row of a mapping on a page.
	 *
	 * @param mixed $item The mapping.
	 * @return array|null Empty if the engine has not seen the domain yet; null if closte-bridge does not manage the network.
	 */
	private static function row_on_page( $item ) {
		if ( ! \is_object( $item ) || ! \method_exists( $item, 'get_domain' ) || ! \method_exists( $item, 'get_blog_id' ) ) {
			return null;
		}
		$name = \strtolower( (string) $item->get_domain() );
		$rows = self::rows_on_page( (int) $item->get_blog_id() );
		return null === $rows ? null : ( isset( $rows[ $name ] ) ? $rows[ $name ] : array() );
	}

	/**
	 * Return the rows of a site on a page, with one query.
	 *
	 * @param int $blog_id The site.
	 * @return array|null Domain => row; null if closte-bridge does not manage the network.
	 */
	private static function rows_on_page( $blog_id ) {
		if ( ! \array_key_exists( $blog_id, self::$rows ) ) {
			$rows = self::by_domain( run( 'States', 'of_site', array( $blog_id ) ) );
			// Most sites have rows, so this asks for the owner only without them.
			self::$rows[ $blog_id ] = $rows || self::is_managed() ? $rows : null;
		}
		return self::$rows[ $blog_id ];
	}

	/**
	 * Return the row of one domain, with one query.
	 *
	 * @param string $name    The domain.
	 * @param int    $blog_id The site of its mapping.
	 * @return array Empty without a row, or if the row is of another site.
	 */
	private static function row_of( $name, $blog_id ) {
		$rows = self::by_domain( run( 'States', 'of', array( array( $name ), run( 'Owner', 'network_of', array( $blog_id ) ) ) ) );
		$row  = isset( $rows[ $name ] ) ? $rows[ $name ] : array();
		return isset( $row['blog_id'] ) && (int) $row['blog_id'] === $blog_id ? $row : array();
	}

	/**
	 * Return rows by domain.
	 *
	 * @param mixed $rows Rows.
	 * @return array
	 */
	private static function by_domain( $rows ) {
		$found = array();
		foreach ( \is_array( $rows ) ? $rows : array() as $row ) {
			if ( \is_array( $row ) && isset( $row['domain'] ) && \is_string( $row['domain'] ) ) {
				$found[ \strtolower( $row['domain'] ) ] = $row;
			}
		}
		return $found;
	}

	/**
	 * Return a parameter of the request.
	 *
	 * @param string $name The parameter.
	 * @return string
	 */
	private static function param( $name ) {
		// phpcs:ignore WordPress.Security.NonceVerification -- `answer` verifies the nonce.
		return isset( $_REQUEST[ $name ] ) && \is_string( $_REQUEST[ $name ] ) ? \sanitize_text_field( \wp_unslash( $_REQUEST[ $name ] ) ) : '';
	}

	/**
	 * Return a value of the web server.
	 *
	 * @param string $name Its name.
	 * @return string
	 */
	private static function server( $name ) {
		return isset( $_SERVER[ $name ] ) && \is_string( $_SERVER[ $name ] ) ? \sanitize_text_field( \wp_unslash( $_SERVER[ $name ] ) ) : '';
	}
}
