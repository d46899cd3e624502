"""Base exception and stable exit codes."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class ExitCode(IntEnum):
    """Process exit codes. If several apply, `PRECEDENCE` decides."""

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
    """Return the highest-precedence code, or `OK` for an empty set."""
    return next((code for code in PRECEDENCE if code in codes), ExitCode.OK)


class BridgeError(Exception):
    """Base class of all expected errors.

    `message` is one sentence about what failed, `hint` one about what to do, `code` a stable identifier in kebab-case
    for programs. They must never contain the API key or raw output of `wp`.
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
    """Exception of the signal handlers.

    A subclass, because Python treats an exact KeyboardInterrupt that passes through generated code (such as a
    dataclass, during an import) as unhandled: it ends with SIGINT even if the exception was caught.
    """


class ConfigError(BridgeError):
    """Invalid config or usage."""

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint, exit_code=ExitCode.USAGE)


class UnreadableError(BridgeError):
    """WordPress or Closte's list could not be read."""

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint, exit_code=ExitCode.UNREADABLE)


class ReadOnlyError(BridgeError):
    """This installation may read the network but not change it."""

    def __init__(self, message: str, *, code: str = "read-only", hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint, exit_code=ExitCode.READ_ONLY)


def unexpected(failure: Exception) -> BridgeError:
    """Wrap an unexpected exception in a BridgeError."""
    # Without the text of the exception, which might contain a secret.
    error = BridgeError(
        f"Internal error ({type(failure).__name__}).",
        code="internal-error",
        hint="This is a bug in closte-bridge. Run `closte-bridge sync --debug` and report the output.",
    )
    attach_secondary(error, secondary_errors(failure))
    return error


# An attribute, because any exception can stop a run.
_SECONDARY = "closte_bridge_secondary"


def attach_secondary(failure: BaseException, errors: Iterable[BridgeError]) -> None:
    """Attach secondary errors to an exception, so that they are reported with it."""
    setattr(failure, _SECONDARY, tuple(errors))


def secondary_errors(failure: BaseException) -> tuple[BridgeError, ...]:
    """Return the secondary errors attached to an exception."""
    found: tuple[BridgeError, ...] = getattr(failure, _SECONDARY, ())
    return found


def is_provisioned(folder: Path) -> bool:
    """Return whether the Ansible role created a folder: then root uses `closte-bridge-as <network> …` there."""
    return (folder / ".by-ansible").exists()


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and every exception that it wraps."""
    todo: list[object] = [error]
    seen: set[int] = set()
    while todo:
        current = todo.pop(0)
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            todo += [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]
