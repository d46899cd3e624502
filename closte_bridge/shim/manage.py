"""Install the shim through `wp`, look at it, remove it: the same on this machine and over SSH."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from closte_bridge import __version__
from closte_bridge.config.places import page
from closte_bridge.engine.triggered import LAST_FILE
from closte_bridge.errors import BridgeError, ReadOnlyError, UnreadableError
from closte_bridge.shim.files import SPAWNED_FILE, moved, starts_us, texts
from closte_bridge.wordpress.failures import failure
from closte_bridge.wordpress.wp import WpCall

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine


def install(engine: Engine, configuration: dict[str, Any]) -> dict[str, Any]:
    """Put the shim into the must-use folder, or bring it up to date; return `wp`'s answer.

    Raises ReadOnlyError when another engine is in charge, BridgeError when a stranger's file is in the way or the
    folder cannot be written: nothing is changed then. When a file cannot be written after all (BridgeError) or `wp`
    failed (UnreadableError), what was made until then stays, and installing again makes the rest.
    """
    request = {"do": "install", "files": texts(), "version": __version__, "config": configuration}
    answer = _ask(engine, {**request, "name_folder": _stands_in_folder(engine, configuration)})
    if answer.get("result") == "foreign_files":
        names = ", ".join(f'"{name}"' for name in answer["foreign_files"])
        raise BridgeError(
            f'In "{answer["folder"]}" there are files of this name that are not ours: {names}.',
            code="shim-foreign-file",
            hint="Look at them, move them away, and install again.",
        )
    if answer.get("result") == "not-writable":
        raise _not_writable(str(answer["folder"]))
    # What became of an engine that was woken before says nothing of this installation.
    for name in (LAST_FILE, SPAWNED_FILE):
        with suppress(OSError):
            (engine.settings.state_dir / name).unlink()
    return answer


def status(engine: Engine, *, probe: bool = False) -> dict[str, Any]:
    """Return what is installed and in what state; with `probe`, write a row that nobody reads, and take it back.

    `moved` names what has another place since the installation, unless another engine is in charge; `starts_us` says
    whether it is this very program that is started.

    Raises UnreadableError when `wp` failed.
    """
    answer = _ask(engine, {"do": "status", "files": texts(), "probe": probe})
    try:
        config, root = answer["config"], str(answer["root"])
        managed = answer["owner"] in {None, _identity(engine)} and isinstance(config, dict)
        answer["moved"] = moved(config, engine.settings, root) if managed else []
        answer["starts_us"] = managed and starts_us(config, engine.settings, root)
    except (KeyError, TypeError, ValueError):
        raise failure("wp-unexpected") from None
    return answer


def uninstall(engine: Engine, *, keep_owner: bool) -> dict[str, Any]:
    """Remove everything of ours from WordPress; with `keep_owner` all but the name of the engine in charge.

    `left` names the files, `left_in_database` in words what of the database could not be removed.

    Raises ReadOnlyError when another engine is in charge, UnreadableError when `wp` failed.
    """
    return _ask(engine, {"do": "uninstall", "keep_owner": keep_owner, "version": __version__})


def _stands_in_folder(engine: Engine, configuration: dict[str, Any]) -> bool:
    """Tell whether nothing but the folder that this call stands in says where WordPress is."""
    options = configuration["engine"] or ()
    named = engine.settings.wp.path or any(option.startswith("--path=") for option in options)
    return bool(options) and not named


def _identity(engine: Engine) -> str | None:
    with engine.opened():
        return engine.ledger.engine_id() if engine.ledger else None


def _ask(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    call = WpCall.start(engine.settings.wp, "shim", {**request, "engine": _identity(engine)}, engine.cost.wp)
    try:
        return call.result()
    except UnreadableError as error:
        _translate(error)
    except (KeyError, TypeError, ValueError):
        raise failure("wp-unexpected") from None


def _translate(error: UnreadableError) -> NoReturn:
    if error.code == "shim-other-owner":
        raise ReadOnlyError(error.message, code="other-owner", hint=error.hint) from None
    if error.code.startswith("shim-"):
        raise BridgeError(error.message, code=error.code, hint=error.hint) from None
    raise error


def _not_writable(folder: str) -> BridgeError:
    return BridgeError(
        f'The user of `wp` cannot write into "{folder}".',
        code="shim-not-writable",
        hint=f'Run as the owner of the files of the site; see "Files" in {page("shim.md")}.',
    )
