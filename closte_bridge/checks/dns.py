"""Check where domains point: query the zone's own nameservers and several resolvers, and classify the answers."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from closte_bridge.checks import proxies
from closte_bridge.checks.caa import CaaLookup
from closte_bridge.checks.classify import LookupEvidence, classify, with_caa
from closte_bridge.checks.lookup import Resolvers, ask_authority, combine
from closte_bridge.checks.model import Answer, DnsCode, DnsVerdict, Expected, LookupOutcome
from closte_bridge.checks.wire import Endpoint, Wire
from closte_bridge.checks.zone import Zones
from closte_bridge.domains import is_wildcard

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.checks.zone import Nameserver
    from closte_bridge.config.model import DnsSettings

ISSUER = "letsencrypt.org"
"""The presumed issuer of Closte's certificates: the value that a CAA record must name."""

_TRIED_ADDRESSES = 2
# NAT64's prefix (RFC 6052), its prefix for local use (RFC 8215), and the deprecated IPv4-compatible addresses.
_TRANSLATED = IPv6Network("64:ff9b::/96")
_LOCAL_USE = (IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))


def _port_53(address: str) -> Endpoint:
    return Endpoint(address, 53)


def _globally_reachable(address: str) -> bool:
    found = ip_address(address)
    inner = _inside(found) if isinstance(found, IPv6Address) else None
    if inner is not None:
        return _globally_reachable(str(inner))
    local = isinstance(found, IPv6Address) and (found.is_site_local or any(found in net for net in _LOCAL_USE))
    return found.is_global and not found.is_multicast and not local


def _inside(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that the network translates an IPv6 address to, or None."""
    last = IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address.ipv4_mapped or (last if address in _TRANSLATED else None)


@dataclass(frozen=True, slots=True)
class NetworkBoundary:
    """Hooks for network access. Tests, which run on loopback, pass their own.

    `authority` returns the endpoint of a nameserver's address. `public` returns whether closte-bridge may contact an
    address found in a customer's DNS. Without this limit, a customer could probe the networks behind this machine.
    """

    authority: Callable[[str], Endpoint] = _port_53
    public: Callable[[str], bool] = _globally_reachable


def probe_name(name: str) -> str:
    """Return the name to query: `name` itself, or a random name below a wildcard."""
    return f"cb-{secrets.token_hex(6)}{name[1:]}" if is_wildcard(name) else name


class DnsCheck:
    """Checks many domains in one pass and one event loop, with shared queries."""

    def __init__(self, settings: DnsSettings, *, issuer: str = ISSUER, edges: NetworkBoundary | None = None) -> None:
        self._settings = settings
        self._issuer = issuer
        self._edges = edges or NetworkBoundary()
        self._wire = Wire(timeout=settings.timeout, concurrency=settings.concurrency)
        self._resolvers = Resolvers(
            self._wire, [(str(r), Endpoint(r.address, r.port)) for r in settings.resolvers], settings.timeout
        )
        self._zones = Zones(self._wire, self._resolvers, self._edges.authority, self._edges.public)
        self._caa = CaaLookup(self._resolvers)
        self.uplink = self._resolvers.uplink

    async def expected(self, main_domain: str, public_ip: str | None = None) -> Expected:
        """Return where domains should point: to `dns.targets`, else to `public_ip`, else where `main_domain` points.

        `public_ip` is the address that the host names. The addresses are empty if no resolver could resolve them. They
        are `shared` if `main_domain` is behind a CDN, and always with `dns.targets`, because those may be a CDN's.
        """
        targets = self._settings.targets or (main_domain,)
        addresses = [t for t in targets if _is_address(t)]
        names = [t for t in targets if not _is_address(t)]
        chain: list[str] = []
        for answers in await asyncio.gather(*(self._resolvers.observe(name) for name in names)):
            for answer in answers:
                addresses += answer.addresses
                chain += answer.cnames
        if public_ip and not self._settings.targets:
            if public_ip not in addresses:
                return Expected((public_ip,), ())
            return Expected(_sorted(addresses), tuple(dict.fromkeys(names + chain)))
        if names and not self.uplink.answers:
            # No resolver answers, so further queries are useless.
            return Expected(_sorted(addresses), tuple(names), bool(self._settings.targets))
        shared = bool(self._settings.targets) or await self._behind_cdn(main_domain, chain)
        return Expected(_sorted(addresses), tuple(dict.fromkeys(names + chain)), shared)

    async def _behind_cdn(self, name: str, chain: list[str]) -> bool:
        zone = await self._zones.find(name)
        return proxies.hint(chain, [server.name for server in zone.servers] if zone else []) is not None

    async def check(self, name: str, expected: Expected, *, probe: str | None = None) -> DnsVerdict:
        """Return the verdict on `name`. `probe` is the name to query instead of a wildcard (`probe_name`)."""
        probe = probe or probe_name(name)
        zone, resolved = await asyncio.gather(self._zones.find(name.removeprefix("*.")), self._resolvers.observe(probe))
        own = await asyncio.gather(*(self._query_nameserver(s, probe, zone.apex) for s in zone.servers)) if zone else []
        heard = self._wire.answered > 0
        verdict = classify(LookupEvidence(name, expected, zone, (*own, *resolved), heard))
        if verdict.code is not DnsCode.OK:
            return verdict
        return with_caa(verdict, await self._caa.records(name.removeprefix("*.")), self._issuer)

    async def _query_nameserver(self, server: Nameserver, name: str, apex: str) -> Answer:
        """Query one nameserver; use its second address if the first does not respond."""
        answer = Answer(server.name, True, LookupOutcome.LAME if server.missing else LookupOutcome.TIMEOUT)
        for address in server.addresses[:_TRIED_ADDRESSES]:
            if not self._edges.public(address):
                answer = answer._replace(outcome=LookupOutcome.UNREACHABLE)
                continue
            endpoint = self._edges.authority(address)
            v4, v6 = await ask_authority(self._wire, endpoint, name, apex, self._resolvers)
            answer = combine(server.name, v4, v6, authoritative=True)
            if answer.outcome not in {LookupOutcome.TIMEOUT, LookupOutcome.UNREACHABLE}:
                break
        return answer


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _sorted(addresses: list[str]) -> tuple[str, ...]:
    """Return each address once, in its canonical form: IPv4 first, in numerical order."""
    unique = {ip_address(a) for a in addresses}
    return tuple(str(a) for a in sorted(unique, key=lambda a: (a.version, int(a))))
