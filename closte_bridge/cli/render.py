"""Render plans, domain records and stages from typed rows: all rows for programs, the first ones as text for people."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.cli.formats import Format
from closte_bridge.cli.text import when
from closte_bridge.counts import counted
from closte_bridge.hosting import Action
from closte_bridge.planning.model import unproven_hold
from closte_bridge.planning.records import RecordHold
from closte_bridge.wordpress.results import RecordOutcome, StageOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from closte_bridge.cli.formats import Row
    from closte_bridge.cli.result import Output
    from closte_bridge.engine.apply import Applied
    from closte_bridge.engine.records import RecordResults
    from closte_bridge.engine.run import RunReport
    from closte_bridge.planning.model import Change, Hold, OverLimit
    from closte_bridge.planning.records import MissingRecord
    from closte_bridge.planning.stages import StagePlan
    from closte_bridge.wordpress.results import WriteResult

FIELDS = ("domain", "change", "status", "reason", "until", "network")
SHOWN = 10
"""There can be thousands of one kind: people see the first ones, programs see all."""
_RENDERED = (Format.TABLE, Format.IDS, Format.COUNT)
_UNMANAGED = "not used in this network; not touched"
_SIGNS = {Action.ADD: "+", Action.REMOVE: "-"}
_EVIDENCE = {"event": "confirmed", "inference": "inferred"}
_RECORD_STATUS = {
    RecordOutcome.MADE: "done",
    RecordOutcome.MISSING: "planned",
    RecordOutcome.THERE: "done",
    RecordOutcome.UNWANTED: "on-hold",
    RecordOutcome.GONE: "on-hold",
    RecordOutcome.INACTIVE: "failed",
    RecordOutcome.REFUSED: "failed",
}
_MISSING = "site {site} has no domain record"
_RECORD_REASONS = {
    RecordOutcome.THERE: "site {site} already has a domain record",
    RecordOutcome.UNWANTED: "site {site} uses a shared domain or is excluded by a filter",
    RecordOutcome.GONE: "site {site} no longer exists",
    RecordOutcome.INACTIVE: "Ultimate Multisite is not active",
    RecordOutcome.REFUSED: "rejected by Ultimate Multisite ({text})",
}
_RECORD_HOLDS = {
    RecordHold.RETRY: f"{_MISSING}; the last attempt failed",
    RecordHold.UNSEEN: f"{_MISSING}, but its mappings may still be imported",
    RecordHold.ARRIVING: f"{_MISSING}, but an import may be running",
    RecordHold.LIMIT: f"{_MISSING}; the limit per day is reached",
}


class PlanRow(NamedTuple):
    """A change, a hold or a finding: `sign` and `text` for people, the other values for programs.

    `until` is in seconds since the epoch. A row without a sign has a message of its own, so people do not see it here.
    """

    sign: str
    domain: str
    change: str
    status: str
    reason: str
    text: str = ""
    until: float | None = None

    def data(self, network: str) -> Row:
        """Return the values for programs, with the fields `FIELDS`."""
        values = (self.domain, self.change, self.status, self.reason, when(self.until), network)
        return dict(zip(FIELDS, values, strict=True))


class _Section(NamedTuple):
    """Rows of one kind, computed as they are used. `total`: their number if people see only the first ones, else 0.

    `noun` and `rest` complete the line for the rest: `3 more removals blocked by the same limit`.
    """

    rows: Iterable[PlanRow]
    total: int = 0
    noun: str = ""
    rest: str = ""

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """Yield sign, domain and text of each line."""
        for row in islice(self.rows, SHOWN if self.total else None):
            if row.sign:
                yield row.sign, row.domain, row.text or row.reason
        if (count := self.total - SHOWN) > 0:
            what = counted(count, f"more {self.noun}") if self.noun else f"{count} more"
            yield " ", "…", f"{what} {self.rest}".rstrip()


def plan_rows(report: RunReport) -> list[Row]:
    """Return one row for each domain of the plan; `status` is the result."""
    network = report.view.snapshot.network.domain
    return [row.data(network) for section in _sections(report) for row in section.rows]


def rows_shown(reports: Sequence[RunReport], output: Output) -> list[Row]:
    """Return the rows of several plans, or none if `output` asks for a format that needs no rows."""
    return [row for report in reports for row in plan_rows(report)] if output.wants_rows(_RENDERED) else []


def rendered(reports: Sequence[RunReport]) -> dict[str, str]:
    """Return the formats that need no rows: the text, and `ids` and `count` of the changes alone."""
    changes = [change for report in reports for change in report.plan.changes]
    return {
        Format.TABLE: "\n\n".join(plan_text(report) for report in reports),
        Format.IDS: " ".join(change.name for change in changes),
        Format.COUNT: str(len(changes)),
    }


def plan_text(report: RunReport) -> str:
    """Return a plan as text: a headline, then a line for each change, hold and unmanaged domain."""
    lines = [line for section in _sections(report) for line in section.lines()]
    width = max((len(name) for _, name, _ in lines), default=0)
    return "\n".join(
        [_headline(report), *(f"  {sign:<2} {name:<{width}}  {text}".rstrip() for sign, name, text in lines)]
    )


def stage_plan(report: RunReport) -> StagePlan | None:
    """Return the stages of a report: after the checks of a sync, or from the ledger in a plan."""
    return report.verified.stages if report.verified else report.stages


def record_row(missing: MissingRecord, result: WriteResult[RecordOutcome] | None, failure: str = "") -> PlanRow:
    """Return the row of a record that is due, with its result, if any, or with the `failure` of the whole call."""
    reason = _RECORD_REASONS.get(result.outcome, _MISSING) if result else _MISSING
    text = reason.format(site=missing.site, text=result.text if result else "")
    status = "failed" if failure else _RECORD_STATUS[result.outcome] if result else "planned"
    return PlanRow("*", missing.domain, "record", status, failure or text, text)


def limit_rule(over_limit: OverLimit) -> str:
    """Return a removal limit and how much of it is used, as a clause."""
    hours = int(over_limit.window / 3600)
    span = "hour" if hours == 1 else counted(hours, "hour")
    removals = counted(over_limit.limit, f"{_EVIDENCE[over_limit.removal_class]} removal")
    return f"the limit is {removals} per {span}, with {over_limit.removed} removed and {over_limit.waiting} pending"


def _sections(report: RunReport) -> Iterator[_Section]:
    plan, results = report.plan, _results(report.applied)
    if report.records:
        yield from _record_sections(report.records)
    yield _Section(_change_row(change, results) for change in plan.changes)
    for action in (Action.REMOVE, Action.ADD):
        yield from _hold_sections([hold for hold in plan.held if hold.action is action])
    if unproven := sorted(plan.unproven):
        yield _holds(map(unproven_hold, unproven), len(unproven), unproven[0])
    for limit in plan.over_limit:
        rule = limit_rule(limit)
        rows = (PlanRow("!", n, "remove", "needs-approval", rule, f"needs approval: {rule}") for n in limit.names)
        yield _Section(rows, len(limit.names), "removal", "blocked by the same limit")
    rows = (PlanRow("?", n, "", "unmanaged", _UNMANAGED, f"unmanaged: {_UNMANAGED}") for n in plan.unmanaged)
    yield _Section(rows, len(plan.unmanaged), "unmanaged domain")
    yield _Section(PlanRow("", n, a, "stale", "the reviewed change no longer applies") for a, n in report.stale)
    if stages := stage_plan(report):
        yield from _stage_sections(report, stages)


def _results(applied: Applied | None) -> dict[tuple[Action, str], tuple[str, str]]:
    """Return status and reason of each change that was tried or skipped."""
    if applied is None:
        return {}
    skipped = applied.stopped or "the run stopped early"
    return {
        **{(change.action, change.name): ("done", change.cause) for change in applied.done},
        **{(failure.change.action, failure.change.name): ("failed", failure.message) for failure in applied.failed},
        **{(change.action, change.name): ("skipped", skipped) for change in applied.not_begun},
        # A change that was put on hold during the run is among the plan's changes.
        **{(hold.action, hold.name): ("on-hold", hold.reason) for hold in applied.held},
    }


def _change_row(change: Change, results: dict[tuple[Action, str], tuple[str, str]]) -> PlanRow:
    status, reason = results.get((change.action, change.name), ("planned", change.cause))
    return PlanRow(_SIGNS[change.action], change.name, change.action.value, status, reason, change.cause)


def _hold_sections(holds: Iterable[Hold]) -> Iterator[_Section]:
    groups: dict[str, list[Hold]] = {}
    for hold in holds:
        groups.setdefault(hold.code, []).append(hold)
    for group in groups.values():
        yield _holds(group, len(group), group[0].name)


def _holds(holds: Iterable[Hold], total: int, first: str) -> _Section:
    rows = (_held_row(_SIGNS[h.action], h.name, h.action.value, h.reason, h.until) for h in holds)
    return _Section(rows, total, rest=f'on hold for the same reason as "{first}"')


def _held_row(sign: str, domain: str, change: str, reason: str, until: float | None = None) -> PlanRow:
    text = f"on hold: {reason}{f' (until {when(until)})' if until else ''}"
    return PlanRow(f"~{sign}", domain, change, "on-hold", reason, text, until)


def _record_sections(records: RecordResults) -> Iterator[_Section]:
    failure = records.trouble.message if records.trouble else ""
    rows = (record_row(missing, records.results.get(missing.site), failure) for missing in records.due)
    yield _Section(rows, len(records.due), "site", "without a domain record")
    held = [
        _held_row(
            "*",
            missing.domain,
            "record",
            _RECORD_HOLDS[missing.hold].format(site=missing.site),
            missing.due if missing.hold in {RecordHold.RETRY, RecordHold.UNSEEN} else None,
        )
        for missing in records.plan.missing_records
        if missing.hold
    ]
    yield _Section(held, len(held), rest="on hold")


def _stage_sections(report: RunReport, stages: StagePlan) -> Iterator[_Section]:
    outcomes = {moved.name: moved.result.outcome for moved in report.verified.moved} if report.verified else {}
    statuses = {None: "planned", StageOutcome.DONE: "done", StageOutcome.CHANGED: "on-hold"}
    rows = []
    for change in stages.changes:
        reason = f"{change.mapping.stage} -> {change.stage}: {change.reason}"
        status = statuses.get(outcomes.get(change.name), "failed")
        rows.append(PlanRow(">", change.name, "stage", status, reason, f"stage {reason}"))
    yield _Section(rows)
    held = (PlanRow("~>", h.name, "stage", "on-hold", h.reason, f"stage on hold: {h.reason}") for h in stages.holds)
    yield _Section(held, len(stages.holds), "stage", "on hold")


def _headline(report: RunReport) -> str:
    plan = report.plan
    over_limit = sum(len(limit.names) for limit in plan.over_limit)
    records = len(report.records.due) if report.records else 0
    counts = [
        f"{len(plan.additions)} to add",
        f"{len(plan.removals)} to remove",
        f"{plan.in_sync} {'in sync' if plan.observed.readable else 'unknown'}",
        *([f"{plan.hold_count} on hold"] if plan.hold_count else []),
        *([counted(over_limit, "needs approval", "need approval")] if over_limit else []),
        *([f"{len(plan.unmanaged)} unmanaged"] if plan.unmanaged else []),
        *([f"{len(plan.orphaned)} orphaned"] if plan.orphaned else []),
        *([f"{counted(records, 'domain record')} to create"] if records else []),
    ]
    source = "" if plan.observed.readable else " (based on the ledger, without Closte's list)"
    return f'Network "{report.view.snapshot.network.domain}": {", ".join(counts)}{source}.'
