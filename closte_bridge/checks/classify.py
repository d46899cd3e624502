"""From what the servers answered to one verdict and one next step. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from closte_bridge.checks import advice, proxies
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
    """What was seen of one name. `heard`: some DNS server has answered something at all during this pass."""

    name: str
    expected: Expected
    zone: Zone | None
    answers: tuple[Answer, ...]
    heard: bool = True


# What is wrong, when the deciding servers do not even agree on that: what tells most about the name first.
_TELLING = (DnsCode.ONE_FAMILY, DnsCode.ELSEWHERE, DnsCode.NO_ADDRESS, DnsCode.NXDOMAIN)


def _family(addresses: Sequence[str], version: int) -> set[str]:
    return {a for a in addresses if (":" in a) == (version == 6)}  # noqa: PLR2004 - IPv6


def kind_of(answer: Answer, expected: Expected) -> DnsCode:
    """Return what a conclusive answer says: right, one family right, elsewhere, no address or NXDOMAIN.

    AAAA may be missing where the network has one; A may not, because there are visitors without IPv6. A CNAME that
    leads to the network's own name is right wherever that name leads at this server.
    """
    if answer.outcome is not LookupOutcome.ADDRESSES:
        return DnsCode.NXDOMAIN if answer.outcome is LookupOutcome.NXDOMAIN else DnsCode.NO_ADDRESS
    if set(answer.cnames) & set(expected.names):
        return DnsCode.OK
    a, aaaa = _family(answer.addresses, 4), _family(answer.addresses, 6)
    wanted_a, wanted_aaaa = _family(expected.addresses, 4), _family(expected.addresses, 6)
    a_right, aaaa_right = bool(a) and a <= wanted_a, bool(aaaa) and aaaa <= wanted_aaaa
    if a_right and (aaaa_right or not aaaa):
        return DnsCode.OK
    if aaaa_right and not a and not wanted_a:
        return DnsCode.OK
    return DnsCode.ONE_FAMILY if a_right or aaaa_right else DnsCode.ELSEWHERE


def classify(evidence: LookupEvidence) -> DnsVerdict:
    """Return the verdict on what was seen; CAA and the certificate come after it (`with_caa`, `with_tls`)."""
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
    return replace(verdict, advice=advice.for_dns(verdict, evidence.expected))


def _code(evidence: LookupEvidence) -> tuple[DnsCode, tuple[str, ...]]:
    if not evidence.expected.addresses:
        return DnsCode.UNKNOWN, ()
    # One resolver may have failed to fetch a key; when another has verified the signatures, they are right.
    if any(a.outcome is LookupOutcome.BOGUS for a in evidence.answers) and not any(
        a.validated for a in evidence.answers
    ):
        return DnsCode.DNSSEC, tuple(a.server for a in evidence.answers if a.outcome is LookupOutcome.BOGUS)
    conclusive = [a for a in evidence.answers if a.outcome.conclusive]
    if not conclusive:
        return _silence(evidence), ()
    kinds = {a: kind_of(a, evidence.expected) for a in conclusive}
    differing = tuple(a.server for a, kind in kinds.items() if kind is not DnsCode.OK)
    if _is_apex(evidence) and any(a.cnames for a in conclusive):
        return DnsCode.CNAME_AT_APEX, differing
    if not differing:
        return DnsCode.OK, ()
    return _wrong(evidence, kinds), differing


def _wrong(evidence: LookupEvidence, kinds: dict[Answer, DnsCode]) -> DnsCode:
    """Return what is wrong, when some answer is. The zone's own servers decide; without them, the resolvers."""
    deciding = {kind for a, kind in kinds.items() if a.authoritative} or set(kinds.values())
    if DnsCode.OK in deciding:
        return DnsCode.PARTLY
    code = next(code for code in _TELLING if code in deciding)
    if code in {DnsCode.NXDOMAIN, DnsCode.NO_ADDRESS} and _above_registered(evidence):
        return DnsCode.NOT_DELEGATED
    return code


def _silence(evidence: LookupEvidence) -> DnsCode:
    """Return what it means that nobody said anything conclusive."""
    own = {a.outcome for a in evidence.answers if a.authoritative}
    # One that keeps silent may know the zone.
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
    """Tell whether the name's zone is that of a public suffix: nobody has delegated anything below it."""
    registered = registered_domain(_host(evidence))
    return evidence.zone is not None and evidence.zone.apex != registered and lies_in(registered, evidence.zone.apex)


def _proxy(evidence: LookupEvidence) -> str | None:
    cnames = [c for a in evidence.answers for c in a.cnames]
    return proxies.hint(cnames, [s.name for s in evidence.zone.servers] if evidence.zone else [])


def with_caa(verdict: DnsVerdict, records: Sequence[CaaRecord] | None, issuer: str) -> DnsVerdict:
    """Return the verdict with what CAA says: it can forbid the certificate of a name that leads here.

    `records` is None when they could not be read.
    """
    if records is None:
        return replace(verdict, caa_unknown=True)
    verdict = replace(verdict, caa=tuple(str(r) for r in records))
    if verdict.code is not DnsCode.OK or permits(records, issuer, wildcard=is_wildcard(verdict.name)):
        return verdict
    verdict = replace(verdict, code=DnsCode.CAA)
    return replace(verdict, advice=advice.for_caa(verdict, issuer))


def with_tls(verdict: DnsVerdict, tls: TlsVerdict | None) -> DnsVerdict:
    """Return the verdict in the light of the certificate: a name behind a CDN leads here although it points elsewhere.

    A valid certificate alone proves nothing, for the customer's old host has one too; so a hint must name the CDN.
    Where the network's own addresses may be that CDN's, they are no better a proof.
    """
    behind = verdict.code in {DnsCode.ELSEWHERE, DnsCode.ONE_FAMILY} and verdict.proxy is not None
    if (behind or verdict.unproven) and tls is not None and tls.code is TlsCode.OK:
        return replace(verdict, code=DnsCode.PROXIED, points_here=True, advice="")
    return verdict
