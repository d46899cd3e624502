"""Results of a connection test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
    """The result of `ClosteClient.test_connection`; `message` is a sentence that is safe to show.

    `sent` is False if no request was sent: the run must stop, or Closte is rate-limiting requests.
    """

    state: ConnectionState
    message: str
    sent: bool = True

    @property
    def ok(self) -> bool:
        """Return whether Closte responded and accepted the key."""
        return self.state is ConnectionState.OK
