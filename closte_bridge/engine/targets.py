"""The site that visitors of each domain should get, from the snapshot."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from closte_bridge.checks.site import SiteTarget
from closte_bridge.domains import WWW, normalise
from closte_bridge.wordpress.stage import INACTIVE

if TYPE_CHECKING:
    from collections.abc import Collection

    from closte_bridge.planning.desired import Desired
    from closte_bridge.wordpress.snapshot import Mapping, Snapshot


class Targets:
    """Finds the target of a domain. `moved` are domains whose stage became "done" after the snapshot."""

    def __init__(self, snapshot: Snapshot, desire: Desired, moved: Collection[str] = ()) -> None:
        self._snapshot = snapshot
        self._desire = desire
        self._moved = moved

    def target(self, name: str) -> SiteTarget | None:
        """Return the target of `name`, or None if WordPress does not serve it.

        A request for such a domain is no use, and makes Ultimate Multisite remember that it does not serve the domain.
        """
        row = self._desire.row_for(name)
        if row and row in self._desire.contested:
            return None
        site = self._desire.mapped[row].blog_id if row else self._owners.get(name)
        if site is None or site not in self._snapshot.sites:
            return None
        own = _host(self._snapshot.sites[site].domain)
        if name != own and not (row and self._served(row)):
            return None
        primary = next((domain for domain, one in self._rows(site) if one.primary and self._served(domain)), own)
        hosts = {form for domain, _ in self._rows(site) for form in _forms(domain)} | {own}
        return SiteTarget(name, site, frozenset(hosts), primary == name, self.owner)

    def owner(self, host: str) -> int | None:
        """Return the ID of the site that serves `host`, or None."""
        row = self._desire.row_for(host)
        return self._desire.mapped[row].blog_id if row else self._owners.get(host)

    def _served(self, domain: str) -> bool:
        """Return whether Ultimate Multisite serves the mapping of this domain."""
        mapping = self._desire.mapped[domain]
        return mapping.active and (mapping.stage not in INACTIVE or domain in self._moved)

    def _rows(self, site: int) -> list[tuple[str, Mapping]]:
        return self._by_site.get(site, [])

    @cached_property
    def _by_site(self) -> dict[int, list[tuple[str, Mapping]]]:
        found: dict[int, list[tuple[str, Mapping]]] = {}
        for domain, mapping in self._desire.mapped.items():
            found.setdefault(mapping.blog_id, []).append((domain, mapping))
        return found

    @cached_property
    def _owners(self) -> dict[str, int]:
        """The sites by their own domain; of the sites that share one, the first."""
        found: dict[str, int] = {}
        for site in self._snapshot.sites.values():
            found.setdefault(_host(site.domain), site.id)
        return found


def _forms(domain: str) -> tuple[str, str]:
    """Return both forms of a domain: Ultimate Multisite finds a site by either."""
    return domain, domain[len(WWW) :] if domain.startswith(WWW) else WWW + domain


def _host(domain: str) -> str:
    host = domain.partition(":")[0]
    try:
        return normalise(host)
    except ValueError:
        return host.lower()
