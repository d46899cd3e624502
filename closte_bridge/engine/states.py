"""The state of each domain as people see it in WordPress: codes and arguments, no sentences. No I/O.

`shim/php/closte-bridge/class-states.php` reads the rows; `class-phrases.php` makes sentences of them.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from closte_bridge import __version__
from closte_bridge.checks.advice_text import NO_ADVICE
from closte_bridge.checks.domain_state import begin, domain_state
from closte_bridge.checks.needs import Needs, needs
from closte_bridge.domains import normalise, wildcard_over
from closte_bridge.engine.inventory import inventory, plan_step
from closte_bridge.planning.model import HoldCode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from closte_bridge.checks.advice_text import Advice
    from closte_bridge.checks.domain_state import CheckState, DomainState
    from closte_bridge.engine.inventory import DomainStatus
    from closte_bridge.engine.observation import Observation
    from closte_bridge.planning.model import Plan

MOST_HISTORY = 10
# Bytes of the arguments, as JSON.
MOST_ARGS = 4096
_WITHOUT_PHASE = frozenset({"unmanaged", "gone"})
# Holds of a change that Closte did not make.
_FAILED = frozenset(
    {
        HoldCode.BACK_OFF,
        HoldCode.EXISTS_ELSEWHERE,
        HoldCode.NOT_LISTED,
        HoldCode.NOT_MANAGED,
        HoldCode.REFUSED,
    }
)


def phase_of(known: DomainStatus, check_state: CheckState | None, view: Observation, now: float) -> DomainState | None:
    """Return the phase of a domain at `now`, or None for a domain that no one wants here."""
    if known.state in _WITHOUT_PHASE:
        return None
    # The ledger counts if the list cannot be read, or does not show yet what Closte confirmed.
    listed = known.at_closte is not None and known.code != HoldCode.LIST_LAG
    aliased = bool(known.at_closte) if listed else known.managed
    # A wildcard on Closte serves every domain that it covers.
    aliased = aliased or wildcard_over(known.name) in view.observed.names
    return domain_state(check_state or begin(now), aliased=aliased, now=now, blocked=known.code)


@dataclass(slots=True)
class StateRow:
    """A row of the table in WordPress, without its history. `since` and `next_check` are seconds since the epoch.

    `step` is the customer's next step, which `args` contains as data.
    """

    domain: str
    blog_id: int
    state: str
    status: str
    code: str
    needs: str
    step: Advice
    args: dict[str, Any]
    since: int
    next_check: int

    @property
    def digest(self) -> str:
        """A digest of what people see first. Without what changes at each check, such as the order of addresses."""
        args, step = self.args, self.args["step"]
        records = sorted((r["type"], r["host"], sorted(r["value"]), sorted(r["current"])) for r in step["records"])
        shown = [args[key] for key in ("at_closte", "managed", "dns", "https", "http", "live", "plan_step")]
        return _digest([self.blog_id, self.state, self.status, self.code, self.needs, *shown, step["code"], records])

    @property
    def whole(self) -> str:
        """A digest of the row."""
        columns = [self.blog_id, self.state, self.status, self.code, self.needs, self.args, self.since, self.next_check]
        return _digest(columns)

    def columns(self, history: list[list[Any]]) -> list[Any]:
        """Return the columns after `network_id`, with the arguments as JSON of limited length."""
        args = self.args | {"history": history[:MOST_HISTORY]}
        smaller: tuple[dict[str, Any], ...] = (
            {},
            {"history": history[:1]},
            {"evidence": {}},
            {"step": {"code": "", "args": {}, "records": []}},
        )
        text = ""
        for change in smaller:
            args |= change
            text = json.dumps(args, separators=(",", ":"))
            if len(text) <= MOST_ARGS:
                break
        known = [self.domain, self.blog_id, self.state, self.status, self.code, self.needs]
        return [*known, text, self.since, self.next_check]


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def state_rows(
    view: Observation,
    plan: Plan,
    checks: Mapping[str, CheckState],
    now: float,
    only: Collection[str] | None = None,
) -> Iterator[StateRow]:
    """Yield a row for each domain of this network. `checks` are the last checks by domain. `only`: see `inventory`."""
    for known in inventory(view, plan, only):
        if _is_ours(known) and _is_spelled(known.name):
            yield state_row(known, checks.get(known.name), view, plan, now)


def _is_ours(known: DomainStatus) -> bool:
    """Return whether a domain concerns this network, and not only another one of the installation."""
    return known.code != HoldCode.OTHER_NETWORK and not (known.site == "other-network" and not known.managed)


def _is_spelled(name: str) -> bool:
    try:
        return normalise(name) == name
    except ValueError:
        return False


def state_row(
    known: DomainStatus, check_state: CheckState | None, view: Observation, plan: Plan, now: float
) -> StateRow:
    """Return the row of a domain at `now`. `check_state` is its last check, if any."""
    phase = phase_of(known, check_state, view, now)
    step, plan_code, who = _next(known, phase, plan)
    check = check_state or begin(now)
    return StateRow(
        domain=known.name,
        blog_id=_site(known, view),
        state=phase.phase.value if phase else "",
        status=known.state,
        code=str((phase.reason if phase else "") or known.code),
        needs=who.value,
        step=step,
        args={
            "at_closte": known.at_closte,
            "managed": known.managed,
            "dns": check.dns or None,
            "https": check.tls or None,
            "http": check.http or None,
            "live": check.live,
            "checked_at": _second(check.checked_at),
            "until": _second(known.until),
            "step": step.as_data(),
            "plan_step": plan_code,
            "evidence": dict(check.evidence) | ({"not_after": _second(check.not_after)} if check.not_after else {}),
        },
        since=int(phase.since if phase and check_state else now),
        next_check=int(check.next_check) if check_state else 0,
    )


def _next(known: DomainStatus, phase: DomainState | None, plan: Plan) -> tuple[Advice, str, Needs]:
    """Return the customer's next step, the code of the operator's, and who has to act."""
    advice = phase.next_step if phase else NO_ADVICE
    step = plan_step(known, plan.authority, has_dns_step=advice.code != "")
    return (NO_ADVICE if step else advice), step, needs(advice.code, step, known.code)


def _site(known: DomainStatus, view: Observation) -> int:
    """Return the site of a domain, also of the `www.` form of a mapping; 0 without one."""
    desire, network = view.desire, view.snapshot.network
    if known.mapping is None and known.name in desire.www:
        return desire.mapped[desire.www[known.name]].blog_id
    if known.mapping is None:
        return network.main_site if known.state == "own" else 0
    return max(0, known.mapping.blog_id)


def _second(moment: float | None) -> int | None:
    return None if moment is None else int(moment)


def inputs(view: Observation, plan: Plan, newest_entry: int) -> str:
    """Return a digest of all that the rows depend on, except the checks; much faster than the rows.

    `newest_entry` is the ID of the log's newest entry: it stands for the ledger.
    """
    snapshot, desire, authority = view.snapshot, view.desire, plan.authority
    parts = (
        __version__,
        newest_entry,
        (snapshot.network.id, snapshot.network.domain, snapshot.network.main_site, snapshot.settings),
        zlib.crc32("\n".join([mapping.domain for mapping in snapshot.mappings]).encode()),
        # Hashes of numbers are the same in each process.
        hash(tuple([mapping.blog_id for mapping in snapshot.mappings])),
        hash(tuple([site.network_id for site in snapshot.sites.values()])),
        hash(tuple(snapshot.sites)),
        (len(desire.www), sorted(desire.configured), sorted(desire.pins), sorted(desire.kept)),
        (view.observed.state, _sum(view.observed.names)),
        (authority.mode, authority.code, plan.changes, [(hold.name, hold.code, hold.until) for hold in plan.held]),
        (_sum(plan.unproven), [over.digest for over in plan.over_limit], _sum(plan.unmanaged), sorted(plan.orphaned)),
    )
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _sum(names: Collection[str]) -> tuple[int, int]:
    """Return a sum that does not depend on the order of the names."""
    return len(names), sum(map(zlib.crc32, map(str.encode, names)))


class Counts(NamedTuple):
    """Numbers of domains by view, as in `States::VIEWS` of the shim, and by phase."""

    views: dict[str, int]
    phases: dict[str, int]


def counts_of(rows: Iterable[StateRow]) -> Counts:
    """Count the rows of each view and phase."""
    views: Counter[str] = Counter()
    phases: Counter[str] = Counter()
    for row in rows:
        phases[row.state] += 1
        views.update(views_of(row))
    names = ("all", "live", "needs-customer", "failed", "on-hold", "needs-approval", "unmanaged", "site-gone")
    return Counts({name: views[name] for name in names}, {name: n for name, n in phases.items() if name})


def views_of(row: StateRow) -> Iterator[str]:
    """Yield the views of a row, as in `States::VIEWS` of the shim."""
    yield "all"
    if row.state == "live":
        yield "live"
    if row.needs == Needs.CUSTOMER:
        yield "needs-customer"
    broken = row.state == "blocked" and row.needs == Needs.OPERATOR and row.status in {"in-sync", "own"}
    if row.code in _FAILED or broken:
        yield "failed"
    if row.status in {"on-hold", "needs-approval", "unmanaged"}:
        yield row.status
    if row.status == "orphaned" or row.code == HoldCode.SITE_GONE:
        yield "site-gone"
