"""How a test of the connection to Closte ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ConnectionState(Enum):
    """How a test of the connection ended."""

    OK = "ok"
    KEY_REJECTED = "key-rejected"
    UNEXPECTED = "unexpected"
    """A clear answer, but not the one that a valid key gets."""
    UNREACHABLE = "unreachable"
    """No answer that could be understood."""


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """The result of `ClosteClient.test_connection`; `message` is a sentence that is safe to show.

    `sent` is False when nothing was asked, because the run is to stop or Closte wants no requests now.
    """

    state: ConnectionState
    message: str
    sent: bool = True

    @property
    def ok(self) -> bool:
        """Tell whether the API was reached and took the key."""
        return self.state is ConnectionState.OK
