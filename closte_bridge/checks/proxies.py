"""Detection of a CDN in front of a domain.

This module has no list of address ranges: an outdated list would hide that a domain points elsewhere. The proof is a
valid certificate (`classify.with_tls`), together with the names of a CDN, because a customer's old host may also serve
a valid certificate. If a network uses another CDN, or its main domain is behind one, `dns.targets` must list the CDN's
addresses or CNAME targets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# CNAME targets of CDN customers, without CDNs that also host sites.
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
# Nameservers of CDNs that proxy a zone's own records, without a visible CNAME.
_NAMESERVER_UNDER = {"ns.cloudflare.com": "Cloudflare", "sucuridns.com": "Sucuri"}


def hint(cnames: Iterable[str], nameservers: Iterable[str]) -> str | None:
    """Return the CDN of a chain of CNAMEs or of a zone's nameservers, or None."""
    return _found(cnames, _CNAME_UNDER) or _found(nameservers, _NAMESERVER_UNDER)


def _found(names: Iterable[str], suffixes: dict[str, str]) -> str | None:
    for name in names:
        for suffix, proxy in suffixes.items():
            if name.endswith(f".{suffix}"):
                return proxy
    return None
