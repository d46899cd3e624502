"""Wall clock with detection of clock jumps between runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.ledger.meta import LAST_BOOT, LAST_RUN, LAST_STEADY, LAST_TRY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A larger jump restarts all delays. A smaller one goes unnoticed and can shorten `removal_delay` by that much.
# Both clocks are read together, run while the machine sleeps, and follow gradual corrections by NTP.
TOLERANCE = 60.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _since_boot() -> float:
    # CLOCK_BOOTTIME also runs while the machine sleeps. Only Linux has it; elsewhere only backward jumps are detected.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else 0.0


def last_try(meta: Mapping[str, str]) -> float | None:
    """Return the time of the last run, successful or not, or of the adoption; None if there was none.

    `meta` is from the ledger. Its `last_run` is the reference of the clock and counts only complete reads.
    """
    return max((at for at in (LAST_TRY.of(meta), LAST_RUN.of(meta)) if at is not None), default=None)


class Clock:
    """Wall clock and monotonic clock; tests pass their own."""

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        steady: Callable[[], float] = _since_boot,
        boot: Callable[[], str] = _boot_id,
    ) -> None:
        self.now = now
        self._steady = steady
        self._boot = boot

    def values(self) -> tuple[tuple[str, str | None], ...]:
        """Return the clock values that the next run needs to detect a jump, for the ledger."""
        return LAST_RUN.to(self.now()), LAST_STEADY.to(self._steady()), LAST_BOOT.to(self._boot())

    def jumped(self, meta: Mapping[str, str]) -> bool:
        """Return whether the wall clock jumped relative to the monotonic clock since `values` was saved in `meta`."""
        try:
            last_run, last_steady, last_boot = LAST_RUN.of(meta), LAST_STEADY.of(meta), LAST_BOOT.of(meta)
        except ValueError:
            return True
        if last_run is None:
            return False
        wall = self.now() - last_run
        if wall < -TOLERANCE:
            return True
        if not last_boot or last_boot != self._boot():
            return False
        # Invalid values (NaN) count as a jump.
        return not abs(wall - (self._steady() - last_steady)) <= TOLERANCE
