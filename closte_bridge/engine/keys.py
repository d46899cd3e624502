"""Find the API key: in the configuration, or else in WordPress (rule 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.config.key_file import configured_key, key_location
from closte_bridge.engine.snapshots import start_snapshot

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.secret import Secret
    from closte_bridge.wordpress.reader import SnapshotCall


def find_key(engine: Engine) -> tuple[Secret, str]:
    """Return the key and a description of its source.

    Raises ConfigError if a configured key cannot be read or there is none, UnreadableError if `wp` failed.
    """
    if key_location(engine.settings, engine.environ) is not None:
        return configured_or(engine, None)
    call = start_snapshot(engine, ask_key=True, acknowledge=False)
    call.snapshot()
    return configured_or(engine, call)


def configured_or(engine: Engine, call: SnapshotCall | None) -> tuple[Secret, str]:
    """Return the configured key, or else the key that `call` read from WordPress, with a description of its source.

    Raises ConfigError if a configured key cannot be read or there is none.
    """
    key = configured_key(engine.settings, engine.environ)
    location = key_location(engine.settings, engine.environ)
    if key is not None and location is not None:
        return key, location[1]
    assert call is not None  # noqa: S101 - without a configured key WordPress was asked
    return call.key()
