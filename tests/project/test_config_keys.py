"""Tests that the declaration of the config keys agrees with every file that repeats it."""

from __future__ import annotations

import re
from typing import get_args

import pytest
import yaml

from closte_bridge.cli.commands.config_show import plain_value
from closte_bridge.config.model import KEYS, SECTIONS, Kind
from closte_bridge.config.values import ENVIRONMENTS, check_of
from tests.support.parts import REPOSITORY

ROLE = REPOSITORY / "ansible" / "ops" / "roles" / "closte_bridge"
SPECS = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
OPTIONS = SPECS["argument_specs"]["main"]["options"]
NETWORK = OPTIONS["closte_bridge_networks"]["options"]
# The role variables that become config keys.
MIRRORS = {
    "wp.command": OPTIONS["closte_bridge_wp_command"],
    "wp.path": NETWORK["path"],
    "wp.url": NETWORK["url"],
    "wp.ssh": NETWORK["ssh"],
    "state_dir": OPTIONS["closte_bridge_state_dir"],
}
# The role derives these keys from a secret and from a folder.
DERIVED = {"api_key_file", "metrics_file"}


def test_every_kind_is_used_and_has_a_check() -> None:
    assert {key.kind for key in KEYS.values()} == set(get_args(Kind))
    assert all(callable(check_of(key)) for key in KEYS.values())


@pytest.mark.parametrize("name", KEYS)
def test_default_of_a_key_is_valid_and_its_help_a_sentence(name: str) -> None:
    key = KEYS[name]
    shown = plain_value(name, key.default)
    assert check_of(key)(shown) == key.default
    assert re.fullmatch(r"[A-Z`].*\.", key.help)


def test_help_names_all_environments() -> None:
    assert re.findall(r"`([a-z]+)`", KEYS["environments"].help) == [*ENVIRONMENTS]


def test_role_writes_declared_keys_only() -> None:
    template = (ROLE / "templates" / "config.yaml.j2").read_text(encoding="utf-8")
    written = set(re.findall(r"own(?:\.update\(| = )\{'(\w+)':", template)) - set(SECTIONS)
    written |= {f"wp.{name}" for name in re.findall(r"wp = \{'(\w+)'", template)}
    (loop,) = re.findall(r"for key in \[([^\]]+)\]", template)
    written |= {f"wp.{name}" for name in re.findall(r"\w+", loop)}
    assert written == MIRRORS.keys() | DERIVED
    assert written <= KEYS.keys()


@pytest.mark.parametrize("name", MIRRORS)
def test_role_has_the_type_and_the_default_of_the_key(name: str) -> None:
    key, option = KEYS[name], MIRRORS[name]
    expected = "list" if isinstance(key.default, tuple) else "path" if key.kind == "path" else "str"
    assert option["type"] == expected
    # The role always sets `state_dir` because services need one fixed path.
    if name != "state_dir":
        assert option.get("default") == plain_value(name, key.default)
