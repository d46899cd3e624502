"""Helpers for configs in tests: their problems and their settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from closte_bridge.config.load import load_config
from closte_bridge.config.problems import InvalidConfigError
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from closte_bridge.config.model import Config, Settings

Write = Callable[[str], Path]
"""Writes the config, and returns its path."""


def problems_of(path: Path) -> list[str]:
    """Return all problems of a config, each with its line."""
    with pytest.raises(InvalidConfigError) as caught:
        load_config(path, {"HOME": "/home/u"})
    assert caught.value.message == "\n".join(caught.value.problems)
    assert caught.value.exit_code is ExitCode.USAGE
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def only(config: Config) -> Settings:
    """Return the settings of the only network."""
    (settings,) = config.networks.values()
    return settings
