"""Due domains: the ledger's preview selects the same domains as the full read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.engine import due
from closte_bridge.engine.due import due_names, next_check
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger.events import NewEvents

if TYPE_CHECKING:
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.store import Ledger

NOW = 1_800_000_000.0
NAMES = ("a.com", "b.com", "www.b.com", "c.test")


def remember(ledger: Ledger, checks: dict[str, float]) -> None:
    with ledger.transaction():
        check_states.forget(ledger, [name for name, _ in check_states.next_checks(ledger)])
        check_states.save(ledger, {name: CheckState(first_seen=NOW, next_check=at) for name, at in checks.items()})


def chosen(ledger: Ledger, names: set[str], *, short: bool, only: frozenset[str] = frozenset()) -> due.Due:
    """Return the due domains, with or without the preview."""
    ahead = check_states.due_preview(ledger, NOW) if short else None
    view = cast("Observation", SimpleNamespace(due_preview=ahead, events=NewEvents()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(due, "watched_names", lambda *_: set(names))
        return due_names(ledger, view, only, NOW)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    checks=st.dictionaries(st.sampled_from(NAMES), st.sampled_from((NOW - 5, NOW, NOW + 5))),
    names=st.sets(st.sampled_from(NAMES)),
    only=st.frozensets(st.sampled_from(NAMES)),
)
def test_shortcut_and_full_scan_select_the_same_domains(
    ledger: Ledger, checks: dict[str, float], names: set[str], only: frozenset[str]
) -> None:
    remember(ledger, checks)
    short, long = chosen(ledger, names, short=True, only=only), chosen(ledger, names, short=False, only=only)
    assert short.names == long.names
    assert sorted(short.gone) == sorted(long.gone)
    assert next_check(ledger, short) == next_check(ledger, long)


def test_idle_state_is_detected_without_a_second_pass(ledger: Ledger) -> None:
    remember(ledger, {"a.com": NOW + 5, "b.com": NOW + 7})
    found = chosen(ledger, {"a.com", "b.com"}, short=True)
    assert found.idle is not None
    assert (found.names, found.gone, next_check(ledger, found)) == ([], [], NOW + 5)


def test_requested_domain_is_checked_first_despite_an_earlier_preview(ledger: Ledger) -> None:
    """The preview is made while `wp` runs: before the requests are known."""
    remember(ledger, {"a.com": NOW - 60, "b.com": NOW + 5})
    ahead = check_states.due_preview(ledger, NOW)
    view = cast("Observation", SimpleNamespace(due_preview=ahead, events=NewEvents(to_check={"b.com", "unknown.org"})))
    remember(ledger, {"a.com": NOW - 60, "b.com": NOW})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(due, "watched_names", lambda *_: {"a.com", "b.com"})
        assert due_names(ledger, view, (), NOW).names == ["b.com", "a.com"]


@given(
    sites=st.dictionaries(st.integers(1, 3), st.integers(1, 2)),
    mapped=st.dictionaries(st.sampled_from(("a.com", "www.a.com", "b.com", "www.b.com")), st.integers(1, 4)),
    others=st.lists(
        st.frozensets(st.sampled_from(("*.a.com", "b.com", "www.b.com", "pin.org"))), min_size=2, max_size=2
    ),
)
def test_each_watched_domain_is_listed_once(
    sites: dict[int, int], mapped: dict[str, int], others: list[frozenset[str]]
) -> None:
    configured, pins = others
    www = {f"www.{name}": name for name in mapped if not name.startswith("www.")}
    desire = SimpleNamespace(
        mapped={name: SimpleNamespace(blog_id=blog) for name, blog in mapped.items()},
        www=www,
        configured=configured,
        pins=pins,
    )
    snapshot = SimpleNamespace(
        network=SimpleNamespace(id=1),
        sites={blog: SimpleNamespace(id=blog, network_id=network) for blog, network in sites.items()},
    )
    view = cast("Observation", SimpleNamespace(desire=desire, snapshot=snapshot))
    managed = {name for name, blog in mapped.items() if sites.get(blog) == 1}
    expected = managed | {form for form, name in www.items() if name in managed} | configured | pins
    found = list(due.watched_names(view))
    assert sorted(found) == sorted(expected)
