"""Faults that change the environment: time, the database, the config, people, and copies of each."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from closte_bridge.ledger.store import FILE_NAME
from tests.proof import faults, imports, lists, removals
from tests.proof.faults import SYNC
from tests.proof.invariants import HOUR, MINUTE
from tests.support.rows import delete_mappings, quoted
from tests.support.wordpress import TABLE, copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.proof.campaign import Campaign


# Time


def the_clock_jumps(campaign: Campaign) -> None:
    """Set the clock hours back or days ahead while a domain is missing; then correct it."""
    campaign.lose()
    campaign.run(SYNC)
    campaign.run(SYNC)
    for jump in campaign.chance.sample((-48, -3, 2, 26, 72), 1) + campaign.chance.sample((26, 72), 1):
        campaign.world.jump = jump * HOUR
        campaign.count("clock: set forwards" if jump > 0 else "clock: set backwards")
        campaign.run(SYNC)
        campaign.pass_time(10 * MINUTE)
        campaign.run(SYNC)
    campaign.world.jump = 0.0
    campaign.run(SYNC)


def nobody_runs_it(campaign: Campaign) -> None:
    """Run nothing for days while a domain is missing: closte-bridge sees that only twice."""
    campaign.lose()
    campaign.run(SYNC)
    campaign.pass_time(campaign.chance.choice((26, 72)) * HOUR)
    campaign.count("engine: not run for days")
    campaign.run(SYNC)


# The network


def _rows(campaign: Campaign, where: str) -> tuple[list[str], Callable[[], None]]:
    """Return the domains of the matching mapping rows, and a function that restores the deleted ones."""
    with closing(sqlite3.connect(campaign.world.database)) as database:
        columns = [str(row[1]) for row in database.execute(f"PRAGMA table_info({TABLE})")]
        rows = database.execute(f"SELECT * FROM {TABLE} WHERE {where}").fetchall()
    at = columns.index("domain")

    def put_back() -> None:
        with closing(sqlite3.connect(campaign.world.database)) as database, database:
            # closte-bridge may have created some domain records again; those have the same domains.
            there = {str(name) for (name,) in database.execute(f"SELECT domain FROM {TABLE}")}
            marks = ", ".join("?" * len(columns))
            fresh = [row for row in rows if row[at] not in there]
            database.executemany(f"INSERT OR REPLACE INTO {TABLE} ({', '.join(columns)}) VALUES ({marks})", fresh)
        campaign.watcher.check([])

    return [str(row[at]) for row in rows], put_back


def _among(names: Sequence[str]) -> str:
    return f"domain IN ({', '.join(map(quoted, names))})"


def an_import_is_half_done(campaign: Campaign) -> None:
    """Delete a part of the mappings for a while, then restore it.

    It includes domains with an earlier removal event that are mapped again: moved to another site, or restored.
    """
    chance, world = campaign.chance, campaign.world
    (back,) = world.stream.mapped(1)
    campaign.run((*SYNC, "--retry"))
    _, undo = _rows(campaign, _among([back]))
    world.stream.tell([{"do": "remove", "domain": back}])
    campaign.watcher.look()
    campaign.run(SYNC)
    undo()
    campaign.run(SYNC)
    moved = [back, *world.stream.moved(2)]
    campaign.watcher.look()
    where = chance.choice(("id % 2 = 0", "id % 3 > 0", "id > (SELECT max(id) / 2 FROM wp_wu_domain_mappings)", "1"))
    names, put_back = _rows(campaign, f"({where}) OR {_among(moved)}")
    campaign.watcher.check([])
    campaign.watcher.spared = set(campaign.watcher.mentioned)
    delete_mappings(campaign.world.multisite, names)
    campaign.count("import: half done")
    for _ in range(4):
        campaign.run(SYNC)
        campaign.pass_time(9 * HOUR)
    put_back()
    campaign.watcher.spared = set()
    campaign.run(SYNC)


def a_site_goes(campaign: Campaign) -> None:
    """Delete the site with the most mappings; its rows stay, and with them its aliases."""
    campaign.world.stream.site_goes()
    campaign.count("WordPress: a site deleted, its rows left")
    campaign.watcher.look()
    for _ in range(4):
        campaign.run(SYNC)
        campaign.pass_time(9 * HOUR)


def a_plugin_goes_mad(campaign: Campaign) -> None:
    """Delete a third of all mappings with hooks; a person restores them within the hour."""
    world = campaign.world
    names = sorted(world.rows() - {world.multisite.main_domain})
    some = campaign.chance.sample(names, min(len(names), max(30, len(names) // 3)))
    campaign.count("plugin: a third of all mappings deleted, with events")
    _, put_back = _rows(campaign, _among(some))
    world.stream.tell([{"do": "remove", "domain": name} for name in some])
    campaign.watcher.look()
    for _ in range(3):
        campaign.run(SYNC)
        campaign.pass_time(10 * MINUTE)
    put_back()
    campaign.run(SYNC)


def mapped_again_at_the_last_moment(campaign: Campaign) -> None:
    """Map a domain again whose removal is due, between the read that found it missing and the removal."""
    world = campaign.world
    (name,) = world.stream.mapped(1)
    campaign.run(SYNC)
    campaign.run((*SYNC, "--retry"))
    world.stream.tell([{"do": "remove", "domain": name}])
    campaign.watcher.look()
    campaign.run(SYNC)
    campaign.pass_time(6 * MINUTE)
    statement = f"INSERT INTO {TABLE} (blog_id, domain, active, primary_domain, secure, stage) "
    world.after_the_first_look(statement + f"VALUES (1, '{name}', 1, 0, 0, 'done')")
    campaign.count("WordPress: a doomed name is mapped again during the run")
    campaign.run(SYNC)
    world.misbehave()


def the_integration_is_off(campaign: Campaign) -> None:
    """Switch the integration off: closte-bridge changes nothing and reports no error."""
    multisite = campaign.world.multisite
    campaign.world.sandbox.set_faults()
    multisite.enable_closte(enabled=False, api_key=None)
    campaign.count("toggle: switched off")
    campaign.story()
    for _ in range(2):
        (ran,) = campaign.run(SYNC, changes_nothing=True)
        campaign.require(ran.status == 0, f"With the integration off it ended with {ran.status}.")
        campaign.pass_time(26 * HOUR)
    multisite.enable_closte(api_key=None)
    campaign.run(SYNC)


def the_database_goes_back(campaign: Campaign) -> None:
    """Restore an older database; days later the right one follows, or a person adopts again."""
    if not campaign.backups:
        return
    world, watcher = campaign.world, campaign.watcher
    campaign.count("database: restored from earlier")
    world.stream.mapped(1)
    watcher.look()
    campaign.run((*SYNC, "--retry"))
    before = set(watcher.mentioned)
    kept = world.folder / "kept.sqlite"
    world.back_up(kept)
    watcher.forget_events_before()
    world.put_back(campaign.chance.choice(campaign.backups))
    watcher.look()
    if campaign.chance.random() < 0.5:
        watcher.spared = before
        for _ in range(4):
            campaign.run(SYNC)
            campaign.pass_time(9 * HOUR)
        world.put_back(kept)
        watcher.check([])
        watcher.spared = set()
        campaign.count("database: and the right one after that")
        # closte-bridge remembers the restore until a person adopts, even if the right database is back.
        campaign.adopt_anew()
    else:
        campaign.restored = True
        campaign.run(SYNC)
        campaign.story()
        campaign.adopt_anew()
    kept.unlink()
    campaign.run(SYNC)


def the_config_vanishes(campaign: Campaign) -> None:
    """Remove the config file: once it is named and missing, once it is not named, so that defaults would apply."""
    world = campaign.world
    kept = world.config.rename(world.config.with_suffix(".kept"))
    books = _books(campaign)
    campaign.count("config: vanished")
    named, unnamed = world.order(*SYNC), world.order(*SYNC, f"--path={world.multisite.path}", "--allow-root")
    env = unnamed["env"]
    del env["CLOSTE_BRIDGE_CONFIG"]
    # The same ledger and `wp`; a dead proxy keeps requests from Closte's real address.
    env |= {"STATE_DIRECTORY": str(world.state), "https_proxy": "http://127.0.0.1:9"}
    env |= {"PATH": f"{world.folder / 'bin'}:{env['PATH']}", "CLOSTE_BRIDGE_API_KEY_FILE": str(world.folder / "key")}
    for order in (named, unnamed):
        (ran,) = campaign.run_orders([order], changes_nothing=True)
        campaign.require(ran.status not in {0, 3, 4}, f"Without its config it ended with {ran.status}.")
        campaign.require(_books(campaign) == books, "Without its config it wrote into its ledger.")
    kept.rename(world.config)


def _books(campaign: Campaign) -> list[list[tuple[object, ...]]]:
    return [campaign.world.ledger(f"SELECT * FROM {table}") for table in ("meta", "aliases", "failed_changes", "log")]


# Copies


def copies_wake_up(campaign: Campaign) -> None:
    """Start copies of the network with the real key: the database only, with the files, with the ledger too."""
    for kind in ("database only", "database and files", "everything"):
        campaign.count(f"copy: {kind}")
        _a_copy(campaign, kind)


def _a_copy(campaign: Campaign, kind: str) -> None:
    world, chance = campaign.world, campaign.chance
    campaign.copies += 1
    folder = world.folder / f"copy{campaign.copies}"
    folder.mkdir()
    site = copy_multisite(campaign.template, folder / "site", sqlite_database(folder / "site"))
    if kind != "database only":
        shutil.rmtree(site.path)
        shutil.copytree(world.multisite.path, site.path, symlinks=True)
    world.back_up(sqlite_database(site.path).path)
    state = folder / "state"
    if kind == "everything":
        shutil.copytree(world.state, state)
        _know_config(state, folder / "config.yaml")
    settings = world.engine_settings(state) | {"wp": world.wrapped(site, folder / "bin")}
    config = folder / "config.yaml"
    config.write_text(json.dumps(settings))
    # The copy changes its mappings, so that a sync would have changes to make.
    domains = sorted(site.domains())
    delete_mappings(site, chance.sample(domains, len(domains) // 3))
    site.add_mappings_sql((f"copy{campaign.copies}-{n}.customer.org", 1) for n in range(3))
    asked: list[Sequence[str]] = [SYNC, SYNC, ("domain", "add", "pin.copy.org", "--format=json")]
    asked.append(("adopt", "--yes", "--format=json"))
    for number, argv in enumerate(asked):
        order = world.order(*argv, config=config, later=world.later + number * 26 * HOUR)
        (ran,) = campaign.run_orders([order], changes_nothing=True)
        campaign.require(ran.status in {1, 5, 7}, f"A copy ({kind}) ended with {ran.status}: {ran.stdout[-800:]}")
    shutil.rmtree(folder)


def _know_config(state: Path, config: Path) -> None:
    """Record the path of the config in a copied ledger, as if the other host used the same path."""
    with closing(sqlite3.connect(state / FILE_NAME)) as connection, connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'config_path'", (str(config),))


def the_ledger_is_copied(campaign: Campaign) -> None:
    """Run a second installation on the same network with a copied ledger: it may add, but never removes.

    Events of that time must still reach the first installation.
    """
    world = campaign.world
    (name,) = world.stream.mapped(1)
    campaign.run((*SYNC, "--retry"))
    world.stream.tell([{"do": "remove", "domain": name}])
    campaign.watcher.look()
    campaign.run(SYNC)
    campaign.copies += 1
    state = world.folder / f"ledger{campaign.copies}"
    shutil.copytree(world.state, state)
    config = world.folder / "second.yaml"
    _know_config(state, config)
    config.write_text(json.dumps(world.settings | {"state_dir": str(state)}))
    campaign.count("copy: ledger alone")
    campaign.story()
    for number in (1, 2):
        order = world.order(*SYNC, config=config, later=world.later + number * 26 * HOUR)
        campaign.run_orders([order], no_removals=True)
    # The second installation's log explains its additions.
    (ran,) = campaign.run_orders([world.order("log", "--limit=100000", "--format=json", config=config)])
    campaign.other_logs += json.loads(ran.stdout)["data"]
    shutil.rmtree(state)


FAULTS: tuple[Callable[[Campaign], None], ...] = (
    faults.closte_fails, faults.closte_fails, faults.closte_lies, faults.closte_refuses_the_key, faults.closte_drips,
    faults.resolvers_keep_silent, faults.signals_come_in_pairs, faults.wp_fails,
    faults.wp_fails, faults.wp_hangs, faults.the_database_is_away, faults.names_and_certificates_flap, faults.killed,
    faults.killed, faults.killed_blind, faults.two_at_once, faults.the_disk_is_full, the_clock_jumps, nobody_runs_it,
    an_import_is_half_done, imports.an_import_comes_in_two_halves, a_site_goes, a_plugin_goes_mad,
    mapped_again_at_the_last_moment, the_integration_is_off,
    the_database_goes_back, the_config_vanishes, copies_wake_up, the_ledger_is_copied,
    removals.a_part_is_approved, removals.what_is_kept_loses_its_rows,
    removals.new_rows_hide_a_restore, removals.a_retry_would_come_late, *lists.FAULTS,
)  # fmt: skip
