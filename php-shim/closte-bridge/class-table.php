<?php
/**
 * The list of all domains on the page *Closte*.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

run( 'Messages', 'load' ); // This class shows texts.

/**
 * Loaded only on that screen, where WordPress has the class that it extends. One page of the list takes five queries.
 */
final class Table extends \WP_List_Table {

	/**
	 * The number of domains in each view.
	 *
	 * @var array
	 */
	private $counts = array();

	/**
	 * The sites of the domains on this page, by ID.
	 *
	 * @var array
	 */
	private $sites = array();

	/**
	 * Return the list for a screen.
	 *
	 * @param mixed $screen The screen.
	 * @return Table
	 */
	public static function create( $screen ) {
		// With the next step, the list is too wide for a small window otherwise.
		\add_filter( 'default_hidden_columns', array( __CLASS__, 'hidden' ), 10, 2 );
		return new self(
			array(
				'singular' => 'closte-bridge-domain',
				'plural'   => 'closte-bridge-domains',
				'screen'   => $screen,
			)
		);
	}

	/**
	 * Return the columns that are hidden until a person shows them.
	 *
	 * @param mixed $hidden The columns.
	 * @param mixed $screen The screen.
	 * @return mixed
	 */
	public static function hidden( $hidden, $screen = null ) {
		$current = \get_current_screen();
		return \is_array( $hidden ) && $current && $screen === $current ? \array_merge( $hidden, array( 'since', 'next_check' ) ) : $hidden;
	}

	/**
	 * Return the columns.
	 *
	 * @return array
	 */
	public function get_columns() {
		return array(
			'cb'         => '<input type="checkbox">',
			'domain'     => __( 'Domain', 'closte-bridge' ),
			'blog_id'    => __( 'Site', 'closte-bridge' ),
			'state'      => __( 'Stage', 'closte-bridge' ),
			'at_closte'  => __( 'On Closte', 'closte-bridge' ),
			'dns'        => __( 'DNS', 'closte-bridge' ),
			'https'      => __( 'HTTPS', 'closte-bridge' ),
			'live'       => __( 'Live', 'closte-bridge' ),
			'step'       => __( 'Next step', 'closte-bridge' ),
			'since'      => __( 'Since', 'closte-bridge' ),
			'next_check' => __( 'Next check', 'closte-bridge' ),
		);
	}

	/**
	 * Return the columns by which the list can be sorted.
	 *
	 * @return array
	 */
	protected function get_sortable_columns() {
		return array(
			'domain'     => 'domain',
			'blog_id'    => 'blog_id',
			'state'      => 'state',
			'since'      => array( 'since', true ),
			'next_check' => 'next_check',
		);
	}

	/**
	 * Return the bulk actions.
	 *
	 * @return array
	 */
	protected function get_bulk_actions() {
		return array(
			'check' => __( 'Check now', 'closte-bridge' ),
			'retry' => __( 'Retry', 'closte-bridge' ),
		);
	}

	/**
	 * Return the names of the views.
	 *
	 * @return array
	 */
	private static function view_names() {
		return array(
			'all'            => __( 'All', 'closte-bridge' ),
			'live'           => __( 'Live', 'closte-bridge' ),
			'needs-customer' => __( 'Needs the customer', 'closte-bridge' ),
			'failed'         => __( 'Failed', 'closte-bridge' ),
			'on-hold'        => __( 'On hold', 'closte-bridge' ),
			'needs-approval' => __( 'Needs approval', 'closte-bridge' ),
			'unmanaged'      => __( 'Unmanaged', 'closte-bridge' ),
			'site-gone'      => __( 'Site gone', 'closte-bridge' ),
		);
	}

	/**
	 * Return the view of this request.
	 *
	 * @return string
	 */
	private static function current_view() {
		return isset( self::view_names()[ Page::param( 'view' ) ] ) ? Page::param( 'view' ) : 'all';
	}

	/**
	 * Return the links to the views, with the number of domains in each.
	 *
	 * @return array
	 */
	protected function get_views() {
		$links = array();
		foreach ( self::view_names() as $view => $name ) {
			$links[ $view ] = \sprintf(
				'<a href="%s"%s>%s <span class="count">(%s)</span></a>',
				\esc_url( Page::url( 'all' === $view ? array() : array( 'view' => $view ) ) ),
				self::current_view() === $view ? ' class="current" aria-current="page"' : '',
				\esc_html( $name ),
				\esc_html( \number_format_i18n( isset( $this->counts[ $view ] ) ? (int) $this->counts[ $view ] : 0 ) )
			);
		}
		return $links;
	}

	/**
	 * Read the domains of this page.
	 */
	public function prepare_items() {
		$per_page     = \min( Page::MOST_PER_PAGE, $this->get_items_per_page( Page::PER_PAGE ) );
		$found        = run(
			'States',
			'page',
			array(
				array(
					'view'     => self::current_view(),
					'search'   => Page::param( 's' ),
					'orderby'  => Page::param( 'orderby' ),
					'order'    => Page::param( 'order' ),
					'per_page' => $per_page,
					'offset'   => ( $this->get_pagenum() - 1 ) * $per_page,
				),
			)
		);
		$counts       = run( 'States', 'counts' );
		$this->counts = \is_array( $counts ) ? $counts : array();
		$this->items  = isset( $found['rows'] ) && \is_array( $found['rows'] ) ? $found['rows'] : array();
		$this->sites  = self::sites_of( $this->items );
		$this->set_pagination_args(
			array(
				'total_items' => isset( $found['total'] ) ? (int) $found['total'] : 0,
				'per_page'    => $per_page,
			)
		);
	}

	/**
	 * Read the sites of rows with one query.
	 *
	 * @param array $rows The rows.
	 * @return array WP_Site by ID.
	 */
	private static function sites_of( array $rows ) {
		$ids   = \array_filter( \array_unique( \array_map( 'intval', \array_column( $rows, 'blog_id' ) ) ) );
		$found = array();
		$query = array(
			'site__in'               => $ids,
			'number'                 => \count( $ids ),
			'update_site_meta_cache' => false,
		);
		foreach ( $ids ? \get_sites( $query ) : array() as $site ) {
			$found[ (int) $site->blog_id ] = $site;
		}
		return $found;
	}

	/**
	 * Return the number of all domains, whatever the view.
	 *
	 * @return int
	 */
	public function all() {
		return isset( $this->counts['all'] ) ? (int) $this->counts['all'] : 0;
	}

	/**
	 * Print what stands in an empty list.
	 */
	public function no_items() {
		esc_html_e( 'No domains found.', 'closte-bridge' );
	}

	/**
	 * Return the checkbox of a row.
	 *
	 * @param array $item The row.
	 * @return string
	 */
	protected function column_cb( $item ) {
		return \sprintf(
			'<input type="checkbox" name="domains[]" value="%1$s" id="closte-bridge-%1$s"><label for="closte-bridge-%1$s"><span class="screen-reader-text">%2$s</span></label>',
			\esc_attr( $item['domain'] ),
			/* translators: %s: domain. */
			\sprintf( esc_html__( 'Select %s', 'closte-bridge' ), Markup::text( $item['domain'] ) )
		);
	}

	/**
	 * Return the domain.
	 *
	 * @param array $item The row.
	 * @return string
	 */
	protected function column_domain( $item ) {
		$url = Page::url( array( 'domain' => (string) $item['domain'] ) );
		return \sprintf( '<strong><a class="row-title" href="%s">%s</a></strong>', \esc_url( $url ), Markup::text( $item['domain'] ) );
	}

	/**
	 * Return the actions of a row.
	 *
	 * @param array  $item    The row.
	 * @param string $column  The column.
	 * @param string $primary The column that has the actions.
	 * @return string
	 */
	protected function handle_row_actions( $item, $column, $primary ) {
		if ( $column !== $primary ) {
			return '';
		}
		$name  = (string) $item['domain'];
		$links = array(
			'why'   => array( Page::url( array( 'domain' => $name ) ), __( 'Why?', 'closte-bridge' ), 'closte-bridge-why' ),
			'check' => array( Actions::link( 'check', $name, true ), __( 'Check now', 'closte-bridge' ), '' ),
		);
		if ( Row::can_retry( $item ) ) {
			$links['retry'] = array( Actions::link( 'retry', $name, true ), __( 'Retry', 'closte-bridge' ), '' );
		}
		$actions = array();
		foreach ( $links as $key => $link ) {
			/* translators: 1: name, time or action. 2: more about it. */
			$label           = \sprintf( __( '%1$s (%2$s)', 'closte-bridge' ), $link[1], $name );
			$actions[ $key ] = \sprintf( '<a href="%s" class="%s" aria-label="%s">%s</a>', \esc_url( $link[0] ), \esc_attr( $link[2] ), \esc_attr( $label ), \esc_html( $link[1] ) );
		}
		return $this->row_actions( $actions );
	}

	/**
	 * Return the site of a domain.
	 *
	 * @param array $item The row.
	 * @return string
	 */
	protected function column_blog_id( $item ) {
		$id = (int) $item['blog_id'];
		if ( ! $id ) {
			return Markup::none();
		}
		if ( ! isset( $this->sites[ $id ] ) ) {
			/* translators: %s: ID of a site. */
			return \esc_html( \sprintf( __( 'Site %s does not exist', 'closte-bridge' ), $id ) );
		}
		$address = \untrailingslashit( $this->sites[ $id ]->domain . $this->sites[ $id ]->path );
		return \sprintf( '<a href="%s">%s</a>', \esc_url( \network_admin_url( "site-info.php?id=$id" ) ), Markup::text( $address ) );
	}

	/**
	 * Return any other column.
	 *
	 * @param array  $item   The row.
	 * @param string $column The column.
	 * @return string
	 */
	protected function column_default( $item, $column ) {
		switch ( $column ) {
			case 'state':
				return Markup::stage( $item );
			case 'at_closte':
				return Markup::on_closte( $item );
			case 'dns':
			case 'https':
				return Markup::verdict( $column, $item );
			case 'live':
				return Markup::live( $item );
			case 'step':
				return Markup::next_step( $item );
			case 'since':
			case 'next_check':
				return Markup::time( $item[ $column ] );
		}
		return '';
	}
}
