"""Tests of the collection itself: its variables match their documentation, and its parts fit together."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from closte_bridge import __version__
from closte_bridge.config.schema import NETWORK_NAME
from tests.ansible.fleet import COLLECTION, tool, yaml_blocks
from tests.support.parts import REPOSITORY

ROLE = COLLECTION / "roles" / "closte_bridge"
MODULES = {path.stem for path in (COLLECTION / "plugins" / "modules").glob("*.py")}
# Variables that only the playbooks for daily work accept.
PLAYS = {f"closte_bridge_{name}" for name in ("hosts", "report_dir", "serial", "max_fail", "max_age")}
ANY_FOLDER = ("ansible_collections", "closte_bridge", "ops")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection in the folder where Ansible expects it."""
    base = tmp_path_factory.mktemp("collections")
    # A copy, because some of the tools leave folders behind.
    shutil.copytree(COLLECTION, base.joinpath(*ANY_FOLDER), ignore=shutil.ignore_patterns("__pycache__", ".ansible"))
    return base


def run(installed: Path, *argv: str, **variables: str) -> str:
    environment = {
        "PATH": f"{Path(tool(argv[0])).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(installed),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(installed),
        "NO_COLOR": "1",
    } | variables
    folder = installed.joinpath(*ANY_FOLDER)
    done = subprocess.run(
        [tool(argv[0]), *argv[1:]], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(path: Path) -> Any:  # noqa: ANN401 - any YAML value
    return yaml.safe_load(path.read_text())


def specs() -> dict[str, Any]:
    found = read(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert isinstance(found, dict)
    return found


def test_argument_specs_match_the_role_defaults() -> None:
    stated = {name: option["default"] for name, option in specs().items()}
    assert stated == read(ROLE / "defaults" / "main.yml")


def test_every_option_is_described_and_secrets_are_no_log() -> None:
    networks = specs()["closte_bridge_networks"]["options"]
    for name, option in (specs() | networks).items():
        assert option["description"], name
        assert option["type"], name
    assert {name for name, option in networks.items() if option.get("no_log")} == {"api_key", "ssh_password"}


def test_only_one_file_reads_the_list_with_api_keys() -> None:
    """Ansible shows the items of a loop, so only one file reads the original list, which contains the keys."""
    readers = [
        path.name
        for path in [*ROLE.glob("tasks/*.yml"), *ROLE.glob("handlers/*.yml"), *ROLE.glob("templates/*")]
        if "closte_bridge_networks" in path.read_text().replace("_closte_bridge_networks", "")
    ]
    # These files only read the networks' names, and whether one has a setting.
    assert sorted(readers) == ["absent.yml", "config.yml"]
    assert "closte_bridge_networks | map(attribute='name')" in (ROLE / "tasks" / "absent.yml").read_text()
    counting = "closte_bridge_networks | selectattr('settings.notify', 'defined') | length"
    config = (ROLE / "tasks" / "config.yml").read_text()
    assert config.count(counting) == config.replace("_closte_bridge_networks", "").count("closte_bridge_networks") == 1


def test_readme_inventories_use_existing_options_only(installed: Path, tmp_path: Path) -> None:
    inventories = [block for block in yaml_blocks(COLLECTION / "README.md") if isinstance(block, dict)]
    assert len(inventories) == 2
    options = specs()
    for number, inventory in enumerate(inventories):
        group = inventory["closte_bridge"]
        written = group.get("vars", {})
        for host in group["hosts"].values():
            written = written | host
            for network in host["closte_bridge_networks"]:
                assert network.keys() <= options["closte_bridge_networks"]["options"].keys()
        assert {name for name in written if not name.startswith("ansible_")} <= options.keys()
        path = tmp_path / f"inventory{number}.yml"
        path.write_text(yaml.safe_dump(inventory))
        listed = json.loads(run(installed, "ansible-inventory", "-i", str(path), "--list"))
        assert sorted(listed["closte_bridge"]["hosts"]) == sorted(group["hosts"])


def test_readmes_match_existing_playbooks_modules_and_variables() -> None:
    """The playbooks, modules and variables on the pages exist, and the pages name each playbook and module."""
    page = (COLLECTION / "README.md").read_text()
    playbooks = {path.stem for path in (COLLECTION / "playbooks").glob("*.yml")} - {"ask", "report", "hosts"}
    assert set(re.findall(r"closte_bridge\.ops\.(\w+)", page)) - {"closte_bridge"} - MODULES == playbooks
    for module in MODULES:
        assert f"`{module}`" in page or f"{module}:" in page
    for path in (COLLECTION / "README.md", ROLE / "README.md"):
        named = set(re.findall(r"\bcloste_bridge_\w+", path.read_text()))
        assert named <= specs().keys() | MODULES | PLAYS, path


def test_ledger_folders_are_found_by_the_network_name_pattern() -> None:
    """If the ledger folder is a separate file system, it has one folder more, which is not a ledger."""
    pattern = '["^[a-z0-9][a-z0-9_-]{0,62}$"]'
    finders = [*ROLE.glob("tasks/*.yml"), *(COLLECTION / "playbooks").glob("*.yml")]
    tasks = [task for path in finders for task in re.findall(r"builtin\.find:\n(?: {4,}.*\n)+", path.read_text())]
    looking = [task for task in tasks if "closte_bridge_state_dir" in task and "file_type: directory" in task]
    assert len(looking) == 3
    assert [task for task in looking if pattern not in task or "use_regex: true" not in task] == []
    assert f"{NETWORK_NAME.pattern}$" == json.loads(pattern)[0][1:]
    source = (COLLECTION / "plugins" / "modules" / "closte_bridge_info.py").read_text()
    assert f'"{NETWORK_NAME.pattern}"' in source


def test_collection_version_matches_the_program() -> None:
    assert read(COLLECTION / "galaxy.yml")["version"] == __version__
    assert f"## {__version__}" in (COLLECTION / "CHANGELOG.md").read_text()


def test_required_ansible_is_the_oldest_tested_version() -> None:
    (tested,) = re.findall(
        r'^oldest_ansible="ansible-core~=([\d.]+)"$', (REPOSITORY / "script/lib/ansible.sh").read_text(), re.M
    )
    assert read(COLLECTION / "meta" / "runtime.yml")["requires_ansible"] == f">={tested}"


def test_lint(installed: Path) -> None:
    run(installed, "yamllint", "--strict", ".")
    run(installed, "ansible-lint", "--offline", "--strict", "--profile", "production")


def test_modules_are_documented(installed: Path) -> None:
    names = [f"closte_bridge.ops.{module}" for module in sorted(MODULES)]
    assert len(names) == 4
    documented = json.loads(run(installed, "ansible-doc", "--json", *names))
    for name in names:
        assert documented[name]["examples"], name
        assert documented[name]["return"], name
    names = ["closte_bridge.ops.fleet", "closte_bridge.ops.fleet_table"]
    filters = json.loads(run(installed, "ansible-doc", "--json", "-t", "filter", *names))
    assert len(filters) == 2


def test_collection_builds_with_resolvable_links(installed: Path, tmp_path: Path) -> None:
    run(installed, "ansible-galaxy", "collection", "build", "--output-path", str(tmp_path))
    (built,) = tmp_path.iterdir()
    assert built.name == f"closte_bridge-ops-{__version__}.tar.gz"
    whole = tmp_path / "whole"
    with tarfile.open(built) as archive:
        archive.extractall(whole, filter="data")
    assert not (whole / "tests").exists()
    about = (whole / "MANIFEST.json").read_text()
    assert "example.com" not in about
    # An installed collection has no files of the checkout around it.
    pages = list(whole.rglob("*.md"))
    assert len(pages) == 3
    for page in pages:
        for link in re.findall(r"\]\((?!https://|#)([^)\s#]+)", page.read_text()):
            goal = (page.parent / link).resolve()
            assert goal.is_relative_to(whole.resolve()), f"{page}: {link}"
            assert goal.is_file(), f"{page}: {link}"


def test_sanity(installed: Path) -> None:
    """Run Ansible's own checks of a collection, in virtual environments that it creates for them."""
    home = REPOSITORY / ".cache" / "ansible-test"
    _help_pip(home)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    # Skip the checks that need a separate environment only to run a linter that the project runs anyway.
    skipped = [f"--skip-test={name}" for name in ("pylint", "pep8", "yamllint", "changelog")]
    run(installed, "ansible-test", "sanity", "--python", python, *skipped, HOME=str(home))


def _help_pip(home: Path) -> None:
    """Prepare a home for ansible-test, which ignores pip's settings and downloads pip, which Python includes."""
    (source,) = Path(tool("ansible-test")).parents[1].glob("lib/python*/site-packages/ansible_test/_internal")
    version = re.search(r"\bpip='([\d.]+)'", (source / "python_requirements.py").read_text())
    assert version
    script = home / ".ansible" / "test" / "cache" / f"get_pip_{version[1].replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("import ensurepip\n\nensurepip.bootstrap()\n")
    settings = home / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    given = {name[4:].lower().replace("_", "-"): value for name, value in os.environ.items() if name[:4] == "PIP_"}
    lines = [f"{name} = {value}\n" for name, value in given.items() if name != "require-virtualenv"]
    settings.write_text("".join(["[global]\n", *lines]))
