"""A plugin of pytest that traces the tests of `tests/unit` and `tests/property` only; PYTEST_PLUGINS names it.

These have to take every branch of the core. Tracing makes everything else slower, and shows nothing there that is asked
for. The data files lie where COVERAGE_FILE says, one for each process.
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

TRACED = ("tests/unit/", "tests/property/")
# Where 100 % is demanded: what a module does when it is imported counts, whichever test needs it first.
CORE = ("closte_bridge.planning", "closte_bridge.ledger", "closte_bridge.domains")

_core: list[ModuleType] = []
# Before anything of ours is imported: what PYTEST_PLUGINS names comes before every conftest, in the workers as well.
_coverage = coverage.Coverage(data_suffix=True)
_coverage.start()


def pytest_configure() -> None:
    """Import the core while it is traced."""
    for name in CORE:
        module = importlib.import_module(name)
        _core.append(module)
        _core.extend(
            importlib.import_module(part.name)
            for part in pkgutil.iter_modules(getattr(module, "__path__", []), f"{name}.")
        )
    _coverage.stop()


def _forget() -> None:
    """Empty the core's caches, which a test has filled that is not traced."""
    for module in _core:
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Trace one test with its fixtures, or not."""
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


# At the very end: pytest has no hook for the workers that is called after all others.
atexit.register(_coverage.save)
