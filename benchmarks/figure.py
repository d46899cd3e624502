"""One figure with its lower bound."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure with its lower bound. `limit` is the target: a minimum if `over`, else a maximum.

    `value` and `limit` are in `unit`. `bound` is the lower bound as text. Figures of one `series` share a plot, each
    `at` its size.
    """

    what: str
    value: float
    unit: str
    bound: str
    limit: float | None = None
    over: bool = False
    details: dict[str, float] = field(default_factory=dict)
    series: str = ""
    at: float = 0

    @property
    def kept(self) -> bool | None:
        """Return whether the figure is within its limit; None without a limit."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.over else self.value <= self.limit

    def cells(self) -> tuple[str, str, str, str]:
        """Return the row of the table: benchmark, result, target and lower bound."""
        limit = "" if self.limit is None else f"{'≥' if self.over else '≤'} {_plain(self.limit)} {self.unit}"
        missed = "" if self.kept in {True, None} else " (missed)"
        return self.what, f"{_plain(self.value)} {self.unit}{missed}", limit, self.bound


def _plain(value: float) -> str:
    if abs(value) >= 100 or value == int(value):  # noqa: RUF100
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
