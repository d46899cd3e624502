"""The worlds of the fault tests: here somebody means harm."""

from __future__ import annotations

from tests.faults.conftest import document, driver, make_world, quick_folder

__all__ = ["document", "driver", "make_world", "quick_folder"]
