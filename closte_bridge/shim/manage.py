"""Install, inspect and remove the shim through `wp`, on this machine and over SSH."""

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
    """Install or update the shim in the must-use folder; return the response of `wp`.

    Raises ReadOnlyError if another installation is the owner, and BridgeError if a foreign file blocks the install or
    the folder is not writable: then nothing changes. If a file cannot be written later (BridgeError) or `wp` fails
    (UnreadableError), the files so far remain, and a new install writes the rest.
    """
    request = {"do": "install", "files": texts(), "version": __version__, "config": configuration}
    answer = _ask(engine, {**request, "name_folder": _needs_folder(engine, configuration)})
    if answer.get("result") == "foreign_files":
        names = ", ".join(f'"{name}"' for name in answer["foreign_files"])
        raise BridgeError(
            f'"{answer["folder"]}" already contains files that closte-bridge did not create: {names}.',
            code="shim-foreign-file",
            hint="Inspect them and move them away, then run `closte-bridge shim install` again.",
        )
    if answer.get("result") == "not-writable":
        raise _not_writable(str(answer["folder"]))
    # Earlier triggered runs say nothing about the new installation.
    for name in (LAST_FILE, SPAWNED_FILE):
        with suppress(OSError):
            (engine.settings.state_dir / name).unlink()
    return answer


def status(engine: Engine, *, probe: bool = False) -> dict[str, Any]:
    """Return the state of the installed shim. With `probe`, test the event table with a row that is deleted again.

    `moved` names everything that moved since the installation, unless another installation is the owner. `starts_us`
    is True if the shim starts exactly this program.

    Raises UnreadableError if `wp` failed.
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
    """Remove all files and data of closte-bridge from WordPress, except the owner if `keep_owner`.

    `left` names the files, and `left_in_database` describes the data, that could not be removed.

    Raises ReadOnlyError if another installation is the owner, UnreadableError if `wp` failed.
    """
    return _ask(engine, {"do": "uninstall", "keep_owner": keep_owner, "version": __version__})


def _needs_folder(engine: Engine, configuration: dict[str, Any]) -> bool:
    """Return whether only the current folder of this call determines the location of WordPress."""
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
        f'The user of `wp` cannot write to "{folder}".',
        code="shim-not-writable",
        hint=f'Run as the owner of the site\'s files; see "Files" in {page("shim.md")}.',
    )
