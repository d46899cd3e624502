"""`closte-bridge completion`: the script that completes our commands in a shell."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import Result

SHELLS = ("bash", "zsh", "fish")

_EXAMPLES = """
$ closte-bridge completion bash > ~/.local/share/bash-completion/completions/closte-bridge

$ closte-bridge completion fish | head -n 1
function _closte_bridge_completion;
"""


@click.command("completion", cls=BridgeCommand, epilog=_EXAMPLES, short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(SHELLS), metavar="<bash|zsh|fish>")
@format_options(formats=(Format.TABLE, Format.JSON))
@global_options
@pass_app
def completion(app: App, shell: str) -> Result:
    """Print the completion script of a shell.

    Put it where your shell looks for such scripts, then type closte-bridge and press the tab key.
    """
    del app
    make = get_completion_class(shell)
    assert make is not None  # noqa: S101 - click has these three
    # Only the name and the text of the script are needed of the class, and no command.
    completer = make(click.Command("closte-bridge"), {}, "closte-bridge", "_CLOSTE_BRIDGE_COMPLETE")
    # The base class's way: that of bash starts a bash to ask for its version.
    script = ShellComplete.source(completer).strip("\n")
    return Result(data={"shell": shell, "script": script}, rendered={Format.TABLE: script})
