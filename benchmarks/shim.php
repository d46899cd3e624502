<?php
/**
 * Measures the shim inside WordPress. Copied to the must-use folder twice, with names that load before and after the shim.
 */

if ( ! isset( $GLOBALS['bench'] ) ) {
	$GLOBALS['bench'] = array( 'began' => hrtime( true ) );
	add_action(
		'plugins_loaded',
		static function () {
			$GLOBALS['bench']['hook'] = hrtime( true );
		},
		PHP_INT_MAX
	);
	$GLOBALS['bench']['began'] = hrtime( true );
	return;
}

$GLOBALS['bench']['loaded'] = hrtime( true );
add_action(
	'plugins_loaded',
	static function () {
		$GLOBALS['bench']['placed'] = hrtime( true );
	},
	PHP_INT_MAX
);
// A request that maps a domain ends before the page is rendered, as in the admin.
add_action(
	'init',
	static function () {
		if ( isset( $_GET['map'] ) ) {
			$made = wu_create_domain(
				array(
					'domain'  => (string) $_GET['map'],
					'blog_id' => 1,
				)
			);
			$GLOBALS['bench']['made'] = ! is_wp_error( $made );
			exit;
		}
	},
	PHP_INT_MAX
);
ob_start();
// Last in the shutdown, so that the shim's part is measured.
register_shutdown_function(
	static function () {
		while ( ob_get_level() ) {
			ob_end_clean();
		}
		$bench = $GLOBALS['bench'];
		// After the page, if there is one.
		$body = "\x1e" . json_encode(
			array(
				'load'    => $bench['loaded'] - $bench['began'] + $bench['placed'] - $bench['hook'],
				'queries' => $GLOBALS['wpdb']->num_queries,
				'made'    => isset( $bench['made'] ) ? $bench['made'] : null,
				'opcache' => (bool) ini_get( 'opcache.enable_cli' ) && function_exists( 'opcache_get_status' ),
				'shim'    => defined( 'CLOSTE_BRIDGE_SHIM' ),
				'status'  => http_response_code(),
			)
		);
		if ( ! headers_sent() ) {
			header( 'Content-Length: ' . strlen( $body ) );
		}
		echo $body;
	}
);
