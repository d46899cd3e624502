"""`domain explain`: explain a domain's current status, with the evidence, the history and the next step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import click

from closte_bridge.checks.advice import for_unknown_dns
from closte_bridge.checks.advice_text import NO_ADVICE, Advice
from closte_bridge.checks.domain_state import DomainPhase, begin, learn
from closte_bridge.checks.model import DnsCode, HttpCode, TlsCode
from closte_bridge.checks.report import advice_data, document, findings
from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.messages import certificate_warnings, side_problems, unknown_domain
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import domain_names, format_options, global_options
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.cli.text import when
from closte_bridge.counts import counted
from closte_bridge.domains import not_public, similar
from closte_bridge.engine.checking import check_pool, diagnosed
from closte_bridge.engine.inventory import inventory, next_step
from closte_bridge.engine.observe import observe
from closte_bridge.engine.run import RunReport, RunRequest, plan_of
from closte_bridge.engine.states import phase_of
from closte_bridge.engine.targets import Targets
from closte_bridge.engine.verify import own_mappings, stages_from
from closte_bridge.errors import BridgeError, ExitCode
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger import log as ledger_log
from closte_bridge.planning.model import HoldCode, Mode

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from closte_bridge.checks.domain_state import CheckState, DomainState
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.inventory import DomainStatus
    from closte_bridge.ledger.log import LogEntry

_EXPLAIN = """
$ closte-bridge domain explain www.shop.customer.com
www.shop.customer.com: not live, waits for its DNS
State: on-hold
WordPress: not mapped
Closte: not present
Phase: blocked (waits for its DNS) since 2026-02-03T10:15:00+00:00
Checked: 2026-02-03T10:15:00+00:00: DNS unknown, certificate not checked; next check 2026-02-03T10:20:00+00:00
Now: "www.shop.customer.com" could not be checked.
Now: It is unknown where it should point: the network's main domain could not be resolved.
Why: waiting for DNS to point to the same address as "shop.customer.com"
Next step: Check this machine's internet connection, then the domain's nameservers. No DNS server gave a usable answer.

$ closte-bridge domain explain shop.customer.com --field=closte
present, managed
"""

_DAY = 86_400.0
_FIELDS = (
    "domain", "summary", "state", "phase", "since", "live", "wordpress", "closte", "checked", "findings", "why",
    "next_step", "history", "evidence",
)  # fmt: skip
# Seconds that the DNS and certificate check of one domain may take; after that, the recorded check is shown.
_CHECK_TIMEOUT = 20.0


class DomainFindings(NamedTuple):
    """The domains of a network and the report, and for a single domain its log and its checks."""

    known: list[DomainStatus]
    report: RunReport
    entries: list[LogEntry]
    check_state: CheckState | None
    expiring: list[tuple[str, float]]
    check_states: MappingType[str, CheckState]
    stage_held: str = ""
    findings: tuple[str, ...] = ()
    evidence: MappingType[str, object] | None = None
    dns_step: Advice = NO_ADVICE


def inspect_network(engine: Engine, name: str | None = None, *, check: bool = False) -> DomainFindings:
    """Read WordPress, Closte and the ledger; with `name`, also the log and the last check of that domain.

    With `check`, check its DNS, its certificate and what visitors get now. The result shows what a sync would record;
    nothing is recorded.
    """
    with engine.opened(), observe(engine) as view:
        plan = plan_of(engine, view, RunRequest(dry_run=True))
        entries = ledger_log.read(engine.ledger, name=name, limit=20) if engine.ledger and name else []
        known = inventory(view, plan)
        names = [name] if name else [one.name for one in known]
        states = check_states.load(engine.ledger, names) if engine.ledger else {}
        check_state = states.get(name) if name else None
        # If checks are disabled, recorded certificates are out of date.
        checked = engine.ledger if engine.settings.checks else None
        expiring = check_states.expiring(checked, view.now) if checked else []
        report = RunReport(engine.settings.name, view, plan, None)
        found = DomainFindings(known, report, entries, check_state, expiring, states)
        return _checked_now(engine, found, name) if name and check else found


def _checked_now(engine: Engine, found: DomainFindings, name: str) -> DomainFindings:
    """Add a check of one domain made now, and the stage that follows from it."""
    known = next((k for k in found.known if k.name == name), None)
    if known is None or known.state == "unmanaged":
        return found
    settings, snapshot = engine.settings, found.report.view.snapshot
    if settings.checks and not not_public(name.removeprefix("*.")):
        end = time.monotonic() + _CHECK_TIMEOUT
        targets = Targets(snapshot, found.report.view.desire)
        pool = check_pool(engine, snapshot, targets, should_stop=lambda: time.monotonic() > end)
        results = pool.check([name])
        for checked in diagnosed(engine, targets, results) or results:
            check_state = found.check_state or begin(checked.at)
            check_state = learn(check_state, checked, interval=snapshot.settings.dns_check_interval)
            # This check is not recorded, so the next one is still due when it was.
            due = found.check_state.next_check if found.check_state else checked.at
            ends, warn_at = check_state.not_after, check_state.warn_at
            warn = check_state.points_here and warn_at is not None and warn_at <= checked.at
            found = found._replace(
                check_state=check_state._replace(next_check=due),
                findings=tuple(findings(checked)),
                evidence=document(checked)["evidence"],
                dns_step=for_unknown_dns(checked.dns),
                expiring=[(name, ends)] if warn and ends is not None else [],
            )
    if engine.ledger and known.mapping and found.check_state:
        desire, now = found.report.view.desire, engine.clock.now()
        stages = stages_from(engine.ledger, own_mappings(snapshot), {name: found.check_state}, desire, now)
        held = dict.fromkeys(f"stage unchanged: {held.reason}" for held in stages.holds)
        found = found._replace(stage_held="; ".join(held))
    return found


def inspect_domain(engine: Engine, name: str, *, check: bool = False) -> DomainFindings:
    """Return `inspect_network` for one domain.

    Raises BridgeError with exit code 4, as a sync of it, if neither WordPress nor Closte knows it.
    """
    found = inspect_network(engine, name, check=check)
    known = [k for k in found.known if k.name == name]
    if not known:
        problem = unknown_domain(name, similar(name, (k.name for k in found.known)))
        message, hint = problem.message, problem.hint
        if found.entries:
            message = f'Unknown domain "{name}": no longer found in WordPress or on Closte.'
            hint = f"Run `closte-bridge log {name}` to see its history."
        raise BridgeError(message, code=problem.code, hint=hint, exit_code=ExitCode.SOME_FAILED, domain=name)
    return found._replace(known=known)


class SideMessages(NamedTuple):
    """Exit code and messages about WordPress and Closte, the same for every domain."""

    code: ExitCode
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    remarks: tuple[Message, ...]


def side_messages(report: RunReport) -> SideMessages:
    """Return exit code, errors, warnings and remarks about WordPress and Closte."""
    errors, warnings, remarks = side_problems(report)
    found = SideMessages(ExitCode.OK, tuple(errors), tuple(warnings), tuple(remarks))
    plan = report.plan
    if plan.observed.readable:
        return found
    if plan.authority.mode is Mode.INACTIVE:
        text = f"Could not read Closte's list: {plan.observed.reason}"
        unreadable = Problem(code="list-unreadable", message=text, hint=f"This is expected: {plan.authority.reason}.")
        return found._replace(errors=(), warnings=(unreadable, *warnings))
    return found._replace(code=ExitCode.UNREADABLE)


def expiry_warnings(found: DomainFindings) -> list[Problem]:
    """Return warnings about certificates of these domains that have expired or soon will."""
    names = {known.name for known in found.known}
    return certificate_warnings([e for e in found.expiring if e[0] in names], found.report.view.now)


def _checked(check_state: CheckState | None, now: float) -> str:
    """Return the last check as a clause."""
    if check_state is None or check_state.checked_at is None:
        return "not checked yet"
    dns, tls, validity = check_state.dns or "unknown", check_state.tls or "not checked", ""
    if check_state.not_after is not None and check_state.points_here:
        days = (check_state.not_after - now) / _DAY
        count = counted(round(abs(days)), "day")
        validity = f", valid for {count}" if days > 0 else f", valid until {count} ago"
    answer = f", HTTP {check_state.http}" if check_state.http else ""
    made, due = when(check_state.checked_at), when(check_state.next_check)
    return f"{made}: DNS {dns}, certificate {tls}{validity}{answer}; next check {due}"


def _in_wordpress(known: DomainStatus) -> str:
    if known.state == "own":
        return "the network's main domain"
    if known.mapping is None:
        return "not mapped"
    odd = {"gone": ", which does not exist", "other-network": " of another network"}.get(known.site, "")
    return f'mapped to site {known.mapping.blog_id}{odd}, stage "{known.mapping.stage}"'


def _waits_for(status: DomainState) -> str:
    """Return what a blocked domain waits for, or an empty string: another hold explains itself."""
    if status.phase is not DomainPhase.BLOCKED:
        return ""
    if status.reason == HoldCode.WWW_UNPROVEN or status.reason in {code.value for code in DnsCode}:
        return "its DNS"
    if status.reason in {code.value for code in TlsCode}:
        return "a valid certificate"
    return "its website" if status.reason in {code.value for code in HttpCode} else ""


def _summary(known: DomainStatus, status: DomainState | None, check_state: CheckState | None) -> str:
    """Return what is wrong in a few words."""
    if check_state is not None and check_state.live:
        return "live"
    unchecked = check_state is None or check_state.checked_at is None
    if status is None or unchecked or known.state in {"orphaned", "needs-approval", "to-remove", "own"}:
        return known.state
    if waits := _waits_for(status):
        return f"not live, waits for {waits}"
    return f"not live, {known.state if known.state != 'in-sync' else status.phase}"


def _explained(found: DomainFindings, now: float) -> dict[str, object]:
    (known,) = found.known
    unread = "unknown (Closte's list could not be read)"
    present = {True: "present", False: "not present", None: unread}[known.at_closte]
    until = f" (until {when(known.until)})" if known.until else ""
    status = phase_of(known, found.check_state, found.report.view, now)
    reasons = [f"{known.reason}{until}", found.stage_held]
    authority = found.report.plan.authority
    advice = (status.next_step if status.next_step.code else found.dns_step) if status else NO_ADVICE
    step = next_step(known, authority, advice.text)
    return {
        "domain": known.name,
        "summary": _summary(known, status, found.check_state),
        "state": known.state,
        "phase": status.phase.value if status else None,
        "waits_for": _waits_for(status) if status else "",
        "since": when(status.since) if status and found.check_state else None,
        "live": found.check_state is not None and found.check_state.live,
        "wordpress": _in_wordpress(known),
        "closte": f"{present}{', managed' if known.managed else ''}",
        "checked": _checked(found.check_state, now),
        "findings": list(found.findings),
        "evidence": found.evidence,
        "why": "; ".join(filter(None, reasons)),
        "next_step": step,
        # If another next step comes first, the domain does not wait for its records.
        **advice_data(advice if step == advice.text else NO_ADVICE),
        "history": [
            {"at": when(e.at), "action": e.action, "outcome": e.outcome, "cause": e.cause, "detail": e.detail}
            for e in found.entries
        ],
    }


def _entry(e: LogEntry) -> str:
    return f"{when(e.at)} {e.action}: {e.outcome} ({e.cause}){' ' + e.detail if e.detail else ''}"


@click.command("explain", cls=BridgeCommand, short_help="Explain a domain's current status.", epilog=_EXPLAIN)
@click.argument("name", metavar="<domain>")
@format_options(fields=_FIELDS, formats=(Format.TABLE, Format.JSON, Format.YAML))
@global_options
@pass_app
def explain(app: App, name: str) -> Result:
    """Explain a domain's status in WordPress and on Closte, check it now, and suggest the next step.

    Changes and records nothing. Exits with code 4 if neither WordPress nor Closte knows the domain.
    """
    engine = engine_of(app, app.network())
    found = inspect_domain(engine, *domain_names(app, [name]), check=True)
    code, errors, warnings, remarks = side_messages(found.report)
    data = _explained(found, engine.clock.now())
    waits = f" (waits for {data['waits_for']})" if data["waits_for"] else ""
    since = f" since {data['since']}" if data["since"] else ""
    lines = [
        f"{data['domain']}: {data['summary']}",
        *([f"State: {data['state']}"] if data["state"] != data["summary"] else []),
        f"WordPress: {data['wordpress']}",
        f"Closte: {data['closte']}",
        *([f"Phase: {data['phase']}{waits}{since}"] if data["phase"] else []),
        *([f"Checked: {data['checked']}"] if found.check_state else []),
        *(f"Now: {text}" for text in found.findings),
        *([f"Why: {data['why']}"] if data["why"] else []),
        f"Next step: {data['next_step']}",
        *(["History:", *(f"  {_entry(e)}" for e in found.entries)] if found.entries else []),
    ]
    return Result(
        exit_code=code,
        data=data,
        fields=_FIELDS,
        rendered={Format.TABLE: "\n".join(lines)},
        messages=remarks,
        errors=errors,
        warnings=(*warnings, *expiry_warnings(found)),
        cost=engine.cost.as_data(),
    )
