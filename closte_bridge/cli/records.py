"""Render the domain records that sites lack, and the results of creating them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.cli.plan_lines import SHOWN, held_line, more, plan_row
from closte_bridge.cli.result import Message, Problem
from closte_bridge.counts import counted
from closte_bridge.planning.records import RecordHold
from closte_bridge.wordpress.results import RecordOutcome

if TYPE_CHECKING:
    from closte_bridge.cli.formats import Row
    from closte_bridge.cli.plan_lines import Line
    from closte_bridge.engine.records import RecordResults
    from closte_bridge.engine.run import RunReport
    from closte_bridge.wordpress.results import WriteResult

_STATUS = {
    RecordOutcome.MADE: "done",
    RecordOutcome.MISSING: "planned",
    RecordOutcome.THERE: "done",
    RecordOutcome.UNWANTED: "on-hold",
    RecordOutcome.GONE: "on-hold",
    RecordOutcome.INACTIVE: "failed",
    RecordOutcome.REFUSED: "failed",
}
_REASONS = {
    RecordOutcome.THERE: "site {site} already has a domain record",
    RecordOutcome.UNWANTED: "site {site} uses a shared domain or is excluded by a filter",
    RecordOutcome.GONE: "site {site} no longer exists",
    RecordOutcome.INACTIVE: "Ultimate Multisite is not active",
    RecordOutcome.REFUSED: "rejected by Ultimate Multisite ({text})",
}


def status_of(result: WriteResult[RecordOutcome] | None) -> str:
    """Return the status of a plan's row for the result of a record; None: no result yet."""
    return "planned" if result is None else _STATUS[result.outcome]


def reason_of(site: int, result: WriteResult[RecordOutcome] | None) -> str:
    """Return why a record is created, or was not."""
    missing = "site {site} has no domain record"
    if result is None:
        return missing.format(site=site)
    return _REASONS.get(result.outcome, missing).format(site=site, text=result.text)


_HOLDS = {
    RecordHold.RETRY: "site {site} has no domain record; the last attempt failed",
    RecordHold.UNSEEN: "site {site} has no domain record, but its mappings may still be imported",
    RecordHold.ARRIVING: "site {site} has no domain record, but an import may be running",
    RecordHold.LIMIT: "site {site} has no domain record; the limit per day is reached",
}


def _on_hold(records: RecordResults) -> list[tuple[str, str, float | None]]:
    """Return domain, reason and end of each record on hold."""
    return [
        (
            missing_record.domain,
            _HOLDS[missing_record.hold].format(site=missing_record.site),
            missing_record.due if missing_record.hold in {RecordHold.RETRY, RecordHold.UNSEEN} else None,
        )
        for missing_record in records.plan.missing_records
        if missing_record.hold
    ]


def record_rows(report: RunReport, network: str) -> list[Row]:
    """Return a row for each domain record that is due or on hold."""
    records = report.records
    if records is None:
        return []
    rows = []
    for missing_record in records.due:
        result = records.results.get(missing_record.site)
        reason = records.trouble.message if records.trouble else reason_of(missing_record.site, result)
        status = "failed" if records.trouble else status_of(result)
        rows.append(plan_row(network, missing_record.domain, "record", status, reason))
    return rows + [
        plan_row(network, domain, "record", "on-hold", reason, until) for domain, reason, until in _on_hold(records)
    ]


def record_lines(report: RunReport) -> list[Line]:
    """Return a line for each of the first domain records that are due or on hold."""
    records = report.records
    if records is None:
        return []
    lines = [
        ("*", missing_record.domain, reason_of(missing_record.site, records.results.get(missing_record.site)))
        for missing_record in records.due[:SHOWN]
    ]
    lines += more(len(records.due), "site", "without a domain record")
    on_hold = _on_hold(records)
    lines += [held_line("*", *held) for held in on_hold[:SHOWN]]
    return lines + more(len(on_hold), "", "on hold")


def record_messages(report: RunReport) -> tuple[list[Problem], list[Message]]:
    """Return errors and remarks about the domain records that a sync created."""
    records = report.records
    if records is None:
        return [], []
    domains = {missing_record.site: missing_record.domain for missing_record in records.due}
    errors = [refusal(site, domains[site], result) for site, result in records.results.items() if result.refused]
    if records.trouble:
        text = f"Could not create domain records: {records.trouble.message}"
        errors.append(Problem(code=records.trouble.code, message=text, hint=records.trouble.hint))
    made = sum(result.outcome is RecordOutcome.MADE for result in records.results.values())
    remarks = [Message("log", f"Created {counted(made, 'domain record')}.")] if made else []
    if records.later:
        remarks.append(Message("log", f"{counted(records.later, 'domain record')} left for the next run."))
    return errors, remarks


def refusal(site: int, domain: str, result: WriteResult[RecordOutcome]) -> Problem:
    """Return the error for a domain record that Ultimate Multisite rejected."""
    return Problem(
        code="record-refused",
        message=f'Ultimate Multisite rejected the domain record "{domain}" of site {site} ({result.text}).',
        domain=domain,
        hint="Check the site in the network admin. closte-bridge retries in an hour.",
    )
