<?php
/**
 * The element with the domains of a customer's site.
 */

namespace WP_Ultimo\Mock;

defined( 'ABSPATH' ) || exit;

final class Domains_Element {

	public static function output() {
		$site = wu_get_current_site();
		if ( ! $site->is_customer_allowed() ) {
			return;
		}
		echo '<div class="wu-styling"><div class="wu-p-2 wu-flex"><h3>Domains</h3>';
		// The real plugin shows the instructions in a modal.
		$instructions = \WP_Ultimo\Managers\Domain_Manager::get_instance()->get_domain_mapping_instructions();
		printf( '<details class="wu-mock-add"><summary>Add Domain</summary>%s</details>', wpautop( $instructions ) ); // phpcs:ignore WordPress.Security.EscapeOutput -- as the real plugin.
		do_action( 'wu_domain_mapping_header_actions' );
		echo '</div><table style="width: 100%"><tbody>';
		foreach ( wu_get_domains( array( 'blog_id' => $site->get_id() ) ) as $item ) {
			echo '<tr><td>';
			self::row( $item );
			echo '</td></tr>';
		}
		echo '</tbody></table></div>';
	}

	private static function row( $item ) {
		$first  = array(
			'secure' => array(
				'wrapper_classes' => '',
				'icon'            => 'dashicons-wu-lock1',
				'label'           => '',
				'value'           => $item->is_secure() ? 'Secure (HTTPS)' : 'Not Secure (HTTP)',
			),
		);
		$second = array(
			'remove' => array(
				'wrapper_classes' => 'wubox',
				'icon'            => 'dashicons-wu-trash-2',
				'label'           => '',
				'value'           => 'Delete',
				'url'             => '#delete',
			),
		);
		printf( '<div class="wu-p-2"><strong>%s</strong> <span>%s</span><div class="wu-flex">', esc_html( $item->get_domain() ), esc_html( $item->get_stage() ) );
		self::items( apply_filters( 'wu_domain_mapping_row_info', $first, $item ) );
		self::items( apply_filters( 'wu_domain_mapping_row_actions', $second, $item ) );
		echo '</div></div>';
	}

	/** Like the real plugin, a value may be callable, and other values may have some HTML. */
	private static function items( $items ) {
		foreach ( $items as $item ) {
			$tag = empty( $item['url'] ) ? 'span' : 'a';
			printf( '<%s class="wu-flex wu-text-xs %s"%s>', $tag, esc_attr( $item['wrapper_classes'] ), 'a' === $tag ? ' href="' . esc_attr( $item['url'] ) . '"' : '' );
			printf( '<span class="%s"></span>', esc_attr( $item['icon'] ) );
			if ( is_callable( $item['value'] ) ) {
				$item['value']();
			} else {
				echo wp_kses_post( $item['value'] );
			}
			echo "</$tag>";
		}
	}
}
