"""Compare plans of the same size with octoDNS, whose records represent mappings and aliases.

Both planners have both sides in memory, in their own data types, and do no I/O. In octoDNS, both sides are one zone of
CNAME records, for which it has the least work.
"""

from __future__ import annotations

import gc
import logging
import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks.figure import Figure
from benchmarks.world import domains
from tests.support.check_states import a_ledger, a_list, a_plan, a_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

_ZONE = "benchmark.org."


def managed(count: int, *, fresh: bool) -> Callable[[], int]:
    """Return a function that plans `count` mappings, all new or all in sync, and returns the number of changes."""
    names = domains(count)
    snapshot = a_snapshot(*names)
    observed, ledger = (a_list(), a_ledger()) if fresh else (a_list(*names), a_ledger(*names))
    # Without the limit for new certificates, which octoDNS does not have.
    policy = {"certificate_budget": 10 * count}
    return lambda: len(a_plan(snapshot, observed, ledger, config=policy).changes)


def theirs(count: int, *, fresh: bool) -> Callable[[], int]:
    """Return the same function for octoDNS."""
    from octodns.provider.base import BaseProvider  # noqa: PLC0415 - only needed for benchmarks
    from octodns.record import Record  # noqa: PLC0415 - the same
    from octodns.zone import Zone  # noqa: PLC0415 - the same

    logging.getLogger().setLevel(logging.ERROR)

    def filled(names: list[str]) -> Any:  # noqa: ANN401 - octoDNS has no types
        zone = Zone(_ZONE, [])
        for name in names:
            data = {"type": "CNAME", "ttl": 300, "value": "host.example.net."}
            zone.add_record(Record.new(zone, name.replace(".", "-"), data, lenient=True), lenient=True)
        return zone

    names = domains(count)
    desired, present = filled(names), [] if fresh else [*filled(names).records]

    class InMemory(BaseProvider):  # type: ignore[misc]  # octoDNS has no types
        """A provider with existing records in memory."""

        log = logging.getLogger("memory")
        SUPPORTS_GEO = False
        SUPPORTS = frozenset({"CNAME"})

        def populate(self, zone: Any, target: bool = False, lenient: bool = False) -> bool:  # noqa: ANN401 - as in octoDNS
            for record in present:
                zone.add_record(record, lenient=lenient)
            return target

        def _apply(self, plan: Any) -> None:  # noqa: ANN401 - as in octoDNS
            raise NotImplementedError(plan)

    provider = InMemory("memory")

    def plan() -> int:
        found = provider.plan(desired)
        return len(found.changes) if found else 0

    return plan


def _seconds(work: Callable[[], int], expected: int, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        gc.collect()
        began = time.perf_counter()
        changes = work()
        taken.append(time.perf_counter() - began)
        if changes != expected:
            raise RuntimeError(f"The plan has {changes} changes instead of {expected}.")
    return statistics.median(taken)


def figures(*, quick: bool) -> list[Figure]:
    """Measure both planners, for plans without changes and plans that add everything."""
    from octodns import __version__ as version  # noqa: PLC0415 - only needed for benchmarks

    found = []
    for count in (1_000,) if quick else (1_000, 10_000):
        for fresh, words in ((False, "no change"), (True, "all new")):
            expected = count if fresh else 0
            own, other = (_seconds(make(count, fresh=fresh), expected, 3 if quick else 7) for make in (managed, theirs))
            found.append(
                Figure(
                    what=f"Planning alone, {count:,} domains, {words}",
                    value=own * 1000,
                    unit="ms",
                    bound=f"octoDNS {version} plans {count:,} records in {other * 1000:.1f} ms",
                    series="rival, new" if fresh else "rival, same",
                    at=count,
                    details={"seconds": own, "other_seconds": other},
                )
            )
    return found
