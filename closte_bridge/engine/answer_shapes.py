"""The shapes of Closte's answers, recorded on request in the state folder. No file contains a value of an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from closte_bridge.engine.files import write_whole
from closte_bridge.errors import BridgeError
from closte_bridge.ledger.folder import make_folder

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "answer-shapes.json"
_MOST = 50


def saved_shapes(folder: Path) -> list[dict[str, Any]]:
    """Return the recorded shapes: `request`, `status` and `shape`. A missing or damaged file has none."""
    try:
        found = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def add_shapes(folder: Path, shapes: list[dict[str, Any]]) -> Path:
    """Save shapes that are not saved yet, at most 50 in all; return the file. Raises BridgeError."""
    # Also before the adoption, which creates the folder otherwise.
    make_folder(folder)
    path, known = folder / FILE_NAME, saved_shapes(folder)
    known += [one for at, one in enumerate(shapes) if one not in known and one not in shapes[:at]]
    try:
        write_whole(path, (json.dumps(known[-_MOST:], indent=1) + "\n").encode())
    except OSError as error:
        raise BridgeError(
            f'Could not write "{path}": {error.strerror}.',
            code="state-folder",
            hint="Check the owner of the folder and the free space on its disk.",
        ) from None
    return path
