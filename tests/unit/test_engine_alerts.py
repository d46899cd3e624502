from __future__ import annotations

import json
import re
import stat
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.checks.schedule import DAY
from closte_bridge.cli.syncing import sync_one
from closte_bridge.config.model import Settings
from closte_bridge.engine.alerts import after_run
from closte_bridge.engine.clock import Clock
from closte_bridge.engine.engine import Engine
from closte_bridge.engine.metrics import metrics_path
from closte_bridge.engine.problems import open_problems
from closte_bridge.engine.run import RunRequest
from closte_bridge.hosting import Action
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger.state import FailedChange, FailureCode
from closte_bridge.planning.model import Authority, Hold, HoldCode, Mode
from tests.support.ledgers import opened
from tests.support.parts import REPOSITORY
from tests.support.processes import unkillable

if TYPE_CHECKING:
    from pathlib import Path

    from closte_bridge.engine.run import RunReport

PROBLEM = {"code": "add-failed", "message": 'Closte answered "no".', "domain": "shop.example.org", "hint": ""}


class Time:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


def engine(folder: Path, clock: Time, **settings: Any) -> Engine:  # noqa: ANN401 - any setting's value
    state = folder / "state"
    opened(state).close()
    return Engine(Settings(state_dir=state, **settings), {}, Clock(now=clock))


def report() -> RunReport:
    plan = SimpleNamespace(
        in_sync=12,
        unmanaged=("stranger.example.org",),
        observed=SimpleNamespace(complete=True),
        snapshot_faults=(),
        over_limit=(),
        unproven=("www.a.test",),
        hold_count=3,
        authority=Authority(Mode.FULL),
        held=(
            Hold(Action.ADD, "a.test", HoldCode.NOT_PUBLIC, "x"),
            Hold(Action.ADD, "b.test", HoldCode.NOT_PUBLIC, "x"),
        ),
    )
    ledger = SimpleNamespace(managed={"a": 1}, identity=None)
    view = SimpleNamespace(ledger=ledger, snapshot=SimpleNamespace(events_waiting=3))
    applied = SimpleNamespace(failed=[1], done=[1, 2])
    return cast("RunReport", SimpleNamespace(plan=plan, view=view, applied=applied, lost=frozenset({"l.test"})))


def samples(path: Path) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(path.read_text())
    return {
        (sample.name, sample.labels.get("reason", "")): sample.value for family in families for sample in family.samples
    }


def test_metrics_describe_a_run_without_naming_domains(tmp_path: Path, clock: Time) -> None:
    path = tmp_path / "bridge.prom"
    this = engine(tmp_path, clock, metrics_file=path)
    with opened(this.settings.state_dir) as ledger, ledger.transaction():
        ledger.save(("last_run", "100.5"), ("last_success", "99.5"))
    assert after_run(this, report(), 4, [PROBLEM]) == []
    found = samples(path)
    assert found["closte_bridge_last_run_exit_code", ""] == 4
    assert found["closte_bridge_last_run_timestamp_seconds", ""] == 100.5
    assert found["closte_bridge_last_success_timestamp_seconds", ""] == 99.5
    assert found["closte_bridge_domains_in_sync", ""] == 12
    assert found["closte_bridge_changes_on_hold", "not-public"] == 2
    assert found["closte_bridge_changes_failed", ""] == 1
    assert "example.org" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_metrics_count_dns_and_certificate_verdicts(tmp_path: Path, clock: Time) -> None:
    path = tmp_path / "bridge.prom"
    this = engine(tmp_path, clock, metrics_file=path)
    right = CheckState(0.0, 0.0, checked_at=1.0, dns="ok", tls="ok", points_here=True, warn_at=clock.now + 60 * DAY)
    with opened(this.settings.state_dir) as ledger, ledger.transaction():
        check_states.save(
            ledger,
            {
                "a.com": right,
                "b.com": right._replace(warn_at=clock.now - DAY, not_after=clock.now + 5 * DAY, http="ok", live=True),
                "c.com": right._replace(warn_at=clock.now - DAY, not_after=clock.now - DAY, tls="expired"),
                "d.com": right._replace(dns="points-elsewhere", points_here=False),
                "e.com": CheckState(0.0, 0.0),
            },
        )
    # The metrics are the same after a run that failed before it read anything.
    assert after_run(this, None, 5, [PROBLEM]) == []
    counted = {
        (sample.name, sample.labels.get("verdict", "")): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }
    assert counted["closte_bridge_domains_dns", "ok"] == 3
    assert counted["closte_bridge_domains_dns", "points-elsewhere"] == 1
    assert counted["closte_bridge_domains_tls", "ok"] == 2
    assert counted["closte_bridge_domains_tls", "expired"] == 1
    assert counted["closte_bridge_domains_http", "ok"] == 1
    assert counted["closte_bridge_domains_live", ""] == 1
    assert counted["closte_bridge_certificates_expiring", ""] == 1
    assert counted["closte_bridge_certificates_expired", ""] == 1
    assert ".com" not in path.read_text()
    # If checks are disabled, old results do not describe the current state.
    assert after_run(engine(tmp_path, clock, metrics_file=path, checks=False), None, 5, [PROBLEM]) == []
    assert "certificates" not in path.read_text()
    assert "names_" not in path.read_text()


def test_problem_lasts_since_the_first_complete_run_that_reported_it(tmp_path: Path, clock: Time) -> None:
    path = tmp_path / "bridge.prom"
    this = engine(tmp_path, clock, metrics_file=path)
    began = clock.now
    for codes, whole in ((["needs-approval"], True), (["needs-approval", "stopped"], True), ([], False)):
        assert after_run(this, report(), 3, [], lasting=codes, whole=whole) == []
        clock.now += 3600
    with opened(this.settings.state_dir) as ledger:
        assert open_problems(ledger) == {"needs-approval": began, "stopped": began + 3600}
    assert 'problem_since_timestamp_seconds{code="needs-approval",network="default"}' in path.read_text()
    after_run(this, report(), 0, [])
    with opened(this.settings.state_dir) as ledger:
        assert open_problems(ledger) == {}
        assert "problems" not in ledger.meta()


def test_failing_changes_stay_problems_between_retries(tmp_path: Path, clock: Time) -> None:
    this = engine(tmp_path, clock)
    with opened(this.settings.state_dir) as ledger:
        with ledger.transaction():
            for name, trouble in {
                "a.com": FailedChange(3, 9.0, False, "No.", 5.0, "add"),
                "b.com": FailedChange(3, 9.0, False, "No.", 4.0, "add"),
                "c.com": FailedChange(3, 9.0, True, "No.", 3.0, "remove"),
                "d.com": FailedChange(3, 9.0, False, "No.", 2.0, "add", 0, FailureCode.EXISTS_ELSEWHERE),
                # As far as closte-bridge knows, the domain is on Closte.
                "e.com": FailedChange(3, 9.0, False, "No.", 1.0, "add", 0, FailureCode.NOT_MANAGED),
            }.items():
                ledger.put_failed_change(name, trouble)
            ledger.save(("problems", "no JSON"))
        assert open_problems(ledger) == {"add-failed": 4.0, "remove-refused": 3.0, "exists-elsewhere": 2.0}


def test_every_metric_is_documented(tmp_path: Path, clock: Time) -> None:
    path = tmp_path / "bridge.prom"
    this = engine(tmp_path, clock, metrics_file=path)
    with opened(this.settings.state_dir) as ledger, ledger.transaction():
        ledger.save(("last_run", "100.5"), ("last_success", "99.5"))
    assert after_run(this, report(), 0, [], lasting=["stopped"]) == []
    found = {family.name.removeprefix("closte_bridge_") for family in text_string_to_metric_families(path.read_text())}
    text = (REPOSITORY / "docs" / "reference.md").read_text(encoding="utf-8")
    section = text.partition("## Metrics\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z_]+)`", section.partition("|---|---|")[2])) - {"verdict", "reason", "code"} == found


def test_metrics_file_is_valid_and_replaced_atomically(tmp_path: Path, clock: Time) -> None:
    """Samples have no timestamps, no other file remains, and a reader that has the file open keeps the old content."""
    path = tmp_path / "bridge.prom"
    this = engine(tmp_path, clock, metrics_file=path)
    assert after_run(this, None, 5, []) == []
    with path.open() as before:
        old = path.read_text()
        assert after_run(this, report(), 0, []) == []
        assert before.read() == old != path.read_text()
    assert [found.name for found in tmp_path.glob("*.prom*")] == ["bridge.prom"]
    assert not [found for found in tmp_path.iterdir() if found.name.startswith(".")]
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert all(len(line.rsplit(" ", 2)) == 2 or line.rsplit(" ", 1)[0].endswith("}") for line in lines)


def test_early_failure_keeps_the_time_of_the_last_success(tmp_path: Path, clock: Time) -> None:
    path = tmp_path / "bridge.prom"
    assert after_run(engine(tmp_path, clock, metrics_file=path), None, 5, [PROBLEM]) == []
    found = samples(path)
    assert found["closte_bridge_last_run_exit_code", ""] == 5
    assert found["closte_bridge_last_success_timestamp_seconds", ""] == 0  # so an alert on its age fires
    assert ("closte_bridge_domains_in_sync", "") not in found


def test_inherited_metrics_file_is_separate_for_each_network(tmp_path: Path) -> None:
    inherited = {"metrics_file": tmp_path / "bridge.prom", "state_dir": tmp_path}
    assert metrics_path(Settings(**cast("Any", inherited))) == tmp_path / "bridge.prom"
    assert metrics_path(Settings(name="shop", **cast("Any", inherited))) == tmp_path / "bridge_shop.prom"


def test_missing_metrics_folder_is_reported_with_the_result(tmp_path: Path, clock: Time) -> None:
    (trouble,) = after_run(engine(tmp_path, clock, metrics_file=tmp_path / "gone" / "x.prom"), None, 0, [])
    assert trouble.code == "metrics-file"


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "notified"


def listener(told: Path, exit_code: int = 0) -> tuple[str, ...]:
    program = (
        f"import pathlib, sys; pathlib.Path({str(told)!r}).open('a').write(sys.stdin.read() + '\\n'); "
        f"raise SystemExit({exit_code})"
    )
    return (sys.executable, "-c", program)


def heard(told: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


def test_problems_are_notified_once_then_daily_and_when_resolved(tmp_path: Path, clock: Time, told: Path) -> None:
    this = engine(tmp_path, clock, on_problem=listener(told))
    steps: list[tuple[float, list[dict[str, Any]]]] = [
        (0, []),
        (60, [PROBLEM]),
        (3600, [PROBLEM]),
        (86_401, [PROBLEM]),
        (60, []),
        (600, []),
        (600, []),
    ]
    for passed, problems in steps:
        clock.now += passed
        assert after_run(this, None, 0, problems) == []
    assert [document["status"] for document in heard(told)] == ["problem", "problem", "resolved"]
    assert heard(told)[0]["problems"] == [PROBLEM]
    assert heard(told)[0]["network"] == "default"


NEEDS_APPROVAL = {**PROBLEM, "code": "needs-approval"}


def test_partial_run_reports_new_problems_but_resolves_none(tmp_path: Path, clock: Time, told: Path) -> None:
    """Problems of the last complete run may last: a run for one domain did not check them."""
    this = engine(tmp_path, clock, on_problem=listener(told), metrics_file=tmp_path / "x.prom")
    assert after_run(this, report(), 3, [NEEDS_APPROVAL]) == []
    before = (tmp_path / "x.prom").read_text()
    steps: list[tuple[float, list[dict[str, Any]]]] = [
        (86_401, []),
        (60, [NEEDS_APPROVAL]),
        (600, [PROBLEM]),
        (600, [PROBLEM]),
        (60, []),
    ]
    for passed, problems in steps:
        clock.now += passed
        assert after_run(this, None, 0, problems, whole=False) == []
    assert [[p["code"] for p in document["problems"]] for document in heard(told)] == [
        ["needs-approval"],
        ["add-failed"],
    ]
    assert {document["status"] for document in heard(told)} == {"problem"}
    assert (tmp_path / "x.prom").read_text() == before
    # A complete run that finds both reports nothing new. The end of one problem is new, and so is the end of all.
    for problems, count in (([PROBLEM, NEEDS_APPROVAL], 2), ([NEEDS_APPROVAL], 3), ([], 4)):
        clock.now += 600
        assert after_run(this, None, 0, problems) == []
        assert len(heard(told)) == count
    assert [document["status"] for document in heard(told)][2:] == ["problem", "resolved"]


def test_flapping_problems_notify_at_most_every_five_minutes(tmp_path: Path, clock: Time, told: Path) -> None:
    this = engine(tmp_path, clock, on_problem=listener(told))
    for turn in range(60):
        clock.now += 10
        after_run(this, None, 0, [{**PROBLEM, "code": f"code-{turn % 2}"}])
    assert 1 <= len(heard(told)) <= 2


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("/nonexistent/command",), "could not be started"),
        ((sys.executable, "-c", "raise SystemExit(3)"), "exited with code 3"),
    ],
    ids=["missing", "failing"],
)
def test_failed_notification_command_is_reported(
    tmp_path: Path, clock: Time, command: tuple[str, ...], words: str
) -> None:
    (trouble,) = after_run(engine(tmp_path, clock, on_problem=command), None, 1, [PROBLEM])
    assert trouble.code == "on-problem"
    assert words in trouble.message


def test_unreadable_ledger_is_reported(tmp_path: Path, clock: Time) -> None:
    this = engine(tmp_path, clock, metrics_file=tmp_path / "x.prom", on_problem=("true",))
    (this.settings.state_dir / "ledger.sqlite3").write_bytes(b"x" * 9000)
    (trouble,) = after_run(this, None, 1, [PROBLEM])
    assert trouble.code == "ledger-damaged"
    # Otherwise monitoring would still see the last successful run.
    assert samples(tmp_path / "x.prom")["closte_bridge_last_run_exit_code", ""] == 1


def test_invalid_ledger_value_is_reported(tmp_path: Path, clock: Time) -> None:
    this = engine(tmp_path, clock, metrics_file=tmp_path / "x.prom", on_problem=("true",))
    with opened(this.settings.state_dir) as ledger, ledger.transaction():
        ledger.save(("notified_at", "soon"))
    (trouble,) = after_run(this, None, 1, [PROBLEM])
    assert trouble.code == "ledger-damaged"
    assert samples(tmp_path / "x.prom")["closte_bridge_last_run_exit_code", ""] == 1


def test_failed_notification_is_retried(tmp_path: Path, clock: Time, told: Path) -> None:
    """A failed command notifies neither of a problem nor of its end."""
    for problems, status in (([PROBLEM], "problem"), ([], "resolved")):
        for passed, exit_code in ((600, 1), (60, 0), (301, 0), (600, 0)):
            clock.now += passed
            failed_changes = after_run(engine(tmp_path, clock, on_problem=listener(told, exit_code)), None, 0, problems)
            assert [trouble.code for trouble in failed_changes] == (["on-problem"] if exit_code else [])
        # Failed, too early to retry, notified, already known.
        assert [document["status"] for document in heard(told)] == [status, status]
        told.unlink()


def test_unexpected_failure_is_notified(
    tmp_path: Path, clock: Time, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the key")

    monkeypatch.setattr("closte_bridge.cli.syncing.sync", fails)
    this = engine(tmp_path, clock, metrics_file=tmp_path / "x.prom", on_problem=listener(told))
    for part in (RunRequest(only=frozenset({"a.test"})), RunRequest(reviewed=frozenset({("add", "a.test")}))):
        with pytest.raises(ZeroDivisionError):
            sync_one(this, part, "sync")
        assert not (tmp_path / "x.prom").exists()
    with pytest.raises(ZeroDivisionError):
        sync_one(this, RunRequest(), "sync")
    assert samples(tmp_path / "x.prom")["closte_bridge_last_run_exit_code", ""] == 1
    (document,) = heard(told)
    assert [problem["code"] for problem in document["problems"]] == ["internal-error"]
    assert "the key" not in json.dumps(document)


def test_hanging_notification_command_is_ended(tmp_path: Path, clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("closte_bridge.engine.user_command._TIMEOUT", 0.2)
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    (trouble,) = after_run(engine(tmp_path, clock, on_problem=command), None, 1, [PROBLEM])
    assert "timed out after" in trouble.message


def test_unkillable_notification_command_does_not_block(
    tmp_path: Path, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind `sudo`, the process belongs to another user, so closte-bridge cannot end it."""
    monkeypatch.setattr("closte_bridge.engine.user_command._TIMEOUT", 0.2)
    monkeypatch.setattr("closte_bridge.wordpress.process._EXIT_TIME", 0.01)
    with unkillable(monkeypatch):
        command = (sys.executable, "-c", "import time; time.sleep(60)")
        (trouble,) = after_run(engine(tmp_path, clock, on_problem=command), None, 1, [PROBLEM])
    assert "timed out after" in trouble.message


def test_nothing_happens_without_configuration(tmp_path: Path, clock: Time) -> None:
    assert after_run(engine(tmp_path, clock), None, 1, [PROBLEM]) == []
