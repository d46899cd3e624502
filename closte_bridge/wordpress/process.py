"""The process of `wp`: its command line, how it is started, and how it is ended.

It gets a group of its own, so that a time-out ends its children too. A run starts with this module, before anything
else is loaded: what it imports delays `wp`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Sequence

# Ultimate Multisite's sunrise.php loads even so, and where it then misses its plugin it takes it for switched off and
# notes that (measured on 2.14.2): until the next page of the network's own domain no mapped domain would be served.
_LEAVE_SUNRISE_ALONE = (
    "WP_CLI::add_wp_hook( 'init', "
    "function () { remove_action( 'init', array( 'WP_Ultimo\\Sunrise', 'maybe_tap_on_init' ) ); }, 0 );"
)
# Variables that are ours alone: a child could talk to our service manager, or hand a path to others.
_NOT_FOR_CHILDREN = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY")
# Seconds for a process to be gone once it was killed.
_FAREWELL = 5.0
# What `spawn` started and somebody still holds.
_spawned: WeakSet[subprocess.Popen[bytes]] = WeakSet()


def argv_of(
    command: Sequence[str],
    *,
    alias: str | None = None,
    path: str | None = None,
    url: str | None = None,
    ssh: str | None = None,
    allow_root: bool = False,
    plugins: bool = False,
) -> list[str]:
    """Return the argv that runs a script from standard input.

    Themes are left out, and plugins unless `plugins`; must-use plugins always load, and so does `sunrise.php`.
    """
    argv = [*command]
    if alias:
        argv.append(alias)
    argv += ["eval-file", "-", "--skip-themes", "--skip-packages", "--no-color"]
    if not plugins:
        argv += ["--skip-plugins", f"--exec={_LEAVE_SUNRISE_ALONE}"]
    for option, value in (("path", path), ("url", url), ("ssh", ssh)):
        if value:
            argv.append(f"--{option}={value}")
    if allow_root:
        argv.append("--allow-root")
    return argv


def spawn(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start `argv` with pipes at all ends. Raises OSError when it cannot be started."""
    process = _Process(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=environment_of_children(),
    )
    _spawned.add(process)
    return process


def environment_of_children() -> dict[str, str]:
    """Return this process's environment without what is for nobody but itself."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_FOR_CHILDREN}


class _Process(subprocess.Popen[bytes]):
    """A process that does not outlive an interruption of its own start (Ctrl-C, SIGTERM)."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as Popen
        try:
            super().__init__(*args, **options)
        except Exception:
            raise
        except BaseException:
            # From here on nobody would know of it.
            if pid := getattr(self, "pid", None):
                kill_group(pid)
                with contextlib.suppress(subprocess.TimeoutExpired, OSError):
                    self.wait(timeout=1.0)
            raise


def kill_group(pid: int) -> None:
    """End a process that `spawn` started, with all its children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end_all() -> None:
    """Kill every process that `spawn` started and that still runs: whoever waits for one learns that it is gone."""
    for process in [*_spawned]:
        if process.poll() is None:
            kill_group(process.pid)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started in a group of its own, with all its children.

    One that may not be ended (behind `sudo` it is another user's) is left to itself: waiting could take for ever.
    """
    kill_group(process.pid)
    try:
        process.wait(_FAREWELL)
    except subprocess.TimeoutExpired:
        # Whenever it ends, somebody has to take note, or it stays in the list of processes.
        threading.Thread(target=process.wait, daemon=True).start()


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    """Close the ends of a process's pipes that are ours."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


class Prestart:
    """A `wp` that was started before it was known what to ask it.

    WordPress takes its time to load, and reads the script only then: nothing happens there before that. Whoever
    needs a `wp` with the very same command line takes it; if nobody does, `drop` ends it.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Start `argv`. Raises OSError when it cannot be started."""
        self._argv = [*argv]
        self._process: subprocess.Popen[bytes] | None = spawn(argv)

    def take(self, argv: Sequence[str]) -> subprocess.Popen[bytes] | None:
        """Return the process, once, if it was started as `argv`; else end it."""
        if self._argv != [*argv]:
            self.drop()
        process, self._process = self._process, None
        return process

    def drop(self) -> None:
        """End the process if nobody took it."""
        if self._process is None:
            return
        process, self._process = self._process, None
        end(process)
        close_pipes(process)
