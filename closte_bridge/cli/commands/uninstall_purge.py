"""The files of a network on this machine: what `uninstall` names, and `uninstall --purge` removes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.cli.commands.setup_config import replace_text
from closte_bridge.cli.result import Problem
from closte_bridge.config.edit import HEADER, NotEditableError, has_networks, without_network
from closte_bridge.config.file import read_config
from closte_bridge.config.load import parse_config
from closte_bridge.config.places import NAME
from closte_bridge.engine import lock
from closte_bridge.errors import BridgeError, ExitCode
from closte_bridge.wordpress.ssh import FOLDER as SOCKETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from closte_bridge.cli.context import App
    from closte_bridge.config.model import Settings

# Only these: a person may have chosen a folder that contains other files.
STATE_FILES = (
    "ledger.sqlite3*",
    "shim-secret",
    "heartbeat",
    "trigger",
    "spawned",
    "last-run.json",
    "answer-shapes.json",
    "triggered.lock",
    "lock",
)
"""Patterns of the files in a state folder, besides those of the SSH connection."""


class Purge:
    """The files of one network."""

    def __init__(self, app: App, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        source = settings.source
        self._text = read_config(source) if source and source.is_file() else ""
        self._whole = bool(self._text) and not has_networks(self._text)

    def remaining(self) -> list[str]:
        """Return the files that exist, as noun phrases."""
        return [f"{noun} {path}" for noun, path in self._places()]

    def _places(self) -> Iterator[tuple[str, Path]]:
        s = self._settings
        named = [
            ("the state folder", s.state_dir),
            ("the SSH password file", s.wp.ssh_password_file),
            ("the metrics file", s.metrics_file),
            ("the key file", s.api_key_file),
        ]
        yield from ((noun, path) for noun, path in named if path and path.exists())
        if s.source and self._in_config():
            yield "the config" if self._whole else f'the network "{s.name}" in the config', s.source

    def _in_config(self) -> bool:
        source = self._settings.source
        if source is None or not source.is_file():
            return False
        if self._whole:
            return True
        try:
            return self._settings.name in parse_config(read_config(source), source, self._app.environ).networks
        except BridgeError:
            return True

    def remove(self, done: list[str]) -> list[tuple[Problem, ExitCode]]:
        """Ask for each file and remove it; add what was removed to `done`. Returns errors with their exit codes."""
        problems: list[tuple[Problem, ExitCode]] = []
        actions: dict[str, Callable[[Path], None]] = {
            "the state folder": self._remove_state,
            "the SSH password file": Path.unlink,
            "the metrics file": Path.unlink,
        }
        for noun, path in [*self._places()]:
            action = actions.get(noun, self._remove_from_config if path == self._settings.source else None)
            if action is None or (self._is_a_persons(noun) and self._app.console.assume_yes):
                continue
            if not self._app.console.agrees(f"Remove {noun} {path}?"):
                continue
            try:
                action(path)
                done.append(f"{noun} {path}")
            except (OSError, NotEditableError, BridgeError) as error:
                problems.append(_failed(noun, path, error))
        return problems

    def _is_a_persons(self, noun: str) -> bool:
        """Return whether a person wrote the whole config, so that `--yes` must not remove it."""
        return noun == "the config" and HEADER not in self._text

    def _remove_state(self, folder: Path) -> None:
        """Remove the known files, and the folder if nothing else is in it."""
        with lock.held(folder, self._app.command):
            # A killed process may have left the file that it was about to rename.
            patterns = [*STATE_FILES, *(f".{pattern}.????????" for pattern in STATE_FILES), f"{SOCKETS}/*"]
            for path in [path for pattern in patterns for path in folder.glob(pattern)]:
                if not path.is_dir():
                    path.unlink()
        with suppress(FileNotFoundError):
            (folder / SOCKETS).rmdir()
        folder.rmdir()
        with suppress(OSError):
            # The folder of several networks.
            if folder.parent.name == NAME:
                folder.parent.rmdir()

    def _remove_from_config(self, path: Path) -> None:
        if self._whole:
            text = ""
        else:
            before = parse_config(self._text, path, self._app.environ).networks
            text = without_network(self._text, self._settings.name)
            kept = {name: one for name, one in before.items() if name != self._settings.name}
            if kept and dict(parse_config(text, path, self._app.environ).networks) != kept:
                raise NotEditableError
        if text:
            replace_text(path, text)
            return
        path.unlink()
        with suppress(OSError):
            if path.parent.name == NAME:
                path.parent.rmdir()


def _failed(noun: str, path: Path, error: Exception) -> tuple[Problem, ExitCode]:
    if isinstance(error, BridgeError):
        (problem,) = Problem.of(error)[:1]
        return problem, error.exit_code
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "only a person can edit this form"
    text = f"Could not remove {noun} {path} ({reason})."
    return Problem(code="not-purged", message=text, hint="Remove it by hand."), ExitCode.FAILURE
