"""Tests that the Bengali guide names its English pages and only existing commands, codes and settings."""

from __future__ import annotations

import re

import click
import pytest

from closte_bridge.checks.model import DnsCode, TlsCode
from closte_bridge.config.model import KEYS, SECTIONS
from closte_bridge.wordpress.stage import Stage
from tests.project.test_docs_reference import CHECKS, codes_in_the_program
from tests.support.commands import COMMANDS
from tests.support.parts import REPOSITORY

FOLDER = REPOSITORY / "docs" / "bn"
# Each Bengali page, and the English pages that it translates.
ENGLISH = {
    "README.md": ("README.md", "docs/README.md"),
    "tutorial.md": ("docs/tutorial.md",),
    "install.md": (
        "README.md",
        "docs/how-to/get-started.md",
        "docs/how-to/install-on-a-server.md",
        "docs/how-to/schedule-runs.md",
    ),
    "troubleshooting.md": ("docs/troubleshooting.md",),
}
TEXTS = {name: (FOLDER / name).read_text(encoding="utf-8") for name in ENGLISH}
WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")
# Names that resemble codes: the program, the users, and names of the mock world.
NAMES = {"closte-bridge", "www-data", "api-key", "integration-closte"}
CALL = re.compile(r"(?:^|(?<=[\s`]))closte-bridge (?=[a-z-])([^`\n#>|]*)", re.MULTILINE)

# Words of each required problem chapter, and the command that diagnoses the problem.
SEED = {
    "API": "closte-bridge integration test",
    "SSL": "closte-bridge domain check",
    "explain intranet": "closte-bridge log",
    "DNS check interval": "closte-bridge integration status --field=dns_check_interval",
}


def code_of(text: str) -> list[str]:
    """Return the text in backticks, without code blocks."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def calls(text: str) -> list[list[str]]:
    """Return the words after each `closte-bridge`, in prose, blocks and units."""
    return [found.split() for found in CALL.findall(text)]


def unknown(words: list[str]) -> list[str]:
    """Return the command or the options of a call that the program does not have."""
    plain = [word for word in words if not word.startswith("-")]
    name = next((name for name in (" ".join(plain[:2]), "".join(plain[:1])) if name in COMMANDS), None)
    if name is None:
        return [" ".join(words)]
    known = {text for param in COMMANDS[name].params if isinstance(param, click.Option) for text in param.opts}
    return [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]


def test_every_page_is_here() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(ENGLISH)
    assert all(f"]({name})" in TEXTS["README.md"] for name in ENGLISH if name != "README.md")
    assert "](docs/bn/README.md)" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert "](bn/README.md)" in (REPOSITORY / "docs" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ENGLISH)
def test_a_page_names_the_english_pages_at_its_top(name: str) -> None:
    """The page links the English page if the program installs it, and otherwise shows its path."""
    top = TEXTS[name].partition("\n## ")[0]
    for page in ENGLISH[name]:
        assert f"`{page}`" in top or f"](../{page.removeprefix('docs/')})" in top


@pytest.mark.parametrize("name", ENGLISH)
def test_commands_and_options_exist(name: str) -> None:
    found = calls(TEXTS[name])
    assert found
    assert [word for words in found for word in unknown(words)] == []


@pytest.mark.parametrize("name", ENGLISH)
def test_codes_exist(name: str) -> None:
    known = codes_in_the_program() | {stage.value for stage in Stage} | NAMES
    known |= {code.value for codes in (DnsCode, TlsCode) for code in codes}
    known |= set(re.findall(r"^### ([a-z-]+)$", CHECKS, re.MULTILINE))
    assert [word for word in code_of(TEXTS[name]) if WORD.fullmatch(word) and word not in known] == []


@pytest.mark.parametrize("name", ENGLISH)
def test_config_keys_exist(name: str) -> None:
    key = re.compile(r"([a-z]+(?:_[a-z]+)+|[a-z]+\.[a-z_]+)(?:: .+)?")
    written = [found[1] for word in code_of(TEXTS[name]) if (found := key.fullmatch(word))]
    known = KEYS.keys() | SECTIONS.keys() | {"proc_open", "memory_limit", "https_proxy", "config.yaml"}
    assert [word for word in written if word not in known] == []


def test_each_point_of_the_seed_has_its_command() -> None:
    parts = re.split(r"^## ", TEXTS["troubleshooting.md"], flags=re.MULTILINE)
    for words, command in SEED.items():
        assert [part for part in parts[1:] if words in part and command in part], words


def test_each_problem_has_a_command() -> None:
    parts = re.split(r"^## ", TEXTS["troubleshooting.md"], flags=re.MULTILINE)[1:-2]
    # Four required problems, and the ten most likely ones.
    assert len(parts) == 14
    assert [part for part in parts if not calls(part)] == []


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ("domain check shop.example.org", []),
        ("plan --quiet --out=plan.json", []),
        ("domain chek shop.example.org", ["domain chek shop.example.org"]),
        ("sync --forever", ["--forever"]),
    ],
)
def test_an_unknown_command_or_option_is_found(call: str, wrong: list[str]) -> None:
    assert unknown(call.split()) == wrong
