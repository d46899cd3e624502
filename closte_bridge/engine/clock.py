"""What time it is, and whether the clock can be trusted to have run steadily since the last run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A jump beyond this makes waiting start over; one below it is not noticed, and shortens `removal_delay` by as much.
# Both clocks are read at one moment, go on while the machine sleeps, and follow alike what NTP corrects bit by bit.
TOLERANCE = 60.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _since_boot() -> float:
    # CLOCK_BOOTTIME goes on while the machine sleeps. It is Linux' own; elsewhere only steps backwards are seen.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else 0.0


def last_try(meta: Mapping[str, str]) -> float | None:
    """Return when this engine last ran, whatever came of it, or was adopted; None when it never was.

    `marks` are the ledger's small facts. `last_run` there is the clock's reference, of looks at both sides alone.
    """
    return max((float(meta[key]) for key in ("last_try", "last_run") if key in meta), default=None)


class Clock:
    """The wall clock and a steady one beside it; tests pass their own."""

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        steady: Callable[[], float] = _since_boot,
        boot: Callable[[], str] = _boot_id,
    ) -> None:
        self.now = now
        self._steady = steady
        self._boot = boot

    def meta(self) -> dict[str, str]:
        """Return what the next run needs to tell a jump, for the ledger."""
        return {"last_run": repr(self.now()), "last_steady": repr(self._steady()), "last_boot": self._boot()}

    def jumped(self, meta: Mapping[str, str]) -> bool:
        """Tell whether the wall clock moved otherwise than time did since `marks` were taken."""
        if "last_run" not in meta:
            return False
        try:
            last_run, last_steady = float(meta["last_run"]), float(meta.get("last_steady", "nan"))
        except ValueError:
            return True
        wall = self.now() - last_run
        if wall < -TOLERANCE:
            return True
        if not meta.get("last_boot") or meta["last_boot"] != self._boot():
            return False
        # Written so that a mark that is no number counts as a jump.
        return not abs(wall - (self._steady() - last_steady)) <= TOLERANCE
