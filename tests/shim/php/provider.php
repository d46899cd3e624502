<?php
/**
 * The built-in provider in both layouts.
 */

namespace WP_Ultimo\Integrations\Providers\Closte {
	class Closte_Domain_Mapping {
		public $sent = array();

		public function on_add_domain( $domain, $site ) {
			$this->sent[] = $domain;
		}
	}
}

namespace WP_Ultimo\Integrations\Host_Providers {
	class Closte_Host_Provider {
		public $sent = array();

		public function on_add_domain( $domain, $site ) {
			$this->sent[] = $domain;
		}
	}
}
