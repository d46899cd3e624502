"""Tests that the documents match the program: commands, options, config keys, codes, packages, paths and links."""

from __future__ import annotations

import ast
import re
import tomllib
import unicodedata
from typing import TYPE_CHECKING

import click
import pytest

from closte_bridge.checks.model import DnsCode, HttpCode, TlsCode
from closte_bridge.cli.options import GlobalOption
from closte_bridge.cli.result import Result, envelope
from closte_bridge.engine.cost import Cost
from closte_bridge.engine.problems import LOST
from closte_bridge.errors import PRECEDENCE
from closte_bridge.hosting import ConnectionState, OutcomeKind
from closte_bridge.ledger.log import LogAction
from closte_bridge.ledger.state import FailureCode
from closte_bridge.planning.model import HoldCode
from closte_bridge.shim.files import _KEPT, _PROXIES
from closte_bridge.wordpress import failures
from tests.reference.files import contents, outdated
from tests.support.commands import COMMANDS
from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = REPOSITORY / "closte_bridge"
PAGES = (
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/proof/README.md")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
)
REFERENCE = (REPOSITORY / "docs" / "reference.md").read_text(encoding="utf-8")
TROUBLESHOOTING = (REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
_, _, CODES = TROUBLESHOOTING.partition("\n## Error codes\n")
CODES, _, CHECKS = CODES.partition("\n## The checks of doctor\n")
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
OUTPUT = {"--format", "--fields", "--field"}


def section(text: str, heading: str) -> str:
    """Return the text under a heading, up to the next heading of any level."""
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f'There is no "{heading}".'
    return found.group(1)


def rows(text: str) -> list[list[str]]:
    """Return the cells of all table rows, without the header rows."""
    lines = [line.strip("|") for line in text.splitlines() if line[:1] == "|"]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    return [row for row in cells if not set("".join(row)) <= set("-: ")]


# -- the reference ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", contents())
def test_generated_files_are_current(name: str) -> None:
    assert name not in outdated(), "Run `python -m tests.reference --write`."


@pytest.mark.parametrize("command", COMMANDS)
def test_reference_covers_every_option_of_a_command(command: str) -> None:
    text = section(REFERENCE, f"### `closte-bridge {command}`")
    options = [param for param in COMMANDS[command].params if isinstance(param, click.Option) and not param.hidden]
    own = {name for param in options if not isinstance(param, GlobalOption) for name in param.opts}
    assert not [name for name in own - OUTPUT if f"| `{name}" not in text]
    assert ("Formats: " in text, "Fields: " in text) == ("--format" in own, "--fields" in own)
    assert f"$ closte-bridge {command}" in text or f" {command}\n" in text


def test_envelope_keys_are_documented() -> None:
    text = section(REFERENCE, "## The JSON envelope")
    assert [row[0].strip("`") for row in rows(text)[1:]] == list(envelope(Result(), "plan", None))
    assert all(f"`{name}`" in text for name in Cost().as_data())


def test_check_verdicts_are_documented() -> None:
    text = section(REFERENCE, "## What checks say")
    words = {code.value for codes in (DnsCode, TlsCode, HttpCode) for code in codes}
    assert {word for row in rows(text) for word in re.findall(r"`([a-z-]+)`", row[0])} - {"dns", "tls", "http"} == words


def test_hold_codes_are_documented() -> None:
    text = section(REFERENCE, "## Fields of plans")
    told = {
        word for row in rows(text) if row[1] in {"add", "remove", "both"} for word in re.findall(r"`([a-z-]+)`", row[0])
    }
    assert told == {*HoldCode}


def test_log_actions_are_documented() -> None:
    told = {
        word
        for row in rows(section(REFERENCE, "### `closte-bridge log`"))
        for word in re.findall(r"`([a-z]+)`", row[0])
    }
    assert told == {*LogAction}


def test_kept_environment_variables_of_the_shim_are_documented() -> None:
    """The shim lies below the document root, so its page documents every variable that it stores."""
    page = (REPOSITORY / "docs" / "shim.md").read_text(encoding="utf-8")
    (paragraph,) = (part for part in page.split("\n\n") if part.startswith("These environment variables"))
    names = set(re.findall(r"`([A-Z_]+)`", paragraph))
    assert names == {name.upper() for name in (*_KEPT, *_PROXIES)} | {"LC_ALL"}


# -- troubleshooting -------------------------------------------------------------------------------------------------

ERRORS = {
    "BridgeError",
    "ConfigError",
    "UnreadableError",
    "ReadOnlyError",
    "Problem",
    "ShimProblem",
    "WebError",
    "Need",
    "_read_only",
    "Authority",
}
DYNAMIC = {
    "connection-": {state.value for state in ConnectionState} - {"ok"},
    "add-": {kind.value for kind in OutcomeKind},
    "remove-": {kind.value for kind in OutcomeKind},
    "identity-": {"main-domain", "network-id", "database", "app-id", "key"},
    "certificate-": {"expired", "expiring"},
    "shim-": {"missing", "foreign-file", "unreadable", "changed"},
    "web-": {"unreachable", "timeout", "certificate"},
    "on-": {"problem", "domain"},  # the commands of the config
}


def codes_in_the_program() -> set[str]:
    """Return every code that appears as a constant in the call that creates an error, a problem or an authority."""
    found = (
        {start + end for start, ends in DYNAMIC.items() for end in ends}
        | set(failures._KNOWN)
        | {FailureCode.EXISTS_ELSEWHERE, LOST}
    )
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            code = named.get("code")
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if code is None and called in {"_read_only", "Authority"} and node.args:
                code = node.args[0 if called == "_read_only" else min(1, len(node.args) - 1)]
            known_form = called in ERRORS or called == "__init__"
            if known_form and isinstance(code, ast.Constant) and isinstance(code.value, str):
                found.add(code.value)
    return found


def test_troubleshooting_has_every_code_and_no_other() -> None:
    tables = {code for row in rows(CODES) for code in re.findall(r"`([a-z0-9-]+)`", row[0])}
    prose = set(re.findall(r"`([a-z0-9-]+)`", "\n".join(line for line in CODES.splitlines() if line[:1] != "|")))
    codes = codes_in_the_program()
    assert "needs-approval" in codes, "The search itself is broken."
    assert sorted(codes - tables - prose) == [], "These codes are not in docs/troubleshooting.md."
    assert sorted(tables - codes) == [], "docs/troubleshooting.md has codes that the program does not have."


def test_each_exit_code_has_a_chapter() -> None:
    chapters = re.findall(r"^### Exit code ([\d or]+):", TROUBLESHOOTING, re.MULTILINE)
    assert sorted(int(code) for codes in chapters for code in codes.split(" or ")) == sorted(map(int, PRECEDENCE))


def test_doctor_links_to_a_section_of_each_check() -> None:
    written = "".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "doctor").glob("*.py"))
    checks = set(re.findall(r'\b(?:ok|warning|error|skip)\(\s*"([a-z-]+)"', written)) | {"wp-cli"}
    documented = set(re.findall(r"^### ([a-z-]+)$", CHECKS, re.MULTILINE))
    assert "ledger" in checks, "The search itself is broken."
    assert checks == documented


# -- the architecture ------------------------------------------------------------------------------------------------


def imports_of(room: Path) -> set[str]:
    """Return the other packages that a package imports from, including type-only imports."""
    found = set()
    for path in room.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("closte_bridge."):
                found.add(str(node.module).split(".")[1])
    return found - {room.name}


def test_packages_import_only_what_the_table_allows() -> None:
    table = {row[0]: row[2] for row in rows(section(ARCHITECTURE, "## Packages"))[1:]}
    rooms = [path.parent for path in sorted(PACKAGE.glob("*/__init__.py"))]
    for room in rooms:
        allowed = table.get(f"`closte_bridge/{room.name}`")
        assert allowed, f"closte_bridge/{room.name} is not in the table of packages."
        if allowed != "all":
            beyond = imports_of(room) - set(re.findall(r"`(\w+)`", allowed))
            assert not beyond, f"closte_bridge/{room.name} imports {beyond}, which the table does not allow."


def test_modules_in_the_table_of_packages_exist() -> None:
    named = {row[0]: re.findall(r"`(\w+\.py)`", row[1]) for row in rows(section(ARCHITECTURE, "## Packages"))[1:]}
    assert any(named.values()), "The search itself is broken."
    places = [REPOSITORY / room.strip("`") / module for room, modules in named.items() for module in modules]
    assert not [place for place in places if not place.exists()]


def test_named_parts_of_a_module_exist() -> None:
    named = re.findall(r"((?:`\w+`(?:, | or | and )?)+) in `(closte_bridge/[\w/]+\.py)`", ARCHITECTURE)
    parts = [(part, REPOSITORY / module) for parts, module in named for part in re.findall(r"\w{2,}", parts)]
    assert ("LIMITS", PACKAGE / "planning" / "removal_limits.py") in parts, "The search itself is broken."
    words = {module: set(re.findall(r"\w+", module.read_text(encoding="utf-8"))) for _, module in parts}
    assert not [part for part, module in parts if part not in words[module] | {"or", "and"}]


def test_every_library_has_a_documented_reason() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    named = re.findall(r'^    "([A-Za-z][\w-]*)[\[<>=]', text, re.MULTILINE)
    reasons = section(ARCHITECTURE, "## Dependencies")
    assert named
    assert not [name for name in named if not name.startswith("types-") and name.lower() not in reasons.lower()]


# -- all pages -------------------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {"".join(filter(in_anchor, title.lower())).replace(" ", "-") for title in titles}


def in_anchor(character: str) -> bool:
    # Bengali vowel signs are marks, which `\w` does not match.
    return character in "_- " or unicodedata.category(character)[0] in "LMN"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_are_valid(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.is_file(), target
        assert not anchor or anchor in anchors(other.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:closte_bridge|tests|script|docs)/[\w/.-]+)`", text)
    assert not [name for name in named if not (REPOSITORY / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_named_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    first = {name.split()[0] for name in COMMANDS} | {"help"}
    calls = re.findall(r"^\$ closte-bridge (?:-\S+ )*([^\s#]+) ?([a-z]*)", text, re.MULTILINE)
    assert not [call for call in calls if call[0] not in first]
    nouns = {name.split()[0] for name in COMMANDS if " " in name}
    assert not [call for call in calls if call[0] in nouns and " ".join(call) not in COMMANDS]


def installed_pages(path: Path) -> set[Path]:
    """Return the pages or pictures that an entry of the wheel's shared data installs: a file, or a folder of files."""
    found = {file for file in path.iterdir() if file.suffix in {".md", ".png"}} if path.is_dir() else {path}
    assert found
    assert all(page.is_file() for page in found)
    return found


def test_pages_named_in_messages_are_packaged() -> None:
    written = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    named = set(re.findall(r"""page\(["']([\w.-]+)["']\)""", written))
    assert "troubleshooting.md" in named, "The search itself is broken."
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    brought = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert brought.pop("share") == "share"
    assert all(place == name.replace("docs/", "share/doc/closte-bridge/", 1) for name, place in brought.items())
    pages = {page for name in brought for page in installed_pages(REPOSITORY / name)}
    assert {REPOSITORY / "docs" / name for name in named} <= pages
    # Links in installed pages can only point to other installed pages.
    for page in (page for page in pages if page.suffix == ".md"):
        links = re.findall(r"\]\((?!https://|#)([^)\s#]+)", page.read_text(encoding="utf-8"))
        assert {(page.parent / link).resolve() for link in links} <= pages, page
