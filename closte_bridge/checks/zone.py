"""Find the zone of a name, and its nameservers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dns.rdatatype import AAAA, CNAME, NS, SOA, A

from closte_bridge.checks.lookup import SharedLookups
from closte_bridge.checks.wire import Question
from closte_bridge.domains import lies_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from closte_bridge.checks.lookup import Resolvers
    from closte_bridge.checks.message import DnsMessage, ResourceRecord
    from closte_bridge.checks.wire import Endpoint, Wire

_MOST_SERVERS = 8


class Nameserver(NamedTuple):
    """Nameserver with its addresses, IPv4 first. `missing`: DNS has no address for its name."""

    name: str
    addresses: tuple[str, ...]
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Zone:
    """Zone with the nameservers that it is delegated to."""

    apex: str
    servers: tuple[Nameserver, ...]


class _Step(NamedTuple):
    """Result of the resolvers for one name: the apex of its zone, or None."""

    apex: str | None
    is_alias: bool = False


class Zones:
    """Finds zones, and caches them for one pass.

    `route` returns the endpoint of a nameserver's address, `public` whether the address may be contacted.
    """

    def __init__(
        self, wire: Wire, resolvers: Resolvers, route: Callable[[str], Endpoint], public: Callable[[str], bool]
    ) -> None:
        self._wire = wire
        self._resolvers = resolvers
        self._route = route
        self._public = public
        self._steps = SharedLookups(self._step)
        self._servers = SharedLookups(self._delegated)

    async def find(self, name: str) -> Zone | None:
        """Return the zone of `name`, or None if no resolver answers.

        If the resolvers cannot reach a delegated zone, its parent zone is queried for the delegation: the zone has
        nameservers even if they do not answer or are not authoritative.
        """
        stuck = None
        while name:
            step = await self._steps.get(name)
            if step.apex is not None:
                break
            # An alias cannot be an apex, but its parent is in the same zone.
            stuck = stuck if step.is_alias else name
            name = name.partition(".")[2]
        else:
            return None
        zone = Zone(step.apex, await self._servers.get(step.apex))
        return zone if stuck is None else await self._below(zone, stuck)

    async def _step(self, name: str) -> _Step:
        reply = await self._resolvers.first(name, SOA)
        if reply.message is None or not reply.conclusive:
            return _Step(None)
        for record in reply.message.answer:
            if record.kind == SOA and record.owner == name:
                return _Step(name)
            if record.kind == CNAME and record.owner == name:
                return _Step(None, is_alias=True)
        for record in reply.message.authority:
            if record.kind == SOA and lies_in(name, record.owner):
                return _Step(record.owner)
        return _Step(None)

    async def _delegated(self, apex: str) -> tuple[Nameserver, ...]:
        reply = await self._resolvers.first(apex, NS)
        if reply.message is None or not reply.conclusive:
            return ()
        return await self._named(reply.message, _ns_names(reply.message.answer, apex))

    async def _named(self, message: DnsMessage, names: list[str]) -> tuple[Nameserver, ...]:
        glue = _glue(message)

        async def one(name: str) -> Nameserver:
            found = await self._resolvers.addresses.get(name)
            addresses = found.addresses or glue.get(name, ())
            missing = not addresses and found.outcome.conclusive
            return Nameserver(name, tuple(sorted(addresses, key=lambda a: ":" in a)), missing)

        return tuple(await asyncio.gather(*(one(name) for name in names[:_MOST_SERVERS])))

    async def _below(self, above: Zone, stuck: str) -> Zone:
        """Return the zone below `above` that `stuck` is delegated to, else `above`."""
        for server in above.servers:
            for address in filter(self._public, server.addresses[:1]):
                reply = await self._wire.ask(self._route(address), Question(stuck, NS))
                if reply.message is None or reply.message.authoritative:
                    continue
                for record in reply.message.authority:
                    if record.kind == NS and record.owner != above.apex and lies_in(stuck, record.owner):
                        names = _ns_names(reply.message.authority, record.owner)
                        return Zone(record.owner, await self._named(reply.message, names))
        return above


def _ns_names(section: Iterable[ResourceRecord], apex: str) -> list[str]:
    return sorted({record.text for record in section if record.kind == NS and record.owner == apex})


def _glue(message: DnsMessage) -> dict[str, tuple[str, ...]]:
    glue: dict[str, tuple[str, ...]] = {}
    for record in message.additional:
        if record.kind in {A, AAAA}:
            glue[record.owner] = (*glue.get(record.owner, ()), record.text)
    return glue
