<?php
/**
 * Creates the table with the same two calls as the real plugin.
 */

namespace WP_Ultimo\Loaders {

	defined( 'ABSPATH' ) || exit;

	final class Table_Loader {

		public static function get_instance() {
			return new self();
		}
	}
}

namespace WP_Ultimo\Installers {

	final class Core_Installer {

		public static function get_instance() {
			return new self();
		}

		public function _install_database_tables() { // phpcs:ignore PSR2.Methods.MethodDeclaration.Underscore -- the real plugin's name.
			\WP_Ultimo\Database\Domains\Domain_Store::create_table();
		}
	}
}
