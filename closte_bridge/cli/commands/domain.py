"""`closte-bridge domain`: inspect and manage single domains."""

from __future__ import annotations

import click

from closte_bridge.cli.command import BridgeCommand, BridgeGroup
from closte_bridge.cli.commands.domain_backfill import backfill
from closte_bridge.cli.commands.domain_check import check, revive
from closte_bridge.cli.commands.domain_explain import (
    expiry_warnings,
    explain,
    inspect_domain,
    side_messages,
)
from closte_bridge.cli.commands.domain_list import EXTRA, FIELDS, LIST, list_, row_of
from closte_bridge.cli.commands.domain_prune import prune
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import domain_names, format_options, global_options, some_domain_names
from closte_bridge.cli.render import FIELDS as PLAN_FIELDS
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.cli.syncing import run_sync
from closte_bridge.counts import counted
from closte_bridge.engine.pins import pin, request_removal
from closte_bridge.engine.pins import release as release_domains
from closte_bridge.engine.run import RunRequest
from closte_bridge.errors import ExitCode

_GET = """
$ closte-bridge domain get shop.customer.com --field=state
in-sync

$ closte-bridge domain get other.example.org
Error: Unknown domain "other.example.org": not found in WordPress or on Closte.
Compare it with `closte-bridge domain list`, or add it with `closte-bridge domain add other.example.org`.
"""
_ADD = """
$ closte-bridge domain add legacy.customer.com
Network "network.example.com": 1 to add, 0 to remove, 3 in sync.
  +  legacy.customer.com  pinned
Checked 1 domain: 0 with valid HTTPS.
Success: Added 1 of 1 domain.
Cost: 3 wp calls (1.23 s), 3 API calls (0.37 s), planning 0.001 s.

$ closte-bridge domain add legacy.customer.com --quiet --format=count
0
"""
_REMOVE = """
$ closte-bridge domain remove legacy.customer.com --yes
Network "network.example.com": 0 to add, 1 to remove, 3 in sync.
  -  legacy.customer.com  requested with `domain remove`
Success: Removed 1 of 1 domain.
Cost: 4 wp calls (1.64 s), 3 API calls (0.37 s), planning 0.001 s.

$ closte-bridge domain remove shop.customer.com --yes
Error: Could not remove "shop.customer.com": it is still mapped in WordPress.
Delete the mapping in WordPress; closte-bridge then removes the domain automatically.
"""
_RELEASE = """
$ closte-bridge domain release legacy.customer.com --yes
Success: Released 1 domain. It stays on Closte.

$ closte-bridge domain release legacy.customer.com --yes
Error: Could not release "legacy.customer.com": closte-bridge does not manage it.
List the managed domains with `closte-bridge domain list --fields=domain,managed`.
"""


@click.group(cls=BridgeGroup, short_help="Add, remove and inspect domains.", epilog=LIST)
@global_options
def domain() -> None:
    """Add, remove and inspect single domains."""


domain.add_command(list_)
domain.add_command(check)
domain.add_command(revive)
domain.add_command(explain)
domain.add_command(backfill)
domain.add_command(prune)


@domain.command("get", cls=BridgeCommand, short_help="Show one domain.", epilog=_GET)
@click.argument("name", metavar="<domain>")
@format_options(fields=(*FIELDS, *EXTRA), formats=(Format.TABLE, Format.CSV, Format.JSON, Format.YAML))
@global_options
@pass_app
def get(app: App, name: str) -> Result:
    """Show one domain's details in WordPress and on Closte. Exits with code 4 if neither of them knows it."""
    engine = engine_of(app, app.network())
    found = inspect_domain(engine, *domain_names(app, [name]))
    code, errors, warnings, remarks = side_messages(found.report)
    return Result(
        exit_code=code,
        data=row_of(found.known[0], found, engine.clock.now()),
        fields=(*FIELDS, *EXTRA),
        messages=remarks,
        errors=errors,
        warnings=(*warnings, *expiry_warnings(found)),
        cost=engine.cost.as_data(),
    )


@domain.command("add", cls=BridgeCommand, short_help="Add domains and keep them (pin).", epilog=_ADD)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(fields=PLAN_FIELDS, porcelain=True)
@global_options
@pass_app
def add(app: App, domains: tuple[str, ...]) -> Result:
    """Add domains to Closte and keep them there even if they are not mapped ("pin").

    Use this for wildcards too, which Ultimate Multisite cannot map. Exits with code 4 if a domain could not be added.
    """
    names = some_domain_names(app, domains)
    engine = engine_of(app, app.network())
    pin(engine, names, app.command)
    return run_sync(app, RunRequest(only=frozenset(names), retry=True), remembered=True, spent=engine.cost)


@domain.command("remove", cls=BridgeCommand, short_help="Unpin domains and remove them.", epilog=_REMOVE)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(fields=PLAN_FIELDS, porcelain=True)
@global_options
@pass_app
def remove(app: App, domains: tuple[str, ...]) -> Result:
    """Unpin domains and remove them from Closte.

    Refuses domains that are unmanaged, or still used in WordPress or the config. Before it removes a wildcard,
    closte-bridge adds each domain that the wildcard covers. Exits with code 3 if a domain must wait.
    """
    names = some_domain_names(app, domains)
    app.console.confirm(f"Remove {', '.join(names[:10])}{' …' if len(names) > 10 else ''} from Closte?")  # noqa: PLR2004 - enough to recognise
    engine = engine_of(app, app.network())
    dismissal = request_removal(engine, names, app.command)
    said = tuple(
        Message("log", f'Unpinned "{name}". It is not managed on Closte, so nothing was removed.')
        for name in dismissal.unpinned
    )
    wildcards = any(name.startswith("*.") for name in names)
    # The same run adds the domains that a wildcard covers, so it is not limited to `names` then.
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


@domain.command("release", cls=BridgeCommand, short_help="Stop managing domains.", epilog=_RELEASE)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(formats=(Format.TABLE, Format.JSON))
@global_options
@pass_app
def release(app: App, domains: tuple[str, ...]) -> Result:
    """Stop managing domains but leave them on Closte.

    `adopt` does not manage them again. Exits with code 4 if only some were released.
    """
    names = some_domain_names(app, domains)
    them, they_stay = ("it", "It stays") if len(names) == 1 else ("them", "They stay")
    app.console.confirm(f"Stop managing {counted(len(names), 'domain')}, leaving {them} on Closte?")
    released = release_domains(engine_of(app, app.network()), names, app.command)
    errors = [_not_managed(name) for name in names if name not in released]
    text = f"Released {counted(len(names), 'domain')}. {they_stay} on Closte."
    messages = () if errors else (Message("success", text),)
    if errors and len(names) > 1:
        text = f"Released {len(released)} of {counted(len(names), 'domain')}; {len(errors)} failed."
        errors.append(Problem(code="incomplete", message=text, hint=_SEE_LIST))
    return Result(
        exit_code=ExitCode.OK if not errors else ExitCode.SOME_FAILED if released else ExitCode.FAILURE,
        data={"released": released},
        rendered={Format.TABLE: ""},
        messages=messages,
        errors=tuple(errors),
    )


_SEE_LIST = "List the managed domains with `closte-bridge domain list --fields=domain,managed`."


def _not_managed(name: str) -> Problem:
    text = f'Could not release "{name}": closte-bridge does not manage it.'
    return Problem(code="not-managed", message=text, domain=name, hint=_SEE_LIST)
