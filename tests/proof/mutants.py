"""Mutants: `python -m tests.proof.mutants` checks that fault injection notices each missing safety rule.

Each mutant changes the process that runs closte-bridge (`tests.proof.driver`) before any command; files stay as they
are. Fault injection then runs with the faults for which the rule matters: an invariant must break. Without a mutant,
closte-bridge passes the same rounds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proof.campaign import Result


@dataclass(frozen=True)
class Mutant:
    """Rule (its number in `docs/architecture.md`), how it is disabled, and the faults for which it matters."""

    rule: int
    what: str
    apply: Callable[[], None]
    faults: tuple[str, ...]


def _put(where: str, value: object) -> None:
    """Replace `module:name` or `module:Class.name`, and the name in every module that imported it."""
    path, _, name = where.partition(":")
    holder: Any = import_module(path)
    *classes, last = name.split(".")
    for one in classes:
        holder = getattr(holder, one)
    before = getattr(holder, last)
    setattr(holder, last, value)
    if not classes:
        for module in [m for n, m in sys.modules.items() if n.startswith("closte_bridge.")]:
            if getattr(module, last, None) is before:
                setattr(module, last, value)


def _putting(where: str, value: object) -> Callable[[], None]:
    return lambda: _put(where, value)


def _any_list_is_whole() -> None:
    from closte_bridge.hosting import Completeness  # noqa: PLC0415 - only in closte-bridge's process
    from closte_bridge.planning.completeness import Observed  # noqa: PLC0415 - same reason

    def judge(listing: Any, main_domain: str, ledger: Any) -> Observed:  # noqa: ANN401 - like the original
        if listing.state is Completeness.UNREADABLE:
            return Observed(Completeness.UNREADABLE, frozenset(), listing.reason)
        return Observed(Completeness.COMPLETE, listing.names)

    _put("closte_bridge.planning.completeness:assess_list", judge)


def _rows_of_gone_sites_do_not_count() -> None:
    from closte_bridge.planning import desired as module  # noqa: PLC0415 - only in closte-bridge's process

    whole = module.desired

    def desired(snapshot: Any, *rest: Any) -> Any:  # noqa: ANN401 - like the original
        rows = [row for row in snapshot.mappings if row.blog_id in snapshot.sites]
        return whole(replace(snapshot, mappings=rows), *rest)

    _put("closte_bridge.planning.desired:desired", desired)


def _whatever_is_there_is_ours() -> None:
    from closte_bridge.ledger.state import Origin  # noqa: PLC0415 - only in closte-bridge's process

    _put(
        "closte_bridge.planning.removals:_managed_on_closte", lambda look: dict.fromkeys(look.observed.names, Origin(1))
    )


def _shorter(**waits: Any) -> Callable[[], None]:  # noqa: ANN401 - the types of the policy's fields
    def apply() -> None:
        from closte_bridge.engine.engine import Engine  # noqa: PLC0415 - only in closte-bridge's process

        policy = Engine.policy
        _put("closte_bridge.engine.engine:Engine.policy", lambda self: replace(policy(self), **waits))

    return apply


def _no_limit(removal_class: str) -> Callable[[], None]:
    def apply() -> None:
        from closte_bridge.ledger.state import RemovalClass  # noqa: PLC0415 - only in closte-bridge's process
        from closte_bridge.planning.removal_limits import LIMITS  # noqa: PLC0415 - same reason

        of = RemovalClass(removal_class)
        LIMITS[of] = LIMITS[of]._replace(floor=10**6, never_all=False)

    return apply


def _no_words(what: str) -> Callable[[], None]:
    """Omit log entries of one kind."""

    def apply() -> None:
        from closte_bridge.ledger import log as ledger_log  # noqa: PLC0415 - only in closte-bridge's process

        append = ledger_log.append
        _put(
            "closte_bridge.ledger.log:append",
            lambda ledger, entries: append(ledger, [e for e in entries if what not in (e.action, e.outcome)]),
        )

    return apply


def _never_again() -> None:
    from closte_bridge.hosting import Action  # noqa: PLC0415 - same reason
    from closte_bridge.planning import additions  # noqa: PLC0415 - only in closte-bridge's process
    from closte_bridge.planning.model import Hold, HoldCode  # noqa: PLC0415 - same reason

    def never(name: str, look: Any) -> Hold | None:  # noqa: ANN401 - like the original
        return Hold(Action.ADD, name, HoldCode.BACK_OFF, "it failed") if name in look.ledger.failed_changes else None

    _put(f"{additions.__name__}:_not_yet", never)


def _anywhere() -> None:
    from closte_bridge.planning import authority  # noqa: PLC0415 - only in closte-bridge's process

    whole = authority.decide_authority

    def judge(snapshot: Any, observed: Any, ledger: Any, here: Any) -> Any:  # noqa: ANN401 - like the original
        return whole(snapshot, observed, replace(ledger, place=here.place), here)

    _put("closte_bridge.planning.authority:decide_authority", judge)


def _config_or_not() -> None:
    from closte_bridge.engine.engine import Engine  # noqa: PLC0415 - only in closte-bridge's process

    whole = Engine.installation
    _put("closte_bridge.engine.engine:Engine.installation", lambda *a: whole(*a)._replace(config_missing=False))


def _events_are_not_kept() -> None:
    from closte_bridge.ledger import events as ledger_events  # noqa: PLC0415 - only in closte-bridge's process

    whole = ledger_events.read_events
    _put("closte_bridge.ledger.events:read_events", lambda events, known: whole(events[:2], known))


def _lists_show_all() -> None:
    def present(observed: Any, ledger: Any) -> Any:  # noqa: ANN401 - like the original
        return observed.names if observed.readable else set(ledger.managed)

    _put("closte_bridge.planning.additions:present_names", present)


def _a_mass_may_be_late() -> None:
    from closte_bridge.planning import additions  # noqa: PLC0415 - only in closte-bridge's process

    whole = additions._not_yet

    def not_yet(name: str, look: Any) -> Any:  # noqa: ANN401 - like the original
        return whole(name, look._replace(observed=replace(look.observed, lost=frozenset())))

    _put(f"{additions.__name__}:_not_yet", not_yet)


def _records_at_once() -> None:
    from closte_bridge.planning import records  # noqa: PLC0415 - only in closte-bridge's process

    _put(f"{records.__name__}:UNSEEN_WAIT", 600.0)
    _put(f"{records.__name__}:MOST_UNSEEN", 200)


def _silence_is_an_answer() -> None:
    from closte_bridge.checks.pool import CheckPool  # noqa: PLC0415 - only in closte-bridge's process

    run = CheckPool.run
    _put("closte_bridge.checks.pool:CheckPool.run", lambda self, *given: run(replace(self, on_silence=None), *given))


_NOTHING = lambda *_, **__: None  # noqa: E731 - the shortest form

MUTANTS: dict[str, Mutant] = {
    "an older database counts": Mutant(
        1, "a database that went back in time is complete",
        _putting("closte_bridge.planning.authority:rollback_sign", _NOTHING),
        ("the_database_goes_back",),
    ),
    "a restore is forgotten": Mutant(
        1, "that the database went back in time is not remembered",
        _putting("closte_bridge.engine.bookkeeping:note_went_back", _NOTHING), ("new_rows_hide_a_restore",),
    ),
    "any list counts": Mutant(
        1, "a list that shrank, or lacks the network's own name, is complete", _any_list_is_whole,
        ("closte_lies",),
    ),
    "silence counts": Mutant(
        1, "what is seen while no resolver answers is remembered", _silence_is_an_answer, ("resolvers_keep_silent",),
    ),
    "rows of gone sites": Mutant(
        2, "a mapping of a site that is gone mentions nothing", _rows_of_gone_sites_do_not_count, ("a_site_goes",),
    ),
    "keep is one label deep": Mutant(
        3, "a wildcard of `keep` keeps only itself",
        _putting("closte_bridge.planning.desired:Desired.keeps", lambda self, name: name in self.kept),
        ("what_is_kept_loses_its_rows",),
    ),
    "one form of its own": Mutant(
        3, "of a main domain with `www.` the bare one is not protected",
        _putting("closte_bridge.planning.removals:protected", lambda *_: None), ("what_is_kept_loses_its_rows",),
    ),
    "only readable rows": Mutant(
        2, "a row that is no host name mentions nothing",
        _putting("closte_bridge.planning.desired:_unreadable", lambda *_: ()), ("what_is_kept_loses_its_rows",),
    ),
    "everything is ours": Mutant(
        3, "an alias that is in no ledger may be removed", _whatever_is_there_is_ours, ("nobody_runs_it",),
    ),
    "no grace": Mutant(
        4, "`removal_grace` is a minute", _shorter(removal_grace=60.0), ("the_clock_jumps",),
    ),
    "two looks": Mutant(
        4, "a name that was missing twice may go", _putting("closte_bridge.planning.removals:ENOUGH_SNAPSHOTS", 2),
        ("nobody_runs_it",),
    ),
    "no delay": Mutant(
        4, "`removal_delay` is nothing", _shorter(removal_delay=0.0), ("mapped_again_at_the_last_moment",),
    ),
    "no limit without events": Mutant(
        4, "any number goes in a day by inference", _no_limit("inference"), ("an_import_is_half_done",),
    ),
    "no limit with events": Mutant(
        4, "any number goes in an hour by events", _no_limit("event"), ("a_plugin_goes_mad",),
    ),
    "approvals make room": Mutant(
        4, "the limit is a share of what there was, and what a person approved does not count",
        _putting("closte_bridge.planning.removal_limits:_perhaps_removed", lambda look, _: -len(look.ledger.removals)),
        ("a_part_is_approved",),
    ),
    "no second look": Mutant(
        4, "the doomed names are not read again",
        _putting("closte_bridge.engine.apply:_still_unneeded", lambda *given: given[1]),
        ("mapped_again_at_the_last_moment",),
    ),
    "late removals": Mutant(
        4, "a removal is sent, or repeated, however long ago WordPress was read",
        _putting("closte_bridge.engine.apply:_FRESH", 1e9), ("a_retry_would_come_late",),
    ),
    "evidence for ever": Mutant(
        4, "evidence holds although something mentioned the name since",
        _putting("closte_bridge.planning.removals:_mentioned_again", lambda _: ()), ("an_import_is_half_done",),
    ),
    "events in no order": Mutant(
        4, "a later event that maps a name does not void an earlier one",
        _putting("closte_bridge.wordpress.events:taken", lambda _: []), ("an_import_is_half_done",),
    ),
    "a steady clock": Mutant(
        4, "a jump of the clock is not noticed", _putting("closte_bridge.engine.clock:Clock.jumped", lambda *_: False),
        ("the_clock_jumps",),
    ),
    "no intents": Mutant(
        5,
        "nothing is written down before a request",
        _putting("closte_bridge.engine.bookkeeping:record_intents", _NOTHING),
        ("killed",),
    ),
    "no word of what a kill left": Mutant(
        5, "what the list shows of a killed run is not logged", _no_words("confirm"), ("killed",),
    ),
    "no word of what is not claimed": Mutant(
        5, "what a blind, killed run asked for is not logged", _no_words("unclaimed"), ("killed_blind",),
    ),
    "no word of removals": Mutant(5, "removals are not logged", _no_words("remove"), ("nobody_runs_it",)),
    "given up": Mutant(5, "what failed once is not tried again", _never_again, ("closte_fails", "closte_fails")),
    "events lost": Mutant(
        5, "only two events of a look are kept", _events_are_not_kept, ("an_import_is_half_done",),
    ),
    "a copy's events": Mutant(
        5, "a copy of the ledger takes events from the first",
        _putting("closte_bridge.engine.snapshots:_to_acknowledge", lambda _, ledger: _acknowledged(ledger)),
        ("the_ledger_is_copied",),
    ),
    "a refused list is a rejected key": Mutant(
        5, "the key is not tried by a change when the list is refused",
        _putting("closte_bridge.closte.client:ClosteClient._with_key_tested", lambda _, listing: listing),
        ("a_firewall_refuses_lists",),
    ),
    "words decide": Mutant(
        5, "what Closte says of a change counts whatever its list shows",
        _putting("closte_bridge.engine.settle:doubted", lambda *_: False), ("domains_of_other_applications",),
    ),
    "no list is late": Mutant(
        5, "what a list does not show a moment after a change is in another application",
        _putting("closte_bridge.engine.settle:perhaps_late", lambda *_: False), ("lists_are_late",),
    ),
    "additions again are new": Mutant(
        5, "what is asked for again costs a new certificate",
        _putting("closte_bridge.engine.bookkeeping:_needs_certificate", lambda *_: True),
        ("lists_empty_and_fill_again",),
    ),
    "a page is the list": Mutant(
        5, "what a paged list does not show is added again", _lists_show_all, ("lists_are_paged",),
    ),
    "no alarm": Mutant(
        5, "the loss of nearly all domains is no news",
        _putting("closte_bridge.engine.run:RunReport.lost", property(lambda _: frozenset())),
        ("closte_loses_nearly_all",),
    ),
    "a mass may be late": Mutant(
        5, "lost domains that were added a moment ago wait for the list", _a_mass_may_be_late,
        ("closte_loses_nearly_all",),
    ),
    "own removals are forgotten": Mutant(
        1, "what a late list still shows of our own removals counts as there",
        _putting("closte_bridge.planning.completeness:count", lambda names, _: len(names)), ("lists_are_late",),
    ),
    "health knows no problems": Mutant(
        5, "`health` is green whatever stands", _putting("closte_bridge.engine.problems:open_problems", lambda _: {}),
        ("domains_of_other_applications",),
    ),
    "any database": Mutant(
        6, "the ledger is bound to nothing", _putting("closte_bridge.planning.authority:_identity", _NOTHING),
        ("copies_wake_up",),
    ),
    "any adoption": Mutant(
        6, "`adopt` takes a network from its owner unasked", _putting("closte_bridge.engine.adopt:_refuse", _NOTHING),
        ("copies_wake_up",),
    ),
    "any folder": Mutant(
        6, "a ledger in another folder may remove", _anywhere, ("the_ledger_is_copied",),
    ),
    "any config": Mutant(
        6, "a config that the ledger knew need not be there", _config_or_not, ("the_config_vanishes",),
    ),
    "no lock": Mutant(
        7, "two runs at a time", _putting("closte_bridge.engine.lock:held", lambda *_: nullcontext()), ("two_at_once",),
    ),
    "records into an import": Mutant(
        9, "a site that no event announced gets its record after ten minutes", _records_at_once,
        ("an_import_comes_in_two_halves",),
    ),
    "endless patience": Mutant(
        7, "a run goes on for as long as answers drip",
        _putting("closte_bridge.closte.rate_limit:Patience.left", property(lambda _: 1e9)), ("closte_drips",),
    ),
    "no toggle": Mutant(
        10, "changes go on with the integration off", _putting("closte_bridge.planning.authority:_inactive", _NOTHING),
        ("the_integration_is_off",),
    ),
}  # fmt: skip


def _acknowledged(ledger: Any) -> list[str]:  # noqa: ANN401 - a ledger
    from closte_bridge.ledger.events import to_acknowledge  # noqa: PLC0415 - only in closte-bridge's process

    return to_acknowledge(ledger)


def mutate(name: str) -> None:
    """Disable the rule in this process."""
    MUTANTS[name].apply()


def hunt(names: list[str], *, seed: int, tries: int, say: Callable[[str], None]) -> dict[str, Result]:
    """Run each mutant until an invariant breaks, with at most `tries` seeds; return its last result."""
    from tests.proof.campaign import campaign  # noqa: PLC0415 - the driver must not import it
    from tests.proof.upheavals import FAULTS  # noqa: PLC0415 - same reason
    from tests.support.parts import find_parts  # noqa: PLC0415 - same reason
    from tests.support.wordpress import build_template, sqlite_database  # noqa: PLC0415 - same reason

    found: dict[str, Result] = {}
    with tempfile.TemporaryDirectory(prefix="cb-") as folder:
        template = build_template(Path(folder, "t"), find_parts(), sqlite_database(Path(folder, "t")))
        for number, name in enumerate(names):
            chosen = [fault for fault in FAULTS if fault.__name__ in MUTANTS[name].faults]
            for again in range(tries):
                where = Path(folder, f"{number}-{again}")
                found[name] = campaign(where, template, seed + again, mappings=60, faults=chosen, mutant=name)
                if found[name].broken:
                    break
            say(f"{name}: {found[name].broken or 'NOT CAUGHT'} ({found[name].seconds:.0f} s)")
    return found


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def main() -> int:
    """Run the mutants; return 1 if one was not noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="which (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tries", type=int, default=3, help="so many seeds for each at most (default: 3)")
    parser.add_argument("--write", action="store_true", help="write the outcome into both pages")
    options = parser.parse_args()
    began = time.monotonic()
    found = hunt(
        options.names or list(MUTANTS),
        seed=options.seed,
        tries=options.tries,
        say=_say,
    )
    if options.write:
        from tests.proof.report import write_mutants  # noqa: PLC0415 - it imports `campaign`

        write_mutants(MUTANTS, found, time.monotonic() - began)
    missed = [name for name, result in found.items() if not result.broken]
    sys.stderr.write(f"{len(found) - len(missed)} of {len(found)} were caught.\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
