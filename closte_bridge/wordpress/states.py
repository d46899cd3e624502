"""Domain states to write to WordPress, as `php/states.php` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Batch(NamedTuple):
    """Rows of domain states to write (the columns after `network_id`), and domains whose rows to delete."""

    rows: list[list[Any]]
    gone: list[str]

    @property
    def names(self) -> list[str]:
        """Return the domains."""
        return [*(str(row[0]) for row in self.rows), *self.gone]


NO_ROWS = Batch([], [])


class StatesWrite(NamedTuple):
    """Domain states to write.

    `expected` is the generation that the table has (None to delete all rows of the network first), `generation` the new
    one. An empty `summary` keeps the one there.
    """

    expected: int | None
    generation: int
    batch: Batch
    summary: Mapping[str, object] = {}

    def as_data(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {
            "expected": self.expected,
            "generation": self.generation,
            **self.batch._asdict(),
            "summary": {**self.summary},
        }
