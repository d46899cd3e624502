"""Run `wp` on another machine with the system's `ssh`, over one connection that all calls share.

The connection is an `ssh` in the background with a control socket in the state folder. It ends when it was idle for a
while, and holds no pipe of the process that started it. If the user has opened a connection with a control socket of
their own, it is used instead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.config.key_file import PASSWORD_VARIABLE, check_password_file
from closte_bridge.errors import UnreadableError
from closte_bridge.wordpress import failures
from closte_bridge.wordpress.process import end, spawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from closte_bridge.config.model import WpSettings
    from closte_bridge.config.ssh_target import SshTarget

FOLDER = "ssh"
"""The folder of the sockets in the state folder."""
ASKPASS = Path(__file__).with_name("askpass")
"""The program that answers the question of `ssh` for the password."""

# A `watch` reads WordPress at least every few minutes, and commands that a person types follow each other.
_IDLE_SECONDS = 600
_CONNECT_SECONDS = 30
# A dead connection is noticed after three times this.
_ALIVE_SECONDS = 15
_CHECK_SECONDS = 10.0
_END_SECONDS = 0.3
# `ssh` hashes the local host, the remote host, the port and the user into %C. Relative to the working folder, because
# the path of a socket is limited to about 100 bytes.
_SOCKET = "%C"

# These override the user's ssh config. `-T`: no terminal; `-x`, `-a`: no forwarding of X11 and of the agent.
_OPTIONS = (
    "-T", "-x", "-a",
    "-o", "StrictHostKeyChecking=yes",
    "-o", "ClearAllForwardings=yes",
    "-o", "PermitLocalCommand=no",
    "-o", "RemoteCommand=none",
    "-o", "LogLevel=INFO",
    "-o", f"ServerAliveInterval={_ALIVE_SECONDS}",
    "-o", "ServerAliveCountMax=3",
)  # fmt: skip
_WITH_PASSWORD = (
    "-o", "BatchMode=no",
    "-o", "NumberOfPasswordPrompts=1",
    "-o", "PubkeyAuthentication=no",
    "-o", "PreferredAuthentications=password,keyboard-interactive",
)  # fmt: skip


class Ssh:
    """The way to a target: starts remote commands, and knows whether the connection still exists."""

    def __init__(self, settings: WpSettings, target: SshTarget) -> None:
        self._target = target
        self._timeout = settings.timeout
        self._password = settings.ssh_password_file
        self._folder = settings.state_dir / FOLDER if settings.state_dir else None
        # The arguments that name the shared connection; None if there is none.
        self._shared: tuple[str, ...] | None = None

    def start(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start `argv` on the target with pipes; connect before if there is no connection yet.

        Raises UnreadableError if the connection cannot be made, ConfigError if the password file cannot be used, and
        OSError if `ssh` cannot be started.
        """
        if self._password:
            check_password_file(self._password)
        self._connect()
        # `ssh` connects on its own if the shared connection ends in this moment.
        shared = ("-o", "ControlMaster=no", *self._shared) if self._shared is not None else ("-S", "none")
        return self._spawn([*shared, *self._target.arguments, shlex.join(argv)])

    @property
    def is_shared(self) -> bool:
        """Whether calls share a connection, so that `ssh` reports only the status of the remote command."""
        return self._shared is not None

    def lost(self) -> bool:
        """Return whether the shared connection has ended."""
        if self._shared is None:
            return False
        if not self._answers(self._shared):
            return True
        # A connection that is just ending may still answer.
        time.sleep(_END_SECONDS)
        return not self._answers(self._shared)

    def needs_agent(self) -> bool:
        """Return whether the login works only with the agent of this session, which scheduled runs do not have."""
        if self._password or "SSH_AUTH_SOCK" not in os.environ:
            return False
        null = subprocess.DEVNULL
        arguments = ["-S", "none", "-o", "IdentityAgent=none", *self._target.arguments, "exit"]
        process = self._spawn(arguments, stdin=null, stdout=null, stderr=null)
        return _status(process, 2 * _CONNECT_SECONDS) == failures.SSH_FAILED

    def close(self) -> None:
        """End the shared connection that closte-bridge opened, if there is one."""
        null = subprocess.DEVNULL
        if self._folder and self._folder.is_dir():
            arguments = ["-S", _SOCKET, "-O", "exit", *self._target.arguments]
            with contextlib.suppress(UnreadableError, OSError):
                _status(self._spawn(arguments, stdin=null, stdout=null, stderr=null), _CHECK_SECONDS)

    def _spawn(self, arguments: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        login = _WITH_PASSWORD if self._password else ("-o", "BatchMode=yes")
        seconds = max(1, min(_CONNECT_SECONDS, int(self._timeout)))
        argv = ["ssh", *_OPTIONS, "-o", f"ConnectTimeout={seconds}", *login, *arguments]
        env: dict[str, str] = {}
        if self._password:
            # Without DISPLAY, OpenSSH before 8.4 asks no program.
            env = {"SSH_ASKPASS": str(ASKPASS), "SSH_ASKPASS_REQUIRE": "force", PASSWORD_VARIABLE: str(self._password)}
            env["DISPLAY"] = os.environ.get("DISPLAY", ":")
        folder = self._folder if self._folder and self._folder.is_dir() else None
        try:
            return spawn(argv, env=env, cwd=folder, **options)
        except (FileNotFoundError, PermissionError):
            raise failures.failure("ssh-missing") from None

    def _answers(self, shared: Sequence[str]) -> bool:
        """Return whether a connection with these arguments exists."""
        null = subprocess.DEVNULL
        arguments = [*shared, "-O", "check", *self._target.arguments]
        process = self._spawn(arguments, stdin=null, stdout=null, stderr=null)
        return _status(process, _CHECK_SECONDS) == 0

    def _connect(self) -> None:
        """Make sure that there is a shared connection, if the state folder can hold its socket."""
        own = ("-S", _SOCKET)
        with self._locked() as possible:
            if possible and self._answers(own):
                self._shared = own
            elif not self._password and self._answers(()):
                self._shared = ()
            elif possible and self._open(own):
                self._shared = own
            else:
                self._shared = None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold a lock on the sockets: two processes that open the same one would leave a connection without a socket.

        Yields False if the state folder is not writable.
        """
        lock = None
        with contextlib.suppress(OSError):
            if self._folder is not None:
                self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._folder.mkdir(mode=0o700, exist_ok=True)
                self._folder.chmod(0o700)
                lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if lock is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock is not None
        finally:
            if lock is not None:
                os.close(lock)

    def _open(self, own: Sequence[str]) -> bool:
        """Open the shared connection. Returns False if no socket can be created in this folder.

        Raises UnreadableError if the connection cannot be made.
        """
        null = subprocess.DEVNULL
        # A file and no pipe: the end of a pipe comes when every process has closed it.
        with tempfile.TemporaryFile(dir=self._folder) as errors:
            # `auto` also removes the socket of a connection that was killed.
            master = ["-N", *own, "-o", "ControlMaster=auto", "-o", f"ControlPersist={_IDLE_SECONDS}"]
            arguments = [*master, *self._target.arguments]
            process = self._spawn(arguments, stdin=null, stdout=null, stderr=errors)
            status = _status(process, min(self._timeout, 2 * _CONNECT_SECONDS))
            errors.seek(0)
            printed = errors.read(1 << 16)
        if status == 0:
            return True
        if status is None:
            raise failures.failure("ssh-timeout")
        if b"unix_listener" in printed or b"mux" in printed:
            return False
        raise failures.of_ssh(printed)


def _status(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Wait for the process and return its exit status, or None after the time limit. Ends it if interrupted."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.returncode is None:
            end(process)
