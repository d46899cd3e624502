"""Ansible against small machines, each with a WordPress network and an application at a stand-in of Closte."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.bridge import wait_until, write_script
from tests.support.parts import REPOSITORY, MissingPartError
from tests.support.wordpress import Multisite

if TYPE_CHECKING:
    from closte_bridge.sandbox.server import Sandbox
    from tests.ansible.machine import Machine
    from tests.support.databases import Database
    from tests.support.parts import Parts

COLLECTION = REPOSITORY / "ansible" / "ops"
SITE = "/srv/www/shop"
OWNER = "shopowner"
LIMIT_SECONDS = 900
WHEELS = REPOSITORY / ".cache" / "wheels"


def tool(name: str) -> str:
    """Return the path of one of Ansible's programs: beside this Python, or where CLOSTE_BRIDGE_ANSIBLE says."""
    folders = [os.environ.get("CLOSTE_BRIDGE_ANSIBLE", ""), str(Path(sys.executable).parent), os.environ["PATH"]]
    found = shutil.which(name, path=os.pathsep.join(folder for folder in folders if folder))
    if found is None:
        raise MissingPartError(f'The program "{name}" is missing: run script/setup.')
    return found


@functools.cache
def ansible_version() -> tuple[int, ...]:
    """Return the version of ansible-core."""
    said = subprocess.run([tool("ansible"), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"core (\d+)\.(\d+)", said)
    assert found, said
    return tuple(int(part) for part in found.groups())


@dataclass
class Host:
    """One host of the fleet: its machine, its WordPress network, and its application at Closte."""

    name: str
    machine: Machine
    multisite: Multisite
    sandbox: Sandbox
    key: str

    @property
    def aliases(self) -> set[str]:
        """What is at Closte besides the network's own domain."""
        return self.sandbox.aliases - {self.multisite.main_domain}

    def expect(self, *aliases: str) -> None:
        """Wait until exactly these are at Closte."""
        wait_until(lambda: self.aliases == set(aliases))


@dataclass
class Ran:
    """What a playbook came to. `changed` names its tasks that changed something, in order, with the items."""

    code: int
    text: str
    recap: dict[str, dict[str, int]]
    changed: list[str] = field(default_factory=list)


@dataclass
class Fleet:
    """The hosts, and what Ansible is run with."""

    folder: Path
    key: Path
    hosts: list[Host]
    wheel: Path
    per_host: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        target = self.folder / "collections" / "ansible_collections" / "closte_bridge"
        target.mkdir(parents=True)
        (target / "ops").symlink_to(COLLECTION)
        self.write_inventory()

    def variables(self, host: Host) -> dict[str, Any]:
        """Return the variables that a user would give for a host."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": host.machine.port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
            " -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o LogLevel=ERROR",
            "ansible_python_interpreter": "/usr/bin/python3",
            "closte_bridge_wheel": str(self.wheel),
            "closte_bridge_pip_args": f"--no-index --find-links={WHEELS}",
            "closte_bridge_python": "/usr/bin/python3",
            "closte_bridge_manage_packages": False,
            "closte_bridge_adopt": True,
            "closte_bridge_interval": 60,
            "closte_bridge_settings": {"api_url": host.sandbox.url, "rate_limit": 1000},
            "closte_bridge_networks": [
                {
                    "name": "shop",
                    "path": SITE,
                    "api_key": host.key,
                    "integration": True,
                    "write_paths": [f"{SITE}/wp-content/database"],
                }
            ],
        }

    def write_inventory(self, **changes: Any) -> None:  # noqa: ANN401 - whatever a variable may be
        """Write the inventory, with `changes` on every host; a None takes a variable out."""
        hosts = {}
        for host in self.hosts:
            merged = self.variables(host) | changes | self.per_host.get(host.name, {})
            hosts[host.name] = {name: value for name, value in merged.items() if value is not None}
        inventory = {"closte_bridge": {"hosts": hosts}}
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(inventory))

    def play(self, playbook: str, *options: str, **variables: Any) -> Ran:  # noqa: ANN401 - likewise
        """Run one of the collection's playbooks, or a file, on all hosts (or with `--limit`)."""
        log = self.folder / "ansible.log"
        log.unlink(missing_ok=True)
        argv = [tool("ansible-playbook"), "-i", str(self.folder / "inventory.yml"), *options]
        argv += ["-e", json.dumps(variables), playbook if "/" in playbook else f"closte_bridge.ops.{playbook}"]
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, cwd=self.folder, env=self._environment(),
            timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        text = done.stdout + done.stderr + (log.read_text() if log.exists() else "")
        return Ran(done.returncode, text, _recap(done.stdout), _changed(done.stdout))

    def _environment(self) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        tools = Path(tool("ansible-playbook")).parent
        return {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            "ANSIBLE_LOG_PATH": str(self.folder / "ansible.log"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            # With the machines, the connections end as well.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
        }


def _recap(text: str) -> dict[str, dict[str, int]]:
    lines = re.findall(r"^(\S+)\s+: (ok=.*)$", text.partition("PLAY RECAP")[2], re.MULTILINE)
    return {name: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", rest)} for name, rest in lines}


def _changed(text: str) -> list[str]:
    """Return `host: task` for every task and item that changed something."""
    found, task = [], ""
    for line in text.splitlines():
        if match := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\]", line):
            task = match[1]
        elif match := re.match(r"changed: \[([^\]]+)\](?: => \(item=(.*?)\))?", line):
            found.append(f"{match[1]}: {task}{f' ({match[2]})' if match[2] else ''}")
    return found


def move_in(machine: Machine, site: Multisite, folder: Path) -> Multisite:
    """Move a network into a machine, to a folder of its own that belongs to its own user; return it as seen there."""
    for place in (REPOSITORY, site.path):
        for parent in (place, *place.parents):
            machine.run("chmod", "a+x", str(parent))
    machine.run("useradd", "--create-home", "--shell", "/bin/sh", OWNER)
    machine.run("mkdir", "-p", "/srv/www")
    machine.run("cp", "-a", str(site.path), SITE)
    machine.run("chown", "-R", "-h", f"{OWNER}:{OWNER}", SITE)
    parts = site.parts
    php = "exec php -d display_errors=stderr"
    machine.run("tee", "/usr/local/bin/wp", stdin=f'#!/bin/sh\n{php} {parts.wp_cli} "$@"\n')
    machine.run("chmod", "755", "/usr/local/bin/wp")
    inside = f"runuser -u {OWNER} -- env HOME=/home/{OWNER} php"
    php_there = write_script(folder / f"php-{machine.name}", f'exec {" ".join(machine.enter)} {inside} "$@"')
    return Multisite(Path(SITE), site.home, _with_php(parts, php_there), _NoDatabase(), site.main_domain)


def _with_php(parts: Parts, php: Path) -> Parts:
    return type(parts)(str(php), parts.wordpress, parts.wp_cli, parts.sqlite_driver)


class _NoDatabase:
    """The database is inside the machine: it is asked through WordPress only."""

    @property
    def constants(self) -> dict[str, str]:
        return {}

    def sql(self, script: str) -> list[dict[str, str | None]]:
        raise AssertionError(f"The database cannot be reached from outside: {script}")


_: type[Database] = _NoDatabase


def build_wheel(folder: Path) -> Path:
    """Build the engine's wheel without asking anybody on the network."""
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
    subprocess.run([*argv, "-w", str(folder), str(REPOSITORY)], check=True, stdin=subprocess.DEVNULL)
    (wheel,) = folder.glob("closte_bridge-*.whl")
    return wheel


def as_version(wheel: Path, version: str) -> Path:
    """Return a copy of a wheel that says it is another version."""
    name, old, *tags = wheel.name.split("-")
    copy = wheel.with_name("-".join([name, version, *tags]))
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as target:
        for item in source.infolist():
            data = source.read(item)
            if item.filename.endswith(("/METADATA", "/RECORD", "closte_bridge/__init__.py")):
                data = data.replace(f"{name}-{old}".encode(), f"{name}-{version}".encode())
                data = data.replace(f"Version: {old}".encode(), f"Version: {version}".encode())
                data = data.replace(f'"{old}"'.encode(), f'"{version}"'.encode())
            target.writestr(item.filename.replace(f"{name}-{old}", f"{name}-{version}"), data)
    return copy
