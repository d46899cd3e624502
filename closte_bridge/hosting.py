"""Interface of a hosting API, and what it reports. Only `closte_bridge/closte` knows Closte's API."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Action(StrEnum):
    """Kind of change on the host."""

    ADD = "add"
    REMOVE = "remove"


class Completeness(Enum):
    """Completeness of a list. A domain is missing only if a complete list does not contain it."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Listing:
    """The aliases in the host's response.

    `names` are lower-case A-labels without a trailing dot, wildcards as `*.<domain>`. `reason` is a sentence for an
    unreadable list, a clause without a period for a partial list, else empty. `paged`: the response itself announces
    entries that it does not contain.
    """

    state: Completeness
    reason: str
    names: frozenset[str] = frozenset()
    key_rejected: bool = False
    paged: bool = False


class OutcomeKind(Enum):
    """Result of a change."""

    DONE = "done"
    ALREADY = "already"
    """Already done, according to the text of the response. The list is the stronger evidence."""
    REFUSED = "refused"
    """Permanently refused."""
    FAILED = "failed"
    """Not done: an error with an unknown text, or the request never reached the host."""
    UNCLEAR = "unclear"
    """Possibly done."""
    KEY_REJECTED = "key-rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one change, after its retries.

    `message` is a sentence that is safe to show. `attempts` counts the requests; 0 means that nothing was sent.
    `retry_after` is in seconds, if the host asked for a pause that was too long to wait for. `in_doubt` is for a
    rejected key: an earlier attempt may have made the change.
    """

    kind: OutcomeKind
    message: str
    attempts: int = 1
    retry_after: float | None = None
    in_doubt: bool = False


class ConnectionState(Enum):
    """Result of a connection test."""

    OK = "ok"
    KEY_REJECTED = "key-rejected"
    UNEXPECTED = "unexpected"
    """A clear response, but not the response to a valid key."""
    UNREACHABLE = "unreachable"
    """No response that could be interpreted."""


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """The result of a connection test; `message` is a sentence that is safe to show.

    `sent` is False if no request was sent: the run must stop, or the host is rate-limiting requests.
    """

    state: ConnectionState
    message: str
    sent: bool = True

    @property
    def ok(self) -> bool:
        """Return whether the host responded and accepted the key."""
        return self.state is ConnectionState.OK


@dataclass(slots=True)
class Stats:
    """Counters of a client: requests sent, repeated requests, and reductions of the request rate.

    `seconds` is the wall time with at least one call in progress, including its pauses.
    """

    calls: int = 0
    retries: int = 0
    slowed: int = 0
    seconds: float = 0.0


class HostingApi(Protocol):
    """Client of the API of one application: list, add, remove, test. A context manager; thread-safe.

    No method raises for a failure of the API.
    """

    @property
    def stats(self) -> Stats:
        """A copy of the counters."""

    def list_aliases(self) -> Listing:
        """Return the host's list and its completeness."""

    def test_connection(self) -> ConnectionTest:
        """Test the connection and the key without any change."""

    def run(
        self,
        changes: Iterable[tuple[Action, str]],
        on_outcome: Callable[[Action, str, Outcome], None],
        should_stop: Callable[[], bool] = lambda: False,
        *,
        begin_within: float = math.inf,
    ) -> str:
        """Add and remove aliases, a few in parallel, and report each outcome as it arrives.

        The calling thread iterates `changes` and calls both functions. It takes a change just before sending it. Once
        `should_stop` returns True, it takes no more, and requests in flight end without further repeats. Nothing is
        sent or repeated later than `begin_within` seconds from now: the basis of the changes may be outdated by then.

        Returns the reason for an early end (a sentence), or an empty string.
        """

    def record_shapes(self) -> list[dict[str, Any]]:
        """Return a list that gets the shape of each answer from now on, without any value of it."""
        return []

    def close(self) -> None:
        """Close all connections and send nothing more."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
