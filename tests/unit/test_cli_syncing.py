"""What is said of a sync, made from reports of runs that nobody had to make."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from closte_bridge.cli.syncing import words_of
from closte_bridge.engine.apply import Applied
from closte_bridge.engine.sync import Report
from closte_bridge.planning.model import Mode, Standing
from tests.support.looks import a_ledger, a_list, a_plan, a_snapshot, partial

if TYPE_CHECKING:
    from closte_bridge.engine.view import View


def report(*mapped: str, applied: Applied | None = None, **plan: Any) -> Report:  # noqa: ANN401 - any option of the plan
    """Return the report of a run over these mapped names, none of which is at Closte unless `observed` says so."""
    observed = plan.pop("observed", a_list())
    made = a_plan(a_snapshot(*mapped), observed, a_ledger(), **plan)
    view = SimpleNamespace(listing=SimpleNamespace(key_rejected=False))
    return Report("default", cast("View", view), made, applied)


def test_what_was_not_begun_has_not_failed() -> None:
    ran = report("a.example.com", "b.example.com", "c.example.com")
    changes = [*ran.plan.additions]
    stopped = Applied(not_begun=changes, stopped="Closte asked for a pause of 900 s.")
    errors = words_of(report("a.example.com", "b.example.com", "c.example.com", applied=stopped)).errors
    assert errors[-1].message == "Only added 0 of 3 domains (3 not begun)."
    stopped = Applied(done=changes[:1], not_begun=changes[2:], stopped="Closte asked for a pause of 900 s.")
    errors = words_of(report("a.example.com", "b.example.com", "c.example.com", applied=stopped)).errors
    assert errors[-1].message == "Only added 1 of 3 domains (1 failed, 1 not begun)."


def test_a_read_only_run_tells_of_both_sides_all_the_same() -> None:
    standing = Standing(Mode.READ_ONLY, "owner-gone", "nobody is in charge", "Adopt.")
    words = words_of(report("a.example.com", observed=partial(), standing=standing))
    assert [(problem.code, problem.message) for problem in words.errors] == [
        ("owner-gone", "Nothing was changed: nobody is in charge.")
    ]
    # What `plan` warns of as the standing is the error; the rest is as it was.
    assert [problem.code for problem in words.warnings] == ["list-partial"]
