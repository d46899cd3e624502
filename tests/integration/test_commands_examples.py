"""Tests that the examples in the help of the commands print the output shown there."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import dns.message
import dns.rcode
import pytest

from closte_bridge.cli.root import root
from tests.support.bridge import AT_ONCE, KEY, VARYING, Bridge, bridge_for
from tests.support.commands import COMMANDS
from tests.support.ledgers import opened
from tests.support.rows import delete_mappings, set_option
from tests.support.running import type_line, write_script
from tests.support.udp import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

THERE = ("one.example.net", "two.example.net")
DOOMED = [f"{letter}.example.org" for letter in "abcd"]


@dataclass(frozen=True)
class Example:
    """A command line as typed, and the output that the help shows for it."""

    typed: str
    said: str


def examples(command: str) -> list[Example]:
    """Return the examples in the help of a command."""
    found: click.Command | None = root
    with click.Context(root) as ctx:
        for word in command.split():
            assert isinstance(found, click.Group)
            found = found.get_command(ctx, word)
    assert found is not None
    parts = (found.epilog or "").strip("\n").split("\n$ ")
    pairs = [part.removeprefix("$ ").partition("\n") for part in parts]
    return [Example(typed, said.strip("\n")) for typed, _, said in pairs]


# Text that depends on this machine, and the replacement in the help.
FIXED = (
    *VARYING,
    (re.compile(r'"cost": \{[^}]*\}'), '"cost": {…}'),
    (re.compile(r"--allow-removals=[0-9a-f]{12}"), "--allow-removals=<digest>"),
)


def comparable(text: str) -> str:
    for pattern, fixed in FIXED:
        text = pattern.sub(fixed, text)
    return text.strip("\n")


class Shell:
    """Shell of a network that types command lines and answers each question with yes."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.bin = bridge.folder / "bin"
        self.bin.mkdir()
        write_script(self.bin / "closte-bridge", f'exec {sys.executable} -m closte_bridge "$@"')

    def type(self, line: str) -> str:
        """Return the text on the screen, without the typed answers."""
        env = self.bridge.environment()
        done = type_line(line, cwd=self.bridge.folder, env=env | {"PATH": f"{self.bin}:{env['PATH']}"})
        assert KEY not in done.stdout
        text = done.stdout.replace(f"{self.bridge.multisite.path}/", "/var/www/html/")
        text = text.replace(str(self.bridge.state), "/var/lib/closte-bridge")
        user = pwd.getpwuid(os.geteuid()).pw_name
        return text.replace("example.net", "network.example.com").replace(f'of "{user}"', 'of "www-data"')


def same(said: str, shown: str) -> bool:
    """Return whether the output matches the help.

    In the help `…` stands for any text, including line breaks. The screen does not show a typed `y`.
    """
    wanted = comparable(said).replace("[y/n] y\n", "[y/n] ")
    return re.fullmatch(re.escape(wanted).replace("…", r"[\s\S]*"), comparable(shown)) is not None


def no_server_answers(query: bytes) -> list[bytes]:
    """Answer like a resolver that cannot reach any name server."""
    reply = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    reply.set_rcode(dns.rcode.SERVFAIL)
    return [reply.to_wire()]


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    """Provide a network without setup and with three mapped domains, two of which exist on Closte."""
    multisite.add_site_sql(4, "shop.example.net")
    multisite.add_mappings_sql([(name, 4) for name in ("one.example.net", "two.example.net", "shop.customer.com")])
    multisite.define("CLOSTE_CLIENT_API_KEY", KEY)
    settings: dict[str, Any] = {"api_key_file": None, "removal_delay": AT_ONCE}
    with Server() as resolver, bridge_for(multisite, tmp_path / "bridge", **settings) as bridge:
        resolver.script = no_server_answers
        bridge.settings["dns"]["resolvers"] = ["{}:{}".format(*resolver.endpoint)]
        bridge.write_config()
        bridge.sandbox.aliases = {*THERE}
        yield bridge


def forget_everything(bridge: Bridge) -> None:
    shutil.rmtree(bridge.state)
    set_option(bridge.multisite, "closte_bridge_owner", None)
    bridge.sandbox.aliases = {*THERE}


def break_the_key(bridge: Bridge) -> None:
    bridge.take_keys(taken=False)


def mend_the_key(bridge: Bridge) -> None:
    bridge.take_keys(taken=True)


def switch_off(bridge: Bridge) -> None:
    set_option(bridge.multisite, "wu_host_integrations_enabled", None)


def check_too(bridge: Bridge) -> None:
    """Enable the checks, as by default. The resolver of these tests answers SERVFAIL."""
    bridge.write_config(checks=True)


def pin_again(bridge: Bridge) -> None:
    assert bridge.run("domain", "add", "legacy.customer.com").code == 0


def add_doomed(bridge: Bridge) -> None:
    """Add four domains and delete their mappings without an event, so that the next sync misses them a third time."""
    bridge.multisite.add_mappings_sql([(name, 4) for name in DOOMED])
    assert bridge.run("sync").code == 0
    delete_mappings(bridge.multisite, DOOMED)
    bridge.write_config(removal_grace=AT_ONCE)
    for _ in range(2):
        assert bridge.run("sync").code == 0


def lose_a_record(bridge: Bridge) -> None:
    """Create a site without a domain record, older than the adoption, and give the other site its record."""
    bridge.multisite.add_site_sql(2, "old.example.net")
    bridge.multisite.add_mappings_sql([("shop.example.net", 4)])


def lose_a_site(bridge: Bridge) -> None:
    """Map a domain to a site that does not exist."""
    bridge.multisite.add_mappings_sql([("gone.customer.com", 9)])


def wait_for_long(bridge: Bridge) -> None:
    with opened(bridge.state) as ledger, ledger.transaction():
        ledger.save(("last_success", str(time.time() - 42 * 60)))


def install_shim(bridge: Bridge, *options: str) -> None:
    assert bridge.run("adopt", "--yes").code == 0
    assert bridge.run("shim", "install", *options).code == 0


# The commands in the order of a story. A function runs before the example with its number.
STORY: dict[str, dict[int, Callable[[Bridge], None]]] = {
    "setup": {},
    "adopt": {0: forget_everything},
    "integration status": {},
    "integration test": {1: break_the_key},
    "plan": {0: mend_the_key},
    "sync": {0: check_too},
    "log": {},
    "domain list": {},
    "domain get": {},
    "domain explain": {},
    "apply": {0: add_doomed},
    "domain add": {},
    "domain remove": {},
    "domain release": {0: pin_again},
    "domain backfill": {0: lose_a_record},
    "domain prune": {0: lose_a_site},
    "integration enable": {0: switch_off},
    "integration disable": {},
    "health": {1: wait_for_long},
    "shim status": {0: install_shim, 1: lambda bridge: install_shim(bridge, "--wake=file")},
    "shim uninstall": {1: install_shim},
    "uninstall": {0: install_shim},
}
# The commands whose examples do not run here, and the reason.
ELSEWHERE = {
    "completion": "tests/unit/test_cli_commands.py runs them",
    "config show": "tests/unit/test_cli_commands.py runs them",
    "config validate": "tests/unit/test_cli_commands.py runs them",
    "domain check": "needs the DNS that the example shows",
    "domain revive": "needs DNS and certificates",
    "doctor": "needs DNS for good news; tests/integration/test_life_doctor.py has every message",
    "man": "tests/unit/test_cli_commands.py runs them",
    "notify test": "tests/integration/test_life_notify.py runs it",
    "report": "tests/unit/test_cli_report.py runs it",
    "sandbox": "serves until it is ended",
    "shim install": "needs the other host that the example names",
    "status": "needs a schedule; tests/unit/test_cli_status.py has every line",
    "watch": "goes on until it is ended",
}


def test_every_command_has_its_examples_tested() -> None:
    assert sorted([*STORY, *ELSEWHERE]) == sorted(COMMANDS)


def test_help_examples_show_real_output(bridge: Bridge) -> None:
    shell = Shell(bridge)
    wrong = []
    for command, preparations in STORY.items():
        for number, example in enumerate(examples(command)):
            if prepare := preparations.get(number):
                prepare(bridge)
            shown = shell.type(example.typed)
            if not same(example.said, shown):
                wrong.append(f"$ {example.typed}\n{shown}--- and not:\n{example.said}\n")
    assert not wrong, "\n".join(wrong)
