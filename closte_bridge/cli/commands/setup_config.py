"""The config of a network that `setup` is about to add."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from closte_bridge.cli.context import checked
from closte_bridge.config.edit import HEADER, NotEditableError, entry, has_networks, with_network
from closte_bridge.config.file import SYSTEM_CONFIG, find_config, read_config
from closte_bridge.config.load import parse_config
from closte_bridge.config.model import DEFAULT_NETWORK
from closte_bridge.config.places import expand, user_config
from closte_bridge.config.schema import NETWORK_NAME
from closte_bridge.config.ssh_target import is_container, remote_path, ssh_target
from closte_bridge.engine.files import write_whole
from closte_bridge.errors import BridgeError, ConfigError
from closte_bridge.ledger.store import FILE_NAME as LEDGER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from closte_bridge.cli.context import App
    from closte_bridge.config.model import Config, Settings, WpSettings

_PROVISIONAL = "closte-bridge-setup"
# Where WordPress is: each network has its own.
_PLACES = ("ssh", "ssh_password_file", "alias", "path", "url")


@dataclass(frozen=True, slots=True)
class Draft:
    """A network that the config at `path` lacks: its `values`, and its `settings` in that config.

    `text` is the config now, None without a file. `first` is the network that the config has without the key
    `networks`, which keeps its state folder. `needed`: without the entry, other commands would not find the network.
    """

    path: Path
    text: str | None
    config: Config | None
    values: dict[str, Any]
    settings: Settings
    environ: Mapping[str, str]
    first: Settings | None
    needed: bool

    @property
    def named(self) -> Mapping[str, Settings]:
        """The networks that the config lists."""
        return self.config.networks if self.config and has_networks(self.text or "") else {}

    def free_name(self, wanted: str) -> str:
        """Return `wanted`, or with a number if a network has this name."""
        taken = self.named
        names = (wanted, *(f"{wanted[:59]}-{number}" for number in range(2, 1000)))
        return next(name for name in names if name not in taken and name != DEFAULT_NETWORK)

    def free_file(self, wanted: str) -> Path:
        """Return a file in the config's folder that does not exist."""
        names = (wanted, *(f"{wanted}-{number}" for number in range(2, 1000)))
        return next(path for name in names if not os.path.lexists(path := self.path.parent / name))

    def shown(self, name: str, values: Mapping[str, Any]) -> str:
        """Return the entry as it will be in the file."""
        return _shown(name, values)

    def write(
        self, name: str, values: Mapping[str, Any], stored: Path | None, password: Path | None, undo: ExitStack
    ) -> None:
        """Write the config, and the password to `stored`; `undo` takes both back. Raises BridgeError."""
        text = self._text_with(name, values)
        existed = self.path.parent.exists()
        try:
            self.path.parent.mkdir(mode=0o755 if self.path == SYSTEM_CONFIG else 0o700, parents=True, exist_ok=True)
            if not existed:
                undo.callback(_without_error, self.path.parent.rmdir)
            if stored and password:
                undo.callback(_without_error, stored.unlink)
                write_whole(stored, password.read_bytes())
            undo.callback(_without_error, self._take_back, text)
            replace_text(self.path, text)
        except OSError as error:
            raise BridgeError(
                f'Could not write the config "{self.path}" ({error.strerror}).',
                code="config-not-written",
                hint=f"Run setup as a user that may, or add this to the file:\n{self.shown(name, values)}",
            ) from None

    def _take_back(self, text: str) -> None:
        """Restore the config, unless a person has changed it in the meantime."""
        if self.path.exists() and read_config(self.path) == text:
            if self.text is None:
                self.path.unlink()
            else:
                replace_text(self.path, self.text)

    def _text_with(self, name: str, values: Mapping[str, Any]) -> str:
        """Return the config with the network. Raises BridgeError if another network would change."""
        entries: dict[str, Mapping[str, Any]] = {name: values}
        if self.first:
            entries = {DEFAULT_NETWORK: {"state_dir": str(self.first.state_dir)}, **entries}
        try:
            text = with_network(HEADER if self.text is None else self.text, entries)
            networks = parse_config(text, self.path, self.environ).networks
        except (NotEditableError, ConfigError):
            networks = {}
        # Without a file, the settings came from no file.
        first = replace(self.first, source=self.path.absolute()) if self.first else None
        before = {DEFAULT_NETWORK: first} if first else self.named
        if name not in networks or any(networks.get(other) != known for other, known in before.items()):
            raise _not_editable(self.path, name, values)
        return text

    def warn_about_first(self, app: App) -> None:
        """Say what else the first network of a config needs after a second one was added."""
        if self.first:
            app.console.warning(
                f'The config now defines two networks; the first one is called "{DEFAULT_NETWORK}".',
                f"Pass `--network={DEFAULT_NETWORK}` where it is scheduled, and run "
                f"`closte-bridge shim install --network={DEFAULT_NETWORK}`.",
            )


def draft_for(app: App) -> Draft | None:
    """Return the network that this call names and the config lacks. None if `app.network()` is the network.

    Selects the network of the config at the same place. Raises ConfigError for an invalid config.
    """
    given = app.overrides
    if given.alias or (given.ssh and is_container(given.ssh)) or not (given.ssh or given.path):
        return None
    explicit = None if given.config is None else Path(given.config)
    path = find_config(explicit, app.environ)
    text = read_config(path) if path is not None and os.path.lexists(path) else None
    config = app.config() if path is None or text is not None else None
    networks = config.networks if config and text is not None else {}
    if given.ssh is None and not any(_is_placed(one.wp) for one in networks.values()):
        return None
    wp = _wp_values(app)
    known = next((name for name, one in networks.items() if _is_same(one.wp, wp)), None)
    if known is not None:
        if given.network not in (None, known):
            raise ConfigError(
                f'This place is that of the network "{known}".', code="usage", hint=f"Pass `--network={known}`."
            )
        given.network, given.ssh, given.path = known, None, None
        return None
    if given.network in networks:
        raise ConfigError(
            f'The network "{given.network}" is at another place.',
            code="usage",
            hint="Choose another name, or change the place in the config.",
        )
    if given.network and not NETWORK_NAME.fullmatch(given.network):
        hint = "Use up to 63 characters from a-z, 0-9, - and _."
        raise ConfigError(f'"{given.network[:80]}" is not a valid network name.', code="usage", hint=hint)
    return _draft(app, path or _new_path(app), text, config, wp)


def _draft(app: App, path: Path, text: str | None, config: Config | None, wp: dict[str, Any]) -> Draft:
    several = has_networks(text or "")
    base = None if config is None or several else config.networks[DEFAULT_NETWORK]
    used = base is not None and (_is_placed(base.wp) or (base.state_dir / LEDGER).exists())
    values: dict[str, Any] = {"wp": wp}
    try:
        with_parents = with_network(text or "", {_PROVISIONAL: values})
    except NotEditableError:
        raise _not_editable(path, app.overrides.network or "<name>", values) from None
    inherited = parse_config(with_parents, path, app.environ).networks[_PROVISIONAL]
    for key in _PLACES:
        if getattr(inherited.wp, key) is not None and key not in wp:
            wp[key] = None
    if "ssh" in wp and inherited.wp.command != ("wp",):
        wp["command"] = ["wp"]
    if inherited.api_key_file is not None and (several or used):
        # Each network is another application, with another key.
        values["api_key_file"] = None
    final = parse_config(with_network(text or "", {_PROVISIONAL: values}), path, app.environ)
    return Draft(
        path=path,
        text=text,
        config=config,
        values=values,
        settings=replace(final.networks[_PROVISIONAL], name=app.overrides.network or DEFAULT_NETWORK),
        environ=app.environ,
        first=base if used else None,
        needed=several or used or (app.overrides.config is not None and text is None),
    )


def _shown(name: str, values: Mapping[str, Any]) -> str:
    return f"networks:\n  {entry(name, values)}"


def _not_editable(path: Path, name: str, values: Mapping[str, Any]) -> BridgeError:
    return BridgeError(
        f'Could not add the network to "{path}": the file has a form that only a person can edit.',
        code="config-not-written",
        hint=f"Add this to the file, then run `closte-bridge setup --network={name}`:\n{_shown(name, values)}",
    )


def _wp_values(app: App) -> dict[str, Any]:
    """Return the place of WordPress as the options name it. Raises ConfigError for an invalid option."""
    given = app.overrides
    values: dict[str, Any] = {key: checked(key, value) for key in ("ssh", "url") if (value := getattr(given, key))}
    if given.path:
        values["path"] = given.path if given.ssh else str(expand(given.path, app.environ, Path()))
    return values | ({"allow_root": True} if given.allow_root else {})


def _is_placed(wp: WpSettings) -> bool:
    return bool(wp.ssh or wp.alias or wp.path)


def _place(ssh: object, path: object) -> tuple[object, ...]:
    target = ssh_target(ssh) if isinstance(ssh, str) and not is_container(ssh) else None
    written = path if isinstance(path, str) else None
    if target is None:
        return ssh, written
    return target.user, target.host, target.port, remote_path(written) or target.path


def _is_same(known: WpSettings, wp: Mapping[str, Any]) -> bool:
    """Return whether a network of the config is at the place that the options name."""
    if known.alias or wp.get("url") not in (None, known.url):
        return False
    return _place(known.ssh, known.path) == _place(wp.get("ssh"), wp.get("path"))


def _new_path(app: App) -> Path:
    return SYSTEM_CONFIG if os.geteuid() == 0 else user_config(app.environ)


def replace_text(path: Path, text: str) -> None:
    """Replace a file's text at once; its owner and mode stay. Raises OSError."""
    place = path.resolve()
    status = place.stat() if place.exists() else None
    bom = place.read_bytes().startswith(b"\xef\xbb\xbf") if status else False
    mode = status.st_mode & 0o777 if status else 0o644 if path == SYSTEM_CONFIG else 0o600
    write_whole(place, text.encode("utf-8-sig" if bom else "utf-8"), mode)
    if status and os.geteuid() == 0:
        os.chown(place, status.st_uid, status.st_gid)


def _without_error(action: Any, *args: Any) -> None:  # noqa: ANN401 - any function
    try:
        action(*args)
    except OSError:
        return
