"""State of a domain, derived from its checks. Pure.

`CheckState` is kept between checks; each of its values but the next step and the evidence fits into one
column of a table. Times are
seconds since the epoch.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.advice_text import NO_ADVICE, Advice
from closte_bridge.checks.model import DnsCode, DomainCheck, HttpCode, TlsCode, TlsVerdict
from closte_bridge.checks.schedule import DAY, CertificateDue, certificate_due, next_check
from closte_bridge.domains import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

# Before a certificate expires, the share of its lifetime in which closte-bridge warns. Short-lived certificates are
# renewed later.
_WARNING_SHARE, _SHORT_WARNING_SHARE, _SHORT_LIFETIME = 1 / 3, 1 / 2, 10 * DAY

# All visitors see a certificate for a different domain. A certificate for this domain that does not verify may be valid
# for visitors: this machine may lack its root, have a wrong clock, or use a proxy that intercepts TLS.
SEEN_BY_ALL = frozenset({TlsCode.WRONG_NAME, TlsCode.DEFAULT_CERTIFICATE})


class CheckState(NamedTuple):
    """Results of the checks of a domain. `checked_at` is the time of the last check with a result.

    `failures` counts consecutive checks in which the domain was incorrect and not served; `failing_since` and
    `failed_at` are the times of the first and the last of them. Time-outs, and failures that may be local to this
    machine, neither count nor reset the counter. `changed` is the time of the last change of a verdict. `not_after` is
    the end of the certificate, and `warn_at` the time from which it is a warning. `http` is empty if WordPress did not
    serve the domain. `live`: visitors get the right site. `evidence`: see `evidence_of`.
    """

    first_seen: float
    next_check: float
    checked_at: float | None = None
    changed: float = 0.0
    dns: str = ""
    tls: str = ""
    points_here: bool = False
    ok_since: float | None = None
    serves: bool = False
    not_after: float | None = None
    failures: int = 0
    failing_since: float | None = None
    failed_at: float | None = None
    next_step: Advice = NO_ADVICE
    warn_at: float | None = None
    http: str = ""
    live: bool = False
    evidence: Mapping[str, object] = {}


def begin(now: float) -> CheckState:
    """Return the state of a domain that is wanted from `now` on. Its first check is due immediately."""
    return CheckState(first_seen=now, next_check=now, changed=now)


def learn(check_state: CheckState, checked: DomainCheck, *, interval: float) -> CheckState:
    """Return the state after a check. `interval` is the network's `dns_check_interval` in seconds.

    A check without a result (*unknown*) only changes the time of the next check. `next_step` is the one for DNS,
    else for TLS, else for what visitors get: a domain that points elsewhere needs no certificate here.
    """
    known = checked.dns.code is not DnsCode.UNKNOWN
    # Clamp timestamps after the clock was set back.
    after = check_state._replace(
        checked_at=checked.at if known or not check_state.dns else check_state.checked_at,
        first_seen=min(check_state.first_seen, checked.at),
        changed=min(check_state.changed, checked.at),
        ok_since=None if check_state.ok_since is None else min(check_state.ok_since, checked.at),
    )
    if known:
        after = _seen(after, checked)
    due = next_check(
        checked.name,
        first_seen=after.first_seen,
        changed=after.changed,
        settled=after.live or (is_settled(after) and after.http == ""),
        interval=interval,
        now=checked.at,
    )
    return after._replace(next_check=due)


def _seen(check_state: CheckState, checked: DomainCheck) -> CheckState:
    now, dns, tls = checked.at, checked.dns, checked.tls
    tls_code = tls.code.value if tls else ""
    http_code = checked.http.code.value if checked.http else ""
    seen = (dns.code.value, tls_code, http_code)
    before = (check_state.dns, check_state.tls, check_state.http)
    # Time-outs say nothing about the domain's target, so keep the last known result.
    points_here = dns.points_here if dns.code.conclusive else check_state.points_here
    serves = tls is not None and tls.serves
    not_after, warn_at = expiry_of(tls) or (check_state.not_after, check_state.warn_at)
    failures, since, last = _failures(check_state, checked)
    return check_state._replace(
        changed=check_state.changed if seen == before else now,
        dns=dns.code.value,
        tls=tls_code,
        points_here=points_here,
        ok_since=(now if check_state.ok_since is None else check_state.ok_since) if points_here else None,
        serves=serves,
        not_after=not_after,
        warn_at=warn_at,
        failures=failures,
        failing_since=since,
        failed_at=last,
        next_step=next_step(checked),
        http=http_code,
        live=checked.is_live,
        evidence=evidence_of(checked),
    )


# Limits of the evidence, because it comes from servers.
_MOST_ADDRESSES, _LONGEST_TEXT = 8, 200


def evidence_of(checked: DomainCheck) -> dict[str, object]:
    """Return what a check saw, with limits: `addresses`, `issuer`, `http_status` and `location`, as far as known."""
    tls, http = checked.tls, checked.http
    found: dict[str, object] = {
        "addresses": [*checked.dns.addresses[:_MOST_ADDRESSES]],
        "issuer": shown(tls.certificate.issuer[:_LONGEST_TEXT]) if tls and tls.certificate else "",
        "http_status": http.status if http else 0,
        "location": shown(http.location[:_LONGEST_TEXT]) if http else "",
    }
    return {key: value for key, value in found.items() if value}


def next_step(checked: DomainCheck) -> Advice:
    """Return the customer's next step: for DNS, else for the certificate, else for what visitors get."""
    dns, tls, http = checked.dns, checked.tls, checked.http
    if checked.is_live:
        return NO_ADVICE
    steps = (one.next_step for one in (dns, tls, http) if one)
    return next((step for step in steps if step.code), NO_ADVICE)


def expiry_of(tls: TlsVerdict | None) -> tuple[float, float] | None:
    """Return the end of the first certificate for this domain to expire, and from when on it is a warning; or None."""
    own = {TlsCode.OK, TlsCode.EXPIRED}
    certificates = [a.certificate for a in tls.addresses if a.certificate and a.code in own] if tls else []
    return min(((c.not_after, warn_from(c.not_before, c.not_after)) for c in certificates), default=None)


def warn_from(not_before: float, not_after: float) -> float:
    """Return from when on the end of a certificate is a warning. All times are in seconds since the epoch."""
    lifetime = max(0.0, not_after - not_before)
    return not_after - lifetime * (_SHORT_WARNING_SHARE if lifetime < _SHORT_LIFETIME else _WARNING_SHARE)


def _failures(check_state: CheckState, checked: DomainCheck) -> tuple[int, float | None, float | None]:
    dns, tls = checked.dns, checked.tls
    if tls is not None and tls.serves:
        return 0, None, None
    # Even if the domain points elsewhere: behind a CDN, only a certificate proves that it points here. If the server
    # does not respond, this machine's own connection may be down.
    wrong = tls.code in SEEN_BY_ALL if tls is not None else not dns.points_here
    if not wrong or not dns.code.conclusive:
        return check_state.failures, check_state.failing_since, check_state.failed_at
    since = checked.at if check_state.failing_since is None else min(check_state.failing_since, checked.at)
    return check_state.failures + 1, since, checked.at


def dns_ok(check_state: CheckState) -> bool:
    """Return whether the domain pointed here in the last check. A result kept after a time-out does not count."""
    return check_state.points_here and check_state.dns != DnsCode.TIMEOUT


def is_settled(check_state: CheckState) -> bool:
    """Return whether the domain points here and all of its addresses have a valid certificate."""
    return dns_ok(check_state) and check_state.tls == TlsCode.OK


class DomainPhase(StrEnum):
    """Provisioning phase of a domain."""

    WANTED = "wanted"
    ADDED = "added"
    DNS_OK = "dns-ok"
    HTTPS_OK = "https-ok"
    LIVE = "live"
    BLOCKED = "blocked"


class DomainState(NamedTuple):
    """State of a domain. `reason` is a code of `DnsCode`, `TlsCode` or `HttpCode`, or the code passed as `blocked`."""

    phase: DomainPhase
    since: float
    reason: str = ""
    next_step: Advice = NO_ADVICE

    @property
    def advice(self) -> str:
        """Return the next step as sentences; empty without one."""
        return self.next_step.text


def domain_state(check_state: CheckState, *, aliased: bool, now: float, blocked: str = "") -> DomainState:
    """Return the state of a domain at `now`.

    `aliased`: Closte has the alias. `blocked` is the code of the hold or error that prevents the alias, or empty.
    """
    phase, since, reason = _phase(check_state, aliased=aliased, now=now, blocked=blocked)
    stuck = phase is DomainPhase.BLOCKED or reason != ""
    return DomainState(phase, since, reason, check_state.next_step if stuck else NO_ADVICE)


def _phase(check_state: CheckState, *, aliased: bool, now: float, blocked: str) -> tuple[DomainPhase, float, str]:
    if not aliased:
        return (DomainPhase.BLOCKED if blocked else DomainPhase.WANTED), check_state.first_seen, blocked
    if check_state.checked_at is None:
        return DomainPhase.ADDED, check_state.first_seen, ""
    if check_state.live:
        return DomainPhase.LIVE, check_state.changed, ""
    if is_settled(check_state):
        wrong = check_state.http != "" and HttpCode(check_state.http).wrong
        return (DomainPhase.BLOCKED if wrong else DomainPhase.HTTPS_OK), check_state.changed, check_state.http
    if not dns_ok(check_state):
        # Without a result, no problem with the domain is known.
        return (DomainPhase.BLOCKED if check_state.dns else DomainPhase.ADDED), check_state.changed, check_state.dns
    since = check_state.ok_since if check_state.ok_since is not None else check_state.changed
    if check_state.dns in {DnsCode.CAA, DnsCode.CNAME_AT_APEX}:
        return DomainPhase.BLOCKED, check_state.changed, check_state.dns
    if certificate_due(check_state.ok_since, now) is CertificateDue.LATE or check_state.serves:
        return DomainPhase.BLOCKED, since, check_state.tls
    return DomainPhase.DNS_OK, since, check_state.tls
