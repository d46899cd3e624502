"""WordPress network in memory: its changes, and the snapshots that `wp` would read."""

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
    """Return the normal form of a domain, or None if it is invalid."""
    try:
        return normalise(raw)
    except ValueError:
        return None


@dataclass
class Rows:
    """Contents of a backup of the database."""

    sites: dict[int, Site]
    mappings: list[Mapping]
    events: list[Event]
    owner: Owner | None
    highest_site: int
    highest_mapping: int
    reports: int = 0


@dataclass
class WordPress:
    """Database of one installation with two networks; closte-bridge manages network 1."""

    domain: str = MAIN
    rows: Rows = field(default_factory=lambda: Rows({1: a_site(1, MAIN)}, [], [], None, 1, 0))
    backup: Rows | None = None
    marks: int = 0

    def create_site(self, domain: str, network: int = 1) -> int:
        """Create a site without a domain record, like `wp site create`."""
        self.rows.highest_site += 1
        site = self.rows.highest_site
        self.rows.sites[site] = a_site(site, domain, network)
        return site

    def delete_site(self, site: int, *, tell: bool) -> None:
        """Delete a site and keep its mappings."""
        del self.rows.sites[site]
        names = [row.domain for row in self.rows.mappings if row.blog_id == site]
        if tell:
            self.note("site_deleted", site, "", {"domains": names})

    def hide_site(self, site: int, flag: str) -> None:
        """Archive a site or mark it as spam: its domains stay wanted."""
        flags: dict[str, Any] = {flag: True}
        self.rows.sites[site] = self.rows.sites[site]._replace(**flags)

    def add(self, site: int, domain: str, *, tell: bool = False) -> None:
        """Map a domain in any spelling; `tell`: the shim records an event."""
        self.rows.highest_mapping += 1
        self.rows.mappings.append(a_row(domain, site, self.rows.highest_mapping, stage="checking-dns"))
        if tell:
            self.note("mapping_added", site, domain)

    def remove(self, index: int, *, tell: bool) -> None:
        """Delete a mapping; `tell`: the shim records an event."""
        row = self.rows.mappings.pop(index)
        if tell:
            self.note("mapping_removed", row.blog_id, row.domain)

    def rename(self, index: int, domain: str, *, tell: bool) -> None:
        """Change the domain of a mapping."""
        row = self.rows.mappings[index]
        self.rows.mappings[index] = row._replace(domain=domain)
        if tell:
            self.note("mapping_renamed", row.blog_id, domain, {"from": row.domain, "to": domain})

    def note(self, kind: str, site: int, domain: str, detail: object = None) -> None:
        """Record an event like the shim."""
        self.marks += 1
        text = json.dumps(detail) if detail is not None else ""
        self.rows.events.append(Event(f"event-{self.marks}", 0, kind, site, domain, text))

    def back_up(self) -> None:
        """Keep a copy of the database."""
        self.backup = copy.deepcopy(self.rows)

    def restore(self) -> None:
        """Restore the copy, including its counters."""
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
    """Return what mentions `name`, by the documented rules and without the planner's code; `wildcards` are managed."""
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
