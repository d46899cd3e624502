"""`closte-bridge man`: print the man page."""

from __future__ import annotations

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.manual import man_page
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import Result

_EXAMPLES = """
$ closte-bridge man > ~/.local/share/man/man1/closte-bridge.1

$ closte-bridge man | head -n 2
.TH CLOSTE\\-BRIDGE 1 "" "closte\\-bridge 0.1.0"
.SH NAME
"""


@click.command("man", cls=BridgeCommand, short_help="Print the man page.", epilog=_EXAMPLES)
@format_options(formats=(Format.TABLE, Format.JSON))
@global_options
@pass_app
def man(app: App) -> Result:
    """Print the man page of all commands in roff."""
    del app
    page = man_page().rstrip("\n")
    return Result(data={"page": page}, rendered={Format.TABLE: page})
