<?php
/**
 * Stores keys of hosting providers encrypted in network options.
 */

namespace WP_Ultimo\Helpers;

defined( 'ABSPATH' ) || exit;

final class Credential_Store {

	const CIPHER_METHOD    = 'aes-256-cbc';
	const ENCRYPTED_PREFIX = '$wu_enc$';

	/** The prefix, then Base64 of a random initialisation vector followed by the Base64 ciphertext. */
	public static function encrypt( $plain ) {
		if ( empty( $plain ) ) {
			return '';
		}
		$vector = random_bytes( openssl_cipher_iv_length( self::CIPHER_METHOD ) );
		$cipher = openssl_encrypt( $plain, self::CIPHER_METHOD, self::key(), 0, $vector );
		return self::ENCRYPTED_PREFIX . base64_encode( $vector . $cipher );
	}

	/** A value without the prefix comes back as it is; one that cannot be decrypted as an empty string. */
	public static function decrypt( $stored ) {
		if ( 0 !== strpos( $stored, self::ENCRYPTED_PREFIX ) ) {
			return $stored;
		}
		$bytes  = (string) base64_decode( substr( $stored, strlen( self::ENCRYPTED_PREFIX ) ) );
		$length = openssl_cipher_iv_length( self::CIPHER_METHOD );
		if ( strlen( $bytes ) <= $length ) {
			return '';
		}
		$plain = openssl_decrypt( substr( $bytes, $length ), self::CIPHER_METHOD, self::key(), 0, substr( $bytes, 0, $length ) );
		return (string) $plain;
	}

	private static function key() {
		return hash( 'sha256', wp_salt( 'auth' ), true );
	}
}
