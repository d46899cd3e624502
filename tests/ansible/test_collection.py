"""The collection itself: what it says of its variables is what they are, and its parts fit together."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from closte_bridge import __version__
from tests.ansible.fleet import COLLECTION, tool

ROLE = COLLECTION / "roles" / "closte_bridge"
ANY_FOLDER = ("ansible_collections", "closte_bridge", "ops")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection where Ansible expects one."""
    base = tmp_path_factory.mktemp("collections")
    target = base.joinpath(*ANY_FOLDER)
    target.parent.mkdir(parents=True)
    target.symlink_to(COLLECTION)
    return base


def run(installed: Path, *argv: str) -> str:
    environment = {
        "PATH": f"{Path(tool(argv[0])).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(installed),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(installed),
        "NO_COLOR": "1",
    }
    folder = installed.joinpath(*ANY_FOLDER)
    done = subprocess.run(
        [tool(argv[0]), *argv[1:]], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(path: Path) -> Any:  # noqa: ANN401 - YAML decides
    return yaml.safe_load(path.read_text())


def specs() -> dict[str, Any]:
    found = read(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert isinstance(found, dict)
    return found


def test_argument_specs_say_what_the_defaults_are() -> None:
    stated = {name: option["default"] for name, option in specs().items()}
    assert stated == read(ROLE / "defaults" / "main.yml")


def test_every_option_is_described_and_secrets_are_marked() -> None:
    networks = specs()["closte_bridge_networks"]["options"]
    for name, option in (specs() | networks).items():
        assert option["description"], name
        assert option["type"], name
    assert {name for name, option in networks.items() if option.get("no_log")} == {"api_key", "ssh_password"}


def test_no_task_loops_over_what_holds_a_secret() -> None:
    """A loop shows its items: the list as it was given, with the keys in it, is read in one place only."""
    readers = [
        path.name
        for path in [*ROLE.glob("tasks/*.yml"), *ROLE.glob("handlers/*.yml"), *ROLE.glob("templates/*")]
        if "closte_bridge_networks" in path.read_text().replace("_closte_bridge_networks", "")
    ]
    # That one takes the names out of it.
    assert readers == ["absent.yml"]
    assert "closte_bridge_networks | map(attribute='name')" in (ROLE / "tasks" / "absent.yml").read_text()


def test_versions_agree() -> None:
    assert read(COLLECTION / "galaxy.yml")["version"] == __version__
    assert f"## {__version__}" in (COLLECTION / "CHANGELOG.md").read_text()


def test_lint(installed: Path) -> None:
    run(installed, "yamllint", "--strict", ".")
    run(installed, "ansible-lint", "--offline", "--strict", "--profile", "production")


def test_modules_are_documented(installed: Path) -> None:
    names = [f"closte_bridge.ops.{path.stem}" for path in sorted((COLLECTION / "plugins" / "modules").glob("*.py"))]
    assert len(names) == 4
    documented = json.loads(run(installed, "ansible-doc", "--json", *names))
    for name in names:
        assert documented[name]["examples"], name
        assert documented[name]["return"], name
    names = ["closte_bridge.ops.fleet", "closte_bridge.ops.fleet_table"]
    filters = json.loads(run(installed, "ansible-doc", "--json", "-t", "filter", *names))
    assert len(filters) == 2


def test_the_collection_can_be_built(installed: Path, tmp_path: Path) -> None:
    run(installed, "ansible-galaxy", "collection", "build", "--output-path", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [f"closte_bridge-ops-{__version__}.tar.gz"]
