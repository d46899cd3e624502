"""Tests of what the engine does until visitors get what `wp` wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from closte_bridge.engine import refresh
from closte_bridge.engine.refresh import note_stale, refresh_stale
from closte_bridge.wordpress.web import ServedMapping, ServedSite, WebError
from tests.support.check_states import a_row, a_snapshot

if TYPE_CHECKING:
    from collections.abc import Collection

    from closte_bridge.ledger.store import Ledger

NOW = 1_000_000.0
SHOP = "shop.example.com"


@dataclass
class FakeServers:
    """Web servers behind one address: each has a cache, which serves the domains in it as not mapped.

    A request goes to the next server. `broken` is the code of the error that every request gets.
    """

    stale: list[set[str]]
    stages: dict[str, str] = field(default_factory=dict)
    persistent: bool = True
    broken: str = ""
    urls: tuple[str, ...] = ("http://127.0.0.1",)
    refreshed: list[list[str]] = field(default_factory=list)
    asked: int = 0

    def _next(self) -> int:
        if self.broken:
            raise WebError("Broken.", code=self.broken)
        self.asked += 1
        return self.asked % len(self.stale)

    def refresh(self, domains: Collection[str], *, options: Collection[str] = (), url: str = "") -> str:  # noqa: ARG002
        server = self._next()
        self.refreshed.append([*domains, *options])
        self.stale[server] -= {*domains}
        return f"cache {server}" if self.persistent else ""

    def site(self, host: str, *, url: str = "") -> ServedSite:  # noqa: ARG002
        stage = "checking-dns" if host in self.stale[self._next()] else self.stages.get(host, "done")
        if stage != "done":
            raise WebError("Redirected.", code="web-redirect")
        mapping = ServedMapping(host, 2, stage, active=True, secure=True)
        return ServedSite(host, 2, 1, main=False, state="", mapping=mapping, primary=None, cache="")


@dataclass
class World:
    """An engine with its ledger, the rows in WordPress, and the web servers; time passes with `later`."""

    ledger: Ledger
    servers: FakeServers
    rows: dict[str, str] = field(default_factory=lambda: {SHOP: "done"})
    now: float = NOW

    def wrote(self, *names: str) -> None:
        with self.ledger.transaction():
            note_stale(self.ledger, names, self.now)

    def round(self, later: float = 0.0, stages: dict[str, str] | None = None) -> float | None:
        """Run the refresh of one sync; return the seconds until the next one."""
        self.now += later
        snapshot = a_snapshot(
            *(a_row(name, 2, number, stage) for number, (name, stage) in enumerate(self.rows.items()))
        )
        engine = cast("Any", SimpleNamespace(clock=SimpleNamespace(now=lambda: self.now)))
        due = refresh_stale(engine, self.ledger, snapshot.network, snapshot.mappings, stages)
        return None if due is None else due - self.now


@pytest.fixture
def world(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(ledger, FakeServers([{SHOP}]))
    monkeypatch.setattr(refresh, "web_client", lambda *_args, **_more: world.servers)
    return world


def test_nothing_is_sent_without_a_change(world: World) -> None:
    assert world.round() is None
    assert world.servers.asked == 0


def test_change_is_shown_in_the_same_run(world: World) -> None:
    world.wrote(SHOP.upper())
    assert world.round() is None
    assert world.servers.refreshed == [[SHOP], [SHOP]], "the second request meets the same cache"
    assert world.round(9999) is None
    assert len(world.servers.refreshed) == 2


def test_each_server_behind_an_address_is_refreshed(world: World) -> None:
    world.servers.stale = [{SHOP}, {SHOP}, {SHOP}]
    world.wrote(SHOP)
    assert world.round() is None
    assert world.servers.stale == [set(), set(), set()]


def test_server_without_a_cache_of_its_own_is_asked_once(world: World) -> None:
    world.servers.persistent = False
    world.wrote(SHOP)
    assert world.round() is None
    assert world.servers.asked == 1


def test_refresh_is_repeated_ever_more_slowly_until_the_domain_is_shown(world: World) -> None:
    world.servers.stages[SHOP] = "checking-dns"
    world.wrote(SHOP)
    waits = [world.round(), *(world.round(later) for later in (15, 15, 30, 60, 7200))]
    assert waits == [15, 15, 30, 60, 120, 3600]
    assert world.round(10) == 3590, "it is not due"
    world.servers.stages[SHOP] = "done"
    assert world.round(3590) is None


def test_regular_checks_take_over_after_a_day(world: World) -> None:
    world.servers.stages[SHOP] = "checking-dns"
    world.wrote(SHOP)
    world.round()
    assert world.round(86400) is None


@pytest.mark.parametrize("code", ["web-unreachable", "web-refused", "web-redirect"])
def test_unreachable_server_fails_nothing_and_is_asked_again(world: World, code: str) -> None:
    world.servers.broken = code
    world.wrote(SHOP)
    assert world.round() == 15
    world.servers.broken = ""
    assert world.round(15) is None
    assert world.servers.stale == [set()]


def test_without_the_shim_nothing_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "web_client", lambda *_args, **_more: None)
    world.wrote(SHOP)
    assert world.round() is None
    assert not world.ledger.query("SELECT * FROM flags")


def test_stage_of_this_run_counts(world: World) -> None:
    """The rows were read before the stages moved."""
    world.rows[SHOP] = "checking-ssl-cert"
    world.wrote(SHOP)
    assert world.round(stages={SHOP: "done"}) is None
    world.wrote(SHOP)
    assert world.round() == 15, "the web server shows another stage"


def test_domain_that_is_not_served_may_redirect(world: World) -> None:
    world.rows[SHOP] = world.servers.stages[SHOP] = "checking-dns"
    world.wrote(SHOP, "gone.example.com")
    assert world.round() is None


def test_many_domains_are_checked_by_a_sample(world: World) -> None:
    names = [f"shop{number:03}.example.com" for number in range(200)]
    world.rows = dict.fromkeys(names, "done")
    world.servers.stale = [{*names}]
    world.wrote(*names)
    assert world.round() is None
    assert world.servers.stale == [set()]
    assert world.servers.asked < 30


def test_suspected_domain_does_not_start_over(world: World) -> None:
    world.servers.stages[SHOP] = "checking-dns"
    world.wrote(SHOP)
    world.round()
    world.round(60)
    with world.ledger.transaction():
        note_stale(world.ledger, [SHOP, "other.example.com"], world.now, again=False)
    assert [
        name
        for (name,) in world.ledger.query("SELECT name FROM flags WHERE kind = 'stale-until' AND since <= ?", world.now)
    ] == ["other.example.com"]
