"""Hostile text from WordPress and Closte: it controls no terminal, forges no line of the log, and becomes no formula.

Hostile text is in domains, stages, owners, versions, paths and events of the network, and in Closte's messages. The
test runs each command in each format and checks its streams byte by byte.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.commands import CALLS, COMMANDS, SERVING, called, words_of
from tests.support.fake_wp import CannedWordPress
from tests.support.sandbox.api import ApiTexts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.driver import Driver
    from tests.support.fake_world import World

pytestmark = pytest.mark.real

# Colours and titles, a bell, line ends that forge messages and journal priorities, text in reverse order.
POISON = (
    "\x1b[2J\x1b]0;owned\x07",
    "\r\n<0>Error: forged",
    "\n<3>forged",
    "\nSuccess: forged",
    "\x9b31m\x85forged",
    "\u202egnp.exe\u2066",
    "\u2028<1>forged",
    "\x00\x08\x7f",
    "=HYPERLINK(forged)",
    "@SUM(forged)",
    "+forged",
    "-forged",
    "--exec=forged",
    "@forged",
    "\t=forged",
)
MAPPED = "customer.example.org"
MANNERS = ("--debug", "--format=csv", "--format=json", "--format=yaml", "--format=ids")
UNDER_A_STRANGER = ("config show", "integration status", "integration test", "adopt --yes", "plan", "shim status")


def poison(world: World) -> None:
    """Put hostile text into every text that closte-bridge reads from WordPress."""
    assert isinstance(world.wordpress, CannedWordPress)
    picture = world.wordpress.picture()
    document: dict[str, Any] = picture["document"]
    bad = "".join(POISON)
    document["network"] |= {"wordpress": bad, "php": bad, "environment": "production", "app_id": bad, "path": bad}
    document["plugin"] |= {"version": bad, "file": bad}
    document["network"]["root"] += bad.replace("\0", "")
    table = document["mappings"]
    for number, text in enumerate([*POISON, *(f"{text}.example.com" for text in POISON), *(f"a{p}" for p in POISON)]):
        row = [str(100 + number), "1", text, "1", "0", "0", text, text, text]
        table["rows"].append(row)
    table["rows"].append(["99", "1", MAPPED, "1", "0", "0", bad, bad, bad])
    table |= {"count": len(table["rows"]), "highest": 1000}
    document["sites"]["rows"].append(["7", "1", bad, "0", "0", "0"])
    document["sites"] |= {"count": len(document["sites"]["rows"]), "highest": 7}
    picture["events"] = [
        [f"uid{number}{text}", "1700000000", kind, "1", text, json.dumps({"from": text, "domains": [text]})]
        for number, text in enumerate(POISON)
        for kind in ("mapping_removed", "site_deleted", text)
    ]
    world.wordpress.restore(picture)


def assert_harmless(what: object, *streams: str) -> None:
    for text in streams:
        for character in set(text) - {"\n", "\t"}:
            assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}, (what, ascii(character), text)
        for line in text.split("\n"):
            assert not re.match(r"<[0-7]>", line), (what, line)
            assert not re.match(r"(Success|Error|Warning): forged", line), (what, line)


def assert_no_formula(what: object, text: str) -> None:
    for row in csv.reader(io.StringIO(text)):
        for cell in row:
            assert not re.match(r"[=@\t\r]|[+-](?!\d+(\.\d+)?$)", cell), (what, cell)


@pytest.mark.parametrize("owner", ["nobody", "a stranger"])
def test_hostile_text_never_reaches_terminal_log_or_formula(
    make_world: Callable[..., World], driver: Driver, owner: str
) -> None:
    assert {called(call) for call in CALLS} == COMMANDS.keys() - SERVING
    world = make_world(mapped=[MAPPED])
    metrics = world.folder / "metrics.prom"
    world.configure(metrics_file=str(metrics))
    poison(world)
    if owner == "a stranger":
        assert isinstance(world.wordpress, CannedWordPress)
        picture = world.wordpress.picture()
        bad = "".join(POISON)
        picture["document"]["owner"] = {"engine": bad, "host": bad, "since": bad}
        world.wordpress.restore(picture)
    else:
        driver.run(world, "adopt", "--yes")
    world.sandbox.api.texts = ApiTexts(already="".join(POISON), missing=POISON[1], unknown=POISON[0])
    forged = 0
    # If another installation is the owner, most commands print the same.
    for call in CALLS if owner == "nobody" else UNDER_A_STRANGER:
        words = words_of(
            call, PLAN=str(world.folder / "plan.json"), REPORT=str(world.folder / "r.gz"), NAME=MAPPED, OTHER=MAPPED
        )
        for manner in MANNERS:
            done = driver.run(world, *words, manner)
            assert "Internal error" not in done["stderr"] + done["stdout"], (call, manner, done)
            assert_harmless((call, manner), done["stdout"], done["stderr"])
            forged += (done["stdout"] + done["stderr"]).count("forged")
            if manner == "--format=csv" and done["status"] != 2:
                assert_no_formula(call, done["stdout"])
    # The hostile text was printed: an empty network would pass the other checks too.
    assert forged > 30
    # No label contains a domain or any outside text, so no text can break out of a label.
    if owner == "nobody":
        assert "closte_bridge_changes_on_hold" in metrics.read_text()
    assert not metrics.exists() or "forged" not in metrics.read_text()
