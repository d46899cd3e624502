"""Tests of the messages about a sync, with fake run reports."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from closte_bridge.cli import main
from closte_bridge.cli.commands.watch_network import ChangeReporter
from closte_bridge.cli.console import Console
from closte_bridge.cli.context import App
from closte_bridge.cli.messages import not_revived
from closte_bridge.cli.syncing import messages_of, sync_one
from closte_bridge.config.model import Settings
from closte_bridge.engine.apply import Applied
from closte_bridge.engine.engine import Engine
from closte_bridge.engine.run import RunReport, RunRequest
from closte_bridge.engine.verify import CheckResults, StageResult
from closte_bridge.errors import BridgeError, attach_secondary, unexpected
from closte_bridge.planning.model import Authority, Mode
from closte_bridge.planning.stages import StageHold, StageHoldCode, StagePlan
from closte_bridge.wordpress.results import StageOutcome, WriteResult
from tests.support.check_states import a_ledger, a_list, a_plan, a_snapshot, partial
from tests.support.ledgers import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from closte_bridge.engine.observation import Observation


def report(*mapped: str, applied: Applied | None = None, **plan: Any) -> RunReport:  # noqa: ANN401 - any option of a_plan
    """Return the report of a run over these mapped domains. Only those in `observed` are on Closte already."""
    observed = plan.pop("observed", a_list())
    made = a_plan(a_snapshot(*mapped), observed, a_ledger(), **plan)
    view = SimpleNamespace(listing=SimpleNamespace(key_rejected=False), snapshot=a_snapshot())
    return RunReport("default", cast("Observation", view), made, applied)


def test_skipped_change_is_not_counted_as_failed() -> None:
    ran = report("a.example.com", "b.example.com", "c.example.com")
    changes = [*ran.plan.changes]
    pause = "Closte is rate-limiting requests (retry after 900 s)."
    stopped = Applied(not_begun=changes, stopped=pause)
    errors = messages_of(report("a.example.com", "b.example.com", "c.example.com", applied=stopped)).errors
    assert errors[-1].message == "Added 0 of 3 domains; 3 skipped."
    stopped = Applied(done=changes[:1], not_begun=changes[2:], stopped="Closte asked for a pause of 900 s.")
    errors = messages_of(report("a.example.com", "b.example.com", "c.example.com", applied=stopped)).errors
    assert errors[-1].message == "Added 1 of 3 domains; 1 failed, 1 skipped."


def test_run_that_changes_only_wordpress_does_not_say_that_nothing_changed() -> None:
    """The success message is about Closte; the changes of stages and records have messages of their own."""
    idle = replace(report("a.example.com", observed=a_list("a.example.com")), applied=Applied())
    assert [remark.text for remark in messages_of(idle).remarks] == ["Nothing to change."]
    done = StageResult("a.example.com", "failed", "done", "DNS is correct", WriteResult(StageOutcome.DONE))
    moved = CheckResults(moved=[done])
    assert [remark.text for remark in messages_of(replace(idle, verified=moved)).remarks] == [
        "Changed the stage of 1 mapping.",
        "No domains to add or remove.",
    ]


@pytest.mark.parametrize("place", ['the file "/etc/key"', "the constant CLOSTE_CLIENT_API_KEY"])
def test_rejected_key_is_named_by_its_source(place: str) -> None:
    view = SimpleNamespace(listing=SimpleNamespace(key_rejected=True), snapshot=a_snapshot(), key_source=place)
    ran = replace(report("a.example.com", applied=Applied(key_rejected=True)), view=cast("Observation", view))
    assert f"Closte rejected the API key from {place}." in [error.message for error in messages_of(ran).errors]


def test_read_only_run_still_reports_list_warnings() -> None:
    authority = Authority(Mode.READ_ONLY, "owner-gone", "nobody is in charge", "Adopt.")
    words = messages_of(report("a.example.com", observed=partial(), authority=authority))
    assert [(problem.code, problem.message) for problem in words.errors] == [
        ("owner-gone", "closte-bridge changes nothing: nobody is in charge.")
    ]
    # `plan` warns about the missing authority, `sync` fails with it; the other warnings are the same.
    assert [problem.code for problem in words.warnings] == ["list-partial"]


def test_domain_that_was_not_revived_is_an_error() -> None:
    """WordPress, DNS or the certificate can change between the announcement and the run."""
    names = ["moved.test", "refused.test", "changed.test", "held.test", "unseen.test"]
    verified = CheckResults(
        moved=[
            StageResult("moved.test", "failed", "done", "DNS is correct", WriteResult(StageOutcome.DONE)),
            StageResult("refused.test", "failed", "done", "DNS is correct", WriteResult(StageOutcome.REFUSED, "x")),
            StageResult("changed.test", "failed", "done", "DNS is correct", WriteResult(StageOutcome.CHANGED)),
        ],
        stages=StagePlan((), (StageHold("held.test", StageHoldCode.SWITCHED_OFF, "somebody has switched it off"),)),
    )
    ran = replace(report(applied=Applied()), verified=verified)
    # A stage that Ultimate Multisite rejected has its own error.
    assert [(problem.code, problem.message) for problem in not_revived(ran, names)] == [
        ("not-revived", 'Could not revive "changed.test": its stage changed in WordPress during the run.'),
        ("not-revived", 'Could not revive "held.test": somebody has switched it off.'),
        ("not-revived", 'Could not revive "unseen.test": its DNS or certificate is not valid now.'),
    ]
    # A run that may not change anything has a single error for that.
    assert not_revived(report(applied=None), names) == []


DEAF = (sys.executable, "-c", "raise SystemExit(3)")


def fails(*_: object, **__: object) -> None:
    raise BridgeError("Closte rejected the API key.", code="key-rejected")


def breaks(*_: object, **__: object) -> None:
    raise ZeroDivisionError("the key")


@pytest.mark.parametrize("failure", [fails, breaks])
def test_failed_notification_is_a_warning_with_the_failure(
    tmp_path: Path, failure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """closte-bridge reports the failed notification next to the failure itself, for one network or several."""
    monkeypatch.setattr("closte_bridge.cli.syncing.sync", failure)
    path = tmp_path / "config.yaml"
    opened(tmp_path / "state").close()
    config = {"state_dir": str(tmp_path / "state"), "on_problem": [*DEAF]}
    path.write_text(json.dumps(config))
    document = run("sync", f"--config={path}", "--format=json")
    assert document["exit_code"] == 1
    assert [problem["code"] for problem in document["warnings"]] == ["on-problem"]
    for name in ("a", "b"):
        opened(tmp_path / "state" / name).close()
    path.write_text(json.dumps(config | {"networks": {"a": {}, "b": {}}}))
    document = run("sync", "--all", f"--config={path}", "--format=json")
    assert len(document["errors"]) == 2
    assert [problem["message"] for problem in document["warnings"]] == [
        f"{name}: The `on_problem` command exited with code 3." for name in ("a", "b")
    ]


def test_requested_stop_causes_no_notification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an interruption, closte-bridge does not notify: the person who stopped the run knows."""
    ran = report("a.example.com", applied=Applied(stopped="The run was stopped."))
    assert ran.applied
    ran.applied.not_begun += ran.plan.changes
    monkeypatch.setattr("closte_bridge.cli.syncing.sync", lambda *_, **__: ran)
    opened(tmp_path / "state").close()
    engine = Engine(Settings(state_dir=tmp_path / "state", on_problem=DEAF), {})
    for stopped, codes in ((True, []), (False, ["on-problem"])):
        _, words = sync_one(engine, RunRequest(), "sync", should_stop=[lambda: False, lambda: True][stopped])
        assert [warning.code for warning in words.warnings] == codes


def test_watch_reports_a_failed_notification() -> None:
    err = io.StringIO()
    app = App(Console(io.StringIO(), io.StringIO(), err, environ={}), {})
    failure = ZeroDivisionError()
    attach_secondary(failure, [BridgeError("The command failed.", code="on-problem", hint="Run it by hand.")])
    ChangeReporter(app).failure(unexpected(failure))
    assert err.getvalue().endswith("Warning: The command failed.\nRun it by hand.\n")


def run(*argv: str) -> dict[str, Any]:
    """Run the program in this process and return its JSON document."""
    out = io.StringIO()
    main.run(argv, console=Console(io.StringIO(), out, io.StringIO(), environ={}), environ={"HOME": "/nonexistent"})
    document = json.loads(out.getvalue())
    assert isinstance(document, dict)
    return document
