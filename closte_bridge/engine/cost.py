"""Cost of a run, for its last line and the JSON envelope."""

from __future__ import annotations

from dataclasses import dataclass, field

from closte_bridge.counts import counted
from closte_bridge.wordpress.wp import WpCost


@dataclass(slots=True)
class Cost:
    """Calls and seconds of `wp`, the API and planning.

    `api_seconds` is the sum over all requests, even concurrent ones; `list_wait` is the time spent only waiting for
    Closte's list.
    """

    wp: WpCost = field(default_factory=WpCost)
    api_calls: int = 0
    api_seconds: float = 0.0
    list_wait: float = 0.0
    planning_seconds: float = 0.0

    def add(self, other: Cost) -> None:
        """Add the cost of `other`."""
        self.wp.calls += other.wp.calls
        self.wp.seconds += other.wp.seconds
        self.api_calls += other.api_calls
        self.api_seconds += other.api_seconds
        self.list_wait += other.list_wait
        self.planning_seconds += other.planning_seconds

    def as_data(self) -> dict[str, float]:
        """Return the figures for the JSON envelope; seconds are rounded to milliseconds."""
        return {
            "wp_calls": self.wp.calls,
            "wp_seconds": round(self.wp.seconds, 3),
            "api_calls": self.api_calls,
            "api_seconds": round(self.api_seconds, 3),
            "list_wait_seconds": round(self.list_wait, 3),
            "planning_seconds": round(self.planning_seconds, 3),
        }

    def sentence(self) -> str:
        """Return the last line of a run."""
        return (
            f"Cost: {counted(self.wp.calls, 'wp call')} ({self.wp.seconds:.2f} s), "
            f"{counted(self.api_calls, 'API call')} ({self.api_seconds:.2f} s), "
            f"planning {self.planning_seconds:.3f} s."
        )
