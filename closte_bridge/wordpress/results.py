"""Results of records and stages that closte-bridge asked WordPress to write."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar


class RecordOutcome(StrEnum):
    """Result of a site's domain record."""

    MADE = "made"
    MISSING = "missing"  # it would be made
    THERE = "there"
    UNWANTED = "unwanted"
    GONE = "gone"
    INACTIVE = "inactive"  # Ultimate Multisite is not active
    REFUSED = "refused"


class StageOutcome(StrEnum):
    """Result of a stage change."""

    DONE = "done"
    CHANGED = "changed"  # the mapping is not as expected
    UNPROVEN = "unproven"  # the test request did not reach the network
    REFUSED = "refused"


T = TypeVar("T", RecordOutcome, StageOutcome)


class WriteResult(NamedTuple, Generic[T]):
    """An outcome, and the code of Ultimate Multisite's error if it refused."""

    outcome: T
    error: str = ""

    @property
    def refused(self) -> bool:
        """Return whether Ultimate Multisite refused."""
        return self.outcome in {RecordOutcome.REFUSED, StageOutcome.REFUSED}

    @property
    def text(self) -> str:
        """Return the result as WordPress wrote it, for messages and the log."""
        return f"{self.outcome} {self.error}".rstrip()


def parse_result(text: object, kind: type[T]) -> WriteResult[T]:
    """Parse a result such as `done` or `refused domain_exists`. Raises ValueError for an unknown one."""
    outcome, _, error = str(text).partition(" ")
    return WriteResult(kind(outcome), error)
