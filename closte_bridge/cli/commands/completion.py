"""`closte-bridge completion`: print a shell completion script."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.options import Choice, format_options, global_options
from closte_bridge.cli.result import Result

SHELLS = ("bash", "zsh", "fish")

_EXAMPLES = """
$ closte-bridge completion bash > ~/.local/share/bash-completion/completions/closte-bridge

$ closte-bridge completion fish | head -n 1
function _closte_bridge_completion;
"""


@click.command("completion", cls=BridgeCommand, epilog=_EXAMPLES, short_help="Print a shell completion script.")
@click.argument("shell", type=Choice(SHELLS), metavar="<bash|zsh|fish>")
@format_options(formats=(Format.TABLE, Format.JSON))
@global_options
@pass_app
def completion(app: App, shell: str) -> Result:
    """Print a shell completion script.

    Save the output where your shell loads completions from (see the example), then open a new shell. An installation
    also has these files below share/ of its prefix.
    """
    del app
    script = completion_script(shell)
    return Result(data={"shell": shell, "script": script}, rendered={Format.TABLE: script})


def completion_script(shell: str) -> str:
    """Return the completion script of one of `SHELLS`."""
    make = get_completion_class(shell)
    assert make is not None  # noqa: S101 - click supports these shells
    # The script needs only the program's name.
    completer = make(click.Command("closte-bridge"), {}, "closte-bridge", "_CLOSTE_BRIDGE_COMPLETE")
    # The method of the bash class would start bash to read its version.
    return ShellComplete.source(completer).strip("\n")
