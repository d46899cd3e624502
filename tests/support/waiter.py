"""A fake clock for the loop of `watch` and of triggered runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from closte_bridge.engine.loop import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class FakeWaiter(Waiter):
    """Only a pause advances the time. `on_pause` simulates events meanwhile, `at` schedules actions."""

    time: float = 1_800_000_000.0
    pauses: int = 0
    on_pause: Callable[[FakeWaiter], None] = field(default=lambda _: None)
    at: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def now(self) -> float:
        """Return the fake time."""
        return self.time

    def pause(self, seconds: float) -> None:
        """Advance the time."""
        assert seconds >= 0
        self.pauses += 1
        self.time += max(seconds, 0.001)
        self.on_pause(self)
        for moment, action in [entry for entry in self.at if entry[0] <= self.time]:
            self.at.remove((moment, action))
            action()
