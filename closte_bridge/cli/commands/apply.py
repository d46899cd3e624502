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
Network "network.example.com": 0 to add, 0 to remove, 20 in step, 12 withheld.

$ closte-bridge apply plan.json
Success: Removed 12 of 12 domains.
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
    from closte_bridge.engine.sync import Request  # noqa: PLC0415 - likewise
    from closte_bridge.planning.model import Approval  # noqa: PLC0415 - likewise

    app.network()  # a plan is for one network
    reviewed = planfile.read(Path(file))
    removals = frozenset(name for action, name in reviewed.changes if action == "remove")
    request = Request(
        approval=Approval(names=removals),
        reviewed=reviewed.changes,
        reviewed_network=(reviewed.network, reviewed.database),
        retry=True,
    )
    return run_sync(app, request, said=(Message("log", f"Plan of {reviewed.created}."),))
