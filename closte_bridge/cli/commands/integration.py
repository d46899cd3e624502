"""`closte-bridge integration`: the toggle in Ultimate Multisite, the key, the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand, BridgeGroup
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.counts import counted
from closte_bridge.errors import BridgeError, ExitCode

if TYPE_CHECKING:
    from closte_bridge.closte.connection import ConnectionTest
    from closte_bridge.config.model import Settings
    from closte_bridge.engine.engine import Engine

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
on

$ closte-bridge integration status --fields=integration,key_source --format=json
{"version": 1, "command": "integration status", "status": "ok", "exit_code": 0, "data": {"integration": "on", \
"key_source": "the constant CLOSTE_CLIENT_API_KEY"}, "errors": [], "warnings": [], "notes": [], "cost": {…}}
"""
_TEST = """
$ closte-bridge integration test
Success: Closte answered and took the key (from the constant CLOSTE_CLIENT_API_KEY); its list holds 3 names.

$ closte-bridge integration test; echo $?
Error: Closte answered "Invalid API key.".
Compare the key with the one in Closte's dashboard.
1
"""
_ENABLE = """
$ closte-bridge integration enable
Success: The Closte integration is switched on.

$ closte-bridge integration enable
Success: The Closte integration was on already.
"""
_DISABLE = """
$ closte-bridge integration disable
Success: The Closte integration is switched off.

$ closte-bridge integration disable
Success: The Closte integration was off already.
"""


@click.group(cls=BridgeGroup, short_help="Switch the integration, test the connection.", epilog=_TEST)
@global_options
def integration() -> None:
    """See and switch the Closte integration in Ultimate Multisite, and test the connection to Closte."""


def _read_status(app: App, engine: Engine) -> tuple[dict[str, object], list[Problem]]:
    from closte_bridge.config.key_file import key_location  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.snapshots import start_snapshot  # noqa: PLC0415 - likewise
    from closte_bridge.errors import ConfigError  # noqa: PLC0415 - likewise

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
        "integration": "on" if settings.integration else "off",
        "domain_mapping": "on" if settings.domain_mapping else "off",
        "plugin_version": settings.plugin_version,
        "dns_check_interval": settings.dns_check_interval,
        "www": settings.www.value,
        "environment": snapshot.network.environment,
        "key_source": source,
        "owner": snapshot.owner.host if snapshot.owner else None,
        "events_waiting": snapshot.events_waiting,
    }
    return data, problems


@integration.command("status", cls=BridgeCommand, short_help="Show the toggle and the settings.", epilog=_STATUS)
@format_options(fields=FIELDS, formats=_FORMATS)
@global_options
@pass_app
def status(app: App) -> Result:
    """Show the toggle, the settings of Ultimate Multisite that matter here, and where the key comes from."""
    engine = engine_of(app, app.network())
    data, warnings = _read_status(app, engine)
    return Result(data=data, fields=FIELDS, warnings=tuple(warnings), cost=engine.cost.as_data())


def _switch(app: App, *, enabled: bool) -> Result:
    from closte_bridge.wordpress.writer import set_toggle  # noqa: PLC0415 - loaded when it is needed

    engine = engine_of(app, app.network())
    changed = set_toggle(engine.settings.wp, engine.cost.wp, enabled=enabled)
    word = "on" if enabled else "off"
    text = f"The Closte integration is switched {word}." if changed else f"The Closte integration was {word} already."
    return Result(
        data={"integration": word, "changed": changed},
        rendered={Format.TABLE: ""},
        messages=(Message("success", text),),
        cost=engine.cost.as_data(),
    )


@integration.command("enable", cls=BridgeCommand, short_help="Switch the integration on.", epilog=_ENABLE)
@format_options(formats=_FORMATS)
@global_options
@pass_app
def enable(app: App) -> Result:
    """Switch the Closte integration on in Ultimate Multisite: what its settings page does."""
    return _switch(app, enabled=True)


@integration.command("disable", cls=BridgeCommand, short_help="Switch the integration off.", epilog=_DISABLE)
@format_options(formats=_FORMATS)
@global_options
@pass_app
def disable(app: App) -> Result:
    """Switch the Closte integration off in Ultimate Multisite. While it is off, nothing is changed at Closte."""
    return _switch(app, enabled=False)


def connection_error(tested: ConnectionTest, settings: Settings) -> BridgeError:
    """Return the error for a test that went wrong: Closte could not be reached, or did not take the key."""
    from closte_bridge.closte.connection import ConnectionState  # noqa: PLC0415 - loaded when it is needed

    hints = {
        ConnectionState.KEY_REJECTED: "Compare the key with the one in Closte's dashboard.",
        ConnectionState.UNREACHABLE: f"Check the network and `api_url` ({settings.api_url}).",
    }
    return BridgeError(
        tested.message,
        code=f"connection-{tested.state.value}",
        hint=hints.get(tested.state, "Check the key, and `api_url` in the config."),
        exit_code=ExitCode.UNREADABLE if tested.state is ConnectionState.UNREACHABLE else ExitCode.FAILURE,
    )


@integration.command("test", cls=BridgeCommand, short_help="Test the key and the connection.", epilog=_TEST)
@format_options(formats=_FORMATS)
@global_options
@pass_app
def test(app: App) -> Result:
    """Ask Closte whether it takes the key, and read its list. Changes nothing."""
    from closte_bridge.closte.listing import Completeness  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.keys import find_key  # noqa: PLC0415 - likewise

    engine = engine_of(app, app.network())
    key, source = find_key(engine)
    with engine.client(key) as client, engine.waiting("Closte"):
        tested = client.test_connection()
        listing = client.list_aliases() if tested.ok else None
        engine.count_api(client)
    data = {"state": tested.state.value, "key_source": source, "listed": len(listing.names) if listing else None}
    if not tested.ok:
        error = connection_error(tested, engine.settings)
        return Result(
            exit_code=error.exit_code,
            data=data,
            rendered={Format.TABLE: ""},
            errors=Problem.of(error),
            cost=engine.cost.as_data(),
        )
    errors, warnings = [], []
    hint = "Additions go on. Inferred removals wait until the whole list can be read."
    if listing and listing.state is Completeness.UNREADABLE:
        # As for a sync: one of the two sides cannot be read.
        text = f"Closte accepts the key, and its list could not be read: {listing.reason}"
        errors.append(Problem(code="list-unreadable", message=text, hint=hint))
    elif listing and listing.state is Completeness.PARTIAL:
        code = "list-paged" if listing.paged else "list-partial"
        warnings.append(Problem(code=code, message=f"Closte's list is not complete: {listing.reason}.", hint=hint))
    held = f"; its list holds {counted(len(listing.names), 'name')}" if listing and not warnings else ""
    text = f"Closte answered and took the key (from {source}){held}."
    return Result(
        exit_code=ExitCode.UNREADABLE if errors else ExitCode.OK,
        data=data,
        rendered={Format.TABLE: ""},
        messages=() if errors else (Message("success", text),),
        errors=tuple(errors),
        warnings=tuple(warnings),
        cost=engine.cost.as_data(),
    )
