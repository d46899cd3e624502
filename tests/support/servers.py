"""Servers that tests start."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.support.parts import MissingPartError

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


@contextmanager
def server_or_fail(server: AbstractContextManager[T]) -> Iterator[T]:
    """Enter the context of a server; if its program is missing, the test fails instead of being skipped."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except MissingPartError as error:
            pytest.fail(str(error))
        yield running
