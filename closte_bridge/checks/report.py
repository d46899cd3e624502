"""Verdicts in plain words and in rows, for `domain check` and `domain explain`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from closte_bridge.checks.advice import listed
from closte_bridge.checks.model import Answer, DnsCode, LookupOutcome, TlsCode
from closte_bridge.checks.schedule import DAY
from closte_bridge.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.checks.model import AddressVerdict, DnsVerdict, DomainCheck

_DNS_WORDS = {
    DnsCode.OK: "points where it should",
    DnsCode.NOT_DELEGATED: "is not delegated to nameservers that know it",
    DnsCode.NXDOMAIN: "does not exist in the DNS",
    DnsCode.NO_ADDRESS: "exists in the DNS, but has no address",
    DnsCode.ELSEWHERE: "points elsewhere",
    DnsCode.PARTLY: "points where it should at some servers, and elsewhere at others",
    DnsCode.ONE_FAMILY: "is right for only one of IPv4 (A) and IPv6 (AAAA)",
    DnsCode.CNAME_AT_APEX: "has a CNAME at the top of its zone, where none may be",
    DnsCode.CAA: "points where it should, but a CAA record forbids the certificate",
    DnsCode.DNSSEC: "has broken DNSSEC, so that validating resolvers refuse to answer",
    DnsCode.PROXIED: "is behind a CDN that serves it with a valid certificate",
    DnsCode.TIMEOUT: "cannot be looked up: its nameservers do not answer",
    DnsCode.UNKNOWN: "could not be judged",
}
_TLS_WORDS = {
    TlsCode.OK: "the certificate is right",
    TlsCode.NO_LISTENER: "nothing accepts HTTPS",
    TlsCode.TIMEOUT: "there is no answer over HTTPS",
    TlsCode.WRONG_NAME: "the certificate is for another name",
    TlsCode.SELF_SIGNED: "the certificate is signed by itself",
    TlsCode.EXPIRED: "the certificate has expired",
    TlsCode.NOT_YET_VALID: "the certificate is not valid yet",
    TlsCode.UNKNOWN_ISSUER: "the certificate is from an authority that browsers do not know, or its chain is cut",
    TlsCode.DEFAULT_CERTIFICATE: "the host still shows its default certificate",
    TlsCode.HANDSHAKE_FAILED: "the TLS handshake fails",
    TlsCode.UNKNOWN: "this address could not be tried from here",
}
_OUTCOME_WORDS = {
    LookupOutcome.NO_ADDRESS: "no address",
    LookupOutcome.NXDOMAIN: "does not exist",
    LookupOutcome.SERVFAIL: "failure (SERVFAIL)",
    LookupOutcome.BOGUS: "refused, because DNSSEC does not verify",
    LookupOutcome.LAME: "does not know the zone",
    LookupOutcome.REFUSED: "refused",
    LookupOutcome.TIMEOUT: "no answer",
    LookupOutcome.UNREACHABLE: "not reachable from here",
}


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def next_step(checked: DomainCheck) -> str:
    """Return the customer's next step in one sentence: DNS' before the certificate's; empty when there is none."""
    return checked.dns.advice or (checked.tls.advice if checked.tls else "")


def row(checked: DomainCheck) -> dict[str, str]:
    """Return one row of a table; the keys are `FIELDS`, and what is not known is empty."""
    dns, tls = checked.dns, checked.tls
    certificate = tls.certificate if tls else None
    return {
        "domain": checked.name,
        "dns": dns.code.value,
        "tls": tls.code.value if tls else "",
        "points_at": " ".join(dns.addresses),
        "expected": " ".join(dns.expected),
        "issuer": certificate.issuer if certificate else "",
        "expires": _day(certificate.not_after) if certificate else "",
        "days_left": str(tls.days_left) if tls and tls.days_left is not None else "",
        "next_step": next_step(checked),
    }


def sentences(checked: DomainCheck) -> Iterator[str]:
    """Yield what was found as sentences: DNS, who answers what when they differ, the certificate, the next step."""
    dns = checked.dns
    yield f'"{checked.name}" {_DNS_WORDS[dns.code]}.'
    if dns.code is DnsCode.UNKNOWN:
        yield _why_unknown(dns)
    if dns.code not in {DnsCode.OK, DnsCode.UNKNOWN}:
        yield from (f"{_who(a)} answers: {_what(a)}." for a in dns.answers)
        yield f"It should lead to {listed(dns.expected)}."
    if dns.caa_unknown:
        yield "Its CAA records cannot be read, and no certificate authority issues while that is so."
    if checked.tls:
        yield from (_tls_sentence(a) for a in checked.tls.addresses)
        yield from _expiry(checked)
    step = next_step(checked)
    if step:
        yield f"Next step: {step}"


def _why_unknown(dns: DnsVerdict) -> str:
    if not dns.expected:
        return "It is not known where it should point: no resolver could look up the network's own domain."
    return "No DNS server that was asked gave a usable answer: check this machine's own way to the internet first."


def _who(answer: Answer) -> str:
    return f"{'Its nameserver' if answer.authoritative else 'The resolver'} {answer.server}"


def _what(answer: Answer) -> str:
    if answer.outcome is not LookupOutcome.ADDRESSES:
        return _OUTCOME_WORDS[answer.outcome]
    through = f", through the CNAME {answer.cnames[-1]}" if answer.cnames else ""
    return f"{listed(answer.addresses)}{through}"


def _tls_sentence(at: AddressVerdict) -> str:
    certificate, names = at.certificate, ""
    if at.code in {TlsCode.WRONG_NAME, TlsCode.DEFAULT_CERTIFICATE} and certificate:
        names = f" ({listed(certificate.names)})" if certificate.names else " (it has none)"
    by = f", from {certificate.issuer}, until {_day(certificate.not_after)}" if certificate else ""
    return f"At {at.address}, {_TLS_WORDS[at.code]}{names}{by}."


def _expiry(checked: DomainCheck) -> Iterator[str]:
    tls = checked.tls
    if tls and tls.serves and tls.certificate and tls.certificate.not_after - checked.at <= 14 * DAY:
        days = counted(tls.days_left or 0, "day")
        yield f"The certificate expires in {days}, on {_day(tls.certificate.not_after)}."


def document(checked: DomainCheck) -> dict[str, Any]:
    """Return a row with the evidence for both verdicts as plain values for JSON. Times are ISO 8601 in UTC."""
    dns, tls = checked.dns, checked.tls
    evidence = {
        "dns": {
            "code": dns.code.value,
            "points_here": dns.points_here,
            "expected": list(dns.expected),
            "answers": [
                {
                    "server": a.server,
                    "authoritative": a.authoritative,
                    "outcome": a.outcome.value,
                    "addresses": list(a.addresses),
                    "cnames": list(a.cnames),
                    "ttl": a.ttl,
                }
                for a in dns.answers
            ],
            "differing": list(dns.differing),
            "ttl": dns.ttl,
            "zone": dns.zone,
            "nameservers": list(dns.nameservers),
            "caa": list(dns.caa),
            "caa_unknown": dns.caa_unknown,
            "proxy": dns.proxy,
            "detail": dns.detail,
        },
        "tls": None
        if tls is None
        else {
            "code": tls.code.value,
            "serves": tls.serves,
            "days_left": tls.days_left,
            "addresses": [_address(a) for a in tls.addresses],
        },
    }
    return {**row(checked), "checked_at": _moment(checked.at), "evidence": evidence}


def _address(at: AddressVerdict) -> dict[str, Any]:
    certificate = at.certificate
    found: dict[str, Any] = {"address": at.address, "code": at.code.value, "detail": at.detail, "certificate": None}
    if certificate:
        found["certificate"] = {
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "names": list(certificate.names),
            "not_before": _moment(certificate.not_before),
            "not_after": _moment(certificate.not_after),
            "sha256": certificate.fingerprint,
        }
    return found


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
