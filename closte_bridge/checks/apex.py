"""How DNS providers point the root of a domain to a name, where DNS itself allows no CNAME record."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class ApexWay(NamedTuple):
    """The record `type` that a DNS provider accepts there. `CNAME`: it is flattened to addresses."""

    provider: str
    type: str


# By the suffix of the nameservers. Not here: Amazon Route 53 and Azure DNS, whose aliases point only to their own
# services, and providers such as deSEC without such a record.
_WAYS = {
    "ns.cloudflare.com": ApexWay("Cloudflare", "CNAME"),
    "cloudns.net": ApexWay("ClouDNS", "ALIAS"),
    "constellix.com": ApexWay("Constellix", "ANAME"),
    "constellix.net": ApexWay("Constellix", "ANAME"),
    "dnsmadeeasy.com": ApexWay("DNS Made Easy", "ANAME"),
    "dnsimple.com": ApexWay("DNSimple", "ALIAS"),
    "dnsimple-edge.net": ApexWay("DNSimple", "ALIAS"),
    "dnsimple-edge.org": ApexWay("DNSimple", "ALIAS"),
    "easydns.com": ApexWay("easyDNS", "ANAME"),
    "easydns.net": ApexWay("easyDNS", "ANAME"),
    "easydns.org": ApexWay("easyDNS", "ANAME"),
    "gandi.net": ApexWay("Gandi", "ALIAS"),
    "name.com": ApexWay("Name.com", "ANAME"),
    "nsone.net": ApexWay("NS1", "ALIAS"),
    "porkbun.com": ApexWay("Porkbun", "ALIAS"),
    "registrar-servers.com": ApexWay("Namecheap", "ALIAS"),
}


def apex_way(nameservers: Sequence[str]) -> ApexWay | None:
    """Return the way of the provider that all nameservers belong to, or None."""
    ways = {_of(name) for name in nameservers}
    return ways.pop() if len(ways) == 1 else None


def _of(nameserver: str) -> ApexWay | None:
    return next((way for suffix, way in _WAYS.items() if nameserver.endswith(f".{suffix}")), None)
