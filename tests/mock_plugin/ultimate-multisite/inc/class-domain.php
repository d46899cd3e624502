<?php
/**
 * One mapping of a domain to a site.
 */

namespace WP_Ultimo\Models;

use WP_Ultimo\Database\Domains\Domain_Stage;
use WP_Ultimo\Database\Domains\Domain_Store;

defined( 'ABSPATH' ) || exit;

class Domain {

	const INACTIVE_STAGES = Domain_Stage::INACTIVE;

	protected $id             = 0;
	protected $blog_id        = 0;
	protected $domain         = '';
	protected $active         = true;
	protected $primary_domain = false;
	protected $secure         = false;
	protected $stage          = Domain_Stage::CHECKING_DNS;
	protected $date_created   = '';
	protected $date_modified  = '';

	/** @var bool Whether it was the primary domain when it was read. */
	private $was_primary = false;

	/** @param array|object|null $data Values by column. */
	public function __construct( $data = null ) {
		foreach ( (array) $data as $name => $value ) {
			if ( method_exists( $this, "set_{$name}" ) ) {
				$this->{"set_{$name}"}( $value );
			}
		}
		$this->was_primary = (bool) $this->primary_domain;
	}

	public static function get_by_id( $id ) {
		return self::get_by( 'id', $id );
	}

	public static function get_by( $column, $value ) {
		$row = $value ? Domain_Store::find( $column, $value ) : null;
		return $row ? new self( $row ) : false;
	}

	/** All mappings of a site, the primary one first, or false. */
	public static function get_by_site( $site ) {
		$id      = is_object( $site ) ? $site->blog_id : $site;
		$domains = self::query( array( 'blog_id' => (int) $id, 'number' => 0, 'orderby' => 'primary_domain' ) );
		return $domains ? $domains : false;
	}

	/** Models; with `fields` ids or a column; with `count` their number. */
	public static function query( $query = array() ) {
		if ( ! empty( $query['count'] ) ) {
			return Domain_Store::count( $query );
		}
		$rows  = Domain_Store::select( $query );
		$field = $query['fields'] ?? '';
		if ( 'ids' === $field ) {
			return array_map( 'intval', wp_list_pluck( $rows, 'id' ) );
		}
		return array_map(
			function ( $row ) {
				return new self( $row );
			},
			$rows
		);
	}

	public function get_id() {
		return absint( $this->id );
	}

	private function set_id( $id ) {
		$this->id = $id;
	}

	public function exists() {
		return ! empty( $this->id );
	}

	public function get_domain() {
		return $this->domain;
	}

	public function set_domain( $domain ) {
		$this->domain = strtolower( (string) $domain );
	}

	public function get_blog_id() {
		return (int) $this->blog_id;
	}

	public function set_blog_id( $blog_id ) {
		$this->blog_id = $blog_id;
	}

	public function get_site_id() {
		return $this->get_blog_id();
	}

	public function get_site() {
		return get_site( $this->get_blog_id() );
	}

	public function is_active() {
		return ! $this->has_inactive_stage() && (bool) $this->active;
	}

	public function set_active( $active ) {
		$this->active = $active;
	}

	public function is_primary_domain() {
		return (bool) $this->primary_domain;
	}

	public function set_primary_domain( $primary_domain ) {
		$this->primary_domain = $primary_domain;
	}

	public function is_secure() {
		return (bool) $this->secure;
	}

	public function set_secure( $secure ) {
		$this->secure = $secure;
	}

	public function get_stage() {
		return $this->stage;
	}

	public function set_stage( $stage ) {
		$this->stage = $stage;
	}

	public function has_inactive_stage() {
		return in_array( $this->stage, self::INACTIVE_STAGES, true );
	}

	public function get_date_created() {
		return $this->date_created;
	}

	public function set_date_created( $date_created ) {
		$this->date_created = $date_created;
	}

	public function set_date_modified( $date_modified ) {
		$this->date_modified = $date_modified;
	}

	/** The columns, by name, as the table holds them. */
	public function to_array() {
		$row = array();
		foreach ( Domain_Store::COLUMNS as $column ) {
			$row[ $column ] = is_bool( $this->$column ) ? (int) $this->$column : $this->$column;
		}
		return $row;
	}

	/** Asks for a loopback answer first, then for DNS records, then for the opinion of a filter. */
	public function has_correct_dns() {
		$manager = \WP_Ultimo\Managers\Domain_Manager::get_instance();
		if ( $manager->verify_domain_with_loopback_request( $this ) ) {
			return true;
		}
		$found = array_column( $manager::dns_get_record( $this->get_domain() ), 'data' );
		if ( in_array( get_network()->domain, $found, true ) ) {
			return true;
		}
		return (bool) apply_filters( 'wu_domain_has_correct_dns', false, $this, $found );
	}

	/** The mock plugin makes no connections; a filter returns whether the certificate is valid. */
	public function has_valid_ssl_certificate() {
		return (bool) apply_filters( 'wu_mock_has_valid_ssl_certificate', false, $this );
	}

	/** True, or a WP_Error that says what was refused. */
	public function validate() {
		$error = new \WP_Error();
		if ( ! $this->get_blog_id() ) {
			$error->add( 'blog_id', 'The blog_id field is required' );
		}
		if ( ! self::is_domain_name( $this->domain ) ) {
			$error->add( 'domain', sprintf( 'Domain %s is not valid', $this->domain ) );
		} elseif ( Domain_Store::count( array( 'domain' => $this->domain, 'id__not_in' => array( $this->get_id() ) ) ) ) {
			$error->add( 'domain', sprintf( 'Domain %s has already been used', $this->domain ) );
		}
		if ( ! in_array( $this->stage, Domain_Stage::ALL, true ) ) {
			$error->add( 'stage', 'The stage is unknown' );
		}
		return $error->has_errors() ? $error : true;
	}

	/** At least two labels of letters, digits and inner hyphens; the last one starts with no digit and has no hyphen. */
	private static function is_domain_name( $name ) {
		$labels = explode( '.', (string) $name );
		$last   = array_pop( $labels );
		if ( ! $labels || ! preg_match( '/^[a-z][a-z0-9]{0,62}$/iD', $last ) ) {
			return false;
		}
		foreach ( $labels as $label ) {
			if ( ! preg_match( '/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/iD', $label ) ) {
				return false;
			}
		}
		return true;
	}

	/** True when it was saved, false when the database refused, a WP_Error when the model did. */
	public function save() {
		$new     = ! $this->exists();
		$row     = $this->to_array();
		if ( $new ) {
			unset( $row['id'] );
		}
		$row     = apply_filters( 'wu_domain_pre_save', $row, $row, $this );
		$allowed = $this->validate();
		if ( is_wp_error( $allowed ) ) {
			return $allowed;
		}
		if ( $new ) {
			$this->id = Domain_Store::insert( $row );
			$saved    = (bool) $this->id;
		} else {
			$saved = Domain_Store::update( $this->get_id(), $row );
		}
		do_action( 'wu_model_post_save', 'domain', $row, $row, $this );
		do_action( 'wu_domain_post_save', $row, $this, $new );
		wp_cache_flush();
		if ( $this->primary_domain && ( $new || ! $this->was_primary ) ) {
			$this->take_over_as_primary( $new );
		}
		return $saved;
	}

	private function take_over_as_primary( $new ) {
		$others = self::query(
			array(
				'primary_domain' => true,
				'blog_id'        => $this->get_blog_id(),
				'id__not_in'     => array( $this->get_id() ),
				'fields'         => 'ids',
			)
		);
		do_action( 'wu_async_remove_old_primary_domains', $others );
		do_action( 'wu_domain_became_primary', $this, $this->blog_id, $new );
	}

	public function delete() {
		if ( ! $this->exists() ) {
			return new \WP_Error( 'wu_domain_delete_unsaved_item', 'There is no such mapping.' );
		}
		do_action( 'wu_domain_pre_delete', $this );
		$result = Domain_Store::delete( $this->get_id() );
		do_action( 'wu_domain_post_delete', $result, $this );
		return $result;
	}
}
