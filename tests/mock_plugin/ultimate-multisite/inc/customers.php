<?php
/**
 * Customers, and the sites that they own.
 */

namespace WP_Ultimo\Models {

	defined( 'ABSPATH' ) || exit;

	class Customer {

		/** @var int */
		private $user_id;

		public function __construct( $user_id ) {
			$this->user_id = (int) $user_id;
		}

		/** The real plugin counts customers; here, their IDs only differ from those of the users. */
		public function get_id() {
			return 1000 + $this->user_id;
		}

		public function get_user_id() {
			return $this->user_id;
		}
	}

	class Site {

		/** @var array */
		private $meta = array();

		/** @var int */
		private $blog_id;

		public function __construct( $blog_id ) {
			$this->blog_id = (int) $blog_id;
		}

		public function get_id() {
			return $this->blog_id;
		}

		public function get_customer_id() {
			return (int) get_site_meta( $this->blog_id, 'wu_customer_id', true );
		}

		public function get_type() {
			return (string) get_site_meta( $this->blog_id, 'wu_type', true );
		}

		public function set_customer_id( $customer_id ) {
			$this->meta['wu_customer_id'] = (int) $customer_id;
		}

		public function set_membership_id( $membership_id ) {
			$this->meta['wu_membership_id'] = (int) $membership_id;
		}

		public function set_type( $type ) {
			$this->meta['wu_type'] = $type;
		}

		public function save() {
			foreach ( $this->meta as $key => $value ) {
				update_site_meta( $this->blog_id, $key, $value );
			}
			return true;
		}

		public function is_customer_allowed( $customer_id = false ) {
			if ( current_user_can( 'manage_network' ) ) {
				return true;
			}
			$customer    = wu_get_current_customer();
			$customer_id = absint( $customer_id ? $customer_id : ( $customer ? $customer->get_id() : 0 ) );
			$allowed     = $customer_id && $this->get_customer_id() && $this->get_customer_id() === $customer_id;
			return apply_filters( 'wu_site_is_customer_allowed', $allowed, $customer_id, $this );
		}
	}
}

namespace {

	function wu_get_site( $id ) {
		return get_site( (int) $id ) ? new \WP_Ultimo\Models\Site( $id ) : false;
	}

	function wu_get_customer_by_user_id( $user_id ) {
		return get_user_meta( $user_id, 'wu_mock_customer', true ) ? new \WP_Ultimo\Models\Customer( $user_id ) : false;
	}

	function wu_get_current_customer() {
		return wu_get_customer_by_user_id( get_current_user_id() );
	}

	function wu_create_customer( $customer_data ) {
		update_user_meta( (int) $customer_data['user_id'], 'wu_mock_customer', 1 );
		return new \WP_Ultimo\Models\Customer( $customer_data['user_id'] );
	}

	/** Memberships have no effect here. */
	function wu_create_membership( $membership_data ) {
		return new \WP_Ultimo\Models\Customer( $membership_data['user_id'] );
	}
}
