"""`closte-bridge notify`: test where notifications go."""

from __future__ import annotations

import stat
from shlex import quote
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand, BridgeGroup
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.counts import counted
from closte_bridge.engine.notify import try_channels
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from closte_bridge.config.model import Settings

FIELDS = ("network", "channel", "sent", "error")

_TEST = """
$ closte-bridge notify test
Success: Sent 2 of 2 test messages.

$ closte-bridge notify test --fields=channel,sent
channel	sent
on_domain	true
mailto:// (1)	true
"""
_HINT = "Set `on_domain` or `notify` in the config; see docs/how-to/get-notified.md."


@click.group(cls=BridgeGroup, short_help="Test where notifications go.", epilog=_TEST)
@global_options
def notify() -> None:
    """Test where notifications go: the command `on_domain` and the URLs in `notify`."""


@notify.command("test", cls=BridgeCommand, short_help="Send a test message everywhere.", epilog=_TEST)
@format_options(fields=FIELDS)
@global_options
@pass_app
def test(app: App) -> Result:
    """Send a test message to `on_domain` and to each URL in `notify`.

    Exits with code 1 if one of them fails, or if there are none. Never shows more of a URL than its scheme.
    """
    rows: list[dict[str, object]] = []
    errors: list[Problem] = []
    for settings in app.settings(every=True):
        for channel, error in try_channels(settings):
            row = {"network": settings.name, "channel": channel, "sent": error is None}
            rows.append(row | {"error": error.message if error else ""})
            errors += Problem.of(error) if error else ()
    exposed = [settings.source for settings in app.settings(every=True) if settings.notify and _is_exposed(settings)]
    warnings = [
        Problem(
            code="notify",
            message=f'Every user can read "{path}", and the URLs in `notify` contain passwords.',
            hint=f"Run `chmod o-r {quote(str(path))}`.",
        )
        for path in dict.fromkeys(exposed)
    ]
    sent = sum(bool(row["sent"]) for row in rows)
    if not rows:
        errors.append(Problem(code="notify", message="No notifications are configured.", hint=_HINT))
    text = f"Sent {sent} of {counted(len(rows), 'test message')}."
    return Result(
        exit_code=ExitCode.FAILURE if errors else ExitCode.OK,
        data=rows,
        fields=FIELDS,
        rendered={Format.TABLE: ""},
        messages=() if errors else (Message("success", text),),
        errors=tuple(errors),
        warnings=tuple(warnings),
    )


def _is_exposed(settings: Settings) -> bool:
    """Return whether every user can read the config file."""
    try:
        return settings.source is not None and bool(settings.source.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
