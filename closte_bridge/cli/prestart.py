"""Pre-start `wp` while the rest of the program is still loading, for the commands that read WordPress first.

WordPress loads more slowly than closte-bridge. The command line is a guess from argv and the config. It is used only if
the validated settings give the same one (`Prestart.take`). Anything that it cannot parse is not pre-started; errors are
reported later, by the regular code path.
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
    """Start the `wp` that a command with the arguments `words` needs; return None if that is not clear."""
    try:
        guessed = guess(words, environ)
        return Prestart(guessed) if guessed else None
    except (BridgeError, OSError, ValueError):
        return None


def guess(words: Sequence[str], environ: Mapping[str, str]) -> list[str] | None:
    """Return the command line of `wp` for a single local network, or None.

    Raises ConfigError if the config cannot be read.
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
    """Return the `wp` settings in the config file by dotted key, or None if they are not simple."""
    file = find_config(None if config is None else Path(config), environ)
    if file is None:
        return {}
    from closte_bridge.config.document import read_document  # noqa: PLC0415 - PyYAML: 15 ms, only for a file

    data, _, problems = read_document(read_config(file))
    section = data.get("wp", {})
    if problems or "networks" in data or not isinstance(section, dict):
        return None
    if any(section.get(key) is not None for key in ("alias", "ssh", "url")):
        # These can reach other machines or look like options, so they must be validated first.
        return None
    flat: dict[str, object] = {f"wp.{key}": value for key, value in section.items() if value is not None}
    command = flat.get("wp.command", ["wp"])
    texts = [*command, flat.get("wp.path", "/")] if isinstance(command, list) and command else [None]
    if not all(isinstance(text, str) and text.isprintable() and text for text in texts):
        return None
    flat["wp.command"] = tuple(command) if isinstance(command, list) else ()
    expand_wp(flat, environ, file.parent)
    return flat
