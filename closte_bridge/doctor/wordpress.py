"""What can be wrong on WordPress' side."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from closte_bridge.counts import counted
from closte_bridge.doctor.model import Finding, error, ok, some, warning
from closte_bridge.engine.due import own_sites
from closte_bridge.wordpress.stage import GIVEN_UP, Stage

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.planning.desired import Desired
    from closte_bridge.wordpress.snapshot import Snapshot

_EVENTS_TOO_OLD = 3600.0
_CLOCKS_APART = 60.0
_STUCK_AFTER = 86_400.0
Findings = Iterator[Finding]


def of_snapshot(snapshot: Snapshot) -> Findings:
    """Return what the snapshot itself shows."""
    network, settings = snapshot.network, snapshot.settings
    yield ok("wordpress", f'WordPress {network.wordpress} on PHP {network.php}, network "{network.domain}".')
    yield ok("plugin", f"Ultimate Multisite {settings.plugin_version} is active and set up.")
    if snapshot.complete:
        read = f"{counted(len(snapshot.mappings), 'mapping')} and {counted(len(snapshot.sites), 'site')}"
        yield ok("snapshot", f"{read} were read completely.")
    else:
        hint = "Nothing is removed while that is so. Run `wp db check`; after a restore run `closte-bridge adopt`."
        yield warning("snapshot", f"The snapshot is not complete: {'; '.join(snapshot.problems)}.", hint)
    if settings.domain_mapping:
        yield ok("domain-mapping", "Domain mapping is on.")
    else:
        hint = "Switch it on in Ultimate Multisite > Settings > Domain Mapping."
        yield error("domain-mapping", "Domain mapping is switched off: nothing is changed at Closte.", hint)
    if settings.integration:
        yield ok("integration", "The Closte integration is on.")
    else:
        hint = "Run `closte-bridge integration enable`."
        yield error("integration", "The Closte integration is off: nothing is changed at Closte.", hint)
    yield ok("dns-interval", f"DNS and certificates are checked every {settings.dns_check_interval} s at first.")


def of_rows(snapshot: Snapshot, engine: Engine, desire: Desired) -> Findings:
    """Return what is odd in the mappings."""
    orphans = [m for m in snapshot.mappings if m.blog_id not in snapshot.sites]
    if orphans:
        names = some([f"{m.domain} (id {m.id})" for m in orphans])
        hint = (
            "Delete them if the sites will not come back: `wp wu domain delete <id>`. Until then they stay at Closte."
        )
        yield warning("orphan-rows", f"{counted(len(orphans), 'mapping')} of sites that do not exist: {names}.", hint)
    else:
        yield ok("orphan-rows", "Every mapping belongs to a site that exists.")
    if desire.contested:
        hint = "Remove the mapping from all sites but one."
        yield warning("conflicts", f"Claimed by several sites: {some([*desire.contested])}.", hint)
    else:
        yield ok("conflicts", "No domain is claimed by two sites.")
    if desire.malformed:
        hint = "Delete the mapping and create it again with a proper name."
        yield warning("malformed", f"Not host names: {some([repr(m.domain) for m, _ in desire.malformed])}.", hint)
    else:
        yield ok("malformed", "Every mapping is a host name.")
    yield _stuck(snapshot, engine.clock.now())


def _stuck(snapshot: Snapshot, now: float) -> Finding:
    limit = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now - _STUCK_AFTER))
    # The table is everybody's: what another network maps is its engine's.
    own = own_sites(snapshot)
    stuck = [
        m.domain
        for m in snapshot.mappings
        if m.blog_id in own
        and (
            m.stage in GIVEN_UP
            or (m.stage in {Stage.CHECKING_DNS, Stage.CHECKING_SSL} and (m.modified or m.created or "") < limit)
        )
    ]
    if not stuck:
        return ok("stuck-stages", "No mapping has been stuck in a stage for a day.")
    hint = "`closte-bridge domain explain <domain>` says what each one waits for."
    return warning("stuck-stages", f"{counted(len(stuck), 'mapping')} stuck: {some(stuck)}.", hint)


def of_events(snapshot: Snapshot, now: float) -> Findings:
    """Return whether hints of the shim pile up."""
    oldest = min((event.created for event in snapshot.events), default=None)
    if oldest is not None and now - oldest > _EVENTS_TOO_OLD:
        hint = "Nothing collects them: see that `closte-bridge watch` or a timer runs."
        count = counted(snapshot.events_waiting, "event")
        yield warning(
            "events", f"{count} waiting, the oldest for {counted(round((now - oldest) / 60), 'minute')}.", hint
        )
    else:
        yield ok("events", f"{counted(snapshot.events_waiting, 'event')} waiting.")


def of_installation(facts: dict[str, Any], now: float) -> Findings:
    """Return what WordPress with its plugins loaded told of itself (`doctor.php`)."""
    yield ok("wp-cli", f"WP-CLI {facts.get('wp_cli') or 'of an unknown version'} answers.")
    if facts.get("plugin_loaded"):
        yield ok("plugins-load", "WordPress loads with all its plugins.")
    else:
        hint = "Look into PHP's error log: WordPress started, but Ultimate Multisite did not."
        yield error("plugins-load", "Ultimate Multisite does not load.", hint)
    if facts.get("sunrise_constant") and facts.get("sunrise_file"):
        yield ok("sunrise", "SUNRISE is set and sunrise.php is there.")
    else:
        missing = "wp-content/sunrise.php is missing" if facts.get("sunrise_constant") else "SUNRISE is not defined"
        hint = (
            "Put `define('SUNRISE', true);` into wp-config.php (at Closte: the dashboard's field for additional "
            "content) and let Ultimate Multisite copy its sunrise.php to wp-content."
        )
        yield error("sunrise", f"Mapped domains are not served: {missing}.", hint)
    if facts.get("provider_listens") and not facts.get("active"):
        hint = (
            "The shim takes its listeners off while this engine is in charge: run `closte-bridge shim install`; "
            "`closte-bridge shim status` says what keeps one that is there from it."
        )
        yield warning("built-in-provider", "Ultimate Multisite's own Closte provider sends domains as well.", hint)
    else:
        yield ok("built-in-provider", "Nobody else sends domains to Closte.")
    if facts.get("proc_open"):
        yield ok("php-functions", "PHP may start processes: events are acted on at once.")
    else:
        hint = "Run `closte-bridge watch`, or a timer: events are then found by looking."
        yield warning("php-functions", "PHP's proc_open is disabled: WordPress cannot start the engine.", hint)
    apart = abs(now - float(facts.get("time") or 0))
    if apart <= _CLOCKS_APART:
        yield ok("clock", "The clocks of this machine and of WordPress agree.")
    else:
        hint = "Set both by NTP: waiting times depend on them."
        yield warning("clock", f"The clocks of this machine and of WordPress are {apart:.0f} s apart.", hint)
