from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING

import pytest

from closte_bridge.cli.console import Console
from closte_bridge.cli.main import run
from closte_bridge.cli.text import when
from closte_bridge.engine import last_error, lock
from closte_bridge.errors import BridgeError
from closte_bridge.ledger.meta import IDENTITY
from closte_bridge.ledger.state import FailedChange, FailureCode, Identity
from tests.support.ledgers import opened

if TYPE_CHECKING:
    from pathlib import Path


def health(tmp_path: Path, *argv: str) -> tuple[int, str, str]:
    config = tmp_path / "config.yaml"
    config.write_text("state_dir: state\n")
    streams = io.StringIO(), io.StringIO(), io.StringIO()
    code = run(["health", f"--config={config}", *argv], console=Console(*streams, environ={}), environ={})
    return code, streams[1].getvalue(), streams[2].getvalue()


def adopted(tmp_path: Path, **meta: str) -> None:
    with opened(tmp_path / "state") as ledger, ledger.transaction():
        ledger.save(IDENTITY.to(Identity("e", 1, "example.net", "d", None, "k")))
        ledger.save(*meta.items())


def test_unhealthy_before_adoption(tmp_path: Path) -> None:
    code, out, err = health(tmp_path)
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == 'Error: Network "default" is unhealthy: this network has not been adopted.'


def test_unhealthy_before_the_first_success(tmp_path: Path) -> None:
    adopted(tmp_path)
    assert health(tmp_path)[2].startswith('Error: Network "default" is unhealthy: no successful run yet.')


def test_healthy_after_a_success(tmp_path: Path) -> None:
    adopted(tmp_path, last_success=repr(time.time() - 60))
    assert health(tmp_path) == (0, "Success: Healthy: 1 network.\n", "")


def test_unhealthy_if_the_last_success_is_too_old(tmp_path: Path) -> None:
    adopted(tmp_path, last_success=repr(time.time() - 3600))
    code, _, err = health(tmp_path)
    assert code == 1
    assert err.splitlines()[0] == 'Error: Network "default" is unhealthy: the last successful run was 60 minutes ago.'
    assert health(tmp_path, "--max-age=2h")[0] == 0


def test_last_error_of_watch_is_shown_while_healthy(tmp_path: Path) -> None:
    """One failed run does not make a network unhealthy, but the person who started the service needs the error."""
    adopted(tmp_path, last_success=repr(time.time() - 60))
    last_error.note(tmp_path / "state", BridgeError("It failed.", code="database", hint="Mend it."), time.time())
    code, out, _ = health(tmp_path, "--format=json")
    assert (code, json.loads(out)["data"][0]["last_error"]) == (0, "It failed. Mend it.")
    last_error.note(tmp_path / "state", None, time.time())
    assert json.loads(health(tmp_path, "--format=json")[1])["data"][0]["last_error"] == ""


def test_unhealthy_while_a_run_hangs(tmp_path: Path) -> None:
    """A run that never ends holds the lock for too long, even if the last success is recent.

    `--max-age` is the limit for both.
    """
    adopted(tmp_path, last_success=repr(time.time() - 60))
    with lock.held(tmp_path / "state", "watch"):
        assert health(tmp_path)[0] == 0
        since = time.time() - 2400
        (tmp_path / "state" / lock.FILE_NAME).write_text(json.dumps({"pid": 1, "command": "watch", "since": since}))
        code, _, err = health(tmp_path)
        assert code == 1
        assert (
            err.splitlines()[0] == 'Error: Network "default" is unhealthy: a run has been in progress for 40 minutes.'
        )
        assert health(tmp_path, "--max-age=2h")[0] == 0
    assert health(tmp_path)[0] == 0


def test_unhealthy_if_a_problem_lasts_longer_than_a_day(tmp_path: Path) -> None:
    now = time.time()
    adopted(
        tmp_path, last_success=repr(now - 60), problems=json.dumps({"needs-approval": now - 90000, "stopped": now - 60})
    )
    code, _, err = health(tmp_path)
    assert code == 1
    assert err.splitlines() == [
        f'Error: Network "default" is unhealthy: problem "needs-approval" has persisted since {when(now - 90000)}.',
        "Run `closte-bridge plan` and read its output.",
    ]
    assert health(tmp_path, "--max-problem-age=2d")[0] == 0
    # The error names the oldest problem.
    assert '"needs-approval"' in health(tmp_path, "--max-problem-age=30s")[2]


@pytest.mark.parametrize(("alarm", "command"), [("aliases-lost", "sync"), ("database-restored", "adopt")])
def test_unhealthy_immediately_after_an_alarm(tmp_path: Path, alarm: str, command: str) -> None:
    now = time.time()
    adopted(tmp_path, last_success=repr(now - 60), problems=json.dumps({"stopped": now - 90000, alarm: now - 1}))
    code, _, err = health(tmp_path, "--max-problem-age=7d")
    assert code == 1
    assert f'problem "{alarm}" has persisted since' in err
    assert f"Run `closte-bridge {command}`" in err


def test_unhealthy_if_a_domain_fails_for_days_between_retries(tmp_path: Path) -> None:
    now = time.time()
    adopted(tmp_path, last_success=repr(now - 60))
    with opened(tmp_path / "state") as ledger, ledger.transaction():
        trouble = FailedChange(9, now + 60, False, "No.", now - 90000, "add", 0, FailureCode.EXISTS_ELSEWHERE)
        ledger.put_failed_change("taken.example.com", trouble)
    assert 'problem "exists-elsewhere" has persisted since' in health(tmp_path)[2]


def test_json_format_returns_rows(tmp_path: Path) -> None:
    adopted(tmp_path, last_success=repr(time.time() - 3600))
    code, out, _ = health(tmp_path, "--format=json")
    answer = json.loads(out)
    assert (code, answer["exit_code"]) == (1, 1)
    assert answer["data"][0]["healthy"] is False
    assert answer["errors"][0]["code"] == "unhealthy"


def test_run_without_changes_counts_as_the_last_run(tmp_path: Path) -> None:
    """After adoption the ledger has `last_run`. Runs that may not change anything update only `last_try`."""
    for marks, last in (
        ({"last_run": "1000.0"}, "1970-01-01T00:16:40+00:00"),
        ({"last_run": "1000.0", "last_try": "2000.0"}, "1970-01-01T00:33:20+00:00"),
    ):
        adopted(tmp_path, **marks)
        (row,) = json.loads(health(tmp_path, "--format=json")[1])["data"]
        assert row["last_run"] == last


@pytest.mark.parametrize("raw", ["soon", "", "-5m"])
@pytest.mark.parametrize("option", ["--max-age", "--max-problem-age"])
def test_invalid_duration_is_a_usage_error(tmp_path: Path, raw: str, option: str) -> None:
    code, _, err = health(tmp_path, f"{option}={raw}")
    assert code == 2
    assert "is not a duration" in err
