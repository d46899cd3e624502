"""Whether a CDN stands in front of a name.

There is no list of address ranges here: such a list rots, and a wrong one would hide that a name leads elsewhere. The
proof is a certificate that verifies (`judge.with_tls`); these few names are only the hint that makes it one, because
a customer's old host serves a valid certificate as well. A network whose CDN is not here, or whose own main domain
is behind one, names the CDN's addresses or its CNAME targets in `dns.targets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Domains that customers of a CDN point a CNAME at. Those of a CDN that is a host as well are left out.
_CNAME_UNDER = {
    "cdn.cloudflare.net": "Cloudflare",
    "cloudfront.net": "Amazon CloudFront",
    "fastly.net": "Fastly",
    "edgekey.net": "Akamai",
    "edgesuite.net": "Akamai",
    "akamaized.net": "Akamai",
    "b-cdn.net": "bunny.net",
    "azurefd.net": "Azure Front Door",
    "impervadns.net": "Imperva",
    "sucuridns.com": "Sucuri",
}
# Nameservers of a CDN that proxies the zone's own records, so that no CNAME shows.
_NAMESERVER_UNDER = {"ns.cloudflare.com": "Cloudflare", "sucuridns.com": "Sucuri"}


def hint(cnames: Iterable[str], nameservers: Iterable[str]) -> str | None:
    """Return the CDN that a chain of CNAMEs or a zone's nameservers belong to, or None."""
    return _found(cnames, _CNAME_UNDER) or _found(nameservers, _NAMESERVER_UNDER)


def _found(names: Iterable[str], suffixes: dict[str, str]) -> str | None:
    for name in names:
        for suffix, proxy in suffixes.items():
            if name.endswith(f".{suffix}"):
                return proxy
    return None
