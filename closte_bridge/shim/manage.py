"""Install, inspect and remove the shim through `wp`, on this machine and over SSH."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from closte_bridge import __version__
from closte_bridge.config.places import page
from closte_bridge.engine.triggered import LAST_FILE
from closte_bridge.engine.web import SECRET_FILE, keep_secret, new_secret, shim_secret
from closte_bridge.errors import BridgeError, ReadOnlyError, UnreadableError
from closte_bridge.shim.files import SPAWNED_FILE, texts
from closte_bridge.shim.status import ShimStatus
from closte_bridge.wordpress.failures import failure
from closte_bridge.wordpress.wp import WpCall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from closte_bridge.engine.engine import Engine
    from closte_bridge.shim.files import Entry

_T = TypeVar("_T")


def install(engine: Engine, entry: Entry, *, rotate: bool = False) -> None:
    """Install or update the shim in the must-use folder.

    Makes the secret that signs requests if there is none, and another one with `rotate`. It is written here after `wp`
    has written it: until then the old one is valid.

    Raises ReadOnlyError if another installation is the owner, and BridgeError if a foreign file blocks the install or
    the folder is not writable: then nothing changes. If a file cannot be written later (BridgeError) or `wp` fails
    (UnreadableError), the files so far remain, and a new install writes the rest.
    """
    # Without a path, only the current folder of this call determines the location of WordPress.
    named = engine.settings.wp.path or any(option.startswith("--path=") for option in entry.engine or ())
    state_dir = engine.settings.state_dir
    known = None if rotate else shim_secret(state_dir)
    secret = known or new_secret()
    request = {
        "do": "install",
        "files": texts(),
        "version": __version__,
        "config": entry._asdict(),
        "secret": secret.reveal(),
        "name_folder": bool(entry.engine) and not named,
    }
    result, folder, foreign = _ask(
        engine, request, lambda answer, _: (answer["result"], answer.get("folder"), answer.get("foreign_files"))
    )
    if foreign:
        names = ", ".join(f'"{name}"' for name in foreign)
        raise BridgeError(
            f'"{folder}" already contains files that closte-bridge did not create: {names}.',
            code="shim-foreign-file",
            hint="Inspect them and move them away, then run `closte-bridge shim install` again.",
        )
    if result == "not-writable":
        raise BridgeError(
            f'The user of `wp` cannot write to "{folder}".',
            code="shim-not-writable",
            hint=f'Run as the owner of the site\'s files; see "Files" in {page("shim.md")}.',
        )
    if known is None:
        keep_secret(state_dir, secret)
    # Earlier triggered runs say nothing about the new installation.
    for name in (LAST_FILE, SPAWNED_FILE):
        with suppress(OSError):
            (state_dir / name).unlink()


def status(engine: Engine, *, probe: bool = False, wake: bool = False) -> ShimStatus:
    """Return the state of the installed shim.

    With `probe`, test the event table with a row that is deleted again. With `wake`, test that a wake-up arrives.

    Raises UnreadableError if `wp` failed.
    """
    return _ask(
        engine,
        {"do": "status", "files": texts(), "probe": probe, "wake": wake},
        lambda answer, identity: ShimStatus.decode(answer, engine.settings, identity),
    )


class Uninstalled(NamedTuple):
    """The result of `uninstall`.

    `left` names the files in `folder`, and `left_in_database` describes the data, that could not be removed. The files
    stay if they are `shared` with another network.
    """

    folder: str
    left: list[str]
    left_in_database: list[str]
    shared: bool


def uninstall(engine: Engine, *, keep_owner: bool) -> Uninstalled:
    """Remove all files and data of closte-bridge from WordPress, except the owner if `keep_owner`.

    Raises ReadOnlyError if another installation is the owner, UnreadableError if `wp` failed.
    """
    done = _ask(
        engine,
        {"do": "uninstall", "keep_owner": keep_owner, "version": __version__},
        lambda answer, _: Uninstalled(*(answer[field] for field in Uninstalled._fields)),
    )
    with suppress(OSError):
        (engine.settings.state_dir / SECRET_FILE).unlink()
    return done


def _ask(engine: Engine, request: dict[str, object], decode: Callable[[Mapping[str, Any], str | None], _T]) -> _T:
    """Return what `decode` makes of the answer of `wp` and of the id of this installation."""
    with engine.opened():
        identity = engine.ledger.engine_id() if engine.ledger else None
    call = WpCall.start(engine.settings.wp, "shim", {**request, "engine": identity}, engine.cost.wp)
    try:
        return decode(call.result(), identity)
    except UnreadableError as error:
        if error.code == "shim-other-owner":
            raise ReadOnlyError(error.message, code="other-owner", hint=error.hint) from None
        if error.code.startswith("shim-"):
            raise BridgeError(error.message, code=error.code, hint=error.hint) from None
        raise
    except (KeyError, TypeError, ValueError):
        raise failure("wp-unexpected") from None
