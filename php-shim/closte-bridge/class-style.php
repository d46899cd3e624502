<?php
/**
 * Style and script of the page *Closte*, and of the other screens that have something to copy.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Texts, because every file of the shim is PHP. WordPress prints them only on the screens that ask for them.
 */
final class Style {

	/**
	 * Add style and script to a screen. WordPress' own library copies.
	 */
	public static function enqueue() {
		\wp_register_style( Page::SLUG, false, array(), null ); // phpcs:ignore WordPress.WP.EnqueuedResourceParameters -- no file.
		\wp_enqueue_style( Page::SLUG );
		\wp_add_inline_style( Page::SLUG, self::css() );
		\wp_enqueue_script( 'wp-a11y' );
		\wp_enqueue_script( 'clipboard' );
		\wp_add_inline_script( 'clipboard', self::script() );
	}

	/**
	 * Return the style: colors of WordPress for the icons, and widths.
	 *
	 * @return string
	 */
	private static function css() {
		return '.closte-bridge-yes-alt{color:#007017}.closte-bridge-warning{color:#996800}'
			. '.closte-bridge-minus,.closte-bridge-editor-help{color:#646970}'
			. '#closte-bridge-summary{margin:1em 0}#closte-bridge table:not(.wp-list-table) th[scope=row]{width:7em;text-align:start}'
			. '#closte-bridge code,.closte-bridge-copy code{overflow-wrap:anywhere}#closte-bridge-empty{max-width:60em}'
			. '.closte-bridge-wide{overflow-x:auto}.closte-bridge-copy .success{color:#007017}'
			. '@media screen and (min-width:783px){#closte-bridge table:not(.wp-list-table) th[scope=row]{width:12em}#closte-bridge .column-domain{width:17.5%}#closte-bridge .column-blog_id{width:14.5%}#closte-bridge .column-state{width:12%}'
			. '#closte-bridge .column-at_closte,#closte-bridge .column-https{width:6.5%}#closte-bridge .column-dns{width:7%}#closte-bridge .column-live{width:4.5%}}';
	}

	/**
	 * Return the script: it copies, and reads the page again unless a person works with it.
	 *
	 * @return string
	 */
	private static function script() {
		return <<<'JS'
( function () {
	var seconds = 20;
	if ( window.ClipboardJS ) {
		new ClipboardJS( '.closte-bridge-copy .copy-button' ).on( 'success', function ( event ) {
			var done = event.trigger.parentNode.querySelector( '.success' );
			event.clearSelection();
			done.classList.remove( 'hidden' );
			setTimeout( function () { done.classList.add( 'hidden' ); }, 3000 );
			if ( window.wp && wp.a11y ) {
				wp.a11y.speak( done.textContent );
			}
		} );
	}
	function inUse( part ) {
		return part.contains( document.activeElement ) || part.querySelector( 'tbody input:checked, details[open], .success:not(.hidden)' ) || String( getSelection() );
	}
	function refresh() {
		var parts = document.querySelectorAll( '#closte-bridge-overview, #closte-bridge-list' );
		if ( document.hidden || ! parts.length || [].some.call( parts, inUse ) ) {
			return;
		}
		fetch( location.href, { credentials: 'same-origin' } ).then( function ( answer ) {
			return answer.ok && ! answer.redirected ? answer.text() : '';
		} ).then( function ( text ) {
			var page = new DOMParser().parseFromString( text, 'text/html' );
			parts.forEach( function ( part ) {
				var fresh = page.getElementById( part.id );
				if ( fresh && ! inUse( part ) && fresh.innerHTML !== part.innerHTML ) {
					part.innerHTML = fresh.innerHTML;
				}
			} );
		} ).catch( function () {} );
	}
	if ( window.fetch && window.DOMParser && NodeList.prototype.forEach ) {
		setInterval( refresh, seconds * 1000 );
	}
}() );
JS;
	}
}
