"""Measure commands alternately (A B A B …), so that other load affects all of them."""

from __future__ import annotations

import statistics
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Ended:
    """A successful command: its wall time in seconds and its output."""

    seconds: float
    stdout: str
    stderr: str


def run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Ended:
    """Run a command. Raises RuntimeError if it fails."""
    began = time.perf_counter()
    done = subprocess.run(argv, env=env, capture_output=True, check=False)
    seconds = time.perf_counter() - began
    stdout, stderr = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {stdout[-500:]} {stderr[-500:]}")
    return Ended(seconds, stdout, stderr)


@dataclass(slots=True)
class Samples:
    """Figures of several runs by name, in seconds."""

    runs: list[dict[str, float]] = field(default_factory=list)

    def median(self, name: str) -> float:
        """Return the median of one figure."""
        return statistics.median(one[name] for one in self.runs)

    def spread(self, name: str) -> tuple[float, float]:
        """Return minimum and maximum of one figure."""
        values = [one[name] for one in self.runs]
        return min(values), max(values)


def in_turn(jobs: Mapping[str, Callable[[], Mapping[str, float]]], rounds: int) -> Samples:
    """Run all jobs once to warm up, then alternately, `rounds` times. Figures get the name of their job as prefix."""
    samples = Samples()
    for number in range(rounds + 1):
        figures = {f"{name}.{key}": value for name, job in jobs.items() for key, value in job().items()}
        if number:
            samples.runs.append(figures)
    return samples
