"""Build a release: wheel, sdist, collection, Debian package, SBOM and checksums. Two builds have equal files.

`python -m script.lib.release FOLDER` builds twice and fails if a file differs.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from script.lib import debian
from script.lib.audit import ROOT, Package
from script.lib.sbom import parts, sbom

REPOSITORY = Path(__file__).resolve().parents[2]
SUMS = "SHA256SUMS"
# 2020-01-01: the time of a build outside a Git repository.
DEFAULT_EPOCH = 1577836800


def build(folder: Path) -> list[Path]:
    """Build a release in the empty `folder` and return its files.

    Raises CalledProcessError if a tool fails, and LookupError if a dependency is not installed.
    """
    time = epoch()
    _python(folder, time)
    (wheel,) = folder.glob("*.whl")
    found = debian.of_wheel(wheel)
    package = Package(found["Version"], found["License-Expression"], tuple(found.get_all("Requires-Dist") or ()))
    _collection(folder, time)
    debian.build(wheel, parts(package), folder, time)
    document = json.dumps(sbom(ROOT, package, time), indent=2) + "\n"
    (folder / f"{ROOT}-{package.version}.cdx.json").write_text(document, encoding="utf-8")
    files = sorted(folder.iterdir())
    (folder / SUMS).write_text("".join(f"{digest(path)}  {path.name}\n" for path in files), encoding="utf-8")
    return [*files, folder / SUMS]


def digest(path: Path) -> str:
    """Return the SHA-256 digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def epoch() -> int:
    """Return the time of the release in seconds: SOURCE_DATE_EPOCH, else that of the last commit."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    argv = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else DEFAULT_EPOCH


def _python(folder: Path, time: int) -> None:
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(folder)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(time)}
    subprocess.run(argv, cwd=REPOSITORY, check=True, capture_output=True, env=environment)


def _collection(folder: Path, time: int) -> None:
    """Build the collection, and pack it again with the same times and owners in each build."""
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    with tempfile.TemporaryDirectory() as scratch:
        source = shutil.copytree(
            REPOSITORY / "ansible" / "ops",
            Path(scratch, "ops"),
            ignore=shutil.ignore_patterns("__pycache__", ".ansible"),
        )
        argv = [str(galaxy), "collection", "build", str(source), "--output-path", scratch]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"ANSIBLE_HOME": scratch})
        (built,) = Path(scratch).glob("*.tar.gz")
        _pack_again(built, folder / built.name, time)


def _pack_again(source: Path, target: Path, time: int) -> None:
    with (
        tarfile.open(source) as old,
        gzip.GzipFile(target, "wb", mtime=time) as packed,
        tarfile.open(fileobj=packed, mode="w") as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = time, 0, 0, "root", "root"
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(member, old.extractfile(member))


def main() -> int:
    """Build twice and move the files to the folder in the first argument; return 1 if the builds differ."""
    target = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch, name) for name in ("first", "second")]
        for folder in folders:
            folder.mkdir()
        first, second = ({path.name: digest(path) for path in build(folder)} for folder in folders)
        if different := sorted(name for name in first | second if first.get(name) != second.get(name)):
            sys.stderr.write(f"Error: Two builds differ: {', '.join(different)}.\n")
            return 1
        target.mkdir(parents=True, exist_ok=True)
        for name in first:
            shutil.copyfile(folders[0] / name, target / name)
    sys.stdout.write((target / SUMS).read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
