"""The customer's next step, in one sentence that a support agent can paste into a mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.checks.model import DnsCode, DnsVerdict, TlsCode
from closte_bridge.counts import counted
from closte_bridge.domains import is_wildcard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from closte_bridge.checks.model import AddressVerdict, Expected

_MOST_SHOWN = 4


def listed(items: Sequence[str]) -> str:
    """Return a few of the items with commas, and how many more there are."""
    shown = ", ".join(items[:_MOST_SHOWN])
    return shown if len(items) <= _MOST_SHOWN else f"{shown} and {len(items) - _MOST_SHOWN} more"


def _families(addresses: Sequence[str]) -> tuple[list[str], list[str]]:
    return [a for a in addresses if ":" not in a], [a for a in addresses if ":" in a]


def _target(verdict: DnsVerdict) -> str:
    """Return what to do with which record, for a name that has to point at the network."""
    a, aaaa = _families(verdict.expected)
    steps = []
    if a:
        steps.append(f"A of {verdict.name} at {listed(a)}")
    if aaaa:
        steps.append(f"AAAA at {listed(aaaa)}" if a else f"AAAA of {verdict.name} at {listed(aaaa)}")
    return "Point " + " and ".join(steps)


def _wrong_addresses(verdict: DnsVerdict) -> list[str]:
    return [a for a in verdict.addresses if a not in verdict.expected]


def _elsewhere(verdict: DnsVerdict, expected: Expected) -> str:
    cnames = next((a.cnames for a in verdict.answers if a.cnames), ())
    wrong = listed(_wrong_addresses(verdict))
    if cnames:
        target = expected.names[0] if expected.names else listed(verdict.expected)
        return f"Point {verdict.name} at {target}; its CNAME now leads to {cnames[0]} ({wrong})."
    wanted_a, wanted_aaaa = _families(verdict.expected)
    wrong_a, wrong_aaaa = _families(_wrong_addresses(verdict))
    if wrong_aaaa and not wanted_aaaa and wanted_a:
        return f"Point A of {verdict.name} at {listed(wanted_a)} and remove its AAAA; it now answers {wrong}."
    if wrong_aaaa or not wanted_a:
        return f"{_target(verdict)}; it now answers {wrong}."
    return f"Point A of {verdict.name} at {listed(wanted_a)}; it now answers {listed(wrong_a)}."


def _one_family(verdict: DnsVerdict, _: Expected) -> str:
    wanted = dict(zip(("A", "AAAA"), _families(verdict.expected), strict=True))
    wrong = dict(zip(("A", "AAAA"), _families(_wrong_addresses(verdict)), strict=True))
    for kind, addresses in wrong.items():
        if not addresses:
            continue
        if not wanted[kind]:
            return f"Remove {kind} of {verdict.name}, which answers {listed(addresses)}: the network has none."
        return f"Point {kind} of {verdict.name} at {listed(wanted[kind])}; it now answers {listed(addresses)}."
    return f"Add A of {verdict.name} with {listed(wanted['A'])}: it has AAAA alone, and not every visitor has IPv6."


def _partly(verdict: DnsVerdict, _: Expected) -> str:
    own = [a.server for a in verdict.answers if a.authoritative and a.server in verdict.differing]
    if own:
        return (
            f"Ask whoever runs the DNS of {verdict.zone} to bring its servers in step: "
            f"{listed(own)} still {'answers' if len(own) == 1 else 'answer'} otherwise than the others."
        )
    wait = f" for up to {_span(verdict.ttl)}" if verdict.ttl else ""
    return f"Wait: the change is made, and {listed(verdict.differing)} may keep the old answer{wait}."


def _span(seconds: int) -> str:
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            count = -(-seconds // length)
            return counted(count, unit)
    return counted(seconds, "second")


def _apex(verdict: DnsVerdict, _: Expected) -> str:
    addresses = " and ".join(
        f"{kind} with {listed(found)}"
        for kind, found in zip(("A", "AAAA"), _families(verdict.expected), strict=True)
        if found
    )
    return (
        f"Replace the CNAME of {verdict.name} by {addresses}: "
        "beside the other records that every zone has at its top, a CNAME is not allowed."
    )


def _not_delegated(verdict: DnsVerdict, _: Expected) -> str:
    if verdict.nameservers and any(a.authoritative and not a.outcome.conclusive for a in verdict.answers):
        return (
            f"Enter at the registrar of {verdict.zone} the nameservers that hold its zone: "
            f"the present ones ({listed(verdict.nameservers)}) do not know it."
        )
    return (
        f"Register the domain of {verdict.name}, or have its registrar enter nameservers: "
        f"the zone {verdict.zone or 'above it'} knows nothing of it."
    )


def _add(verdict: DnsVerdict, _: Expected) -> str:
    a, aaaa = _families(verdict.expected)
    records = " and ".join(f"{k} with {listed(v)}" for k, v in (("A", a), ("AAAA", aaaa)) if v)
    missing = "it does not exist" if verdict.code is DnsCode.NXDOMAIN else "it exists but has no address"
    if verdict.code is DnsCode.NO_ADDRESS:
        alias = next((a.cnames[-1] for a in verdict.answers if a.cnames), None)
        missing = f"its CNAME leads to {alias}, which has no address" if alias else missing
    return f"Add {records} for {verdict.name} in the zone {verdict.zone or 'of the domain'}: {missing}."


def _dnssec(verdict: DnsVerdict, _: Expected) -> str:
    return (
        f"Have the DS record of {verdict.zone or verdict.name} at the registrar corrected or removed: "
        "its DNSSEC signatures do not verify, so that many visitors and every certificate authority get no answer."
    )


def _time_out(verdict: DnsVerdict, _: Expected) -> str:
    servers = f" ({listed(verdict.nameservers)})" if verdict.nameservers else ""
    return f"Ask whoever runs the DNS of {verdict.zone or verdict.name} why its nameservers{servers} do not answer."


_DNS: dict[DnsCode, Callable[[DnsVerdict, Expected], str]] = {
    DnsCode.NOT_DELEGATED: _not_delegated,
    DnsCode.NXDOMAIN: _add,
    DnsCode.NO_ADDRESS: _add,
    DnsCode.ELSEWHERE: _elsewhere,
    DnsCode.PARTLY: _partly,
    DnsCode.ONE_FAMILY: _one_family,
    DnsCode.CNAME_AT_APEX: _apex,
    DnsCode.DNSSEC: _dnssec,
    DnsCode.TIMEOUT: _time_out,
}


def for_dns(verdict: DnsVerdict, expected: Expected) -> str:
    """Return the next step for a DNS verdict; empty when there is none, or none for the customer."""
    make = _DNS.get(verdict.code)
    return make(verdict, expected) if make else ""


def for_caa(verdict: DnsVerdict, issuer: str) -> str:
    """Return the next step when CAA forbids the certificate."""
    tag = "issuewild" if is_wildcard(verdict.name) else "issue"
    return (
        f'Add the CAA record 0 {tag} "{issuer}" for {verdict.name.removeprefix("*.")}: '
        f"the present ones ({listed(verdict.caa)}) forbid the certificate."
    )


def _at(verdict: AddressVerdict) -> str:
    return f"[{verdict.address}]" if ":" in verdict.address else verdict.address


def for_tls(name: str, worst: AddressVerdict) -> str:
    """Return the next step for what the worst address showed; empty when all is well."""
    certificate, at = worst.certificate, _at(worst)
    names = listed(certificate.names) if certificate and certificate.names else "no name at all"
    issuer = (certificate.issuer if certificate else "") or "nobody"
    return {
        TlsCode.OK: "",
        TlsCode.NO_LISTENER: f"Check that {name} points at the right server: nothing at {at} accepts HTTPS.",
        TlsCode.TIMEOUT: f"Check that {name} points at the right server: {at} does not answer over HTTPS.",
        TlsCode.WRONG_NAME: (
            f"Check that {name} points at the right server, and have a certificate issued for it: "
            f"the one at {at} is for {names}."
        ),
        TlsCode.SELF_SIGNED: f"Have a certificate issued for {name}: the one at {at} is signed by itself.",
        TlsCode.EXPIRED: f"Have the certificate of {name} renewed: the one at {at} has expired.",
        TlsCode.NOT_YET_VALID: f"Wait, or check the server's clock: the certificate at {at} is not valid yet.",
        TlsCode.UNKNOWN_ISSUER: (
            f"Have a certificate issued for {name} by an authority that browsers know, with its whole chain: "
            f"the one at {at} is from {issuer}."
        ),
        TlsCode.DEFAULT_CERTIFICATE: (
            f"Wait for the certificate of {name}: {at} still shows the host's default one, for {names}."
        ),
        TlsCode.HANDSHAKE_FAILED: f"Check what answers at {at}: it does not complete a TLS handshake for {name}.",
        TlsCode.UNKNOWN: "",
    }[worst.code]
