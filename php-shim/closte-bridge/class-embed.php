<?php
/**
 * Shows domain states in the pages of Ultimate Multisite: *Domains*, *Edit Domain* and the wizard of the Closte integration.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * No class of Ultimate Multisite is extended: a changed signature would be a compile error.
 */
final class Embed {

	/** Most rows of a list that are read together. */
	const MOST = 1000;

	/**
	 * The rows of the domains shown on this screen, by domain; null for those without a row.
	 *
	 * @var array
	 */
	private static $rows = array();

	/**
	 * Add the state below the domain in the list *Domains*.
	 *
	 * @param mixed $html The cell.
	 * @param mixed $item The mapping.
	 * @return mixed
	 */
	public static function column( $html, $item = null ) {
		$name = self::name_of( $item );
		if ( ! \is_string( $html ) || '' === $name || ! \current_user_can( 'manage_network' ) ) {
			return $html;
		}
		self::prepare();
		if ( ! \array_key_exists( $name, self::$rows ) ) {
			self::read( self::on_this_screen( $name ) );
		}
		if ( null === self::$rows[ $name ] ) {
			return $html;
		}
		$text = Row::phrase( 'badge', self::$rows[ $name ] );
		/* translators: 1: state of a domain on Closte, 2: domain. */
		$label = \sprintf( __( '%1$s (Closte, %2$s)', 'closte-bridge' ), $text, $name );
		return $html . \sprintf(
			'<div class="closte-bridge-state"><a href="%s" aria-label="%s">%s</a></div>',
			\esc_url( Page::url( array( 'domain' => $name ) ) ),
			\esc_attr( $label ),
			Markup::text( $text )
		);
	}

	/**
	 * Add the box to *Edit Domain*.
	 *
	 * @param mixed $id   The page.
	 * @param mixed $hook The page's hook.
	 * @param mixed $page The page object.
	 */
	public static function register_box( $id = '', $hook = '', $page = null ) {
		unset( $id, $hook );
		$item = \is_object( $page ) && \is_callable( array( $page, 'get_object' ) ) ? $page->get_object() : null;
		$name = self::name_of( $item );
		if ( '' === $name || ! \current_user_can( 'manage_network' ) ) {
			return;
		}
		$show = static function () use ( $name ) {
			run( 'Embed', 'box', array( $name ) );
		};
		\add_meta_box( 'closte-bridge', 'Closte', $show, \get_current_screen()->id, 'normal' );
	}

	/**
	 * Print the box of a domain.
	 *
	 * @param string $name The domain.
	 */
	public static function box( $name ) {
		self::prepare();
		self::read( array( $name ) );
		$row = self::$rows[ $name ];
		if ( null === $row ) {
			\printf( '<p>%s</p>', esc_html__( 'closte-bridge does not know this domain yet.', 'closte-bridge' ) );
			return;
		}
		\printf( '<p>%s</p><p>%s</p>', Markup::stage( $row ), Markup::next_step( $row ) ); // phpcs:ignore WordPress.Security.EscapeOutput -- Markup escapes.
		$links = array(
			array( Page::url( array( 'domain' => $name ) ), __( 'Why?', 'closte-bridge' ) ),
			array( Actions::link( 'check', $name ), __( 'Check now', 'closte-bridge' ) ),
		);
		echo '<p>';
		foreach ( $links as $link ) {
			\printf( '<a class="button" href="%s">%s</a> ', \esc_url( $link[0] ), \esc_html( $link[1] ) );
		}
		echo '</p>';
	}

	/**
	 * Add the section *closte-bridge* to the wizard of the Closte integration, before its end.
	 *
	 * @param mixed $sections    The sections.
	 * @param mixed $integration The integration.
	 * @param mixed $page        The page object.
	 * @return mixed
	 */
	public static function sections( $sections, $integration = null, $page = null ) {
		$id = \is_object( $integration ) && \is_callable( array( $integration, 'get_id' ) ) ? $integration->get_id() : '';
		if ( ! \is_array( $sections ) || 'closte' !== $id ) {
			return $sections;
		}
		$own = array(
			'closte-bridge' => array(
				'title' => 'closte-bridge',
				'view'  => static function () use ( $page ) {
					run( 'Bridgetest', 'show', array( $page ) );
				},
			),
		);
		$end = \array_search( 'done', \array_keys( $sections ), true );
		return false === $end ? $sections + $own : \array_slice( $sections, 0, $end, true ) + $own + \array_slice( $sections, $end, null, true );
	}

	/**
	 * Load what the texts need.
	 */
	private static function prepare() {
		run( 'Messages', 'load' );
		need( 'Row' );
		need( 'Markup' );
		need( 'Page' );
		need( 'Actions' );
	}

	/**
	 * Return the domain of a mapping.
	 *
	 * @param mixed $item The mapping.
	 * @return string
	 */
	private static function name_of( $item ) {
		$name = \is_object( $item ) && \is_callable( array( $item, 'get_domain' ) ) ? $item->get_domain() : '';
		return \is_string( $name ) ? \strtolower( $name ) : '';
	}

	/**
	 * Read the rows of some domains with one query.
	 *
	 * @param array $names The domains.
	 */
	private static function read( array $names ) {
		$found = run( 'States', 'of', array( $names ) );
		foreach ( $names as $name ) {
			self::$rows[ $name ] = isset( $found[ $name ] ) && \is_array( $found[ $name ] ) ? $found[ $name ] : null;
		}
	}

	/**
	 * Return all domains of the list that shows this one: the filter gets one row at a time.
	 *
	 * @param string $name The domain.
	 * @return array
	 */
	private static function on_this_screen( $name ) {
		$names = array( $name );
		foreach ( \debug_backtrace( DEBUG_BACKTRACE_PROVIDE_OBJECT | DEBUG_BACKTRACE_IGNORE_ARGS, 20 ) as $frame ) { // phpcs:ignore WordPress.PHP.DevelopmentFunctions -- the only way to the list: no hook has it.
			if ( isset( $frame['object'] ) && $frame['object'] instanceof \WP_List_Table && \is_array( $frame['object']->items ) ) {
				$names = \array_merge( $names, \array_map( array( __CLASS__, 'name_of' ), \array_slice( $frame['object']->items, 0, self::MOST ) ) );
				break;
			}
		}
		return \array_values( \array_unique( \array_filter( $names, 'strlen' ) ) );
	}
}
