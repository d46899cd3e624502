"""Untrusted output of `wp`: any plugin may print, and any user may have written a row."""

from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.config.model import WpSettings
from closte_bridge.domains import is_wildcard, normalise, not_public, registered_domain, wildcard_over
from closte_bridge.errors import BridgeError, UnreadableError
from closte_bridge.wordpress.events import understand
from closte_bridge.wordpress.frame import FrameError, extract, parse
from closte_bridge.wordpress.records import make_records
from closte_bridge.wordpress.snapshot import Event, decode
from closte_bridge.wordpress.wp import WpCall, WpCost
from closte_bridge.wordpress.writer import StageMove, set_stages, set_toggle
from tests.fuzz.examples import FUZZ
from tests.fuzz.mutations import ODD, ODD_TEXT, damaged, mutated
from tests.support.check_states import a_ledger, a_list, a_plan, told
from tests.support.fake_wp import frame_of, framed

DAY = "2024-01-01 00:00:00"
GOOD: dict[str, Any] = {
    "network": {
        "id": 1,
        "domain": "network.org",
        "main_site": 1,
        "environment": "production",
        "database": "host name",
        "app_id": None,
        "root": "/srv",
        "wordpress": "6.8",
        "php": "8.2",
    },
    "plugin": {"version": "2.14.2", "set_up": True},
    "settings": {"enable_domain_mapping": True, "dns_check_interval": 300, "auto_create_www_subdomain": "always"},
    "toggle": True,
    "owner": {"engine": "engine-1", "host": "h", "since": "2024"},
    "sites": {
        "columns": [["1\n2", "1\n1", "network.org\nsite2.network.org", "0\n0", "0\n0", "0\n0"]],
        "count": 2,
        "highest": 2,
    },
    "mappings": {
        "columns": [
            ["1", "2", "customer.com", "1", "1", "0", "done", DAY, DAY],
            ["2", "2", "*.x.com", "0", [0], ["0"], "", DAY, [None]],
        ],
        "count": 2,
        "highest": 2,
    },
    "events": {"rows": [["u", "1", "mapping_removed", "2", "gone.com", ""]], "count": 1},
}
NONCE = "00ff" * 8


def test_valid_document_is_decoded() -> None:
    snapshot = decode(json.loads(json.dumps(GOOD)))
    assert (len(snapshot.mappings), len(snapshot.events), snapshot.faults) == (2, 1, ())


@FUZZ
@given(mutated(GOOD))
def test_any_document_is_a_snapshot_or_unreadable(document: dict[str, Any]) -> None:
    try:
        snapshot = decode(document)
    except UnreadableError:
        return
    # The planner can use every valid snapshot, and removes only the managed alias.
    plan = a_plan(snapshot, a_list("customer.com", "ours.com"), a_ledger("ours.com", absences={}))
    assert not [change for change in plan.removals if change.name != "ours.com"]
    json.dumps([*plan.changes, *plan.holds], default=str)


@FUZZ
@given(damaged(framed(GOOD, NONCE)), st.binary(max_size=200), st.binary(max_size=200))
def test_damaged_frame_is_detected_in_any_output(output: bytes, before: bytes, after: bytes) -> None:
    try:
        document = parse(extract(before + output + after, NONCE))
    except FrameError:
        return
    # Damage outside the frame is harmless. Inside the frame, no other document has the digest.
    assert document == GOOD


@FUZZ
@given(st.text(max_size=400))
def test_valid_digest_without_a_document_is_damage(text: str) -> None:
    output = frame_of(text.encode("utf-8", "surrogatepass"), NONCE)
    with contextlib.suppress(FrameError):
        assert isinstance(parse(extract(output, NONCE)), dict)


@FUZZ
@given(st.sampled_from(["[", '{"a":']), st.integers(1, 100_000))
def test_deeply_nested_document_does_not_crash(opening: str, depth: int) -> None:
    with pytest.raises(FrameError):
        parse(opening * depth)


EVENT_KINDS = st.sampled_from(["mapping_removed", "mapping_renamed", "site_deleted", "everything", "", "made-up"])
DETAILS = (
    ODD_TEXT
    | st.text(max_size=40)
    | st.sampled_from(
        [
            '{"from": "a.com"}',
            '{"from": 7}',
            '{"domains": ["a.com", "b.com"]}',
            '{"domains": "a.com"}',
            "[" * 9999,
            "{}",
            "null",
        ]
    )
)


@FUZZ
@given(EVENT_KINDS, ODD_TEXT | st.text(max_size=40), DETAILS)
def test_any_event_is_understood_or_rejected(kind: str, domain: str, detail: str) -> None:
    evidence, understood = understand(Event("u", 1, kind, 1, domain, detail))
    assert understood or not evidence
    # Evidence contains domains in normal form only: no other text can match an alias.
    assert all(normalise(name) == name for name in evidence)


@FUZZ
@given(st.text(max_size=80) | ODD_TEXT | st.from_regex(r"[a-zA-Z0-9.*_\-:\[\]]{1,80}"))
def test_domain_has_one_normal_form_or_none(text: str) -> None:
    try:
        name = normalise(text)
    except ValueError:
        return
    assert normalise(name) == name
    assert normalise(f" {name.upper()} ") == name
    assert name.isascii()
    assert name == name.lower()
    assert len(name) <= 253
    assert not set(name) & set(" \n\r\t\0'\"$`;|&<>\\/%@")
    # No program reads a domain as an option.
    assert not name.startswith("-")
    not_public(name)
    if "." in name and not_public(name) is None:
        registered_domain(name)
        assert is_wildcard(wildcard_over(name))


@FUZZ
@given(st.lists(st.sampled_from(["ours.com", "mapped.com", "x" * 63 + ".com", "a.b.c.d.com"]), max_size=4))
def test_events_alone_remove_no_mapped_domain(names: list[str]) -> None:
    document = json.loads(json.dumps(GOOD))
    rows = [[str(n), "2", name, "1", "0", "0", "done", DAY, DAY] for n, name in enumerate(names, 1)]
    document["mappings"]["columns"] = [["\n".join(column) for column in zip(*rows, strict=True)]] if rows else []
    document["mappings"] |= {"count": len(names), "highest": len(names)}
    ledger = a_ledger(*names, evidence=dict.fromkeys(names, told()))
    assert not a_plan(decode(document), a_list(*names), ledger).removals


@pytest.mark.parametrize("domains", [[None], ""])
def test_mapping_without_a_domain_makes_the_snapshot_partial(domains: object) -> None:
    document = json.loads(json.dumps(GOOD))
    document["mappings"]["columns"][0][2] = domains
    document["sites"]["columns"][0][2] = ["network.org", None]
    snapshot = decode(document)
    assert snapshot.faults == ("a mapping has no domain",)
    assert [mapping.domain for mapping in snapshot.mappings] == ["", "*.x.com"]
    held = a_plan(snapshot, a_list("ours.com"), a_ledger("ours.com"))
    assert ("", "malformed") in {(hold.name, hold.code) for hold in held.holds}


RECORD = [7, 2, "site2.network.org", 1, 1, 0, "checking-dns"]
ANSWERS: dict[str, Any] = {"results": [["made", RECORD], ["there", None]]}


@FUZZ
@given(mutated(ANSWERS) | ODD)
def test_any_answer_to_a_write_is_matched_or_unreadable(answer: object) -> None:
    """Records and stages: each result belongs to its request, or the whole answer is rejected."""
    settings, cost = WpSettings(), WpCost()
    moves = [StageMove(number, f"{number}.com", "checking-dns", "done", secure=True) for number in (1, 2)]
    with mock.patch.object(WpCall, "start", return_value=SimpleNamespace(result=lambda: answer)):
        if not isinstance(answer, dict):
            return
        with contextlib.suppress(UnreadableError):
            assert [result.site for result in make_records(settings, cost, [2, 3], really=True)] == [2, 3]
        with contextlib.suppress(UnreadableError):
            assert len(set_stages(settings, cost, moves)) == 2
        with contextlib.suppress(UnreadableError, BridgeError):
            set_toggle(settings, cost, enabled=True)
