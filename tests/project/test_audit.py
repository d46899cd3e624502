"""Tests of `script/audit`: its findings, and that it reports missing answers as problems."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from script.lib import audit
from script.lib.audit import LIST, NOT_AUDITED, ROOT, Package, advisories, closure, differences, expected

if TYPE_CHECKING:
    from pathlib import Path

REQUIRED = ("direct>=2", "tool; extra == 'test'", "other; extra == 'unused'", "old; python_version < '3'")
WORLD = {
    ROOT: Package("1", "MIT", REQUIRED),
    "direct": Package("2.1", "MIT", ("deep[fast]",)),
    "deep": Package("1", "Apache-2.0 OR BSD-3-Clause", ("quick; extra == 'fast'",)),
    "quick": Package("1", "ISC", ()),
    "tool": Package("1", "MPL-2.0", ("direct",)),
}  # fmt: skip
LISTED = {name: package.licence for name, package in WORLD.items() if name != ROOT}


def test_requirements_are_followed_transitively() -> None:
    found, problems = closure(WORLD.get)
    assert found.keys() == LISTED.keys()
    assert problems == []
    assert differences(found, LISTED) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"direct": Package("1.9", "MIT", ("deep[fast]",))}, "direct 1.9 is installed, but closte-bridge requires >=2"),
        ({"deep": Package("1", "MIT", ("gone",))}, "gone is required by deep but not installed"),
    ],
)
def test_unsatisfied_versions_are_reported(change: dict[str, Package], problem: str) -> None:
    assert problem in closure((WORLD | change).get)[1]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"evil": Package("1", "MIT", ())}, "evil is new: review it, then add it to dependencies.txt"),
        ({"quick": Package("1", "AGPL-3.0", ())}, "quick has the licence AGPL-3.0; listed is ISC"),
    ],
)
def test_unlisted_or_changed_packages_are_reported(change: dict[str, Package], problem: str) -> None:
    found = closure(WORLD.get)[0] | change
    assert differences(found, LISTED) == [problem]


def test_disallowed_licences_are_reported_even_if_listed() -> None:
    found = {"quick": Package("1", "MIT AND AGPL-3.0", ())}
    assert differences(found, {"quick": "MIT AND AGPL-3.0", "gone": "MIT"}) == [
        "gone is listed but no longer required",
        "quick has the licence MIT AND AGPL-3.0, which is not allowed",
    ]


def test_dependency_list_is_read() -> None:
    listed = expected(LIST.read_text(encoding="utf-8"))
    assert listed["requests"] == "Apache-2.0"
    assert listed["cryptography"] == "Apache-2.0 OR BSD-3-Clause"


def answering(folder: Path, **vulnerable: list[str] | None) -> str:
    """Write a fake `pip-audit`. None as a value makes it report the package as unknown to the service."""
    program = folder / "pip-audit"
    program.write_text(f"""#!/usr/bin/env python3
import json, re, sys
known = json.loads({json.dumps(vulnerable)!r})
packages = []
for line in open(sys.argv[2]):
    name = line.partition("==")[0].strip()
    ids = known.get(name, [])
    found = {{"skip_reason": "unknown"}} if ids is None else {{"vulns": [{{"id": one}} for one in ids]}}
    packages.append({{"name": name}} | found)
print(json.dumps({{"dependencies": packages}}))
""")
    program.chmod(0o755)
    return str(program)


FOUND = {"requests": Package("2", "MIT", ())}


def test_service_missing_a_known_advisory_is_not_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for service in ({}, {"urllib3": None}, {"urllib3": ["CVE-2019-11324"], "requests": None}):
        assert advisories(answering(tmp_path, **service), FOUND) == NOT_AUDITED
        assert "Not audited" in capsys.readouterr().err
    (tmp_path / "pip-audit").write_text("#!/bin/sh\nexit 1\n")
    assert advisories(str(tmp_path / "pip-audit"), FOUND) == NOT_AUDITED


def test_service_with_the_known_advisory_is_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert advisories(answering(tmp_path, urllib3=["CVE-2019-11324"]), FOUND) == 0
    assert advisories(answering(tmp_path, urllib3=["CVE-2019-11324"], requests=["CVE-1"]), FOUND) == 1
    assert capsys.readouterr().out == "requests 2: CVE-1\n"
    assert audit.KNOWN.startswith("urllib3==")
