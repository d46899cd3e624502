"""A private SSH server: only on loopback, with its own keys, and if wanted with a password or a restricted shell."""

from __future__ import annotations

import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.parts import Parts, find_program
from tests.support.ports import accepts, free_port
from tests.support.running import write_script

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60
PRIVILEGE_SEPARATION = Path("/run/sshd")
# A shell as of a hosting company: it starts `wp` and nothing else, and expands nothing.
ONLY_WP = """
import os, shlex, sys
words = shlex.split(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
if words[:1] != ["wp"]:
    sys.exit("This command is not allowed.")
os.execvp("wp", words)
"""


@dataclass(frozen=True)
class SshServer:
    """A running server that lets the current user log in.

    On the remote side, `wp` is on the PATH, as on a real host. On the local side, `bin_folder` contains an `ssh` that
    knows the user's key and the server's host key. Put that folder first on the PATH to run `wp --ssh=…`.
    """

    user: str
    port: int
    bin_folder: Path
    folder: Path
    pid: int

    def target(self, path: Path | None = None) -> str:
        """Return the value for `--ssh=`; `path` is the remote document root."""
        return f"{self.user}@127.0.0.1:{self.port}{path or ''}"

    def connections(self) -> list[int]:
        """Return the process of each open connection."""
        found = subprocess.run(
            [find_program("pgrep"), "-P", str(self.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in found.stdout.split()]

    def cut(self) -> None:
        """Cut all connections."""
        for pid in self.connections():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def env(self, base: dict[str, str]) -> dict[str, str]:
        """Return `base` with this server's `ssh` first on the PATH."""
        return base | {"PATH": f"{self.bin_folder}{os.pathsep}{base['PATH']}"}


@contextmanager
def ssh_server(folder: Path, parts: Parts, *, password: str = "", restricted: bool = False) -> Iterator[SshServer]:
    """Run a server with its keys and settings in the new folder `folder`; stop it and its connections after the body.

    With `password`, a login needs this password and no key; only root can run such a server. With `restricted`, the
    login's shell starts only `wp`. Raises `MissingPartError` if OpenSSH's server or client is not installed.
    """
    folder.mkdir(parents=True, mode=0o700)
    user, port = pwd.getpwuid(os.geteuid()).pw_name, free_port()
    for name in ("host_key", "user_key"):
        key = [find_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(folder / name)]
        subprocess.run(key, check=True, stdin=subprocess.DEVNULL)
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
    host_key = (folder / "host_key.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    _write_remote_wp(folder / "remote-bin", parts)
    _write_local_ssh(folder, folder / "bin", key=not password)
    settings = _server_settings(folder, port)
    if password:
        settings = settings.replace("PasswordAuthentication no", "PasswordAuthentication yes")
        settings = settings.replace("prohibit-password", "yes").replace("AuthorizedKeysFile", "#")
    if restricted:
        (folder / "shell.py").write_text(ONLY_WP)
        settings += f"ForceCommand {sys.executable} -I {folder / 'shell.py'}\n"
    (folder / "sshd_config").write_text(settings)
    if os.geteuid() == 0:
        # sshd needs this folder to run as root; usually the distribution's service creates it.
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    command = [find_program("sshd"), "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "log")]
    server = subprocess.Popen(
        [*_with_password(folder, user, password), *command] if password else command, stdin=subprocess.DEVNULL
    )
    running = SshServer(user, port, folder / "bin", folder, server.pid)
    try:
        _wait(server, port, folder / "log")
        yield running
    finally:
        # Without its server, a connection and the client behind it would stay for minutes.
        running.cut()
        server.terminate()
        server.wait()


def _with_password(folder: Path, user: str, password: str) -> list[str]:
    """Return a prefix that starts a command in a namespace in which the user has this password."""
    hashed = subprocess.run(
        [find_program("openssl"), "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True
    ).stdout.strip()
    (folder / "shadow").write_text(f"{user}:{hashed}:19000:0:99999:7:::\n")
    script = 'mount --bind "$1" /etc/shadow && shift && exec "$@"'
    return [find_program("unshare"), "--mount", "sh", "-c", script, "sh", str(folder / "shadow")]


def _server_settings(folder: Path, port: int) -> str:
    path = f"{folder / 'remote-bin'}:/usr/local/bin:/usr/bin:/bin"
    return "\n".join(
        [
            "ListenAddress 127.0.0.1",
            f"Port {port}",
            f"HostKey {folder / 'host_key'}",
            f"PidFile {folder / 'pid'}",
            f"AuthorizedKeysFile {folder / 'authorized_keys'}",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "UsePAM no",
            # The keys are in a temporary folder, which other users may write to.
            "StrictModes no",
            # Replaces the home and the environment of the login.
            f"SetEnv PATH={path} HOME={folder / 'home'} LC_ALL=C.UTF-8 WP_CLI_DISABLE_AUTO_CHECK_UPDATE=1",
            "",
        ]
    )


def _write_remote_wp(folder: Path, parts: Parts) -> None:
    folder.mkdir()
    folder.with_name("home").mkdir()
    root = " --allow-root" if os.geteuid() == 0 else ""
    write_script(folder / "wp", f'exec {shlex.join([parts.php, str(parts.wp_cli)])}{root} "$@"')


def _write_local_ssh(folder: Path, bin_folder: Path, *, key: bool) -> None:
    bin_folder.mkdir()
    options = [
        find_program("ssh"), "-F", "none", "-o", f"UserKnownHostsFile={folder / 'known_hosts'}",
        "-o", "GlobalKnownHostsFile=none",
    ]  # fmt: skip
    if key:
        options += ["-i", str(folder / "user_key"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    write_script(bin_folder / "ssh", f'exec {shlex.join(options)} "$@"')


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not accepts(port):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"sshd did not start:\n{log.read_text(errors='replace') if log.exists() else ''}")
        time.sleep(0.05)
