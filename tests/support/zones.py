"""DNS zones for tests, with one name per verdict. 127.0.10.1 is the network's address, 203.0.113.9 an unrelated one."""

from __future__ import annotations

NETWORK_A, NETWORK_AAAA = "127.0.10.1", "2001:db8::10"
STRANGER_A, STRANGER_AAAA = "203.0.113.9", "2001:db8::bad"

_NS = "@ NS ns1.test.\n@ NS ns2.test.\n"
_NS1 = "@ NS ns1.test.\n"


def _zone(name: str, records: str, ns: str = _NS) -> str:
    return f"$ORIGIN {name}.\n$TTL 300\n@ SOA ns1.test. hostmaster.test. 1 3600 600 86400 60\n{ns}{records}"


_DELEGATED = (
    "network.test", "four.test", "shop.test", "other.test", "strict.test", "big.test", "partly.test",
)  # fmt: skip

WITH_APEX_CNAME = "apex.test"
SIGNED = ("signed.test", "broken.test")

_TOP = "".join(f"ns{i} A 127.0.53.{i}\n" for i in range(1, 5)) + "".join(
    f"{name.removesuffix('.test')} NS ns1.test.\n{name.removesuffix('.test')} NS ns2.test.\n" for name in _DELEGATED
)
_TOP += "signed NS ns1.test.\nbroken NS ns1.test.\napex NS ns3.test.\nlame NS ns2.test.\nsilent NS ns4.test.\n"
_TOP += "ghost NS ns.nowhere.test.\ncloudy NS ada.ns.cloudflare.com.\n"

_SHOP = f"""
@ A {NETWORK_A}
@ AAAA {NETWORK_AAAA}
www CNAME network.test.
a A {NETWORK_A}
aaaa AAAA {NETWORK_AAAA}
old-aaaa A {NETWORK_A}
old-aaaa AAAA {STRANGER_AAAA}
old-a A {STRANGER_A}
old-a AAAA {NETWORK_AAAA}
elsewhere A {STRANGER_A}
www.elsewhere A {STRANGER_A}
both-elsewhere A {STRANGER_A}
both-elsewhere AAAA {STRANGER_AAAA}
alias CNAME host.other.test.
mixed A {NETWORK_A}
mixed A {STRANGER_A}
mail MX 10 host.other.test.
dangling CNAME nothing.other.test.
loop CNAME pool
pool CNAME loop
*.wild A {NETWORK_A}
*.wrong A {STRANGER_A}
forbidden A {NETWORK_A}
forbidden CAA 0 issue "pki.other.test"
allowed A {NETWORK_A}
allowed CAA 0 issue "pki.other.test"
allowed CAA 0 issue "letsencrypt.org; validationmethods=http-01"
stale A {NETWORK_A}
cdn CNAME cdn.shop.test.cdn.cloudflare.net.
"""

ZONES = {
    "test": _zone("test", _TOP, _NS1),
    "network.test": _zone("network.test", f"@ A {NETWORK_A}\n@ AAAA {NETWORK_AAAA}\n"),
    "four.test": _zone("four.test", f"@ A {NETWORK_A}\nfailing A 127.0.10.9\nelse A 127.0.10.3\n"),
    "shop.test": _zone("shop.test", _SHOP),
    "other.test": _zone("other.test", f"host A {STRANGER_A}\n"),
    "strict.test": _zone("strict.test", f'@ CAA 0 issuewild ";"\n@ CAA 0 issue "letsencrypt.org"\n* A {NETWORK_A}\n'),
    "big.test": _zone("big.test", "".join(f"@ A 192.0.2.{i}\n" for i in range(1, 121))),
    "partly.test": _zone("partly.test", f"@ A {NETWORK_A}\n"),
    "signed.test": _zone("signed.test", f"@ A {NETWORK_A}\n", _NS1),
    "broken.test": _zone("broken.test", f"@ A {NETWORK_A}\n", _NS1),
    WITH_APEX_CNAME: _zone(WITH_APEX_CNAME, "@ CNAME network.test.\n", "@ NS ns3.test.\n"),
    "cloudy.test": _zone("cloudy.test", "@ A 127.0.10.3\ndirect A 127.0.10.4\n", "@ NS ada.ns.cloudflare.com.\n"),
    "cloudflare.com": _zone("cloudflare.com", "ada.ns A 127.0.53.1\n", _NS1),
    "cloudflare.net": _zone("cloudflare.net", "cdn.shop.test.cdn A 127.0.10.3\n", _NS1),
}
_SECOND = {"partly.test": _zone("partly.test", f"@ A {STRANGER_A}\n")}


def hosted_by(address: str) -> dict[str, str]:
    """Return the zones of one of the two Knot servers; the second one only has the delegated zones."""
    if address.endswith(".1"):
        return {name: text for name, text in ZONES.items() if name != WITH_APEX_CNAME}
    return {name: _SECOND.get(name, ZONES[name]) for name in _DELEGATED}
