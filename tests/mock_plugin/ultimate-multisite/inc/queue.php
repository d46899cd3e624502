<?php
/**
 * Scheduled jobs: a list in a network option, instead of Action Scheduler.
 */

defined( 'ABSPATH' ) || exit;

const WU_MOCK_QUEUE = 'wu_mock_queue';

final class WU_Stand_In_Job {

	public $hook;
	public $args;
	public $group;
	public $timestamp;

	public function __construct( $hook, $args, $group, $timestamp ) {
		$this->hook      = $hook;
		$this->args      = $args;
		$this->group     = $group;
		$this->timestamp = $timestamp;
	}

	public function get_hook() {
		return $this->hook;
	}

	public function get_args() {
		return $this->args;
	}

	public function get_group() {
		return $this->group;
	}
}

function wu_enqueue_async_action( $hook, $args = array(), $group = '' ) {
	return wu_schedule_single_action( time(), $hook, $args, $group );
}

function wu_schedule_single_action( $timestamp, $hook, $args = array(), $group = '' ) {
	$queue   = get_network_option( null, WU_MOCK_QUEUE, array() );
	$id      = $queue ? max( array_keys( $queue ) ) + 1 : 1;
	$last_id = (int) get_network_option( null, WU_MOCK_QUEUE . '_last', 0 );
	$id      = max( $id, $last_id + 1 );

	$queue[ $id ] = compact( 'hook', 'args', 'group', 'timestamp' );
	update_network_option( null, WU_MOCK_QUEUE, $queue );
	update_network_option( null, WU_MOCK_QUEUE . '_last', $id );
	return $id;
}

/** The jobs that wait, by id; `hook`, `group` and `per_page` (5 unless given) narrow the list. */
function wu_get_scheduled_actions( $args = array() ) {
	$found = array();
	foreach ( get_network_option( null, WU_MOCK_QUEUE, array() ) as $id => $job ) {
		if ( isset( $args['hook'] ) && $args['hook'] !== $job['hook'] ) {
			continue;
		}
		if ( isset( $args['group'] ) && $args['group'] !== $job['group'] ) {
			continue;
		}
		$found[ $id ] = new WU_Stand_In_Job( $job['hook'], $job['args'], $job['group'], $job['timestamp'] );
	}
	$limit = $args['per_page'] ?? 5;
	return $limit < 0 ? $found : array_slice( $found, 0, $limit, true );
}

/** Runs what is due, also what that adds to the queue, and returns how many jobs it were. */
function wu_mock_run_queue() {
	$count = 0;
	do {
		$due = array_filter(
			get_network_option( null, WU_MOCK_QUEUE, array() ),
			function ( $job ) {
				return $job['timestamp'] <= time();
			}
		);
		foreach ( $due as $id => $job ) {
			// Removed before it runs: a failed job is never retried.
			$queue = get_network_option( null, WU_MOCK_QUEUE, array() );
			unset( $queue[ $id ] );
			update_network_option( null, WU_MOCK_QUEUE, $queue );
			do_action_ref_array( $job['hook'], array_values( $job['args'] ) );
			++$count;
		}
	} while ( $due );
	return $count;
}
