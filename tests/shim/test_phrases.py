"""The shim's texts for domain states: the same in English as the program's, for every code, and for damaged rows."""

from __future__ import annotations

import json
import random
import re
import subprocess
import time
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.checks import advice_text
from closte_bridge.checks.advice_text import Advice, AdviceCode
from closte_bridge.checks.domain_state import DomainPhase
from closte_bridge.checks.model import DnsCode, HttpCode, TlsCode
from closte_bridge.checks.records import MOST_LISTED, RecordToSet
from closte_bridge.engine import inventory
from closte_bridge.ledger.state import FailureCode
from closte_bridge.planning.model import HoldCode
from tests.support.parts import REPOSITORY, find_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SHIM = REPOSITORY / "php-shim"
DRIVER = Path(__file__).with_name("php") / "phrases.php"
GENERAL = "Ask the administrator of this network to check the domain."

pytestmark = pytest.mark.real


def ask(questions: Iterable[tuple[str, str, list[Any]]]) -> list[Any]:
    """Return PHP's answers: class, method and arguments of each call. A PHP message or exception fails the test."""
    text = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run(
        [find_program("php"), str(DRIVER), str(SHIM)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


HOSTS = ("shop.example.com", "example.com", "www.xn--bcher-kva.example", "*.example.org")
VALUES = ("192.0.2.10", "2001:db8::10", "203.0.113.9", "network.test", '0 issue "ca.test"', "50% <b>%s</b>", "a|b")


def listed(rng: random.Random, name: str) -> dict[str, Any]:
    items = rng.choices(VALUES, k=rng.randrange(5))
    return {name: items, f"more_{name}": rng.choice((0, 1, 12)) if len(items) == MOST_LISTED else 0}


def record(rng: random.Random, kind: str, *, current: bool | None = None) -> RecordToSet:
    now = rng.choice((True, False)) if current is None else current
    value = () if now and rng.random() < 0.3 else tuple(rng.choices(VALUES, k=rng.choice((1, 1, 2, 6))))
    return RecordToSet(kind, HOSTS[0], value, tuple(rng.choices(VALUES, k=rng.choice((1, 2, 5)))) if now else ())


def change(rng: random.Random) -> tuple[RecordToSet, ...]:
    cname = record(rng, "CNAME", current=True)
    kinds = rng.choice((("A",), ("AAAA",), ("A", "AAAA"), ("CAA",), ()))
    return tuple(record(rng, kind) for kind in kinds) if kinds and rng.random() < 0.7 else (cname, record(rng, "A"))


# The arguments behind each placeholder of a text.
ARGUMENTS: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "domain": lambda rng: {"domain": rng.choice(HOSTS)},
    "zone": lambda rng: {"zone": rng.choice(HOSTS)},
    "address": lambda rng: {"address": rng.choice(("192.0.2.10", "[2001:db8::10]"))},
    "names": lambda rng: listed(rng, "names"),
    "caa": lambda rng: listed(rng, "caa"),
    "servers": lambda rng: listed(rng, "servers"),
    "returns": lambda _: {},
    "in_brackets": lambda rng: listed(rng, "servers"),
    "wait": lambda rng: {"seconds": rng.choice((0, 1, 30, 60, 61, 3000, 3600, 7201, 86400, 9999999))},
    "by": lambda rng: {"issuer": rng.choice(("", "Example CA"))},
    "answer": lambda rng: {"status": rng.choice((0, 403, 500))},
    "location": lambda _: {"location": "https://example.org/?a=%20b"},
    "reason": lambda _: {"reason": "membership"},
    "text": lambda _: {"text": "Do 100 % of it."},
    "change": lambda rng: rng.choice(({}, {"in_zone": "example.com"})) | listed(rng, "addresses"),
}


def advice(rng: random.Random, code: AdviceCode) -> Advice:
    names = [name for _, name, _, _ in Formatter().parse(advice_text._TEXTS[code]) if name]
    args: dict[str, Any] = {}
    for name in names:
        args |= ARGUMENTS[name](rng)
    if "change" in names and rng.random() < 0.3:
        kind = rng.choice(("ALIAS", "ANAME", "CNAME"))
        args["alternative"] = {"type": kind, "value": "network.test", "provider": "DNS Made Easy"}
    records = change(rng) if "change" in names else ()
    if code in {AdviceCode.CNAME, AdviceCode.CNAME_WITHOUT_ADDRESS}:
        records = (record(rng, "CNAME", current=True), *records[1:])
    return Advice(code, args, records)


def test_every_next_step_is_the_same_sentence_in_php() -> None:
    rng = random.Random(7)
    steps = [advice(rng, code) for code in AdviceCode for _ in range(40)]
    answers = ask(("Phrases", "step", [step.as_data()]) for step in steps)
    assert len(answers) == len(steps) > 1500
    assert [(s.as_data(), a, s.text) for s, a in zip(steps, answers, strict=True) if a != s.text] == []


ODD: list[Any] = [None, {}, 7, [[]]]
NO_RECORDS: list[Any] = [[], None, [7], [{"type": [], "host": None}], "x"]


def test_damaged_next_step_has_a_general_sentence() -> None:
    """Rows come from a table that others can write to."""
    rng = random.Random(8)
    damaged: list[Any] = [{"code": "from-the-future", "args": {}, "records": []}]
    for code in AdviceCode:
        data = advice(rng, code).as_data()
        damaged += [data | {"args": {k: v for k, v in data["args"].items() if k != name}} for name in data["args"]]
        damaged += [data | {"args": data["args"] | {name: odd}} for name in data["args"] for odd in ODD]
        damaged += [data | {"records": odd} for odd in NO_RECORDS]
        damaged += [data | {"args": None}]
    answers = ask(("Phrases", "step", [step]) for step in damaged)
    assert len(answers) == len(damaged)
    assert all(isinstance(answer, str) for answer in answers)
    assert answers[0] == GENERAL
    assert answers.count(GENERAL) > 100
    nothing: list[Any] = [None, 7, "x", [], {}, {"code": []}, {"code": ""}]
    assert ask(("Phrases", "step", [step]) for step in nothing) == [""] * len(nothing)


STATUSES = {
    "in-sync",
    "to-add",
    "to-remove",
    "on-hold",
    "needs-approval",
    "unmanaged",
    "own",
    "orphaned",
    "unknown",
    "gone",
}


def test_labels_cover_exactly_the_codes_of_the_program() -> None:
    expected: dict[str, set[str]] = {
        "states": {*DomainPhase},
        "statuses": STATUSES,
        "dns": {*DnsCode},
        "https": {*TlsCode},
        "http": {*HttpCode},
        "holds": {*HoldCode, *FailureCode, "kept"},
        "plan_steps": {*inventory.STEP_CODES, "add-soon", "remove-soon"},
    }
    *tables, codes = ask([*(("Labels", name, []) for name in expected), ("Advice", "codes", [])])
    for (name, wanted), table in zip(expected.items(), tables, strict=True):
        assert set(table) == wanted, name
        assert all(table.values()), name
    assert set(codes) == set(AdviceCode)


def test_every_status_of_the_inventory_has_a_label() -> None:
    source = Path(inventory.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r'state="([a-z-]+)"', source)) <= STATUSES
    assert [status for status in STATUSES if f'"{status}"' not in source] == []


def test_next_steps_of_the_plan_are_the_same_sentences_in_php() -> None:
    row = {"domain": "www.example.com", "args": {"until": "soon"}}
    plain = {code: text for code, text in inventory._OTHER_STEPS.items() if "{" not in text}
    steps = inventory._STEPS | plain
    assert len(plain) == 4
    answers = ask(("Phrases", "plan_step", [code, row]) for code in [*steps, "", "odd", None])
    expected = [text.format(name="www.example.com", base="example.com") for text in steps.values()]
    assert answers == [*expected, *["Nothing to do for now. closte-bridge rechecks it automatically."] * 3]


def test_next_try_is_a_duration_until_it_has_passed() -> None:
    later = time.time() + 630
    answers = ask(
        ("Phrases", "plan_step", [code, {"args": {"until": until}}])
        for code in ("add-later", "remove-later")
        for until in (later, 1)
    )
    assert answers == [
        "Closte has not added it yet. The next try is in 10 minutes. Retry now with `closte-bridge sync --retry`.",
        "Closte has not added it yet. The next sync tries it again.",
        "Closte has not removed it yet. The next try is in 10 minutes. Retry now with `closte-bridge sync --retry`.",
        "Closte has not removed it yet. The next sync tries it again.",
    ]


@pytest.mark.parametrize(
    ("method", "args", "answer"),
    [
        ("badge", [{"state": "live", "code": "", "needs": ""}], "Live"),
        ("badge", [{"state": "blocked", "code": "points-elsewhere", "needs": "customer"}], "DNS change needed"),
        ("badge", [{"state": "blocked", "code": "partly-propagated", "needs": "customer"}], "DNS change in progress"),
        ("badge", [{"state": "blocked", "code": "visits-exceeded", "needs": "customer"}], "Action needed"),
        ("badge", [{"state": "blocked", "code": "server-error", "needs": "operator"}], "Not live"),
        ("badge", [{"state": "dns-ok", "status": "in-sync"}], "Certificate pending"),
        ("badge", [{"state": "https-ok", "status": "to-remove"}], "Being removed"),
        ("badge", [{"state": [], "code": {}}], "Unknown"),
        ("badge", [None], "Unknown"),
        ("code", ["<b>"], "<b>"),
        ("code", [None], ""),
        ("state", [["x"]], ""),
        ("ago", [0], ""),
        ("in", ["soon"], ""),
        ("in", [1], "now"),
        ("records", [None], []),
        (
            "records",
            [[{"type": "A", "host": "a.com", "value": ["192.0.2.1", "192.0.2.2", []], "current": None}, 7]],
            [{"type": "A", "host": "a.com", "value": "192.0.2.1\n192.0.2.2", "current": ""}],
        ),
    ],
)
def test_labels_and_tables_accept_any_row(method: str, args: list[Any], answer: object) -> None:
    assert ask([("Phrases", method, args)]) == [answer]
