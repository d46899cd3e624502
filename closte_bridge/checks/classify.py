"""Derive a verdict and a next step from DNS answers. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from closte_bridge.checks import advice, proxies
from closte_bridge.checks.advice_text import NO_ADVICE
from closte_bridge.checks.caa import permits
from closte_bridge.checks.model import Answer, DnsCode, DnsVerdict, Expected, LookupOutcome, TlsCode
from closte_bridge.domains import is_wildcard, lies_in, registered_domain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.checks.caa import CaaRecord
    from closte_bridge.checks.model import TlsVerdict
    from closte_bridge.checks.zone import Zone


@dataclass(frozen=True, slots=True)
class LookupEvidence:
    """All answers about one domain. `heard`: at least one DNS server answered at least one question in this pass."""

    name: str
    expected: Expected
    zone: Zone | None
    answers: tuple[Answer, ...]
    heard: bool = True


# If the deciding servers disagree about the problem, the first of these counts.
_MOST_SPECIFIC_FIRST = (DnsCode.ONE_FAMILY, DnsCode.ELSEWHERE, DnsCode.NO_ADDRESS, DnsCode.NXDOMAIN)


def _family(addresses: Sequence[str], version: int) -> set[str]:
    return {a for a in addresses if (":" in a) == (version == 6)}  # noqa: PLR2004 - IPv6


def kind_of(answer: Answer, expected: Expected) -> DnsCode:
    """Return the verdict on one conclusive answer: OK, ONE_FAMILY, ELSEWHERE, NO_ADDRESS or NXDOMAIN.

    AAAA may be missing even if the network has IPv6. A must not be missing, because some visitors have no IPv6. A CNAME
    to one of the network's names is correct, whatever addresses that name has at this server.
    """
    if answer.outcome is not LookupOutcome.ADDRESSES:
        return DnsCode.NXDOMAIN if answer.outcome is LookupOutcome.NXDOMAIN else DnsCode.NO_ADDRESS
    if set(answer.cnames) & set(expected.names):
        return DnsCode.OK
    a, aaaa = _family(answer.addresses, 4), _family(answer.addresses, 6)
    wanted_a, wanted_aaaa = _family(expected.addresses, 4), _family(expected.addresses, 6)
    a_ok, aaaa_ok = bool(a) and a <= wanted_a, bool(aaaa) and aaaa <= wanted_aaaa
    if a_ok and (aaaa_ok or not aaaa):
        return DnsCode.OK
    if aaaa_ok and not a and not wanted_a:
        return DnsCode.OK
    return DnsCode.ONE_FAMILY if a_ok or aaaa_ok else DnsCode.ELSEWHERE


def classify(evidence: LookupEvidence) -> DnsVerdict:
    """Return the verdict on the answers. `with_caa` and `with_tls` refine it afterwards."""
    code, differing = _code(evidence)
    points_here = code is DnsCode.OK or (code is DnsCode.CNAME_AT_APEX and not differing)
    proxy = _proxy(evidence)
    verdict = DnsVerdict(
        name=evidence.name,
        code=code,
        points_here=points_here,
        expected=evidence.expected.addresses,
        answers=evidence.answers,
        differing=differing,
        ttl=max((a.ttl for a in evidence.answers if a.ttl is not None and a.server in differing), default=None),
        zone=evidence.zone.apex if evidence.zone else None,
        nameservers=tuple(s.name for s in evidence.zone.servers) if evidence.zone else (),
        proxy=proxy,
        unproven=points_here and proxy is not None and evidence.expected.shared,
    )
    return replace(verdict, next_step=advice.for_dns(verdict, evidence.expected))


def _code(evidence: LookupEvidence) -> tuple[DnsCode, tuple[str, ...]]:
    if not evidence.expected.addresses:
        return DnsCode.UNKNOWN, ()
    # One resolver may have failed to fetch a key. If another one verified the signatures, they are valid.
    if any(a.outcome is LookupOutcome.BOGUS for a in evidence.answers) and not any(
        a.validated for a in evidence.answers
    ):
        return DnsCode.DNSSEC, tuple(a.server for a in evidence.answers if a.outcome is LookupOutcome.BOGUS)
    conclusive = [a for a in evidence.answers if a.outcome.conclusive]
    if not conclusive:
        return _inconclusive(evidence), ()
    kinds = {a: kind_of(a, evidence.expected) for a in conclusive}
    differing = tuple(a.server for a, kind in kinds.items() if kind is not DnsCode.OK)
    if _is_apex(evidence) and any(a.cnames for a in conclusive):
        return DnsCode.CNAME_AT_APEX, differing
    if not differing:
        return DnsCode.OK, ()
    return _wrong(evidence, kinds), differing


def _wrong(evidence: LookupEvidence, kinds: dict[Answer, DnsCode]) -> DnsCode:
    """Return the problem, if some answer is incorrect. The zone's own servers decide; without them, the resolvers."""
    deciding = {kind for a, kind in kinds.items() if a.authoritative} or set(kinds.values())
    if DnsCode.OK in deciding:
        return DnsCode.PARTLY
    code = next(code for code in _MOST_SPECIFIC_FIRST if code in deciding)
    if code in {DnsCode.NXDOMAIN, DnsCode.NO_ADDRESS} and _above_registered(evidence):
        return DnsCode.NOT_DELEGATED
    return code


def _inconclusive(evidence: LookupEvidence) -> DnsCode:
    """Return the verdict for the case that no server gave a conclusive answer."""
    own = {a.outcome for a in evidence.answers if a.authoritative}
    # A server that timed out may still be authoritative.
    if LookupOutcome.LAME in own and LookupOutcome.TIMEOUT not in own:
        return DnsCode.NOT_DELEGATED
    silent = {a.outcome for a in evidence.answers}
    if not evidence.heard or silent <= {LookupOutcome.UNREACHABLE, LookupOutcome.REFUSED}:
        return DnsCode.UNKNOWN
    return DnsCode.TIMEOUT if LookupOutcome.TIMEOUT in silent else DnsCode.UNKNOWN


def _host(evidence: LookupEvidence) -> str:
    return evidence.name.removeprefix("*.")


def _is_apex(evidence: LookupEvidence) -> bool:
    if is_wildcard(evidence.name):
        return False
    return evidence.name == registered_domain(evidence.name) or (
        evidence.zone is not None and evidence.zone.apex == evidence.name
    )


def _above_registered(evidence: LookupEvidence) -> bool:
    """Return whether the zone found is above the registered domain, so that the domain is not delegated."""
    registered = registered_domain(_host(evidence))
    return evidence.zone is not None and evidence.zone.apex != registered and lies_in(registered, evidence.zone.apex)


def _proxy(evidence: LookupEvidence) -> str | None:
    cnames = [c for a in evidence.answers for c in a.cnames]
    return proxies.hint(cnames, [s.name for s in evidence.zone.servers] if evidence.zone else [])


def with_caa(verdict: DnsVerdict, records: Sequence[CaaRecord] | None, issuer: str) -> DnsVerdict:
    """Return the verdict including CAA, which can block the certificate of a domain that points here.

    `records` is None if the CAA records could not be read.
    """
    if records is None:
        return replace(verdict, caa_unknown=True)
    verdict = replace(verdict, caa=tuple(str(r) for r in records))
    if verdict.code is not DnsCode.OK or permits(records, issuer, wildcard=is_wildcard(verdict.name)):
        return verdict
    verdict = replace(verdict, code=DnsCode.CAA)
    return replace(verdict, next_step=advice.for_caa(verdict, issuer))


def with_tls(verdict: DnsVerdict, tls: TlsVerdict | None) -> DnsVerdict:
    """Return the verdict including the certificate: a domain behind a CDN points here, even with the CDN's addresses.

    A valid certificate alone is not proof, because the customer's old host may have one too. A CDN must also be
    detected. If the network's own addresses may be the CDN's, matching addresses are not proof either.
    """
    behind = verdict.code in {DnsCode.ELSEWHERE, DnsCode.ONE_FAMILY} and verdict.proxy is not None
    if (behind or verdict.unproven) and tls is not None and tls.code is TlsCode.OK:
        return replace(verdict, code=DnsCode.PROXIED, points_here=True, next_step=NO_ADVICE)
    return verdict
