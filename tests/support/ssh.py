"""A private SSH server for WP-CLI's `--ssh`: only on loopback, with its own keys and without a password."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
import time
from contextlib import contextmanager
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


@dataclass(frozen=True)
class SshServer:
    """A running server that lets the current user log in.

    On the remote side, `wp` is on the PATH, as on a real host. On the local side, `bin_folder` contains an `ssh` that
    knows the user's key and the server's host key. Put that folder first on the PATH to run `wp --ssh=…`.
    """

    user: str
    port: int
    bin_folder: Path

    def target(self, path: Path | None = None) -> str:
        """Return the value for `--ssh=`; `path` is the remote document root."""
        return f"{self.user}@127.0.0.1:{self.port}{path or ''}"

    def env(self, base: dict[str, str]) -> dict[str, str]:
        """Return `base` with this server's `ssh` first on the PATH."""
        return base | {"PATH": f"{self.bin_folder}{os.pathsep}{base['PATH']}"}


@contextmanager
def ssh_server(folder: Path, parts: Parts) -> Iterator[SshServer]:
    """Run a server with its keys and settings in the new folder `folder`; stop it after the body.

    Raises `MissingPartError` if OpenSSH's server or client is not installed.
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
    _write_local_ssh(folder, folder / "bin")
    (folder / "sshd_config").write_text(_server_settings(folder, port))
    if os.geteuid() == 0:
        # sshd needs this folder to run as root; usually the distribution's service creates it.
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    server = subprocess.Popen(
        [find_program("sshd"), "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "log")],
        stdin=subprocess.DEVNULL,
    )
    try:
        _wait(server, port, folder / "log")
        yield SshServer(user, port, folder / "bin")
    finally:
        server.terminate()
        server.wait()


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


def _write_local_ssh(folder: Path, bin_folder: Path) -> None:
    bin_folder.mkdir()
    options = [
        find_program("ssh"), "-F", "none", "-i", str(folder / "user_key"),
        "-o", f"UserKnownHostsFile={folder / 'known_hosts'}",
        "-o", "GlobalKnownHostsFile=none", "-o", "StrictHostKeyChecking=yes",
        "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
    ]  # fmt: skip
    write_script(bin_folder / "ssh", f'exec {shlex.join(options)} "$@"')


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not accepts(port):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"sshd did not start:\n{log.read_text(errors='replace') if log.exists() else ''}")
        time.sleep(0.05)
