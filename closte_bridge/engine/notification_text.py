"""Notifications as sentences for people, and as data for commands. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from closte_bridge.counts import counted
from closte_bridge.ledger.notifications import NotificationKind as Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.ledger.notifications import Notification

DIGEST_ABOVE = 10
"""More notifications than this become a digest."""
_MOST_NAMES = 50
_TEXTS = {
    Kind.LIVE: "{domain} is live",
    Kind.BROKE: "{domain} is no longer live",
    Kind.BACK: "{domain} is live again",
    Kind.CUSTOMER: "{domain} needs its owner",
    Kind.CERTIFICATE: "The certificate of {domain} was not renewed",
    Kind.APPROVAL: "{removals} your approval",
    Kind.SILENT: "closte-bridge is silent",
    Kind.RUNNING: "closte-bridge runs again",
}
_COUNTED = {
    Kind.LIVE: "live",
    Kind.BROKE: "no longer live",
    Kind.BACK: "live again",
    Kind.CUSTOMER: "waiting for their owners",
    Kind.CERTIFICATE: "with a certificate that was not renewed",
}
_GOOD = frozenset({Kind.LIVE, Kind.BACK, Kind.RUNNING})


class Text(NamedTuple):
    """A message for people. `good`: it reports nothing to do."""

    title: str
    body: str
    good: bool


def title(one: Notification) -> str:
    """Return what happened, without a final period."""
    removals = counted(one.data.get("count", 0), "removal needs", "removals need")
    return _TEXTS[one.kind].format(domain=one.domain, removals=removals)


def details(one: Notification) -> str:
    """Return the cause and what to do, as sentences; empty without them."""
    data, step = one.data, one.step.text
    match one.kind:
        case Kind.BROKE | Kind.CUSTOMER:
            cause = f"The cause is {one.code}." if one.kind is Kind.BROKE and one.code else ""
            more = f"See `closte-bridge domain explain {one.domain}`." if not step else ""
            return " ".join(filter(None, (cause, step, more)))
        case Kind.CERTIFICATE:
            end = f"It expires at {_iso(data['not_after'])}. " if data.get("not_after") else ""
            return f"{end}See `closte-bridge domain explain {one.domain}`."
        case Kind.APPROVAL:
            names = ", ".join(data.get("domains", [])[:DIGEST_ABOVE])
            more = data.get("count", 0) - len(data.get("domains", [])[:DIGEST_ABOVE])
            listed = f"{names} and {more} more" if more > 0 else names
            return f"Domains: {listed}. Review them with `closte-bridge plan`."
        case Kind.SILENT:
            return f"The last successful run ended at {_iso(data['since'])}. See `closte-bridge status`."
    return ""


def text_of(notifications: Sequence[Notification], network: str) -> Text:
    """Return one message about all of the notifications: each in full, or a digest of more than ten."""
    good = all(one.kind in _GOOD for one in notifications)
    if len(notifications) == 1:
        (one,) = notifications
        return Text(title(one), details(one) or f"Network: {network}.", good)
    head = f"{network}: {summary(notifications)}"
    if len(notifications) <= DIGEST_ABOVE:
        return Text(head, "\n\n".join(f"{title(one)}. {details(one)}".rstrip() for one in notifications), good)
    lines = []
    for kind in Kind:
        found = [one for one in notifications if one.kind is kind]
        if kind in _COUNTED and found:
            names = [one.domain for one in found]
            rest = len(names) - _MOST_NAMES
            more = f" and {rest} more" if rest > 0 else ""
            lines.append(f"{counted(len(names), 'domain')} {_COUNTED[kind]}: {', '.join(names[:_MOST_NAMES])}{more}.")
        else:
            lines += [f"{title(one)}. {details(one)}".rstrip() for one in found]
    lines.append("See `closte-bridge domain list --state=not-live`.")
    return Text(head, "\n\n".join(lines), good)


def summary(notifications: Sequence[Notification]) -> str:
    """Return the numbers of notifications by kind: `2 went-live, 1 broke`."""
    counts = Counter(one.kind for one in notifications)
    return ", ".join(f"{counts[kind]} {kind}" for kind in Kind if counts[kind])


def document(notifications: Sequence[Notification], network: str) -> dict[str, Any]:
    """Return the JSON object that `on_domain` gets on standard input."""
    return {
        "version": 1,
        "network": network,
        "digest": len(notifications) > DIGEST_ABOVE,
        "counts": {str(kind): number for kind, number in sorted(Counter(n.kind for n in notifications).items())},
        "events": [_event(one) for one in notifications],
    }


def _event(one: Notification) -> dict[str, Any]:
    data = {key: _iso(value) if key in {"not_after", "since"} else value for key, value in one.data.items()}
    step = one.step.as_data()
    return {
        "event": str(one.kind),
        "at": _iso(one.at),
        "domain": one.domain or None,
        "site": one.site or None,
        "code": one.code,
        "message": f"{title(one)}. {details(one)}".rstrip(),
        "next_step": one.step.text,
        "step": {"code": step["code"], "args": step["args"]},
        "records": step["records"],
        **data,
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
