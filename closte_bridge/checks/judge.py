"""From what the servers answered to one verdict and one next step. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from closte_bridge.checks import advice, proxies
from closte_bridge.checks.caa import permits
from closte_bridge.checks.model import Answer, DnsCode, DnsVerdict, Expected, Outcome, TlsCode
from closte_bridge.domains import is_wildcard, lies_in, registered_domain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.checks.caa import Record
    from closte_bridge.checks.model import TlsVerdict
    from closte_bridge.checks.zone import Zone


@dataclass(frozen=True, slots=True)
class Look:
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
    if answer.outcome is not Outcome.ADDRESSES:
        return DnsCode.NXDOMAIN if answer.outcome is Outcome.NXDOMAIN else DnsCode.NO_ADDRESS
    if set(answer.cnames) & set(expected.names):
        return DnsCode.RIGHT
    a, aaaa = _family(answer.addresses, 4), _family(answer.addresses, 6)
    wanted_a, wanted_aaaa = _family(expected.addresses, 4), _family(expected.addresses, 6)
    a_right, aaaa_right = bool(a) and a <= wanted_a, bool(aaaa) and aaaa <= wanted_aaaa
    if a_right and (aaaa_right or not aaaa):
        return DnsCode.RIGHT
    if aaaa_right and not a and not wanted_a:
        return DnsCode.RIGHT
    return DnsCode.ONE_FAMILY if a_right or aaaa_right else DnsCode.ELSEWHERE


def judge(look: Look) -> DnsVerdict:
    """Return the verdict on what was seen; CAA and the certificate come after it (`with_caa`, `with_tls`)."""
    code, differing = _code(look)
    leads_here = code is DnsCode.RIGHT or (code is DnsCode.CNAME_AT_APEX and not differing)
    proxy = _proxy(look)
    verdict = DnsVerdict(
        name=look.name,
        code=code,
        leads_here=leads_here,
        expected=look.expected.addresses,
        answers=look.answers,
        differing=differing,
        ttl=max((a.ttl for a in look.answers if a.ttl is not None and a.server in differing), default=None),
        zone=look.zone.apex if look.zone else None,
        nameservers=tuple(s.name for s in look.zone.servers) if look.zone else (),
        proxy=proxy,
        unproven=leads_here and proxy is not None and look.expected.shared,
    )
    return replace(verdict, advice=advice.for_dns(verdict, look.expected))


def _code(look: Look) -> tuple[DnsCode, tuple[str, ...]]:
    if not look.expected.addresses:
        return DnsCode.UNKNOWN, ()
    # One resolver may have failed to fetch a key; when another has verified the signatures, they are right.
    if any(a.outcome is Outcome.BOGUS for a in look.answers) and not any(a.validated for a in look.answers):
        return DnsCode.DNSSEC, tuple(a.server for a in look.answers if a.outcome is Outcome.BOGUS)
    conclusive = [a for a in look.answers if a.outcome.conclusive]
    if not conclusive:
        return _silence(look), ()
    kinds = {a: kind_of(a, look.expected) for a in conclusive}
    differing = tuple(a.server for a, kind in kinds.items() if kind is not DnsCode.RIGHT)
    if _is_apex(look) and any(a.cnames for a in conclusive):
        return DnsCode.CNAME_AT_APEX, differing
    if not differing:
        return DnsCode.RIGHT, ()
    return _wrong(look, kinds), differing


def _wrong(look: Look, kinds: dict[Answer, DnsCode]) -> DnsCode:
    """Return what is wrong, when some answer is. The zone's own servers decide; without them, the resolvers."""
    deciding = {kind for a, kind in kinds.items() if a.authoritative} or set(kinds.values())
    if DnsCode.RIGHT in deciding:
        return DnsCode.PARTLY
    code = next(code for code in _TELLING if code in deciding)
    if code in {DnsCode.NXDOMAIN, DnsCode.NO_ADDRESS} and _above_registered(look):
        return DnsCode.NOT_DELEGATED
    return code


def _silence(look: Look) -> DnsCode:
    """Return what it means that nobody said anything conclusive."""
    own = {a.outcome for a in look.answers if a.authoritative}
    # One that keeps silent may know the zone.
    if Outcome.LAME in own and Outcome.TIMEOUT not in own:
        return DnsCode.NOT_DELEGATED
    silent = {a.outcome for a in look.answers}
    if not look.heard or silent <= {Outcome.UNREACHABLE, Outcome.REFUSED}:
        return DnsCode.UNKNOWN
    return DnsCode.TIMEOUT if Outcome.TIMEOUT in silent else DnsCode.UNKNOWN


def _host(look: Look) -> str:
    return look.name.removeprefix("*.")


def _is_apex(look: Look) -> bool:
    if is_wildcard(look.name):
        return False
    return look.name == registered_domain(look.name) or (look.zone is not None and look.zone.apex == look.name)


def _above_registered(look: Look) -> bool:
    """Tell whether the name's zone is that of a public suffix: nobody has delegated anything below it."""
    registered = registered_domain(_host(look))
    return look.zone is not None and look.zone.apex != registered and lies_in(registered, look.zone.apex)


def _proxy(look: Look) -> str | None:
    cnames = [c for a in look.answers for c in a.cnames]
    return proxies.hint(cnames, [s.name for s in look.zone.servers] if look.zone else [])


def with_caa(verdict: DnsVerdict, records: Sequence[Record] | None, issuer: str) -> DnsVerdict:
    """Return the verdict with what CAA says: it can forbid the certificate of a name that leads here.

    `records` is None when they could not be read.
    """
    if records is None:
        return replace(verdict, caa_unknown=True)
    verdict = replace(verdict, caa=tuple(str(r) for r in records))
    if verdict.code is not DnsCode.RIGHT or permits(records, issuer, wildcard=is_wildcard(verdict.name)):
        return verdict
    verdict = replace(verdict, code=DnsCode.CAA)
    return replace(verdict, advice=advice.for_caa(verdict, issuer))


def with_tls(verdict: DnsVerdict, tls: TlsVerdict | None) -> DnsVerdict:
    """Return the verdict in the light of the certificate: a name behind a CDN leads here although it points elsewhere.

    A valid certificate alone proves nothing, for the customer's old host has one too; so a hint must name the CDN.
    Where the network's own addresses may be that CDN's, they are no better a proof.
    """
    behind = verdict.code in {DnsCode.ELSEWHERE, DnsCode.ONE_FAMILY} and verdict.proxy is not None
    if (behind or verdict.unproven) and tls is not None and tls.code is TlsCode.RIGHT:
        return replace(verdict, code=DnsCode.PROXIED, leads_here=True, advice="")
    return verdict
