"""Render the domain records that sites lack, and the results of creating them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.cli.plan_lines import SHOWN, held_line, more, plan_row
from closte_bridge.cli.result import Message, Problem
from closte_bridge.counts import counted

if TYPE_CHECKING:
    from closte_bridge.cli.formats import Row
    from closte_bridge.cli.plan_lines import Line
    from closte_bridge.engine.records import RecordResults
    from closte_bridge.engine.run import RunReport
    from closte_bridge.planning.records import MissingRecord

_STATUS = {"made": "done", "missing": "planned", "there": "done", "unwanted": "on-hold", "gone": "on-hold"}


def status_of(word: str | None) -> str:
    """Return the status of a plan's row for the result of a record; None: no result yet."""
    return "planned" if word is None else _STATUS.get(word, "failed")


def reason_of(site: int, word: str | None) -> str:
    """Return why a record is created, or was not."""
    others = {
        "there": f"site {site} already has a domain record",
        "unwanted": f"site {site} uses a shared domain or is excluded by a filter",
        "gone": f"site {site} no longer exists",
        "inactive": "Ultimate Multisite is not active",
    }
    if word is not None and word.startswith("refused"):
        return f"rejected by Ultimate Multisite ({word})"
    return others.get(word or "", f"site {site} has no domain record")


_HOLDS = {
    "retry": "site {site} has no domain record; the last attempt failed",
    "unseen": "site {site} has no domain record, but its mappings may still be imported",
    "arriving": "site {site} has no domain record, but an import may be running",
    "limit": "site {site} has no domain record; the limit per day is reached",
}


def _on_hold(records: RecordResults) -> list[MissingRecord]:
    return [missing_record for missing_record in records.plan.missing_records if missing_record.hold]


def _hold_reason(missing_record: MissingRecord) -> str:
    return _HOLDS[missing_record.hold].format(site=missing_record.site)


def _until(missing_record: MissingRecord) -> float | None:
    return missing_record.due if missing_record.hold in {"retry", "unseen"} else None


def record_rows(report: RunReport, network: str) -> list[Row]:
    """Return a row for each domain record that is due or on hold."""
    records = report.records
    if records is None:
        return []
    rows = []
    for missing_record in records.due:
        word = "failed" if records.trouble else records.results.get(missing_record.site)
        reason = records.trouble.message if records.trouble else reason_of(missing_record.site, word)
        rows.append(plan_row(network, missing_record.domain, "record", status_of(word), reason))
    return rows + [
        plan_row(network, held.domain, "record", "on-hold", _hold_reason(held), _until(held))
        for held in _on_hold(records)
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
    lines += [held_line("*", held.domain, _hold_reason(held), _until(held)) for held in on_hold[:SHOWN]]
    return lines + more(len(on_hold), "", "on hold")


def record_messages(report: RunReport) -> tuple[list[Problem], list[Message]]:
    """Return errors and remarks about the domain records that a sync created."""
    records = report.records
    if records is None:
        return [], []
    domains = {missing_record.site: missing_record.domain for missing_record in records.due}
    errors = [
        refusal(site, domains[site], word) for site, word in records.results.items() if word.startswith("refused")
    ]
    if records.trouble:
        text = f"Could not create domain records: {records.trouble.message}"
        errors.append(Problem(code=records.trouble.code, message=text, hint=records.trouble.hint))
    made = sum(1 for word in records.results.values() if word == "made")
    remarks = [Message("log", f"Created {counted(made, 'domain record')}.")] if made else []
    if records.later:
        remarks.append(Message("log", f"{counted(records.later, 'domain record')} left for the next run."))
    return errors, remarks


def refusal(site: int, domain: str, word: str) -> Problem:
    """Return the error for a domain record that Ultimate Multisite rejected."""
    return Problem(
        code="record-refused",
        message=f'Ultimate Multisite rejected the domain record "{domain}" of site {site} ({word}).',
        domain=domain,
        hint="Check the site in the network admin. closte-bridge retries in an hour.",
    )
