"""Find the API key: in the configuration, or else in WordPress (rule 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.config.key_file import configured_key, key_location
from closte_bridge.engine.snapshots import start_snapshot

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.secret import Secret


def find_key(engine: Engine) -> tuple[Secret, str]:
    """Return the key and a description of its source.

    Raises ConfigError if a configured key cannot be read or there is none, UnreadableError if `wp` failed.
    """
    if found := configured(engine):
        return found
    call = start_snapshot(engine, ask_key=True, acknowledge=False)
    call.snapshot()
    return call.key()


def configured(engine: Engine) -> tuple[Secret, str] | None:
    """Return the key of the config or the environment with a description of its source, or None without one.

    Raises ConfigError if it cannot be read.
    """
    key = configured_key(engine.settings, engine.environ)
    location = key_location(engine.settings, engine.environ)
    return (key, location[1]) if key is not None and location is not None else None
