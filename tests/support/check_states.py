"""Short constructors of both sides and the ledger, and short queries of plans, for tests of the planner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from closte_bridge.checks.advice_text import NO_ADVICE, Advice, AdviceCode
from closte_bridge.hosting import Completeness
from closte_bridge.ledger.state import Absence, AliasPhase, Evidence, FailedChange, LedgerState, Origin, Unsettled
from closte_bridge.planning.additions import PlanContext
from closte_bridge.planning.completeness import Observed
from closte_bridge.planning.desired import DomainPolicy, desired
from closte_bridge.planning.model import Authority, Mode
from closte_bridge.planning.plan import make_plan
from closte_bridge.wordpress.events import EventKind
from closte_bridge.wordpress.snapshot import Event, Mapping, Network, Owner, PluginSettings, Site, Snapshot, WwwPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from closte_bridge.planning.model import Hold, Plan

MAIN = "network.org"
NOW = 1_800_000_000.0
MINUTE, HOUR, DAY, WEEK = 60.0, 3600.0, 86400.0, 604800.0
ENGINE = "engine-1"
_NETWORK: dict[str, Any] = {
    "id": 1,
    "domain": MAIN,
    "main_site": 1,
    "environment": "production",
    "database": "0123456789abcdef",
    "app_id": "app",
    "root": "/var/www/html/",
    "wordpress": "7.1.1",
    "php": "8.2",
}
_SETTINGS: dict[str, Any] = {
    "plugin_version": "2.14.2",
    "domain_mapping": True,
    "dns_check_interval": 300,
    "integration": True,
}


def a_step(text: str) -> Advice:
    """Return a next step with this text."""
    return Advice(AdviceCode.TEXT, {"text": text}) if text else NO_ADVICE


def a_site(number: int, domain: str = "", network: int = 1) -> Site:
    """Return an active site."""
    return Site(number, network, domain or f"site{number}.{MAIN}", archived=False, spam=False, deleted=False)


def a_row(domain: str, blog: int = 1, number: int = 1, stage: str = "done") -> Mapping:
    """Return a mapping."""
    return Mapping(
        number, blog, domain, active=True, primary=True, secure=True, stage=stage, created=None, modified=None
    )


def a_snapshot(
    *mapped: str | Mapping,
    sites: Iterable[Site] = (),
    www: WwwPolicy = WwwPolicy.NEVER,
    faults: tuple[str, ...] = (),
    events: Iterable[Event] = (),
    owner: str | None = ENGINE,
    settings: dict[str, Any] | None = None,
    network: dict[str, Any] | None = None,
    highest: tuple[int, int] = (1, 1),
) -> Snapshot:
    """Return a snapshot, as read with `wp`. Plain domains are mapped to site 1, which always exists."""
    rows = [row if isinstance(row, Mapping) else a_row(row, number=n) for n, row in enumerate(mapped, 1)]
    found = list(events)
    return Snapshot(
        network=Network(**{**_NETWORK, **(network or {})}),
        settings=PluginSettings(**{**_SETTINGS, "www": www, **(settings or {})}),
        owner=None if owner is None else Owner(owner, "host-1", "2026-01-01T00:00:00+00:00"),
        sites={site.id: site for site in (a_site(1, MAIN), *sites)},
        mappings=rows,
        highest_site=highest[0],
        highest_mapping=highest[1],
        events=found,
        events_waiting=len(found),
        shim_table=True,
        faults=faults,
    )


def a_list(*names: str, state: Completeness = Completeness.COMPLETE) -> Observed:
    """Return a read of Closte's list, which always includes the network's main domain."""
    if state is Completeness.UNREADABLE:
        return Observed(state, frozenset(), "the answer was garbage")
    reason = "" if state is Completeness.COMPLETE else "some entries were odd"
    return Observed(state, frozenset({MAIN, *names}), reason)


def partial(*names: str) -> Observed:
    """Return an incomplete list, in which missing domains prove nothing."""
    return a_list(*names, state=Completeness.PARTIAL)


UNREADABLE = a_list(state=Completeness.UNREADABLE)


def a_ledger(*managed: str, origins: dict[str, Origin] | None = None, **more: Any) -> LedgerState:  # noqa: ANN401 - any field
    """Return a ledger with managed aliases; they come from mappings unless `origins` says otherwise."""
    aliases = {name: int(Origin.MAPPING) for name in managed}
    aliases |= {name: int(origin) for name, origin in (origins or {}).items()}
    for field in (
        "pins",
        "leaving",
        "released",
        "former_domains",
        "added_lately",
        "added_this_week",
        "removed_lately",
        "pointing_www",
    ):
        if field in more:
            more[field] = frozenset(more[field])
    return LedgerState(managed=aliases, **more)


def waiting_for(
    phase: AliasPhase, *, since: float = NOW - MINUTE, absent_before: bool = True, origin: Origin = Origin.MAPPING
) -> Unsettled:
    """Return a change whose answer was lost."""
    return Unsettled(phase, origin, since, absent_before)


def missing(times: int = 3, *, since: float = NOW - 2 * DAY, last: float = NOW - HOUR) -> Absence:
    """Return an absence; by default, it has lasted long enough at the next read."""
    return Absence(since, times, last)


def told(ago: float = HOUR, kind: EventKind = EventKind.REMOVED) -> Evidence:
    """Return the evidence of an event that was reported `ago` seconds ago."""
    return Evidence(kind, NOW - ago)


def trouble(*, until: float = NOW + HOUR, refused: bool = False, attempts: int = 1, action: str = "") -> FailedChange:
    """Return a failed change that is retried at `until`."""
    return FailedChange(attempts, until, refused, 'Closte answered "no".', NOW - DAY, action, attempts * refused)


def a_plan(snapshot: Snapshot, observed: Observed, ledger: LedgerState, **more: Any) -> Plan:  # noqa: ANN401 - any option
    """Make a plan at `NOW` with defaults for all other arguments; `config` holds fields of the policy."""
    config = more.pop("config", {})
    policy, retry = DomainPolicy(**config), more.pop("retry", False)
    desire = desired(snapshot, policy, ledger)
    context = PlanContext(snapshot, observed, ledger, policy, desire, more.pop("now", NOW), retry)
    return make_plan(context, more.pop("authority", Authority(Mode.FULL)), **more)


def adds(plan: Plan) -> list[str]:
    """Return the domains that the plan adds."""
    return [change.name for change in plan.additions]


def removes(plan: Plan) -> list[str]:
    """Return the domains that the plan removes."""
    return [change.name for change in plan.removals]


def holds(plan: Plan) -> dict[str, str]:
    """Return the code of each domain that the plan holds."""
    return {hold.name: hold.code for hold in plan.holds}


def the_hold(plan: Plan, name: str) -> Hold:
    """Return the only hold of the domain `name`."""
    (hold,) = [hold for hold in plan.holds if hold.name == name]
    return hold
