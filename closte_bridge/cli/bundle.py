"""The files of a bug report: what a developer needs, without secrets. `report` writes them."""

from __future__ import annotations

import gzip
import io
import platform
import socket
import sqlite3
import ssl
import sys
import tarfile
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Any, NamedTuple

from closte_bridge import __version__
from closte_bridge.cli.commands.config_show import settings_rows
from closte_bridge.cli.formats import plain
from closte_bridge.config.model import KEYS
from closte_bridge.counts import counted
from closte_bridge.doctor.examine import examine
from closte_bridge.engine.answer_shapes import saved_shapes
from closte_bridge.engine.status import read_status
from closte_bridge.errors import BridgeError
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger.meta import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from closte_bridge.config.model import Settings
    from closte_bridge.engine.engine import Engine
    from closte_bridge.ledger.store import Ledger

MOST_ENTRIES = 300
# Tables whose rows are counted by these columns.
_BY = {
    "aliases": ("phase", "origin"),
    "check_state": ("dns", "tls", "http", "live"),
    "events": ("kind", "state"),
    "failed_changes": ("action", "code"),
    "flags": ("kind",),
    "log": ("action", "outcome"),
    "notifications": ("kind",),
}
_OTHERS = ("absences", "evidence", "removals", "additions", "site_addresses", "reported", "published_states")


class BundleFile(NamedTuple):
    """A file of the bundle: its name, what it contains (for people), and its content before JSON."""

    name: str
    about: str
    content: object


def files_of(engine: Engine, origins: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[BundleFile]:
    """Yield the files about one network. Reads WordPress and Closte as `doctor` does, and changes nothing."""
    name, settings = engine.settings.name, engine.settings
    yield BundleFile(f"{name}/config.json", "the config without secrets", _config(settings, origins, environ))
    yield BundleFile(f"{name}/doctor.json", "the findings of `doctor`", _doctor(engine))
    try:
        with engine.opened():
            ledger, log = _ledger(engine.ledger), _log(engine.ledger)
        status = asdict(read_status(engine))
    except BridgeError as error:
        ledger, log, status = {"error": error.code}, [], {"error": error.code}
    yield BundleFile(f"{name}/status.json", "owner, runs and problems", status)
    yield BundleFile(f"{name}/ledger.json", "numbers of rows in the ledger", ledger)
    yield BundleFile(f"{name}/log.json", f"the last {counted(MOST_ENTRIES, 'entry', 'entries')} of the log", log)
    shapes = saved_shapes(settings.state_dir)
    yield BundleFile(f"{name}/answers.json", "shapes of Closte's answers, without values", shapes)


def versions() -> BundleFile:
    """Return the versions of closte-bridge, Python, the system and the libraries."""
    libraries = {}
    for requirement in requires("closte-bridge") or []:
        name = requirement.partition(";")[0].strip().split("[")[0]
        name = name[: next((at for at, letter in enumerate(name) if letter in "<>=!~ "), len(name))]
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    found = {
        "closte-bridge": __version__,
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "openssl": ssl.OPENSSL_VERSION,
        "libraries": libraries,
    }
    return BundleFile("versions.json", "versions of closte-bridge, Python and libraries", found)


def known_names(engines: Iterable[Engine]) -> set[str]:
    """Return the names that a pseudonym has to replace even if they are not public: hosts and domains."""
    names = {socket.gethostname()}
    for engine in engines:
        names |= {engine.settings.name} - {"default"}
        try:
            with engine.opened():
                if engine.ledger is None:
                    continue
                identity = IDENTITY.of(engine.ledger.meta())
                names |= {identity.main_domain} if identity else set()
                for table in ("aliases", "check_state", "failed_changes", "log"):
                    names |= {str(name) for (name,) in engine.ledger.query(f"SELECT DISTINCT name FROM {table}")}  # noqa: S608 - fixed names
                names |= {str(name) for (name,) in engine.ledger.query("SELECT domain FROM site_addresses")}
        except BridgeError:
            continue
    return names


def packed(files: Mapping[str, str], now: float) -> bytes:
    """Return a tar archive, compressed by gzip, with these texts by name."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", mtime=int(now)) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for name, text in files.items():
            data = text.encode()
            entry = tarfile.TarInfo(f"closte-bridge-report/{name}")
            entry.size, entry.mtime, entry.mode = len(data), int(now), 0o600
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def _config(settings: Settings, origins: Mapping[str, str], environ: Mapping[str, str]) -> list[dict[str, object]]:
    rows = settings_rows(settings, origins, environ)
    for row in rows:
        value = row["value"]
        # Arguments of a command may contain a password.
        if KEYS[str(row["key"])].kind == "argument" and isinstance(value, list) and len(value) > 1:
            row["value"] = [value[0], f"({len(value) - 1} more)"]
    return rows


def _doctor(engine: Engine) -> list[dict[str, str]]:
    return [
        {"check": one.check, "status": one.status.value, "message": one.message, "hint": one.hint}
        for one in examine(engine)
    ]


def _ledger(ledger: Ledger | None) -> dict[str, Any]:
    if ledger is None:
        return {"exists": False}
    found: dict[str, Any] = {"exists": True, "version": ledger.query("PRAGMA user_version")[0][0]}
    found["bytes"] = ledger.path.stat().st_size
    for table in _OTHERS:
        found[table] = ledger.query(f"SELECT COUNT(*) FROM {table}")[0][0]  # noqa: S608 - fixed names
    for table, columns in _BY.items():
        listed = ", ".join(columns)
        rows = ledger.query(f"SELECT {listed}, COUNT(*) FROM {table} GROUP BY {listed} ORDER BY {listed}")  # noqa: S608 - fixed names
        found[table] = [dict(zip((*columns, "rows"), row, strict=True)) for row in rows]
    found["values"] = sorted(ledger.meta())
    return found


def _log(ledger: Ledger | None) -> list[dict[str, object]]:
    entries = ledger_log.read(ledger, limit=MOST_ENTRIES) if ledger else []
    return [plain(entry._asdict()) for entry in entries]  # type: ignore[misc]  # a dictionary stays one
