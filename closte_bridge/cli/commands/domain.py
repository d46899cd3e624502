"""`closte-bridge domain`: one domain at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.checking import check, revive
from closte_bridge.cli.command import BridgeCommand, BridgeGroup
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.plans import FIELDS as PLAN_FIELDS
from closte_bridge.cli.plans import IN_STEP, circumstances, when
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.cli.syncing import run_sync
from closte_bridge.errors import BridgeError, ConfigError, ExitCode, first_that_applies

if TYPE_CHECKING:
    from closte_bridge.engine.inventory import Known
    from closte_bridge.engine.sync import Report
    from closte_bridge.engine.view import Engine
    from closte_bridge.ledger.journal import Entry

FIELDS = ("domain", "site", "stage", "closte", "origin", "state", "reason")
EXTRA = ("ours", "active", "primary", "secure", "until")

_LIST = """
$ closte-bridge domain list --fields=domain,closte,state
domain	closte	state
shop.customer.com	yes	in step
www.shop.customer.com	no	held

$ closte-bridge domain list --state=held --format=ids
www.shop.customer.com
"""
_GET = """
$ closte-bridge domain get shop.customer.com --field=state
in step

$ closte-bridge domain get nobody.example.org
Error: "nobody.example.org" is not known on either side.
"""
_EXPLAIN = """
$ closte-bridge domain explain www.shop.customer.com
www.shop.customer.com: held
WordPress: not mapped.
Closte: not there.
Why: waits until it leads where "shop.customer.com" leads.
Next step: Point the www. name where its name points.

$ closte-bridge domain explain shop.customer.com --field=next_step
Nothing: both sides agree.
"""
_ADD = """
$ closte-bridge domain add legacy.customer.com
Success: Added 1 of 1 domain.

$ closte-bridge domain add legacy.customer.com
Success: Domains already in step.
"""
_REMOVE = """
$ closte-bridge domain remove legacy.customer.com --yes
Success: Removed 1 of 1 domain.

$ closte-bridge domain remove shop.customer.com --yes
Error: "shop.customer.com" is still mapped in WordPress.
"""
_RELEASE = """
$ closte-bridge domain release legacy.customer.com --yes
Success: Released 1 of 1 domain; it stays at Closte.

$ closte-bridge domain release legacy.customer.com --yes
Success: Released 0 of 1 domain; it stays at Closte.
"""


@click.group(cls=BridgeGroup, short_help="List, explain, add and remove domains.", epilog=_LIST)
@global_options
def domain() -> None:
    """List, explain, add and remove domains."""


domain.add_command(check)
domain.add_command(revive)


def _look(engine: Engine, name: str | None = None) -> tuple[list[Known], Report, list[Entry]]:
    from closte_bridge.engine.inventory import inventory  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.sync import Report, Request, plan_of  # noqa: PLC0415 - likewise
    from closte_bridge.engine.view import looked_at  # noqa: PLC0415 - likewise
    from closte_bridge.ledger import journal  # noqa: PLC0415 - likewise

    with engine.opened(), looked_at(engine) as view:
        plan = plan_of(engine, view, Request(dry_run=True))
        history = journal.read(engine.ledger, name=name, limit=20) if engine.ledger and name else []
        return inventory(engine, view, plan), Report(engine.settings.name, view, plan, None), history


def _row(known: Known) -> dict[str, object]:
    mapping = known.mapping
    return {
        "domain": known.name,
        "site": mapping.blog_id if mapping else None,
        "stage": mapping.stage if mapping else None,
        "closte": {True: "yes", False: "no", None: "unknown"}[known.at_closte],
        "origin": known.origin,
        "state": known.state,
        "reason": known.reason,
        "ours": known.ours,
        "active": mapping.active if mapping else None,
        "primary": mapping.primary if mapping else None,
        "secure": mapping.secure if mapping else None,
        "until": when(known.until),
    }


def _sides(report: Report) -> tuple[ExitCode, tuple[Problem, ...], tuple[Problem, ...]]:
    errors, warnings, _ = circumstances(report)
    code = ExitCode.OK if report.plan.observed.readable else ExitCode.UNREADABLE
    return code, tuple(errors), tuple(warnings)


@domain.command("list", cls=BridgeCommand, short_help="List every domain of both sides.", epilog=_LIST)
@click.option("--state", metavar="<state>", help='Only those in this state, such as "held" or "in step".')
@format_options(fields=FIELDS, extra_fields=EXTRA)
@global_options
@pass_app
def list_(app: App, state: str | None) -> Result:
    """List every domain that either side knows, with its stage in WordPress and its state.

    States: in step, to add, to remove, held, withheld, foreign, unknown.
    """
    engine = engine_of(app, app.network())
    known, report, _ = _look(engine)
    code, errors, warnings = _sides(report)
    return Result(
        exit_code=code,
        data=[_row(k) for k in known if state is None or k.state == state],
        fields=FIELDS,
        errors=errors,
        warnings=warnings,
        cost=engine.cost.as_data(),
    )


def _find(app: App, engine: Engine, raw: str) -> tuple[Known, Report, list[Entry]]:
    from closte_bridge.engine.wishes import parse_names  # noqa: PLC0415 - loaded when it is needed

    (name,) = parse_names([raw])
    known, report, history = _look(engine, name)
    found = next((k for k in known if k.name == name), None)
    if found is None:
        raise BridgeError(
            f'"{name}" is not known on either side.',
            code="unknown-domain",
            hint="`closte-bridge domain list` shows those that are; `closte-bridge domain add` pins one.",
            domain=name,
        )
    app.console.debug("domain", f"{name}: {found.state}")
    return found, report, history


@domain.command("get", cls=BridgeCommand, short_help="Show one domain.", epilog=_GET)
@click.argument("name", metavar="<domain>")
@format_options(fields=(*FIELDS, *EXTRA), formats=(Format.TABLE, Format.CSV, Format.JSON, Format.YAML))
@global_options
@pass_app
def get(app: App, name: str) -> Result:
    """Show what both sides know of one domain."""
    engine = engine_of(app, app.network())
    known, report, _ = _find(app, engine, name)
    code, errors, warnings = _sides(report)
    return Result(
        exit_code=code,
        data=_row(known),
        fields=(*FIELDS, *EXTRA),
        errors=errors,
        warnings=warnings,
        cost=engine.cost.as_data(),
    )


@domain.command("explain", cls=BridgeCommand, short_help="Explain one domain in plain words.", epilog=_EXPLAIN)
@click.argument("name", metavar="<domain>")
@format_options(
    fields=("domain", "state", "wordpress", "closte", "why", "next_step", "history"),
    formats=(Format.TABLE, Format.JSON, Format.YAML),
)
@global_options
@pass_app
def explain(app: App, name: str) -> Result:
    """Explain where one domain stands on both sides, why, what was done for it, and what to do next."""
    from closte_bridge.engine.inventory import next_step  # noqa: PLC0415 - loaded by the look before

    engine = engine_of(app, app.network())
    known, report, history = _find(app, engine, name)
    code, errors, warnings = _sides(report)
    mapping = known.mapping
    wordpress = f'mapped to site {mapping.blog_id}, stage "{mapping.stage}"' if mapping else "not mapped"
    there = {True: "there", False: "not there", None: "its list could not be read"}[known.at_closte]
    closte = f"{there}{', ours' if known.ours else ''}"
    until = f" (until {when(known.until)})" if known.until else ""
    past = [f"{when(e.at)} {e.action}: {e.outcome} ({e.cause}){' ' + e.detail if e.detail else ''}" for e in history]
    data = {
        "domain": known.name,
        "state": known.state,
        "wordpress": wordpress,
        "closte": closte,
        "why": f"{known.reason}{until}",
        "next_step": next_step(known),
        "history": past,
    }
    lines = [
        f"{known.name}: {known.state}",
        f"WordPress: {wordpress}.",
        f"Closte: {closte}.",
        *([f"Why: {known.reason.removesuffix('.')}{until}."] if known.reason else []),
        f"Next step: {data['next_step']}",
        *(["History:", *(f"  {line}" for line in past)] if past else []),
    ]
    return Result(
        exit_code=code,
        data=data,
        fields=tuple(data),
        rendered={Format.TABLE: "\n".join(lines)},
        errors=errors,
        warnings=warnings,
        cost=engine.cost.as_data(),
    )


def _names(raw: tuple[str, ...]) -> list[str]:
    from closte_bridge.engine.wishes import parse_names  # noqa: PLC0415 - loaded when it is needed

    if not raw:
        raise ConfigError("Name at least one domain.", code="usage")
    return parse_names(raw)


@domain.command("add", cls=BridgeCommand, short_help="Pin domains: keep them at Closte.", epilog=_ADD)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(fields=PLAN_FIELDS)
@global_options
@pass_app
def add(app: App, domains: tuple[str, ...]) -> Result:
    """Pin domains, so that they are kept at Closte whether they are mapped or not, and add them now.

    Wildcards can be pinned as well: they cannot be mapped in Ultimate Multisite.
    """
    from closte_bridge.engine.sync import Request  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.wishes import pin  # noqa: PLC0415 - likewise

    names = _names(domains)
    pin(engine_of(app, app.network()), names, app.command)
    return run_sync(app, Request(only=frozenset(names), retry=True))


@domain.command("remove", cls=BridgeCommand, short_help="Unpin domains and remove them at Closte.", epilog=_REMOVE)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(fields=PLAN_FIELDS)
@global_options
@pass_app
def remove(app: App, domains: tuple[str, ...]) -> Result:
    """Unpin domains and remove them at Closte, if they are ours and nothing in WordPress or the config wants them.

    A wildcard goes only when every name that it covers is an alias of its own; the sync adds those first.
    """
    from closte_bridge.engine.sync import Request  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.wishes import dismiss  # noqa: PLC0415 - likewise

    names = _names(domains)
    app.console.confirm(f"Remove {', '.join(names[:10])}{' …' if len(names) > 10 else ''} at Closte?")  # noqa: PLR2004 - enough to recognise
    dismissal = dismiss(engine_of(app, app.network()), names, app.command)
    said = tuple(Message("log", f'"{name}" is unpinned; it is not at Closte.') for name in dismissal.unpinned)
    wildcards = any(name.startswith("*.") for name in names)
    # The names behind a wildcard are added by the same run, so it is not narrowed then.
    only = frozenset() if wildcards else frozenset(names)
    return _with_remaining(run_sync(app, Request(only=only, retry=True), said=said), dismissal.removing)


def _with_remaining(result: Result, names: list[str]) -> Result:
    """Return the result of a removal that says which of the names are still there, and why; exit 3 when one is."""
    rows = result.data if isinstance(result.data, list) else []
    kept = [r for r in rows if r["domain"] in names and r["change"] == "remove" and r["status"] == "held"]
    if not kept:
        return result
    warnings = [
        Problem(
            code="not-removed",
            message=f'"{row["domain"]}" is not removed yet: {row["reason"]}. Each sync looks at it again.',
            domain=str(row["domain"]),
        )
        for row in kept
    ]
    return replace(
        result,
        exit_code=first_that_applies({result.exit_code, ExitCode.WITHHELD}),
        status="",
        warnings=(*result.warnings, *warnings),
        # "Already in step" is true of the rest, and not what was asked.
        messages=tuple(m for m in result.messages if m.text != IN_STEP),
    )


@domain.command("release", cls=BridgeCommand, short_help="Forget domains; leave them at Closte.", epilog=_RELEASE)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(formats=(Format.TABLE, Format.JSON))
@global_options
@pass_app
def release(app: App, domains: tuple[str, ...]) -> Result:
    """Let domains go without touching Closte: from then on they are foreign, and `adopt` leaves them so."""
    from closte_bridge.engine.wishes import release as let_go  # noqa: PLC0415 - loaded when it is needed

    names = _names(domains)
    app.console.confirm(f"Forget {len(names)} domain{'s' if len(names) > 1 else ''}, leaving them at Closte?")
    ours = let_go(engine_of(app, app.network()), names, app.command)
    count = f"{len(names)} domain; it stays" if len(names) == 1 else f"{len(names)} domains; they stay"
    text = f"Released {len(ours)} of {count} at Closte."
    return Result(data={"released": ours}, rendered={Format.TABLE: ""}, messages=(Message("success", text),))
