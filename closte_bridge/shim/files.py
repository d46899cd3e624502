"""The shim's files, and its configuration for this installation."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.config.model import DEFAULT_NETWORK
from closte_bridge.config.places import NAME
from closte_bridge.engine.loop import TRIGGER_FILE
from closte_bridge.shim.detach import find_way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.config.model import Settings

FOLDER = Path(__file__).with_name("php")
SPAWNED_FILE = "spawned"
"""In the state folder. Its mtime is when the shim started a sync that has not begun yet, its atime the last start."""
# Hooks call these files, which call others.
_LAST = ("class-events.php",)
# Variables with the locations of config and state. None of them contains a secret.
_KEPT = (
    "HOME",
    "PATH",
    "CLOSTE_BRIDGE_CONFIG",
    "CLOSTE_BRIDGE_API_KEY_FILE",
    "STATE_DIRECTORY",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "WP_CLI_CACHE_DIR",
    "WP_CLI_CONFIG_PATH",
    "WP_CLI_PACKAGES_DIR",
)
# The proxy for Closte. One with a password is left out, because the shim's config is below the document root.
_PROXIES = ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "all_proxy", "no_proxy")


def texts() -> dict[str, str]:
    """Return the shim's files, in the order of writing: names relative to the must-use folder, and texts in base64.

    An installed loader uses new files immediately. So each file comes after the files that it calls, and the loader
    comes last.
    """
    translations = sorted((FOLDER / "closte-bridge" / "languages").glob("*.l10n.php"))
    parts = sorted((FOLDER / "closte-bridge").glob("class-*.php"), key=lambda path: (path.name in _LAST, path.name))
    paths = [*translations, *parts, FOLDER / "closte-bridge-shim.php"]
    return {str(path.relative_to(FOLDER)): base64.b64encode(path.read_bytes()).decode() for path in paths}


def program() -> list[str]:
    """Return the argv that starts this program again, with absolute paths only."""
    called = Path(sys.argv[0])
    if called.name == NAME and called.is_file() and os.access(called, os.X_OK):
        return [str(called.absolute())]
    return [sys.executable, "-m", "closte_bridge"]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `environ` for a closte-bridge that the shim starts."""
    kept = {name: environ[name] for name in _KEPT if environ.get(name)}
    kept |= {name: environ[name] for name in _PROXIES if environ.get(name) and "@" not in environ[name]}
    return kept | {"LC_ALL": "C.UTF-8"}


class Entry(NamedTuple):
    """The network's entry in the shim's configuration: how to trigger a sync.

    `engine` is the command to start, with the method `start`, the variables `environment` and the user id `user`. All
    of that is None over SSH: closte-bridge is on another machine. `wake` is the method that `shim install` asked for,
    `url` the address of the listener.
    """

    engine: list[str] | None
    wake: str
    trigger_file: str | None
    start: list[str] | None = None
    environment: dict[str, str] | None = None
    user: int | None = None
    url: str | None = None

    @classmethod
    def decode(cls, config: Mapping[str, object]) -> Entry:
        """Read an entry from WordPress; values of another type count as missing."""
        user, file, url = (config.get(name) for name in ("user", "trigger_file", "url"))
        return cls(
            engine=_words(config.get("engine")),
            wake=str(config.get("wake", "")),
            trigger_file=file if isinstance(file, str) else None,
            start=_words(config.get("start")),
            user=user if isinstance(user, int) else None,
            url=url if isinstance(url, str) else None,
        )


def _words(value: object) -> list[str] | None:
    return [str(word) for word in value] if isinstance(value, list) else None


def entry_for(settings: Settings, environ: Mapping[str, str], options: list[str], wake: str) -> Entry:
    """Return the entry for this installation.

    `options` are the global options of this call, which the triggered sync needs too.
    """
    if settings.wp.is_remote:
        # The other methods need a common machine.
        own = wake if wake in {"auto", "url", "none"} else "auto"
        return Entry(engine=None, wake=own, trigger_file=None, url=settings.wake_url)
    return Entry(
        engine=[*program(), *options],
        wake=wake,
        trigger_file=str(settings.state_dir.absolute() / TRIGGER_FILE),
        start=find_way(),
        environment=environment(environ),
        user=os.geteuid(),
        url=settings.wake_url,
    )


def moved(entry: Entry, settings: Settings, root: str) -> list[str]:
    """Return the names of everything that moved since the shim was installed with `entry`.

    `root` is the current location of WordPress. Other options of this call, and other ways to call the same program,
    do not count.
    """
    words = entry.engine
    installation = not settings.wp.is_remote
    address = [] if entry.url == settings.wake_url else ["`wake_url`"]
    if not installation or not words:
        return [*([] if installation == bool(words) else ["the machine"]), *address]
    path = _option(words, "path") or settings.wp.path
    source = settings.source and str(settings.source.absolute())
    name = _option(words, "network")
    differences = {
        "the program": not _same_program(words, program()),
        "the config": _option(words, "config") != source,
        "the network's name": name != settings.name and not (name is None and settings.name == DEFAULT_NETWORK),
        "WordPress' folder": path is None or Path(path).resolve() != Path(root).resolve(),
        "the state folder": entry.trigger_file != str(settings.state_dir.absolute() / TRIGGER_FILE),
        "the user": entry.user != os.geteuid(),
    }
    return [*(what for what, differs in differences.items() if differs), *address]


def starts_us(entry: Entry, settings: Settings, root: str) -> bool:
    """Return whether a shim with `entry` starts exactly this program, and nothing has moved."""
    engine, own = entry.engine, program()
    if settings.wp.is_remote or not engine or engine[: len(own)] != own:
        return False
    return all(word.startswith("--") for word in engine[len(own) :]) and not moved(entry, settings, root)


def _option(words: list[str], name: str) -> str | None:
    found = [word.partition("=")[2] for word in words if word.startswith(f"--{name}=")]
    return found[-1] if found else None


def _same_program(installed: list[str], now: list[str]) -> bool:
    """Compare the locations. A script and Python with the module count as the same, because they may be."""
    one, other = Path(installed[0]), Path(now[0])
    if one.name != NAME and installed[1:3] != ["-m", "closte_bridge"]:
        return False
    if one.name == other.name == NAME:
        return one.resolve() == other.resolve()
    if NAME not in {one.name, other.name}:
        # A venv's interpreter is a symbolic link with several names.
        return one.parent.resolve() == other.parent.resolve()
    return True
