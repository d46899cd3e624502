"""Tests of the command for root: what it passes to the program, as which user, and how it ends."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.ansible.fleet import COLLECTION
from tests.ansible.local import Local
from tests.support.running import wait_until, write_script

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the command is for root")

# Continues as the same user, because a test has no other user.
ONWARD = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)


def wrapper(local: Local, engine: str, setpriv: str = ONWARD, **environment: object) -> list[str]:
    """Write the command with a fake closte-bridge and a fake setpriv; return its command line for a network."""
    for folder in ("state/club", "etc/keys", "bin"):
        (local.folder / folder).mkdir(parents=True)
    for name in ("club", "club.ssh"):
        (local.folder / "etc" / "keys" / name).touch()
    write_script(local.folder / "bin" / "setpriv", setpriv)
    own = {"_closte_bridge_bin": str(write_script(local.folder / "engine", engine)), "_closte_bridge_venv": sys.prefix}
    parts = COLLECTION / "roles" / "closte_bridge"
    template = {
        "src": str(parts / "templates" / "closte-bridge-as.j2"), "dest": str(local.folder / "as"), "mode": "0700",
    }  # fmt: skip
    variables = [
        {"name": "Read", "ansible.builtin.include_vars": str(parts / f"{d}/main.yml")} for d in ("defaults", "vars")
    ]
    write = {"name": "Write it", "ansible.builtin.template": template}
    given: dict[str, Any] = {**own, "closte_bridge_environment": environment}
    said = local.tasks(*variables, write, **given)
    assert said.endswith("ended with 0"), said
    return [str(local.folder / "as"), "club"]


def around(local: Local) -> dict[str, str]:
    """Return the environment of the command."""
    return {"PATH": f"{local.folder}/bin:{os.environ['PATH']}", "OF_ROOT": "1"}


def test_wrapper_hides_passwords_in_arguments_and_environment(local: Local) -> None:
    # This fake records what other users can see of it, above all the network's user.
    shown = local.folder / "shown"
    setpriv = f'{{ echo "$*"; cat "/proc/$$/environ"; }} >{shown}; {ONWARD}'
    proxy = "http://user:secret&*(;#<!~|@127.0.0.1:9"
    given = {"HTTPS_PROXY": proxy, "LC_ALL": "C", "network": "of-%i", "user": "somebody", "NONE": "", "NUMBER": 1}
    argv = wrapper(local, 'cat "/proc/$$/environ"; echo "$*"; cat; exit 7', setpriv, **given)
    done = subprocess.run(
        [*argv, "plan", "a b"], env=around(local), input="typed", capture_output=True, text=True, check=False
    )
    assert done.returncode == 7, done.stderr
    *found, last = done.stdout.split("\0")
    assert last == f"--config={local.folder}/etc/config.yaml --network=club plan a b\ntyped"
    handed = dict(line.split("=", 1) for line in found)
    assert len(handed) == len(found)
    assert handed.pop("CREDENTIALS_DIRECTORY").startswith("/run/closte-bridge-as.")
    home = f"{local.folder}/state/club"
    assert handed == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": home,
        "WP_CLI_CACHE_DIR": f"{home}/wp-cli",
        "WP_CLI_DISABLE_AUTO_CHECK_UPDATE": "1",
        "CLOSTE_BRIDGE_SSH_PASSWORD_FILE": f"{local.folder}/etc/keys/club.ssh",
        **given, "network": "of-club", "NUMBER": "1",
    }  # fmt: skip
    assert [word for word in ("secret", "OF_ROOT") if word in shown.read_text()] == []


class AtATerminal:
    """The command, called from a shell at a terminal. `typed` types there, and `shown` is its output."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.shown = b""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            # A shell cannot trap signals that were ignored when it started, such as SIGHUP under nohup.
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            os.execve(argv[0], argv, environment)  # noqa: S606 - the test's own program

    def typed(self, text: bytes) -> None:
        os.write(self._terminal, text)

    def until(self, text: bytes) -> None:
        """Read until the terminal shows `text`."""

        def there() -> bool:
            if select.select([self._terminal], [], [], 0)[0]:
                self.shown += os.read(self._terminal, 1000)
            return text in self.shown

        wait_until(there)

    def ended(self) -> int:
        """Wait at most ten seconds for the end of the command; return its exit code."""
        for _ in range(200):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.05)
        else:
            os.killpg(self.pid, signal.SIGKILL)
            _pid, status = os.waitpid(self.pid, 0)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)


def secrets(local: Local) -> Path:
    """Return the folder that contained the key while the command ran; the command removes it."""
    where = Path((local.folder / "where").read_text().strip())
    assert where.parent == Path("/run")
    return where


def test_wrapped_program_can_prompt_without_owning_the_terminal(local: Local) -> None:
    """With the terminal, a program of the network's user could type commands into root's shell."""
    where = f'echo "$CREDENTIALS_DIRECTORY" >{local.folder}/where'
    ask = 'test -t 0 && (: </dev/tty) 2>/dev/null && echo mine; printf "Sure? "; read -r answer; echo "It is $answer."'
    command = AtATerminal([*wrapper(local, f"{where}; {ask}; exit 3"), "adopt"], around(local))
    command.until(b"Sure? ")
    command.typed(b"yes\n")
    command.until(b"It is yes.")
    assert b"mine" not in command.shown
    assert command.ended() == 3
    assert not secrets(local).exists()


@pytest.mark.parametrize("how", ["typed", "TERM", "HUP"])
def test_stopping_the_wrapper_stops_the_program(local: Local, how: str) -> None:
    # It needs some time to end, and its key must stay until then.
    engine = f"""echo "$CREDENTIALS_DIRECTORY" >{local.folder}/where
trap 'sleep 0.5; ls "$CREDENTIALS_DIRECTORY" >{local.folder}/last; exit 130' INT TERM
echo at work; left=300; while [ $left -gt 0 ]; do sleep 0.1; left=$((left - 1)); done"""
    command = AtATerminal([*wrapper(local, engine), "watch"], around(local))
    command.until(b"at work")
    if how == "typed":
        command.typed(b"\x03")
    else:
        os.kill(command.pid, signal.Signals[f"SIG{how}"])
    assert command.ended() == 130
    assert (local.folder / "last").read_text() == "closte-api-key\n"
    assert not secrets(local).exists()
