"""The verdicts of the checks as frozen values. Names are in A-label form, addresses as `ipaddress` spells them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class DnsCode(StrEnum):
    """What is to be said of a name's DNS; exactly one applies."""

    OK = "ok"
    NOT_DELEGATED = "not-delegated"
    NXDOMAIN = "nxdomain"
    NO_ADDRESS = "no-address"
    ELSEWHERE = "points-elsewhere"
    PARTLY = "partly-propagated"
    ONE_FAMILY = "one-family-ok"  # only one of A and AAAA is right
    CNAME_AT_APEX = "cname-at-apex"
    CAA = "caa-forbids"
    DNSSEC = "dnssec-broken"
    PROXIED = "proxied"
    TIMEOUT = "time-out"
    UNKNOWN = "unknown"

    @property
    def conclusive(self) -> bool:
        """Tell whether the name's own DNS was seen, rather than a silence that may be ours."""
        return self not in {DnsCode.TIMEOUT, DnsCode.UNKNOWN}


class LookupOutcome(StrEnum):
    """What one server made of one name, A and AAAA taken together."""

    ADDRESSES = "addresses"
    NO_ADDRESS = "no-address"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    BOGUS = "bogus"  # a resolver refuses to answer, and answers once told not to validate
    LAME = "lame"  # an authoritative server that does not know the zone
    REFUSED = "refused"  # a resolver that does not serve us
    TIMEOUT = "time-out"
    UNREACHABLE = "unreachable"  # there is no route from here: nothing is known of the server

    @property
    def conclusive(self) -> bool:
        """Tell whether it says what a visitor who asks this server gets."""
        return self in {LookupOutcome.ADDRESSES, LookupOutcome.NO_ADDRESS, LookupOutcome.NXDOMAIN}


class Answer(NamedTuple):
    """One server's answer. `cnames` is the chain that was followed, `ttl` in seconds the lowest on the way.

    `validated`: a resolver has verified the DNSSEC signatures.
    """

    server: str
    authoritative: bool
    outcome: LookupOutcome
    addresses: tuple[str, ...] = ()
    cnames: tuple[str, ...] = ()
    ttl: int | None = None
    validated: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """Where names should point: the addresses, and the names that lead there.

    `shared`: they may be a CDN's, which every customer of it has, wherever it fetches from.
    """

    addresses: tuple[str, ...]
    names: tuple[str, ...]
    shared: bool = False


@dataclass(frozen=True, slots=True)
class DnsVerdict:
    """The verdict on one name with its evidence.

    `leads_here`: the name leads where it should, whatever else is wrong with it (a CAA record, say).
    `advice` is the customer's next step in one sentence, or empty when there is none. `differing` names the
    servers that do not say the right thing. `ttl` is how long in seconds a wrong answer may still be kept
    somewhere. `proxy` names a well-known CDN that the zone or a CNAME hints at; `unproven`: it leads where it should
    only as far as anybody sees who does not know where that CDN fetches from. `caa_unknown`: the CAA records
    could not be read, which a certificate authority takes for a no. `detail` is for experts.
    """

    name: str
    code: DnsCode
    advice: str = ""
    points_here: bool = False
    expected: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    differing: tuple[str, ...] = ()
    ttl: int | None = None
    zone: str | None = None
    nameservers: tuple[str, ...] = ()
    caa: tuple[str, ...] = ()
    caa_unknown: bool = False
    proxy: str | None = None
    unproven: bool = False
    detail: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return every address that any server answered, in the order of servers."""
        return tuple(dict.fromkeys(a for answer in self.answers for a in answer.addresses))


class TlsCode(StrEnum):
    """What is to be said of a name's certificate; of several addresses, the worst one."""

    OK = "ok"
    NO_LISTENER = "no-listener"
    TIMEOUT = "time-out"
    WRONG_NAME = "wrong-name"
    SELF_SIGNED = "self-signed"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    UNKNOWN_ISSUER = "unknown-issuer"
    DEFAULT_CERTIFICATE = "default-certificate"
    HANDSHAKE_FAILED = "handshake-failed"
    UNKNOWN = "unknown"  # the address cannot be reached from here, or must not be tried

    @property
    def conclusive(self) -> bool:
        """Tell whether a certificate was seen, rather than a silence that may be ours."""
        return self in _SEEN


_SEEN = frozenset(
    {
        TlsCode.OK,
        TlsCode.WRONG_NAME,
        TlsCode.SELF_SIGNED,
        TlsCode.EXPIRED,
        TlsCode.NOT_YET_VALID,
        TlsCode.UNKNOWN_ISSUER,
        TlsCode.DEFAULT_CERTIFICATE,
    }
)


class Certificate(NamedTuple):
    """What a certificate says of itself. Times are seconds since the epoch; `names` are its DNS names."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: float
    not_after: float
    fingerprint: str


class AddressVerdict(NamedTuple):
    """What one address answered. `detail` is the library's own short word for a failure, for experts."""

    address: str
    code: TlsCode
    certificate: Certificate | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TlsVerdict:
    """The verdict on one name's certificate. `days_left` are whole days of the one that expires first."""

    name: str
    code: TlsCode
    advice: str = ""
    addresses: tuple[AddressVerdict, ...] = ()
    certificate: Certificate | None = None
    days_left: int | None = None

    @property
    def serves(self) -> bool:
        """Tell whether at least one address serves the name with a certificate that browsers accept."""
        return any(a.code is TlsCode.OK for a in self.addresses)


@dataclass(frozen=True, slots=True)
class DomainCheck:
    """Both verdicts on one name. `tls` is None when there was no address to connect to."""

    name: str
    dns: DnsVerdict
    tls: TlsVerdict | None
    at: float

    @property
    def has_https(self) -> bool:
        """Tell whether visitors get here with a padlock: another host's certificate, however right, is none of ours."""
        return self.dns.points_here and self.tls is not None and self.tls.code is TlsCode.OK
