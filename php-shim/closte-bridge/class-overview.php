<?php
/**
 * The page *Closte*: how closte-bridge does, what needs an administrator, and the list of domains.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

run( 'Messages', 'load' ); // This class shows texts.

/**
 * The engine's summary is untrusted like everything that it wrote: it is escaped here.
 */
final class Overview {

	/**
	 * Return how many things need an administrator: domains, and closte-bridge itself.
	 *
	 * @param mixed $shown From `Owner::shown`.
	 * @return int
	 */
	public static function open( $shown ) {
		if ( ! \is_array( $shown ) || empty( $shown['owner'] ) ) {
			return 0;
		}
		$count = $shown['active'] ? 0 : 1;
		foreach ( array( 'failed', 'needs-approval', 'site-gone' ) as $view ) {
			$found  = isset( $shown['summary']['counts'][ $view ] ) ? $shown['summary']['counts'][ $view ] : 0;
			$count += \is_numeric( $found ) ? \max( 0, (int) $found ) : 0;
		}
		return $count + (int) ( 'read-only' === self::value( $shown['summary'], 'mode' ) );
	}

	/**
	 * Print the page.
	 *
	 * @param mixed $table The list, a `Table`.
	 * @return bool True.
	 */
	public static function show( $table ) {
		$shown  = run( 'Owner', 'shown' );
		$search = Page::param( 's' );
		echo '<h1 class="wp-heading-inline">Closte</h1>';
		if ( '' !== $search ) {
			/* translators: %s: what was searched. */
			\printf( '<span class="subtitle">%s</span>', \sprintf( esc_html__( 'Search results for: %s', 'closte-bridge' ), '<strong>' . Markup::text( $search ) . '</strong>' ) ); // phpcs:ignore WordPress.Security.EscapeOutput -- Markup escapes.
		}
		echo '<hr class="wp-header-end">';
		Actions::notice();
		if ( ! \is_array( $shown ) || empty( $shown['owner'] ) ) {
			self::invite();
			return true;
		}
		if ( $table instanceof Table ) {
			$table->prepare_items();
		}
		echo '<div id="closte-bridge-overview">';
		self::summary( $shown );
		self::approvals( $shown['summary'] );
		echo '</div>';
		if ( ! $table instanceof Table || ( ! $table->all() && ! $shown['summary'] ) ) {
			self::wait();
			return true;
		}
		self::domains( $table );
		return true;
	}

	/**
	 * Print what to do while no closte-bridge owns the network.
	 */
	private static function invite() {
		\printf(
			'<div class="card" id="closte-bridge-empty"><h2>%s</h2><p>%s</p><p>%s</p><p>%s</p></div>',
			esc_html__( 'No closte-bridge owns this network yet', 'closte-bridge' ),
			esc_html__( 'closte-bridge keeps the domains on Closte in sync with the mapped domains of this network, and checks their DNS and HTTPS. It changes nothing until you adopt the network.', 'closte-bridge' ),
			esc_html__( 'Run this command on the server:', 'closte-bridge' ),
			Markup::copyable( 'closte-bridge setup' ) // phpcs:ignore WordPress.Security.EscapeOutput -- Markup escapes.
		);
	}

	/**
	 * Print what to do while the engine has not written any domain.
	 */
	private static function wait() {
		\printf(
			'<div class="card" id="closte-bridge-empty"><h2>%s</h2><p>%s</p><p>%s</p><p>%s</p></div>',
			esc_html__( 'No domains yet', 'closte-bridge' ),
			esc_html__( 'closte-bridge writes the state of each domain here in its next sync. If it does not, update the shim and sync.', 'closte-bridge' ),
			Markup::copyable( 'closte-bridge shim install' ), // phpcs:ignore WordPress.Security.EscapeOutput -- Markup escapes.
			Markup::copyable( 'closte-bridge sync' ) // phpcs:ignore WordPress.Security.EscapeOutput -- Markup escapes.
		);
	}

	/**
	 * Print the summary.
	 *
	 * @param array $shown From `Owner::shown`.
	 */
	private static function summary( array $shown ) {
		$summary = $shown['summary'];
		$last    = isset( $summary['last_run'] ) && \is_array( $summary['last_run'] ) ? $summary['last_run'] : array();
		$owner   = Markup::text( $shown['host'] );
		$version = self::value( $summary, 'version' );
		$rows    = array(
			__( 'Status', 'closte-bridge' )    => self::mode( $shown ),
			/* translators: 1: host name, 2: version number. */
			__( 'Owner', 'closte-bridge' )     => '' === $version ? $owner : \sprintf( esc_html__( '%1$s (closte-bridge %2$s)', 'closte-bridge' ), $owner, Markup::text( $version ) ),
			__( 'Last sync', 'closte-bridge' ) => self::last( $shown, $last ),
			__( 'Next sync', 'closte-bridge' ) => self::next( $summary ),
		);
		\printf( '<table class="widefat striped" id="closte-bridge-summary"><caption class="screen-reader-text">%s</caption><tbody>', esc_html__( 'Summary', 'closte-bridge' ) );
		foreach ( $rows as $name => $html ) {
			\printf( '<tr><th scope="row">%s</th><td>%s</td></tr>', \esc_html( $name ), $html ); // phpcs:ignore WordPress.Security.EscapeOutput -- escaped above.
		}
		echo '</tbody></table>';
	}

	/**
	 * Return whether closte-bridge works, and what to do if it does not.
	 *
	 * @param array $shown From `Owner::shown`.
	 * @return string
	 */
	private static function mode( array $shown ) {
		if ( ! $shown['active'] ) {
			$text = Markup::icon( 'warning', Markup::text( run( 'Messages', 'offline', array( $shown['silence'] ) ) ) );
			return $text . ' ' . \sprintf( \esc_html( (string) run( 'Messages', 'diagnose' ) ), Markup::copyable( 'closte-bridge shim status' ) );
		}
		$reason = self::value( $shown['summary'], 'reason_text' );
		$modes  = array(
			/* translators: %s: reason. */
			'add-only'  => __( 'Only adds domains: %s', 'closte-bridge' ),
			/* translators: %s: reason. */
			'read-only' => __( 'Changes nothing: %s', 'closte-bridge' ),
			/* translators: %s: reason. */
			'inactive'  => __( 'Paused: %s', 'closte-bridge' ),
		);
		$mode   = self::value( $shown['summary'], 'mode' );
		if ( ! isset( $modes[ $mode ] ) ) {
			return Markup::icon( 'yes-alt', esc_html__( 'Active', 'closte-bridge' ) );
		}
		return Markup::icon( 'warning', \sprintf( \esc_html( $modes[ $mode ] ), Markup::sentences( $reason ) ) ) . ' ' . Markup::copyable( 'closte-bridge status' );
	}

	/**
	 * Return when the last sync was.
	 *
	 * @param array $shown From `Owner::shown`.
	 * @param array $last  The last run.
	 * @return string
	 */
	private static function last( array $shown, array $last ) {
		$at      = isset( $last['at'] ) ? $last['at'] : ( null === $shown['silence'] ? 0 : \time() - $shown['silence'] );
		$results = array(
			'ok'             => __( 'successful', 'closte-bridge' ),
			'needs-approval' => __( 'removals need approval', 'closte-bridge' ),
			'some-failed'    => __( 'some domains failed', 'closte-bridge' ),
			'unreadable'     => __( 'WordPress or Closte could not be read', 'closte-bridge' ),
			'read-only'      => __( 'read-only', 'closte-bridge' ),
			'failure'        => __( 'failed', 'closte-bridge' ),
		);
		$outcome = self::value( $last, 'outcome' );
		$outcome = isset( $results[ $outcome ] ) ? $results[ $outcome ] : $outcome;
		/* translators: 1: name, time or action. 2: more about it. */
		return '' === $outcome ? Markup::time( $at ) : \sprintf( esc_html__( '%1$s (%2$s)', 'closte-bridge' ), Markup::time( $at ), Markup::text( $outcome ) );
	}

	/**
	 * Return when the next sync is, and what starts it.
	 *
	 * @param array $summary The summary.
	 * @return string
	 */
	private static function next( array $summary ) {
		$ways = array(
			'watch' => __( 'by closte-bridge watch', 'closte-bridge' ),
			'timer' => __( 'by a timer', 'closte-bridge' ),
			'cron'  => __( 'by cron', 'closte-bridge' ),
			'shim'  => __( 'after a change in WordPress', 'closte-bridge' ),
		);
		$way  = self::value( $summary, 'how' );
		$at   = isset( $summary['next_run'] ) ? $summary['next_run'] : 0;
		$text = $at ? Markup::time( $at ) : '';
		if ( isset( $ways[ $way ] ) ) {
			return \trim( "$text " . \esc_html( $ways[ $way ] ) );
		}
		return '' === $text ? Markup::none() : $text;
	}

	/**
	 * Print the removals that need approval. Only a command can approve them.
	 *
	 * @param array $summary The summary.
	 */
	private static function approvals( array $summary ) {
		$found = isset( $summary['approval'] ) && \is_array( $summary['approval'] ) ? \array_filter( \array_slice( $summary['approval'], 0, 10 ), 'is_array' ) : array();
		if ( ! $found ) {
			return;
		}
		\printf(
			'<div class="notice notice-warning inline" id="closte-bridge-approval"><h2>%s</h2><p>%s</p>',
			esc_html__( 'Removals that need approval', 'closte-bridge' ),
			esc_html__( 'WordPress cannot approve removals. Check the domains first. Then run the command on the server.', 'closte-bridge' )
		);
		$rules = array(
			'event'     => __( 'More confirmed removals than the limit for an hour allows', 'closte-bridge' ),
			'inference' => __( 'More inferred removals than the limit for 24 hours allows', 'closte-bridge' ),
		);
		foreach ( $found as $one ) {
			$rule    = self::value( $one, 'rule' );
			$rule    = isset( $rules[ $rule ] ) ? $rules[ $rule ] : $rule;
			$domains = isset( $one['domains'] ) && \is_array( $one['domains'] ) ? \array_filter( \array_slice( $one['domains'], 0, 50 ), 'is_string' ) : array();
			$more    = isset( $one['more'] ) && \is_numeric( $one['more'] ) ? \max( 0, (int) $one['more'] ) : 0;
			$count   = \count( $domains ) + $more;
			\printf( '<p><strong>%s</strong></p>', Markup::sentences( $rule ) ); // phpcs:ignore WordPress.Security.EscapeOutput -- Markup escapes.
			/* translators: %s: number of domains. */
			\printf( '<details><summary>%s</summary><ul class="ul-disc">', \esc_html( \sprintf( _n( '%s domain', '%s domains', $count, 'closte-bridge' ), \number_format_i18n( $count ) ) ) );
			foreach ( $domains as $domain ) {
				\printf( '<li>%s</li>', Markup::text( $domain ) ); // phpcs:ignore WordPress.Security.EscapeOutput -- Markup escapes.
			}
			if ( $more ) {
				/* translators: %s: number of domains. */
				\printf( '<li>%s</li>', \esc_html( \sprintf( _n( 'and %s more', 'and %s more', $more, 'closte-bridge' ), \number_format_i18n( $more ) ) ) );
			}
			\printf( '</ul></details><p>%s</p>', Markup::copyable( self::value( $one, 'command' ) ) ); // phpcs:ignore WordPress.Security.EscapeOutput -- Markup escapes.
		}
		echo '</div>';
	}

	/**
	 * Print the list of domains with its views and its search.
	 *
	 * @param Table $table The list.
	 */
	private static function domains( Table $table ) {
		\printf( '<h2 class="screen-reader-text">%s</h2><div id="closte-bridge-list">', esc_html__( 'Domains', 'closte-bridge' ) );
		$table->views();
		\printf( '<form method="get" action="%s">', \esc_url( Page::url() ) );
		foreach ( array( 'page', 'view' ) as $name ) {
			if ( '' !== Page::param( $name ) ) {
				\printf( '<input type="hidden" name="%s" value="%s">', \esc_attr( $name ), \esc_attr( Page::param( $name ) ) );
			}
		}
		$table->search_box( __( 'Search domains', 'closte-bridge' ), 'closte-bridge' );
		echo '</form><form method="post" id="closte-bridge-domains">';
		$table->display();
		echo '</form></div>';
	}

	/**
	 * Add help to the screen: what the views mean.
	 *
	 * @param mixed $screen The screen.
	 */
	public static function help( $screen ) {
		$lines = array(
			__( 'Live: visitors get the right site over valid HTTPS.', 'closte-bridge' ),
			__( 'Needs the customer: a DNS record has to change, or the domain has to be renewed. "Why?" shows the records.', 'closte-bridge' ),
			__( 'Failed: Closte did not make a change. closte-bridge retries it. "Retry" does this in the next run.', 'closte-bridge' ),
			__( 'On hold: a change waits, for example for the certificate limit or the removal delay.', 'closte-bridge' ),
			__( 'Needs approval: more removals than the limits allow. A command approves them.', 'closte-bridge' ),
			__( 'Unmanaged: on Closte, but not added by closte-bridge. It is never removed.', 'closte-bridge' ),
			__( 'Site gone: the site of the mapping no longer exists.', 'closte-bridge' ),
		);
		$screen->add_help_tab(
			array(
				'id'      => 'closte-bridge-views',
				'title'   => __( 'Views', 'closte-bridge' ),
				'content' => '<ul><li>' . \implode( '</li><li>', \array_map( 'esc_html', $lines ) ) . '</li></ul>',
			)
		);
	}

	/**
	 * Return a text of the summary.
	 *
	 * @param mixed  $values The array.
	 * @param string $name   Its key.
	 * @return string
	 */
	private static function value( $values, $name ) {
		return isset( $values[ $name ] ) && \is_scalar( $values[ $name ] ) ? (string) $values[ $name ] : '';
	}
}
