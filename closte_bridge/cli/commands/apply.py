"""`closte-bridge apply`: apply a reviewed plan file."""

from __future__ import annotations

from pathlib import Path

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.render import FIELDS
from closte_bridge.cli.result import Message, Result
from closte_bridge.cli.syncing import run_sync
from closte_bridge.engine import planfile
from closte_bridge.engine.run import RunRequest
from closte_bridge.planning.model import Approval

_EXAMPLES = """
$ closte-bridge plan --out=plan.json --quiet
Network "network.example.com": 0 to add, 0 to remove, 3 in sync, 1 on hold, 4 need approval.
  ~+ www.shop.customer.com  on hold: waiting for DNS to point to the same address as "shop.customer.com"
  !  a.example.org          needs approval: the limit is 3 inferred removals per 24 hours, with 0 removed and 4 pending
  !  b.example.org          needs approval: the limit is 3 inferred removals per 24 hours, with 0 removed and 4 pending
  !  c.example.org          needs approval: the limit is 3 inferred removals per 24 hours, with 0 removed and 4 pending
  !  d.example.org          needs approval: the limit is 3 inferred removals per 24 hours, with 0 removed and 4 pending
Error: 4 removals need your approval (…): "a.example.org", "b.example.org", "c.example.org", "d.example.org".
…

$ closte-bridge apply plan.json
Network "network.example.com": 0 to add, 4 to remove, 3 in sync, 1 on hold.
  -  a.example.org          no longer in WordPress
  -  b.example.org          no longer in WordPress
  -  c.example.org          no longer in WordPress
  -  d.example.org          no longer in WordPress
  ~+ www.shop.customer.com  on hold: waiting for DNS to point to the same address as "shop.customer.com"
Applied the plan created at 2026-02-03T10:15:00+00:00.
Success: Removed 4 of 4 domains.
Cost: 3 wp calls (1.23 s), 5 API calls (0.51 s), planning 0.001 s.
"""


@click.command(cls=BridgeCommand, short_help="Apply a reviewed plan file.", epilog=_EXAMPLES)
@click.argument("file", metavar="<file>")
@format_options(fields=FIELDS)
@global_options
@pass_app
def apply(app: App, file: str) -> Result:
    """Apply a plan file saved by `closte-bridge plan --out`.

    Reads WordPress and Closte again first. Makes the changes that still apply, including removals above the limit.
    If a change no longer applies, skips it and exits with code 3. Changes nothing outside the plan.
    """
    app.network()  # a plan covers one network
    reviewed = planfile.read(Path(file))
    removals = frozenset(name for action, name in reviewed.changes if action == "remove")
    request = RunRequest(
        approval=Approval(names=removals),
        reviewed=reviewed.changes,
        reviewed_network=(reviewed.network, reviewed.database),
        retry=True,
    )
    return run_sync(app, request, said=(Message("log", f"Applied the plan created at {reviewed.created}."),))
