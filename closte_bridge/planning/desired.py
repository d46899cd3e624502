"""Desired state: domains needed on Closte, and all references that protect a domain from removal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from closte_bridge.domains import (
    WILDCARD,
    WWW,
    comparable,
    is_main_domain,
    is_normal,
    is_wildcard,
    normalise,
    wildcard_over,
)
from closte_bridge.ledger.state import Origin
from closte_bridge.wordpress.snapshot import WwwPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.wordpress.snapshot import Mapping, Snapshot


@dataclass(frozen=True, slots=True)
class DomainPolicy:
    """Domain settings of the config; all domains normalised."""

    wildcard: bool = False
    wildcards: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    removal_delay: float = 300.0
    removal_grace: float = 86400.0
    certificate_budget: int = 40


@dataclass(frozen=True, slots=True)
class Desired:
    """Domains needed on Closte by origin, and problems of mappings.

    `mapped`: the domains of all mappings, including those of deleted sites and of other networks of the installation.
    An addition also needs a check of the site. `www`: each `www.` form that the network's setting asks for, with its
    base domain. `contested`: domains mapped to several public sites, or to several sites that are all not public.
    `site_domains` and `unreadable` (invalid domains of mappings and sites, as `comparable` spells them) are computed
    on the first call. A wildcard in `kept` keeps all domains below it.
    """

    mapped: dict[str, Mapping]
    www: dict[str, str]
    contested: dict[str, frozenset[int]]
    malformed: tuple[tuple[Mapping, str], ...]
    unreadable: Callable[[], tuple[str, ...]]
    configured: frozenset[str]
    pins: frozenset[str]
    kept: frozenset[str]
    site_domains: Callable[[], frozenset[str]]
    wildcards: frozenset[str]

    def names(self) -> set[str]:
        """Return the domains that mappings, the config and pins ask for."""
        return {*self.mapped, *self.configured, *self.pins}

    def mention(self, name: str) -> str | None:
        """Return what uses `name`, as a noun phrase, or None. Rule 2: a domain in use is never removed."""
        if asked := self.ask(name):
            return asked
        bare = name.removeprefix(WWW)
        # WordPress serves a site under the `www.` form of its domain too.
        if not self.site_domains().isdisjoint({name, bare}):
            return "a site"
        if not is_wildcard(name):
            over = wildcard_over(name)
            if over in self.wildcards:
                return f'the wildcard "{over}"'
        if texts := self.unreadable():
            # A domain with a slash or a port behind it was probably meant as this domain.
            meant = comparable(bare)
            return "a mapping with an invalid domain name" if any(meant in text for text in texts) else None
        return None

    def ask(self, name: str) -> str | None:
        """Return what asks for `name` itself, as a noun phrase, or None. A request for its removal is void then."""
        if row := self.row_for(name):
            return "a mapping" if row == name else f'the mapping of "{row}"'
        if name in self.configured:
            return "the config"
        if name in self.pins:
            return "a pin"
        if self.keeps(name):
            return "`keep` in the config"
        return None

    def keeps(self, name: str) -> bool:
        """Return whether the config's `keep` contains `name` or a wildcard at any level above it."""
        return name in self.kept or any(is_wildcard(kept) and name.endswith(kept[1:]) for kept in self.kept)

    def row_for(self, name: str) -> str | None:
        """Return the domain of the mapping that serves `name`, or None.

        Ultimate Multisite finds a site by both forms, with `www.` and without, whichever the mapping has
        (`get_www_and_nowww_versions` in 2.14.2).
        """
        other = name[len(WWW) :] if name.startswith(WWW) else WWW + name
        return next((form for form in (name, other) if form in self.mapped), None)


def desired(snapshot: Snapshot, policy: DomainPolicy, ledger: LedgerState) -> Desired:
    """Collect everything that WordPress, the config and the pins ask for or use."""
    mapped, contested, malformed = _mapped(snapshot)
    configured = set(policy.wildcards)
    if policy.wildcard:
        configured.add(WILDCARD + snapshot.network.domain)
    return Desired(
        mapped=mapped,
        www=_www_forms(mapped, snapshot),
        contested=contested,
        malformed=tuple(sorted(malformed, key=lambda row: (str(row[0].domain), row[0].id))),
        unreadable=cache(lambda: _unreadable(malformed, snapshot)),
        configured=frozenset(configured),
        pins=ledger.pins,
        kept=frozenset(policy.keep),
        # Rarely needed, and as many as there are sites.
        site_domains=cache(lambda: frozenset(_site_domain(site.domain) for site in snapshot.sites.values())),
        # A managed wildcard counts until it is gone, even if the config no longer asks for it or its last change has
        # no known result.
        wildcards=frozenset(
            {n for n in configured | ledger.pins if is_wildcard(n)}
            | {n for n in mapped if n[0] == "*"}
            | {n for n in ledger.managed if n[0] == "*"}
            | {n for n in ledger.unsettled if n[0] == "*"}
        ),
    )


def _mapped(
    snapshot: Snapshot,
) -> tuple[dict[str, Mapping], dict[str, frozenset[int]], list[tuple[Mapping, str]]]:
    """Return the mapping of each domain, the contested domains, and the mappings with an invalid domain."""
    mapped: dict[str, Mapping] = {}
    claims: dict[str, dict[int, Mapping]] = {}
    malformed: list[tuple[Mapping, str]] = []
    first = mapped.setdefault
    for mapping in snapshot.mappings:
        name = mapping.domain
        # Nearly every domain passes; skipping the call saves time with 100,000 of them.
        if not is_normal(name):
            try:
                name = normalise(name)
            except ValueError as error:
                malformed.append((mapping, str(error)))
                continue
        earlier = first(name, mapping)
        if earlier is not mapping and earlier.blog_id != mapping.blog_id:
            claims.setdefault(name, {earlier.blog_id: earlier})[mapping.blog_id] = mapping
    mapped |= {name: rows[min(rows, key=lambda blog: _rank(blog, snapshot))] for name, rows in claims.items()}
    return mapped, {name: sites for name, rows in claims.items() if (sites := _contesting(rows, snapshot))}, malformed


def _contesting(rows: Iterable[int], snapshot: Snapshot) -> frozenset[int]:
    """Return the sites, of those with a mapping of a domain, that contest it; none or at least two."""
    living = frozenset(rows) & snapshot.sites.keys()
    # Non-public sites do not conflict with public ones.
    sites = frozenset(blog for blog in living if snapshot.sites[blog].public) or living
    return sites if len(sites) > 1 else frozenset()


def _rank(blog: int, snapshot: Snapshot) -> tuple[bool, bool, bool, int]:
    """Return the sort key of a site that claims a domain: public sites of this network first."""
    site = snapshot.sites.get(blog)
    if site is None:
        return True, True, True, blog
    return False, not site.public, site.network_id != snapshot.network.id, blog


def _site_domain(domain: str) -> str:
    """Return a site's domain, normalised; WordPress allows a port and Unicode there."""
    if is_normal(domain):
        return domain
    host = domain.partition(":")[0]
    try:
        return normalise(host)
    except ValueError:
        return host.lower()


def _unreadable(malformed: list[tuple[Mapping, str]], snapshot: Snapshot) -> tuple[str, ...]:
    texts = [row.domain for row, _ in malformed]
    texts += [host for site in snapshot.sites.values() if not (host := _site_domain(site.domain)).isascii()]
    return tuple(map(comparable, texts))


def _www_forms(mapped: dict[str, Mapping], snapshot: Snapshot) -> dict[str, str]:
    """Return the `www.` forms that the network's setting asks for, each with its base domain.

    The network's own subdomains, mappings of deleted sites and `www.` domains get none.
    """
    policy, sites, own = snapshot.settings.www, snapshot.sites, snapshot.network.domain
    if policy is WwwPolicy.NEVER:
        return {}
    never = (WWW, WILDCARD)
    below = "." + own
    every = policy is not WwwPolicy.MAIN_ONLY
    return {
        WWW + name: name
        for name, mapping in mapped.items()
        if not name.startswith(never)
        and not name.endswith(below)
        and name != own
        and mapping.blog_id in sites
        and (every or is_main_domain(name))
    }


def origin_of(name: str, desire: Desired) -> Origin:
    """Return the origin of `name`; the config wins, because its domains are removed only by request."""
    if name in desire.configured:
        return Origin.CONFIG
    if name in desire.pins:
        return Origin.PIN
    if name in desire.mapped:
        return Origin.MAPPING
    return Origin.WWW
