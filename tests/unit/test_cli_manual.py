"""Tests of the man page and of the data behind it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from closte_bridge.cli import manual
from closte_bridge.config import file, key_file
from closte_bridge.config.model import KEYS
from closte_bridge.config.places import SYSTEM_STATE
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    import click

COMMANDS = dict(manual.commands())
PAGE = manual.man_page()
REQUESTS = {".TH", ".SH", ".SS", ".PP", ".TP", ".RS", ".RE", ".nf", ".fi"}


def plain(text: str) -> str:
    """Return the roff text as a reader sees it."""
    return re.sub(r"\\f[BP]|\\&", "", text).replace("\\-", "-").replace("\\e", "\\")


@pytest.mark.parametrize(("name", "command"), [*COMMANDS.items()])
def test_man_page_has_every_command_with_its_options(name: str, command: click.Command) -> None:
    text = plain(PAGE.partition(f".SS {manual._roff(manual.usage(name, command))}\n")[2].partition("\n.S")[0])
    assert "$ closte-bridge" in text
    assert not [option for option, _help in manual.described(manual.own_options(command)) if option not in text]


def test_man_page_uses_known_roff_requests_only() -> None:
    lines = PAGE.splitlines()
    assert PAGE.isascii()
    assert {line.partition(" ")[0] for line in lines if line[:1] in {".", "'"}} <= REQUESTS
    assert set(re.findall(r"\\(.)", PAGE)) <= set("-efB&P[")


def test_text_cannot_become_a_roff_request() -> None:
    assert manual._roff(".so /etc/passwd") == "\\&.so /etc/passwd"
    assert manual._roff("'x'") == "\\&'x'"
    assert manual._roff(r"a\fBb `c-d` …") == r"a\efBb \fBc\-d\fP \[u2026]"


def test_every_exit_code_is_explained() -> None:
    assert manual.EXIT_CODES.keys() == set(ExitCode)


def test_files_and_variables_match_the_config() -> None:
    assert {str(file.SYSTEM_CONFIG), str(SYSTEM_STATE)} <= manual.FILES.keys()
    assert {file.VARIABLE, key_file.VARIABLE} <= manual.ENVIRONMENT.keys()


def test_every_config_key_is_on_the_man_page_with_its_default() -> None:
    text = plain(PAGE.partition(".SH CONFIGURATION\n")[2].partition("\n.SH")[0])
    assert re.findall(r"^([a-z_.]+): ", text, re.MULTILINE) == [*KEYS]
    assert "wp.timeout: 2m" in text
    assert 'dns.resolvers: ["1.1.1.1", "8.8.8.8"]' in text


def test_option_shows_its_default_and_whether_it_is_repeatable() -> None:
    sandbox = dict(manual.described(manual.own_options(COMMANDS["sandbox"])))
    assert sandbox["--app-domain=<text>"].endswith(" Default: network.example.com.")
    sync = dict(manual.described(manual.own_options(COMMANDS["sync"])))
    assert sync["--allow-removals=<digest>"].endswith(" Repeatable.")
    assert "--wait[=<timeout>]" in sync
