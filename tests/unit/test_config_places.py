from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from closte_bridge.config import places

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_page_is_found_in_the_checkout_or_the_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.page("troubleshooting.md") == "docs/troubleshooting.md"
    monkeypatch.setattr(places, "__file__", str(tmp_path / "lib" / "closte_bridge" / "config" / "places.py"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert places.page("troubleshooting.md") == "docs/troubleshooting.md"
    installed = tmp_path / "share" / "doc" / "closte-bridge" / "troubleshooting.md"
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert places.page("troubleshooting.md") == str(installed)
