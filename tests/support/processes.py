"""Processes that refuse to end, as those of another user do."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@contextmanager
def unkillable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse to end any group of processes during the body; then end those that were asked for."""
    groups: list[int] = []

    def refuse(group: int, _signal: int) -> None:
        groups.append(group)
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", refuse)
        yield
    for group in set(groups):
        os.killpg(group, signal.SIGKILL)
    assert groups
