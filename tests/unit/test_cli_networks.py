"""Tests of jobs on several networks: the program reports each result, and no failure affects another network."""

from __future__ import annotations

import io
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from closte_bridge.cli import main, networks
from closte_bridge.cli.console import Console
from closte_bridge.cli.context import App
from closte_bridge.cli.networks import exit_code, on_each, problems
from closte_bridge.errors import BridgeError, ConfigError, ExitCode
from closte_bridge.flag import Flag
from tests.support.running import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from closte_bridge.engine.engine import Engine

NAMES = [f"n{number}" for number in range(8)]


@pytest.fixture
def app(tmp_path: Path) -> App:
    """Return an app that selects all of eight networks."""
    path = tmp_path / "config.yaml"
    path.write_text(f"state_dir: {tmp_path}/state\nnetworks: {{{', '.join(f'{name}: {{}}' for name in NAMES)}}}\n")
    made = App(Console(io.StringIO(), io.StringIO(), io.StringIO(), environ={}), {"HOME": str(tmp_path)})
    made.overrides.config = str(path)
    made.overrides.all_networks = True
    return made


def test_unexpected_error_stops_only_its_own_network(app: App) -> None:
    app.console.debug_group = ""

    def job(engine: Engine) -> str:
        if engine.settings.name == "n0":
            raise RuntimeError("the key")
        return engine.settings.name

    outcomes = on_each(app, job)
    assert [outcome.value for outcome in outcomes] == [None, *NAMES[1:]]
    (problem,) = problems(outcomes)
    assert problem.code == "internal-error"
    assert problem.message == "n0: Internal error (RuntimeError)."
    assert exit_code(outcomes, lambda _: ExitCode.OK) is ExitCode.FAILURE
    # The debug output shows the location of the error but not its message.
    assert isinstance(app.console.stderr, io.StringIO)
    shown = app.console.stderr.getvalue()
    assert "Debug (traceback): " in shown
    assert " in job" in shown
    assert "the key" not in shown


def test_interruption_ends_running_networks_and_starts_no_others(app: App) -> None:
    begun: list[str] = []
    stopping = Flag()
    told: list[bool] = []

    def job(engine: Engine) -> None:
        begun.append(engine.settings.name)
        if engine.settings.name == "n0":
            wait_until(lambda: len(begun) == 4)
            main_thread = threading.main_thread().ident
            assert main_thread is not None
            signal.pthread_kill(main_thread, signal.SIGINT)
        told.append(stopping.wait(20))

    with pytest.raises(KeyboardInterrupt):
        on_each(app, job, stopping)
    assert sorted(begun) == NAMES[:4]
    assert told == [True] * 4


def test_interruption_does_not_wait_for_a_hanging_network(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_END_WITHIN", 0.1)
    over = threading.Event()

    def job(engine: Engine) -> None:
        if engine.settings.name == "n0":
            main_thread = threading.main_thread().ident
            assert main_thread is not None
            signal.pthread_kill(main_thread, signal.SIGINT)
        over.wait(20)

    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            on_each(app, job)
        assert time.monotonic() - began < 15
    finally:
        over.set()


LOCKED = BridgeError("Another run.", code="locked", exit_code=ExitCode.LOCKED)


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([LOCKED, None], ExitCode.LOCKED),
        ([LOCKED, BridgeError("No.", code="key-rejected")], ExitCode.FAILURE),
        ([LOCKED, ConfigError("No.", code="key-file")], ExitCode.USAGE),
    ],
)
def test_lock_does_not_hide_the_result_of_another_network(
    app: App, errors: list[BridgeError | None], code: ExitCode
) -> None:
    given = dict(zip(NAMES, errors, strict=False))

    def job(engine: Engine) -> None:
        if error := given.get(engine.settings.name):
            raise error

    assert exit_code(on_each(app, job), lambda _: ExitCode.OK) is code


def test_needs_approval_outranks_a_lock(app: App) -> None:
    def job(engine: Engine) -> ExitCode:
        if engine.settings.name == "n0":
            raise LOCKED
        return ExitCode.NEEDS_APPROVAL if engine.settings.name == "n1" else ExitCode.OK

    assert exit_code(on_each(app, job), lambda code: code) is ExitCode.NEEDS_APPROVAL


def test_quiet_sync_hides_locks_only(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cron mails all output: a locked network is not worth a mail, but the failure of another network is."""

    def sync_one(engine: Engine, *_: object, **__: object) -> None:
        if engine.settings.name == "n0":
            raise LOCKED
        raise BridgeError("Closte rejected the API key.", code="key-rejected")

    monkeypatch.setattr("closte_bridge.cli.syncing.sync_one", sync_one)
    out, err = io.StringIO(), io.StringIO()
    argv = ["sync", "--all", "--quiet", f"--config={app.overrides.config}"]
    code = main.run(argv, console=Console(io.StringIO(), out, err, environ={}), environ=app.environ)
    assert code == ExitCode.FAILURE
    assert "Another run" not in err.getvalue()
    assert err.getvalue().count("Closte rejected the API key.") == 7
