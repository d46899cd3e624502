"""Tests of `sync --wait` with fake runs: later runs must not hide the result of the first one."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.checks.model import DnsCode, DnsVerdict, DomainCheck, HttpCode, HttpVerdict, TlsCode, TlsVerdict
from closte_bridge.cli import main
from closte_bridge.cli.console import Console
from closte_bridge.cli.syncing import messages_of
from closte_bridge.engine.apply import Applied, Failure
from closte_bridge.engine.observation import Observation
from closte_bridge.engine.run import RunReport
from closte_bridge.engine.verify import CheckResults, StageResult
from closte_bridge.hosting import Completeness, Listing, OutcomeKind
from closte_bridge.ledger.events import NewEvents
from closte_bridge.planning.desired import DomainPolicy, desired
from closte_bridge.planning.model import Authority, Mode
from closte_bridge.planning.plan import narrow
from closte_bridge.planning.stages import StageChange, StagePlan
from closte_bridge.wordpress.results import StageOutcome, WriteResult
from tests.support.check_states import a_ledger, a_list, a_plan, a_row, a_snapshot, told

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from closte_bridge.cli.syncing import RunMessages
    from closte_bridge.engine.run import RunRequest

LATE, BAD, GOOD = "late.example.com", "bad.example.com", "good.example.com"
FULL = Authority(Mode.FULL)
DOOMED = [f"d{number:02}.example.com" for number in range(30)]


def checked(name: str, *, has_https: bool, live: bool = True) -> DomainCheck:
    dns = DnsVerdict(name, DnsCode.OK, points_here=True)
    tls = TlsVerdict(name, TlsCode.OK if has_https else TlsCode.DEFAULT_CERTIFICATE)
    return DomainCheck(name, dns, tls, 0.0, HttpVerdict(name, HttpCode.OK if live else HttpCode.SIGN_UP))


@dataclass
class Rounds:
    """Fake runs in order; the last one repeats. `asked` holds the request for each run."""

    folder: Path
    rounds: list[RunReport] = field(default_factory=list)
    asked: list[RunRequest] = field(default_factory=list)
    passed: float = 0.0

    def sync_one(self, _engine: object, request: RunRequest, *_: object) -> tuple[RunReport, RunMessages]:
        self.asked.append(request)
        report = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        return report, messages_of(report)

    def sleep(self, seconds: float) -> None:
        self.passed += seconds

    def monotonic(self) -> float:
        return self.passed

    def run(self, *argv: str, settings: str = "") -> dict[str, Any]:
        """Run `sync --wait` on the fake runs and return its JSON document."""
        document = json.loads(self.said("--format=json", *argv, settings=settings))
        assert isinstance(document, dict)
        return document

    def said(self, *argv: str, settings: str = "") -> str:
        """Run `sync --wait` on the fake runs and return the output."""
        config = self.folder / "config.yaml"
        config.write_text(f"state_dir: {self.folder}/state\n{settings}")
        out = io.StringIO()
        given = ["sync", "--wait=1h", f"--config={config}", *argv]
        err = io.StringIO() if "--format=json" in argv else out
        main.run(given, console=Console(io.StringIO(), out, err, environ={}), environ={"HOME": "/nowhere"})
        return out.getvalue()


@pytest.fixture
def rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    made = Rounds(tmp_path)
    monkeypatch.setattr("closte_bridge.cli.commands.sync_wait.sync_one", made.sync_one)
    monkeypatch.setattr("closte_bridge.cli.commands.sync_wait.time", made)
    return made


def a_round(
    *,
    mapped: Collection[str] = (LATE, BAD, GOOD),
    there: Collection[str] = (),
    managed: Collection[str] = (),
    failed: Collection[str] = (),
    checked: Collection[DomainCheck] = (),
    only: Collection[str] = (),
    moved: Collection[StageResult] = (),
    stages: Collection[StageChange] = (),
    authority: Authority = FULL,
) -> RunReport:
    """Return the report of a run that made all planned changes except those to the `failed` domains."""
    snapshot, observed = a_snapshot(*mapped), a_list(*there)
    ledger = a_ledger(*managed, evidence={name: told() for name in DOOMED if name in managed})
    desire = desired(snapshot, DomainPolicy(), ledger)
    listing = Listing(Completeness.COMPLETE, "")
    view = Observation(snapshot, listing, observed, ledger, authority, None, 0.0, desire, NewEvents())
    plan = a_plan(snapshot, observed, ledger, authority=authority)
    plan = narrow(plan, only) if only else plan
    bad = [Failure(change, OutcomeKind.FAILED, "Closte said no.") for change in plan.changes if change.name in failed]
    applied = Applied(done=[change for change in plan.changes if change.name not in failed], failed=bad)
    verified = CheckResults({one.name: one for one in checked}, StagePlan((*stages,), ()), [*moved])
    return RunReport("default", view, plan, applied if authority.mode is Mode.FULL else None, verified=verified)


def statuses(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(row["change"], row["domain"]): row["status"] for row in document["data"]}


NOT_YET = [checked(LATE, has_https=False), checked(GOOD, has_https=True), checked(BAD, has_https=True)]
NOW = [checked(LATE, has_https=True)]


def test_removals_needing_approval_in_the_first_run_are_reported(rounds: Rounds) -> None:
    first = a_round(checked=NOT_YET, managed=DOOMED, there=DOOMED)
    assert len(first.plan.over_limit) == 1
    later = a_round(checked=NOW, only=[LATE], managed=[*DOOMED, LATE], there=[*DOOMED, LATE, GOOD, BAD])
    rounds.rounds = [first, later]
    document = rounds.run()
    assert [request.only for request in rounds.asked] == [frozenset(), {LATE}]
    assert (document["exit_code"], [error["code"] for error in document["errors"]]) == (3, ["needs-approval"])
    found = statuses(document)
    assert [found["remove", name] for name in DOOMED] == ["needs-approval"] * 30
    assert [found["add", name] for name in (LATE, BAD, GOOD)] == ["done"] * 3


def test_error_excludes_a_success_message(rounds: Rounds) -> None:
    there = [LATE, BAD, GOOD]
    rounds.rounds = [a_round(checked=[checked(LATE, has_https=False)], there=there, managed=there)]
    said = rounds.said(LATE)
    assert f'Error: "{LATE}" does not serve valid HTTPS yet' in said
    assert "Success" not in said
    assert "Nothing to change." not in said
    rounds.rounds = [a_round(checked=NOW, there=there, managed=there)]
    assert "Success: 1 of 1 domain is live." in rounds.said(LATE)


def test_wait_continues_until_visitors_get_the_right_site(rounds: Rounds) -> None:
    there = [LATE, BAD, GOOD]
    sign_up = checked(LATE, has_https=True, live=False)
    rounds.rounds = [a_round(checked=[sign_up], there=there, managed=there)]
    document = rounds.run(LATE)
    assert (document["exit_code"], [error["code"] for error in document["errors"]]) == (4, ["not-live"])
    # With HTTP checks disabled, valid HTTPS is enough.
    document = rounds.run(LATE, settings="http: {enabled: false}")
    assert (document["exit_code"], document["errors"]) == (0, [])


def test_failure_of_the_first_run_counts_until_it_is_resolved(rounds: Rounds) -> None:
    later = a_round(checked=NOW, only=[LATE], there=[LATE, GOOD])
    rounds.rounds = [a_round(checked=NOT_YET, failed=[BAD]), later]
    document = rounds.run()
    assert (document["exit_code"], [error["code"] for error in document["errors"]]) == (4, ["add-failed", "incomplete"])
    assert document["errors"][1]["message"] == "Added 2 of 3 domains; 1 failed."
    # The first run failed to add the awaited domain, and a later run added it.
    later = a_round(checked=NOW, only=[LATE], there=[BAD, GOOD])
    rounds.rounds = [a_round(checked=NOT_YET[1:], failed=[LATE]), later]
    document = rounds.run()
    assert (document["exit_code"], document["errors"]) == (0, [])
    assert statuses(document)["add", LATE] == "done"
    # Closte's list now shows the domain: Closte added it, but the response was lost.
    later = a_round(checked=NOW, only=[LATE], there=[LATE, BAD, GOOD])
    rounds.rounds = [a_round(checked=NOT_YET[1:], failed=[LATE]), later]
    document = rounds.run()
    assert (document["exit_code"], statuses(document)["add", LATE]) == (0, "done")


def test_changes_and_failures_of_later_rounds_are_reported(rounds: Rounds) -> None:
    www = f"www.{LATE}"
    row = a_row(LATE, stage="checking-dns")
    change = StageChange(row, LATE, "done", True, "DNS is correct and the certificate is valid")
    moved = [StageResult(LATE, "checking-dns", "done", change.reason, WriteResult(StageOutcome.DONE))]
    later = a_round(
        mapped=[LATE, www, BAD, GOOD], there=[LATE, BAD, GOOD], only=[LATE], failed=[www], checked=NOW,
        stages=[change], moved=moved,
    )  # fmt: skip
    rounds.rounds = [a_round(checked=NOT_YET), later]
    document = rounds.run()
    assert (document["exit_code"], [error["code"] for error in document["errors"]]) == (4, ["add-failed", "incomplete"])
    assert document["errors"][1]["message"] == "Added 3 of 4 domains; 1 failed."
    found = statuses(document)
    assert (found["add", www], found["stage", LATE]) == ("failed", "done")
    authority = Authority(Mode.READ_ONLY, "owner-gone", "nobody is in charge", "Adopt.")
    rounds.rounds = [a_round(checked=NOT_YET), a_round(checked=NOW, only=[LATE], authority=authority)]
    document = rounds.run()
    assert (document["exit_code"], [error["code"] for error in document["errors"]]) == (7, ["owner-gone"])


def test_unfollowed_domain_is_not_awaited(rounds: Rounds) -> None:
    """One domain on Closte is unmanaged; the other is managed but no longer mapped."""
    rounds.rounds = [a_round(there=["foreign.example.com", "left.example.com"], managed=["left.example.com"])]
    document = rounds.run("foreign.example.com", "left.example.com")
    assert (rounds.passed, len(rounds.asked)) == (0, 1)
    assert document["exit_code"] == 4
    assert [(error["code"], error["domain"]) for error in document["errors"]] == [
        ("not-followed", "foreign.example.com"),
        ("not-followed", "left.example.com"),
    ]


def test_wait_without_checks_is_an_error(rounds: Rounds) -> None:
    document = rounds.run(settings="checks: false\n")
    assert (document["exit_code"], [error["code"] for error in document["errors"]]) == (2, ["wait-without-checks"])
    assert rounds.asked == []
