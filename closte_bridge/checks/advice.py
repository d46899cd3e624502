"""The customer's next step, in sentences that a support agent can paste into a mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.model import DnsCode, DnsVerdict, HttpCode, TlsCode
from closte_bridge.checks.records import RecordToSet, instruction, listed
from closte_bridge.counts import counted
from closte_bridge.domains import WILDCARD, is_wildcard, registered_domain, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from closte_bridge.checks.model import AddressVerdict, Answer, Expected


class Advice(NamedTuple):
    """The next step, and the records that it asks for."""

    text: str = ""
    records: tuple[RecordToSet, ...] = ()


def _families(addresses: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(a for a in addresses if ":" not in a), tuple(a for a in addresses if ":" in a)


def _deciding(verdict: DnsVerdict) -> list[Answer]:
    """Return the answers of the zone's own nameservers, else those of the resolvers."""
    conclusive = [a for a in verdict.answers if a.outcome.conclusive]
    return [a for a in conclusive if a.authoritative] or conclusive


def _current(verdict: DnsVerdict) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for a in _deciding(verdict) for address in a.addresses))


def _alias(answers: Sequence[Answer]) -> str | None:
    """Return the value of the CNAME record of the domain, or None."""
    return next((a.cnames[0] for a in answers if a.cnames), None)


def _address_records(verdict: DnsVerdict, current: Sequence[str]) -> tuple[RecordToSet, ...]:
    """Return the A and AAAA records to set. AAAA may be missing if there is an A record."""
    wanted_a, wanted_aaaa = _families(verdict.expected)
    a, aaaa = _families(current)
    records = (
        RecordToSet("A", verdict.name, wanted_a, a),
        RecordToSet("AAAA", verdict.name, wanted_aaaa, aaaa),
    )
    optional = "AAAA" if current and wanted_a else ""
    return tuple(
        r for r in records if not {*r.current} <= {*r.value} or (r.value and not r.current and r.type != optional)
    )


def _without_alias(verdict: DnsVerdict, alias: str) -> tuple[RecordToSet, ...]:
    return (RecordToSet("CNAME", verdict.name, (), (alias,)), *_address_records(verdict, ()))


def _alias_records(verdict: DnsVerdict, expected: Expected, alias: str) -> tuple[RecordToSet, ...]:
    if not expected.names:
        return _without_alias(verdict, alias)
    return (RecordToSet("CNAME", verdict.name, expected.names[:1], (alias,)),)


def _wrong(verdict: DnsVerdict, expected: Expected) -> Advice:
    current = _current(verdict)
    if alias := _alias(_deciding(verdict)):
        records = _alias_records(verdict, expected, alias)
        return Advice(instruction(records, currently=f"{alias} ({listed(current)})"), records)
    records = _address_records(verdict, current)
    return Advice(instruction(records) + _why_one_family(verdict, records), records)


def _why_one_family(verdict: DnsVerdict, records: Sequence[RecordToSet]) -> str:
    if verdict.code is not DnsCode.ONE_FAMILY or len(records) > 1:
        return ""
    if not records[0].value:
        return f" The server has no {'IPv4' if records[0].type == 'A' else 'IPv6'} address."
    return "" if records[0].current else " Without it, visitors without IPv6 cannot reach the site."


def _missing(verdict: DnsVerdict, expected: Expected) -> Advice:
    if alias := _alias(_deciding(verdict)):
        records = _alias_records(verdict, expected, alias)
        return Advice(instruction(records, currently=f"{alias}, which has no address"), records)
    records = _address_records(verdict, ())
    absent = verdict.code is DnsCode.NXDOMAIN
    reason = "The domain does not exist in DNS." if absent else "The domain has no A or AAAA record."
    return Advice(f"{instruction(records, zone=verdict.zone)} {reason}", records)


def _apex(verdict: DnsVerdict, _: Expected) -> Advice:
    records = _without_alias(verdict, _alias([*_deciding(verdict), *verdict.answers]) or "")
    return Advice(f"{instruction(records)} A CNAME record is not allowed at the root of a domain.", records)


def _partly(verdict: DnsVerdict, _: Expected) -> Advice:
    own = [a.server for a in verdict.answers if a.authoritative and a.server in verdict.differing]
    servers = own or verdict.differing
    still = f"{listed(servers)} still {'returns' if len(servers) == 1 else 'return'}"
    if own:
        return Advice(
            f"Ask the DNS provider of {verdict.zone} to update all of its nameservers. {still} an outdated answer."
        )
    wait = f" for up to {_span(verdict.ttl)}" if verdict.ttl else ""
    return Advice(f"Please wait{wait}. Your DNS change is still propagating. {still} the old answer.")


def _span(seconds: int) -> str:
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            return counted(-(-seconds // length), unit)
    return counted(seconds, "second")


def _not_delegated(verdict: DnsVerdict, _: Expected) -> Advice:
    if verdict.nameservers and any(a.authoritative and not a.outcome.conclusive for a in verdict.answers):
        return Advice(
            f"Correct the nameservers of {verdict.zone} at your domain registrar. "
            f"The current ones ({listed(verdict.nameservers)}) do not host this domain."
        )
    domain = registered_domain(verdict.name)
    return Advice(
        f"Check that {domain} is registered and that nameservers are set at its registrar. It does not exist in DNS."
    )


def _dnssec(verdict: DnsVerdict, _: Expected) -> Advice:
    return Advice(
        f"Ask your registrar to fix or remove the DS record of {verdict.zone or verdict.name}. "
        "DNSSEC validation fails, so many visitors cannot reach the site and no certificate can be issued."
    )


def _time_out(verdict: DnsVerdict, _: Expected) -> Advice:
    servers = f" ({listed(verdict.nameservers)})" if verdict.nameservers else ""
    return Advice(
        f"Contact the DNS provider of {verdict.zone or verdict.name}. Its nameservers{servers} are not responding."
    )


_DNS: dict[DnsCode, Callable[[DnsVerdict, Expected], Advice]] = {
    DnsCode.NOT_DELEGATED: _not_delegated,
    DnsCode.NXDOMAIN: _missing,
    DnsCode.NO_ADDRESS: _missing,
    DnsCode.ELSEWHERE: _wrong,
    DnsCode.PARTLY: _partly,
    DnsCode.ONE_FAMILY: _wrong,
    DnsCode.CNAME_AT_APEX: _apex,
    DnsCode.DNSSEC: _dnssec,
    DnsCode.TIMEOUT: _time_out,
}


def for_dns(verdict: DnsVerdict, expected: Expected) -> Advice:
    """Return the next step for a DNS verdict; empty if the customer has nothing to do."""
    make = _DNS.get(verdict.code)
    return make(verdict, expected) if make else Advice()


def for_caa(verdict: DnsVerdict, issuer: str) -> Advice:
    """Return the next step if CAA records block the certificate."""
    tag = "issuewild" if is_wildcard(verdict.name) else "issue"
    records = (RecordToSet("CAA", verdict.name.removeprefix(WILDCARD), (f'0 {tag} "{issuer}"',)),)
    existing = f"The existing CAA records ({listed(verdict.caa)}) prevent the certificate from being issued."
    return Advice(f"{instruction(records)} {existing}", records)


def for_tls(name: str, worst: AddressVerdict) -> str:
    """Return the next step for what the worst address showed; empty if the certificate is valid."""
    certificate, at = worst.certificate, f"[{worst.address}]" if ":" in worst.address else worst.address
    names = listed(certificate.names) if certificate and certificate.names else "no domain"
    issuer = (certificate.issuer if certificate else "") or "an unknown issuer"
    return {
        TlsCode.OK: "",
        TlsCode.NO_LISTENER: (
            f"Check that {name} points to the right server. The server at {at} does not accept HTTPS connections."
        ),
        TlsCode.TIMEOUT: f"Check that {name} points to the right server. The HTTPS connection to {at} timed out.",
        TlsCode.WRONG_NAME: (
            f"Check that {name} points to the right server. "
            f"The certificate at {at} was issued for {names}, so {name} needs its own."
        ),
        TlsCode.SELF_SIGNED: (
            f"Install a certificate from a trusted authority for {name}. The current one at {at} is self-signed."
        ),
        TlsCode.EXPIRED: f"Renew the certificate of {name}. The one at {at} has expired.",
        TlsCode.NOT_YET_VALID: f"Check the server's clock, or wait. The certificate at {at} is not valid yet.",
        TlsCode.UNKNOWN_ISSUER: (
            f"Install a certificate from a trusted authority for {name}, with its full chain. "
            f"The current one at {at} was issued by {issuer}."
        ),
        TlsCode.DEFAULT_CERTIFICATE: (
            f"Please wait. The certificate for {name} has not been issued yet. "
            f"{at} still serves the host's default certificate ({names})."
        ),
        TlsCode.HANDSHAKE_FAILED: f"Check the server at {at}. The TLS handshake for {name} fails.",
        TlsCode.UNKNOWN: "",
    }[worst.code]


_LONGEST_URL = 200
_BLOCKED = {
    "visits-exceeded": "Raise the visit limit of the site of {name}. Ultimate Multisite blocks visitors above it.",
    "membership-inactive": "Renew the membership of the site of {name}. Ultimate Multisite blocks its visitors.",
}


def for_blocked(name: str, reason: str) -> str:
    """Return the next step if Ultimate Multisite blocks visitors; `reason` is its code."""
    other = "Check the site of {name} in Ultimate Multisite, which blocks its visitors ({reason})."
    return _BLOCKED.get(reason, other).format(name=name, reason=reason)


def for_http(name: str, code: HttpCode, status: int, location: str) -> str:
    """Return the next step for what a visitor gets; empty for the right site."""
    answer = f"It answers with HTTP {status}." if status else "It closes connections without an answer."
    other = (
        f"Check the site of {name}. It redirects visitors to {shown(location[:_LONGEST_URL])}."
        if location
        else f"Clear the web server's object cache. It still serves another site to visitors of {name}."
    )
    return {
        HttpCode.OK: "",
        HttpCode.PRIMARY: "",
        HttpCode.SIGN_UP: (
            f"Clear the web server's object cache. It still sends visitors of {name} to the network's sign-up page."
        ),
        HttpCode.OTHER_SITE: other,
        HttpCode.LOOP: f"Check the redirects of {name} in its plugins, the web server and the CDN. They never end.",
        HttpCode.BLOCKED: f"Check the limits and the membership of the site of {name} in Ultimate Multisite. {answer}",
        HttpCode.SERVER_ERROR: f"Check the web server's error log for {name}. {answer}",
        HttpCode.OTHER_SERVER: f"Check that {name} points to the right server. Another server answers its visitors.",
        HttpCode.TIMEOUT: f"Check the load of the web server. {name} does not answer in time.",
        HttpCode.UNKNOWN: (
            "Install the shim with `closte-bridge shim install`. "
            f"Without it, nothing shows which server answers visitors of {name}."
        ),
    }[code]
