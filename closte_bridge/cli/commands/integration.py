"""`closte-bridge integration`: enable, disable and test the Closte integration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand, BridgeGroup
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.config.key_file import key_location, source_in_text
from closte_bridge.counts import counted
from closte_bridge.engine.answer_shapes import add_shapes
from closte_bridge.engine.keys import find_key
from closte_bridge.engine.refresh import SWITCH, refresh_option
from closte_bridge.engine.snapshots import start_snapshot
from closte_bridge.errors import BridgeError, ConfigError, ExitCode
from closte_bridge.hosting import Completeness, ConnectionState
from closte_bridge.wordpress.writer import set_toggle

if TYPE_CHECKING:
    from closte_bridge.config.model import Settings
    from closte_bridge.engine.engine import Engine
    from closte_bridge.hosting import ConnectionTest, Listing

FIELDS = (
    "network",
    "integration",
    "domain_mapping",
    "plugin_version",
    "dns_check_interval",
    "www",
    "environment",
    "key_source",
    "owner",
    "events_waiting",
)
_FORMATS = (Format.TABLE, Format.CSV, Format.JSON, Format.YAML)

_STATUS = """
$ closte-bridge integration status --field=integration
true

$ closte-bridge integration status --fields=integration,key_source --format=json
{"version": 1, "command": "integration status", "status": "ok", "exit_code": 0, "data": {"integration": true, \
"key_source": "the constant CLOSTE_CLIENT_API_KEY"}, "errors": [], "warnings": [], "notes": [], "cost": {…}}
"""
_TEST = """
$ closte-bridge integration test
Success: Connected to Closte (API key from the constant CLOSTE_CLIENT_API_KEY); 3 domains found.

$ closte-bridge integration test; echo $?
Error: Closte answered "Invalid API key.".
Compare the API key from the constant CLOSTE_CLIENT_API_KEY with the one in Closte's dashboard.
1
"""
_ENABLE = """
$ closte-bridge integration enable
Success: Closte integration enabled.

$ closte-bridge integration enable
Success: Closte integration is already enabled.
"""
_DISABLE = """
$ closte-bridge integration disable
Success: Closte integration disabled.

$ closte-bridge integration disable
Success: Closte integration is already disabled.
"""


@click.group(cls=BridgeGroup, short_help="Enable, disable and test the integration.", epilog=_TEST)
@global_options
def integration() -> None:
    """Manage Ultimate Multisite's Closte integration and test the API connection."""


def _read_status(app: App, engine: Engine) -> tuple[dict[str, object], list[Problem]]:
    location = key_location(engine.settings, app.environ)
    call = start_snapshot(engine, ask_key=location is None, acknowledge=False)
    with engine.waiting("WordPress"):
        snapshot = call.snapshot()
    problems = []
    source: str | None = location[1] if location else None
    if location is None:
        try:
            _, source = call.key()
        except ConfigError as error:
            problems = list(Problem.of(error))
    settings = snapshot.settings
    data: dict[str, object] = {
        "network": snapshot.network.domain,
        "integration": settings.integration,
        "domain_mapping": settings.domain_mapping,
        "plugin_version": settings.plugin_version,
        "dns_check_interval": settings.dns_check_interval,
        "www": settings.www.value,
        "environment": snapshot.network.environment,
        "key_source": source,
        "owner": snapshot.owner.host if snapshot.owner else None,
        "events_waiting": snapshot.events_waiting,
    }
    return data, problems


@integration.command("status", cls=BridgeCommand, short_help="Show the integration's settings.", epilog=_STATUS)
@format_options(fields=FIELDS, formats=_FORMATS)
@global_options
@pass_app
def status(app: App) -> Result:
    """Show whether the integration is enabled, related Ultimate Multisite settings, and the API key's source."""
    engine = engine_of(app, app.network())
    data, warnings = _read_status(app, engine)
    return Result(data=data, fields=FIELDS, warnings=tuple(warnings), cost=engine.cost.as_data())


def _switch(app: App, *, enabled: bool) -> Result:
    engine = engine_of(app, app.network())
    changed = set_toggle(engine.settings.wp, engine.cost.wp, enabled=enabled)
    # Even without a change: an earlier one may not have reached the web server.
    refresh_option(engine, SWITCH)
    word = "enabled" if enabled else "disabled"
    text = f"Closte integration {word}." if changed else f"Closte integration is already {word}."
    return Result(
        data={"integration": enabled, "changed": changed},
        rendered={Format.TABLE: ""},
        messages=(Message("success", text),),
        cost=engine.cost.as_data(),
    )


@integration.command("enable", cls=BridgeCommand, short_help="Enable the integration.", epilog=_ENABLE)
@format_options(formats=_FORMATS)
@global_options
@pass_app
def enable(app: App) -> Result:
    """Enable the Closte integration in Ultimate Multisite, as on its settings page."""
    return _switch(app, enabled=True)


@integration.command("disable", cls=BridgeCommand, short_help="Disable the integration.", epilog=_DISABLE)
@format_options(formats=_FORMATS)
@global_options
@pass_app
def disable(app: App) -> Result:
    """Disable the Closte integration in Ultimate Multisite.

    While it is disabled, closte-bridge changes nothing on Closte.
    """
    return _switch(app, enabled=False)


def connection_error(tested: ConnectionTest, settings: Settings, source: str) -> BridgeError:
    """Return the error for a failed test: Closte was unreachable or rejected the key from `source` (a noun phrase)."""
    hints = {
        ConnectionState.KEY_REJECTED: f"Compare the API key from {source} with the one in Closte's dashboard.",
        ConnectionState.UNREACHABLE: f"Check this machine's network and `api_url` ({settings.api_url}).",
    }
    return BridgeError(
        tested.message,
        code=f"connection-{tested.state.value}",
        hint=hints.get(tested.state, f"Check the API key from {source} and `api_url`."),
        exit_code=ExitCode.UNREADABLE if tested.state is ConnectionState.UNREACHABLE else ExitCode.FAILURE,
    )


@integration.command("test", cls=BridgeCommand, short_help="Test the API key and the connection.", epilog=_TEST)
@click.option("--record", is_flag=True, help="Save the shapes of the answers, without any value, for `report`.")
@format_options(formats=_FORMATS)
@global_options
@pass_app
def test(app: App, *, record: bool) -> Result:
    """Test the API key and read Closte's list. Changes nothing.

    Exits with code 1 if Closte rejects the key, and with 5 if Closte or its list cannot be read.
    """
    engine = engine_of(app, app.network())
    key, source = find_key(engine)
    with engine.client(key) as client, engine.waiting("Closte"):
        shapes = client.record_shapes() if record else []
        tested = client.test_connection()
        listing = client.list_aliases() if tested.ok else None
        engine.count_api(client)
    if record:
        path = add_shapes(engine.settings.state_dir, shapes)
        app.console.note(f'Saved the shapes of {counted(len(shapes), "answer")} in "{path}".')
    place = source_in_text(engine.settings, app.environ, source)
    data = {"state": tested.state.value, "key_source": source, "listed": len(listing.names) if listing else None}
    if not tested.ok:
        error = connection_error(tested, engine.settings, place)
        return Result(
            exit_code=error.exit_code,
            data=data,
            rendered={Format.TABLE: ""},
            errors=Problem.of(error),
            cost=engine.cost.as_data(),
        )
    errors, warnings = _list_problems(listing) if listing else ((), ())
    count = f"; {counted(len(listing.names), 'domain')} found" if listing and not warnings else ""
    text = f"Connected to Closte (API key from {place}){count}."
    return Result(
        exit_code=ExitCode.UNREADABLE if errors else ExitCode.OK,
        data=data,
        rendered={Format.TABLE: ""},
        messages=() if errors else (Message("success", text),),
        errors=errors,
        warnings=warnings,
        cost=engine.cost.as_data(),
    )


def _list_problems(listing: Listing) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Return an error for a list that cannot be read, as in a sync, and a warning for an incomplete one."""
    if listing.state is Completeness.UNREADABLE:
        text = f"Closte accepted the API key, but its list could not be read: {listing.reason}"
        hint = "Try again later. Until then, closte-bridge adds domains, but inferred removals wait."
        return (Problem(code="list-unreadable", message=text, hint=hint),), ()
    if listing.state is Completeness.PARTIAL:
        code, hint = "list-partial", "Check the domains in Closte's dashboard."
        text = f"Closte's list is incomplete: {listing.reason}. Inferred removals wait."
        if listing.paged:
            code, hint = "list-paged", "Ask Closte's support how to get the complete list."
            text = f"{listing.reason}. Inferred removals wait."
        return (), (Problem(code=code, message=text, hint=hint),)
    return (), ()
