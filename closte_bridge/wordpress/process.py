"""The process of `wp`: its command line, start and end.

Each process has its own group, so that a timeout also ends its children. A run loads this module first: every import
here delays `wp`.
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

# Ultimate Multisite's sunrise.php loads even with --skip-plugins. It then finds its plugin missing and records it as
# inactive (seen in 2.14.2): mapped domains would not be served until the next request to the network's main domain.
# Without apostrophes, so that a remote shell gets it in one plain pair of them.
_LEAVE_SUNRISE_ALONE = (
    'WP_CLI::add_wp_hook( "init", '
    'function () { remove_action( "init", array( "WP_Ultimo\\Sunrise", "maybe_tap_on_init" ) ); }, 0 );'
)
# Variables for this process only. A child could use them to talk to the service manager, or pass a path to others.
_NOT_FOR_CHILDREN = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY")
# Seconds for a killed process to exit.
_EXIT_TIME = 5.0
# Processes from `spawn` that are still referenced.
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

    Themes do not load, and plugins only with `plugins`. Must-use plugins and `sunrise.php` always load.
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


def spawn(argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - as Popen
    """Start `argv`, by default with pipes for all three standard streams. Raises OSError if it cannot be started.

    `options` are those of Popen; variables in `env` are added to the environment.
    """
    piped = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    env = environment_of_children() | options.pop("env", {})
    process = _Process(argv, start_new_session=True, **piped | options, env=env)
    _spawned.add(process)
    return process


def environment_of_children() -> dict[str, str]:
    """Return the environment without the variables that are for this process only."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_FOR_CHILDREN}


class _Process(subprocess.Popen[bytes]):
    """A process that is killed if its start is interrupted (Ctrl-C, SIGTERM)."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as Popen
        try:
            super().__init__(*args, **options)
        except Exception:
            raise
        except BaseException:
            # Without this, the process would be orphaned.
            if pid := getattr(self, "pid", None):
                kill_group(pid)
                with contextlib.suppress(subprocess.TimeoutExpired, OSError):
                    self.wait(timeout=1.0)
            raise


def kill_group(pid: int) -> None:
    """Kill a process that `spawn` started, with all its children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end_all() -> None:
    """Kill every running process that `spawn` started. Threads that wait for one continue."""
    for process in [*_spawned]:
        if process.poll() is None:
            kill_group(process.pid)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process group and wait a few seconds for the process.

    A process that may not be killed (with `sudo`, it belongs to another user) keeps running: it may never end.
    """
    kill_group(process.pid)
    try:
        process.wait(_EXIT_TIME)
    except subprocess.TimeoutExpired:
        # Its exit status must be collected at some point, or it stays as a zombie.
        threading.Thread(target=process.wait, daemon=True).start()


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    """Close this side of a process's pipes."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


class Prestart:
    """A `wp` that is started before its request is known.

    WordPress takes time to load and reads the script only then, so nothing happens there before. `take` returns the
    process for the same command line; `drop` ends it if it is not needed.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Start `argv`. Raises OSError if it cannot be started."""
        self._argv = [*argv]
        self._process: subprocess.Popen[bytes] | None = spawn(argv)

    def take(self, argv: Sequence[str]) -> subprocess.Popen[bytes] | None:
        """Return the process, once, if it was started with `argv`; otherwise end it."""
        if self._argv != [*argv]:
            self.drop()
        process, self._process = self._process, None
        return process

    def drop(self) -> None:
        """End the process unless it was taken."""
        if self._process is None:
            return
        process, self._process = self._process, None
        end(process)
        close_pipes(process)
