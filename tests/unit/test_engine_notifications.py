"""Tests of what is reported of a domain, when, and how often."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from closte_bridge.checks.advice_text import NO_ADVICE, Advice, AdviceCode
from closte_bridge.checks.domain_state import CheckState
from closte_bridge.checks.records import RecordToSet
from closte_bridge.checks.schedule import DAY, HOUR
from closte_bridge.engine.delivery import deliver
from closte_bridge.engine.notification_text import document, text_of
from closte_bridge.engine.notifications import note, note_silence
from closte_bridge.errors import BridgeError
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger.notifications import DELIVERIES, MOST_KEPT, Notification, NotificationKind, after, append
from closte_bridge.ledger.state import AliasPhase, Origin, RemovalClass
from closte_bridge.planning.model import OverLimit
from tests.support.ledgers import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.model import Plan

START = 1_800_000_000.0
SHOP = "shop.example.org"
ELSEWHERE = Advice(AdviceCode.RECORDS, {}, (RecordToSet("A", SHOP, ("192.0.2.10",), ("203.0.113.9",)),))
LIVE = CheckState(0.0, 0.0, checked_at=1.0, dns="ok", tls="ok", points_here=True, serves=True, http="ok", live=True)
MOVED = LIVE._replace(dns="points-elsewhere", tls="", points_here=False, http="", live=False, next_step=ELSEWHERE)
PENDING = LIVE._replace(tls="default-certificate", http="", live=False)
SLOW = LIVE._replace(http="time-out", live=False)


class Network:
    """A ledger whose check states the test sets, and the notifications of each run."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = START
        self.over_limit: tuple[OverLimit, ...] = ()

    def run(self, later: float = 60.0, /, **states: CheckState) -> list[str]:
        """Save these check states, made `later` seconds after the last run; return what the run reports."""
        self.now += later
        found = {name.replace("_", "."): state._replace(checked_at=self.now) for name, state in states.items()}
        with self.ledger.transaction():
            check_states.save(self.ledger, found)
        view = cast("Observation", SimpleNamespace(desire=SimpleNamespace(mapped={})))
        plan = cast("Plan", SimpleNamespace(over_limit=self.over_limit))
        return [f"{one.domain} {one.kind}".strip() for one in note(self.ledger, view, plan, self.now)]

    def add(self, *names: str, adopted: bool = False) -> None:
        with self.ledger.transaction():
            rows = [(name, Origin.MAPPING) for name in names]
            self.ledger.put_aliases(rows, AliasPhase.PRESENT, self.now, adopted=adopted)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with opened(tmp_path / "state") as ledger:
        yield Network(ledger)


@pytest.fixture
def running(network: Network) -> Network:
    """Provide a network whose reporting began long ago."""
    assert network.run() == []
    network.now += 30 * DAY
    network.add(SHOP)
    return network


def test_first_run_with_a_thousand_live_domains_reports_nothing(network: Network) -> None:
    """After an upgrade, and after an adoption that needs several runs for all checks."""
    known = {f"d{number}_example_com": LIVE for number in range(1000)}
    assert network.run(**known) == []
    network.add("late.example.com", adopted=True)
    assert network.run(late_example_com=LIVE, covered_example_com=LIVE) == []
    assert network.run(3600, d7_example_com=MOVED) == ["d7.example.com broke"]


def test_domain_goes_live_breaks_and_comes_back_each_reported_once(running: Network) -> None:
    assert running.run(shop_example_org=PENDING) == []
    assert running.run(shop_example_org=LIVE) == [f"{SHOP} went-live"]
    assert running.run() == running.run(shop_example_org=LIVE) == []
    assert running.run(shop_example_org=MOVED) == [f"{SHOP} broke"]
    # The records are in that report, so the owner is not reported again.
    assert running.run(shop_example_org=MOVED) == running.run(7200) == []
    assert running.run(shop_example_org=LIVE) == [f"{SHOP} came-back"]
    assert running.run() == []


def test_owner_is_needed_once_for_the_same_records(running: Network) -> None:
    assert running.run(shop_example_org=MOVED) == [f"{SHOP} needs-customer"]
    (record,) = ELSEWHERE.records
    other = Advice(AdviceCode.RECORDS, {}, (RecordToSet("A", SHOP, record.value, ("203.0.113.7",)),))
    assert running.run(7200, shop_example_org=MOVED._replace(next_step=other)) == []
    new = Advice(AdviceCode.AAAA_UNWANTED, {}, (RecordToSet("AAAA", SHOP, (), ("2001:db8::1",)),))
    # Another request within an hour waits.
    assert running.run(7200, shop_example_org=MOVED._replace(next_step=new)) == [f"{SHOP} needs-customer"]
    assert running.run(60, shop_example_org=MOVED) == running.run(1800) == []
    assert running.run(1800) == [f"{SHOP} needs-customer"]
    # What only needs time or the operator does not need the owner.
    assert running.run(7200, shop_example_org=PENDING._replace(next_step=Advice(AdviceCode.NO_DNS_ANSWER))) == []


def test_www_form_without_an_alias_needs_nobody(running: Network) -> None:
    """`www.` forms wait for their DNS, which their owners may never want."""
    assert running.run(www_shop_example_org=MOVED) == []
    running.add("www.shop.example.org")
    new = MOVED._replace(next_step=Advice(AdviceCode.A_MISSING, {}, ELSEWHERE.records))
    assert running.run(www_shop_example_org=new) == ["www.shop.example.org needs-customer"]


def test_unclear_failure_waits_for_the_next_check(running: Network) -> None:
    """A time-out may be a problem of this machine."""
    running.run(shop_example_org=LIVE)
    assert running.run(shop_example_org=SLOW) == running.run() == []
    assert running.run(shop_example_org=LIVE) == []
    assert running.run(shop_example_org=SLOW) == []
    assert running.run(shop_example_org=SLOW) == [f"{SHOP} broke"]


def test_flapping_domain_is_reported_a_few_times_a_day(running: Network) -> None:
    running.run(shop_example_org=LIVE)
    reports = [
        kind for turn in range(144) for kind in running.run(600, shop_example_org=MOVED if turn % 2 == 0 else LIVE)
    ]
    assert reports == [f"{SHOP} {kind}" for kind in ("broke", "came-back", "broke")]
    # Steady again: reported after half a day, as it broke so often.
    assert running.run(600, shop_example_org=LIVE) == running.run(11 * HOUR) == []
    assert running.run(2 * HOUR) == [f"{SHOP} came-back"]


def test_certificate_is_reported_once_for_each_end(running: Network) -> None:
    running.run(shop_example_org=LIVE)
    old = LIVE._replace(warn_at=running.now, not_after=running.now + 20 * DAY)
    assert running.run(shop_example_org=old) == [f"{SHOP} certificate-not-renewed"]
    assert running.run(DAY, shop_example_org=old) == []
    renewed = old._replace(warn_at=running.now + 60 * DAY, not_after=running.now + 90 * DAY)
    assert running.run(DAY, shop_example_org=renewed) == []
    assert running.run(61 * DAY) == [f"{SHOP} certificate-not-renewed"]
    expired = renewed._replace(tls="expired", http="", live=False)
    assert running.run(30 * DAY, shop_example_org=expired) == [f"{SHOP} broke"]


def test_removals_that_need_approval_are_reported_once_for_the_same_domains(running: Network) -> None:
    over = OverLimit(RemovalClass.EVENT, tuple(f"d{n}.example.com" for n in range(60)), 0, 60, 20, 3600.0, "abc")
    running.over_limit = (over,)
    assert running.run() == ["needs-approval"]
    assert running.run() == []
    (one,) = after(running.ledger, 0)
    assert (one.data["count"], len(one.data["domains"]), one.data["digest"]) == (60, 50, "abc")
    running.over_limit = (over._replace(digest="abd"),)
    assert running.run() == ["needs-approval"]
    running.over_limit = ()
    assert running.run() == []


def test_silence_and_its_end_are_reported_once(running: Network) -> None:
    assert note_silence(running.ledger, running.now, running.now + 3600)
    assert not note_silence(running.ledger, running.now, running.now + 7200)
    assert running.run(9000) == ["engine-back"]
    assert running.run() == []


def test_killed_run_reports_later(running: Network) -> None:
    """A run that saved its checks but was killed before its report loses nothing."""
    running.run(shop_example_org=LIVE)
    with running.ledger.transaction():
        check_states.save(running.ledger, {SHOP: MOVED})
    assert running.run() == [f"{SHOP} broke"]


def test_each_channel_gets_each_notification_once_and_again_after_a_failure(running: Network) -> None:
    got: list[str] = []
    broken = True

    def send(found: list[Notification]) -> None:
        if broken:
            raise BridgeError("No.", code="notify")
        got.extend(str(one.kind) for one in found)

    running.run(shop_example_org=LIVE)
    with pytest.raises(BridgeError, match="No"):
        deliver(running.ledger, "a", running.now, send)
    broken = False
    # Not at once, and not for ever.
    assert deliver(running.ledger, "a", running.now + 30, send) == 0
    running.run(3600, shop_example_org=MOVED)
    assert deliver(running.ledger, "a", running.now, send) == 2
    assert deliver(running.ledger, "a", running.now, send) == 0
    # A new channel does not get what happened long before it.
    assert deliver(running.ledger, "b", running.now, send) == 1
    assert got == ["went-live", "broke", "broke"]


def test_undelivered_notifications_are_bounded(running: Network) -> None:
    live = Notification(running.now, NotificationKind.LIVE, SHOP)
    with running.ledger.transaction():
        append(running.ledger, [live._replace(at=0.0)] * 5 + [live] * (MOST_KEPT + 100), running.now)
    assert len(after(running.ledger, 0)) == MOST_KEPT
    with running.ledger.transaction():
        running.ledger.write("UPDATE notifications SET data = ? WHERE id % 2 = 0", [("no JSON",)])
        running.ledger.save((DELIVERIES.name, "no JSON"))
    assert deliver(running.ledger, "a", running.now, lambda _: None) == MOST_KEPT / 2


def test_forgotten_domain_starts_anew(running: Network) -> None:
    running.run(shop_example_org=LIVE)
    with running.ledger.transaction():
        check_states.forget(running.ledger, [SHOP])
    running.run(other_example_org=MOVED)
    assert running.run(shop_example_org=LIVE) == [f"{SHOP} went-live"]


def test_message_names_the_domain_the_records_and_the_command() -> None:
    broke = Notification(START, NotificationKind.BROKE, SHOP, 7, "points-elsewhere", ELSEWHERE)
    text = text_of([broke], "default")
    assert text.title == f"{SHOP} is no longer live"
    assert f"Change the A record of {SHOP} to 192.0.2.10. It currently points to 203.0.113.9." in text.body
    (event,) = document([broke], "default")["events"]
    assert (event["event"], event["domain"], event["site"], event["code"]) == ("broke", SHOP, 7, "points-elsewhere")
    assert event["records"] == [{"type": "A", "host": SHOP, "value": ["192.0.2.10"], "current": ["203.0.113.9"]}]
    several = text_of([broke, broke._replace(kind=NotificationKind.LIVE, step=NO_ADVICE)], "default")
    assert (several.title, several.good) == ("default: 1 went-live, 1 broke", False)


def test_more_than_ten_notifications_are_a_digest() -> None:
    many = [Notification(START, NotificationKind.BROKE, f"d{n}.example.com", step=ELSEWHERE) for n in range(60)]
    over: dict[str, Any] = {"count": 2, "domains": ["a.example", "b.example"], "digest": "abc"}
    text = text_of([*many, Notification(START, NotificationKind.APPROVAL, data=over)], "default")
    assert text.title == "default: 60 broke, 1 needs-approval"
    assert "60 domains no longer live: d0.example.com, " in text.body
    assert "d49.example.com and 10 more." in text.body
    assert "192.0.2.10" not in text.body
    assert "2 removals need your approval. Domains: a.example, b.example." in text.body
    found = document(many, "default")
    assert (found["digest"], found["counts"], len(found["events"])) == (True, {"broke": 60}, 60)
