"""Tests of `script/release`: two builds are equal, and the Debian package installs, works and leaves nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import trustme

from closte_bridge import __version__
from script.lib import release
from tests.support.parts import REPOSITORY

DPKG = "/usr/bin/dpkg"
STATE = "var/lib/closte-bridge"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the files of a release by the end of their names."""
    files = release.build(tmp_path_factory.mktemp("first"))
    return {
        kind: path for path in files for kind in (".whl", ".deb", ".cdx.json", "SUMS") if path.name.endswith(kind)
    } | {"collection" if "-ops-" in path.name else "sdist": path for path in files if path.name.endswith(".tar.gz")}


def dpkg(root: Path, *argv: str) -> None:
    """Run dpkg on another root. The scripts of the package get it as DPKG_ROOT."""
    forced = ("--force-script-chrootless", "--force-depends", "--force-not-root")
    done = subprocess.run([DPKG, f"--root={root}", *forced, *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def root(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root folder in which the Debian package is installed."""
    folder = tmp_path_factory.mktemp("root")
    for name in ("info", "updates"):
        (folder / "var/lib/dpkg" / name).mkdir(parents=True)
    for name in ("status", "available"):
        (folder / "var/lib/dpkg" / name).touch()
    dpkg(folder, "--install", str(built[".deb"]))
    return folder


def run(root: Path, *argv: str) -> str:
    """Run the installed Python, which finds the package as on a machine."""
    python = root / "opt/closte-bridge/bin/python3"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(root), "LC_ALL": "C.UTF-8"}
    done = subprocess.run([python, *argv], capture_output=True, text=True, check=False, env=environment, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_builds_have_equal_files(built: dict[str, Path], tmp_path: Path) -> None:
    second = {path.name: release.digest(path) for path in release.build(tmp_path)}
    assert second == {path.name: release.digest(path) for path in built.values()}
    assert len(second) == 6


def test_checksums_are_those_of_the_files(built: dict[str, Path]) -> None:
    lines = built["SUMS"].read_text().splitlines()
    assert len(lines) == 5
    for line in lines:
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((built["SUMS"].parent / name).read_bytes()).hexdigest() == digest


def test_the_sdist_has_all_sources(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("ansible", "closte_bridge", "docs", "php-shim", "script", "share", "tests")
    files = {path for folder in folders for path in (REPOSITORY / folder).rglob("*") if path.is_file()}
    kept = {path for path in files if not {"__pycache__", ".ansible"} & set(path.parts)}
    assert {str(path.relative_to(REPOSITORY)) for path in kept} <= names
    assert "closte_bridge/shim/php/closte-bridge-shim.php" in names
    assert not any(part in name for name in names for part in ("__pycache__", ".cache/", ".venv"))


def test_the_wheel_has_metadata_shim_and_shared_files(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built[".whl"]) as archive:
        names = archive.namelist()
        metadata = archive.read(f"closte_bridge-{__version__}.dist-info/METADATA").decode()
    for line in ("Author: The closte-bridge project", "License-Expression: MIT", "Requires-Python: >=3.11"):
        assert f"\n{line}\n" in metadata
    assert "closte_bridge/shim/php/closte-bridge-shim.php" in names
    assert "closte_bridge/shim/php/closte-bridge/languages/closte-bridge-bn_BD.l10n.php" in names
    assert f"closte_bridge-{__version__}.data/data/share/man/man1/closte-bridge.1" in names


def test_the_collection_has_its_playbooks(built: dict[str, Path]) -> None:
    with tarfile.open(built["collection"]) as archive:
        assert {"MANIFEST.json", "playbooks/sync.yml", "plugins/modules/closte_bridge_sync.py"} <= set(
            archive.getnames()
        )


def test_the_sbom_lists_each_dependency_once(built: dict[str, Path]) -> None:
    document = json.loads(built[".cdx.json"].read_text())
    names = [part["name"] for part in document["components"]]
    assert {"click", "cryptography", "cffi", "requests", "certifi"} <= set(names)
    assert not {"pytest", "hatchling", "ansible-core"} & set(names)
    refs = [part["bom-ref"] for part in document["components"]] + [document["metadata"]["component"]["bom-ref"]]
    assert len(refs) == len(set(refs))
    assert {entry["ref"] for entry in document["dependencies"]} == set(refs)
    assert {ref for entry in document["dependencies"] for ref in entry["dependsOn"]} <= set(refs)


def test_the_debian_package_works_with_debians_python(root: Path) -> None:
    command = str(root / "opt/closte-bridge/bin/closte-bridge")
    assert run(root, command, "--version") == f"closte-bridge {__version__}\n"
    run(root, command, "config", "validate", f"--config={root}/etc/closte-bridge/config.yaml")
    # Everything but the machine's own parts comes from the package.
    shown = run(
        root, "-c", "import click, requests, rich, dns, sys; print(click.__file__, requests.__file__, sys.prefix)"
    )
    assert [path.startswith(str(root / "opt/closte-bridge")) for path in shown.split()] == [True] * 3
    assert not list(root.glob("opt/**/*.so"))


def test_the_debian_package_reads_certificates_with_debians_cryptography(root: Path) -> None:
    certificate = trustme.CA().issue_cert("shop.example.com").cert_chain_pems[0].bytes().decode()
    code = f"""
import ssl
from closte_bridge.checks.certificate import read
import cryptography
found = read(ssl.PEM_cert_to_DER_cert({certificate!r}))
print(cryptography.__file__, *found.names, found.not_after > found.not_before)
"""
    place, *rest = run(root, "-c", code).split()
    assert place.startswith("/usr/lib/python3/")
    assert rest == ["shop.example.com", "True"]


def test_the_debian_package_has_units_man_page_and_completions(root: Path) -> None:
    for path in (
        "lib/systemd/system/closte-bridge.service",
        "lib/systemd/system/closte-bridge-sync.timer",
        "share/man/man1/closte-bridge.1.gz",
        "share/bash-completion/completions/closte-bridge",
        "share/zsh/vendor-completions/_closte-bridge",
        "share/fish/vendor_completions.d/closte-bridge.fish",
        "share/doc/closte-bridge/troubleshooting.md",
    ):
        assert (root / "usr" / path).is_file(), path
    page = run(root, "-c", "from closte_bridge.config.places import page; print(page('troubleshooting.md'))").strip()
    assert Path(page).is_file()
    units = [str(path) for path in root.glob("usr/lib/systemd/system/closte-bridge*")]
    # Without /usr/bin and the manual of the machine, systemd can check everything except these.
    argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}", *units]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "Unknown" not in done.stderr
    assert "Failed to parse" not in done.stderr


def test_removal_keeps_config_and_ledger_and_purge_leaves_nothing(root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "root", symlinks=True)
    ledger = copy / STATE / "ledger.sqlite3"
    assert ledger.parent.stat().st_mode & 0o777 == 0o700
    ledger.touch()
    dpkg(copy, "--remove", "closte-bridge")
    assert ledger.exists()
    assert (copy / "etc/closte-bridge/config.yaml").exists()
    assert not (copy / "opt/closte-bridge").exists()
    dpkg(copy, "--purge", "closte-bridge")
    left = [path for path in copy.rglob("*") if not path.is_relative_to(copy / "var/lib/dpkg") and not path.is_dir()]
    assert left == []
    assert not [path for path in copy.rglob("*closte*") if not path.is_relative_to(copy / "var/lib/dpkg")]
