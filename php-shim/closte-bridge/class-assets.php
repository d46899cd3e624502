<?php
/**
 * The style and the script of the customer's panels.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Prints both into the page: no request more, and no file that a web server has to find.
 */
final class Assets {

	/** Seconds between two updates of an open panel, and updates before it stops. */
	const INTERVAL = 12;
	const MOST     = 300;

	/**
	 * Add the style and the script to the end of this page.
	 */
	public static function enqueue() {
		$name = 'closte-bridge-customer';
		if ( \wp_script_is( $name, 'registered' ) ) {
			return;
		}
		run( 'Messages', 'load' );
		\wp_enqueue_style( 'buttons' );
		\wp_register_style( $name, false, array(), '1' );
		\wp_add_inline_style( $name, self::STYLE );
		\wp_enqueue_style( $name );
		$texts = array(
			'close'    => __( 'Close', 'closte-bridge' ),
			'copied'   => __( 'Copied.', 'closte-bridge' ),
			'failed'   => __( 'The answer could not be loaded. Reload this page, then try again.', 'closte-bridge' ),
			'interval' => self::INTERVAL * 1000,
			'most'     => self::MOST,
		);
		\wp_register_script( $name, false, array(), '1', true );
		\wp_add_inline_script( $name, 'var closteBridge = ' . \wp_json_encode( $texts, \JSON_HEX_TAG | \JSON_HEX_AMP ) . ";\n" . self::SCRIPT );
		\wp_enqueue_script( $name );
	}

	const STYLE = <<<'CSS'
a.closte-bridge-open:not(.button) { margin-inline-start: 8px; white-space: nowrap; }
a.closte-bridge-open.button { margin-block: 2px; }
div:has( > .closte-bridge-cell), div:has( > div > .closte-bridge-cell) { flex-wrap: wrap; }
.closte-bridge-cell { flex-basis: 100%; margin: 4px 0 !important; }
.closte-bridge-cell a.closte-bridge-open { color: #135e96; }
.closte-bridge-badge { display: inline-block; white-space: nowrap; padding: 2px 8px; border: 1px solid #8c8f94; border-radius: 3px; background: #f6f7f7; color: #1d2327; font-size: 12px; line-height: 1.4; }
.closte-bridge-badge.is-live { border-color: #00701a; background: #edfaef; }
.closte-bridge-badge.is-needed { border-color: #8a4b00; background: #fcf9e8; }
#closte-bridge-dialog { box-sizing: border-box; width: 680px; max-width: calc(100vw - 24px); max-height: calc(100vh - 24px); padding: 0 24px 24px; border: 0; border-radius: 4px; background: #fff; color: #1d2327; box-shadow: 0 3px 30px rgba(0, 0, 0, .4); overflow: auto; text-align: start; }
#closte-bridge-dialog::backdrop { background: rgba(0, 0, 0, .6); }
.closte-bridge-bar { display: flex; justify-content: flex-end; position: sticky; top: 0; margin: 0 -24px; padding: 12px 24px 0; background: #fff; }
.closte-bridge-page { max-width: 680px; margin: 24px auto; padding: 0 16px; background: #fff; font-family: -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, Oxygen-Sans, Ubuntu, Cantarell, "Helvetica Neue", sans-serif; }
.closte-bridge-panel, .closte-bridge-page h1 { font-size: 14px; line-height: 1.5; color: #1d2327; }
.closte-bridge-panel h1, .closte-bridge-page h1 { margin: 0 0 12px; padding: 0; font-size: 20px; line-height: 1.3; overflow-wrap: anywhere; }
.closte-bridge-panel h2 { margin: 16px 0 8px; font-size: 16px; overflow-wrap: anywhere; }
.closte-bridge-panel h1:focus { outline: none; }
.closte-bridge-steps { display: flex; flex-wrap: wrap; gap: 8px; margin: 0 0 12px; padding: 0; list-style: none; }
.closte-bridge-steps li { flex: 1 1 110px; margin: 0; padding: 6px 8px; border-top: 4px solid #8c8f94; background: #f6f7f7; }
.closte-bridge-steps li span { display: block; }
.closte-bridge-steps .is-done { border-top-color: #00701a; }
.closte-bridge-steps .is-now { border-top-color: #2271b1; }
.closte-bridge-steps .is-needed { border-top-color: #8a4b00; background: #fcf9e8; }
.closte-bridge-scroll { overflow-x: auto; }
.closte-bridge-records { width: 100%; margin: 8px 0; border-collapse: collapse; }
.closte-bridge-records caption { padding: 4px 0; font-weight: 600; text-align: start; }
.closte-bridge-records th, .closte-bridge-records td { padding: 8px; border: 1px solid #c3c4c7; text-align: start; vertical-align: top; }
.closte-bridge-records code { padding: 0; background: none; font-size: 13px; overflow-wrap: anywhere; }
.closte-bridge-copy[hidden] { display: none !important; }
@media (max-width: 600px) {
	.closte-bridge-records, .closte-bridge-records caption, .closte-bridge-records tbody, .closte-bridge-records tr, .closte-bridge-records th, .closte-bridge-records td { display: block; }
	.closte-bridge-records thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
	.closte-bridge-records tr { margin-bottom: 8px; border: 1px solid #c3c4c7; }
	.closte-bridge-records tbody th, .closte-bridge-records td { padding: 6px 8px; border: 0; }
	.closte-bridge-records [data-label]::before { content: attr(data-label); display: block; font-weight: 600; }
}
.closte-bridge-panel details { margin: 12px 0; }
.closte-bridge-panel summary { cursor: pointer; }
.closte-bridge-panel details textarea[readonly] { box-sizing: border-box; width: 100%; margin: 8px 0; border: 1px solid #8c8f94; background: #f6f7f7; color: #1d2327; opacity: 1; }
.closte-bridge-panel input[type=text] { box-sizing: border-box; width: 260px; max-width: 100%; }
.closte-bridge-message { min-height: 1.5em; margin: 8px 0 0; font-weight: 600; }
CSS;

	const SCRIPT = <<<'JS'
( function () {
	'use strict';
	var texts = closteBridge, dialog = null, timer = 0, left = 0;

	function ask( url, body ) {
		return fetch( url, { method: body ? 'POST' : 'GET', body: body, credentials: 'same-origin', headers: { 'X-Requested-With': 'XMLHttpRequest' } } ).then( function ( answer ) {
			return answer.json().then( function ( data ) {
				if ( ! answer.ok ) {
					var error = new Error( data.message || texts.failed );
					error.refused = true;
					throw error;
				}
				return data;
			} );
		} );
	}

	function panel() {
		return ( dialog && dialog.open ? dialog : document ).querySelector( '.closte-bridge-panel' );
	}

	function say( text ) {
		var place = panel() && panel().querySelector( '.closte-bridge-message' );
		if ( place ) {
			place.textContent = text;
		}
	}

	function prepare() {
		var found = panel();
		if ( found ) {
			found.querySelectorAll( '.closte-bridge-copy' ).forEach( function ( button ) {
				button.hidden = false;
			} );
		}
	}

	function later() {
		clearTimeout( timer );
		var found = panel();
		if ( found && found.dataset.url && left-- > 0 ) {
			timer = setTimeout( update, texts.interval );
		}
	}

	function show( data ) {
		var found = panel();
		if ( ! found || ! data.digest ) {
			return;
		}
		found.querySelector( '.closte-bridge-times' ).innerHTML = data.times;
		if ( found.dataset.digest !== data.digest ) {
			found.dataset.digest = data.digest;
			found.querySelector( '.closte-bridge-state' ).innerHTML = data.state;
			say( data.summary );
			prepare();
		}
	}

	function update() {
		var found = panel();
		if ( ! found || document.hidden ) {
			return later();
		}
		ask( found.dataset.url ).then( function ( data ) {
			if ( found === panel() ) {
				show( data );
				later();
			}
		} ).catch( function ( error ) {
			// A refused request stays refused; a lost connection comes back.
			if ( error.refused ) {
				say( error.message );
			} else {
				later();
			}
		} );
	}

	function start() {
		left = texts.most;
		prepare();
		later();
	}

	function open( link ) {
		ask( link.href ).then( function ( data ) {
			if ( ! dialog ) {
				dialog = document.createElement( 'dialog' );
				dialog.id = 'closte-bridge-dialog';
				dialog.className = 'wp-core-ui';
				dialog.innerHTML = '<div class="closte-bridge-bar"><button type="button" class="button closte-bridge-close"></button></div><div class="closte-bridge-content"></div>';
				dialog.querySelector( '.closte-bridge-close' ).textContent = texts.close;
				dialog.addEventListener( 'close', function () {
					clearTimeout( timer );
				} );
				document.body.appendChild( dialog );
			}
			dialog.setAttribute( 'aria-label', data.title );
			dialog.querySelector( '.closte-bridge-content' ).innerHTML = data.html;
			if ( ! dialog.open ) {
				dialog.showModal();
			}
			var first = dialog.querySelector( 'input[type=text]' ) || dialog.querySelector( '.closte-bridge-title' );
			first.focus();
			start();
		} ).catch( function () {
			location.href = link.href;
		} );
	}

	function send( form ) {
		var button = form.querySelector( 'button' );
		button.disabled = true;
		ask( form.action, new FormData( form ) ).then( function ( data ) {
			var result = panel().querySelector( '.closte-bridge-result' );
			if ( result ) {
				result.innerHTML = data.result;
				prepare();
			} else {
				show( data );
				say( data.message );
			}
		} ).catch( function ( error ) {
			var result = panel().querySelector( '.closte-bridge-result' );
			if ( result ) {
				result.textContent = error.refused ? error.message : texts.failed;
			} else {
				say( error.refused ? error.message : texts.failed );
			}
		} ).then( function () {
			button.disabled = false;
			button.focus();
		} );
	}

	function copy( button ) {
		var done = function () {
			say( texts.copied );
			button.classList.add( 'is-copied' );
		};
		if ( window.isSecureContext && navigator.clipboard ) {
			navigator.clipboard.writeText( button.dataset.copy ).then( done );
			return;
		}
		var area = document.createElement( 'textarea' );
		area.value = button.dataset.copy;
		button.parentNode.appendChild( area );
		area.select();
		if ( document.execCommand( 'copy' ) ) {
			done();
		}
		area.remove();
		button.focus();
	}

	document.addEventListener( 'click', function ( event ) {
		var link = event.target.closest( 'a.closte-bridge-open' );
		var button = event.target.closest( '.closte-bridge-copy' );
		if ( link && window.HTMLDialogElement && ! event.ctrlKey && ! event.metaKey && ! event.shiftKey && 0 === event.button ) {
			event.preventDefault();
			open( link );
		} else if ( button ) {
			copy( button );
		} else if ( event.target.closest( '.closte-bridge-close' ) ) {
			dialog.close();
		}
	} );
	document.addEventListener( 'submit', function ( event ) {
		if ( event.target.closest( '.closte-bridge-panel' ) ) {
			event.preventDefault();
			send( event.target );
		}
	} );
	start();
}() );
JS;
}
