"""Tests of `status`: everything is read from the ledger and the files beside it."""

from __future__ import annotations

import io
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.cli.console import Console
from closte_bridge.cli.main import run
from closte_bridge.ledger import check_state, runs
from closte_bridge.ledger.log import read
from closte_bridge.ledger.meta import ADOPTED_AT, CONFIG_PATH, IDENTITY, LAST_SUCCESS, LAST_TRY
from closte_bridge.ledger.runs import RunRecord
from closte_bridge.ledger.state import AliasPhase, Identity, Origin
from tests.support.ledgers import opened

if TYPE_CHECKING:
    from pathlib import Path

PROBLEM: dict[str, str | None] = {
    "code": "add-refused", "message": "It was refused.", "domain": "a.test", "hint": "Look at it."
}  # fmt: skip


def status(folder: Path, *argv: str, terminal: bool = False) -> tuple[int, str, str]:
    """Run the program with a config in `folder`; return exit code, stdout and stderr."""
    config = folder / "config.yaml"
    config.write_text("state_dir: state\n")
    environ = {"SHELL_PIPE": "0" if terminal else "1", "CLOSTE_BRIDGE_CONFIG": str(config)}
    streams = io.StringIO(), io.StringIO(), io.StringIO()
    code = run([*argv], console=Console(*streams, environ=environ), environ=environ)
    return code, streams[1].getvalue(), streams[2].getvalue()


def row(folder: Path) -> dict[str, Any]:
    [found] = json.loads(status(folder, "status", "--format=json")[1])["data"]
    assert isinstance(found, dict)
    return found


def adopted(folder: Path, *records: RunRecord) -> None:
    """Make a ledger of an adopted network with these runs, of which the last succeeded."""
    now = time.time()
    with opened(folder / "state") as ledger, ledger.transaction():
        ledger.save(IDENTITY.to(Identity("e", 1, "example.net", "d", None, "k")))
        ledger.save(ADOPTED_AT.to(now - 1e6), LAST_SUCCESS.to(now - 60), LAST_TRY.to(now - 60))
        for record in records:
            runs.save(ledger, record, "r")


def a_run(ago: float = 60, schedule: str = "cron", **more: Any) -> RunRecord:  # noqa: ANN401 - any field
    return RunRecord(at=time.time() - ago, schedule=schedule, exit_code=0, **{"mode": "full", **more})


def test_network_without_owner_needs_adoption(tmp_path: Path) -> None:
    code, out, err = status(tmp_path, "status")
    assert (code, out.splitlines()) == (1, ["Network:  default", "Owner:    not adopted", "Runs:     not scheduled"])
    assert err.startswith("Error: This network has not been adopted.\nRun `closte-bridge adopt`")


def test_screen_of_a_healthy_network(tmp_path: Path) -> None:
    adopted(tmp_path, a_run(360), a_run(60))
    code, out, err = status(tmp_path, "status")
    assert (code, err) == (0, "")
    lines = dict(line.split(":", 1) for line in out.splitlines())
    assert lines["Runs"].strip() == "by cron or another scheduler, every 5 minutes"
    assert lines["Changes"].strip() == "allowed"
    assert lines["Last run"].strip() == "1 minute ago (cron): ok"
    assert lines["Next run"].strip() == "in 4 minutes, or after a change in WordPress"
    assert lines["Success"].strip() == "Nothing needs you."


@pytest.mark.parametrize(
    ("records", "schedule", "running"),
    [
        ([(60, "manual")], "", False),
        ([(60, "timer"), (30, "manual")], "timer", True),
        ([(7200, "cron")], "cron", False),
        ([(200_000, "cron"), (110_000, "cron")], "cron", True),
        ([(60, "shim")], "shim", True),
        ([(600, "cron"), (60, "shim")], "cron", True),
    ],
)
def test_schedule_is_recognised_and_whether_it_still_runs(
    tmp_path: Path, records: list[tuple[float, str]], schedule: str, running: bool
) -> None:
    adopted(tmp_path, *(a_run(ago, kind) for ago, kind in records))
    found = row(tmp_path)
    assert (found["schedule"], found["running"]) == (schedule, running)
    assert ("not-scheduled" in {need["code"] for need in found["needs"]}) is not running


@pytest.mark.parametrize(("age", "running"), [(5, True), (600, False)])
def test_watch_runs_as_long_as_its_heartbeat(tmp_path: Path, age: float, running: bool) -> None:
    due = time.time() + 100
    adopted(tmp_path, a_run(700, "watch", next_run=due))
    beat = tmp_path / "state" / "heartbeat"
    beat.touch()
    os.utime(beat, (time.time() - age,) * 2)
    found = row(tmp_path)
    assert (found["schedule"], found["running"], found["next_run"] is not None) == ("watch", running, running)


def test_pause_and_refused_run_are_shown_and_logged_once(tmp_path: Path) -> None:
    off = {"mode": "inactive", "code": "integration-off", "reason": "the integration is disabled", "hint": "Enable it."}
    refused = {"mode": "read-only", "code": "environment", "reason": "it is staging", "hint": "Allow it."}
    adopted(tmp_path, a_run(900), a_run(800, **off), a_run(700, **off))
    found = row(tmp_path)
    assert (found["mode"], found["mode_code"], found["mode_reason"]) == ("paused", off["code"], off["reason"])
    assert found["needs"] == []
    with opened(tmp_path / "state") as ledger, ledger.transaction():
        for record in (a_run(600), a_run(500, **refused), a_run(400, **refused)):
            runs.save(ledger, record, "r")
        kept = [(entry.action, entry.cause, entry.outcome) for entry in read(ledger)]
    assert kept == [
        ("pause", off["reason"], "done"),
        ("resume", "changes are allowed again", "done"),
        ("run", refused["reason"], "refused"),
    ]
    code, out, err = status(tmp_path, "status")
    assert "Changes:   read-only since" in out
    assert (code, err) == (1, "Error: closte-bridge changes nothing: it is staging.\nAllow it.\n")


def test_pause_of_more_than_a_day_is_a_warning(tmp_path: Path) -> None:
    off = {"mode": "inactive", "code": "integration-off", "reason": "it is off", "hint": "Enable it."}
    for days, warned in ((0.9, False), (1.1, True)):
        folder = tmp_path / str(days)
        folder.mkdir()
        adopted(folder, a_run(days * 86_400, **off), a_run(60, **off))
        for command in ("status", "health"):
            code, _, err = status(folder, command)
            assert (code, err.startswith('Warning: Network "default" is paused since')) == (0, warned), command


def test_problems_of_the_last_run_need_a_person(tmp_path: Path) -> None:
    adopted(tmp_path, a_run(60, problems=[PROBLEM], counts={"on_hold": 2}))
    code, out, err = status(tmp_path, "status")
    assert (code, err) == (1, "Error: It was refused.\nLook at it.\n")
    assert "Domains:   0 managed; 2 on hold" in out
    [need] = row(tmp_path)["needs"]
    assert {key: need[key] for key in PROBLEM} == PROBLEM


def test_failed_run_keeps_what_the_run_before_knew(tmp_path: Path) -> None:
    failed = RunRecord(at=time.time() - 60, schedule="cron", exit_code=5, problems=[PROBLEM])
    adopted(tmp_path, a_run(360, counts={"on_hold": 2}), failed)
    found = row(tmp_path)
    assert (found["mode"], found["last_exit_code"], found["domains"]["on_hold"]) == ("full", 5, 2)
    assert "Last run:  1 minute ago (cron): unreadable, exit code 5" in status(tmp_path, "status")[1]


def test_domains_are_counted_by_their_last_checks(tmp_path: Path) -> None:
    adopted(tmp_path, a_run())
    blank = CheckState(first_seen=1.0, next_check=9.0)
    with opened(tmp_path / "state") as ledger, ledger.transaction():
        names = ["live.test", "https.test", "plain.test", "away.test", "new.test"]
        ledger.put_aliases([(name, Origin.MAPPING) for name in names], AliasPhase.PRESENT, 1.0)
        ledger.put_aliases([("asked.test", Origin.MAPPING)], AliasPhase.ADDING, 1.0)
        states = {
            "live.test": blank._replace(dns="ok", tls="ok", points_here=True, live=True),
            "https.test": blank._replace(dns="ok", tls="ok", points_here=True),
            "plain.test": blank._replace(dns="ok", tls="timeout", points_here=True),
            "away.test": blank._replace(dns="wrong-address"),
            "unmanaged.test": blank._replace(dns="ok", tls="ok", points_here=True),
        }
        check_state.save(ledger, states)
    counts = row(tmp_path)["domains"]
    expected = {"managed": 5, "live": 1, "https": 1, "no_https": 1, "elsewhere": 1, "unchecked": 1, "adding": 1}
    assert {key: counts[key] for key in expected} == expected


def test_missing_config_is_read_only(tmp_path: Path) -> None:
    adopted(tmp_path, a_run())
    with opened(tmp_path / "state") as ledger, ledger.transaction():
        ledger.save(CONFIG_PATH.to("/etc/other.yaml"))
    found = row(tmp_path)
    assert (found["mode"], [need["code"] for need in found["needs"]]) == ("read-only", ["config-gone"])


def test_unreadable_record_of_another_version_is_ignored(tmp_path: Path) -> None:
    adopted(tmp_path)
    with opened(tmp_path / "state") as ledger, ledger.transaction():
        ledger.save(("last_result", '{"at": 1, "odd": 2}'), ("schedules", "[1]"))
    found = row(tmp_path)
    assert (found["mode"], found["schedule"]) == ("unknown", "")


def test_call_without_arguments_shows_the_status_at_a_terminal(tmp_path: Path) -> None:
    assert status(tmp_path, terminal=True)[1].startswith("Usage: closte-bridge")
    adopted(tmp_path, a_run())
    assert status(tmp_path, terminal=True)[1].startswith("Network:   example.net\n")
    assert status(tmp_path)[1].startswith("Usage: closte-bridge")
