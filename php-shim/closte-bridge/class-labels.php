<?php
/**
 * Short names of states and codes, and the network administrator's next steps.
 *
 * @package Closte_Bridge
 */

namespace Closte_Bridge;

\defined( 'ABSPATH' ) || exit;

/**
 * Tables of texts by code. A test compares them with closte-bridge's enums. `Phrases` is the entry.
 */
final class Labels {

	/**
	 * Return the names of a domain's states: `DomainPhase`.
	 *
	 * @return array
	 */
	public static function states() {
		return array(
			'wanted'   => __( 'Not on Closte yet', 'closte-bridge' ),
			'added'    => __( 'On Closte', 'closte-bridge' ),
			'dns-ok'   => __( 'DNS correct', 'closte-bridge' ),
			'https-ok' => __( 'HTTPS valid', 'closte-bridge' ),
			'live'     => __( 'Live', 'closte-bridge' ),
			'blocked'  => __( 'Blocked', 'closte-bridge' ),
		);
	}

	/**
	 * Return the names of what a plan does with a domain: the states of `domain list`.
	 *
	 * @return array
	 */
	public static function statuses() {
		return array(
			'in-sync'        => __( 'In sync', 'closte-bridge' ),
			'to-add'         => __( 'To add', 'closte-bridge' ),
			'to-remove'      => __( 'To remove', 'closte-bridge' ),
			'on-hold'        => __( 'On hold', 'closte-bridge' ),
			'needs-approval' => __( 'Needs approval', 'closte-bridge' ),
			'unmanaged'      => __( 'Unmanaged', 'closte-bridge' ),
			'own'            => __( 'Network\'s main domain', 'closte-bridge' ),
			'orphaned'       => __( 'Site gone', 'closte-bridge' ),
			'unknown'        => __( 'Unknown', 'closte-bridge' ),
			'gone'           => __( 'Gone', 'closte-bridge' ),
		);
	}

	/**
	 * Return the names of DNS verdicts: `DnsCode`.
	 *
	 * @return array
	 */
	public static function dns() {
		return array(
			'ok'                => __( 'Correct', 'closte-bridge' ),
			'not-delegated'     => __( 'No working nameservers', 'closte-bridge' ),
			'nxdomain'          => __( 'Does not exist', 'closte-bridge' ),
			'no-address'        => __( 'No A or AAAA record', 'closte-bridge' ),
			'points-elsewhere'  => __( 'Points elsewhere', 'closte-bridge' ),
			'partly-propagated' => __( 'Propagating', 'closte-bridge' ),
			'one-family-ok'     => __( 'Correct for only one of IPv4 and IPv6', 'closte-bridge' ),
			'cname-at-apex'     => __( 'CNAME at the root of the domain', 'closte-bridge' ),
			'caa-forbids'       => __( 'CAA record prevents the certificate', 'closte-bridge' ),
			'dnssec-broken'     => __( 'DNSSEC fails', 'closte-bridge' ),
			'proxied'           => __( 'Behind a CDN', 'closte-bridge' ),
			'time-out'          => __( 'No response', 'closte-bridge' ),
			'unknown'           => __( 'Unknown', 'closte-bridge' ),
		);
	}

	/**
	 * Return the names of verdicts on certificates: `TlsCode`.
	 *
	 * @return array
	 */
	public static function https() {
		return array(
			'ok'                  => __( 'Valid', 'closte-bridge' ),
			'no-listener'         => __( 'No HTTPS connections', 'closte-bridge' ),
			'time-out'            => __( 'No response', 'closte-bridge' ),
			'wrong-name'          => __( 'Certificate for another domain', 'closte-bridge' ),
			'self-signed'         => __( 'Self-signed certificate', 'closte-bridge' ),
			'expired'             => __( 'Expired certificate', 'closte-bridge' ),
			'not-yet-valid'       => __( 'Certificate not valid yet', 'closte-bridge' ),
			'unknown-issuer'      => __( 'Untrusted issuer', 'closte-bridge' ),
			'default-certificate' => __( 'Default certificate of the host', 'closte-bridge' ),
			'handshake-failed'    => __( 'TLS handshake fails', 'closte-bridge' ),
			'unknown'             => __( 'Unknown', 'closte-bridge' ),
		);
	}

	/**
	 * Return the names of what visitors get: `HttpCode`.
	 *
	 * @return array
	 */
	public static function http() {
		return array(
			'ok'                  => __( 'Right site', 'closte-bridge' ),
			'redirect-to-primary' => __( 'Redirects to the primary domain', 'closte-bridge' ),
			'sign-up-page'        => __( 'Sign-up page of the network', 'closte-bridge' ),
			'other-site'          => __( 'Another site', 'closte-bridge' ),
			'redirect-loop'       => __( 'Redirect loop', 'closte-bridge' ),
			'blocked'             => __( 'Visitors are blocked', 'closte-bridge' ),
			'server-error'        => __( 'Server error', 'closte-bridge' ),
			'other-server'        => __( 'Another server', 'closte-bridge' ),
			'time-out'            => __( 'No response', 'closte-bridge' ),
			'unknown'             => __( 'Unknown', 'closte-bridge' ),
		);
	}

	/**
	 * Return the names of reasons why a change is on hold: `HoldCode` and `FailureCode`.
	 *
	 * @return array
	 */
	public static function holds() {
		return array(
			'certificate-budget' => __( 'Weekly certificate limit reached', 'closte-bridge' ),
			'conflict'           => __( 'Several sites use this domain', 'closte-bridge' ),
			'covered'            => __( 'Covered by a wildcard', 'closte-bridge' ),
			'exists-elsewhere'   => __( 'In another application on Closte', 'closte-bridge' ),
			'list-lag'           => __( 'Not in Closte\'s list yet', 'closte-bridge' ),
			'malformed'          => __( 'Not a domain', 'closte-bridge' ),
			'not-listed'         => __( 'Not in Closte\'s list', 'closte-bridge' ),
			'not-managed'        => __( 'On Closte, but not managed', 'closte-bridge' ),
			'not-public'         => __( 'Not a public domain', 'closte-bridge' ),
			'other-network'      => __( 'Belongs to another network', 'closte-bridge' ),
			'refused'            => __( 'Rejected by Closte', 'closte-bridge' ),
			'released'           => __( 'Released', 'closte-bridge' ),
			'site-gone'          => __( 'Site gone', 'closte-bridge' ),
			'www-unproven'       => __( 'Waiting for the DNS of the www form', 'closte-bridge' ),
			'add-only'           => __( 'Only additions are allowed', 'closte-bridge' ),
			'by-command-only'    => __( 'Removed by command only', 'closte-bridge' ),
			'list-not-complete'  => __( 'Closte\'s list is incomplete', 'closte-bridge' ),
			'mentioned'          => __( 'Still in use', 'closte-bridge' ),
			'over-limit'         => __( 'Over the removal limit', 'closte-bridge' ),
			'protected'          => __( 'Protected', 'closte-bridge' ),
			'second-look'        => __( 'In use at the last check', 'closte-bridge' ),
			'snapshot-partial'   => __( 'WordPress could not be read completely', 'closte-bridge' ),
			'waiting'            => __( 'Waiting for the removal delay', 'closte-bridge' ),
			'wildcard-covers'    => __( 'Still covers a domain', 'closte-bridge' ),
			'back-off'           => __( 'Failed, retried automatically', 'closte-bridge' ),
			'kept'               => __( 'Kept, but not on Closte', 'closte-bridge' ),
		);
	}

	/**
	 * Return the network administrator's next steps: `STEP_CODES` of `engine/inventory.py`.
	 *
	 * @return array With the placeholders `%1$s` for the domain, `%2$s` for the domain without `www.`, and `%3$s` for a duration.
	 */
	public static function plan_steps() {
		return array(
			'in-sync'            => __( 'Nothing to do. The domain is in sync.', 'closte-bridge' ),
			'to-add'             => __( 'Nothing to do. The next sync adds it.', 'closte-bridge' ),
			'to-remove'          => __( 'Nothing to do. The next sync removes it.', 'closte-bridge' ),
			'needs-approval'     => __( 'Run `closte-bridge plan` to review and approve the removal.', 'closte-bridge' ),
			'unmanaged'          => __( 'If this domain is not needed, remove it in Closte\'s dashboard. closte-bridge does not manage it.', 'closte-bridge' ),
			'unknown'            => __( 'Unknown: Closte\'s list could not be read completely. Run `closte-bridge integration test`.', 'closte-bridge' ),
			'gone'               => __( 'Nothing to do. The next sync removes it from the ledger.', 'closte-bridge' ),
			'own'                => __( 'Nothing to do. It is the network\'s main domain.', 'closte-bridge' ),
			'kept'               => __( 'To add it to Closte, run `closte-bridge domain add`. The `keep` setting only prevents removal.', 'closte-bridge' ),
			'conflict'           => __( 'Several sites use this domain. Delete the mapping from all sites but one.', 'closte-bridge' ),
			'not-public'         => __( 'Use a public domain name. No certificate can be issued for this one.', 'closte-bridge' ),
			'site-gone'          => __( 'Delete the mapping with `closte-bridge domain prune`. Its site no longer exists.', 'closte-bridge' ),
			'other-network'      => __( 'Nothing to do here. Its site belongs to another network with its own closte-bridge.', 'closte-bridge' ),
			'certificate-budget' => __( 'Enable a wildcard in the config, or wait: the weekly certificate limit frees up within 7 days.', 'closte-bridge' ),
			'exists-elsewhere'   => __( 'Ask Closte\'s support to release it from the other application.', 'closte-bridge' ),
			'refused'            => __( 'Check the spelling. Closte rejected this domain as invalid.', 'closte-bridge' ),
			'released'           => __( 'Unknown: it was released, and Closte\'s list is incomplete. Run `closte-bridge integration test`.', 'closte-bridge' ),
			'covered'            => __( 'Nothing to do. A wildcard covers it.', 'closte-bridge' ),
			'by-command-only'    => __( 'If you no longer need it, run `closte-bridge domain remove`.', 'closte-bridge' ),
			/* translators: 1: domain with "www.". 2: the same domain without it. */
			'www-unproven'       => __( 'Point %1$s to the same address as %2$s.', 'closte-bridge' ),
			'protected'          => __( 'Nothing to do. It is never removed.', 'closte-bridge' ),
			'waiting'            => __( 'Nothing to do. A sync removes it after the delay, unless something uses it again.', 'closte-bridge' ),
			'snapshot-partial'   => __( 'WordPress could not be read completely. Run `closte-bridge doctor` to see why.', 'closte-bridge' ),
			'list-not-complete'  => __( 'Closte\'s list could not be read completely. Run `closte-bridge plan` to see why.', 'closte-bridge' ),
			'wildcard-covers'    => __( 'Wait for the next sync to add the dependent domain. If it does not, run `closte-bridge domain add` to pin it.', 'closte-bridge' ),
			'mentioned'          => __( 'Nothing to do. It stays while something uses it.', 'closte-bridge' ),
			'changes-nothing'    => __( 'closte-bridge changes nothing at the moment. Run `closte-bridge status` to see why.', 'closte-bridge' ),
			'removes-nothing'    => __( 'closte-bridge removes nothing at the moment. Run `closte-bridge status` to see why.', 'closte-bridge' ),
			/* translators: %3$s: duration, such as "5 minutes". */
			'add-later'          => __( 'Closte has not added it yet. The next try is in %3$s. Retry now with `closte-bridge sync --retry`.', 'closte-bridge' ),
			/* translators: %3$s: duration, such as "5 minutes". */
			'remove-later'       => __( 'Closte has not removed it yet. The next try is in %3$s. Retry now with `closte-bridge sync --retry`.', 'closte-bridge' ),
			'addition-unknown'   => __( 'It is unknown whether Closte added it: its list cannot be read. Each sync tries to add it.', 'closte-bridge' ),
			'addition-unlisted'  => __( 'Closte has not added it yet, and its list cannot be read. Each sync tries to add it.', 'closte-bridge' ),
			'own-missing'        => __( 'Check Closte\'s dashboard: the network\'s main domain is missing from Closte\'s list.', 'closte-bridge' ),
			'rechecked'          => __( 'Nothing to do for now. closte-bridge rechecks it automatically.', 'closte-bridge' ),
			// The time of `add-later` and `remove-later` has passed.
			'add-soon'           => __( 'Closte has not added it yet. The next sync tries it again.', 'closte-bridge' ),
			'remove-soon'        => __( 'Closte has not removed it yet. The next sync tries it again.', 'closte-bridge' ),
		);
	}
}
