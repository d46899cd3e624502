"""Render plans and their results: as rows for programs, as text for people."""

from __future__ import annotations

from functools import partial
from heapq import nsmallest
from typing import TYPE_CHECKING

from closte_bridge.cli.formats import Format
from closte_bridge.cli.plan_lines import SHOWN, held_line, more, plan_row
from closte_bridge.cli.records import record_lines, record_rows
from closte_bridge.cli.result import Message, Problem
from closte_bridge.cli.stages import stage_lines, stage_rows
from closte_bridge.counts import counted
from closte_bridge.engine.problems import LOST
from closte_bridge.hosting import Action, Completeness
from closte_bridge.ledger.state import FailureCode
from closte_bridge.planning.authority import WRONG_KEY
from closte_bridge.planning.model import Mode, unproven_hold
from closte_bridge.wordpress.results import RecordOutcome, StageOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from closte_bridge.cli.formats import Row
    from closte_bridge.cli.plan_lines import Line
    from closte_bridge.cli.result import Output
    from closte_bridge.engine.apply import Applied
    from closte_bridge.engine.run import RunReport
    from closte_bridge.planning.model import Hold, HoldCode, OverLimit, Plan
    from closte_bridge.wordpress.snapshot import Snapshot

FIELDS = ("domain", "change", "status", "reason", "until", "network")
_IN_SYNC = Message("success", "Nothing to change.")
_FROM_LEDGER = Message("log", "Nothing to change, based on the ledger.")
_ONLY_IN_WORDPRESS = Message("success", "No domains to add or remove.")
NO_CHANGES = (_IN_SYNC, _FROM_LEDGER, _ONLY_IN_WORDPRESS)
"""The summaries of a run that changes nothing on Closte."""
_RETRY = (
    "closte-bridge retries failed changes, with increasing delays. Retry now with `closte-bridge sync --retry`, or see "
    "the next attempt with `closte-bridge domain explain <domain>`."
)
_RELEASE = "Ask Closte's support to release it from the other application. closte-bridge retries once a day."
_UNMANAGED = "not used in this network; not touched"
_SIGNS = {Action.ADD: "+", Action.REMOVE: "-"}
_EVIDENCE = {"event": "confirmed", "inference": "inferred"}


def plan_rows(report: RunReport) -> list[Row]:
    """Return one row for each domain of the plan; `status` is the result."""
    plan, network = report.plan, report.view.snapshot.network.domain
    status = _statuses(report)

    row = partial(plan_row, network)
    rows = [row(c.name, c.action.value, *status.get((c.action, c.name), ("planned", c.cause))) for c in plan.changes]
    # A change that was put on hold during the run is among the plan's changes.
    rows += [row(h.name, h.action.value, "on-hold", h.reason, h.until) for h in plan.holds]
    rows += [row(n, "remove", "needs-approval", _rule(w)) for w in plan.over_limit for n in w.names]
    rows += [row(n, "", "unmanaged", _UNMANAGED) for n in plan.unmanaged]
    rows += [row(n, a, "stale", "the reviewed change no longer applies") for a, n in report.stale]
    return record_rows(report, network) + rows + stage_rows(report, network)


def _statuses(report: RunReport) -> dict[tuple[Action, str], tuple[str, str]]:
    found: dict[tuple[Action, str], tuple[str, str]] = {}
    if not report.applied:
        return found
    for change in report.applied.done:
        found[change.action, change.name] = ("done", change.cause)
    for failure in report.applied.failed:
        found[failure.change.action, failure.change.name] = ("failed", failure.message)
    for change in report.applied.not_begun:
        found[change.action, change.name] = ("skipped", report.applied.stopped or "the run stopped early")
    for hold in report.applied.held:
        found[hold.action, hold.name] = ("on-hold", hold.reason)
    return found


def rows_shown(reports: Sequence[RunReport], output: Output) -> list[Row]:
    """Return the rows of several plans, or none if `output` asks for a format that needs no rows."""
    if not output.wants_rows(RENDERED):
        return []
    return [row for report in reports for row in plan_rows(report)]


RENDERED = (Format.TABLE, Format.IDS, Format.COUNT)


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
    plan = report.plan
    lines = record_lines(report)
    lines += [(_SIGNS[c.action], c.name, c.cause) for c in plan.changes]
    lines += _grouped([h for h in plan.held if h.action is Action.REMOVE], "-")
    lines += _grouped([h for h in plan.held if h.action is Action.ADD], "+")
    lines += _unproven(plan)
    for w in plan.over_limit:
        lines += [("!", name, f"needs approval: {_rule(w)}") for name in w.names[:SHOWN]]
        lines += more(len(w.names), "removal", "blocked by the same limit")
    lines += [("?", name, f"unmanaged: {_UNMANAGED}") for name in plan.unmanaged[:SHOWN]]
    lines += more(len(plan.unmanaged), "unmanaged domain")
    lines += stage_lines(report)
    head = _headline(report)
    if not lines:
        return head
    width = max(len(name) for _, name, _ in lines)
    return "\n".join([head, *(f"  {sign:<2} {name:<{width}}  {text}".rstrip() for sign, name, text in lines)])


def _grouped(holds: Iterable[Hold], sign: str) -> list[Line]:
    groups: dict[HoldCode, list[Hold]] = {}
    for hold in holds:
        groups.setdefault(hold.code, []).append(hold)
    lines = []
    for group in groups.values():
        for hold in group[:SHOWN]:
            lines.append(held_line(sign, hold.name, hold.reason, hold.until))
        lines += _more_held(len(group), group[0])
    return lines


def _unproven(plan: Plan) -> list[Line]:
    first = [unproven_hold(name) for name in nsmallest(SHOWN, plan.unproven)]
    return _grouped(first, "+") + (_more_held(len(plan.unproven), first[0]) if first else [])


def _more_held(count: int, first: Hold) -> list[Line]:
    return more(count, "", f'on hold for the same reason as "{first.name}"')


def _headline(report: RunReport) -> str:
    plan = report.plan
    over_limit = sum(len(w.names) for w in plan.over_limit)
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


def _rule(over_limit: OverLimit) -> str:
    hours = int(over_limit.window / 3600)
    span = "hour" if hours == 1 else counted(hours, "hour")
    removals = counted(over_limit.limit, f"{_EVIDENCE[over_limit.removal_class]} removal")
    return f"the limit is {removals} per {span}, with {over_limit.removed} removed and {over_limit.waiting} pending"


def approval_problems(plan: Plan) -> list[Problem]:
    """Return an error for each removal limit that is exceeded."""
    problems = []
    for over_limit in plan.over_limit:
        count = counted(len(over_limit.names), "removal needs", "removals need")
        problems.append(
            Problem(
                code="needs-approval",
                message=f"{count} your approval ({_rule(over_limit)}): {_listed(over_limit.names)}.",
                hint="If you intend them, review them with `closte-bridge plan --out=FILE` and run "
                "`closte-bridge apply FILE`. To approve them without a file, run "
                f"`closte-bridge sync --allow-removals={over_limit.digest}`.",
            )
        )
    return problems


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:SHOWN])
    rest = len(names) - SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


def side_problems(report: RunReport) -> tuple[list[Problem], list[Problem], list[Message]]:
    """Return errors, warnings and remarks about WordPress, Closte and what this installation may change."""
    errors: list[Problem] = []
    warnings: list[Problem] = []
    remarks: list[Message] = []
    plan = report.plan
    # While the integration is disabled, the list need not be readable.
    if plan.authority.mode is not Mode.INACTIVE:
        (errors if not plan.observed.readable else warnings).extend(_list_problems(report))
    warnings += _snapshot_warnings(report.view.snapshot)
    authority = plan.authority
    if only_key_rejected(report):
        return errors, warnings, remarks
    if authority.mode is Mode.INACTIVE:
        note = Problem(
            code=authority.code, message=f"closte-bridge changes nothing: {authority.reason}.", hint=authority.hint
        )
        remarks.append(Message("warning", note.message, note))
    elif authority.mode is not Mode.FULL:
        word = "Read-only" if authority.mode is Mode.READ_ONLY else "Add-only"
        warnings.append(Problem(code=authority.code, message=f"{word}: {authority.reason}.", hint=authority.hint))
    elif authority.rebind:
        text = "The API key changed. It belongs to the same application, so closte-bridge uses it from now on."
        warnings.append(Problem(code="rebind", message=text))
    return errors, warnings, remarks


def _snapshot_warnings(snapshot: Snapshot) -> Iterator[Problem]:
    if snapshot.faults:
        text = f"Could not read WordPress completely: {'; '.join(snapshot.faults)}. Removals wait."
        yield Problem(code="snapshot-partial", message=text, hint="Run `wp db check`.")
    if snapshot.went_back:
        text = f"WordPress was probably restored from a backup: {snapshot.went_back}. Removals wait."
        hint = "Check in WordPress that no mapping is missing, then run `closte-bridge adopt`."
        yield Problem(code="database-restored", message=text, hint=hint)


def _list_problems(report: RunReport) -> tuple[Problem, ...]:
    """Return the problem with a list that is unreadable or incomplete."""
    from closte_bridge.engine.apply import key_rejected  # noqa: PLC0415 - loaded when the list was read

    observed = report.plan.observed
    if report.view.listing.key_rejected:
        return Problem.of(key_rejected(report.view.key_source))
    if observed.state is Completeness.UNREADABLE:
        text = f"Could not read Closte's list: {observed.reason}"
        hint = "closte-bridge relies on its ledger meanwhile. Find the cause with `closte-bridge integration test`."
        return (Problem(code="list-unreadable", message=text, hint=hint),)
    if report.lost:
        return (_lost(report),)
    if observed.paged:
        text = f"{observed.reason}. Inferred removals wait. For all other domains, closte-bridge relies on its ledger."
        hint = "Ask Closte's support how to get the complete list."
        return (Problem(code="list-paged", message=text, hint=hint),)
    if observed.state is Completeness.PARTIAL:
        text = f"Closte's list is incomplete: {observed.reason}. Inferred removals wait."
        hint = "Check the domains in Closte's dashboard. If you removed some there, run `closte-bridge adopt`."
        return (Problem(code="list-partial", message=text, hint=hint),)
    return ()


def _lost(report: RunReport) -> Problem:
    """Return the alarm that Closte lost many managed aliases."""
    back = sum(1 for c in report.applied.done if c.name in report.lost) if report.applied else 0
    again = f" closte-bridge added {back} of them again." if report.applied else ""
    return Problem(
        code=LOST,
        message=f"Closte lost {counted(len(report.lost), 'managed domain')}: {_listed(sorted(report.lost))}.{again}",
        hint="Ask Closte's support what happened. If you removed them in its dashboard, run `closte-bridge adopt`.",
        loud=True,
    )


def only_key_rejected(report: RunReport) -> bool:
    """Return whether Closte rejected a changed key: then adopting, the hint for a changed key, would not help."""
    return report.view.listing.key_rejected and report.plan.authority.code == WRONG_KEY


def outcome_problems(report: RunReport) -> tuple[list[Problem], list[Message]]:
    """Return an error for each change that failed, and the summary of a run."""
    applied = report.applied
    if applied is None:
        return [], []
    errors = [
        Problem(
            code=failure.code or f"{failure.change.action.value}-{failure.kind.value}",
            message=f'Could not {failure.change.action.value} "{failure.change.name}": {failure.message}',
            hint=_RELEASE if failure.code is FailureCode.EXISTS_ELSEWHERE else _RETRY,
            domain=failure.change.name,
        )
        for failure in applied.failed
    ]
    if applied.reread_failed:
        text = f"Removals were skipped, because WordPress could not be read again: {applied.reread_failed.message}"
        errors.append(Problem(code=applied.reread_failed.code, message=text, hint=applied.reread_failed.hint))
    if applied.stopped and applied.not_begun:
        text = f"{counted(len(applied.not_begun), 'change')} skipped: {applied.stopped}"
        errors.append(Problem(code="stopped", message=text, hint="The next run continues with them."))
    summary = _summary(report, applied)
    if isinstance(summary, Problem):
        return [*errors, summary], []
    return errors, [summary]


def _without_changes(report: RunReport) -> Message:
    """Return the summary of a run without changes on Closte; it may have changed stages or domain records."""
    if not report.plan.observed.readable:
        return _FROM_LEDGER
    outcomes = {moved.result.outcome for moved in report.verified.moved} if report.verified else set()
    made = {result.outcome for result in report.records.results.values()} if report.records else set()
    return _ONLY_IN_WORDPRESS if StageOutcome.DONE in outcomes or RecordOutcome.MADE in made else _IN_SYNC


def unknown_domain(name: str, near: str) -> Problem:
    """Return the error for a domain that neither side knows; `near` is the known one that it resembles, or ""."""
    hint = f"Compare it with `closte-bridge domain list`, or add it with `closte-bridge domain add {name}`."
    return Problem(
        code="unknown-domain",
        message=f'Unknown domain "{name}": not found in WordPress or on Closte.',
        hint=f'Did you mean "{near}"? If not: {hint[0].lower()}{hint[1:]}' if near else hint,
        domain=name,
    )


def unmanaged_requests(report: RunReport) -> list[Problem]:
    """Return a warning for each requested domain on Closte that closte-bridge does not manage."""
    unused = {*report.plan.unmanaged}
    return [
        Problem(
            code="not-managed",
            message=f'"{name}" is on Closte, but '
            f"{'this network does not use it' if name in unused else 'closte-bridge does not manage it'}.",
            hint=f"To use it, map it in WordPress or run `closte-bridge domain add {name}`. "
            "To remove it, use Closte's dashboard."
            if name in unused
            else "Run `closte-bridge adopt` to manage it.",
            domain=name,
        )
        for name in report.unmanaged
    ]


def _summary(report: RunReport, applied: Applied) -> Message | Problem:
    readable = report.plan.observed.readable
    total = {a: sum(1 for c in report.plan.changes if c.action is a) for a in Action}
    for hold in applied.held:
        total[hold.action] -= 1
    done = {a: sum(1 for c in applied.done if c.action is a) for a in Action}
    if not any(total.values()):
        return _without_changes(report)
    parts = [
        f"{verb} {done[action]} of {counted(total[action], 'domain')}"
        for action, verb in ((Action.ADD, "added"), (Action.REMOVE, "removed"))
        if total[action]
    ]
    text = " and ".join(parts).capitalize()
    left = sum(total.values()) - sum(done.values())
    if not left:
        return Message("success" if readable else "log", f"{text}.")
    skipped = min(left, len(applied.not_begun))
    why = ", ".join(f"{n} {word}" for n, word in ((left - skipped, "failed"), (skipped, "skipped")) if n)
    return Problem(code="incomplete", message=f"{text}; {why}.", hint=_RETRY)
