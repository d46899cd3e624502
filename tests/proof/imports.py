"""Faults of slow SQL imports: closte-bridge must not complete what is half imported."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.proof.faults import SYNC
from tests.proof.invariants import HOUR, MINUTE
from tests.support.wordpress import TABLE

if TYPE_CHECKING:
    from tests.proof.campaign import Campaign

_COLUMNS = "id, blog_id, domain, active, primary_domain, secure, stage"
Row = tuple[int, int, str, int, int, int, str]


def an_import_comes_in_two_halves(campaign: Campaign) -> None:
    """Import sites, and later their mappings with the IDs of the dump; closte-bridge runs in between."""
    world, chance = campaign.world, campaign.chance
    campaign.count("import: sites first, their mappings later")
    rows = _import_sites(campaign, chance.choice((3, 12, 20)))
    for minutes in chance.choice(((5, 5, 5), (1, 14), (15, 60, 300), (600, 600))):
        campaign.run(SYNC)
        campaign.pass_time(minutes * MINUTE)
    some = chance.randrange(len(rows))
    for part in (rows[:some], rows[some:]):
        _import_mappings(campaign, part)
        campaign.run(SYNC)
    campaign.pass_time(2 * HOUR)
    campaign.run(SYNC)
    found = {(int(str(r["id"])), str(r["domain"])) for r in world.multisite.sql(f"SELECT id, domain FROM {TABLE}")}
    lost = [row for row in rows if (row[0], row[2]) not in found]
    campaign.require(not lost, f"{len(lost)} of {len(rows)} rows of an import were lost.")
    sites = ", ".join(str(row[1]) for row in rows)
    query = f"SELECT blog_id FROM {TABLE} WHERE blog_id IN ({sites}) AND primary_domain = 1"
    primary = [str(row["blog_id"]) for row in world.multisite.sql(query)]
    twice = sorted({site for site in primary if primary.count(site) > 1})
    campaign.require(not twice, f"These sites have two primary domains: {twice}.")


def _import_sites(campaign: Campaign, count: int) -> list[Row]:
    """Write sites without their mappings; return the mapping rows that follow later."""
    multisite = campaign.world.multisite
    ((site, row),) = _ask(campaign, f"SELECT (SELECT max(blog_id) FROM wp_blogs), (SELECT max(id) FROM {TABLE})")
    rows: list[Row] = []
    for number in range(site + 1, site + 1 + count):
        own = f"imported{number}.{multisite.main_domain}"
        multisite.add_site_sql(number, own)
        for domain, primary in ((own, 1), (f"imported{number}.customer.net", 0)):
            row += 1
            rows.append((row, number, domain, 1, primary, 0, "done"))
    campaign.watcher.check([])
    return rows


def _import_mappings(campaign: Campaign, rows: list[Row]) -> None:
    """Write rows like a client that continues after errors: a row whose ID is already used is lost."""
    with closing(sqlite3.connect(campaign.world.database, timeout=30)) as database, database:
        marks = ", ".join("?" * 7)
        database.executemany(f"INSERT OR IGNORE INTO {TABLE} ({_COLUMNS}) VALUES ({marks})", rows)
    campaign.watcher.check([])


def _ask(campaign: Campaign, query: str) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(campaign.world.database, timeout=30)) as database:
        return [tuple(int(value or 0) for value in row) for row in database.execute(query)]
