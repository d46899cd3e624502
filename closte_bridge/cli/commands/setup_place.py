"""The first steps of `setup`: reach WordPress, also over SSH, and give the network a place in the config."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.cli.commands.setup_config import Draft, draft_for
from closte_bridge.cli.networks import engine_of
from closte_bridge.config.key_file import PASSWORD_VARIABLE
from closte_bridge.config.schema import NETWORK_NAME
from closte_bridge.domains import shown
from closte_bridge.engine.snapshots import start_snapshot
from closte_bridge.errors import BridgeError, ConfigError, UnreadableError
from closte_bridge.ledger.folder import foresee
from closte_bridge.ledger.store import FILE_NAME as LEDGER
from closte_bridge.wordpress.ssh import FOLDER, Ssh
from closte_bridge.wordpress.ssh_keys import offered_key, trust

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from closte_bridge.cli.context import App
    from closte_bridge.config.model import Settings
    from closte_bridge.config.ssh_target import SshTarget
    from closte_bridge.wordpress.snapshot import Snapshot

_TRIES = 3
_PASSWORD = "ssh-password"  # noqa: S105 - a file's name


class Place(NamedTuple):
    """What was found at the place of the network. `lasting`: a later run can log in as this one did."""

    snapshot: Snapshot
    lasting: bool


class Stacks(NamedTuple):
    """What happens at the end of `setup`: always, and only if it stops before the network is adopted."""

    always: ExitStack
    undo: ExitStack


def find_place(app: App, stacks: Stacks) -> Place:
    """Read WordPress, asking for what `ssh` needs, and offer to write a network that the config lacks.

    Afterwards, `app.network()` is the network. Raises BridgeError if WordPress cannot be read, or if the user declines.
    """
    draft = draft_for(app)
    if draft is None:
        settings = app.network()
        _prepare_folder(settings, stacks.undo)
        return Place(_reach(app, settings, None)[0], lasting=True)
    # Until the network has a name, its connection and its password are in a folder that does not stay.
    folder = Path(stacks.always.enter_context(_private_folder()))
    settings = replace(draft.settings, state_dir=folder, wp=replace(draft.settings.wp, state_dir=folder))
    stacks.always.callback(_disconnect, settings)
    snapshot, password = _reach(app, settings, folder / _PASSWORD)
    _write(app, draft, snapshot, password, stacks.undo)
    _prepare_folder(app.network(), stacks.undo)
    return Place(snapshot, lasting=app.environ.get(PASSWORD_VARIABLE) != str(folder / _PASSWORD))


def _private_folder() -> AbstractContextManager[str]:
    import tempfile  # noqa: PLC0415 - 5 ms, only for a new network

    return tempfile.TemporaryDirectory(prefix="closte-bridge-")


def _reach(app: App, settings: Settings, password: Path | None) -> tuple[Snapshot, Path | None]:
    """Read WordPress; ask whether to trust the host and, if there is a file for it, for the password.

    Returns the file only if the password was needed.
    """
    target, trusted, tries, written = settings.wp.target, False, 0, None
    while True:
        engine = engine_of(app, settings)
        try:
            with engine.waiting("WordPress"):
                return start_snapshot(engine, ask_key=False, acknowledge=False).snapshot(), written
        except UnreadableError as error:
            if target and error.code == "ssh-host-key" and app.console.can_ask and not trusted:
                _trust(app, target)
                trusted = True
            elif target and error.code == "ssh-login" and password and app.console.can_ask and tries < _TRIES:
                if tries:
                    app.console.note(error.message)
                tries += 1
                _ask_password(app, target, password)
                written = password
                settings = replace(settings, wp=replace(settings.wp, ssh_password_file=password))
            elif written:
                hint = "Check the user and the password, and run `closte-bridge setup` again."
                raise UnreadableError(error.message, code=error.code, hint=hint) from None
            else:
                raise


def _trust(app: App, target: SshTarget) -> None:
    key = offered_key(target)
    host = shown(target.host)
    app.console.note(f'Compare the fingerprint of the host key with the one that "{host}" publishes.')
    app.console.confirm(f'Trust "{host}" with the host key {key.fingerprint} ({key.kind})?', always=True)
    path = trust(target, key)
    app.console.log(f"Added the host key to {path}.")


def _ask_password(app: App, target: SshTarget, file: Path) -> None:
    login = f"{target.user}@{target.host}" if target.user else target.host
    secret = app.console.ask_secret(f"Password of {shown(login)}:")
    if not secret:
        raise BridgeError("No password given.", code="aborted", hint="Run `closte-bridge setup` again.")
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(f"{secret}\n")


def _write(app: App, draft: Draft, snapshot: Snapshot, password: Path | None, undo: ExitStack) -> None:
    """Offer to write the network to the config. Raises BridgeError if that is declined and needed."""
    name = app.overrides.network or draft.free_name(_name_for(snapshot.network.domain))
    values = draft.values
    stored = None
    if password:
        file = draft.free_file(f"{name}.{_PASSWORD}")
        question = f"Store the password in {file} (mode 0600), so that scheduled runs can log in?"
        if app.console.agrees(question):
            stored = file
            values = {**values, "wp": {**values["wp"], "ssh_password_file": file.name}}
        else:
            app.environ = {**app.environ, PASSWORD_VARIABLE: str(password)}
            app.forget_config()
    app.console.log(f"{draft.path}:\n{draft.shown(name, values)}")
    if not app.console.agrees("Add this network to the config?"):
        if draft.needed:
            hint = f"Add it to {draft.path}, then run `closte-bridge setup --network={name}`."
            raise BridgeError("The config lacks the network.", code="aborted", hint=hint)
        return
    draft.write(name, values, stored, password, undo)
    app.forget_config()
    overrides = app.overrides
    overrides.network, overrides.ssh, overrides.path, overrides.url, overrides.allow_root = (
        name,
        None,
        None,
        None,
        False,
    )
    draft.warn_about_first(app)


def _name_for(domain: str) -> str:
    name = re.sub(r"[^a-z0-9-]+", "-", domain.lower()).strip("-")[:63]
    if not NETWORK_NAME.fullmatch(name):
        raise ConfigError(
            f'"{shown(domain)}" gives no name for the network.', code="usage", hint="Pass `--network=<name>`."
        )
    return name


def _prepare_folder(settings: Settings, undo: ExitStack) -> None:
    """Check the state folder, and remove it again if setup stops before the network is adopted."""
    foresee(settings.state_dir)
    undo.callback(_forget_folder, settings, _existing(settings.state_dir))


def _existing(folder: Path) -> Path:
    """Return the nearest existing folder."""
    return next(one for one in (folder, *folder.parents) if one.exists())


def _disconnect(settings: Settings) -> None:
    if settings.wp.target:
        Ssh(settings.wp, settings.wp.target).close()


def _forget_folder(settings: Settings, existing: Path) -> None:
    """Remove the state folder that this setup made, if the network was not adopted."""
    folder = settings.state_dir
    if existing == folder or (folder / LEDGER).exists():
        return
    _disconnect(settings)
    for path in (*(folder / FOLDER).glob("*"), folder / "lock"):
        with suppress(OSError):
            path.unlink()
    for one in (folder / FOLDER, folder, *folder.parents):
        if one == existing:
            break
        with suppress(OSError):
            one.rmdir()
