from __future__ import annotations

import pytest

from closte_bridge.errors import (
    PRECEDENCE,
    BridgeError,
    ConfigError,
    ExitCode,
    ReadOnlyError,
    UnreadableError,
    first_that_applies,
)


def test_exit_codes_and_their_precedence_are_stable() -> None:
    assert [int(code) for code in PRECEDENCE] == [130, 75, 2, 1, 5, 7, 3, 4, 6, 0]
    assert set(PRECEDENCE) == set(ExitCode)


@pytest.mark.parametrize(
    ("codes", "first"),
    [
        (set(), ExitCode.OK),
        ({ExitCode.OK}, ExitCode.OK),
        ({ExitCode.OK, ExitCode.CHANGES_PENDING}, ExitCode.CHANGES_PENDING),
        ({ExitCode.SOME_FAILED, ExitCode.NEEDS_APPROVAL}, ExitCode.NEEDS_APPROVAL),
        (set(ExitCode), ExitCode.INTERRUPTED),
    ],
)
def test_first_code_in_precedence_wins(codes: set[ExitCode], first: ExitCode) -> None:
    assert first_that_applies(codes) is first


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (BridgeError("A.", code="a"), "a", ExitCode.FAILURE),
        (ConfigError("A.", code="c"), "c", ExitCode.USAGE),
        (UnreadableError("A.", code="b"), "b", ExitCode.UNREADABLE),
        (ReadOnlyError("A."), "read-only", ExitCode.READ_ONLY),
    ],
)
def test_every_error_has_a_message_a_code_and_an_exit_code(error: BridgeError, code: str, exit_code: ExitCode) -> None:
    assert (str(error), error.message, error.code, error.hint) == ("A.", "A.", code, "")
    assert (error.exit_code, error.domain) == (exit_code, None)
