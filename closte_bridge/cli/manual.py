"""The manual: all commands, options and exit codes as data, and as a man page."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import TYPE_CHECKING

import click

from closte_bridge import __version__
from closte_bridge.cli.commands.config_show import plain_value, yaml_value
from closte_bridge.cli.options import GlobalOption
from closte_bridge.cli.root import SUMMARY, root
from closte_bridge.config.model import KEYS, Key
from closte_bridge.errors import PRECEDENCE, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EXIT_CODES = {
    ExitCode.INTERRUPTED: "Interrupted by Ctrl-C or SIGTERM.",
    ExitCode.LOCKED: "Another run holds the lock.",
    ExitCode.USAGE: "The usage or the config is invalid.",
    ExitCode.FAILURE: "Failure.",
    ExitCode.UNREADABLE: "WordPress or Closte's list could not be read.",
    ExitCode.READ_ONLY: "This installation must not change the network, for example because it is not the owner.",
    ExitCode.NEEDS_APPROVAL: "Removals need approval, or a reviewed plan is stale.",
    ExitCode.SOME_FAILED: "Some domains failed. closte-bridge retries them.",
    ExitCode.CHANGES_PENDING: "Changes are pending, with `plan --detailed-exitcode`.",
    ExitCode.OK: "Success, or nothing to do.",
}
ENVIRONMENT = {
    "CLOSTE_BRIDGE_CONFIG": "Config file.",
    "CLOSTE_BRIDGE_API_KEY_FILE": "File with the API key.",
    "HOME, XDG_CONFIG_HOME, XDG_STATE_HOME": "Locations of the user's own config and state.",
    "STATE_DIRECTORY, CREDENTIALS_DIRECTORY": "State folder, and folder of the API key, set by systemd.",
    "NO_COLOR": "Disables colors.",
    "SHELL_PIPE": "Treats stdout as a terminal (`0`) or as a pipe (any other value).",
    "https_proxy, all_proxy, no_proxy": "Proxy for requests to Closte.",
}
FILES = {
    "/etc/closte-bridge/config.yaml": "Config file of the system.",
    "~/.config/closte-bridge/config.yaml": "Config file of the user.",
    "/var/lib/closte-bridge": "State folder of root.",
    "~/.local/state/closte-bridge": "State folder of any other user.",
}


def commands(group: click.Group = root, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its full name: `config show`."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")
        elif command is not None and not command.hidden:
            yield prefix + name, command


def usage(name: str, command: click.Command) -> str:
    """Return the usage of a command: `closte-bridge config validate [options] [<file>]`."""
    arguments = [param.metavar or "" for param in command.params if isinstance(param, click.Argument)]
    return " ".join(["closte-bridge", name, "[options]", *arguments])


def own_options(command: click.Command) -> list[click.Option]:
    """Return the visible options of a command except the global ones."""
    options = [param for param in command.params if isinstance(param, click.Option)]
    return [option for option in options if not option.hidden and not isinstance(option, GlobalOption)]


def described(options: Iterable[click.Option]) -> list[tuple[str, str]]:
    """Return how each option is written (`--limit=<n>`), and its help with its default."""
    return [(_written(option), _help(option)) for option in options]


def global_options() -> list[tuple[str, str]]:
    """Return what `described` does of the options of every command."""
    shared = [param for param in root.params if isinstance(param, GlobalOption)]
    return [*described(shared), ("--help", "Show the help."), ("--version", "Print the version.")]


def paragraphs(command: click.Command) -> list[str]:
    """Return the paragraphs of a command's help, each on one line."""
    return [" ".join(part.split()) for part in cleandoc(command.help or "").split("\n\n")]


def default_of(key: Key) -> str:
    """Return the default of a config key in YAML."""
    return yaml_value(plain_value(key.name, key.default))


def _written(option: click.Option) -> str:
    if isinstance(option, GlobalOption):
        return option.written
    name = option.opts[0]
    if option.is_flag:
        return name
    value = option.metavar or f"<{option.type.name.split()[0]}>"
    return name + value if value.startswith("[=") else f"{name}={value}"


def _help(option: click.Option) -> str:
    text = option.help or ""
    if option.show_default and option.default is not None:
        default = f'"{option.default}"' if isinstance(option.default, str) else option.default
        text += f" Default: {default}."
    return f"{text} Repeatable." if option.multiple and "Repeatable" not in text else text


def man_page() -> str:
    """Return the man page `closte-bridge(1)` in roff."""
    lines = [f'.TH CLOSTE\\-BRIDGE 1 "" "closte\\-bridge {__version__}"', ".SH NAME"]
    lines += [f"closte\\-bridge \\- {_roff(SUMMARY)}", ".SH SYNOPSIS"]
    lines += ["\\fBcloste\\-bridge\\fP [<global options>] <command> [<options>]", ".SH DESCRIPTION"]
    lines += _text(paragraphs(root))
    lines += [".SH GLOBAL OPTIONS", *_list(global_options()), ".SH COMMANDS"]
    for name, command in commands():
        lines += [f".SS {_roff(usage(name, command))}", *_text(paragraphs(command))]
        lines += _list(described(own_options(command)))
        lines += [".PP", "Examples:", ".PP", ".RS 4", ".nf"]
        lines += [_roff(line, plain=True) for line in (command.epilog or "").strip("\n").split("\n")]
        lines += [".fi", ".RE"]
    codes = [(str(int(code)), EXIT_CODES[code]) for code in PRECEDENCE]
    lines += [".SH EXIT STATUS", "The first of these that applies:", *_list(codes)]
    keys = [(f"{key.name}: {default_of(key)}", key.help) for key in KEYS.values()]
    lines += [".SH CONFIGURATION", "The keys of the config file with their defaults:", *_list(keys)]
    lines += [".SH FILES", *_list(FILES.items()), ".SH ENVIRONMENT", *_list(ENVIRONMENT.items())]
    lines += [".SH SEE ALSO", "\\fBwp\\fP(1) and share/doc/closte\\-bridge/reference.md below the installation prefix."]
    return "\n".join(lines) + "\n"


def _text(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        yield from (".PP", _roff(part))


def _list(items: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in items:
        yield from (".TP", f"\\fB{_roff(term, plain=True)}\\fP", _roff(text))


def _roff(text: str, *, plain: bool = False) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    if not plain:
        escaped = re.sub(r"`([^`]+)`", r"\\fB\1\\fP", escaped)
    # groff reads ASCII, unless told otherwise.
    escaped = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", escaped)
    # A leading dot or quote starts a request.
    return f"\\&{escaped}" if escaped[:1] in {".", "'"} else escaped
