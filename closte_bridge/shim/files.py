"""The shim's files as they are installed, and what they are told about this engine."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from closte_bridge.config.model import DEFAULT_NETWORK
from closte_bridge.config.places import NAME
from closte_bridge.engine.loop import TRIGGER_FILE
from closte_bridge.shim.detach import find_way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.config.model import Settings

FOLDER = Path(__file__).with_name("php")
SPAWNED_FILE = "spawned"
"""In the state folder: when the shim started an engine that has not shown itself since (mtime), and last (atime)."""
# These call others when a hook leads to them.
_LAST = ("class-events.php",)
# What says where the configuration and the state are; never a secret, only places.
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
# The way to Closte, where there is no direct one. With a password in it, it would lie below the document root.
_PROXIES = ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "all_proxy", "no_proxy")


def texts() -> dict[str, str]:
    """Return the shim's files in the order in which they are written: names relative to the must-use folder, and texts
    in base64.

    A loader that is there already uses new parts at once. So a part comes after those that it calls: what hooks lead
    to after what keeps their events, and the loader last.
    """
    parts = sorted((FOLDER / "closte-bridge").glob("class-*.php"), key=lambda path: (path.name in _LAST, path.name))
    paths = [*parts, FOLDER / "closte-bridge-shim.php"]
    return {str(path.relative_to(FOLDER)): base64.b64encode(path.read_bytes()).decode() for path in paths}


def program() -> list[str]:
    """Return the argv that starts this very program again: whole paths only."""
    called = Path(sys.argv[0])
    if called.name == NAME and called.is_file() and os.access(called, os.X_OK):
        return [str(called.absolute())]
    return [sys.executable, "-m", "closte_bridge"]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what an engine that the shim starts has of this environment."""
    kept = {name: environ[name] for name in _KEPT if environ.get(name)}
    kept |= {name: environ[name] for name in _PROXIES if environ.get(name) and "@" not in environ[name]}
    return kept | {"LC_ALL": "C.UTF-8"}


def configuration(settings: Settings, environ: Mapping[str, str], options: list[str], wake: str) -> dict[str, Any]:
    """Return what the shim is told: how to wake this engine, fixed now and looked up nowhere later.

    `options` are the global options that this call was given, and that the engine needs again. Over SSH there is
    nothing to wake: the engine is on another machine.
    """
    if settings.wp.ssh or settings.wp.alias:
        return {"engine": None, "wake": "auto", "trigger_file": None}
    return {
        "engine": [*program(), *options],
        "start": find_way(),
        "environment": environment(environ),
        "user": os.geteuid(),
        "wake": wake,
        "trigger_file": str(settings.state_dir.absolute() / TRIGGER_FILE),
    }


def moved(config: Mapping[str, Any], settings: Settings, root: str) -> list[str]:
    """Return what of the engine is elsewhere than when the shim was installed with `config`, in words.

    `root` is where WordPress is now. Options that this call has, or has not, and ways to call the same program, are no
    difference.
    """
    engine = config.get("engine")
    installation = not (settings.wp.ssh or settings.wp.alias)
    if not installation or not isinstance(engine, list) or not engine:
        return [] if installation == bool(engine) else ["the machine"]
    words = [str(word) for word in engine]
    path = _option(words, "path") or settings.wp.path
    source = settings.source and str(settings.source.absolute())
    name = _option(words, "network")
    observe = {
        "the program": not _same_program(words, program()),
        "the configuration": _option(words, "config") != source,
        "the network's name": name != settings.name and not (name is None and settings.name == DEFAULT_NETWORK),
        "WordPress' folder": path is None or Path(path).resolve() != Path(root).resolve(),
        "the state folder": config.get("trigger_file") != str(settings.state_dir.absolute() / TRIGGER_FILE),
        "the user": config.get("user") != os.geteuid(),
    }
    return [what for what, differs in observe.items() if differs]


def starts_us(config: Mapping[str, Any], settings: Settings, root: str) -> bool:
    """Tell whether a shim with `config` starts this very program, called by the same words, and nothing has moved."""
    engine, managed = config.get("engine"), program()
    if settings.wp.ssh or settings.wp.alias or not isinstance(engine, list) or engine[: len(managed)] != managed:
        return False
    options = engine[len(managed) :]
    return all(str(word).startswith("--") for word in options) and not moved(config, settings, root)


def _option(words: list[str], name: str) -> str | None:
    found = [word.partition("=")[2] for word in words if word.startswith(f"--{name}=")]
    return found[-1] if found else None


def _same_program(installed: list[str], now: list[str]) -> bool:
    """Compare where two are; a script and Python with the module may be the same, and are not compared."""
    one, other = Path(installed[0]), Path(now[0])
    if one.name != NAME and installed[1:3] != ["-m", "closte_bridge"]:
        return False
    if one.name == other.name == NAME:
        return one.resolve() == other.resolve()
    if NAME not in {one.name, other.name}:
        # The interpreter of a virtual environment leads elsewhere, and has several names.
        return one.parent.resolve() == other.parent.resolve()
    return True
