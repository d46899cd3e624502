<?php
/**
 * Domain management: records for new sites, events for providers, promotion to primary.
 */

namespace WP_Ultimo\Managers;

use WP_Ultimo\Database\Domains\Domain_Stage;

defined( 'ABSPATH' ) || exit;

class Domain_Manager {

	/** @var self|null */
	private static $instance;

	public static function get_instance() {
		if ( null === self::$instance ) {
			self::$instance = new self();
		}
		return self::$instance;
	}

	public function register_hooks() {
		add_action( 'wu_async_remove_old_primary_domains', array( $this, 'async_remove_old_primary_domains' ) );
		add_action( 'wu_async_process_domain_stage', array( $this, 'async_process_domain_stage' ), 10, 2 );
		add_action( 'wu_transition_domain_domain', array( $this, 'send_domain_to_host' ), 10, 3 );
		add_action( 'wu_transition_domain_stage', array( $this, 'maybe_auto_promote_primary_domain' ), 10, 3 );
		add_action( 'wu_domain_post_delete', array( $this, 'handle_domain_deleted' ), 10, 2 );
		add_action( 'wp_insert_site', array( $this, 'handle_site_created' ) );
		add_action( 'wp_delete_site', array( $this, 'handle_site_deleted' ) );
	}

	/** Two labels, or three of which the last two are a known public suffix. */
	public static function is_main_domain( $domain ) {
		$labels   = explode( '.', strtolower( trim( rtrim( $domain, '.' ) ) ) );
		$suffixes = apply_filters( 'wu_multi_part_tlds', array( '.co.uk', '.com.au', '.co.nz', '.com.br', '.co.in' ) );
		$ending   = '.' . implode( '.', array_slice( $labels, -2 ) );
		return count( $labels ) <= 2 || ( 3 === count( $labels ) && in_array( $ending, $suffixes, true ) );
	}

	/** Whether a name is shared by the sites of the network, so that it can be no single site's record. */
	public function is_network_base_domain( $domain ) {
		$host = $this->base_of( $domain );
		return '' !== $host
			&& ( $this->base_of( get_network()->domain ) === $host || in_array( $host, $this->get_checkout_form_base_domains(), true ) );
	}

	/** There are no checkout forms here: what the filter says is all. */
	public function get_checkout_form_base_domains() {
		$domains = array_map( array( $this, 'base_of' ), (array) apply_filters( 'wu_checkout_form_base_domains', array() ) );
		return array_values( array_unique( array_filter( $domains ) ) );
	}

	/** The host alone: lower case, without scheme, port, path, trailing dot and `www.`. */
	private function base_of( $domain ) {
		$domain = strtolower( trim( (string) $domain ) );
		$host   = wp_parse_url( false === strpos( $domain, '://' ) ? "http://{$domain}" : $domain, PHP_URL_HOST );
		return preg_replace( '/^www\./', '', rtrim( (string) $host, '.' ) );
	}

	public function handle_site_created( $site ) {
		if ( $this->is_network_base_domain( $site->domain ) ) {
			return;
		}
		if ( has_action( 'wu_add_subdomain' ) ) {
			$args = array( 'subdomain' => $site->domain, 'site_id' => $site->blog_id );
			wu_enqueue_async_action( 'wu_add_subdomain', $args, 'domain' );
		}
		if ( apply_filters( 'wu_should_create_domain_record_for_site', true, $site ) ) {
			$this->create_domain_record_for_site( $site );
		}
	}

	/** The site's record: the one it has, else a new one, which gets its stage checked twice. */
	public function create_domain_record_for_site( $site ) {
		$existing = wu_get_domains( array( 'blog_id' => $site->blog_id, 'number' => 1 ) );
		if ( $existing ) {
			return $existing[0];
		}
		$domain = wu_create_domain( array( 'blog_id' => $site->blog_id, 'domain' => $site->domain, 'primary_domain' => true ) );
		if ( is_wp_error( $domain ) ) {
			wu_log_add( 'domain-creation', sprintf( 'No record for site %d: %s', $site->blog_id, $domain->get_error_message() ) );
			return $domain;
		}
		wu_log_add( 'domain-creation', sprintf( 'Record for site %d: %s', $site->blog_id, $site->domain ) );
		wu_enqueue_async_action( 'wu_async_process_domain_stage', array( 'domain_id' => $domain->get_id() ), 'domain' );
		return $domain;
	}

	/** The host forgets the site's own address; `Domain_Mapping` deletes the rows. */
	public function handle_site_deleted( $site ) {
		if ( ! $this->is_network_base_domain( $site->domain ) ) {
			$args = array( 'subdomain' => $site->domain, 'site_id' => $site->blog_id );
			wu_enqueue_async_action( 'wu_remove_subdomain', $args, 'domain' );
		}
	}

	/** A new name at the host; nobody takes the old one away. */
	public function send_domain_to_host( $old_value, $new_value, $domain_id ) {
		if ( $old_value === $new_value ) {
			return;
		}
		$site_id = wu_get_domain( $domain_id )->get_site_id();
		if ( has_action( 'wu_add_domain' ) ) {
			wu_enqueue_async_action( 'wu_add_domain', array( 'domain' => $new_value, 'site_id' => $site_id ), 'domain' );
		}
		do_action( 'wu_domain_added', $new_value, $site_id );
	}

	public function handle_domain_deleted( $result, $domain ) {
		if ( $result ) {
			$args = array( 'domain' => $domain->get_domain(), 'site_id' => $domain->get_site_id() );
			wu_enqueue_async_action( 'wu_remove_domain', $args, 'domain' );
			do_action( 'wu_domain_removed', $args['domain'], $args['site_id'] );
		}
	}

	public function async_remove_old_primary_domains( $domain_ids ) {
		foreach ( $domain_ids as $domain_id ) {
			$domain = wu_get_domain( $domain_id );
			if ( $domain ) {
				$domain->set_primary_domain( false );
				$domain->save();
			}
		}
	}

	/** A custom domain that has just become ready becomes primary, unless another custom domain is. */
	public function maybe_auto_promote_primary_domain( $old_stage, $new_stage, $domain_id ) {
		$domain = wu_get_domain( $domain_id );
		if ( ! in_array( $new_stage, Domain_Stage::FINISHED, true ) || in_array( $old_stage, Domain_Stage::FINISHED, true ) ) {
			return;
		}
		if ( ! $domain || $domain->is_primary_domain() || $this->is_own_subdomain( $domain ) ) {
			return;
		}
		$primaries = wu_get_domains(
			array(
				'blog_id'        => $domain->get_blog_id(),
				'primary_domain' => true,
				'id__not_in'     => array( $domain->get_id() ),
			)
		);
		foreach ( $primaries as $primary ) {
			if ( ! $this->is_own_subdomain( $primary ) ) {
				return;
			}
		}
		$domain->set_primary_domain( true );
		$domain->save();
	}

	private function is_own_subdomain( $domain ) {
		$ending = '.' . strtolower( (string) wp_parse_url( network_home_url(), PHP_URL_HOST ) );
		return substr( $domain->get_domain(), -strlen( $ending ) ) === $ending;
	}

	public function async_process_domain_stage( $domain_id, $tries = 0 ) {
		$domain = wu_get_domain( $domain_id );
		if ( $domain ) {
			( new Stage_Machine( $domain ) )->advance( $tries + 1 );
		}
	}

	/** Asks the domain itself; right is an answer that names this mapping's id. */
	public function verify_domain_with_loopback_request( $domain ) {
		foreach ( array( 'https', 'http' ) as $scheme ) {
			$options  = array(
				'timeout'     => 10,
				'redirection' => 0,
				'sslverify'   => false,
				'body'        => array( 'async_check_dns_nonce' => wp_hash( $domain->get_domain() ) ),
			);
			$response = wp_remote_get( "{$scheme}://{$domain->get_domain()}/", $options );
			$answer   = json_decode( wp_remote_retrieve_body( $response ), true );
			$id       = is_array( $answer ) && isset( $answer['id'] ) ? (int) $answer['id'] : 0;
			if ( 200 === wp_remote_retrieve_response_code( $response ) && $domain->get_id() === $id ) {
				return true;
			}
		}
		return false;
	}

	/** The mock plugin queries no name server; records come from the filter. */
	public static function dns_get_record( $domain ) {
		return apply_filters( 'wu_domain_dns_get_record', array(), $domain );
	}

	public function default_domain_mapping_instructions() {
		return 'Create a CNAME record pointing to <code>%NETWORK_DOMAIN%</code>, or an A record with %NETWORK_IP%.';
	}

	/** What customers read before they add a domain. */
	public function get_domain_mapping_instructions() {
		$saved = wu_get_setting( 'domain_mapping_instructions', '' );
		$texts = array(
			'%NETWORK_DOMAIN%' => get_network()->domain,
			'%NETWORK_IP%'     => \WP_Ultimo\Domain_Mapping\Helper::get_network_public_ip(),
		);
		$text  = strtr( $saved ? $saved : $this->default_domain_mapping_instructions(), $texts );
		return apply_filters( 'wu_get_domain_mapping_instructions', $text, $texts['%NETWORK_DOMAIN%'], $texts['%NETWORK_IP%'] );
	}
}
