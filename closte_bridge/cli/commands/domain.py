"""`closte-bridge domain`: one domain at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand, BridgeGroup
from closte_bridge.cli.commands.domain_backfill import backfill
from closte_bridge.cli.commands.domain_check import check, revive
from closte_bridge.cli.commands.domain_explain import ends, explain, inspect_domain, inspect_network, side_messages
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import domain_names, format_options, global_options, some_domain_names
from closte_bridge.cli.plans import FIELDS as PLAN_FIELDS
from closte_bridge.cli.plans import when
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.cli.syncing import run_sync
from closte_bridge.counts import counted
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from closte_bridge.engine.inventory import DomainStatus

STATES = (
    "in-sync",
    "to-add",
    "to-remove",
    "on-hold",
    "needs-approval",
    "unmanaged",
    "gone",
    "unknown",
    "orphaned",
    "own",
)
FIELDS = ("domain", "site", "stage", "closte", "origin", "state", "reason")
EXTRA = ("managed", "active", "primary", "secure", "until")

_LIST = """
$ closte-bridge domain list --fields=domain,closte,state
domain	closte	state
network.example.com	yes	own
one.network.example.com	yes	in-sync
shop.customer.com	yes	in-sync
two.network.example.com	yes	in-sync
www.shop.customer.com	no	on-hold

$ closte-bridge domain list --state=on-hold --format=ids
www.shop.customer.com
"""
_GET = """
$ closte-bridge domain get shop.customer.com --field=state
in-sync

$ closte-bridge domain get nobody.example.org
Error: "nobody.example.org" is not known on either side.
`closte-bridge domain list` shows those that are; `closte-bridge domain add` pins one.
"""
_ADD = """
$ closte-bridge domain add legacy.customer.com
Network "network.example.com": 1 to add, 0 to remove, 3 in step.
  +  legacy.customer.com  pinned
Checked 1 domain: 0 with their padlock.
Success: Added 1 of 1 domain.
Cost: 2 wp calls (0.82 s), 3 API calls (0.37 s), planning 0.001 s.

$ closte-bridge domain add legacy.customer.com --quiet --format=count
0
"""
_REMOVE = """
$ closte-bridge domain remove legacy.customer.com --yes
Network "network.example.com": 0 to add, 1 to remove, 3 in step.
  -  legacy.customer.com  removed by command
Success: Removed 1 of 1 domain.
Cost: 3 wp calls (1.23 s), 3 API calls (0.37 s), planning 0.001 s.

$ closte-bridge domain remove shop.customer.com --yes
Error: "shop.customer.com" is still mapped in WordPress.
Remove the mapping there first; the alias then goes by itself.
"""
_RELEASE = """
$ closte-bridge domain release legacy.customer.com --yes
Success: Released 1 of 1 domain; it stays at Closte.

$ closte-bridge domain release legacy.customer.com --yes
Error: "legacy.customer.com" was not released: closte-bridge does not manage it.
See what is managed with `closte-bridge domain list --fields=domain,ours`.
"""


@click.group(cls=BridgeGroup, short_help="List, explain, add and remove domains.", epilog=_LIST)
@global_options
def domain() -> None:
    """List, explain, add and remove domains."""


domain.add_command(check)
domain.add_command(revive)
domain.add_command(explain)
domain.add_command(backfill)


def _row(known: DomainStatus) -> dict[str, object]:
    mapping = known.mapping
    return {
        "domain": known.name,
        "site": mapping.blog_id if mapping else None,
        "stage": mapping.stage if mapping else None,
        "closte": {True: "yes", False: "no", None: "unknown"}[known.at_closte],
        "origin": known.origin,
        "state": known.state,
        "reason": known.reason,
        "managed": known.managed,
        "active": mapping.active if mapping else None,
        "primary": mapping.primary if mapping else None,
        "secure": mapping.secure if mapping else None,
        "until": when(known.until),
    }


@domain.command("list", cls=BridgeCommand, short_help="List every domain of both sides.", epilog=_LIST)
@click.option(
    "--state",
    type=click.Choice(STATES),
    metavar="<state>",
    help='Only those in this state, such as "held" or "in step".',
)
@format_options(fields=FIELDS, extra_fields=EXTRA)
@global_options
@pass_app
def list_(app: App, state: str | None) -> Result:
    """List every domain that either side knows, with its stage in WordPress and its state.

    States: in step, to add, to remove, held, withheld, foreign, gone, unknown, orphaned (its mapping's site is gone),
    own (the network's own domain).
    """
    engine = engine_of(app, app.network())
    found = inspect_network(engine)
    code, errors, warnings, remarks = side_messages(found.report)
    return Result(
        exit_code=code,
        data=[_row(k) for k in found.known if state is None or k.state == state],
        fields=FIELDS,
        messages=remarks,
        errors=errors,
        warnings=(*warnings, *ends(found)),
        cost=engine.cost.as_data(),
    )


@domain.command("get", cls=BridgeCommand, short_help="Show one domain.", epilog=_GET)
@click.argument("name", metavar="<domain>")
@format_options(fields=(*FIELDS, *EXTRA), formats=(Format.TABLE, Format.CSV, Format.JSON, Format.YAML))
@global_options
@pass_app
def get(app: App, name: str) -> Result:
    """Show what both sides know of one domain."""
    engine = engine_of(app, app.network())
    found = inspect_domain(engine, *domain_names(app, [name]))
    code, errors, warnings, remarks = side_messages(found.report)
    return Result(
        exit_code=code,
        data=_row(found.known[0]),
        fields=(*FIELDS, *EXTRA),
        messages=remarks,
        errors=errors,
        warnings=(*warnings, *ends(found)),
        cost=engine.cost.as_data(),
    )


@domain.command("add", cls=BridgeCommand, short_help="Pin domains: keep them at Closte.", epilog=_ADD)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(fields=PLAN_FIELDS, porcelain=True)
@global_options
@pass_app
def add(app: App, domains: tuple[str, ...]) -> Result:
    """Pin domains, so that they are kept at Closte whether they are mapped or not, and add them now.

    Wildcards can be pinned as well: they cannot be mapped in Ultimate Multisite.
    """
    from closte_bridge.engine.pins import pin  # noqa: PLC0415 - likewise
    from closte_bridge.engine.run import RunRequest  # noqa: PLC0415 - loaded when it is needed

    names = some_domain_names(app, domains)
    engine = engine_of(app, app.network())
    pin(engine, names, app.command)
    return run_sync(app, RunRequest(only=frozenset(names), retry=True), remembered=True, spent=engine.cost)


@domain.command("remove", cls=BridgeCommand, short_help="Unpin domains and remove them at Closte.", epilog=_REMOVE)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(fields=PLAN_FIELDS, porcelain=True)
@global_options
@pass_app
def remove(app: App, domains: tuple[str, ...]) -> Result:
    """Unpin domains and remove them at Closte, if they are ours and nothing in WordPress or the config wants them.

    A wildcard goes only when every name that it covers is an alias of its own; the sync adds those first.
    """
    from closte_bridge.engine.pins import request_removal  # noqa: PLC0415 - likewise
    from closte_bridge.engine.run import RunRequest  # noqa: PLC0415 - loaded when it is needed

    names = some_domain_names(app, domains)
    app.console.confirm(f"Remove {', '.join(names[:10])}{' …' if len(names) > 10 else ''} at Closte?")  # noqa: PLR2004 - enough to recognise
    engine = engine_of(app, app.network())
    dismissal = request_removal(engine, names, app.command)
    said = tuple(Message("log", f'"{name}" is unpinned; nothing of ours is at Closte.') for name in dismissal.unpinned)
    wildcards = any(name.startswith("*.") for name in names)
    # The names behind a wildcard are added by the same run, so it is not narrowed then.
    only = frozenset() if wildcards else frozenset(names)
    removing = frozenset(dismissal.removing)
    return run_sync(
        app,
        RunRequest(only=only, retry=True),
        said=said,
        leaving=removing,
        remembered=bool(removing),
        spent=engine.cost,
    )


@domain.command("release", cls=BridgeCommand, short_help="Forget domains; leave them at Closte.", epilog=_RELEASE)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(formats=(Format.TABLE, Format.JSON))
@global_options
@pass_app
def release(app: App, domains: tuple[str, ...]) -> Result:
    """Let domains go without touching Closte: from then on they are foreign, and `adopt` leaves them so."""
    from closte_bridge.engine.pins import release as let_go  # noqa: PLC0415 - loaded when it is needed

    names = some_domain_names(app, domains)
    app.console.confirm(f"Forget {counted(len(names), 'domain')}, leaving them at Closte?")
    released = let_go(engine_of(app, app.network()), names, app.command)
    errors = [_not_managed(name) for name in names if name not in released]
    text = f"Released {len(released)} of {counted(len(names), 'domain')}"
    stay = "it stays" if len(names) == 1 else "they stay"
    messages = () if errors else (Message("success", f"{text}; {stay} at Closte."),)
    if errors and len(names) > 1:
        text = f"Only {text[0].lower()}{text[1:]} ({len(errors)} failed)."
        errors.append(Problem(code="incomplete", message=text, hint=_SEE_LIST))
    return Result(
        exit_code=ExitCode.OK if not errors else ExitCode.SOME_FAILED if released else ExitCode.FAILURE,
        data={"released": released},
        rendered={Format.TABLE: ""},
        messages=messages,
        errors=tuple(errors),
    )


_SEE_LIST = "See what is managed with `closte-bridge domain list --fields=domain,ours`."


def _not_managed(name: str) -> Problem:
    text = f'"{name}" was not released: closte-bridge does not manage it.'
    return Problem(code="not-ours", message=text, domain=name, hint=_SEE_LIST)
