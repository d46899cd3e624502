from __future__ import annotations

import copy
import json
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest

from closte_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "key-of-the-test-application"


def test_it_shows_itself_only_when_asked_to() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>40}", "%s %r" % (secret, secret), str([secret])]  # noqa: UP031 - each way
    assert all(KEY not in text and "<secret>" in text for text in shown)
    assert format(secret, ">40") == "<secret>"


@pytest.mark.parametrize(
    "work",
    [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, iter, len, vars, list],
    ids=lambda work: work.__name__,
)
def test_it_cannot_be_carried_away(work: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as caught:
        work(Secret(KEY))
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_traceback_with_locals_does_not_show_it() -> None:
    def fail(secret: Secret) -> None:
        raise RuntimeError(f"with {secret}")

    with pytest.raises(RuntimeError) as caught:
        fail(Secret(KEY))
    captured = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(captured.format())


def test_two_are_equal_when_their_values_are() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))


def test_its_fingerprint_identifies_it_without_giving_it_away() -> None:
    mark = Secret(KEY).fingerprint()
    assert len(mark) == 16
    assert mark == Secret(KEY).fingerprint()
    assert mark != Secret(KEY + "x").fingerprint()
    assert mark not in KEY
