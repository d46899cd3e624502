"""Verdicts of the checks, as frozen values. Domains are in A-label form, addresses in the form of `ipaddress`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.advice_text import NO_ADVICE, Advice

if TYPE_CHECKING:
    from closte_bridge.checks.records import RecordToSet


class DnsCode(StrEnum):
    """Verdict on the DNS of a domain; exactly one applies."""

    OK = "ok"
    NOT_DELEGATED = "not-delegated"
    NXDOMAIN = "nxdomain"
    NO_ADDRESS = "no-address"
    ELSEWHERE = "points-elsewhere"
    PARTLY = "partly-propagated"
    ONE_FAMILY = "one-family-ok"  # only one of A and AAAA is correct
    CNAME_AT_APEX = "cname-at-apex"
    CAA = "caa-forbids"
    DNSSEC = "dnssec-broken"
    PROXIED = "proxied"
    TIMEOUT = "time-out"
    UNKNOWN = "unknown"

    @property
    def conclusive(self) -> bool:
        """Return whether the domain's DNS was read. A time-out may be a problem of this machine."""
        return self not in {DnsCode.TIMEOUT, DnsCode.UNKNOWN}


class LookupOutcome(StrEnum):
    """Result of one server for one domain, A and AAAA together."""

    ADDRESSES = "addresses"
    NO_ADDRESS = "no-address"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    BOGUS = "bogus"  # a resolver answers only if it does not validate DNSSEC
    LAME = "lame"  # a nameserver of the zone that is not authoritative for it
    REFUSED = "refused"  # a resolver that does not serve this machine
    TIMEOUT = "time-out"
    UNREACHABLE = "unreachable"  # this machine has no route to the server

    @property
    def conclusive(self) -> bool:
        """Return whether visitors who use this server get the same result."""
        return self in {LookupOutcome.ADDRESSES, LookupOutcome.NO_ADDRESS, LookupOutcome.NXDOMAIN}


class Answer(NamedTuple):
    """Answer of one server. `cnames` is the chain that was followed; `ttl` is the lowest in the chain, in seconds.

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
    """Where domains should point: the addresses, and the names that point to them.

    `shared`: the addresses may be a CDN's, which it also uses for the sites of other customers.
    """

    addresses: tuple[str, ...]
    names: tuple[str, ...]
    shared: bool = False


NOWHERE = Expected((), ())
"""The result if no resolver answered, or if the checks stopped before."""


@dataclass(frozen=True, slots=True)
class DnsVerdict:
    """Verdict on the DNS of one domain, with its evidence.

    `points_here`: the domain points to this network, even if something else is wrong (a CAA record, for example).
    `next_step` is what the customer has to do, with the records to set. `differing` are the servers with an incorrect
    answer. `ttl` is how long caches may keep an incorrect answer, in seconds. `proxy` is a well-known CDN that a CNAME
    or the nameservers belong to; `unproven`: the addresses are the CDN's, so they do not prove which server it fetches
    from. `caa_unknown`: the CAA records could not be read, so certificate authorities refuse to issue. `detail` is for
    experts.
    """

    name: str
    code: DnsCode
    next_step: Advice = NO_ADVICE
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
    def advice(self) -> str:
        """Return the next step as sentences; empty without one."""
        return self.next_step.text

    @property
    def records(self) -> tuple[RecordToSet, ...]:
        """Return the records that the next step asks for."""
        return self.next_step.records

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of all answers, in the order of the servers."""
        return tuple(dict.fromkeys(a for answer in self.answers for a in answer.addresses))


class TlsCode(StrEnum):
    """Verdict on the certificate of a domain; if it has several addresses, the worst of theirs."""

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
    UNKNOWN = "unknown"  # the address is unreachable from this machine, or must not be contacted

    @property
    def conclusive(self) -> bool:
        """Return whether a certificate was read. A time-out may be a problem of this machine."""
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
    """Contents of a certificate. Times are seconds since the epoch; `names` are its DNS names."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: float
    not_after: float
    fingerprint: str


class AddressVerdict(NamedTuple):
    """Verdict on one address. `detail` is the TLS library's short reason for a failure, for experts."""

    address: str
    code: TlsCode
    certificate: Certificate | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TlsVerdict:
    """Verdict on the certificate of one domain. `days_left` counts full days until the first certificate expires."""

    name: str
    code: TlsCode
    next_step: Advice = NO_ADVICE
    addresses: tuple[AddressVerdict, ...] = ()
    certificate: Certificate | None = None
    days_left: int | None = None

    @property
    def advice(self) -> str:
        """Return the next step as sentences; empty without one."""
        return self.next_step.text

    @property
    def serves(self) -> bool:
        """Return whether at least one address serves the domain with a certificate that browsers accept."""
        return any(a.code is TlsCode.OK for a in self.addresses)


class HttpCode(StrEnum):
    """Verdict on what a visitor of a domain gets; exactly one applies."""

    OK = "ok"
    PRIMARY = "redirect-to-primary"
    SIGN_UP = "sign-up-page"  # the network's page for new sites
    OTHER_SITE = "other-site"
    LOOP = "redirect-loop"
    BLOCKED = "blocked"  # Ultimate Multisite or the server refuses visitors
    SERVER_ERROR = "server-error"
    OTHER_SERVER = "other-server"
    TIMEOUT = "time-out"
    UNKNOWN = "unknown"  # an answer without any sign of the server that sent it

    @property
    def right(self) -> bool:
        """Return whether the visitor gets the right site."""
        return self in {HttpCode.OK, HttpCode.PRIMARY}

    @property
    def wrong(self) -> bool:
        """Return whether the visitor gets something else. A time-out may be a problem of this machine."""
        return not self.right and self not in {HttpCode.TIMEOUT, HttpCode.UNKNOWN}


@dataclass(frozen=True, slots=True)
class HttpVerdict:
    """Verdict on what a visitor of one domain gets.

    `status` is the HTTP status of the last answer, 0 without one, and `location` the address that it redirects to.
    `site` is the ID of the site that the web server's process serves, if the shim said so: only this proves that an
    answer comes from this network. `reason` is why Ultimate Multisite blocks visitors, as a code.
    """

    name: str
    code: HttpCode
    next_step: Advice = NO_ADVICE
    status: int = 0
    location: str = ""
    site: int | None = None
    reason: str = ""

    @property
    def advice(self) -> str:
        """Return the next step as sentences; empty without one."""
        return self.next_step.text


@dataclass(frozen=True, slots=True)
class DomainCheck:
    """All verdicts on one domain.

    `tls` is None if the domain has no address, `http` if there was no request: without a valid certificate, or if
    WordPress does not serve the domain yet.
    """

    name: str
    dns: DnsVerdict
    tls: TlsVerdict | None
    at: float
    http: HttpVerdict | None = None

    @property
    def has_https(self) -> bool:
        """Return whether the domain points here with valid HTTPS. Another host's valid certificate does not count."""
        return self.dns.points_here and self.tls is not None and self.tls.code is TlsCode.OK

    @property
    def is_live(self) -> bool:
        """Return whether visitors get the right site over valid HTTPS."""
        if self.http is None or self.tls is None:
            return False
        proven = self.dns.points_here or self.http.site is not None
        return proven and self.tls.code is TlsCode.OK and self.http.code.right
