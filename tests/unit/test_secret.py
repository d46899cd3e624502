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


def test_secret_is_shown_only_by_reveal() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>40}", "%s %r" % (secret, secret), str([secret])]  # noqa: UP031 - all kinds of formatting
    assert all(KEY not in text and "<secret>" in text for text in shown)
    assert format(secret, ">40") == "<secret>"


@pytest.mark.parametrize(
    "work",
    [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, iter, len, vars, list],
    ids=lambda work: work.__name__,
)
def test_secret_cannot_be_copied_or_serialised(work: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as caught:
        work(Secret(KEY))
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_traceback_with_locals_hides_the_secret() -> None:
    def fail(secret: Secret) -> None:
        raise RuntimeError(f"with {secret}")

    with pytest.raises(RuntimeError) as caught:
        fail(Secret(KEY))
    captured = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(captured.format())


def test_equal_values_make_equal_secrets() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))


def test_fingerprint_identifies_the_secret_without_revealing_it() -> None:
    mark = Secret(KEY).fingerprint()
    assert len(mark) == 16
    assert mark == Secret(KEY).fingerprint()
    assert mark != Secret(KEY + "x").fingerprint()
    assert mark not in KEY
