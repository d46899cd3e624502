"""Run `wp` once: it reads a PHP script from standard input and prints one framed document.

Every user of the machine can see argv, so it contains only settings of the operator. Domains, event ids and padding are
part of the script.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from closte_bridge.config.ssh_target import remote_path
from closte_bridge.errors import BridgeError, ExitCode, UnreadableError
from closte_bridge.wordpress import failures
from closte_bridge.wordpress.frame import FrameError, FrameFault, extract, parse
from closte_bridge.wordpress.process import argv_of, close_pipes, end, kill_group, spawn
from closte_bridge.wordpress.ssh import Ssh

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from closte_bridge.config.model import WpSettings
    from closte_bridge.wordpress.process import Prestart

MAX_OUTPUT = 512 * 1024 * 1024
_MAX_ERRORS = 1024 * 1024
_SCRIPTS = Path(__file__).with_name("php")
# Parts that a script needs in addition to the frame.
_PARTS = {"shim": ("states", "shim-uninstall"), "snapshot": ("states",), "write": ("states",)}
_FAULT_CODES = {FrameFault.CUT: "wp-cut", FrameFault.DAMAGED: "wp-damaged"}


@dataclass(slots=True)
class WpCost:
    """Cost of the calls of one run: their number, and the seconds that closte-bridge waited for them."""

    calls: int = 0
    seconds: float = 0.0


def script(name: str, request: Mapping[str, Any]) -> bytes:
    """Return the PHP text for `request`: the shared frame, the parts of `<name>.php`, and `<name>.php` itself."""
    encoded = base64.b64encode(json.dumps(dict(request)).encode()).decode()
    parts = [f"<?php\n$closte_bridge_request = json_decode( base64_decode( '{encoded}' ), true );\n"]
    for part in ("frame", *_PARTS.get(name, ()), name):
        parts.append((_SCRIPTS / f"{part}.php").read_text(encoding="utf-8").removeprefix("<?php"))
    return "\n".join(parts).encode()


def command_line(settings: WpSettings, *, plugins: bool = False) -> list[str]:
    """Return the argv that runs a script from standard input with these settings, as `process.argv_of`.

    For an SSH target, it is a command for the other machine.
    """
    target = settings.target
    return argv_of(
        settings.command,
        alias=settings.alias,
        path=remote_path(settings.path) or target.path if target else settings.path,
        url=settings.url,
        ssh=None if target else settings.ssh,
        allow_root=settings.allow_root,
        plugins=plugins,
    )


@dataclass(slots=True)
class WpCall:
    """A running `wp`. Start it with `start`, do other work, then get the document with `result`."""

    settings: WpSettings
    cost: WpCost
    nonce: str
    process: subprocess.Popen[bytes]
    started: float
    ssh: Ssh | None = None
    threads: list[threading.Thread] = field(default_factory=list)
    output: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)
    too_large: bool = False
    answered: bool = False

    @classmethod
    def start(
        cls,
        settings: WpSettings,
        name: str,
        request: Mapping[str, Any],
        cost: WpCost,
        *,
        plugins: bool = False,
        early: Prestart | None = None,
    ) -> WpCall:
        """Start `wp` with the script `name`, or use the process started `early` if its command line is the same.

        Raises UnreadableError or BridgeError if `wp` cannot be started.
        """
        nonce = os.urandom(16).hex()
        text = script(name, {**request, "nonce": nonce})
        argv = command_line(settings, plugins=plugins)
        cost.calls += 1
        began = time.monotonic()
        ssh = Ssh(settings, settings.target) if settings.target else None
        try:
            process = _started(argv, early, ssh)
        except UnreadableError as error:
            raise failures.located(error, settings) from None
        cost.seconds += time.monotonic() - began if ssh else 0.0
        call = cls(settings, cost, nonce, process, time.monotonic(), ssh)
        try:
            call._pump(text)
        except BaseException:
            call.end()
            if process.poll() is not None:
                close_pipes(process)  # no thread reads them
            raise
        return call

    def _pump(self, text: bytes) -> None:
        for target, arguments in (
            (self._feed, (text,)),
            (self._drain, (self.process.stdout, self.output, MAX_OUTPUT)),
            (self._drain, (self.process.stderr, self.errors, _MAX_ERRORS)),
        ):
            thread = threading.Thread(target=target, args=arguments, daemon=True)
            thread.start()
            self.threads.append(thread)

    def _feed(self, text: bytes) -> None:
        # If `wp` exits before it has read the script, its exit status is more informative than the broken pipe.
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None  # noqa: S101 - `spawn` makes a pipe
            with self.process.stdin as pipe:
                pipe.write(text)

    def _drain(self, stream: Any, into: bytearray, limit: int) -> None:  # noqa: ANN401 - a pipe
        with stream:
            while chunk := stream.read1(1 << 20):
                if len(into) + len(chunk) <= limit:
                    into += chunk
                elif into is self.output:
                    self.too_large = True
                    self._kill()

    def end(self) -> None:
        """End the process with all its children. Without effect once it has responded."""
        if self.answered:
            # Another process may have its number by now.
            return
        self.answered = True
        end(self.process)
        for thread in self.threads:
            thread.join(1.0)

    def _kill(self) -> None:
        kill_group(self.process.pid)

    def result(self) -> dict[str, Any]:
        """Wait for the document, at most for the configured timeout.

        Raises UnreadableError with the reason if there is no document, or if PHP reported an error.
        """
        began = time.monotonic()
        try:
            document = self._wait()
            self.answered = True
            problem = document.get("error")
            if isinstance(problem, dict):
                raise failures.failure(str(problem.get("code", "")))
        except UnreadableError as error:
            raise failures.located(error, self.settings) from None
        finally:
            self.end()
            self.cost.seconds += time.monotonic() - began
        return document

    def _until_exit(self) -> None:
        # WNOWAIT: until the process is waited for, no other process gets its number.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)

    def _wait(self) -> dict[str, Any]:
        deadline = self.started + self.settings.timeout
        if hasattr(os, "waitid"):
            # `Popen.wait` with a timeout polls only every 50 ms.
            exited = threading.Thread(target=self._until_exit, daemon=True)
            exited.start()
            exited.join(max(0.0, deadline - time.monotonic()))
        try:
            status = self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise failures.failure("wp-timeout") from None
        for thread in self.threads:
            # Do not wait for grandchildren that keep the pipe open.
            thread.join(max(1.0, min(10.0, deadline - time.monotonic())))
        if self.too_large:
            raise failures.failure("wp-too-large")
        try:
            text = extract(self.output, self.nonce)
        except FrameError as error:
            code = _FAULT_CODES.get(error.fault)
            if code and status == 0:
                raise failures.failure(code) from None
            reason = self._diagnose(status)
            raise (failures.failure(code) if code and reason.code == "wp-no-answer" else reason) from None
        if status != 0:
            # A document counts only if `wp` also exited with 0.
            reason = failures.diagnose(status, b"", bytes(self.errors))
            raise failures.failure("wp-status") if reason.code == "wp-no-answer" else reason
        self.output.clear()
        try:
            return parse(text)
        except FrameError:
            raise failures.failure("wp-damaged") from None

    def _diagnose(self, status: int) -> UnreadableError:
        shared = self.ssh is not None and self.ssh.is_shared
        if self.ssh and shared and status == failures.SSH_FAILED and self.ssh.lost():
            return failures.failure("ssh-cut")
        return failures.diagnose(
            status,
            bytes(self.output),
            bytes(self.errors),
            remote=self.settings.is_remote,
            own_ssh=self.ssh is not None,
            shared=shared,
        )


def _started(argv: Sequence[str], early: Prestart | None, ssh: Ssh | None) -> subprocess.Popen[bytes]:
    """Start `argv` here or over SSH. Raises UnreadableError or BridgeError if it cannot be started."""
    try:
        if ssh:
            return ssh.start(argv)
        return (early.take(argv) if early else None) or spawn(argv)
    except FileNotFoundError:
        raise failures.failure("wp-missing") from None
    except PermissionError:
        raise failures.failure("wp-not-executable") from None
    except OSError as error:
        raise BridgeError(
            f"Could not start `wp` ({error.strerror}).",
            code="wp-not-started",
            hint="Check `wp: {command: …}` in the config, free memory and the number of processes.",
            exit_code=ExitCode.UNREADABLE,
        ) from None
