"""Show which sites get their domain record, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from closte_bridge.cli.result import Message, Problem
from closte_bridge.counts import counted

if TYPE_CHECKING:
    from closte_bridge.cli.formats import Row
    from closte_bridge.engine.records import RecordResults
    from closte_bridge.engine.run import RunReport
    from closte_bridge.planning.records import MissingRecord

_SHOWN = 10
_STATUS = {"made": "done", "missing": "planned", "there": "done", "unwanted": "on-hold", "gone": "on-hold"}


def status_of(word: str | None) -> str:
    """Return the status of a plan's row for what became of a record; None: nothing yet."""
    return "planned" if word is None else _STATUS.get(word, "failed")


def reason_of(site: int, word: str | None) -> str:
    """Return why a record is made, or was not."""
    others = {
        "there": f"site {site} has one by now",
        "unwanted": f"site {site} shares its domain, or a filter says no",
        "gone": f"site {site} is gone",
        "inactive": "Ultimate Multisite is not at work",
    }
    if word is not None and word.startswith("refused"):
        return f"Ultimate Multisite did not take it ({word})"
    return others.get(word or "", f"site {site} has no domain record")


_HOLDS = {
    "retry": "site {site} has no domain record; the last try failed",
    "unseen": "site {site} has no domain record, and no event shows its creation: its mappings may follow",
    "arriving": "site {site} has no domain record, and rows are still arriving",
    "limit": "site {site} has no domain record, and enough were made today for sites without an event",
}


def _held(records: RecordResults) -> list[MissingRecord]:
    return [missing_record for missing_record in records.plan.missing_records if missing_record.hold]


def _waits(missing_record: MissingRecord) -> str:
    return _HOLDS[missing_record.hold].format(site=missing_record.site)


def _until(missing_record: MissingRecord) -> str | None:
    return _moment(missing_record.due) if missing_record.hold in {"retry", "unseen"} else None


def record_rows(report: RunReport, network: str) -> list[Row]:
    """Return a row for each site whose record is due or waited for."""
    records = report.records
    if records is None:
        return []

    def row(missing_record: MissingRecord, status: str, reason: str, until: str | None = None) -> Row:
        return {
            "domain": missing_record.domain,
            "change": "record",
            "status": status,
            "reason": reason,
            "until": until,
            "network": network,
        }

    rows = []
    for missing_record in records.due:
        word = "failed" if records.trouble else records.results.get(missing_record.site)
        reason = records.trouble.message if records.trouble else reason_of(missing_record.site, word)
        rows.append(row(missing_record, status_of(word), reason))
    return rows + [
        row(missing_record, "on-hold", _waits(missing_record), _until(missing_record))
        for missing_record in _held(records)
    ]


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def record_lines(report: RunReport) -> list[tuple[str, str, str]]:
    """Return a line for each site whose record is due, and for the first of those that are waited for."""
    records = report.records
    if records is None:
        return []
    lines = [
        ("*", missing_record.domain, reason_of(missing_record.site, records.results.get(missing_record.site)))
        for missing_record in records.due[:_SHOWN]
    ]
    lines += more(len(records.due) - _SHOWN, "site", " without a domain record")
    held = _held(records)
    for missing_record in held[:_SHOWN]:
        until = f" (until {at})" if (at := _until(missing_record)) else ""
        lines.append(("~*", missing_record.domain, f"held: {_waits(missing_record)}{until}"))
    return lines + more(len(held) - _SHOWN, "", "held likewise")


def more(count: int, noun: str, rest: str = "") -> list[tuple[str, str, str]]:
    """Return a line for the `count` items that are not shown, or none."""
    what = counted(count, f"more {noun}") if noun else f"{count} more "
    return [(" ", "…", f"{what}{rest}")] if count > 0 else []


def record_words(report: RunReport) -> tuple[list[Problem], list[Message]]:
    """Return errors and remarks about the records that a sync has made."""
    records = report.records
    if records is None:
        return [], []
    domains = {missing_record.site: missing_record.domain for missing_record in records.due}
    errors = [
        refusal(site, domains[site], word) for site, word in records.results.items() if word.startswith("refused")
    ]
    if records.trouble:
        text = f"Domain records were not made: {records.trouble.message}"
        errors.append(Problem(code=records.trouble.code, message=text, hint=records.trouble.hint))
    made = sum(1 for word in records.results.values() if word == "made")
    remarks = [Message("log", f"Made {counted(made, 'domain record')}.")] if made else []
    if records.later:
        text = f"{counted(records.later, 'domain record')} more to make; the next run goes on."
        remarks.append(Message("log", text))
    return errors, remarks


def refusal(site: int, domain: str, word: str) -> Problem:
    """Return the error for a record that Ultimate Multisite did not take."""
    return Problem(
        code="record-refused",
        message=f'Ultimate Multisite did not take "{domain}" as the domain record of site {site} ({word}).',
        domain=domain,
        hint="Look at the site in the network admin. A sync tries again after an hour.",
    )
