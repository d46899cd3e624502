"""DNS records that a customer must set: as data, and as the sentence made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from closte_bridge.counts import noun_for

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    Each record has its own sentence, because translations are made of whole sentences. The first one names `zone` as
    the place of the DNS settings if it adds a record; `currently` replaces the current values in the text.
    """
    currently = currently or listed(list(dict.fromkeys(value for record in records for value in record.current)))
    steps = " ".join(_step(record, zone if record is records[0] else None) for record in records)
    return f"{steps} It currently points to {currently}." if currently else steps


def _step(record: RecordToSet, zone: str | None) -> str:
    if not record.value:
        return f"Delete the {_noun(record, record.current)} of {record.host}."
    if record.current:
        return f"Change the {_noun(record, record.value)} of {record.host} to {listed(record.value)}."
    article = "" if len(record.value) > 1 else _article_of(record.type)
    noun, values = _noun(record, record.value), noun_for(len(record.value), "value")
    place = f" in the DNS settings of {zone}" if zone else ""
    return f"Add {article}{noun} for {record.host} with the {values} {listed(record.value)}{place}."


def _noun(record: RecordToSet, values: Sequence[str]) -> str:
    return f"{record.type} {noun_for(len(values), 'record')}"


def _article_of(kind: str) -> str:
    return "an " if kind.startswith("A") else "a "


def a_record(kind: str) -> str:
    """Return a type of records with its article, such as `an A record`."""
    return f"{_article_of(kind)}{kind} record"
