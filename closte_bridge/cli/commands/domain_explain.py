"""Look at single domains, and explain one in plain words: both sides, stage, evidence, history, next step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import domain_names, format_options, global_options
from closte_bridge.cli.plans import side_problems, when
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.cli.stages import certificate_warnings
from closte_bridge.counts import counted
from closte_bridge.errors import BridgeError, ExitCode
from closte_bridge.planning.model import NOT_LISTED_YET, Mode

if TYPE_CHECKING:
    from closte_bridge.checks.domain_state import CheckState
    from closte_bridge.checks.model import DomainCheck
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.inventory import DomainStatus
    from closte_bridge.engine.run import RunReport
    from closte_bridge.ledger.log import LogEntry

_EXPLAIN = """
$ closte-bridge domain explain www.shop.customer.com
www.shop.customer.com: on-hold
WordPress: not mapped.
Closte: not there.
Phase: blocked since 2026-02-03T10:15:00+00:00.
Checked: 2026-02-03T10:15:00+00:00: DNS unknown, certificate not tried; next look 2026-02-03T10:20:00+00:00.
Now: "www.shop.customer.com" could not be checked.
Now: It is unknown where it should point: the network's main domain could not be resolved.
Why: waits until it leads where "shop.customer.com" leads.
Next step: Check this machine's own way to the internet, then the domain's nameservers: no DNS server could tell.

$ closte-bridge domain explain shop.customer.com --field=closte
there, ours
"""

_DAY = 86_400.0
_FIELDS = (
    "domain", "state", "phase", "since", "wordpress", "closte", "checked", "evidence", "why", "next_step", "history",
)  # fmt: skip
# Seconds that a look at one name's DNS and certificate may take; then what is remembered has to do.
_PATIENCE = 20.0


class DomainFindings(NamedTuple):
    """What a look at the network gave: names, the report, and of a single name its log and its checks."""

    known: list[DomainStatus]
    report: RunReport
    entries: list[LogEntry]
    check_state: CheckState | None
    expiring: list[tuple[str, float]]
    stage_held: str = ""
    evidence: tuple[str, ...] = ()
    unjudged: str = ""
    records: tuple[dict[str, object], ...] = ()


def inspect_network(engine: Engine, name: str | None = None, *, check: bool = False) -> DomainFindings:
    """Look at both sides and the ledger; with `name`, read what was done and seen of that one as well.

    With `check`, look at its DNS and certificate, too: the history is what it would be then. Nothing is remembered.
    """
    from closte_bridge.checks.domain_state import EXPIRY_WARNING  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.inventory import inventory  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.observe import observe  # noqa: PLC0415 - likewise
    from closte_bridge.engine.run import RunReport, RunRequest, plan_of  # noqa: PLC0415 - likewise
    from closte_bridge.ledger import check_state as check_states  # noqa: PLC0415 - likewise
    from closte_bridge.ledger import log as ledger_log  # noqa: PLC0415 - likewise

    with engine.opened(), observe(engine) as view:
        plan = plan_of(engine, view, RunRequest(dry_run=True))
        entries = ledger_log.read(engine.ledger, name=name, limit=20) if engine.ledger and name else []
        check_state = check_states.load(engine.ledger, [name]).get(name) if engine.ledger and name else None
        known = inventory(engine, view, plan)
        # Without checks, what was seen once says nothing of today.
        told = engine.ledger if engine.settings.checks else None
        ends = check_states.expiring(told, view.now + EXPIRY_WARNING) if told else []
        found = DomainFindings(known, RunReport(engine.settings.name, view, plan, None), entries, check_state, ends)
        return _checked_now(engine, found, name) if name and check else found


def _checked_now(engine: Engine, found: DomainFindings, name: str) -> DomainFindings:
    """Add what is to be seen of one name at this moment, and what its stage makes of it."""
    from closte_bridge.checks.domain_state import EXPIRY_WARNING, begin, learn  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.checks.pool import CheckPool  # noqa: PLC0415 - likewise
    from closte_bridge.checks.report import findings, records_to_set  # noqa: PLC0415 - likewise
    from closte_bridge.domains import not_public  # noqa: PLC0415 - likewise
    from closte_bridge.engine.verify import own_mappings, stages_from  # noqa: PLC0415 - likewise

    known = next((k for k in found.known if k.name == name), None)
    if known is None or known.state == "unmanaged":
        return found
    settings, snapshot = engine.settings, found.report.view.snapshot
    if settings.checks and not not_public(name.removeprefix("*.")):
        end = time.monotonic() + _PATIENCE
        pool = CheckPool(
            main_domain=snapshot.network.domain,
            dns=settings.dns,
            tls=settings.tls,
            edges=engine.edges,
            now=engine.clock.now,
            should_stop=lambda: time.monotonic() > end,
        )
        for checked in pool.check([name]):
            check_state = found.check_state or begin(checked.at)
            check_state = learn(check_state, checked, interval=snapshot.settings.dns_check_interval)
            seen = tuple(findings(checked))
            # When it is looked at again is up to the runs, which know nothing of this look.
            due = found.check_state.next_check if found.check_state else checked.at
            found = found._replace(
                check_state=check_state._replace(next_check=due), evidence=seen, unjudged=_unjudged(checked)
            )
            end_seen = check_state.not_after
            ending = check_state.points_here and end_seen is not None and end_seen <= checked.at + EXPIRY_WARNING
            found = found._replace(records=tuple(records_to_set(checked)))
            found = found._replace(expiring=[(name, end_seen)] if ending and end_seen is not None else [])
    if engine.ledger and known.mapping and found.check_state:
        desire, now = found.report.view.desire(engine), engine.clock.now()
        stages = stages_from(engine.ledger, own_mappings(snapshot), {name: found.check_state}, desire, now)
        held = dict.fromkeys(f"the stage stays: {held.reason}" for held in stages.holds)
        found = found._replace(stage_held="; ".join(held))
    return found


def inspect_domain(engine: Engine, name: str, *, check: bool = False) -> DomainFindings:
    """Look at one domain, see `look`. Raises BridgeError when neither side knows it."""
    found = inspect_network(engine, name, check=check)
    known = [k for k in found.known if k.name == name]
    if not known and found.entries:
        raise BridgeError(
            f'"{name}" is no longer known on either side.',
            code="unknown-domain",
            hint=f"`closte-bridge log {name}` shows what was done with it.",
            domain=name,
        )
    if not known:
        raise BridgeError(
            f'"{name}" is not known on either side.',
            code="unknown-domain",
            hint="`closte-bridge domain list` shows those that are; `closte-bridge domain add` pins one.",
            domain=name,
        )
    return found._replace(known=known)


class SideMessages(NamedTuple):
    """What is to be said of the two sides, whichever names are asked for."""

    code: ExitCode
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    remarks: tuple[Message, ...]


def side_messages(report: RunReport) -> SideMessages:
    """Return exit code, errors, warnings and remarks about the two sides."""
    errors, warnings, remarks = side_problems(report)
    found = SideMessages(ExitCode.OK, tuple(errors), tuple(warnings), tuple(remarks))
    plan = report.plan
    if plan.observed.readable:
        return found
    if plan.authority.mode is Mode.INACTIVE:
        text = f"Closte's list could not be read: {plan.observed.reason}"
        unseen = Problem(code="list-unreadable", message=text, hint=f"It need not be: {plan.authority.reason}.")
        return found._replace(errors=(), warnings=(unseen, *warnings))
    return found._replace(code=ExitCode.UNREADABLE)


def ends(found: DomainFindings) -> list[Problem]:
    """Return warnings about certificates of the names found that have ended or soon will."""
    names = {known.name for known in found.known}
    return certificate_warnings([e for e in found.expiring if e[0] in names], found.report.view.now)


def _checked(check_state: CheckState | None, now: float) -> str:
    """Return what was last seen of DNS and certificate, in a sentence's part."""
    if check_state is None or check_state.checked_at is None:
        return "not yet"
    dns, tls = check_state.dns or "unknown", check_state.tls or "not tried"
    words = f"{when(check_state.checked_at)}: DNS {dns}, certificate {tls}"
    if check_state.not_after is not None and check_state.points_here:
        days = (check_state.not_after - now) / _DAY
        words += (
            f", valid for {counted(round(days), 'day')}" if days > 0 else f", ended {counted(round(-days), 'day')} ago"
        )
    return f"{words}; next look {when(check_state.next_check)}"


def _in_wordpress(known: DomainStatus) -> str:
    if known.state == "own":
        return "the network's own domain"
    if known.mapping is None:
        return "not mapped"
    odd = {"gone": ", which does not exist", "other-network": " of another network"}.get(known.site, "")
    return f'mapped to site {known.mapping.blog_id}{odd}, stage "{known.mapping.stage}"'


def _unjudged(checked: DomainCheck) -> str:
    """Return what to do about a domain whose DNS could not be judged, or nothing if it could."""
    from closte_bridge.checks.model import DnsCode, LookupOutcome  # noqa: PLC0415 - loaded by the look before

    if checked.dns.code is not DnsCode.UNKNOWN:
        return ""
    outcomes = {answer.outcome for answer in checked.dns.answers if answer.outcome.conclusive}
    if not outcomes:
        return "Check this machine's own way to the internet, then the domain's nameservers: no DNS server could tell."
    targets = "no resolver could look up the network's own domain. Set `dns.targets` in the config."
    if LookupOutcome.ADDRESSES not in outcomes:
        return (
            f"Add an A record for {checked.name} with the address of this network: it does not resolve. "
            f"The address is not known here, because {targets}"
        )
    return f"It is not known where {checked.name} should point: {targets}"


def _explained(found: DomainFindings, now: float) -> dict[str, object]:
    from closte_bridge.checks.domain_state import begin, domain_state  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.domains import wildcard_over  # noqa: PLC0415 - likewise
    from closte_bridge.engine.inventory import next_step  # noqa: PLC0415 - loaded by the look before

    (known,) = found.known
    there = {True: "there", False: "not there", None: "its list could not be read"}[known.at_closte]
    until = f" (until {when(known.until)})" if known.until else ""
    # What the ledger knows counts as present where the list cannot be read, or does not show yet what Closte confirmed.
    shown = known.at_closte is not None and known.code != NOT_LISTED_YET
    aliased = bool(known.at_closte) if shown else known.managed
    # What a wildcard on Closte covers is reached through it.
    aliased = aliased or wildcard_over(known.name) in found.report.view.observed.names
    life = domain_state(found.check_state or begin(now), aliased=aliased, now=now, blocked=known.code)
    reasons = [known.reason.removesuffix(".") + until, found.stage_held]
    judged = known.state not in {"unmanaged", "gone"}
    authority = found.report.plan.authority
    step = next_step(known, authority, life.advice or found.unjudged if judged else "")
    return {
        "domain": known.name,
        "state": known.state,
        "phase": life.phase.value if judged else None,
        "since": when(life.since) if judged and found.check_state else None,
        "wordpress": _in_wordpress(known),
        "closte": f"{there}{', ours' if known.managed else ''}",
        "checked": _checked(found.check_state, now),
        "evidence": list(found.evidence),
        "why": "; ".join(filter(None, reasons)),
        "next_step": step,
        # Another next step comes first: records are not what the domain waits for.
        "records_to_set": list(found.records) if step == life.advice else [],
        "history": [
            f"{when(e.at)} {e.action}: {e.outcome} ({e.cause}){' ' + e.detail if e.detail else ''}"
            for e in found.entries
        ],
    }


@click.command("explain", cls=BridgeCommand, short_help="Explain one domain in plain words.", epilog=_EXPLAIN)
@click.argument("name", metavar="<domain>")
@format_options(fields=_FIELDS, formats=(Format.TABLE, Format.JSON, Format.YAML))
@global_options
@pass_app
def explain(app: App, name: str) -> Result:
    """Explain where one domain stands on both sides, what its DNS and certificate show now, why, and what to do next.

    Looks at DNS and certificate, and changes and remembers nothing.
    """
    engine = engine_of(app, app.network())
    found = inspect_domain(engine, *domain_names(app, [name]), check=True)
    code, errors, warnings, remarks = side_messages(found.report)
    data = _explained(found, engine.clock.now())
    past = data["history"]
    since = f" since {data['since']}" if data["since"] else ""
    lines = [
        f"{data['domain']}: {data['state']}",
        f"WordPress: {data['wordpress']}.",
        f"Closte: {data['closte']}.",
        *([f"Phase: {data['phase']}{since}."] if data["phase"] else []),
        *([f"Checked: {data['checked']}."] if found.check_state else []),
        *(f"Now: {text}" for text in found.evidence),
        *([f"Why: {data['why']}."] if data["why"] else []),
        f"Next step: {data['next_step']}",
        *(["History:", *(f"  {line}" for line in past)] if isinstance(past, list) and past else []),
    ]
    return Result(
        exit_code=code,
        data=data,
        fields=_FIELDS,
        rendered={Format.TABLE: "\n".join(lines)},
        messages=remarks,
        errors=errors,
        warnings=(*warnings, *ends(found)),
        cost=engine.cost.as_data(),
    )
