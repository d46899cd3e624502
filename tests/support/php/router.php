<?php
/**
 * What a web server does for WordPress: files are served or run, and everything else goes to `index.php`.
 */

$path = parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH );
$file = realpath( $_SERVER['DOCUMENT_ROOT'] . $path );
if ( '/' === substr( $path, -1 ) && $file && is_file( $file . '/index.php' ) ) {
	$path .= 'index.php';
	$file .= '/index.php';
}
$is_file = $file && is_file( $file );
if ( $is_file && ! preg_match( '/\.php$/', $file ) ) {
	return false;
}
$script = $is_file ? $path : '/index.php';
// PHP's own server would name this file.
$_SERVER['SCRIPT_NAME']     = $script;
$_SERVER['PHP_SELF']        = $script;
$_SERVER['SCRIPT_FILENAME'] = $_SERVER['DOCUMENT_ROOT'] . $script;
require $_SERVER['SCRIPT_FILENAME'];
