<?php
/**
 * The stages of a mapping.
 */

namespace WP_Ultimo\Database\Domains;

defined( 'ABSPATH' ) || exit;

final class Domain_Stage {

	const CHECKING_DNS     = 'checking-dns';
	const CHECKING_SSL     = 'checking-ssl-cert';
	const DONE             = 'done';
	const DONE_WITHOUT_SSL = 'done-without-ssl';
	const FAILED           = 'failed';
	const SSL_FAILED       = 'ssl-failed';

	const ALL      = array( self::CHECKING_DNS, self::CHECKING_SSL, self::DONE_WITHOUT_SSL, self::DONE, self::FAILED, self::SSL_FAILED );
	const INACTIVE = array( self::CHECKING_DNS, self::CHECKING_SSL, self::FAILED, self::SSL_FAILED );
	const FINISHED = array( self::DONE, self::DONE_WITHOUT_SSL );
}
