"""State of a domain, derived from its checks. Pure.

`CheckState` is kept between checks; each of its values fits into one column of a table. Times are seconds since the
epoch.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from closte_bridge.checks.model import DnsCode, DomainCheck, TlsCode
from closte_bridge.checks.schedule import DAY, CertificateDue, certificate_due, next_check

EXPIRY_WARNING = 14 * DAY

# All visitors see a certificate for a different domain. A certificate for this domain that does not verify may be valid
# for visitors: this machine may lack its root, have a wrong clock, or use a proxy that intercepts TLS.
SEEN_BY_ALL = frozenset({TlsCode.WRONG_NAME, TlsCode.DEFAULT_CERTIFICATE})


class CheckState(NamedTuple):
    """Results of the checks of a domain. `checked_at` is the time of the last check with a result.

    `failures` counts consecutive checks in which the domain was incorrect and not served; `failing_since` and
    `failed_at` are the times of the first and the last of them. Time-outs, and failures that may be local to this
    machine, neither count nor reset the counter. `changed` is the time of the last change of a verdict.
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
    advice: str = ""


def begin(now: float) -> CheckState:
    """Return the state of a domain that is wanted from `now` on. Its first check is due immediately."""
    return CheckState(first_seen=now, next_check=now, changed=now)


def learn(check_state: CheckState, checked: DomainCheck, *, interval: float) -> CheckState:
    """Return the state after a check. `interval` is the network's `dns_check_interval` in seconds.

    A check without a result (*unknown*) only changes the time of the next check. `advice` is the next step for DNS,
    else for TLS: a domain that points elsewhere needs no certificate here.
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
        settled=is_settled(after),
        interval=interval,
        now=checked.at,
    )
    return after._replace(next_check=due)


def _seen(check_state: CheckState, checked: DomainCheck) -> CheckState:
    now, dns, tls = checked.at, checked.dns, checked.tls
    tls_code = tls.code.value if tls else ""
    # Time-outs say nothing about the domain's target, so keep the last known result.
    points_here = dns.points_here if dns.code.conclusive else check_state.points_here
    serves = tls is not None and tls.serves
    failures, since, last = _failures(check_state, checked)
    return check_state._replace(
        changed=check_state.changed if (dns.code.value, tls_code) == (check_state.dns, check_state.tls) else now,
        dns=dns.code.value,
        tls=tls_code,
        points_here=points_here,
        ok_since=(now if check_state.ok_since is None else check_state.ok_since) if points_here else None,
        serves=serves,
        not_after=_expiry(checked) or check_state.not_after,
        failures=failures,
        failing_since=since,
        failed_at=last,
        advice=dns.advice or (tls.advice if tls else ""),
    )


def _expiry(checked: DomainCheck) -> float | None:
    """Return the earliest expiry of the certificates for this domain, or None."""
    own = {TlsCode.OK, TlsCode.EXPIRED}
    addresses = checked.tls.addresses if checked.tls else ()
    return min((a.certificate.not_after for a in addresses if a.certificate and a.code in own), default=None)


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
    BLOCKED = "blocked"


class DomainState(NamedTuple):
    """State of a domain. `reason` is a code of `DnsCode` or `TlsCode`, or the code passed as `blocked`."""

    phase: DomainPhase
    since: float
    reason: str = ""
    advice: str = ""


def domain_state(check_state: CheckState, *, aliased: bool, now: float, blocked: str = "") -> DomainState:
    """Return the state of a domain at `now`.

    `aliased`: Closte has the alias. `blocked` is the code of the hold or error that prevents the alias, or empty.
    """
    phase, since, reason = _phase(check_state, aliased=aliased, now=now, blocked=blocked)
    stuck = phase is DomainPhase.BLOCKED or (reason != "" and phase is not DomainPhase.HTTPS_OK)
    return DomainState(phase, since, reason, check_state.advice if stuck else "")


def _phase(check_state: CheckState, *, aliased: bool, now: float, blocked: str) -> tuple[DomainPhase, float, str]:
    if not aliased:
        return (DomainPhase.BLOCKED if blocked else DomainPhase.WANTED), check_state.first_seen, blocked
    if check_state.checked_at is None:
        return DomainPhase.ADDED, check_state.first_seen, ""
    if is_settled(check_state):
        return DomainPhase.HTTPS_OK, check_state.changed, ""
    if not dns_ok(check_state):
        # Without a result, no problem with the domain is known.
        return (DomainPhase.BLOCKED if check_state.dns else DomainPhase.ADDED), check_state.changed, check_state.dns
    since = check_state.ok_since if check_state.ok_since is not None else check_state.changed
    if check_state.dns in {DnsCode.CAA, DnsCode.CNAME_AT_APEX}:
        return DomainPhase.BLOCKED, check_state.changed, check_state.dns
    if certificate_due(check_state.ok_since, now) is CertificateDue.LATE or check_state.serves:
        return DomainPhase.BLOCKED, since, check_state.tls
    return DomainPhase.DNS_OK, since, check_state.tls
