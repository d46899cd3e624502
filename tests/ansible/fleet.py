"""Ansible on small machines, each with a WordPress network and an application on a sandbox of Closte."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.parts import REPOSITORY, MissingPartError
from tests.support.running import wait_until, write_script
from tests.support.wordpress import PHP_SETTINGS, Multisite

if TYPE_CHECKING:
    from tests.ansible.machine import Machine
    from tests.support.databases import Database
    from tests.support.sandbox.server import Sandbox

COLLECTION = REPOSITORY / "ansible" / "ops"
SITES = "/srv/www"
PARTS = "/srv/parts"
# Tests only contact this machine; other tests check DNS.
SETTINGS = {
    "rate_limit": 1000,
    "web_urls": ["http://127.0.0.1:9"],
    "dns": {"resolvers": ["127.0.0.1:9"], "timeout": 0.1},
}
LIMIT_SECONDS = 900
WHEELS = REPOSITORY / ".cache" / "wheels"


def tool(name: str) -> str:
    """Return the path of an Ansible program: from CLOSTE_BRIDGE_ANSIBLE, next to this Python, or on the PATH."""
    folders = [os.environ.get("CLOSTE_BRIDGE_ANSIBLE", ""), str(Path(sys.executable).parent), os.environ["PATH"]]
    found = shutil.which(name, path=os.pathsep.join(folder for folder in folders if folder))
    if found is None:
        raise MissingPartError(f'The program "{name}" is missing: run script/setup.')
    return found


@dataclass
class Network:
    """A WordPress network of a host, and its application on Closte with the API key `key`."""

    name: str
    owner: str
    multisite: Multisite
    sandbox: Sandbox
    key: str

    @property
    def path(self) -> str:
        """The document root, as seen inside the machine."""
        return str(self.multisite.path)

    @property
    def aliases(self) -> set[str]:
        """The aliases on Closte, without the network's main domain."""
        return self.sandbox.aliases - {self.multisite.main_domain}

    def expect(self, *aliases: str) -> None:
        """Wait until Closte has exactly these aliases."""
        wait_until(lambda: self.aliases == set(aliases))


@dataclass
class Host:
    """One host of the fleet: its machine and its WordPress networks."""

    name: str
    machine: Machine
    networks: list[Network]

    @property
    def shop(self) -> Network:
        """The first of the host's networks. Every host has at least one."""
        return self.networks[0]


@dataclass
class Ran:
    """The result of a playbook. `changed` lists the tasks that changed something, in order, with their items."""

    code: int
    text: str
    recap: dict[str, dict[str, int]]
    changed: list[str] = field(default_factory=list)


@dataclass
class Fleet:
    """The hosts, and the inputs of Ansible.

    `fast`: Mitogen runs the tasks, in a third of the time: one Python per host, instead of one per task. The plays with
    `fast` off, and all plays of another Ansible (`script/test-ansible`), run as they do for users.
    """

    folder: Path
    key: Path
    hosts: list[Host]
    wheel: Path
    fast: bool = not os.environ.get("CLOSTE_BRIDGE_ANSIBLE")
    per_host: dict[str, dict[str, Any]] = field(default_factory=dict)
    program: str = field(default_factory=lambda: tool("ansible-playbook"))

    def __post_init__(self) -> None:
        target = self.folder / "collections" / "ansible_collections" / "closte_bridge"
        target.mkdir(parents=True)
        (target / "ops").symlink_to(COLLECTION)
        self.write_inventory()

    @property
    def version(self) -> str:
        """The version of closte-bridge in the wheel."""
        return self.wheel.name.split("-")[1]

    def variables(self, host: Host) -> dict[str, Any]:
        """Return the variables that a user would set for a host."""
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
            "closte_bridge_adopt": True,
            # So rare that only a trigger can start a run during a test.
            "closte_bridge_interval": 600,
            "closte_bridge_settings": SETTINGS,
            "closte_bridge_networks": [self.network(host.shop)],
        }

    @staticmethod
    def network(network: Network) -> dict[str, Any]:
        """Return the settings that a user would give for a network."""
        return {
            "name": network.name,
            "path": network.path,
            "api_key": network.key,
            "integration": True,
            "write_paths": [f"{network.path}/wp-content/database"],
            "settings": {"api_url": network.sandbox.url},
        }

    def write_inventory(self, **changes: Any) -> None:  # noqa: ANN401 - any variable
        """Write the inventory, with `changes` for every host; None removes a variable."""
        hosts = {}
        for host in self.hosts:
            merged = self.variables(host) | changes | self.per_host.get(host.name, {})
            hosts[host.name] = {name: value for name, value in merged.items() if value is not None}
        inventory = {"closte_bridge": {"hosts": hosts}}
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(inventory))

    def play(self, playbook: str, *options: str, **variables: Any) -> Ran:  # noqa: ANN401 - the same
        """Run a playbook of the collection, or a file, on all hosts (or on those of `--limit`)."""
        if playbook == "provision":
            # All hosts in parallel, which is faster.
            variables = {"closte_bridge_serial": len(self.hosts)} | variables
        log = self.folder / "ansible.log"
        log.unlink(missing_ok=True)
        argv = [self.program, "-i", str(self.folder / "inventory.yml"), *options]
        argv += ["-e", json.dumps(variables), playbook if "/" in playbook else f"closte_bridge.ops.{playbook}"]
        began = time.monotonic()
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, cwd=self.folder, env=self._environment(),
            timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        # Visible if the test fails, or with pytest's -s.
        sys.stderr.write(f"{playbook} {' '.join(options)}: {done.returncode} after {time.monotonic() - began:.0f} s\n")
        text = done.stdout + done.stderr + (log.read_text() if log.exists() else "")
        return Ran(done.returncode, text, _recap(done.stdout), _changed(done.stdout))

    def _environment(self) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        tools = Path(self.program).parent
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
            # The connections end with the machines.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
        } | (mitogen() if self.fast else {})


def mitogen() -> dict[str, str]:
    """Return the settings with which Ansible runs tasks by Mitogen, which ignores the host keys in SSH's options."""
    spec = importlib.util.find_spec("ansible_mitogen")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPartError('The library "mitogen" is missing: run script/setup.')
    return {
        "ANSIBLE_STRATEGY_PLUGINS": str(Path(spec.submodule_search_locations[0], "plugins", "strategy")),
        "ANSIBLE_STRATEGY": "mitogen_linear",
        "ANSIBLE_HOST_KEY_CHECKING": "0",
    }


def _recap(text: str) -> dict[str, dict[str, int]]:
    lines = re.findall(r"^(\S+)\s+: (ok=.*)$", text.partition("PLAY RECAP")[2], re.MULTILINE)
    return {name: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", rest)} for name, rest in lines}


def _changed(text: str) -> list[str]:
    """Return `host: task` for each task and item that changed something."""
    found, task = [], ""
    for line in text.splitlines():
        if match := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\]", line):
            task = match[1]
        elif match := re.match(r"changed: \[([^\]]+)\](?: => \(item=(.*?)\))?", line):
            found.append(f"{match[1]}: {task}{f' ({match[2]})' if match[2] else ''}")
    return found


def move_in(machine: Machine, site: Multisite, name: str, folder: Path) -> tuple[str, Multisite]:
    """Move a network to its own folder in a machine; return its owner there, and the network as seen from there."""
    owner, target, base = f"{name}owner", f"{SITES}/{name}", site.parts.wordpress.parents[1]
    if not machine.path(f"{PARTS}/latest").exists():
        # A path that the hardened units can read, wherever the checkout is.
        machine.run("mkdir", "-p", PARTS, SITES)
        machine.run("mount", "--bind", str(base), PARTS)
        wp = f'#!/bin/sh\nexec php -d display_errors=stderr {PARTS}/wp-cli/wp-cli.phar "$@"\n'
        machine.run("tee", "/usr/local/bin/wp", stdin=wp)
        machine.run("chmod", "755", "/usr/local/bin/wp")
    _point_at(site.path, base)
    machine.run("useradd", "--create-home", "--shell", "/bin/sh", owner)
    machine.run("cp", "-a", str(site.path), target)
    machine.run("chown", "-R", "-h", f"{owner}:{owner}", target)
    inside = (
        f"runuser -u {owner} -- env -u {PHP_SETTINGS} HOME=/home/{owner} WP_CLI_CACHE_DIR=/home/{owner}/.wp-cli php"
    )
    php_there = write_script(folder / f"php-{machine.name}-{name}", f'exec {" ".join(machine.enter)} {inside} "$@"')
    parts = replace(site.parts, php=str(php_there), wp_cli=Path(f"{PARTS}/wp-cli/wp-cli.phar"))
    return owner, Multisite(Path(target), site.home, parts, _NoDatabase(), site.main_domain)


def _point_at(site: Path, base: Path) -> None:
    """Redirect links and paths in a network from the folder of the parts to its place in the machine."""
    for path in list(site.rglob("*")):
        if path.is_symlink():
            goal = path.resolve()
            path.unlink()
            if goal.is_relative_to(base):
                path.symlink_to(PARTS / goal.relative_to(base))
            else:
                shutil.copytree(goal, path)
    driver = site / "wp-content" / "db.php"
    driver.write_text(driver.read_text().replace(str(base), PARTS))


class _NoDatabase:
    """A database inside the machine, which is only accessible through WordPress."""

    @property
    def constants(self) -> dict[str, str]:
        return {}

    def sql(self, script: str) -> list[dict[str, str | None]]:
        raise AssertionError(f"The database cannot be reached from outside: {script}")


_: type[Database] = _NoDatabase


def yaml_blocks(page: Path) -> list[Any]:
    """Return the data of the YAML blocks on a page."""
    return [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.M | re.S)]


def build_wheel(folder: Path) -> Path:
    """Build the wheel of closte-bridge without network access."""
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
    subprocess.run([*argv, "-w", str(folder), str(REPOSITORY)], check=True, stdin=subprocess.DEVNULL)
    (wheel,) = folder.glob("closte_bridge-*.whl")
    return wheel


def as_version(wheel: Path, version: str) -> Path:
    """Return a copy of a wheel with another version."""
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
