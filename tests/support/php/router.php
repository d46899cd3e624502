<?php
/**
 * What a web server does for WordPress: files are served or run, and everything else goes to `index.php`.
 */

$path = parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH );
$file = realpath( $_SERVER['DOCUMENT_ROOT'] . $path );
if ( $file && is_file( $file ) && ! preg_match( '/\.php$/', $file ) ) {
	return false;
}
$script = $file && is_file( $file ) ? $path : '/index.php';
// PHP's own server would name this file.
$_SERVER['SCRIPT_NAME']     = $script;
$_SERVER['PHP_SELF']        = $script;
$_SERVER['SCRIPT_FILENAME'] = $_SERVER['DOCUMENT_ROOT'] . $script;
require $_SERVER['SCRIPT_FILENAME'];
