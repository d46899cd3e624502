"""The ways in which the world goes wrong. Each prepares its fault, runs the engine in it, judges, and cleans up."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from closte_bridge.sandbox.faults import FaultKind
from tests.proof.invariants import HOUR
from tests.support.bridge import delete_mappings
from tests.support.life import HERE, STRANGER
from tests.support.wordpress import TABLE, copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.proof.campaign import Campaign

SYNC = ("sync", "--format=json")
# A huge answer takes seconds each time, "mixed" is any of the others, and plain strings are the list as it should be.
_OTHER = {FaultKind.HUGE, FaultKind.MIXED, FaultKind.LIST_STRINGS, FaultKind.SLOW}
KINDS_OF_CLOSTE = sorted((kind.value for kind in FaultKind if kind not in _OTHER), key=str)
MODES_OF_WP = ("noisy", "slow", "cut", "torn", "mute", "dead", "fatal", "killed")


def closte_fails(campaign: Campaign) -> None:
    """Closte answers wrongly, late, twice, half or not at all."""
    chance, sandbox = campaign.chance, campaign.world.sandbox
    kinds = chance.sample(KINDS_OF_CLOSTE, 3)
    lists = [kind for kind in kinds if kind.startswith("list-")]
    faults = [f"{kind}:{chance.choice((0.3, 0.6)) if kind not in lists else 0.7}" for kind in kinds]
    sandbox.set_faults(*faults, "huge:0.02", seed=chance.randrange(10**6))
    for kind in kinds:
        campaign.count(f"Closte: {kind}")
    campaign.run(SYNC)
    campaign.pass_time(20 * 60)
    campaign.run((*SYNC, "--retry"))
    sandbox.set_faults()


def closte_refuses_the_key(campaign: Campaign) -> None:
    """Closte takes no key for a while."""
    api = campaign.world.sandbox.api
    takes = api.takes
    setattr(api, "takes", lambda _: False)  # noqa: B010 - a type checker need not follow this
    campaign.count("Closte: key refused")
    campaign.run(SYNC)
    setattr(api, "takes", takes)  # noqa: B010 - likewise


def wp_fails(campaign: Campaign) -> None:
    """`wp` is noisy, slow, cut off or dead, in any of its calls."""
    chance = campaign.chance
    modes = [chance.choice(MODES_OF_WP) if chance.random() < 0.7 else "well" for _ in range(4)]
    if modes[0] not in {"noisy", "slow", "well"} and chance.random() < 0.5:
        modes[0] = "noisy"  # otherwise the later calls are rarely reached
    for mode in modes[:2]:
        if mode != "well":
            campaign.count(f"wp: {mode}")
    campaign.world.misbehave(*modes)
    campaign.run(SYNC)
    campaign.run(SYNC)
    campaign.world.misbehave()


def wp_hangs(campaign: Campaign) -> None:
    """`wp` never answers."""
    settings = campaign.world.settings["wp"]
    campaign.world.write_config(wp={**settings, "timeout": 1})
    campaign.world.misbehave(*campaign.chance.choice((("hang",), ("well", "hang"))))
    campaign.count("wp: hangs")
    campaign.run(SYNC)
    campaign.world.misbehave()
    campaign.world.write_config(wp=settings)


def the_database_is_away(campaign: Campaign) -> None:
    """WordPress finds no database, or an empty one."""
    database = campaign.world.database
    kept = database.with_name("kept")
    campaign.world.back_up(kept)
    database.write_bytes(b"")
    campaign.count("database: empty")
    campaign.run(SYNC, look=False)
    campaign.world.put_back(kept)
    kept.unlink()
    campaign.watcher.check([])


def names_and_certificates_flap(campaign: Campaign) -> None:
    """DNS leads elsewhere, nowhere, or here again; certificates come and go."""
    world, chance = campaign.world, campaign.chance
    if world.names is None or world.certificates is None:
        return
    served = sorted(name for name in world.rows() if name.endswith((".example.org", ".example.com")))
    world.with_checks(on=True)
    for _ in range(2):
        world.names.point(**{name: chance.choice((HERE, HERE, STRANGER, None)) for name in served})
        for name in chance.sample(served, min(6, len(served))):
            if name in campaign.certified and chance.random() < 0.5:
                world.certificates.withdraw(name)
                campaign.certified.discard(name)
                campaign.count("TLS: certificate withdrawn")
            elif name not in campaign.certified:
                world.certificates.issue(name)
                campaign.certified.add(name)
                campaign.count("TLS: certificate issued late")
        campaign.count("DNS: records flap")
        campaign.run(SYNC)
        campaign.pass_time(HOUR)
    world.with_checks(on=False)


def killed(campaign: Campaign) -> None:
    """The engine is killed with SIGKILL at a random moment, two or three times in a row."""
    sandbox = campaign.world.sandbox
    usual = sandbox.behaviour
    # Closte takes its time, so that a kill often strikes between a request and its answer.
    sandbox.behaviour = replace(usual, latency=0.15)
    for _ in range(campaign.chance.choice((2, 3))):
        moment = campaign.chance.uniform(0.1, 1.0) * campaign.usual_seconds
        (ran,) = campaign.run((*SYNC, "--retry"), kill_after=moment)
        campaign.count("engine: killed (-9)" if ran.status == -9 else "engine: kill came too late")
        if campaign.chance.random() < 0.4:
            campaign.story(sites=False)
    sandbox.behaviour = usual


def two_at_once(campaign: Campaign) -> None:
    """Two engines with the same ledger start at the same moment, while WordPress changes."""
    orders = [campaign.world.order(*SYNC) for _ in range(2)]
    campaign.count("engine: two at once")
    campaign.run_orders(orders)


def the_disk_is_full(campaign: Campaign) -> None:
    """There is little or no room in the state folder, or a quota cuts each write."""
    world, chance = campaign.world, campaign.chance
    room = chance.choice((0, 8, 48, 160))
    if world.on_small_disk and chance.random() < 0.7:
        ballast = world.folder / "disk" / "ballast"
        _fill(ballast, room)
        campaign.count("disk: full")
        campaign.run((*SYNC, "--retry"))
        ballast.unlink()
    else:
        campaign.count("disk: quota")
        campaign.run((*SYNC, "--retry"), fsize=room * 1024)
    campaign.run(SYNC)


def _fill(ballast: Path, leave_kib: int) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave_kib * 1024))


def the_clock_jumps(campaign: Campaign) -> None:
    """Somebody sets the clock, hours or days forwards or backwards, and back again."""
    campaign.world.jump = campaign.chance.choice((-48, -3, 2, 26, 72)) * HOUR
    campaign.count("clock: set forwards" if campaign.world.jump > 0 else "clock: set backwards")
    campaign.run(SYNC)
    campaign.pass_time(600)
    campaign.run(SYNC)
    campaign.world.jump = 0.0
    campaign.run(SYNC)


def the_database_goes_back(campaign: Campaign) -> None:
    """Somebody restores an older copy of the database; sometimes the person then adopts anew."""
    if not campaign.backups:
        return
    source = campaign.chance.choice(campaign.backups)
    campaign.count("database: restored from earlier")
    campaign.watcher.look()
    campaign.watcher.forget_events_before()
    campaign.world.put_back(source)
    campaign.watcher.look()
    campaign.restored = True
    campaign.run(SYNC)
    if campaign.chance.random() < 0.5:
        campaign.story()
        campaign.adopt_anew()
    campaign.run(SYNC)


def an_import_is_half_done(campaign: Campaign) -> None:
    """A part of the mappings is missing for a while, and comes back."""
    multisite, chance, watcher = campaign.world.multisite, campaign.chance, campaign.watcher
    watcher.check([])
    where = chance.choice(("id % 2 = 0", "id % 3 > 0", "id > (SELECT max(id) / 2 FROM wp_wu_domain_mappings)", "1"))
    watcher.spared = set(watcher.mentioned)
    with closing(sqlite3.connect(campaign.world.database)) as database:
        names = [str(name) for (name,) in database.execute(f"SELECT domain FROM {TABLE} WHERE {where}")]
        columns = [str(row[1]) for row in database.execute(f"PRAGMA table_info({TABLE})")]
        rows = database.execute(f"SELECT * FROM {TABLE} WHERE {where}").fetchall()
    delete_mappings(multisite, names)
    campaign.count("import: half done")
    for _ in range(chance.choice((1, 4))):
        campaign.run(SYNC)
        campaign.pass_time(9 * HOUR)
    with closing(sqlite3.connect(campaign.world.database)) as database, database:
        # The engine may have made some records anew meanwhile; those are the same names.
        there = {str(name) for (name,) in database.execute(f"SELECT domain FROM {TABLE}")}
        at = columns.index("domain")
        marks = ", ".join("?" * len(columns))
        fresh = [row for row in rows if row[at] not in there]
        database.executemany(f"INSERT OR REPLACE INTO {TABLE} ({', '.join(columns)}) VALUES ({marks})", fresh)
    watcher.check([])
    watcher.spared = set()
    campaign.run(SYNC)


def the_config_vanishes(campaign: Campaign) -> None:
    """The config file is gone: named and not found, or not even named, so that defaults would hold."""
    world = campaign.world
    kept = world.config.rename(world.config.with_suffix(".kept"))
    campaign.count("config: vanished")
    named, unnamed = world.order(*SYNC), world.order(*SYNC, f"--path={world.multisite.path}", "--allow-root")
    env = unnamed["env"]
    del env["CLOSTE_BRIDGE_CONFIG"]
    # The same ledger and the same `wp`; Closte's own address leads into a dead end on this machine.
    env |= {"STATE_DIRECTORY": str(world.state), "https_proxy": "http://127.0.0.1:9"}
    env |= {"PATH": f"{world.folder / 'bin'}:{env['PATH']}", "CLOSTE_BRIDGE_API_KEY_FILE": str(world.folder / "key")}
    for order in (named, unnamed):
        (ran,) = campaign.run_orders([order], changes_nothing=True)
        campaign.require(ran.status not in {0, 3, 4}, f"Without its config it ended with {ran.status}.")
    kept.rename(world.config)


def a_copy_wakes_up(campaign: Campaign) -> None:
    """A copy of the network starts an engine with the real key: database only, with files, or with the ledger."""
    world, chance = campaign.world, campaign.chance
    kind = chance.choice(("database only", "database and files", "everything"))
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
    settings = world.engine_settings(state) | {"wp": world.wrapped(site, folder / "bin")}
    config = folder / "config.yaml"
    config.write_text(json.dumps(settings))
    # The copy goes its own way, so that there would be something to do.
    domains = sorted(site.domains())
    delete_mappings(site, chance.sample(domains, len(domains) // 3))
    site.add_mappings_sql((f"copy{campaign.copies}-{n}.customer.org", 1) for n in range(3))
    campaign.count(f"copy: {kind}")
    later = world.later
    for passed in (0.0, 26 * HOUR):
        for argv in (SYNC, ("domain", "add", "pin.copy.org", "--format=json"), ("adopt", "--yes", "--format=json")):
            if argv[0] == "adopt" and kind == "everything":
                continue  # that would be a person who binds the copy on purpose
            order = world.order(*argv, config=config, later=later + passed)
            (ran,) = campaign.run_orders([order], changes_nothing=True)
            campaign.require(ran.status in {1, 5, 7}, f"A copy ({kind}) ended with {ran.status}: {ran.stdout[-800:]}")
    shutil.rmtree(folder)


def the_ledger_is_copied(campaign: Campaign) -> None:
    """The same network has a second engine with a copy of the ledger in another folder: it may add, never remove."""
    world = campaign.world
    campaign.copies += 1
    state = world.folder / f"ledger{campaign.copies}"
    shutil.copytree(world.state, state)
    config = world.folder / "second.yaml"
    config.write_text(json.dumps(world.settings | {"state_dir": str(state)}))
    campaign.count("copy: ledger alone")
    campaign.run_orders([world.order(*SYNC, config=config, later=world.later + 26 * HOUR)], no_removals=True)
    # What it added, its own log explains.
    (ran,) = campaign.run_orders([world.order("log", "--limit=100000", "--format=json", config=config)])
    campaign.other_logs += json.loads(ran.stdout)["data"]
    shutil.rmtree(state)


FAULTS: tuple[Callable[[Campaign], None], ...] = (
    closte_fails, closte_fails, closte_refuses_the_key, wp_fails, wp_fails, wp_hangs, the_database_is_away,
    names_and_certificates_flap, killed, killed, two_at_once, the_disk_is_full, the_clock_jumps,
    the_database_goes_back, an_import_is_half_done, the_config_vanishes, a_copy_wakes_up, the_ledger_is_copied,
)  # fmt: skip
