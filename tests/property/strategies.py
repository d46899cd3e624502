"""Strategies for every possible state of both sides, the ledger and the config."""

from __future__ import annotations

from hypothesis import strategies as st

from closte_bridge.hosting import Completeness
from closte_bridge.ledger.state import (
    Absence,
    AliasPhase,
    Evidence,
    FailedChange,
    LedgerState,
    Origin,
    RemovalClass,
    Unsettled,
)
from closte_bridge.planning.completeness import Observed
from closte_bridge.planning.desired import DomainPolicy
from closte_bridge.planning.model import Authority, Mode
from closte_bridge.wordpress.events import EventKind
from closte_bridge.wordpress.snapshot import Mapping, Snapshot, WwwPolicy
from tests.support.check_states import DAY, HOUR, MAIN, NOW, WEEK, a_row, a_site, a_snapshot

PLAIN = (
    "a.com",
    "b.com",
    "www.a.com",
    "www.www.a.com",
    "a.wild.net",
    "b.a.wild.net",
    "www.a.wild.net",
    f"one.{MAIN}",
    f"www.{MAIN}",
    f"*.{MAIN}",
    MAIN,
    "former.org",
    "*.former.org",
    "c.closte.com",
    "closte.com",
    "xn--bcher-kva.de",
    "*.wild.net",
    "*.com",
    "foo.test",
    "localhost",
    "192.0.2.1",
)
NAMES = st.sampled_from(PLAIN)
HOSTILE = st.one_of(
    st.sampled_from(
        [
            "A.COM.",
            " b.com",
            "bücher.de",
            "BÜCHER.DE",
            "a_b.com",
            "",
            ".",
            "*.*.net",
            "a.com:80",
            "x" * 300,
            "\x1b[2J.com",
        ]
    ),
    st.text(max_size=12),
)
ROW_NAMES = st.one_of(NAMES, NAMES, HOSTILE)
TIMES = st.one_of(
    st.sampled_from([NOW, NOW - 299, NOW - 300, NOW - HOUR, NOW - DAY, NOW - DAY + 1, NOW - WEEK, NOW + HOUR]),
    st.floats(NOW - 2 * WEEK, NOW + DAY),
)
ORIGINS = st.sampled_from(Origin)
PHASES = st.sampled_from([AliasPhase.ADDING, AliasPhase.UNCONFIRMED, AliasPhase.REMOVING])


def subsets(most: int = 6) -> st.SearchStrategy[frozenset[str]]:
    """Generate sets of domains."""
    return st.frozensets(NAMES, max_size=most)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Generate snapshots as `wp` may return them."""
    sites = [
        a_site(n, draw(st.one_of(NAMES, HOSTILE)), draw(st.sampled_from([1, 1, 2])))
        for n in draw(st.sets(st.integers(2, 4)))
    ]
    rows: list[Mapping] = [
        a_row(name, draw(st.integers(1, 6)), number)
        for number, name in enumerate(draw(st.lists(ROW_NAMES, max_size=8)))
    ]
    faults = draw(st.sampled_from([(), (), (), ("2 of 3 mappings were read",)]))
    return a_snapshot(*rows, sites=sites, www=draw(st.sampled_from(WwwPolicy)), faults=faults)


@st.composite
def lists(draw: st.DrawFn) -> Observed:
    """Generate lists as Closte may return them."""
    state = draw(st.sampled_from([*Completeness, Completeness.COMPLETE]))
    names = draw(subsets(12)) | {MAIN}
    readable = state is not Completeness.UNREADABLE
    paged = state is Completeness.PARTIAL and draw(st.booleans())
    lost = draw(subsets()) - names if state is Completeness.PARTIAL and not paged else frozenset()
    return Observed(state, names if readable else frozenset(), "some reason", paged=paged, lost=lost)


def origins_of(names: frozenset[str]) -> st.SearchStrategy[dict[str, Origin]]:
    """Generate an origin for each domain; only `www.` domains can have the origin WWW."""
    return st.fixed_dictionaries(
        {n: ORIGINS if n.startswith("www.") else ORIGINS.filter(lambda o: o is not Origin.WWW) for n in sorted(names)}
    )


@st.composite
def ledgers(draw: st.DrawFn) -> LedgerState:
    """Generate states of the ledger."""
    managed = draw(subsets(12).flatmap(origins_of))
    open_ = {name: origin for name, origin in draw(subsets(4).flatmap(origins_of)).items() if name not in managed}
    return LedgerState(
        managed={name: int(origin) for name, origin in managed.items()},
        unsettled={n: Unsettled(draw(PHASES), o, draw(TIMES), draw(st.booleans())) for n, o in open_.items()},
        absences={n: Absence(draw(TIMES), draw(st.integers(1, 5)), draw(TIMES)) for n in draw(subsets())},
        evidence={n: Evidence(EventKind.REMOVED, draw(TIMES)) for n in draw(subsets())},
        failed_changes={
            n: FailedChange(
                1, draw(TIMES), draw(st.booleans()), "No.", NOW, draw(st.sampled_from(["", "add", "remove"]))
            )
            for n in draw(subsets())
        },
        pins=draw(subsets(3)),
        leaving=draw(subsets(3)),
        former_domains=draw(st.sampled_from([frozenset(), frozenset({"former.org"})])),
        removals=tuple(
            draw(st.lists(st.tuples(st.sampled_from(RemovalClass), TIMES.filter(lambda t: t > NOW - DAY)), max_size=4))
        ),
        added_per_registered=draw(st.dictionaries(st.sampled_from(["a.com", "wild.net"]), st.integers(0, 50))),
        added_this_week=draw(subsets(3)),
        added_lately=draw(subsets(3)),
        removed_lately=draw(subsets(3)),
        pointing_www=frozenset(n for n in draw(subsets(3)) if n.startswith("www.")),
        clock_jumped=draw(st.sampled_from([False, False, True])),
    )


def policy() -> st.SearchStrategy[DomainPolicy]:
    """Generate policies of the config."""
    return st.builds(
        DomainPolicy,
        wildcard=st.booleans(),
        wildcards=st.lists(st.sampled_from(["*.wild.net", "*.com", "*.former.org"]), unique=True, max_size=2).map(
            tuple
        ),
        keep=st.lists(NAMES, unique=True, max_size=2).map(tuple),
        removal_delay=st.sampled_from([0.0, 300.0]),
        removal_grace=st.sampled_from([0.0, DAY]),
        certificate_budget=st.sampled_from([1, 40]),
    )


STANDINGS = st.sampled_from([Authority(Mode.FULL), Authority(Mode.FULL), Authority(Mode.ADD_ONLY, "moved", "moved")])
