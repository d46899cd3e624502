"""The one root error, and the exit codes that scripts may rely on."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class ExitCode(IntEnum):
    """What a process ends with. The order in which they win is that of `PRECEDENCE`."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NEEDS_APPROVAL = 3
    SOME_FAILED = 4
    UNREADABLE = 5
    CHANGES_PENDING = 6
    READ_ONLY = 7
    LOCKED = 75
    INTERRUPTED = 130


PRECEDENCE = (
    ExitCode.INTERRUPTED,
    ExitCode.LOCKED,
    ExitCode.USAGE,
    ExitCode.FAILURE,
    ExitCode.UNREADABLE,
    ExitCode.READ_ONLY,
    ExitCode.NEEDS_APPROVAL,
    ExitCode.SOME_FAILED,
    ExitCode.CHANGES_PENDING,
    ExitCode.OK,
)


def first_that_applies(codes: set[ExitCode]) -> ExitCode:
    """Return the code that wins when several apply; `OK` for an empty set."""
    return next((code for code in PRECEDENCE if code in codes), ExitCode.OK)


class BridgeError(Exception):
    """Anything that stops a command.

    `message` is one sentence that says what is wrong, `hint` one that says what to do about it,
    `code` a stable identifier in kebab-case for programs. None of them may ever hold the API key
    or raw output of `wp`.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str = "",
        exit_code: ExitCode = ExitCode.FAILURE,
        domain: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.exit_code = exit_code
        self.domain = domain


class Interrupted(KeyboardInterrupt):
    """What our signal handlers raise.

    Not the class above it: Python notes one of that very class that passes through code made at run time (such as a
    dataclass, during an import) for unhandled, and ends by SIGINT in the end, whatever was made of it since.
    """


class ConfigError(BridgeError):
    """The configuration, or the way the command was called, is wrong."""

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint, exit_code=ExitCode.USAGE)


class UnreadableError(BridgeError):
    """One of the two sides could not be read."""

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint, exit_code=ExitCode.UNREADABLE)


class ReadOnlyError(BridgeError):
    """This engine may look at the network but not change anything."""

    def __init__(self, message: str, *, code: str = "read-only", hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint, exit_code=ExitCode.READ_ONLY)


def unexpected(failure: Exception) -> BridgeError:
    """Return what to say of a run that ended with a failure that nobody thought of."""
    # Not in its own words: they might hold a secret.
    error = BridgeError(
        f"An internal error stopped the run ({type(failure).__name__}).",
        code="internal-error",
        hint="This is a mistake in closte-bridge; `closte-bridge sync --debug` may show where.",
    )
    attach_secondary(error, secondary_errors(failure))
    return error


# An attribute of any exception: which one stopped a run is nobody's choice.
_BESIDE = "closte_bridge_beside"


def attach_secondary(failure: Exception, failed_changes: Iterable[BridgeError]) -> None:
    """Let what else went wrong go with a failure to whoever tells of that."""
    setattr(failure, _BESIDE, tuple(failed_changes))


def secondary_errors(failure: Exception) -> tuple[BridgeError, ...]:
    """Return what else went wrong with what stopped a run."""
    found: tuple[BridgeError, ...] = getattr(failure, _BESIDE, ())
    return found


def is_provisioned(folder: Path) -> bool:
    """Return whether the Ansible role made a folder: there, root runs commands with `closte-bridge-as <network> …`."""
    return (folder / ".by-ansible").exists()
