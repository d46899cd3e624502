"""DNS records that a customer must set: as data, and as the sentence made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from closte_bridge.counts import noun_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_LISTED = 4


@dataclass(frozen=True, slots=True)
class RecordToSet:
    """All records of one type of one host.

    `value` holds the values to set: if it is empty, delete the record. `current` holds the values in DNS now: if it is
    empty, add the record.
    """

    type: str
    host: str
    value: tuple[str, ...] = ()
    current: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"type": self.type, "host": self.host, "value": [*self.value], "current": [*self.current]}

    @classmethod
    def of_data(cls, data: Any) -> RecordToSet:  # noqa: ANN401 - parsed JSON
        """Return the record of `as_data`. Raises KeyError or TypeError for other values."""
        return cls(data["type"], data["host"], (*data["value"],), (*data["current"],))


def listed(items: Sequence[str], more: int = 0) -> str:
    """Return up to four of the items with commas, and the number of the others, of which `more` are not in `items`."""
    more += max(0, len(items) - MOST_LISTED)
    shown = ", ".join(items[:MOST_LISTED])
    return f"{shown} and {more} more" if more else shown


def instruction(records: Sequence[RecordToSet], *, zone: str | None = None, currently: str = "") -> str:
    """Return what to do, and the current value: `Change the A record of a.com to 192.0.2.1. It currently …`.

    `zone` is named as the place of the DNS settings; `currently` replaces the current values in the text.
    """
    currently = currently or listed(list(dict.fromkeys(value for record in records for value in record.current)))
    place = f" in the DNS settings of {zone}" if zone else ""
    text = _replacement(records) or " and ".join(_steps(records))
    return f"{text}{place}." + (f" It currently points to {currently}." if currently else "")


def _replacement(records: Sequence[RecordToSet]) -> str:
    """Return the text for a CNAME record that makes way for others, or an empty string."""
    if len(records) == 1 or records[0].type != "CNAME":
        return ""
    others = " and ".join(f"{_article(r)}{_noun(r, r.value)} ({listed(r.value)})" for r in records[1:])
    return f"Replace the CNAME record of {records[0].host} with {others}"


def _steps(records: Sequence[RecordToSet]) -> Iterator[str]:
    last = ""
    for record in records:
        verb = ("change" if record.current else "add") if record.value else "delete"
        named = "" if verb == last else f"{verb} " if last else f"{verb.capitalize()} "
        yield f"{named}{_object(record, verb, first=not last)}"
        last = verb


def _object(record: RecordToSet, verb: str, *, first: bool) -> str:
    if verb == "add":
        host = f" for {record.host}" if first else ""
        values = noun_for(len(record.value), "value")
        return f"{_article(record)}{_noun(record, record.value)}{host} with the {values} {listed(record.value)}"
    noun = _noun(record, record.value or record.current)
    known = f"the {noun} of {record.host}" if first else f"its {noun}"
    return f"{known} to {listed(record.value)}" if record.value else known


def _noun(record: RecordToSet, values: Sequence[str]) -> str:
    return f"{record.type} {noun_for(len(values), 'record')}"


def _article(record: RecordToSet) -> str:
    return "" if len(record.value) > 1 else _article_of(record.type)


def _article_of(kind: str) -> str:
    return "an " if kind.startswith("A") else "a "


def a_record(kind: str) -> str:
    """Return a type of records with its article, such as `an A record`."""
    return f"{_article_of(kind)}{kind} record"
