<?php
/**
 * Moves a mapping through its stages, one attempt at a time.
 */

namespace WP_Ultimo\Managers;

use WP_Ultimo\Database\Domains\Domain_Stage;

defined( 'ABSPATH' ) || exit;

final class Stage_Machine {

	/** @var \WP_Ultimo\Models\Domain */
	private $domain;

	public function __construct( $domain ) {
		$this->domain = $domain;
	}

	/** @param int $tries The number of this try in the present stage, from 1. */
	public function advance( $tries ) {
		wu_log_add( "domain-{$this->domain->get_domain()}", "Try {$tries} in stage {$this->domain->get_stage()}" );
		if ( Domain_Stage::CHECKING_DNS === $this->domain->get_stage() ) {
			if ( $this->domain->has_correct_dns() ) {
				$this->move_to( Domain_Stage::CHECKING_SSL );
				$this->again( time(), 0 );
				do_action( 'wu_domain_manager_dns_propagation_finished', $this->domain );
				return;
			}
			$this->wait_or_give_up( $tries, Domain_Stage::FAILED );
		} elseif ( Domain_Stage::CHECKING_SSL === $this->domain->get_stage() ) {
			if ( $this->domain->has_valid_ssl_certificate() ) {
				$this->domain->set_secure( true );
				$this->move_to( Domain_Stage::DONE );
				return;
			}
			$this->wait_or_give_up( $tries, Domain_Stage::SSL_FAILED );
		}
	}

	private function wait_or_give_up( $tries, $failure ) {
		if ( $tries > apply_filters( 'wu_async_process_domain_stage_max_tries', 5, $this->domain ) ) {
			$this->move_to( $failure );
			return;
		}
		$interval = max( 10, min( 300, (int) wu_get_setting( 'dns_check_interval', 300 ) ) );
		$this->again( time() + $interval, $tries );
	}

	private function move_to( $stage ) {
		$this->domain->set_stage( $stage );
		$this->domain->save();
	}

	private function again( $timestamp, $tries ) {
		$args = array( 'domain_id' => $this->domain->get_id(), 'tries' => $tries );
		wu_schedule_single_action( $timestamp, 'wu_async_process_domain_stage', $args, 'domain' );
	}
}
