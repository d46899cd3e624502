"""Find the API key where it is configured, or else in WordPress (rule 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.config.key_file import configured_key, key_location
from closte_bridge.engine.view import start_snapshot

if TYPE_CHECKING:
    from closte_bridge.engine.view import Engine
    from closte_bridge.secret import Secret


def find_key(engine: Engine) -> tuple[Secret, str]:
    """Return the key and, in words, where it came from.

    Raises ConfigError when a configured one cannot be read or there is none, UnreadableError when `wp` failed.
    """
    key = configured_key(engine.settings, engine.environ)
    location = key_location(engine.settings, engine.environ)
    if key is not None and location is not None:
        return key, location[1]
    call = start_snapshot(engine, ask_key=True, acknowledge=False)
    call.snapshot()
    return call.key()
