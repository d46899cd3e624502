"""Verdicts as sentences, rows and JSON, for `domain check` and `domain explain`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from closte_bridge.checks.domain_state import expiry_of, next_step
from closte_bridge.checks.model import Answer, DnsCode, HttpCode, LookupOutcome, TlsCode
from closte_bridge.checks.records import listed
from closte_bridge.checks.schedule import DAY
from closte_bridge.counts import counted
from closte_bridge.domains import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.checks.advice_text import Advice
    from closte_bridge.checks.model import AddressVerdict, DnsVerdict, DomainCheck, HttpVerdict

_DNS_WORDS = {
    DnsCode.OK: "points to the correct address",
    DnsCode.NOT_DELEGATED: "has no working nameservers",
    DnsCode.NXDOMAIN: "does not exist in DNS (NXDOMAIN)",
    DnsCode.NO_ADDRESS: "has no A or AAAA record",
    DnsCode.ELSEWHERE: "points elsewhere",
    DnsCode.PARTLY: "is still propagating (DNS servers return different answers)",
    DnsCode.ONE_FAMILY: "is correct for only one of IPv4 (A) and IPv6 (AAAA)",
    DnsCode.CNAME_AT_APEX: "has a CNAME record at the zone apex, which is not allowed",
    DnsCode.CAA: "points to the correct address, but a CAA record blocks the certificate",
    DnsCode.DNSSEC: "fails DNSSEC validation",
    DnsCode.PROXIED: "is behind a CDN that serves it with a valid certificate",
    DnsCode.TIMEOUT: "cannot be resolved because its nameservers do not respond",
    DnsCode.UNKNOWN: "could not be checked",
}
_TLS_WORDS = {
    TlsCode.OK: "the certificate is valid",
    TlsCode.NO_LISTENER: "the server does not accept HTTPS connections",
    TlsCode.TIMEOUT: "the HTTPS connection timed out",
    TlsCode.WRONG_NAME: "the certificate is for a different domain",
    TlsCode.SELF_SIGNED: "the certificate is self-signed",
    TlsCode.EXPIRED: "the certificate has expired",
    TlsCode.NOT_YET_VALID: "the certificate is not valid yet",
    TlsCode.UNKNOWN_ISSUER: "the certificate is from an untrusted issuer, or its chain is incomplete",
    TlsCode.DEFAULT_CERTIFICATE: "the host still serves its default certificate",
    TlsCode.HANDSHAKE_FAILED: "the TLS handshake fails",
    TlsCode.UNKNOWN: "the certificate cannot be checked from this machine",
}
_OUTCOME_WORDS = {
    LookupOutcome.NO_ADDRESS: "no address",
    LookupOutcome.NXDOMAIN: "does not exist",
    LookupOutcome.SERVFAIL: "failure (SERVFAIL)",
    LookupOutcome.BOGUS: "refused (DNSSEC validation failed)",
    LookupOutcome.LAME: "not authoritative for this zone",
    LookupOutcome.REFUSED: "refused",
    LookupOutcome.TIMEOUT: "no answer",
    LookupOutcome.UNREACHABLE: "unreachable from this machine",
}

_HTTP_WORDS = {
    HttpCode.OK: "get the right site",
    HttpCode.PRIMARY: "are redirected to the primary domain of the site",
    HttpCode.SIGN_UP: "get the network's sign-up page",
    HttpCode.OTHER_SITE: "get another site",
    HttpCode.LOOP: "get redirects that never end",
    HttpCode.BLOCKED: "are blocked",
    HttpCode.SERVER_ERROR: "get a server error",
    HttpCode.OTHER_SERVER: "get an answer from another server",
    HttpCode.TIMEOUT: "get no answer in time",
    HttpCode.UNKNOWN: "get an answer, but it does not show which server sent it",
}


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def row(checked: DomainCheck) -> dict[str, object]:
    """Return one row of a table. The keys are `FIELDS`; unknown values are empty."""
    dns, tls = checked.dns, checked.tls
    certificate = tls.certificate if tls else None
    return {
        "domain": checked.name,
        "dns": dns.code.value,
        "tls": tls.code.value if tls else "",
        "http": checked.http.code.value if checked.http else "",
        "live": checked.is_live,
        "points_at": " ".join(dns.addresses),
        "expected": " ".join(dns.expected),
        "issuer": certificate.issuer if certificate else "",
        "expires": _day(certificate.not_after) if certificate else "",
        "days_left": str(tls.days_left) if tls and tls.days_left is not None else "",
        "next_step": next_step(checked).text,
    }


def sentences(checked: DomainCheck) -> Iterator[str]:
    """Yield the findings, then the next step, as sentences."""
    yield from findings(checked)
    if step := next_step(checked).text:
        yield f"Next step: {step}"


def findings(checked: DomainCheck) -> Iterator[str]:
    """Yield the findings as sentences: DNS, the answer of each server if they matter, and the certificate."""
    dns = checked.dns
    yield f'"{checked.name}" {_DNS_WORDS[dns.code]}.'
    if dns.code is DnsCode.UNKNOWN:
        yield _why_unknown(dns)
    if dns.code not in {DnsCode.OK, DnsCode.UNKNOWN}:
        yield from (f"{_server(a)}: {_answer(a)}." for a in dns.answers)
        yield f"Expected: {listed(dns.expected)}."
    if dns.caa_unknown:
        yield "Its CAA records cannot be read. Certificate authorities do not issue a certificate until this is fixed."
    if checked.tls:
        yield from (_tls_sentence(a) for a in checked.tls.addresses)
        yield from _expiry(checked)
    if checked.http:
        yield _http_sentence(checked.http)


def _http_sentence(http: HttpVerdict) -> str:
    words = _HTTP_WORDS[http.code]
    if http.code is HttpCode.BLOCKED and http.reason:
        return f"Visitors {words} ({http.reason})."
    if http.code in {HttpCode.PRIMARY, HttpCode.OTHER_SITE, HttpCode.LOOP} and http.location:
        return f"Visitors {words}: {shown(http.location[:200])}"
    return f"Visitors {words}{f' (HTTP {http.status})' if http.status else ''}."


def _why_unknown(dns: DnsVerdict) -> str:
    if not dns.expected:
        return "It is unknown where it should point: the network's main domain could not be resolved."
    return "No DNS server returned a usable answer. Check this machine's internet connection first."


def _server(answer: Answer) -> str:
    return f"{'Nameserver' if answer.authoritative else 'Resolver'} {answer.server}"


def _answer(answer: Answer) -> str:
    if answer.outcome is not LookupOutcome.ADDRESSES:
        return _OUTCOME_WORDS[answer.outcome]
    via = f" via CNAME {answer.cnames[-1]}" if answer.cnames else ""
    return f"{listed(answer.addresses)}{via}"


def _tls_sentence(at: AddressVerdict) -> str:
    certificate, names, more = at.certificate, "", ""
    if certificate:
        if at.code in {TlsCode.WRONG_NAME, TlsCode.DEFAULT_CERTIFICATE}:
            names = f" ({listed(certificate.names) or 'no names'})"
        issuer = f" Issued by: {certificate.issuer}." if certificate.issuer else ""
        more = f"{issuer} Valid until: {_day(certificate.not_after)}."
    return f"At {at.address}, {_TLS_WORDS[at.code]}{names}.{more}"


def _expiry(checked: DomainCheck) -> Iterator[str]:
    tls = checked.tls
    expiry = expiry_of(tls)
    if tls and tls.serves and expiry and expiry[1] <= checked.at:
        days = counted(max(0, int((expiry[0] - checked.at) // DAY)), "day")
        yield f"The certificate expires in {days}, on {_day(expiry[0])}."


def document(checked: DomainCheck) -> dict[str, Any]:
    """Return a row with the evidence of both verdicts, as plain values for JSON. Times are ISO 8601 in UTC."""
    dns, tls, http = checked.dns, checked.tls, checked.http
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
        "http": None
        if http is None
        else {
            "code": http.code.value,
            "status": http.status,
            "location": http.location,
            "site": http.site,
            "reason": http.reason,
        },
    }
    return {
        **row(checked),
        **advice_data(next_step(checked)),
        "checked_at": _moment(checked.at),
        "evidence": evidence,
    }


def advice_data(step: Advice) -> dict[str, Any]:
    """Return the code and the arguments of a next step, and the records that it asks for, for JSON."""
    data = step.as_data()
    return {"advice_code": data["code"], "advice_args": data["args"], "records_to_set": data["records"]}


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
