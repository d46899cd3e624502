"""Diagnostics of WordPress: snapshot, mappings, events, installation."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from closte_bridge.counts import counted
from closte_bridge.doctor.model import Finding, error, ok, skip, some, warning
from closte_bridge.engine.backfill import ask_wordpress
from closte_bridge.engine.due import own_sites
from closte_bridge.errors import BridgeError
from closte_bridge.planning.records import backfillable
from closte_bridge.wordpress.stage import GIVEN_UP, Stage

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.planning.desired import Desired
    from closte_bridge.wordpress.snapshot import Snapshot

_EVENTS_TOO_OLD = 3600.0
_CLOCKS_APART = 60.0
_STUCK_AFTER = 86_400.0
Findings = Iterator[Finding]

NEWEST_TESTED = "2.14.2"
"""The newest release of Ultimate Multisite that the tests run against."""


def of_snapshot(snapshot: Snapshot) -> Findings:
    """Check the snapshot."""
    network, settings = snapshot.network, snapshot.settings
    yield ok("wordpress", f'WordPress {network.wordpress} on PHP {network.php}, network "{network.domain}".')
    yield _plugin(settings.plugin_version)
    if snapshot.complete:
        read = f"{counted(len(snapshot.mappings), 'mapping')} and {counted(len(snapshot.sites), 'site')}"
        yield ok("snapshot", f"Read {read}.")
    else:
        hint = "Removals wait. Run `wp db check`. If you restored a backup, run `closte-bridge adopt`."
        yield warning("snapshot", f"Could not read WordPress completely: {'; '.join(snapshot.problems)}.", hint)
    if settings.domain_mapping:
        yield ok("domain-mapping", "Domain mapping is enabled.")
    else:
        hint = "Enable it in Ultimate Multisite > Settings > Domain Mapping."
        yield error(
            "domain-mapping",
            "Domain mapping is disabled, so closte-bridge changes nothing on Closte.",
            hint,
        )
    if settings.integration:
        yield ok("integration", "The Closte integration is enabled.")
    else:
        hint = "Run `closte-bridge integration enable`."
        yield error(
            "integration", "The Closte integration is disabled, so closte-bridge changes nothing on Closte.", hint
        )
    yield ok(
        "dns-interval",
        f"closte-bridge checks new domains every {settings.dns_check_interval} s, older ones less often.",
    )


def _plugin(version: str) -> Finding:
    if _line(version) <= _line(NEWEST_TESTED):
        return ok("plugin", f"Ultimate Multisite {version} is active and set up.")
    text = f"Ultimate Multisite {version} is active. closte-bridge was tested with releases up to {NEWEST_TESTED}."
    return warning("plugin", text, "Check whether a newer closte-bridge exists, and review `closte-bridge plan`.")


def _line(version: str) -> tuple[int, ...]:
    """Return the release line: the first two numbers, so that 2.14.9 belongs to 2.14."""
    return tuple(int(number) for number in re.findall(r"\d+", version[:20])[:2])


def of_rows(snapshot: Snapshot, engine: Engine, desire: Desired) -> Findings:
    """Check the mappings for problems."""
    orphans = [m for m in snapshot.mappings if m.blog_id not in snapshot.sites]
    if orphans:
        names = some([f"{m.domain} (id {m.id})" for m in orphans])
        hint = (
            "If the sites are gone permanently, delete the mappings with `closte-bridge domain prune`. "
            "Until then, their domains stay on Closte."
        )
        yield warning("orphan-rows", f"{counted(len(orphans), 'mapping')} without an existing site: {names}.", hint)
    else:
        yield ok("orphan-rows", "Every mapping belongs to an existing site.")
    if desire.contested:
        hint = "Delete the mapping from all sites but one."
        yield warning("conflicts", f"Mapped to several sites: {some([*desire.contested])}.", hint)
    else:
        yield ok("conflicts", "No domain is mapped to several sites.")
    if desire.malformed:
        hint = "Delete the mapping and create it again with a valid domain."
        yield warning(
            "malformed", f"Invalid domains in mappings: {some([repr(m.domain) for m, _ in desire.malformed])}.", hint
        )
    else:
        yield ok("malformed", "Every mapping has a valid domain.")
    yield _stuck(snapshot, engine.clock.now())


def _stuck(snapshot: Snapshot, now: float) -> Finding:
    limit = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now - _STUCK_AFTER))
    # The table is shared: ignore the rows of other networks.
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
        return ok("stuck-stages", "No mapping has been stuck in a stage for more than a day.")
    hint = "See the reason with `closte-bridge domain explain <domain>`."
    return warning("stuck-stages", f"{counted(len(stuck), 'mapping')} stuck in a stage: {some(stuck)}.", hint)


def of_records(engine: Engine, snapshot: Snapshot) -> Finding:
    """Check whether each site has a domain record for its address. Starts `wp` only if one seems to be missing."""
    if (complete := snapshot.complete) is None:
        return skip("missing-records", "Skipped: WordPress could not be read completely.")
    try:
        missing = ask_wordpress(engine, backfillable(complete))
    except BridgeError:
        return skip("missing-records", "Skipped: WordPress fails with plugins loaded.")
    if not missing:
        return ok("missing-records", "Every site has a domain record for its address.")
    names = some([f"{record.domain} (site {record.site})" for record in missing])
    hint = "Create the records with `closte-bridge domain backfill`. If you deleted them, ignore this warning."
    return warning(
        "missing-records", f"{counted(len(missing), 'site')} without a domain record for the address: {names}.", hint
    )


def of_events(snapshot: Snapshot, now: float) -> Findings:
    """Check for events of the shim that have not been processed."""
    oldest = min((event.created for event in snapshot.events), default=None)
    if oldest is not None and now - oldest > _EVENTS_TOO_OLD:
        hint = "Make sure that `closte-bridge watch` or a scheduled `closte-bridge sync` is running."
        count = counted(snapshot.events_waiting, "event")
        yield warning(
            "events", f"{count} waiting, the oldest for {counted(round((now - oldest) / 60), 'minute')}.", hint
        )
    else:
        yield ok("events", f"{counted(snapshot.events_waiting, 'event')} waiting.")


def of_installation(facts: dict[str, Any], now: float, *, remote: bool) -> Findings:
    """Check the facts that `doctor.php` collected with all plugins loaded. `remote`: WordPress is elsewhere."""
    yield ok("wp-cli", f"WP-CLI {facts.get('wp_cli') or '(unknown version)'} works.")
    if facts.get("plugin_loaded"):
        yield ok("plugins-load", "WordPress loads with all its plugins.")
    else:
        hint = "Check PHP's error log: WordPress started, but Ultimate Multisite did not load."
        yield error("plugins-load", "Ultimate Multisite does not load.", hint)
    if facts.get("sunrise_constant") and facts.get("sunrise_file"):
        yield ok("sunrise", "SUNRISE is defined and sunrise.php exists.")
    else:
        missing = "wp-content/sunrise.php is missing" if facts.get("sunrise_constant") else "SUNRISE is not defined"
        hint = (
            "Add `define('SUNRISE', true);` to wp-config.php (on Closte, in the dashboard under additional content). "
            "Let Ultimate Multisite copy its sunrise.php to wp-content."
        )
        yield error("sunrise", f"Mapped domains are not served: {missing}.", hint)
    if facts.get("provider_listens") and not facts.get("active"):
        hint = (
            "Disable the built-in provider with `closte-bridge shim install`. "
            "If the shim is installed, see why it is inactive with `closte-bridge shim status`."
        )
        yield warning("built-in-provider", "Ultimate Multisite's built-in Closte provider is also active.", hint)
    else:
        yield ok("built-in-provider", "The built-in Closte provider is inactive.")
    if remote:
        yield ok("php-functions", "WordPress is on another machine. `closte-bridge watch` asks it for events.")
    elif facts.get("proc_open"):
        yield ok("php-functions", "PHP can start processes, so changes are synced immediately.")
    else:
        hint = "Run `closte-bridge watch` as a service, or schedule `closte-bridge sync`."
        yield warning("php-functions", "PHP's proc_open is disabled, so WordPress cannot start closte-bridge.", hint)
    apart = abs(now - float(facts.get("time") or 0))
    if apart <= _CLOCKS_APART:
        yield ok("clock", "The system clock and the WordPress clock are in sync.")
    else:
        hint = "Enable NTP on both machines."
        yield warning("clock", f"The system clock and the WordPress clock are {apart:.0f} s apart.", hint)
