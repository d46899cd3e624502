"""A WordPress network that lives in memory: what `wp` would read of it, and how it changes."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from closte_bridge.domains import normalise, wildcard_over
from closte_bridge.errors import UnreadableError
from closte_bridge.wordpress.snapshot import Event, WwwPolicy
from tests.support.check_states import MAIN, a_row, a_site, a_snapshot

if TYPE_CHECKING:
    from closte_bridge.planning.desired import DomainPolicy
    from closte_bridge.wordpress.snapshot import Mapping, Owner, Site, Snapshot

NEW_MAIN = "www.renamed.org"


def normal(raw: str) -> str | None:
    """Return the one spelling of a name, or None when it is none."""
    try:
        return normalise(raw)
    except ValueError:
        return None


@dataclass
class Rows:
    """What a backup of the database holds."""

    sites: dict[int, Site]
    mappings: list[Mapping]
    events: list[Event]
    owner: Owner | None
    highest_site: int
    highest_mapping: int
    reports: int = 0


@dataclass
class WordPress:
    """The database of one installation with two networks; ours is network 1."""

    domain: str = MAIN
    rows: Rows = field(default_factory=lambda: Rows({1: a_site(1, MAIN)}, [], [], None, 1, 0))
    backup: Rows | None = None
    marks: int = 0

    def create_site(self, domain: str, network: int = 1) -> int:
        """Make a site, as `wp site create` does without a domain record."""
        self.rows.highest_site += 1
        site = self.rows.highest_site
        self.rows.sites[site] = a_site(site, domain, network)
        return site

    def delete_site(self, site: int, *, tell: bool) -> None:
        """Delete a site: its mappings stay behind."""
        del self.rows.sites[site]
        names = [row.domain for row in self.rows.mappings if row.blog_id == site]
        if tell:
            self.note("site_deleted", site, "", {"domains": names})

    def hide_site(self, site: int, flag: str) -> None:
        """Archive a site or mark it as spam: its names stay wanted."""
        flags: dict[str, Any] = {flag: True}
        self.rows.sites[site] = self.rows.sites[site]._replace(**flags)

    def add(self, site: int, domain: str, *, tell: bool = False) -> None:
        """Map a domain, in whatever spelling; `tell`: the shim leaves an event."""
        self.rows.highest_mapping += 1
        self.rows.mappings.append(a_row(domain, site, self.rows.highest_mapping, stage="checking-dns"))
        if tell:
            self.note("mapping_added", site, domain)

    def remove(self, index: int, *, tell: bool) -> None:
        """Delete a mapping; `tell`: the shim leaves an event."""
        row = self.rows.mappings.pop(index)
        if tell:
            self.note("mapping_removed", row.blog_id, row.domain)

    def rename(self, index: int, domain: str, *, tell: bool) -> None:
        """Give a mapping another domain."""
        row = self.rows.mappings[index]
        self.rows.mappings[index] = row._replace(domain=domain)
        if tell:
            self.note("mapping_renamed", row.blog_id, domain, {"from": row.domain, "to": domain})

    def note(self, kind: str, site: int, domain: str, detail: object = None) -> None:
        """Leave an event, as the shim does."""
        self.marks += 1
        text = json.dumps(detail) if detail is not None else ""
        self.rows.events.append(Event(f"event-{self.marks}", 0, kind, site, domain, text))

    def back_up(self) -> None:
        """Keep a copy of the database."""
        self.backup = copy.deepcopy(self.rows)

    def restore(self) -> None:
        """Go back to the copy; its counters go back too."""
        if self.backup is not None:
            self.rows = copy.deepcopy(self.backup)

    def snapshot(self, mode: str) -> Snapshot:
        """Return what `wp` reads; `mode` is `ok`, `partial` (some rows are missing) or `unreadable`."""
        if mode == "unreadable":
            raise UnreadableError("The snapshot could not be read.", code="wp-failed")
        whole = mode == "ok"
        rows = self.rows
        return replace(
            a_snapshot(
                *(m for m in rows.mappings if whole or m.id % 2),
                www=WwwPolicy.ALWAYS,
                faults=() if whole else ("some rows were not read",),
                events=rows.events,
                network={"domain": self.domain, "root": "/nonexistent/html/"},
                highest=(rows.highest_site, rows.highest_mapping),
            ),
            owner=rows.owner,
            reports=("count", rows.reports) if rows.reports else None,
            sites={n: s for n, s in rows.sites.items() if whole or n % 2},
        )


def mentions(snapshot: Snapshot, policy: DomainPolicy, pins: set[str], wildcards: set[str], name: str) -> str | None:
    """Say what mentions `name`, in the words of the design and none of the planner's (`wildcards`: ours at Closte)."""
    mapped = {normal(row.domain) for row in snapshot.mappings}
    configured = set(policy.wildcards) | ({f"*.{snapshot.network.domain}"} if policy.wildcard else set())
    covering = {w for w in configured | pins | wildcards if w.startswith("*.")}
    for what, there in (
        ("a row", name in mapped),
        ("the row of its name without www.", name.startswith("www.") and name[4:] in mapped),
        ("the row of its name with www.", f"www.{name}" in mapped),
        ("a site", name in {normal(site.domain) for site in snapshot.sites.values()}),
        ("the config", name in configured),
        ("keep", any(name == k or (k.startswith("*.") and name.endswith(k[1:])) for k in policy.keep)),
        ("a pin", name in pins),
        ("a wildcard", not name.startswith("*.") and wildcard_over(name) in covering),
    ):
        if there:
            return what
    return None
