"""Start `wp` before the rest of the program is loaded, for the commands that begin by reading WordPress.

WordPress takes longer to load than everything here together, so it begins at once. What is started is a guess from a
first glance at argv and the configuration; it counts only if the settings, once they are validated, come to the very
same command line (`HeadStart.take`). Whatever the glance does not understand gets no head start, and its errors are
found and told where they always are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.config.file import find_config, read_config
from closte_bridge.config.places import expand, expand_wp
from closte_bridge.errors import BridgeError
from closte_bridge.wordpress.process import Prestart, argv_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FLAGS = frozenset(
    {
        "--allow-root",
        "--color",
        "--debug",
        "--detailed-exitcode",
        "--dry-run",
        "--no-color",
        "--porcelain",
        "--quiet",
        "--retry",
        "--yes",
    }
)
_VALUES = frozenset({"--allow-removals", "--config", "--debug", "--field", "--fields", "--format", "--out", "--path"})


def begin(words: Sequence[str], environ: Mapping[str, str]) -> Prestart | None:
    """Start the `wp` that a command with these `words` behind it will most likely need; None when that is not clear."""
    try:
        guessed = guess(words, environ)
        return Prestart(guessed) if guessed else None
    except (BridgeError, OSError, ValueError):
        return None


def guess(words: Sequence[str], environ: Mapping[str, str]) -> list[str] | None:
    """Return the command line of `wp` for a single network on this machine, or None.

    Raises ConfigError when the configuration cannot be read.
    """
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in (_VALUES if equals else _FLAGS) and word.startswith("-"):
            return None
        given[name] = value
    written = _wp_settings(given.get("--config"), environ)
    if written is None:
        return None
    if "--path" in given:
        written["wp.path"] = str(expand(given["--path"], environ, Path()))
    command, path = written.get("wp.command", ("wp",)), written.get("wp.path")
    if not isinstance(command, tuple) or not isinstance(path, str | None):
        return None
    allow_root = written.get("wp.allow_root") is True or "--allow-root" in given
    return argv_of(command, path=path, allow_root=allow_root)


def _wp_settings(config: str | None, environ: Mapping[str, str]) -> dict[str, object] | None:
    """Return what the file says of `wp` by dotted keys, or None when that is not plain to see."""
    file = find_config(None if config is None else Path(config), environ)
    if file is None:
        return {}
    from closte_bridge.config.document import read_document  # noqa: PLC0415 - brings a library that only a file needs

    data, _, problems = read_document(read_config(file))
    section = data.get("wp", {})
    if problems or "networks" in data or not isinstance(section, dict):
        return None
    if any(section.get(key) is not None for key in ("alias", "ssh", "url")):
        # These reach other machines, or could be taken for options: they are validated first.
        return None
    flat: dict[str, object] = {f"wp.{key}": value for key, value in section.items() if value is not None}
    command = flat.get("wp.command", ["wp"])
    texts = [*command, flat.get("wp.path", "/")] if isinstance(command, list) and command else [None]
    if not all(isinstance(text, str) and text.isprintable() and text for text in texts):
        return None
    flat["wp.command"] = tuple(command) if isinstance(command, list) else ()
    expand_wp(flat, environ, file.parent)
    return flat
