"""What every command gets: the console, what the global options said, and the settings when it asks for them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from closte_bridge.cli.result import Output
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.cli.console import Console
    from closte_bridge.config.model import Config, Settings, WpSettings
    from closte_bridge.wordpress.process import Prestart


@dataclass(slots=True)
class Overrides:
    """What the global options said. None, and False, stand for "not given"."""

    config: str | None = None
    network: str | None = None
    all_networks: bool = False
    path: str | None = None
    url: str | None = None
    ssh: str | None = None
    alias: str | None = None
    allow_root: bool = False

    def of_one_network(self) -> list[str]:
        """Return the options given that make sense for one network only."""
        given = {"--path": self.path, "--url": self.url, "--ssh": self.ssh, self.alias or "": self.alias}
        return [name for name, value in given.items() if value is not None]


@dataclass(slots=True)
class App:
    """The state of one call of the program.

    `command` is the command's name in words (`config show`), `head` a `wp` that was started before all this, `waits`
    what each network's engine waits for at the moment.
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
        """Return what is waited for at the moment, or nothing."""
        return ", ".join(sorted({*self.waits.values()}))

    def config(self) -> Config:
        """Return the configuration, read once. Raises ConfigError as `load_config` does."""
        if self._config is None:
            # Commands that need no configuration do not pay for it.
            from closte_bridge.config.load import load_config  # noqa: PLC0415

            explicit = self.overrides.config
            self._config = load_config(None if explicit is None else Path(explicit), self.environ)
            self.console.debug("config", f"Read {self._config.source or 'no file: the defaults apply'}.")
        return self._config

    def forget_config(self) -> None:
        """Have the configuration read again the next time it is asked for."""
        self._config = None

    def settings(self, *, every: bool = False) -> list[Settings]:
        """Return the settings of the networks that are meant, with the options applied.

        Without `--network` and `--all` that is the only one there is; `every` takes all instead of asking.
        Raises ConfigError when it is not clear which network is meant, or there is none of that name.
        """
        return [settings for settings, _origins in self.effective(every=every)]

    def network(self) -> Settings:
        """Return the settings of the one network that is meant. Raises ConfigError when it is not just one."""
        found = self.settings()
        if len(found) > 1:
            raise ConfigError(
                "This command is for one network at a time.",
                code="one-network",
                hint=f"Choose it with --network=<name>: {_names(self.config())}.",
            )
        return found[0]

    def effective(self, *, every: bool = False) -> list[tuple[Settings, dict[str, str]]]:
        """Return what `settings` does, each with the origins of its values by their dotted keys."""
        config = self.config()
        names = self._selected(config, every=every)
        single = self.overrides.of_one_network()
        if single and len(names) > 1:
            raise ConfigError(
                f'"{single[0]}" is for one network, and {len(names)} are chosen.',
                code="one-network",
                hint=f"Choose one with --network=<name>: {_names(config)}.",
            )
        return [self._applied(config.networks[name], dict(config.origins.get(name, {}))) for name in names]

    def _selected(self, config: Config, *, every: bool) -> list[str]:
        wanted = self.overrides.network
        if wanted is not None and self.overrides.all_networks:
            raise ConfigError(
                '"--network" and "--all" exclude each other.', code="usage", hint="Leave one of them out."
            )
        if wanted is not None and wanted not in config.networks:
            raise ConfigError(
                f'There is no network "{wanted}".', code="unknown-network", hint=f"Networks: {_names(config)}."
            )
        if wanted is not None:
            return [wanted]
        if len(config.networks) > 1 and not (every or self.overrides.all_networks):
            raise ConfigError(
                f"The configuration has {len(config.networks)} networks.",
                code="which-network",
                hint=f"Choose one with --network=<name>: {_names(config)}. `plan`, `sync` and `doctor` take --all.",
            )
        return [*config.networks]

    def _applied(self, settings: Settings, origins: dict[str, str]) -> tuple[Settings, dict[str, str]]:
        changes = _changes(self.overrides, settings.wp, self.environ)
        origins |= {f"wp.{key}": origin for key, (_value, origin) in changes.items()}
        wp = replace(settings.wp, **{key: value for key, (value, _origin) in changes.items()})
        return replace(settings, wp=wp), origins


def _changes(given: Overrides, wp: WpSettings, environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Return what the options change in `wp`, each with the option's name.

    An alias says by itself where WordPress is, and so does `--ssh`: what the file says of that gives way.
    """
    changes: dict[str, tuple[Any, str]] = {}
    if given.alias is not None:
        changes |= {key: (None, given.alias) for key in ("ssh", "path", "url") if getattr(wp, key)}
        changes["alias"] = (given.alias, given.alias)
    elif given.ssh is not None:
        changes |= {key: (None, "--ssh") for key in ("alias", "path") if getattr(wp, key)}
    for key in ("url", "ssh"):
        if (value := getattr(given, key)) is not None:
            changes[key] = (_checked(key, value), f"--{key}")
    if given.path is not None:
        elsewhere = given.ssh or given.alias or wp.ssh or wp.alias
        changes["path"] = (given.path if elsewhere else _local(given.path, environ), "--path")
    if given.allow_root:
        changes["allow_root"] = (True, "--allow-root")
    return changes


def _checked(key: str, value: str) -> object:
    """Return `value` as the config file would accept it. Raises ConfigError otherwise."""
    # Only these options pay for the import.
    import voluptuous  # noqa: PLC0415

    from closte_bridge.config.model import KEYS  # noqa: PLC0415
    from closte_bridge.config.values import check_of  # noqa: PLC0415

    try:
        return check_of(KEYS[f"wp.{key}"])(value)
    except voluptuous.Invalid as error:
        raise ConfigError(f'"--{key}" {error.msg}.', code="usage", hint="See `closte-bridge --help`.") from None


def _local(path: str, environ: Mapping[str, str]) -> str:
    from closte_bridge.config.places import expand  # noqa: PLC0415 - only for a `--path` of this machine

    return str(expand(path, environ, Path()))


def _names(config: Config) -> str:
    return ", ".join(config.networks)


pass_app = click.make_pass_decorator(App)
"""Gives a command the App as its first argument."""
