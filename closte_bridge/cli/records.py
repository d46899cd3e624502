"""Show which sites get their domain record, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from closte_bridge.cli.result import Message, Problem
from closte_bridge.counts import counted

if TYPE_CHECKING:
    from closte_bridge.cli.formats import Row
    from closte_bridge.engine.records import Records
    from closte_bridge.engine.sync import Report
    from closte_bridge.planning.records import Lack

_SHOWN = 10
_STATUS = {"made": "done", "missing": "planned", "there": "done", "unwanted": "held", "gone": "held"}


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


def _held(records: Records) -> list[Lack]:
    return [lack for lack in records.plan.lacks if lack.hold]


def _waits(lack: Lack) -> str:
    return _HOLDS[lack.hold].format(site=lack.site)


def _until(lack: Lack) -> str | None:
    return _moment(lack.due) if lack.hold in {"retry", "unseen"} else None


def record_rows(report: Report, network: str) -> list[Row]:
    """Return a row for each site whose record is due or waited for."""
    records = report.records
    if records is None:
        return []

    def row(lack: Lack, status: str, reason: str, until: str | None = None) -> Row:
        return {
            "domain": lack.domain,
            "change": "record",
            "status": status,
            "reason": reason,
            "until": until,
            "network": network,
        }

    rows = []
    for lack in records.due:
        word = "failed" if records.trouble else records.results.get(lack.site)
        reason = records.trouble.message if records.trouble else reason_of(lack.site, word)
        rows.append(row(lack, status_of(word), reason))
    return rows + [row(lack, "held", _waits(lack), _until(lack)) for lack in _held(records)]


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def record_lines(report: Report) -> list[tuple[str, str, str]]:
    """Return a line for each site whose record is due, and for the first of those that are waited for."""
    records = report.records
    if records is None:
        return []
    lines = [("*", lack.domain, reason_of(lack.site, records.results.get(lack.site))) for lack in records.due[:_SHOWN]]
    lines += more(len(records.due) - _SHOWN, "site", " without a domain record")
    held = _held(records)
    for lack in held[:_SHOWN]:
        until = f" (until {at})" if (at := _until(lack)) else ""
        lines.append(("~*", lack.domain, f"held: {_waits(lack)}{until}"))
    return lines + more(len(held) - _SHOWN, "", "held likewise")


def more(count: int, noun: str, rest: str = "") -> list[tuple[str, str, str]]:
    """Return a line for the `count` items that are not shown, or none."""
    what = counted(count, f"more {noun}") if noun else f"{count} more "
    return [(" ", "…", f"{what}{rest}")] if count > 0 else []


def record_words(report: Report) -> tuple[list[Problem], list[Message]]:
    """Return errors and remarks about the records that a sync has made."""
    records = report.records
    if records is None:
        return [], []
    domains = {lack.site: lack.domain for lack in records.due}
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
