"""Audit the dependencies of the package and its tests: packages, versions and licences.

`audit.py` compares them with dependencies.txt; `audit.py --advisories PIP_AUDIT` uses that program to find known
vulnerabilities. Exit codes: 0 for no problems, 1 for problems, 3 if nothing could be audited.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

ROOT = "closte-bridge"
EXTRAS = ("", "test")
LIST = Path(__file__).with_name("dependencies.txt")
ALLOWED = frozenset(
    "MIT MIT-0 BSD-2-Clause BSD-3-Clause Apache-2.0 ISC MPL-2.0 PSF-2.0 ZPL-2.1".split()  # noqa: SIM905 - read as a list
)
# Known to be vulnerable (CVE-2019-11324): a service that does not report it is not reliable.
KNOWN = "urllib3==1.24.1"
NOT_AUDITED = 3
_SAME = {
    "Apache 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "ZPL 2.1": "ZPL-2.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# Licences that only the files of a package have, not its metadata.
_IN_FILES = {"axe-playwright-python": "MIT AND MPL-2.0"}


class Package(NamedTuple):
    """An installed package: its version, licence and requirements."""

    version: str
    licence: str
    requires: tuple[str, ...]


def installed(name: str) -> Package | None:
    """Return an installed package, or None."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    texts = found.metadata.get_all("License-Expression") or found.metadata.get_all("License") or [""]
    classifiers = found.metadata.get_all("Classifier") or []
    texts += [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: ")]
    licence = next((line.splitlines()[0] for line in texts if line.strip()), _IN_FILES.get(name, "unknown"))
    return Package(found.version, _SAME.get(licence, licence), tuple(found.requires or ()))


def closure(find: Callable[[str], Package | None]) -> tuple[dict[str, Package], list[str]]:
    """Return all direct and indirect requirements, and the problems with their versions."""
    found: dict[str, Package] = {}
    problems: list[str] = []
    todo: list[tuple[str, Requirement, tuple[str, ...]]] = [(ROOT, Requirement(ROOT), EXTRAS)]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while todo:
        by, wanted, extras = todo.pop()
        name = str(canonicalize_name(wanted.name))
        package = find(name)
        if package is None:
            problems.append(f"{name} is required by {by} but not installed")
            continue
        if not wanted.specifier.contains(package.version, prereleases=True):
            problems.append(f"{name} {package.version} is installed, but {by} requires {wanted.specifier}")
        found[name] = package
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for one in map(Requirement, package.requires):
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append((name, one, ("", *sorted(one.extras))))
    found.pop(ROOT, None)
    return found, problems


def expected(text: str) -> dict[str, str]:
    """Return the listed licences by package."""
    lines = (line.partition("#")[0].split(maxsplit=1) for line in text.splitlines())
    return {line[0]: line[1].strip() for line in lines if line}


def differences(found: Mapping[str, Package], listed: Mapping[str, str]) -> list[str]:
    """Return packages that are not listed, not required, or have another licence or one that is not allowed."""
    problems = [f"{name} is new: review it, then add it to {LIST.name}" for name in found.keys() - listed.keys()]
    problems += [f"{name} is listed but no longer required" for name in listed.keys() - found.keys()]
    for name in found.keys() & listed.keys():
        licence = found[name].licence
        if licence != listed[name]:
            problems.append(f"{name} has the licence {licence}; listed is {listed[name]}")
        elif not set(re.split(r" (?:AND|OR) ", licence)) <= ALLOWED:
            problems.append(f"{name} has the licence {licence}, which is not allowed")
    return sorted(problems)


def vulnerabilities(answer: str) -> dict[str, list[str]] | None:
    """Return the advisories by package from the output of `pip-audit`; None if it did not check all packages."""
    try:
        packages = json.loads(answer)["dependencies"]
        if any("vulns" not in package for package in packages):
            return None
        return {package["name"]: [one["id"] for one in package["vulns"]] for package in packages}
    except (ValueError, KeyError, TypeError):
        return None


def ask(program: str, pins: Iterable[str]) -> dict[str, list[str]] | None:
    """Return the advisories of exact versions."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins) + "\n")
        file.flush()
        options = ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
        argv = [program, "--requirement", file.name, *options]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return vulnerabilities(done.stdout)


def advisories(program: str, found: Mapping[str, Package]) -> int:
    """Print the advisories of the packages; return the exit code."""
    known = ask(program, [KNOWN])
    if not known or not any(known.values()):
        print("Not audited: no advisory service reported a version that is known to be vulnerable.", file=sys.stderr)
        return NOT_AUDITED
    advised = ask(program, [f"{name}=={package.version}" for name, package in sorted(found.items())])
    if advised is None:
        print("Not audited: the advisory service did not answer for every package.", file=sys.stderr)
        return NOT_AUDITED
    for name, ids in advised.items():
        for one in ids:
            print(f"{name} {found[str(canonicalize_name(name))].version}: {one}")
    return int(any(advised.values()))


def main(argv: list[str]) -> int:
    """Run the audit; return the exit code."""
    found, problems = closure(installed)
    if argv[:1] == ["--advisories"]:
        return advisories(argv[1], found)
    problems += differences(found, expected(LIST.read_text(encoding="utf-8")))
    for problem in problems:
        print(problem)
    if not problems:
        print(f"All {len(found)} packages match {LIST.name}.")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
