"""A pytest plugin that only traces the tests of the core; PYTEST_PLUGINS loads it.

These tests must cover every branch of the core. Tracing would only slow down the other tests. Each process writes a
data file to the place that COVERAGE_FILE names.
"""

from __future__ import annotations

import atexit
import importlib
import pkgutil
from typing import TYPE_CHECKING

import coverage
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import ModuleType

TRACED = ("tests/unit/", "tests/property/", "tests/checks/test_domain_state.py")
# These need 100 % coverage, including the code that runs on import, whichever test imports it first.
CORE = ("closte_bridge.planning", "closte_bridge.ledger", "closte_bridge.domains")

_core: list[ModuleType] = []
# Before any import of the project: PYTEST_PLUGINS load before every conftest, in the workers as well.
_coverage = coverage.Coverage(data_suffix=True)
_coverage.start()


def pytest_configure() -> None:
    """Import the core while tracing."""
    for name in CORE:
        module = importlib.import_module(name)
        _core.append(module)
        _core.extend(
            importlib.import_module(part.name)
            for part in pkgutil.iter_modules(getattr(module, "__path__", []), f"{name}.")
        )
    _coverage.stop()


def _forget() -> None:
    """Empty the core's caches, which tests without tracing have filled."""
    for module in _core:
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


def pytest_collection_finish() -> None:
    """Empty the caches that the collection of tests has filled without tracing."""
    _forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Trace one test with its fixtures if it is in a traced folder."""
    if not item.nodeid.startswith(TRACED):
        try:
            return (yield)
        finally:
            _forget()
    _coverage.start()
    try:
        return (yield)
    finally:
        _coverage.stop()


# At exit, because pytest has no hook in the workers that runs after all others.
atexit.register(_coverage.save)
