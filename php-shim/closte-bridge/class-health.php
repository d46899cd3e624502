<?php
/**
 * Site Health of the network's main site: whether closte-bridge works.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

run( 'Messages', 'load' ); // This class shows texts.

/**
 * Only direct tests: they read two options, one table and the shim's own files, and call no other machine.
 */
final class Health {

	/** The tests, each a method. */
	const TESTS = array( 'owner', 'files', 'states', 'trigger', 'cache', 'approval', 'failures', 'parts' );

	/**
	 * Add the tests.
	 *
	 * @param mixed $tests Those of WordPress and other plugins.
	 * @return mixed
	 */
	public static function tests( $tests ) {
		if ( ! \is_array( $tests ) || ! self::is_shown() ) {
			return $tests;
		}
		foreach ( self::TESTS as $name ) {
			$tests['direct'][ "closte_bridge_$name" ] = array(
				'label' => 'closte-bridge',
				'test'  => static function () use ( $name ) {
					return Health::result( $name );
				},
			);
		}
		return $tests;
	}

	/**
	 * Return whether this person may see the results here.
	 *
	 * @return bool
	 */
	public static function is_shown() {
		return \is_main_site() && \current_user_can( 'manage_network' );
	}

	/**
	 * Return the result of a test, in the form of WordPress.
	 *
	 * @param string $name The test.
	 * @return array
	 */
	public static function result( $name ) {
		$found = run( 'Health', "test_$name" );
		if ( ! \is_array( $found ) ) {
			$found = array( 'recommended', __( 'A check of closte-bridge failed', 'closte-bridge' ), __( 'This part of the shim threw an error. Install the shim again.', 'closte-bridge' ), 'closte-bridge shim install' );
		}
		list( $status, $label, $text, $command ) = \array_pad( $found, 4, '' );

		$link = (string) run( 'Page', 'url', array( array() ) );
		/* translators: %s: command. */
		$run = '' === $command ? '' : \sprintf( '<p>%s</p>', \sprintf( esc_html__( 'Run this command on the server: %s', 'closte-bridge' ), '<code>' . \esc_html( $command ) . '</code>' ) );
		return array(
			'label'       => $label,
			'status'      => $status,
			'badge'       => array(
				'label' => 'Closte',
				'color' => 'blue',
			),
			'description' => '<p>' . \esc_html( $text ) . '</p>' . $run,
			'actions'     => \sprintf( '<p><a href="%s">%s</a></p>', \esc_url( $link ), esc_html__( 'See domains and runs', 'closte-bridge' ) ),
			'test'        => "closte_bridge_$name",
		);
	}

	/**
	 * Test whether closte-bridge owns the network and is active.
	 *
	 * @return array Status, label, text and command.
	 */
	public static function test_owner() {
		$shown = run( 'Owner', 'shown' );
		if ( '' === $shown['owner'] ) {
			return array( 'recommended', __( 'No closte-bridge owns this network', 'closte-bridge' ), __( 'Domains are not kept in sync with Closte until you adopt the network.', 'closte-bridge' ), 'closte-bridge adopt' );
		}
		if ( ! $shown['active'] ) {
			$text = run( 'Messages', 'offline', array( $shown['silence'] ) ) . ' ' . run( 'Messages', 'meanwhile' );
			return array( 'critical', __( 'closte-bridge is offline', 'closte-bridge' ), $text, 'closte-bridge shim status' );
		}
		$mode = self::text( $shown['summary'], 'mode' );
		if ( 'read-only' === $mode || 'add-only' === $mode ) {
			return array( 'critical', __( 'closte-bridge may not change everything', 'closte-bridge' ), __( 'This installation of closte-bridge has limited rights for this network.', 'closte-bridge' ), 'closte-bridge status' );
		}
		if ( 'inactive' === $mode ) {
			return array( 'good', __( 'closte-bridge is paused', 'closte-bridge' ), __( 'The Closte integration or domain mapping is off in Ultimate Multisite, so closte-bridge changes nothing.', 'closte-bridge' ) );
		}
		/* translators: %s: duration, such as "2 minutes". */
		$text = \sprintf( __( 'Its last heartbeat was %s ago.', 'closte-bridge' ), \human_time_diff( \time() - (int) $shown['silence'], \time() ) );
		return array( 'good', __( 'closte-bridge keeps the domains of this network in sync with Closte', 'closte-bridge' ), $text );
	}

	/**
	 * Test whether the shim is complete and of the version of the engine.
	 *
	 * @return array Status, label, text and command.
	 */
	public static function test_files() {
		$wrong  = self::wrong_files();
		$own    = self::version();
		$engine = self::text( run( 'States', 'summary' ), 'version' );
		if ( $wrong ) {
			/* translators: %s: list of files. */
			$text = \sprintf( __( 'These files are missing or changed: %s', 'closte-bridge' ), \implode( ', ', \array_slice( $wrong, 0, 10 ) ) );
			return array( 'critical', __( 'The shim of closte-bridge is damaged', 'closte-bridge' ), $text, 'closte-bridge shim install' );
		}
		if ( '' !== $engine && $engine !== $own ) {
			/* translators: 1: version of the shim, 2: version of closte-bridge. */
			$text = \sprintf( __( 'The shim has the version %1$s, and closte-bridge %2$s.', 'closte-bridge' ), $own, $engine );
			return array( 'recommended', __( 'The shim of closte-bridge is outdated', 'closte-bridge' ), $text, 'closte-bridge shim install' );
		}
		/* translators: %s: version. */
		return array( 'good', __( 'The shim of closte-bridge is complete', 'closte-bridge' ), \sprintf( __( 'All files have the version %s.', 'closte-bridge' ), $own ) );
	}

	/**
	 * Return the version of the shim's loader.
	 *
	 * @return string '' without a mark.
	 */
	public static function version() {
		return \preg_match( self::MARK, (string) \file_get_contents( self::folder() . '/closte-bridge-shim.php', false, null, 0, 200 ), $found ) ? $found[1] : ''; // phpcs:ignore WordPress.WP.AlternativeFunctions -- a file of this machine.
	}

	/** The line that `closte-bridge shim install` writes into each file. */
	const MARK = '#\A<\?php\n// closte-bridge-shim (\S{1,40}) sha256:([0-9a-f]{64})\n#';

	/**
	 * Return the must-use folder.
	 *
	 * @return string
	 */
	private static function folder() {
		return \dirname( __DIR__ );
	}

	/**
	 * Return the files of the installation that are missing, changed or of another version.
	 *
	 * @return array Names, relative to the must-use folder.
	 */
	private static function wrong_files() {
		$config = run( 'Trigger', 'config' );
		$names  = isset( $config['files'] ) && \is_array( $config['files'] ) ? \array_filter( $config['files'], 'is_string' ) : array();
		$wrong  = array();
		foreach ( $names as $name ) {
			$path = self::folder() . '/' . $name;
			$text = \is_readable( $path ) ? (string) \file_get_contents( $path ) : ''; // phpcs:ignore WordPress.WP.AlternativeFunctions -- the same.
			if ( ! \preg_match( self::MARK, $text, $found ) || \hash( 'sha256', \substr( $text, \strlen( $found[0] ) ) ) !== $found[2] || self::version() !== $found[1] ) {
				$wrong[] = $name;
			}
		}
		return $wrong;
	}

	/**
	 * Test whether the table with the domain states is there.
	 *
	 * @return array Status, label, text and command.
	 */
	public static function test_states() {
		if ( ! run( 'States', 'exists' ) ) {
			return array( 'recommended', __( 'The domain states are missing', 'closte-bridge' ), __( 'The next sync writes them. Until then, the page Closte and customers see no states.', 'closte-bridge' ), 'closte-bridge sync' );
		}
		$count = self::count( 'all' );
		/* translators: %s: number of domains. */
		$text = \sprintf( _n( 'closte-bridge reports the state of %s domain.', 'closte-bridge reports the state of %s domains.', $count, 'closte-bridge' ), \number_format_i18n( $count ) );
		return array( 'good', __( 'The domain states are there', 'closte-bridge' ), $text );
	}

	/**
	 * Test whether the shim can trigger a sync.
	 *
	 * @return array Status, label, text and command.
	 */
	public static function test_trigger() {
		$method = run( 'Trigger', 'method', array( (array) run( 'Trigger', 'config' ) ) );
		if ( 'poll' === $method[0] ) {
			return array( 'recommended', __( 'Changes of domains wait for the next scheduled sync', 'closte-bridge' ), __( 'The web server cannot trigger closte-bridge. Without a schedule, changes reach Closte late.', 'closte-bridge' ) . ' ' . $method[1], 'closte-bridge shim status' );
		}
		return array( 'good', __( 'Changes of domains trigger a sync', 'closte-bridge' ), __( 'closte-bridge begins as soon as a domain changes in WordPress.', 'closte-bridge' ) );
	}

	/**
	 * Test whether what closte-bridge writes reaches visitors.
	 *
	 * @return array Status, label, text and command.
	 */
	public static function test_cache() {
		$label = __( 'Visitors get what closte-bridge writes', 'closte-bridge' );
		if ( ! \wp_using_ext_object_cache() ) {
			return array( 'good', $label, __( 'The web server has no object cache that outlives a request.', 'closte-bridge' ) );
		}
		if ( run( 'Routes', 'fingerprint' ) ) {
			return array( 'good', $label, __( 'closte-bridge refreshes the object cache of the web server with signed requests.', 'closte-bridge' ) );
		}
		return array( 'recommended', __( 'Visitors may get old states of domains', 'closte-bridge' ), __( 'The web server has an object cache, and the shim has no secret to accept requests that refresh it.', 'closte-bridge' ), 'closte-bridge shim install' );
	}

	/**
	 * Test whether removals wait for approval.
	 *
	 * @return array Status, label, text and command.
	 */
	public static function test_approval() {
		$count = self::count( 'needs-approval' );
		if ( $count ) {
			/* translators: %s: number of domains. */
			$text = \sprintf( _n( 'The removal of %s domain is above a limit and waits for a person.', 'The removal of %s domains is above a limit and waits for a person.', $count, 'closte-bridge' ), \number_format_i18n( $count ) );
			return array( 'recommended', __( 'Removals need approval', 'closte-bridge' ), $text, 'closte-bridge plan' );
		}
		return array( 'good', __( 'No removal needs approval', 'closte-bridge' ), __( 'Removals above a limit wait for a person.', 'closte-bridge' ) );
	}

	/**
	 * Test whether domains failed.
	 *
	 * @return array Status, label, text and command.
	 */
	public static function test_failures() {
		$count = self::count( 'failed' );
		if ( $count ) {
			/* translators: %s: number of domains. */
			$text = \sprintf( _n( '%s domain could not be changed on Closte, or its visitors do not get its site.', '%s domains could not be changed on Closte, or their visitors do not get their site.', $count, 'closte-bridge' ), \number_format_i18n( $count ) );
			return array( 'recommended', __( 'Domains failed', 'closte-bridge' ), $text, 'closte-bridge domain list --state=not-live' );
		}
		return array( 'good', __( 'No domain failed', 'closte-bridge' ), __( 'closte-bridge repeats failed changes automatically.', 'closte-bridge' ) );
	}

	/**
	 * Test whether parts of the shim threw.
	 *
	 * @return array Status, label, text and command.
	 */
	public static function test_parts() {
		$known = run( 'Failures', 'known' );
		if ( ! $known ) {
			return array( 'good', __( 'All parts of the shim work', 'closte-bridge' ), __( 'No part threw an error in the last week.', 'closte-bridge' ) );
		}
		$list = array();
		foreach ( $known as $where => $one ) {
			/* translators: 1: part of the shim, 2: name of an error, 3: file and line, 4: duration, such as "2 hours". */
			$list[] = \sprintf( __( '%1$s: %2$s in %3$s, %4$s ago', 'closte-bridge' ), $where, $one['error'], $one['place'], \human_time_diff( $one['at'], \time() ) );
		}
		/* translators: %s: list of parts with their errors. */
		$text = \sprintf( __( 'Pages and requests continued without them. %s', 'closte-bridge' ), \implode( '; ', $list ) );
		return array( 'recommended', __( 'Parts of the shim threw an error', 'closte-bridge' ), $text, 'closte-bridge shim install' );
	}

	/**
	 * Return the number of domains of a view.
	 *
	 * @param string $view The view.
	 * @return int
	 * @throws \RuntimeException If the states cannot be read.
	 */
	private static function count( $view ) {
		$counts = run( 'States', 'counts' );
		if ( ! \is_array( $counts ) ) {
			throw new \RuntimeException( 'no counts' );
		}
		return (int) $counts[ $view ];
	}

	/**
	 * Return a text of the engine's summary.
	 *
	 * @param mixed  $summary The summary.
	 * @param string $key     The key.
	 * @return string '' for anything else.
	 */
	public static function text( $summary, $key ) {
		return \is_array( $summary ) && isset( $summary[ $key ] ) && \is_scalar( $summary[ $key ] ) ? (string) $summary[ $key ] : '';
	}
}
