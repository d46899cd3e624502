"""Look at single domains, and explain one in plain words: both sides, stage, evidence, history, next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.plans import circumstances, when
from closte_bridge.cli.result import Problem, Result
from closte_bridge.cli.stages import certificate_warnings
from closte_bridge.errors import BridgeError, ExitCode

if TYPE_CHECKING:
    from closte_bridge.checks.life import History
    from closte_bridge.engine.inventory import Known
    from closte_bridge.engine.sync import Report
    from closte_bridge.engine.view import Engine
    from closte_bridge.ledger.journal import Entry

_EXPLAIN = """
$ closte-bridge domain explain www.shop.customer.com
www.shop.customer.com: held
WordPress: not mapped.
Closte: not there.
Checked: 2026-02-03T10:15:00+00:00: DNS unknown, certificate not tried; next look 2026-02-03T10:20:00+00:00.
Why: waits until it leads where "shop.customer.com" leads.
Next step: Point the www. name where its name points.

$ closte-bridge domain explain shop.customer.com --field=next_step
Nothing: both sides agree.
"""

_DAY = 86_400.0
_FIELDS = ("domain", "state", "phase", "wordpress", "closte", "checked", "why", "next_step", "history")


class Found(NamedTuple):
    """What a look at the network gave: names, the report, and of a single name its log and its checks."""

    known: list[Known]
    report: Report
    entries: list[Entry]
    history: History | None
    adopted: float = 0.0


def look(engine: Engine, name: str | None = None) -> Found:
    """Look at both sides and the ledger; with `name`, read what was done and seen of that one as well."""
    from closte_bridge.engine.inventory import inventory  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.sync import Report, Request, plan_of  # noqa: PLC0415 - likewise
    from closte_bridge.engine.view import looked_at  # noqa: PLC0415 - likewise
    from closte_bridge.ledger import histories, journal  # noqa: PLC0415 - likewise

    with engine.opened(), looked_at(engine) as view:
        plan = plan_of(engine, view, Request(dry_run=True))
        entries = journal.read(engine.ledger, name=name, limit=20) if engine.ledger and name else []
        history = histories.load(engine.ledger, [name]).get(name) if engine.ledger and name else None
        known = inventory(engine, view, plan)
        adopted = float(engine.ledger.meta().get("adopted_at", "0")) if engine.ledger else 0.0
        return Found(known, Report(engine.settings.name, view, plan, None), entries, history, adopted)


def look_at_one(engine: Engine, raw: str) -> Found:
    """Look at one domain. Raises BridgeError when neither side knows it."""
    from closte_bridge.engine.wishes import parse_names  # noqa: PLC0415 - loaded when it is needed

    (name,) = parse_names([raw])
    found = look(engine, name)
    known = [k for k in found.known if k.name == name]
    if not known:
        raise BridgeError(
            f'"{name}" is not known on either side.',
            code="unknown-domain",
            hint="`closte-bridge domain list` shows those that are; `closte-bridge domain add` pins one.",
            domain=name,
        )
    return found._replace(known=known)


def sides(report: Report) -> tuple[ExitCode, tuple[Problem, ...], tuple[Problem, ...]]:
    """Return exit code, errors and warnings about the two sides."""
    errors, warnings, _ = circumstances(report)
    code = ExitCode.OK if report.plan.observed.readable else ExitCode.UNREADABLE
    return code, tuple(errors), tuple(warnings)


def _checked(history: History | None, now: float) -> str:
    """Return what was last seen of DNS and certificate, in a sentence's part."""
    if history is None or history.looked is None:
        return "not yet"
    words = f"{when(history.looked)}: DNS {history.dns or 'unknown'}, certificate {history.tls or 'not tried'}"
    if history.not_after is not None and history.leads_here:
        days = (history.not_after - now) / _DAY
        words += f", valid for {days:.0f} days" if days > 0 else f", ended {-days:.0f} days ago"
    return f"{words}; next look {when(history.next_look)}"


def _stage_held(found: Found) -> list[str]:
    """Return why the mapping's stage stays although something is proven, if a rule keeps it."""
    from closte_bridge.checks.life import StageHold, next_stage  # noqa: PLC0415 - loaded when it is needed

    (known,) = found.known
    if known.mapping is None or found.history is None:
        return []
    move = next_stage(known.mapping, found.history, adopted=found.adopted)
    return [f"the stage stays: {move.reason}"] if isinstance(move, StageHold) else []


def _explained(found: Found, now: float) -> dict[str, object]:
    from closte_bridge.checks.life import begin, stand  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.inventory import next_step  # noqa: PLC0415 - loaded by the look before

    (known,) = found.known
    mapping = known.mapping
    there = {True: "there", False: "not there", None: "its list could not be read"}[known.at_closte]
    until = f" (until {when(known.until)})" if known.until else ""
    # What the ledger knows counts as present where the list cannot be read.
    aliased = known.ours if known.at_closte is None else known.at_closte
    life = stand(found.history or begin(now), aliased=aliased, now=now, blocked=known.code)
    reasons = [known.reason.removesuffix(".") + until, *_stage_held(found)]
    return {
        "domain": known.name,
        "state": known.state,
        "phase": life.phase.value if known.origin != "foreign" else None,
        "wordpress": f'mapped to site {mapping.blog_id}, stage "{mapping.stage}"' if mapping else "not mapped",
        "closte": f"{there}{', ours' if known.ours else ''}",
        "checked": _checked(found.history, now),
        "why": "; ".join(filter(None, reasons)),
        # What keeps visitors from their padlock goes before what the two sides still have to do.
        "next_step": life.advice or next_step(known),
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
    """Explain where one domain stands on both sides, why, what was done for it, and what to do next."""
    from closte_bridge.checks.life import EXPIRY_WARNING  # noqa: PLC0415 - loaded when it is needed

    engine = engine_of(app, app.network())
    found = look_at_one(engine, name)
    code, errors, warnings = sides(found.report)
    now = engine.clock.now()
    data = _explained(found, now)
    if found.history and found.history.leads_here and found.history.not_after is not None:
        ends = [(str(data["domain"]), found.history.not_after)]
        warnings = (*warnings, *certificate_warnings([e for e in ends if e[1] <= now + EXPIRY_WARNING], now))
    past = data["history"]
    lines = [
        f"{data['domain']}: {data['state']}",
        f"WordPress: {data['wordpress']}.",
        f"Closte: {data['closte']}.",
        *([f"Checked: {data['checked']}."] if found.history else []),
        *([f"Why: {data['why']}."] if data["why"] else []),
        f"Next step: {data['next_step']}",
        *(["History:", *(f"  {line}" for line in past)] if isinstance(past, list) and past else []),
    ]
    return Result(
        exit_code=code,
        data=data,
        fields=_FIELDS,
        rendered={Format.TABLE: "\n".join(lines)},
        errors=errors,
        warnings=warnings,
        cost=engine.cost.as_data(),
    )
