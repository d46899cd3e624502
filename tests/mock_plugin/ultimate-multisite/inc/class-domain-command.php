<?php
/**
 * `wp wu domain list|get|create|update|delete`, and `wp action-scheduler run` for the queue.
 */

namespace WP_Ultimo;

use WP_Ultimo\Database\Domains\Domain_Store;
use WP_Ultimo\Models\Domain;

defined( 'ABSPATH' ) || exit;

final class Domain_Command {

	const WRITABLE = array( 'blog_id', 'domain', 'active', 'primary_domain', 'secure', 'stage', 'date_created' );

	public static function register() {
		add_action( 'init', array( __CLASS__, 'add_commands' ), 0 );
	}

	public static function add_commands() {
		$command = new self();
		$id      = array( array( 'type' => 'positional', 'name' => 'id', 'optional' => false ) );
		$format  = array(
			array( 'type' => 'assoc', 'name' => 'format', 'optional' => true, 'default' => 'table' ),
			array( 'type' => 'assoc', 'name' => 'fields', 'optional' => true ),
		);
		$flag    = array( array( 'type' => 'flag', 'name' => 'porcelain', 'optional' => true ) );
		$values  = array();
		foreach ( Domain_Store::COLUMNS as $column ) {
			if ( 'id' !== $column ) {
				$values[] = array( 'type' => 'assoc', 'name' => $column, 'optional' => true );
			}
		}
		$commands = array(
			'list'   => array_merge( $values, $format ),
			'get'    => array_merge( $id, $format ),
			'create' => array_merge( $values, $flag ),
			'update' => array_merge( $id, $values, $flag ),
			'delete' => $id,
		);
		foreach ( $commands as $name => $synopsis ) {
			\WP_CLI::add_command( "wu domain {$name}", array( $command, "{$name}_domains" ), array( 'synopsis' => $synopsis ) );
		}
		\WP_CLI::add_command( 'action-scheduler run', array( $command, 'run_queue' ) );
	}

	/** At most 100 rows, and no word about the others. */
	public function list_domains( $args, $options ) {
		$fields = $options['fields'] ?? Domain_Store::COLUMNS;
		unset( $options['fields'] );
		$rows = array_map(
			function ( $domain ) {
				return $domain->to_array();
			},
			Domain::query( $options )
		);
		\WP_CLI\Utils\format_items( $options['format'], $rows, $fields );
	}

	public function get_domains( $args, $options ) {
		$formatter = new \WP_CLI\Formatter( $options, $options['fields'] ?? Domain_Store::COLUMNS );
		$formatter->display_item( $this->find( $args[0] )->to_array() );
	}

	/** The stage check is not enqueued here: such a mapping stays in its stage. */
	public function create_domains( $args, $options ) {
		$domain = new Domain( array_intersect_key( $options, array_flip( self::WRITABLE ) ) );
		$saved  = $domain->save();
		if ( true !== $saved ) {
			\WP_CLI::error( $saved );
		}
		$this->report( $domain, 'created', $options );
	}

	public function update_domains( $args, $options ) {
		$domain = $this->find( $args[0] );
		foreach ( array_intersect_key( $options, array_flip( self::WRITABLE ) ) as $name => $value ) {
			$domain->{"set_{$name}"}( $value );
		}
		// A WP_Error counts as saved, as in the real command.
		if ( ! $domain->save() ) {
			\WP_CLI::error( 'Unexpected error. The item was not updated.' );
		}
		$this->report( $domain, 'updated', $options );
	}

	public function delete_domains( $args ) {
		$deleted = $this->find( $args[0] )->delete();
		if ( is_wp_error( $deleted ) || ! $deleted ) {
			\WP_CLI::error( 'Unexpected error. The item was not deleted.' );
		}
		\WP_CLI::success( 'Item deleted.' );
	}

	/** Run the jobs that are due. */
	public function run_queue() {
		\WP_CLI::success( sprintf( '%d scheduled tasks completed.', wu_mock_run_queue() ) );
	}

	private function find( $id ) {
		$domain = Domain::get_by_id( $id );
		if ( ! $domain ) {
			\WP_CLI::error( 'Invalid ID.' );
		}
		return $domain;
	}

	private function report( $domain, $verb, $options ) {
		if ( ! empty( $options['porcelain'] ) ) {
			\WP_CLI::line( (string) $domain->get_id() );
		} else {
			\WP_CLI::success( sprintf( 'Item %s with ID %d', $verb, $domain->get_id() ) );
		}
	}
}
