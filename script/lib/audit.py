"""Look at what the package and its tests stand on: which packages, in which versions, under which licences.

`audit.py` compares with dependencies.txt; `audit.py --advisories PIP_AUDIT` asks that program for known
vulnerabilities. Exit codes: 0, 1 something is wrong, 3 nothing could be audited.
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
    "MIT MIT-0 BSD-2-Clause BSD-3-Clause Apache-2.0 ISC MPL-2.0 PSF-2.0".split()  # noqa: SIM905 - read as a list
)
# Vulnerable for years (CVE-2019-11324): a service that does not know that knows nothing.
KNOWN = "urllib3==1.24.1"
NOT_AUDITED = 3
_SAME = {
    "Apache 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


class Package(NamedTuple):
    """A package as it is installed: its version, licence, and what it requires."""

    version: str
    licence: str
    requires: tuple[str, ...]


def installed(name: str) -> Package | None:
    """Return a package of this environment, or None."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    said = found.metadata.get_all("License-Expression") or found.metadata.get_all("License") or [""]
    classifiers = found.metadata.get_all("Classifier") or []
    said += [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: ")]
    licence = next((line.splitlines()[0] for line in said if line.strip()), "unknown")
    return Package(found.version, _SAME.get(licence, licence), tuple(found.requires or ()))


def closure(find: Callable[[str], Package | None]) -> tuple[dict[str, Package], list[str]]:
    """Return what the package requires, directly or not, and what is wrong with the versions."""
    found: dict[str, Package] = {}
    problems: list[str] = []
    todo = [(ROOT, Requirement(ROOT), EXTRAS)]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while todo:
        by, wanted, extras = todo.pop()
        name = str(canonicalize_name(wanted.name))
        package = find(name)
        if package is None:
            problems.append(f"{name}, which {by} requires, is not installed")
            continue
        if not wanted.specifier.contains(package.version, prereleases=True):
            problems.append(f"{name} {package.version} is installed, and {by} requires {wanted.specifier}")
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
    """Return the licences by name that the list holds."""
    lines = (line.partition("#")[0].split(maxsplit=1) for line in text.splitlines())
    return {line[0]: line[1].strip() for line in lines if line}


def differences(found: Mapping[str, Package], listed: Mapping[str, str]) -> list[str]:
    """Return what is not listed, what is listed and not there, and what is under another licence or a wrong one."""
    problems = [f"{name} is new: look at it, then add it to {LIST.name}" for name in found.keys() - listed.keys()]
    problems += [f"{name} is listed and no longer required" for name in listed.keys() - found.keys()]
    for name in found.keys() & listed.keys():
        licence = found[name].licence
        if licence != listed[name]:
            problems.append(f"{name} is under {licence} now; listed is {listed[name]}")
        elif not set(re.split(r" (?:AND|OR) ", licence)) <= ALLOWED:
            problems.append(f"{name} is under {licence}, which is not allowed")
    return sorted(problems)


def vulnerabilities(answer: str) -> dict[str, list[str]] | None:
    """Return the advisories by package that `pip-audit` printed; None when it did not look at each of them."""
    try:
        packages = json.loads(answer)["dependencies"]
        if any("vulns" not in package for package in packages):
            return None
        return {package["name"]: [one["id"] for one in package["vulns"]] for package in packages}
    except (ValueError, KeyError, TypeError):
        return None


def ask(program: str, pins: Iterable[str]) -> dict[str, list[str]] | None:
    """Ask for the advisories of exact versions."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins) + "\n")
        file.flush()
        options = ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
        argv = [program, "--requirement", file.name, *options]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return vulnerabilities(done.stdout)


def advisories(program: str, found: Mapping[str, Package]) -> int:
    """Print what is known of the packages; return the exit code."""
    known = ask(program, [KNOWN])
    if not known or not any(known.values()):
        print(
            "Not audited: no advisory service answered for a version that is known to be vulnerable.", file=sys.stderr
        )
        return NOT_AUDITED
    told = ask(program, [f"{name}=={package.version}" for name, package in sorted(found.items())])
    if told is None:
        print("Not audited: the advisory service did not answer for every package.", file=sys.stderr)
        return NOT_AUDITED
    for name, ids in told.items():
        for one in ids:
            print(f"{name} {found[str(canonicalize_name(name))].version}: {one}")
    return int(any(told.values()))


def main(argv: list[str]) -> int:
    """Do what was asked for; return the exit code."""
    found, problems = closure(installed)
    if argv[:1] == ["--advisories"]:
        return advisories(argv[1], found)
    problems += differences(found, expected(LIST.read_text(encoding="utf-8")))
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{len(found)} packages, each as {LIST.name} has it.")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
