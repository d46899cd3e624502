"""`closte-bridge apply`: apply a plan that was reviewed."""

from __future__ import annotations

from pathlib import Path

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.plans import FIELDS
from closte_bridge.cli.result import Message, Result
from closte_bridge.cli.syncing import run_sync

_EXAMPLES = """
$ closte-bridge plan --out=plan.json --quiet
Network "network.example.com": 0 to add, 0 to remove, 3 in step, 1 held, 4 withheld.
  ~+ www.shop.customer.com  held: waits until it leads where "shop.customer.com" leads
  !  a.example.org          removal withheld: at most 3 by inference in any 24 hours, 0 removed and 4 waiting
  !  b.example.org          removal withheld: at most 3 by inference in any 24 hours, 0 removed and 4 waiting
  !  c.example.org          removal withheld: at most 3 by inference in any 24 hours, 0 removed and 4 waiting
  !  d.example.org          removal withheld: at most 3 by inference in any 24 hours, 0 removed and 4 waiting
Error: The gate withheld 4 removals (…): "a.example.org", "b.example.org", "c.example.org", "d.example.org".
…

$ closte-bridge apply plan.json
Network "network.example.com": 0 to add, 4 to remove, 3 in step, 1 held.
  -  a.example.org          missing in WordPress
  -  b.example.org          missing in WordPress
  -  c.example.org          missing in WordPress
  -  d.example.org          missing in WordPress
  ~+ www.shop.customer.com  held: waits until it leads where "shop.customer.com" leads
Plan of 2026-02-03T10:15:00+00:00.
Success: Removed 4 of 4 domains.
Cost: 2 wp calls (0.82 s), 5 API calls (0.51 s), planning 0.001 s.
"""


@click.command(cls=BridgeCommand, short_help="Apply a plan that was reviewed.", epilog=_EXAMPLES)
@click.argument("file", metavar="<file>")
@format_options(fields=FIELDS)
@global_options
@pass_app
def apply(app: App, file: str) -> Result:
    """Apply a plan that `closte-bridge plan --out` wrote and a person read.

    Both sides are read anew. Changes of the plan that are still valid are made, also removals that the gate had
    withheld; one that is no longer valid is refused, and the exit code is 3. What the plan does not name is left.
    """
    from closte_bridge.engine import planfile  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.run import RunRequest  # noqa: PLC0415 - likewise
    from closte_bridge.planning.model import Approval  # noqa: PLC0415 - likewise

    app.network()  # a plan is for one network
    reviewed = planfile.read(Path(file))
    removals = frozenset(name for action, name in reviewed.changes if action == "remove")
    request = RunRequest(
        approval=Approval(names=removals),
        reviewed=reviewed.changes,
        reviewed_network=(reviewed.network, reviewed.database),
        retry=True,
    )
    return run_sync(app, request, said=(Message("log", f"Plan of {reviewed.created}."),))
