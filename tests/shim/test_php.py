"""The shim's own checks, without WordPress, on every supported PHP version."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.parts import REPOSITORY, MissingPartError, find_program

HERE = Path(__file__).with_name("php")
SHIM = REPOSITORY / "php-shim"
SCRIPTS = REPOSITORY / "closte_bridge" / "wordpress" / "php"
VERSIONS = ("7.4", "8.0", "8.1", "8.2", "8.3", "8.4", "8.5")


def run(*argv: str | Path) -> str:
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def judge(output: str) -> str:
    """Return the last line; any other line that is not `ok` fails the test."""
    *checks, last = output.splitlines()
    assert [line for line in checks if not line.startswith("ok ")] == []
    assert len(checks) > 60
    return last


@pytest.mark.real
def test_unit_checks_pass_on_the_installed_php(tmp_path: Path) -> None:
    # A copy, because the checks write a secret next to the classes.
    shutil.copytree(SHIM, tmp_path / "shim")
    assert judge(run(find_program("php"), HERE / "unit.php", tmp_path / "shim", SCRIPTS)).startswith("all on PHP ")


@pytest.mark.real
def test_new_parts_work_with_an_older_loader(tmp_path: Path) -> None:
    """During an update, the old loader already loads the new parts."""
    shutil.copytree(SHIM, tmp_path / "shim")
    shutil.copyfile(HERE / "first-loader.php", tmp_path / "shim" / "closte-bridge-shim.php")
    assert judge(run(find_program("php"), HERE / "unit.php", tmp_path / "shim", SCRIPTS)).startswith("all on PHP ")


def php_versions() -> tuple[Path, str]:
    """Return the folder with all versions and the program to run them; skip the test if they are missing."""
    folder = Path(os.environ.get("CLOSTE_BRIDGE_PHP_WASM") or REPOSITORY / ".cache" / "php-wasm")
    own = REPOSITORY / ".cache" / "node" / "bin" / "node"
    try:
        node = str(own) if own.exists() else find_program("node")
    except MissingPartError:
        node = ""
    if not node or not (folder / "node_modules" / "@php-wasm" / "node").is_dir():
        if os.environ.get("CI"):
            pytest.fail("The other versions of PHP are missing: run script/setup.")
        pytest.skip("The other versions of PHP are missing: run script/setup.")
    return folder, node


@pytest.mark.real
@pytest.mark.parametrize("version", VERSIONS)
def test_unit_checks_pass_on_every_supported_php(version: str) -> None:
    folder, node = php_versions()
    assert judge(run(node, HERE / "versions.mjs", folder, version, SHIM, SCRIPTS)) == f"all on PHP {version}"
