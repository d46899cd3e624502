from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.config.load import load_config
from closte_bridge.engine.engine import Engine
from closte_bridge.ledger.state import LedgerState

if TYPE_CHECKING:
    from pathlib import Path

    from closte_bridge.planning.authority import Installation


def here(folder: Path, used: str | None, known: str | None) -> Installation:
    """Return the installation found with the config `used` if the ledger knows `known`; both are in `folder`."""
    environ = {"HOME": str(folder)} | ({"CLOSTE_BRIDGE_CONFIG": str(folder / used)} if used else {})
    (settings,) = load_config(None, environ, system_path=folder / "none.yaml").networks.values()
    return Engine(settings, environ).installation(LedgerState(config_path=str(folder / known) if known else None), None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two configs and a symlink to the first."""
    for name in ("site.yaml", "other.yaml"):
        (tmp_path / name).write_text("keep: [legacy.example.com]\n")
    (tmp_path / "link.yaml").symlink_to("site.yaml")
    return tmp_path


@pytest.mark.parametrize(
    ("used", "known", "missing"),
    [
        (None, None, False),
        ("site.yaml", None, False),  # adopted without a config: one may follow later
        ("site.yaml", "site.yaml", False),
        ("link.yaml", "site.yaml", False),
        ("site.yaml", "link.yaml", False),
        (None, "site.yaml", True),
        (None, "gone.yaml", True),
        ("other.yaml", "site.yaml", True),
        ("other.yaml", "gone.yaml", True),
    ],
)
def test_config_recorded_in_the_ledger_must_be_in_use(
    folder: Path, used: str | None, known: str | None, missing: bool
) -> None:
    assert here(folder, used, known).config_missing is missing
