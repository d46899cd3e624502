"""`closte-bridge status`: one screen about a network. Reads only the ledger and the other files of the state folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.commands.health import pause_warning, silence_warnings
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import STATUS, Message, Problem, Result
from closte_bridge.cli.text import when
from closte_bridge.counts import counted
from closte_bridge.engine.status import MOST_AGE, read_status
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from closte_bridge.engine.status import NetworkStatus

FIELDS = (
    "network",
    "domain",
    "owner",
    "owner_since",
    "mode",
    "mode_code",
    "mode_reason",
    "mode_since",
    "schedule",
    "running",
    "last_run",
    "last_schedule",
    "last_exit_code",
    "last_success",
    "next_run",
    "domains",
    "needs",
)

_EXAMPLES = """
$ closte-bridge status
Network:   network.example.com
Owner:     this installation on "web1", since 2026-11-01T09:00:00+00:00
Runs:      by cron, every 5 minutes
Changes:   allowed
Last run:  2 minutes ago (cron): ok
Next run:  in 3 minutes
Domains:   12 managed: 11 live, 1 pointing elsewhere; 1 on hold
Success: Nothing needs you.

$ closte-bridge status --field=running
true
"""
_SCHEDULES = {
    "watch": "by `closte-bridge watch`",
    "timer": "by a systemd unit",
    "cron": "by cron or another scheduler",
    "shim": "only when the shim triggers them",
}
_MODES = {"full": "allowed", "add-only": "only additions", "unknown": "unknown"}
# Counts of the screen, in their order: the key and the words after its number.
_PARTS = {
    "live": "live",
    "https": "with valid HTTPS",
    "no_https": "without valid HTTPS",
    "elsewhere": "pointing elsewhere",
    "unchecked": "not checked yet",
}
_OTHERS = {
    "adding": "being added",
    "on_hold": "on hold",
    "failing": "failing",
    "needs_approval": "to approve",
    "unmanaged": "unmanaged",
}


@click.command(cls=BridgeCommand, short_help="Show one screen about the network.", epilog=_EXAMPLES)
@format_options(fields=FIELDS, formats=(Format.TABLE, Format.CSV, Format.JSON, Format.YAML))
@global_options
@pass_app
def status(app: App) -> Result:
    """Show the owner, the schedule, a pause, the last and the next run, the domains, and what needs you.

    Reads only the ledger: it does not contact WordPress or Closte. Exits with code 1 if something needs you.
    """
    engines = [engine_of(app, settings) for settings in app.settings(every=True)]
    found = [(read_status(engine), engine.clock.now()) for engine in engines]
    several = len(found) > 1
    errors = tuple(
        Problem(
            code=need.code,
            message=f"{network.network}: {need.message}" if several else need.message,
            hint=need.hint,
            domain=need.domain,
        )
        for network, _ in found
        for need in network.needs
    )
    return Result(
        exit_code=ExitCode.FAILURE if errors else ExitCode.OK,
        data=[_row(network) for network, _ in found],
        fields=FIELDS,
        rendered={Format.TABLE: "\n\n".join(_screen(network, now) for network, now in found)},
        errors=errors,
        warnings=(
            *(pause_warning(network) for network, _ in found if network.pause_warning),
            *silence_warnings(engines, [network for network, _ in found], MOST_AGE),
        ),
        messages=() if errors else (Message("success", "Nothing needs you."),),
    )


def _row(found: NetworkStatus) -> dict[str, object]:
    last = found.last
    return {
        "network": found.network,
        "domain": found.domain,
        "owner": found.host,
        "owner_since": when(found.adopted),
        "mode": found.mode,
        "mode_code": found.code,
        "mode_reason": found.reason,
        "mode_since": when(found.mode_since),
        "schedule": found.schedule,
        "running": found.running,
        "last_run": when(found.tried),
        "last_schedule": last.schedule if last else "",
        "last_exit_code": last.exit_code if last else None,
        "last_success": when(found.success),
        "next_run": when(found.next_run),
        "domains": found.counts,
        "needs": [need._asdict() | {"since": when(need.since)} for need in found.needs],
    }


def _screen(found: NetworkStatus, now: float) -> str:
    owner = f'this installation on "{found.host}", since {when(found.adopted)}' if found.host else "not adopted"
    lines = {
        "Network": found.domain or found.network,
        "Owner": owner,
        "Runs": _runs(found),
        "Changes": _changes(found),
        "Last run": _last_run(found, now),
        "Next run": _next_run(found, now),
        "Domains": _domains(found.counts),
    }
    if not found.host:
        lines = {name: lines[name] for name in ("Network", "Owner", "Runs")}
    if not found.running:
        lines.pop("Next run", None)
    width = max(map(len, lines)) + 3
    return "\n".join(f"{f'{name}:':{width}}{text}" for name, text in lines.items())


def _runs(found: NetworkStatus) -> str:
    if not found.schedule:
        return "not scheduled"
    every = f", every {_span(found.every)}" if found.every else ""
    stopped = "" if found.running else "; they have stopped"
    return f"{_SCHEDULES[found.schedule]}{every}{stopped}"


def _changes(found: NetworkStatus) -> str:
    if found.mode == "full":
        return _MODES["full"]
    since = f" since {when(found.mode_since)}" if found.mode_since else ""
    return f"{_MODES.get(found.mode, found.mode)}{since}: {found.reason}"


def _last_run(found: NetworkStatus, now: float) -> str:
    if found.in_progress is not None:
        return f"in progress for {_span(now - found.in_progress)}"
    if found.last is None:
        return "never" if found.tried is None else f"{_span(now - found.tried)} ago"
    ago = f"{_span(now - found.last.at)} ago"
    outcome = STATUS[ExitCode(found.last.exit_code)]
    code = f", exit code {found.last.exit_code}" if found.last.exit_code else ""
    return f"{ago} ({found.last.schedule}): {outcome}{code}"


def _next_run(found: NetworkStatus, now: float) -> str:
    if found.next_run is None:
        return "after the next change in WordPress" if found.schedule == "shim" and found.running else "unknown"
    return f"in {_span(found.next_run - now)}, or after a change in WordPress" if found.next_run > now else "due now"


def _domains(counts: dict[str, int]) -> str:
    parts = [f"{counts[key]} {words}" for key, words in _PARTS.items() if counts.get(key)]
    others = [f"{counts[key]} {words}" for key, words in _OTHERS.items() if counts.get(key)]
    managed = f"{counts.get('managed', 0)} managed"
    return "; ".join([f"{managed}: {', '.join(parts)}" if parts else managed, *others])


def _span(seconds: float) -> str:
    """Return a duration in its largest unit."""
    for size, noun in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return counted(round(seconds / size), noun)
    return counted(max(0, round(seconds)), "second")
