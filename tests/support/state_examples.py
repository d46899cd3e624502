"""Domain states as closte-bridge writes them to WordPress: one domain of each view, and hostile ones."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from tests.support.rows import set_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.support.wordpress import Multisite

TABLE = "wp_closte_bridge_domains"
TARGET, STRANGE = "192.0.2.10", "203.0.113.9"
MINUTE, HOUR, DAY = 60, 3600, 86_400
Row = dict[str, Any]
_COLUMNS = ["network_id", "domain", "blog_id", "state", "status", "code", "needs", "args", "since", "next_check"]
_COMMAND = "closte-bridge sync --allow-removals=5f3a9c1e0b7d"


def state(domain: str, blog_id: int = 0, **columns: Any) -> Row:  # noqa: ANN401 - any column or part of `args`
    """Return a row; what is no column becomes a part of `args`. By default, the domain is live."""
    now = int(time.time())
    row: Row = {
        "network_id": 1, "domain": domain, "blog_id": blog_id, "state": "live", "status": "in-sync", "code": "",
        "needs": "", "since": now - 3 * DAY, "next_check": now + 4 * HOUR,
    }  # fmt: skip
    args: Row = {
        "at_closte": True, "managed": True, "dns": "ok", "https": "ok", "http": "ok", "live": True,
        "checked_at": now - 10 * MINUTE, "step": {"code": "", "args": {}, "records": []}, "plan_step": "in-sync",
        "evidence": {"addresses": [TARGET], "issuer": "Let's Encrypt", "not_after": now + 60 * DAY, "http_status": 200},
        "history": [[now - 3 * DAY, "live", ""], [now - 4 * DAY, "added", ""]],
    }  # fmt: skip
    for name, value in columns.items():
        (row if name in _COLUMNS else args)[name] = value
    return row | {"args": args}


def needs_dns(domain: str, blog_id: int) -> Row:
    """Return the row of a domain whose A record points to another server."""
    now = int(time.time())
    step = {
        "code": "change-records",
        "args": {},
        "records": [{"type": "A", "host": domain, "value": [TARGET], "current": [STRANGE]}],
    }
    return state(
        domain, blog_id, state="blocked", code="points-elsewhere", needs="customer", since=now - HOUR,
        next_check=now + 5 * MINUTE, dns="points-elsewhere", https=None, http=None, live=False, step=step, plan_step="",
        evidence={"addresses": [STRANGE]},
        history=[[now - HOUR, "blocked", "points-elsewhere"], [now - DAY, "added", ""]],
    )  # fmt: skip


def examples(shop: int, other: int) -> list[Row]:
    """Return a domain of each view, of two sites."""
    off: Row = {"dns": None, "https": None, "http": None, "live": False, "evidence": {}}
    return [
        state("blog.example.org", shop),
        needs_dns("shop.example.com", shop),
        state("www.shop.example.com", shop, state="dns-ok", https="default-certificate", http=None, live=False),
        state(
            "failed.example.com", other, state="wanted", status="to-add", code="back-off", needs="operator",
            at_closte=False, plan_step="add-later", until=int(time.time()) + HOUR, **off,
        ),
        state(
            "hold.example.com", other, state="wanted", status="on-hold", code="certificate-budget", needs="operator",
            at_closte=False, plan_step="certificate-budget", **off,
        ),
        state("old.example.org", state="added", status="needs-approval", plan_step="needs-approval", **off),
        state("manual.example.org", state="added", status="unmanaged", managed=False, plan_step="unmanaged", **off),
        state(
            "lost.example.org", 999, state="blocked", status="orphaned", code="site-gone", plan_step="site-gone",
            **off,
        ),
        needs_dns("other.example.com", other),
    ]  # fmt: skip


VIEWS = {
    "all": 9, "live": 1, "needs-customer": 2, "failed": 1, "on-hold": 1, "needs-approval": 1, "unmanaged": 1,
    "site-gone": 1,
}  # fmt: skip


def summary(**changes: object) -> Row:
    """Return the summary for the examples."""
    now = int(time.time())
    return {
        "at": now,
        "counts": VIEWS,
        "phases": {},
        "last_run": {"at": now - 90, "outcome": "needs-approval", "seconds": 2.1},
        "next_run": now + 210,
        "mode": "normal",
        "reason": "",
        "reason_text": "",
        "owner": {"host": "web1.example.net", "since": "2026-11-02T10:00:00+00:00"},
        "how": "timer",
        "version": "0.1.0",
        "approval": [],
        "generation": 1,
        **changes,
    }


def approval(*domains: str, command: str = _COMMAND) -> Row:
    """Return removals that need approval."""
    return {"rule": "inference", "domains": [*domains], "more": 4, "digest": "5f3a9c1e0b7d", "command": command}


HOSTILE = """'"><img src=data:,x onerror="cbHostile=1"><script>cbHostile=2</script>${7*7}</textarea>"""


def hostile(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return the same value with all texts hostile."""
    match value:
        case dict():
            return {name: hostile(item) for name, item in value.items()}
        case list():
            return [hostile(item) for item in value]
        case str():
            return value + HOSTILE
    return value


def write_states(
    multisite: Multisite, rows: Iterable[Mapping[str, Any]], addresses: Iterable[str] = (TARGET,), **summary_of: object
) -> None:
    """Replace all rows and the status option, without WordPress; `addresses` are those of the network."""
    lines = []
    for row in rows:
        values = [json.dumps(row[c]) if c == "args" else str(row[c]) for c in _COLUMNS]
        lines.append("({})".format(", ".join("'" + value.replace("'", "''") + "'" for value in values)))
    statements = [f"DELETE FROM {TABLE}"]
    if lines:
        statements.append(f"INSERT INTO {TABLE} ({', '.join(_COLUMNS)}) VALUES {', '.join(lines)}")
    multisite.sql(";\n".join(statements))
    known = {"verdicts": {}, "addresses": [*addresses], "summary": summary(**summary_of)}
    status = {"heartbeat": int(time.time()), **known}
    set_option(multisite, "closte_bridge_status", status)
