"""State of a command: the console, the global options, and the settings on demand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from closte_bridge.cli.result import Output
from closte_bridge.config.model import KEYS
from closte_bridge.config.places import expand
from closte_bridge.config.ssh_target import is_container
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.cli.console import Console
    from closte_bridge.config.model import Config, Settings, WpSettings
    from closte_bridge.wordpress.process import Prestart


@dataclass(slots=True)
class Overrides:
    """Values of the global options. None and False mean "not given"."""

    config: str | None = None
    network: str | None = None
    all_networks: bool = False
    path: str | None = None
    url: str | None = None
    ssh: str | None = None
    alias: str | None = None
    allow_root: bool = False

    def of_one_network(self) -> list[str]:
        """Return the given options that apply to a single network."""
        given = {"--path": self.path, "--url": self.url, "--ssh": self.ssh, self.alias or "": self.alias}
        return [name for name, value in given.items() if value is not None]


@dataclass(slots=True)
class App:
    """The state of one call of the program.

    `command` is the command's name (`config show`), `head` a pre-started `wp`, and `waits` is what each network's
    engine is waiting for.
    """

    console: Console
    environ: Mapping[str, str]
    overrides: Overrides = field(default_factory=Overrides)
    output: Output = field(default_factory=Output)
    command: str = ""
    head: Prestart | None = None
    waits: dict[str, str] = field(default_factory=dict)
    _config: Config | None = None

    def waiting_for(self) -> str:
        """Return what the command is waiting for, or an empty string."""
        return ", ".join(sorted({*self.waits.values()}))

    def config(self) -> Config:
        """Return the config, read once. Raises ConfigError like `load_config`."""
        if self._config is None:
            from closte_bridge.config.load import load_config  # noqa: PLC0415 - 10 ms, and the help needs no config

            explicit = self.overrides.config
            self._config = load_config(None if explicit is None else Path(explicit), self.environ)
            self.console.debug("config", f"Config file: {self._config.source or 'none, using defaults'}.")
        return self._config

    def forget_config(self) -> None:
        """Read the config again on its next use."""
        self._config = None

    def settings(self, *, every: bool = False) -> list[Settings]:
        """Return the settings of the selected networks, with the options applied.

        Without `--network` and `--all`, the only network is selected, or with `every` all of them. Raises ConfigError
        if the network is ambiguous or unknown.
        """
        return [settings for settings, _origins in self.effective(every=every)]

    def network(self) -> Settings:
        """Return the settings of the selected network. Raises ConfigError if several are selected."""
        found = self.settings()
        if len(found) > 1:
            raise ConfigError(
                "This command works on one network at a time.",
                code="one-network",
                hint=f"Select one with `--network=<name>`: {_names(self.config())}.",
            )
        return found[0]

    def effective(self, *, every: bool = False) -> list[tuple[Settings, dict[str, str]]]:
        """Return the same as `settings`, each with the origins of its values by dotted key."""
        config = self.config()
        names = self._selected(config, every=every)
        single = self.overrides.of_one_network()
        if single and len(names) > 1:
            raise ConfigError(
                f'"{single[0]}" works on one network at a time, but {len(names)} are selected.',
                code="one-network",
                hint=f"Select one with `--network=<name>`: {_names(config)}.",
            )
        return [self._applied(config.networks[name], dict(config.origins.get(name, {}))) for name in names]

    def _selected(self, config: Config, *, every: bool) -> list[str]:
        wanted = self.overrides.network
        if wanted is not None and self.overrides.all_networks:
            raise ConfigError('"--network" cannot be combined with "--all".', code="usage", hint="Remove one of them.")
        if wanted is not None and wanted not in config.networks:
            raise ConfigError(
                f'Unknown network "{wanted}".', code="unknown-network", hint=f"Networks: {_names(config)}."
            )
        if wanted is not None:
            return [wanted]
        if len(config.networks) > 1 and not (every or self.overrides.all_networks):
            raise ConfigError(
                f"No network selected: the config defines {len(config.networks)} networks.",
                code="which-network",
                hint=f"Select one with `--network=<name>`: {_names(config)}. "
                "`plan`, `sync` and `doctor` accept `--all`.",
            )
        return [*config.networks]

    def _applied(self, settings: Settings, origins: dict[str, str]) -> tuple[Settings, dict[str, str]]:
        changes = _changes(self.overrides, settings.wp, self.environ)
        origins |= {f"wp.{key}": origin for key, (_value, origin) in changes.items()}
        wp = replace(settings.wp, **{key: value for key, (value, _origin) in changes.items()})
        return replace(settings, wp=wp), origins


def _changes(given: Overrides, wp: WpSettings, environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Return the values of `wp` that the options change, each with the option's name.

    An alias or `--ssh` locates WordPress completely, so it also clears the location in the file.
    """
    changes: dict[str, tuple[Any, str]] = {}
    if given.alias is not None:
        changes |= {key: (None, given.alias) for key in ("ssh", "path", "url") if getattr(wp, key)}
        changes["alias"] = (given.alias, given.alias)
    elif given.ssh is not None:
        changes |= {key: (None, "--ssh") for key in ("alias", "path") if getattr(wp, key)}
        if not wp.ssh and wp.command != ("wp",) and not is_container(given.ssh):
            # The command in the file starts WP-CLI on this machine.
            changes["command"] = (("wp",), "--ssh")
    for key in ("url", "ssh"):
        if (value := getattr(given, key)) is not None:
            changes[key] = (checked(key, value), f"--{key}")
    if given.path is not None:
        elsewhere = given.ssh or given.alias or wp.is_remote
        changes["path"] = (given.path if elsewhere else _local(given.path, environ), "--path")
    if given.allow_root:
        changes["allow_root"] = (True, "--allow-root")
    return changes


def checked(key: str, value: str) -> object:
    """Return `value` as validated for the config file. Raises ConfigError if it is invalid."""
    import voluptuous  # noqa: PLC0415 - 25 ms, only for these options

    from closte_bridge.config.values import check_of  # noqa: PLC0415 - voluptuous: 25 ms, only for these options

    try:
        return check_of(KEYS[f"wp.{key}"])(value)
    except voluptuous.Invalid as error:
        raise ConfigError(f'"--{key}" {error.msg}.', code="usage", hint="See `closte-bridge --help`.") from None


def _local(path: str, environ: Mapping[str, str]) -> str:
    return str(expand(path, environ, Path()))


def _names(config: Config) -> str:
    return ", ".join(config.networks)


pass_app = click.make_pass_decorator(App)
"""Passes the App to a command as its first argument."""
