<?php
/**
 * Duplicates a site as other code sees it: a new site, then the event.
 */

namespace WP_Ultimo\Helpers;

defined( 'ABSPATH' ) || exit;

final class Site_Duplicator {

	/**
	 * @param int    $from_site_id The site to copy.
	 * @param string $title        The new site's title.
	 * @param array  $args         `domain`, `path`, and `email` or `user_id` of its administrator.
	 * @return int|\WP_Error The new site's id.
	 */
	public static function duplicate_site( $from_site_id, $title, $args = array() ) {
		if ( ! get_site( $from_site_id ) ) {
			return new \WP_Error( 'source_template_site_not_found', sprintf( 'There is no site %d.', $from_site_id ) );
		}
		$args = wp_parse_args(
			$args,
			array( 'domain' => get_network()->domain, 'path' => '/', 'email' => '', 'user_id' => 0, 'meta' => array() )
		);
		$user = $args['user_id'] ? $args['user_id'] : email_exists( $args['email'] );
		if ( ! $user ) {
			$user = wpmu_create_user( sanitize_user( $args['email'], true ), wp_generate_password(), $args['email'] );
		}
		$site_id = wpmu_create_blog( $args['domain'], $args['path'], $title, (int) $user, $args['meta'], get_current_network_id() );
		if ( ! is_wp_error( $site_id ) ) {
			do_action( 'wu_duplicate_site', array( 'from_site_id' => $from_site_id, 'site_id' => $site_id ) );
		}
		return $site_id;
	}
}
