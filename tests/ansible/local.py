"""Parts of the collection on this machine itself, for tests that neither change it nor need a small machine."""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.ansible.fleet import COLLECTION, mitogen, tool
from tests.support import forks
from tests.support.running import write_script

# A network on another machine, so that the role expects no files of it here.
FAR = {"name": "club", "ssh": "club@elsewhere.example.com/srv/club"}


@functools.cache
def _settings() -> dict[str, str]:
    """Return the settings of Ansible for all plays of this process: one collections folder, one home."""
    folder = Path(tempfile.mkdtemp(prefix="cb-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = folder / "collections" / "ansible_collections" / "closte_bridge"
    target.mkdir(parents=True)
    (target / "ops").symlink_to(COLLECTION)
    return {
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        **({} if os.environ.get("CLOSTE_BRIDGE_ANSIBLE") else mitogen()),
    }


def run_playbook(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run `ansible-playbook` in a folder: a fork that has already loaded it, unless another Ansible was chosen."""
    program = tool("ansible-playbook")
    settings = _settings()
    environment = {"PATH": f"{Path(program).parent}{os.pathsep}{os.environ['PATH']}", **settings}
    if not os.environ.get("CLOSTE_BRIDGE_ANSIBLE"):
        server = forks.server("tests.ansible.playbook_server", *settings.items())
        return forks.run(*argv, env=environment, cwd=folder, of=server)
    return subprocess.run(
        [program, *argv], capture_output=True, text=True, check=False, env=environment, cwd=folder,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@dataclass
class Local:
    """Ansible without hosts. `folder` contains all paths of the role."""

    folder: Path
    variables: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        places = {"home": "opt", "config_dir": "etc", "state_dir": "state", "log_dir": "log"}
        self.variables = {f"closte_bridge_{name}": str(self.folder / place) for name, place in places.items()}
        self.variables |= {"closte_bridge_link": str(self.folder / "link"), "_closte_bridge_systemd": False}
        self.variables |= {"closte_bridge_networks": [FAR], "closte_bridge_runner": "timer"}
        self.variables["ansible_python_interpreter"] = sys.executable

    def tasks(self, *tasks: dict[str, Any], check: bool = False, **variables: Any) -> str:  # noqa: ANN401 - any variable
        """Run tasks and return their output; the last line has the exit code."""
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": list(tasks)}
        playbook = self.folder / "play.yml"
        playbook.write_text(yaml.safe_dump([play], sort_keys=False))
        argv = ["-i", "localhost,", *(["--check"] if check else []), "--diff"]
        done = run_playbook(self.folder, *argv, "-e", json.dumps(self.variables | variables), str(playbook))
        return f"{done.stdout}{done.stderr}\nended with {done.returncode}"

    def role(self, part: str, variables: dict[str, Any] | None = None, *, check: bool = True) -> str:
        """Run one file of the role's tasks."""
        role = {"name": "closte_bridge.ops.closte_bridge", "tasks_from": part}
        return self.tasks({"name": "Do it", "ansible.builtin.include_role": role}, check=check, **(variables or {}))


def changed(said: str) -> list[str]:
    """Return the tasks and items that changed something."""
    found, task = [], ""
    for line in said.splitlines():
        if match := re.match(r"TASK \[(?:\S+ : )?(.*)\]", line):
            task = match[1]
        elif match := re.match(r"changed: \[\S+\](?: => \(item=(.*?)\))?", line):
            found.append(f"{task}{f' ({match[1]})' if match[1] else ''}")
    return found


def envelope(data: object = None, code: int = 0, *problems: str) -> dict[str, Any]:
    """Return output of closte-bridge with problems of these codes."""
    rows = [{"code": problem, "message": f"It is {problem}.", "hint": "", "domain": None} for problem in problems]
    kinds = {"errors": rows if code else [], "warnings": [] if code else rows, "notes": []}
    return {"version": 1, "status": "failed" if code else "ok", "exit_code": code, "data": data} | kinds


def engine(folder: Path, **answers: dict[str, Any]) -> Path:
    """Return a fake closte-bridge that gives these answers by the first words of the command; see `calls`."""
    for words, answer in answers.items():
        (folder / words).write_text(json.dumps(answer))
        (folder / f"{words}.code").write_text(str(answer["exit_code"]))
    return write_script(
        folder / "engine",
        f'shift; echo "$*" >>{folder}/calls; name=$1; [ ! -e "{folder}/$1_$2" ] || name=$1_$2\n'
        f'cat "{folder}/$name"; exit "$(cat "{folder}/$name.code")"',
    )


def calls(folder: Path) -> list[str]:
    """Return the commands that the fake closte-bridge received."""
    return (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []
