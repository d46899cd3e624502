"""`domain list`: all domains with their state and the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.commands.domain_explain import expiry_warnings, inspect_network, side_messages
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import Choice, format_options, global_options
from closte_bridge.cli.result import Result
from closte_bridge.cli.text import when
from closte_bridge.domains import comparable
from closte_bridge.engine.inventory import next_step
from closte_bridge.engine.states import state_row, views_of

if TYPE_CHECKING:
    from closte_bridge.cli.commands.domain_explain import DomainFindings
    from closte_bridge.engine.inventory import DomainStatus

LIVE, NOT_LIVE = "live", "not-live"
CUSTOMER, OPERATOR, FAILED = "needs-customer", "needs-operator", "failed"
# Values of the column, and groups of them.
STATES = (
    "in-sync",
    "to-add",
    "to-remove",
    "on-hold",
    "needs-approval",
    "unmanaged",
    "gone",
    "unknown",
    "orphaned",
    "own",
    LIVE,
    NOT_LIVE,
    CUSTOMER,
    OPERATOR,
    FAILED,
)
FIELDS = ("domain", "site", "stage", "closte", "state", "dns", "https", "live", "next_step")
EXTRA = ("origin", "reason", "managed", "active", "primary", "secure", "until", "needs")
_GREEN, _YELLOW, _RED, _GREY = "32", "33", "31", "90"
_COLOURS = {
    **dict.fromkeys(("in-sync", "own", "ok", "true", "yes", "done"), _GREEN),
    **dict.fromkeys(("to-add", "to-remove", "on-hold", "needs-approval", "unknown", "partly-propagated"), _YELLOW),
    **dict.fromkeys(("gone", "orphaned", "points-elsewhere", "nxdomain", "no-address", "expired", "failed"), _RED),
    "unmanaged": _GREY,
}
# Domains in these states need not be live.
_LEFT_OUT = frozenset({"to-remove", "needs-approval", "unmanaged", "gone", "orphaned", "own"})

LIST = """
$ closte-bridge domain list --fields=domain,closte,state
domain	closte	state
network.example.com	yes	own
one.network.example.com	yes	in-sync
shop.customer.com	yes	in-sync
two.network.example.com	yes	in-sync
www.shop.customer.com	no	on-hold

$ closte-bridge domain list --state=on-hold --search=shop --format=ids
www.shop.customer.com
"""


def _is_selected(known: DomainStatus, row: dict[str, object], views: set[str], wanted: str | None, search: str) -> bool:
    if search not in comparable(known.name):
        return False
    match wanted:
        case None:
            return True
        case "not-live":
            return known.state not in _LEFT_OUT and not row["live"]
        case "live":
            return bool(row["live"])
        case "needs-customer" | "needs-operator":
            return row["needs"] == wanted.removeprefix("needs-")
    return wanted in ({known.state} | (views & {FAILED}))


def row_of(known: DomainStatus, found: DomainFindings, now: float) -> dict[str, object]:
    """Return the row of a domain, with the fields `FIELDS` and `EXTRA`."""
    return _row_and_views(known, found, now)[0]


def _row_and_views(known: DomainStatus, found: DomainFindings, now: float) -> tuple[dict[str, object], set[str]]:
    mapping, plan = known.mapping, found.report.plan
    check_state = found.check_states.get(known.name)
    published = state_row(known, check_state, found.report.view, plan, now)
    step = published.step.text
    # People look for what is left to do.
    is_due = bool(step or published.needs or known.state in {"to-add", "to-remove", "on-hold"})
    row: dict[str, object] = {
        "domain": known.name,
        "site": mapping.blog_id if mapping else None,
        "stage": mapping.stage if mapping else None,
        "closte": {True: "yes", False: "no", None: "unknown"}[known.at_closte],
        "state": known.state,
        "dns": (check_state.dns or None) if check_state else None,
        "https": (check_state.tls or None) if check_state else None,
        "live": check_state is not None and check_state.live,
        "next_step": next_step(known, plan.authority, step) if is_due else "",
        "origin": known.origin,
        "reason": known.reason,
        "managed": known.managed,
        "active": mapping.active if mapping else None,
        "primary": mapping.primary if mapping else None,
        "secure": mapping.secure if mapping else None,
        "until": when(known.until),
        "needs": published.needs,
    }
    return row, {*views_of(published)}


@click.command("list", cls=BridgeCommand, short_help="List all known domains.", epilog=LIST)
@click.option(
    "--state",
    type=Choice(STATES),
    metavar="<state>",
    help='State of the domains to list, such as "not-live". Default: all.',
)
@click.option("--search", default="", metavar="<text>", help="Text that the domains contain. Default: any.")
@format_options(fields=FIELDS, extra_fields=EXTRA)
@global_options
@pass_app
def list_(app: App, state: str | None, search: str) -> Result:
    """List all domains known to WordPress or Closte, with their state and the next step.

    States: in-sync, to-add, to-remove, on-hold, needs-approval, unmanaged, gone (no longer on Closte), unknown
    (Closte's list is incomplete), orphaned (the mapping's site no longer exists), own (the network's main domain).
    Groups: live and not-live (by what visitors got in the last check), needs-customer and needs-operator (who has to
    act), failed (Closte did not make a change, or a managed domain does not work).
    """
    engine = engine_of(app, app.network())
    found = inspect_network(engine)
    code, errors, warnings, remarks = side_messages(found.report)
    now, text = engine.clock.now(), comparable(search.strip())
    rows = []
    for known in found.known:
        row, views = _row_and_views(known, found, now)
        if _is_selected(known, row, views, state, text):
            rows.append(row)
    return Result(
        exit_code=code,
        data=rows,
        fields=FIELDS,
        colours=_COLOURS,
        messages=remarks,
        errors=errors,
        warnings=(*warnings, *expiry_warnings(found)),
        cost=engine.cost.as_data(),
    )
