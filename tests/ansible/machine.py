"""Small machines for the role: real systemd, real SSH, this machine's files as a base, and all writes in memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.parts import MissingPartError, find_program
from tests.support.ports import accepts, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BOOT = Path(__file__).with_name("machine.sh")
START_SECONDS = 60
CONTROL_GROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
# Files that a machine writes automatically, and files of the user that logs in.
NOISE = ("run", "tmp", "var/tmp", "var/log/journal", "root/.ansible", "var/lib/systemd", "var/cache", "root/.cache")

Process = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Machine:
    """A running machine. `pid` is its process 1 as seen from outside; `key` gives root access over SSH on `port`."""

    name: str
    pid: int
    port: int
    key: Path

    @property
    def enter(self) -> list[str]:
        """The argv prefix that runs a program inside."""
        return [find_program("nsenter"), f"--target={self.pid}", "--all", "--root", "--wd=/"]

    def run(self, *argv: str, check: bool = True, stdin: str = "") -> Process:
        """Run a program inside as root."""
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [*self.enter, *argv], input=stdin, capture_output=True, text=True, check=False, env=environment, cwd="/"
        )
        if check and done.returncode:
            raise AssertionError(f"{shlex.join(argv)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    @property
    def written(self) -> Path:
        """The folder with everything that was written inside, as seen from outside."""
        return Path(f"/proc/{self.pid}/root/run/written")

    def files(self) -> dict[str, str]:
        """Return every path that was written inside, with a digest of its content; noise is left out."""
        found = {}
        for folder, _folders, names in os.walk(self.written):
            for path in (Path(folder), *(Path(folder, name) for name in names)):
                inside = str(path.relative_to(self.written))
                if inside != "." and not any(inside == noise or inside.startswith(f"{noise}/") for noise in NOISE):
                    found[inside] = _digest(path)
        return found

    def path(self, inside: str) -> Path:
        """Return the outside path of a path inside."""
        return Path(f"/proc/{self.pid}/root", inside.lstrip("/"))


def _digest(path: Path) -> str:
    status = path.lstat()
    where = f"{status.st_mode:o} {status.st_uid}:{status.st_gid}"
    if path.is_symlink():
        return f"{where} -> {path.readlink()}"
    if path.is_dir():
        return f"{where} folder"
    if not path.is_file():
        return f"{where} removed" if path.is_char_device() else where
    return f"{where} {hashlib.sha256(path.read_bytes()).hexdigest()}"


@contextmanager
def machine(name: str, folder: Path, key: Path, *, systemd: bool = True) -> Iterator[Machine]:
    """Boot a machine in the new folder `folder`, with SSH access for `key`; end all of its processes after the body.

    Without `systemd`, its first process is an SSH server. Raises `MissingPartError` if this machine cannot boot one.
    """
    units, place = folder / "units", folder / "location"
    units.mkdir(parents=True)
    place.mkdir()
    port = free_port()
    sshd = _sshd(folder, port, key)
    _write_units(units, sshd)
    group = f"closte-bridge-test-{os.getpid()}-{name}"
    log = folder / "log"
    with log.open("wb") as said:
        booting = subprocess.Popen(
            [find_program("unshare"), "--mount", str(BOOT), group, str(place), str(units), "" if systemd else sshd],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        pid = _first_process(booting, port, log)
        running = Machine(name, pid, port, key)
        running.run("hostname", name)
        yield running
    finally:
        booting.kill()
        booting.wait()
        _remove_groups(group)


def _sshd(folder: Path, port: int, key: Path) -> str:
    """Return the command line of the machine's SSH server, and write its configuration to `folder`."""
    settings = {
        "ListenAddress": "127.0.0.1",
        "Port": port,
        "HostKey": key.with_name("host_key"),
        "PidFile": "none",
        "UsePAM": "no",
        "AuthorizedKeysFile": f"{key}.pub",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "PasswordAuthentication": "yes",
        "Subsystem": "sftp internal-sftp",
        "MaxStartups": 50,
    }
    config = folder / "sshd_config"
    config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    return f"{find_program('sshd')} -D -e -f {config}"


def _write_units(units: Path, sshd: str) -> None:
    (units / "machine.target").write_text(
        "[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service machine-sshd.service\n"
        "After=machine-sshd.service\n"
    )
    (units / "machine-sshd.service").write_text(
        f"[Unit]\nDefaultDependencies=no\n[Service]\nRuntimeDirectory=sshd\nExecStart={sshd}\n"
    )


def _first_process(booting: subprocess.Popen[bytes], port: int, log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    children = Path(f"/proc/{booting.pid}/task/{booting.pid}/children")
    while time.monotonic() < deadline and booting.poll() is None:
        found = children.read_text().split()
        if found and accepts(port):
            return int(found[0])
        time.sleep(0.05)
    said = log.read_text(errors="replace")
    raise MissingPartError(f"A machine with systemd could not be booted here (root and overlayfs are needed): {said}")


def _remove_groups(name: str) -> None:
    for base in CONTROL_GROUPS:
        for folder, _folders, _files in os.walk(base / name, topdown=False):
            for _try in range(100):
                with contextlib.suppress(FileNotFoundError):
                    try:
                        Path(folder).rmdir()
                    except OSError:
                        time.sleep(0.05)  # The processes are still ending.
                        continue
                break


def make_keys(folder: Path) -> Path:
    """Create the user key of the machines and their host key next to it; return the user key."""
    folder.mkdir(parents=True)
    for name in ("user_key", "host_key"):
        argv: Sequence[str] = [
            find_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(folder / name),
        ]  # fmt: skip
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return folder / "user_key"
