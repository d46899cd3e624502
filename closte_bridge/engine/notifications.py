"""Turn changes of state into notifications: what happened to domains, and what the network needs.

Compares the check states with what was reported, so that a killed run reports later and each change is reported once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from closte_bridge.checks.domain_state import dns_ok
from closte_bridge.checks.model import DnsCode, HttpCode, TlsCode
from closte_bridge.checks.needs import Needs, needs
from closte_bridge.domains import WWW
from closte_bridge.ledger.meta import APPROVAL_REPORTED, REPORTING_SINCE, SILENT_REPORTED
from closte_bridge.ledger.notifications import (
    Candidate,
    Notification,
    NotificationKind,
    Reported,
    append,
    candidates,
    save_reported,
)
from closte_bridge.ledger.state import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.checks.domain_state import CheckState
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.model import OverLimit, Plan

HOUR = 3600.0
# A domain whose next step changes again is reported at most this often.
_STEP_AFTER = HOUR
# A domain that broke more than once in a day has to be live for this long before it is reported, doubled each time.
_STEADY, _MOST_STEADY = HOUR, 12 * HOUR
_MOST_NAMES = 50


def note(ledger: Ledger, view: Observation, plan: Plan | None, now: float) -> list[Notification]:
    """Save what has changed since the last report as notifications, and return them.

    The first call reports no domain: what is known then is the start. Later, a domain without a report starts silently
    if it was on Closte at adoption, or is not in the ledger and reporting began less than a day ago. `plan` is None in
    a run that planned only some domains.
    """
    meta = ledger.meta()
    since = REPORTING_SINCE.of(meta)
    reported: dict[str, Reported] = {}
    notifications: list[Notification] = []
    for one in candidates(ledger, now):
        after, kinds = judged(one, now, silent=since is None or _is_start(one, since, now))
        if after != one.reported:
            reported[one.name] = after
        notifications += [_of_domain(kind, one, view, now) for kind in kinds]
    values = {REPORTING_SINCE.to(now if since is None else since)}
    if plan is not None:
        known = frozenset(APPROVAL_REPORTED.of(meta).split())
        notifications += [_of_removals(over, now) for over in plan.over_limit if over.digest not in known]
        values.add(APPROVAL_REPORTED.to(" ".join(over.digest for over in plan.over_limit)))
        if (silent := SILENT_REPORTED.of(meta)) is not None:
            notifications.append(Notification(now, NotificationKind.RUNNING, data={"since": silent}))
            values.add(SILENT_REPORTED.to(None))
    if reported or notifications or any(meta.get(name) != text for name, text in values):
        # Do not wait for the disk: the next run finds the same.
        with ledger.transaction(durable=False):
            save_reported(ledger, reported)
            append(ledger, notifications, now)
            ledger.save(*values)
    return notifications


def note_silence(ledger: Ledger, success: float, now: float) -> bool:
    """Save once that closte-bridge has had no successful run since `success`; return whether this is new."""
    if SILENT_REPORTED.of(ledger.meta()) is not None:
        return False
    with ledger.transaction():
        append(ledger, [Notification(now, NotificationKind.SILENT, data={"since": success})], now)
        ledger.save(SILENT_REPORTED.to(now))
    return True


def _is_start(one: Candidate, since: float, now: float) -> bool:
    return one.reported is None and (one.adopted or (not one.managed and now - since < DAY))


def judged(one: Candidate, now: float, *, silent: bool) -> tuple[Reported, list[NotificationKind]]:
    """Return what is reported of a domain after its last check, and the kinds of its notifications.

    `silent`: only note its state. Pure.
    """
    state, before = one.check_state, one.reported or Reported()
    expires = state.not_after if one.expiring else None
    if silent:
        return Reported(state.live, state.live, one.step, not_after=expires), []
    after, kinds = _turned(one, before, now) if state.live != before.live else (_steady(one, before, now))
    if expires is not None and expires != before.not_after:
        after = after._replace(not_after=expires)
        # A domain that broke because of it is reported as broken.
        kinds += [NotificationKind.CERTIFICATE] if NotificationKind.BROKE not in kinds else []
    return after, kinds


def _turned(one: Candidate, before: Reported, now: float) -> tuple[Reported, list[NotificationKind]]:
    """Return the report of a domain whose visitors get the right site again, or do not any more."""
    state = one.check_state
    since = min(before.turned or now, now)
    if state.live:
        if not before.was_live:
            return before._replace(live=True, was_live=True, turned=None, step=""), [NotificationKind.LIVE]
        if now - since < _steady_time(before.breaks):
            return before._replace(turned=since), []
        return before._replace(live=True, turned=None, step=""), [NotificationKind.BACK]
    checked = state.checked_at or now
    if not _is_clear(state) and (before.turned is None or checked <= before.turned):
        # This machine may be the cause. The next check decides.
        return before._replace(turned=checked), []
    breaks = before.breaks + 1 if now - before.broke_at < DAY else 1
    after = before._replace(live=False, turned=None, step=one.step, step_at=now, breaks=breaks, broke_at=now)
    return after, [NotificationKind.BROKE]


def _steady_time(breaks: int) -> float:
    """Return the seconds for which a domain that broke so often has to be live again."""
    return 0.0 if breaks < 2 else min(_MOST_STEADY, _STEADY * 2.0 ** (breaks - 2))  # noqa: PLR2004 - once is no flapping


def _steady(one: Candidate, before: Reported, now: float) -> tuple[Reported, list[NotificationKind]]:
    """Return the report of a domain that is as it was reported."""
    if before.turned is not None:
        # It broke again before it was reported as live, so it is flapping.
        flaps = 0 if one.check_state.live else 1
        before = before._replace(turned=None, breaks=before.breaks + flaps, broke_at=now if flaps else before.broke_at)
    if one.check_state.live or one.step == before.step:
        return before, []
    step, ours = one.check_state.next_step, one.managed or not one.name.startswith(WWW)
    if needs(step.code) is not Needs.CUSTOMER or not ours or _key(one.step) == _key(before.step):
        return before._replace(step=one.step), []
    if 0 <= now - before.step_at < _STEP_AFTER:
        return before, []
    return before._replace(step=one.step, step_at=now), [NotificationKind.CUSTOMER]


def _key(step: str) -> object:
    """Return what a next step asks for, without the current values: they may differ between two answers of DNS."""
    try:
        data = json.loads(step) if step else {}
        return data.get("code"), [(r["type"], r["host"], r["value"]) for r in data.get("records", [])]
    except (ValueError, TypeError, KeyError, AttributeError):
        return step


def _is_clear(state: CheckState) -> bool:
    """Return whether the last check proves that visitors do not get the right site."""
    if state.http:
        return HttpCode(state.http).wrong
    if not state.points_here and state.dns and DnsCode(state.dns).conclusive:
        return True
    return bool(state.tls) and state.tls != TlsCode.OK and TlsCode(state.tls).conclusive


def cause_of(state: CheckState) -> str:
    """Return the code that says why visitors do not get the right site; empty if they do."""
    if state.live:
        return ""
    if not dns_ok(state):
        return state.dns
    return state.tls if state.tls != TlsCode.OK else state.http


def _of_domain(kind: NotificationKind, one: Candidate, view: Observation, now: float) -> Notification:
    state = one.check_state
    mapping = view.desire.mapped.get(one.name)
    data: dict[str, Any] = {"not_after": state.not_after} if kind is NotificationKind.CERTIFICATE else {}
    site = mapping.blog_id if mapping else 0
    return Notification(now, kind, one.name, site, cause_of(state), state.next_step, data)


def _of_removals(over: OverLimit, now: float) -> Notification:
    names: Sequence[str] = over.names
    data = {"count": len(names), "domains": [*names[:_MOST_NAMES]], "digest": over.digest}
    return Notification(now, NotificationKind.APPROVAL, code=over.removal_class.value, data=data)
