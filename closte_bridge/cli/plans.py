"""Show plans and what became of them: as rows for programs, as text for people."""

from __future__ import annotations

from datetime import UTC, datetime
from heapq import nsmallest
from typing import TYPE_CHECKING

from closte_bridge.cli.formats import Format
from closte_bridge.cli.records import more, record_lines, record_rows
from closte_bridge.cli.result import Message, Problem
from closte_bridge.cli.stages import stage_lines, stage_rows
from closte_bridge.closte.listing import Completeness
from closte_bridge.counts import counted
from closte_bridge.engine.problems import LOST
from closte_bridge.planning.authority import WRONG_KEY
from closte_bridge.planning.model import ELSEWHERE, Action, Mode, unproven_hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from closte_bridge.cli.formats import Row
    from closte_bridge.cli.result import Output
    from closte_bridge.engine.run import RunReport
    from closte_bridge.planning.model import Change, Hold, OverLimit, Plan
    from closte_bridge.wordpress.snapshot import Snapshot

FIELDS = ("domain", "change", "status", "reason", "until", "network")
# Holds of one kind can number thousands; people see the first of each, programs see all.
_SHOWN = 10
IN_STEP = "Domains already in step."
_TRIED_AGAIN = (
    "What failed stays wanted and is tried again, later and later; `closte-bridge domain explain <domain>` says when, "
    "`closte-bridge sync --retry` tries now."
)
_RELEASE = "Ask Closte's support to release it from the other application. It is tried again once a day."
_SIGNS = {Action.ADD: "+", Action.REMOVE: "-"}


def when(moment: float | None) -> str | None:
    """Return a moment in ISO 8601, UTC."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def plan_rows(report: RunReport) -> list[Row]:
    """Return everything that the plan holds, one row a name; `status` tells what becomes of it."""
    plan, network = report.plan, report.view.snapshot.network.domain
    status = _statuses(report)

    def row(name: str, change: str, state: str, reason: str, until: float | None = None) -> Row:
        return {
            "domain": name,
            "change": change,
            "status": state,
            "reason": reason,
            "until": when(until),
            "network": network,
        }

    rows = [row(c.name, c.action.value, *status.get((c.action, c.name), ("planned", c.cause))) for c in plan.changes]
    # What was held while the plan was carried out is among its changes.
    rows += [row(h.name, h.action.value, "on-hold", h.reason, h.until) for h in plan.holds]
    rows += [row(n, "remove", "needs-approval", _rule(w)) for w in plan.over_limit for n in w.names]
    rows += [row(n, "", "unmanaged", "not ours and not wanted here; left alone") for n in plan.unmanaged]
    rows += [row(n, a, "stale", "the reviewed change is no longer valid") for a, n in report.stale]
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
        found[change.action, change.name] = ("skipped", report.applied.stopped or "the run ended early")
    for hold in report.applied.held:
        found[hold.action, hold.name] = ("on-hold", hold.reason)
    return found


def rows_shown(reports: Sequence[RunReport], output: Output) -> list[Row]:
    """Return the rows of several plans, or none when `output` asks for a text that is not made from them."""
    if not output.wants_rows(RENDERED):
        return []
    return [row for report in reports for row in plan_rows(report)]


RENDERED = (Format.TABLE, Format.IDS, Format.COUNT)


def rendered(reports: Sequence[RunReport]) -> dict[str, str]:
    """Return the formats that are not made from the rows: the text, and `ids` and `count` of the changes alone."""
    changes = [change for report in reports for change in report.plan.changes]
    return {
        Format.TABLE: "\n\n".join(plan_text(report) for report in reports),
        Format.IDS: " ".join(change.name for change in changes),
        Format.COUNT: str(len(changes)),
    }


def plan_text(report: RunReport) -> str:
    """Return a plan as people read it: a headline, then a line for each name that anything is to be said of."""
    plan = report.plan
    lines = record_lines(report)
    lines += [(_SIGNS[c.action], c.name, c.cause) for c in plan.changes]
    lines += _grouped([h for h in plan.held if h.action is Action.REMOVE], "-")
    lines += _grouped([h for h in plan.held if h.action is Action.ADD], "+")
    lines += _unproven(plan)
    for w in plan.over_limit:
        lines += [("!", name, f"removal withheld: {_rule(w)}") for name in w.names[:_SHOWN]]
        lines += more(len(w.names) - _SHOWN, "removal", " withheld by the same rule")
    lines += [("?", name, "foreign: not ours and not wanted here; left alone") for name in plan.unmanaged[:_SHOWN]]
    lines += more(len(plan.unmanaged) - _SHOWN, "foreign name")
    lines += stage_lines(report)
    head = _headline(report)
    if not lines:
        return head
    width = max(len(name) for _, name, _ in lines)
    return "\n".join([head, *(f"  {sign:<2} {name:<{width}}  {text}".rstrip() for sign, name, text in lines)])


def _grouped(holds: Iterable[Hold], sign: str) -> list[tuple[str, str, str]]:
    groups: dict[str, list[Hold]] = {}
    for hold in holds:
        groups.setdefault(hold.code, []).append(hold)
    lines = []
    for group in groups.values():
        for hold in group[:_SHOWN]:
            until = f" (until {when(hold.until)})" if hold.until else ""
            lines.append((f"~{sign}", hold.name, f"held: {hold.reason}{until}"))
        lines += more(len(group) - _SHOWN, "", f'held like "{group[0].name}"')
    return lines


def _unproven(plan: Plan) -> list[tuple[str, str, str]]:
    first = [unproven_hold(name) for name in nsmallest(_SHOWN, plan.unproven)]
    return _grouped(first, "+") + more(len(plan.unproven) - _SHOWN, "", f'held like "{first[0].name}"' if first else "")


def _headline(report: RunReport) -> str:
    plan = report.plan
    over_limit = sum(len(w.names) for w in plan.over_limit)
    counts = [
        f"{len(plan.additions)} to add",
        f"{len(plan.removals)} to remove",
        f"{plan.in_sync} {'in step' if plan.observed.readable else 'unknown'}",
        *([f"{plan.hold_count} held"] if plan.hold_count else []),
        *([f"{over_limit} withheld"] if over_limit else []),
        *([f"{len(plan.unmanaged)} foreign"] if plan.unmanaged else []),
        *([f"{len(plan.orphaned)} orphaned"] if plan.orphaned else []),
        *([f"{counted(len(report.records.due), 'record')} to make"] if report.records and report.records.due else []),
    ]
    by = "" if plan.observed.readable else ", going by the ledger alone"
    return f'Network "{report.view.snapshot.network.domain}": {", ".join(counts)}{by}.'


def _rule(over_limit: OverLimit) -> str:
    hours = int(over_limit.window / 3600)
    span = "hour" if hours == 1 else counted(hours, "hour")
    return (
        f"at most {over_limit.limit} by {over_limit.removal_class.value} in any {span}, "
        f"{over_limit.removed} removed and {over_limit.waiting} waiting"
    )


def approval_problems(plan: Plan) -> list[Problem]:
    """Return an error for each class that the gate kept: the rule, the names and the way on."""
    problems = []
    for over_limit in plan.over_limit:
        names = ", ".join(f'"{name}"' for name in over_limit.names[:_SHOWN])
        rest = len(over_limit.names) - _SHOWN
        names += f" and {rest} more" if rest > 0 else ""
        count = counted(len(over_limit.names), "removal")
        problems.append(
            Problem(
                code="needs-approval",
                message=f"The gate withheld {count} ({_rule(over_limit)}): {names}.",
                hint="If they are meant, review them with `closte-bridge plan --out=FILE` and "
                f"`closte-bridge apply FILE`, or run `closte-bridge sync --allow-removals={over_limit.digest}`.",
            )
        )
    return problems


def side_problems(report: RunReport) -> tuple[list[Problem], list[Problem], list[Message]]:
    """Return errors, warnings and remarks about the two sides and this engine's standing."""
    errors: list[Problem] = []
    warnings: list[Problem] = []
    remarks: list[Message] = []
    plan = report.plan
    # While the integration is off nobody expects the list to be readable.
    if plan.authority.mode is not Mode.INACTIVE:
        (errors if not plan.observed.readable else warnings).extend(_of_list(report))
    warnings += _snapshot_warnings(report.view.snapshot)
    authority = plan.authority
    if only_the_key(report):
        return errors, warnings, remarks
    if authority.mode is Mode.INACTIVE:
        note = Problem(code=authority.code, message=f"Nothing is changed: {authority.reason}.", hint=authority.hint)
        remarks.append(Message("log", f"{note.message} {note.hint}", note))
    elif authority.mode is not Mode.FULL:
        word = "Read-only" if authority.mode is Mode.READ_ONLY else "Add-only"
        warnings.append(Problem(code=authority.code, message=f"{word}: {authority.reason}.", hint=authority.hint))
    elif authority.rebind:
        warnings.append(
            Problem(code="rebind", message="The API key is a new one for the same application; bound to it.")
        )
    return errors, warnings, remarks


def _snapshot_warnings(snapshot: Snapshot) -> Iterator[Problem]:
    if snapshot.faults:
        text = f"The snapshot is not complete: {'; '.join(snapshot.faults)}. Nothing is removed."
        yield Problem(code="snapshot-partial", message=text, hint="Run `wp db check`.")
    if snapshot.went_back:
        text = f"WordPress' database went back in time: {snapshot.went_back}. Nothing is removed."
        hint = "Check in WordPress that no mapping is missing, then accept it with `closte-bridge adopt`."
        yield Problem(code="database-restored", message=text, hint=hint)


def _of_list(report: RunReport) -> tuple[Problem, ...]:
    """Return what is to be said of a list that is not complete."""
    from closte_bridge.engine.apply import key_rejected  # noqa: PLC0415 - loaded by the look before

    observed = report.plan.observed
    if report.view.listing.key_rejected:
        return Problem.of(key_rejected())
    if observed.state is Completeness.UNREADABLE:
        hint = "What the ledger knows counts as present. Try `closte-bridge integration test`."
        return (Problem(code="list-unreadable", message=f"Closte's list: {observed.reason}", hint=hint),)
    if report.lost:
        return (_lost(report),)
    if observed.paged:
        text = f"{observed.reason}. What it does not show counts as present by the ledger. Inferred removals wait."
        hint = "Ask Closte's support for the whole list. A domain that left without an event stays until then."
        return (Problem(code="list-paged", message=text, hint=hint),)
    if observed.state is Completeness.PARTIAL:
        text = f"Closte's list is not complete: {observed.reason}. Nothing is removed by inference."
        hint = "Look at it in Closte's dashboard. If names were removed there on purpose, `closte-bridge adopt` again."
        return (Problem(code="list-partial", message=text, hint=hint),)
    return ()


def _lost(report: RunReport) -> Problem:
    """Return the alarm that Closte lost many managed aliases."""
    names = ", ".join(f'"{name}"' for name in nsmallest(_SHOWN, report.lost))
    rest = len(report.lost) - _SHOWN
    names += f" and {rest} more" if rest > 0 else ""
    back = sum(1 for c in report.applied.done if c.name in report.lost) if report.applied else 0
    came = f" {back} of them {'was' if back == 1 else 'were'} added again." if report.applied else ""
    return Problem(
        code=LOST,
        message=f"Closte lost {counted(len(report.lost), 'managed domain')}: {names}.{came}",
        hint="Ask Closte's support what happened. If you removed them in its dashboard, run `closte-bridge adopt`.",
        loud=True,
    )


def only_the_key(report: RunReport) -> bool:
    """Tell whether Closte's no to the key has said it all: to adopt, the remedy for another key, would not help."""
    return report.view.listing.key_rejected and report.plan.authority.code == WRONG_KEY


def outcome_problems(report: RunReport) -> tuple[list[Problem], list[Message]]:
    """Return an error for each change that failed, and the closing words of a run that changed something."""
    applied = report.applied
    if applied is None:
        return [], []
    errors = [
        Problem(
            code=failure.code or f"{failure.change.action.value}-{failure.kind.value}",
            message=f'"{failure.change.name}" was not {_past(failure.change)}: {failure.message}',
            hint=_RELEASE if failure.code == ELSEWHERE else _TRIED_AGAIN,
            domain=failure.change.name,
        )
        for failure in applied.failed
    ]
    if applied.reread_failed:
        text = f"Nothing was removed, because WordPress could not be read again: {applied.reread_failed.message}"
        errors.append(Problem(code=applied.reread_failed.code, message=text, hint=applied.reread_failed.hint))
    if applied.stopped and applied.not_begun:
        text = f"{counted(len(applied.not_begun), 'change')} not begun: {applied.stopped}"
        errors.append(Problem(code="stopped", message=text, hint="They stay wanted; the next run goes on with them."))
    summary, ok = _summary(report)
    if ok:
        return errors, [Message("success" if report.plan.observed.readable else "log", summary)]
    return [*errors, Problem(code="incomplete", message=summary, hint=_TRIED_AGAIN)], []


def _summary(report: RunReport) -> tuple[str, bool]:
    applied = report.applied
    assert applied is not None  # noqa: S101 - the caller looked
    total = {a: sum(1 for c in report.plan.changes if c.action is a) for a in Action}
    for hold in applied.held:
        total[hold.action] -= 1
    done = {a: sum(1 for c in applied.done if c.action is a) for a in Action}
    if not any(total.values()) and not report.plan.observed.readable:
        return "Nothing to change, as far as the ledger knows.", True
    if not any(total.values()):
        return IN_STEP, True
    parts = [
        f"{word} {done[action]} of {counted(total[action], 'domain')}"
        for action, word in ((Action.ADD, "added"), (Action.REMOVE, "removed"))
        if total[action]
    ]
    left = sum(total.values()) - sum(done.values())
    text = " and ".join(parts)
    if left:
        waiting = min(left, len(applied.not_begun))
        why = [f"{n} {word}" for n, word in ((left - waiting, "failed"), (waiting, "skipped")) if n]
        return f"Only {text} ({', '.join(why)}).", False
    return f"{text[0].upper()}{text[1:]}.", True


def _past(change: Change) -> str:
    return "added" if change.action is Action.ADD else "removed"
