"""Adding a network to a config file, and removing it, leaves all other lines as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from closte_bridge.config.edit import HEADER, NotEditableError, with_network, without_network
from closte_bridge.config.load import parse_config

NEW = {"shop": {"wp": {"ssh": "me@host.example:2222/a b", "ssh_password_file": "on"}}}
LINE = "shop: {wp: {ssh: 'me@host.example:2222/a b', ssh_password_file: 'on'}}\n"
CLUBS = """\
    # Of the clubs.
    clubs:
        wp:
            path: /srv
        keep:
        - a.example

# End.
"""
TEXTS = {
    "": f"networks:\n  {LINE}",
    HEADER: f"{HEADER}networks:\n  {LINE}",
    "wildcard: true # mine": f"wildcard: true # mine\nnetworks:\n  {LINE}",
    f"networks:\n{CLUBS}": f"networks:\n    {LINE}{CLUBS}",
    "networks: # none yet\nwildcard: true\n": f"networks: # none yet\n  {LINE}wildcard: true\n",
}


@pytest.mark.parametrize("before", TEXTS)
def test_network_is_added_and_removed_again(before: str) -> None:
    after = with_network(before, NEW)
    assert after == TEXTS[before]
    networks = parse_config(after, Path("/etc/x/config.yaml"), {"HOME": "/h"}).networks
    assert networks["shop"].wp.ssh == "me@host.example:2222/a b"
    assert networks["shop"].wp.ssh_password_file == Path("/etc/x/on")
    left = without_network(after, "shop")
    if "none yet" in before:
        assert left == "wildcard: true\n"
    else:
        assert left == (before + "\n" if before.endswith("mine") else before.removeprefix(HEADER))


def test_carriage_returns_stay() -> None:
    assert with_network("checks: true\r\n", NEW) == f"checks: true\r\nnetworks:\r\n  {LINE[:-1]}\r\n"


def test_networks_in_one_line_are_added_and_not_removed() -> None:
    after = with_network("networks: {clubs: {wp: {path: /srv}}}\n", NEW)
    assert after == f"networks: {{clubs: {{wp: {{path: /srv}}}}, {LINE[:-1]}}}\n"
    with pytest.raises(NotEditableError):
        without_network(after, "shop")


@pytest.mark.parametrize("text", ["{checks: true}\n", "networks: ~\n"])
def test_other_forms_are_left_to_a_person(text: str) -> None:
    with pytest.raises(NotEditableError):
        with_network(text, NEW)


def test_network_of_several_lines_is_removed() -> None:
    two = "  two:\n    wp:\n      path: /a\n    keep: [a.example,\n      b.example]\n"
    text = f"networks:\n  one: {{}}\n{two}  # Three.\n  three: {{}}\n"
    assert without_network(text, "two") == "networks:\n  one: {}\n  # Three.\n  three: {}\n"
