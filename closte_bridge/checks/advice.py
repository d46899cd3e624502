"""The customer's next step, derived from a verdict. `advice_text` makes the sentences from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from closte_bridge.checks.advice_text import NO_ADVICE, Advice, AdviceCode
from closte_bridge.checks.apex import apex_way
from closte_bridge.checks.model import DnsCode, DnsVerdict, HttpCode, LookupOutcome, TlsCode
from closte_bridge.checks.records import MOST_LISTED, RecordToSet
from closte_bridge.domains import WILDCARD, is_wildcard, registered_domain, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from closte_bridge.checks.model import AddressVerdict, Answer, Expected


def _some(key: str, items: Sequence[str]) -> dict[str, Any]:
    """Return the arguments for a list: the items that a sentence shows, and the number of the others."""
    return {key: [*items[:MOST_LISTED]], f"more_{key}": max(0, len(items) - MOST_LISTED)}


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


def _at_apex(verdict: DnsVerdict, expected: Expected) -> dict[str, Any]:
    """Return the argument for an alternative to address records, or none."""
    way = apex_way(verdict.nameservers) if verdict.name == verdict.zone and expected.names else None
    # A CNAME record that DNS shows there is not flattened.
    if way is None or (way.type == "CNAME" and verdict.code is DnsCode.CNAME_AT_APEX):
        return {}
    return {"alternative": {"type": way.type, "value": expected.names[0], "provider": way.provider}}


def _wrong(verdict: DnsVerdict, expected: Expected) -> Advice:
    current = _current(verdict)
    if alias := _alias(_deciding(verdict)):
        return Advice(AdviceCode.CNAME, _some("addresses", current), _alias_records(verdict, expected, alias))
    return Advice(AdviceCode.RECORDS, _at_apex(verdict, expected), _address_records(verdict, current))


def _one_family(verdict: DnsVerdict, expected: Expected) -> Advice:
    advice = _wrong(verdict, expected)
    if advice.code != AdviceCode.RECORDS or len(advice.records) != 1:
        return advice
    (record,) = advice.records
    if not record.current:
        code = AdviceCode.A_MISSING
    elif record.type == "A":
        code = AdviceCode.A_ELSEWHERE if record.value else AdviceCode.A_UNWANTED
    else:
        code = AdviceCode.AAAA_ELSEWHERE if record.value else AdviceCode.AAAA_UNWANTED
    return Advice(code, {}, advice.records)


def _missing(verdict: DnsVerdict, expected: Expected) -> Advice:
    if alias := _alias(_deciding(verdict)):
        return Advice(AdviceCode.CNAME_WITHOUT_ADDRESS, {}, _alias_records(verdict, expected, alias))
    code = AdviceCode.NXDOMAIN if verdict.code is DnsCode.NXDOMAIN else AdviceCode.NO_ADDRESS
    args = {"in_zone": verdict.zone, **_at_apex(verdict, expected)}
    return Advice(code, args, _address_records(verdict, ()))


def _apex(verdict: DnsVerdict, expected: Expected) -> Advice:
    records = _without_alias(verdict, _alias([*_deciding(verdict), *verdict.answers]) or "")
    return Advice(AdviceCode.CNAME_AT_APEX, _at_apex(verdict, expected), records)


def _partly(verdict: DnsVerdict, _: Expected) -> Advice:
    own = [a.server for a in verdict.answers if a.authoritative and a.server in verdict.differing]
    if own:
        return Advice(AdviceCode.OUTDATED_NAMESERVERS, {"zone": verdict.zone, **_some("servers", own)})
    return Advice(AdviceCode.PROPAGATING, {"seconds": verdict.ttl or 0, **_some("servers", verdict.differing)})


def _not_delegated(verdict: DnsVerdict, _: Expected) -> Advice:
    if verdict.nameservers and any(a.authoritative and not a.outcome.conclusive for a in verdict.answers):
        args = {"zone": verdict.zone, **_some("servers", verdict.nameservers)}
        return Advice(AdviceCode.INCORRECT_NAMESERVERS, args)
    return Advice(AdviceCode.NOT_REGISTERED, {"zone": registered_domain(verdict.name)})


def _dnssec(verdict: DnsVerdict, _: Expected) -> Advice:
    return Advice(AdviceCode.DNSSEC, {"zone": verdict.zone or verdict.name})


def _time_out(verdict: DnsVerdict, _: Expected) -> Advice:
    args = {"zone": verdict.zone or verdict.name, **_some("servers", verdict.nameservers)}
    return Advice(AdviceCode.SILENT_NAMESERVERS, args)


_DNS: dict[DnsCode, Callable[[DnsVerdict, Expected], Advice]] = {
    DnsCode.NOT_DELEGATED: _not_delegated,
    DnsCode.NXDOMAIN: _missing,
    DnsCode.NO_ADDRESS: _missing,
    DnsCode.ELSEWHERE: _wrong,
    DnsCode.PARTLY: _partly,
    DnsCode.ONE_FAMILY: _one_family,
    DnsCode.CNAME_AT_APEX: _apex,
    DnsCode.DNSSEC: _dnssec,
    DnsCode.TIMEOUT: _time_out,
}


def for_dns(verdict: DnsVerdict, expected: Expected) -> Advice:
    """Return the next step for a DNS verdict; empty if the customer has nothing to do."""
    make = _DNS.get(verdict.code)
    return make(verdict, expected) if make else NO_ADVICE


def for_unknown_dns(verdict: DnsVerdict) -> Advice:
    """Return the operator's next step if the DNS of a domain could not be checked; empty if it could."""
    if verdict.code is not DnsCode.UNKNOWN:
        return NO_ADVICE
    outcomes = {answer.outcome for answer in verdict.answers if answer.outcome.conclusive}
    if not outcomes:
        return Advice(AdviceCode.NO_DNS_ANSWER)
    code = AdviceCode.NO_TARGET if LookupOutcome.ADDRESSES in outcomes else AdviceCode.NO_TARGET_NO_ADDRESS
    return Advice(code, {"domain": verdict.name})


def for_caa(verdict: DnsVerdict, issuer: str) -> Advice:
    """Return the next step if CAA records block the certificate."""
    tag = "issuewild" if is_wildcard(verdict.name) else "issue"
    records = (RecordToSet("CAA", verdict.name.removeprefix(WILDCARD), (f'0 {tag} "{issuer}"',)),)
    return Advice(AdviceCode.CAA, _some("caa", verdict.caa), records)


_TLS = {
    TlsCode.NO_LISTENER: AdviceCode.NO_LISTENER,
    TlsCode.TIMEOUT: AdviceCode.TLS_TIMEOUT,
    TlsCode.WRONG_NAME: AdviceCode.WRONG_NAME,
    TlsCode.SELF_SIGNED: AdviceCode.SELF_SIGNED,
    TlsCode.EXPIRED: AdviceCode.EXPIRED,
    TlsCode.NOT_YET_VALID: AdviceCode.NOT_YET_VALID,
    TlsCode.UNKNOWN_ISSUER: AdviceCode.UNKNOWN_ISSUER,
    TlsCode.DEFAULT_CERTIFICATE: AdviceCode.DEFAULT_CERTIFICATE,
    TlsCode.HANDSHAKE_FAILED: AdviceCode.HANDSHAKE_FAILED,
}


def for_tls(name: str, worst: AddressVerdict) -> Advice:
    """Return the next step for what the worst address showed; empty if the certificate is valid."""
    code = _TLS.get(worst.code)
    if code is None:
        return NO_ADVICE
    args: dict[str, Any] = {"domain": name, "address": f"[{worst.address}]" if ":" in worst.address else worst.address}
    certificate = worst.certificate
    if code in {AdviceCode.WRONG_NAME, AdviceCode.DEFAULT_CERTIFICATE}:
        args |= _some("names", certificate.names if certificate else ())
    if code is AdviceCode.UNKNOWN_ISSUER:
        args["issuer"] = certificate.issuer if certificate else ""
    return Advice(code, args)


_LONGEST_URL = 200
_BLOCKED = {
    "visits-exceeded": AdviceCode.VISITS_EXCEEDED,
    "membership-inactive": AdviceCode.MEMBERSHIP_INACTIVE,
}
_HTTP = {
    HttpCode.SIGN_UP: AdviceCode.SIGN_UP,
    HttpCode.OTHER_SITE: AdviceCode.OTHER_SITE,
    HttpCode.LOOP: AdviceCode.LOOP,
    HttpCode.BLOCKED: AdviceCode.BLOCKED,
    HttpCode.SERVER_ERROR: AdviceCode.SERVER_ERROR,
    HttpCode.OTHER_SERVER: AdviceCode.OTHER_SERVER,
    HttpCode.TIMEOUT: AdviceCode.HTTP_TIMEOUT,
    HttpCode.UNKNOWN: AdviceCode.SERVER_UNKNOWN,
}


def for_blocked(name: str, reason: str) -> Advice:
    """Return the next step if Ultimate Multisite blocks visitors; `reason` is its code."""
    code = _BLOCKED.get(reason)
    return (
        Advice(code, {"domain": name})
        if code
        else Advice(AdviceCode.BLOCKED_BY_PLUGIN, {"domain": name, "reason": reason})
    )


def for_http(name: str, code: HttpCode, status: int, location: str) -> Advice:
    """Return the next step for what a visitor gets; empty for the right site."""
    if code.right:
        return NO_ADVICE
    if code is HttpCode.OTHER_SITE and location:
        return Advice(AdviceCode.REDIRECT, {"domain": name, "location": shown(location[:_LONGEST_URL])})
    args: dict[str, Any] = {"domain": name}
    if code in {HttpCode.BLOCKED, HttpCode.SERVER_ERROR}:
        args["status"] = status
    return Advice(_HTTP[code], args)
