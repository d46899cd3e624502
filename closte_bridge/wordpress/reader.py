"""Read a network: start the call early, decode the snapshot and the key when they are needed."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

from closte_bridge.errors import ConfigError, UnreadableError
from closte_bridge.secret import Secret
from closte_bridge.wordpress.failures import located
from closte_bridge.wordpress.snapshot import decode
from closte_bridge.wordpress.wp import WpCall, WpCost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from closte_bridge.config.model import WpSettings
    from closte_bridge.wordpress.process import Prestart
    from closte_bridge.wordpress.snapshot import Snapshot

EVENT_LIMIT = 5000
_PAD_BYTES = 1024
_KEY_SOURCES = {
    "constant": "the constant CLOSTE_CLIENT_API_KEY",
    "option": "Ultimate Multisite's encrypted setting",
}
_KEY_PROBLEMS = {
    "none": (
        "No API key found in the config (`api_key_file`), the constant CLOSTE_CLIENT_API_KEY or Ultimate Multisite's "
        "network option.",
        "Define CLOSTE_CLIENT_API_KEY in wp-config.php, or write the key to a file and name it in `api_key_file`.",
    ),
    "option-undecryptable": (
        "Could not decrypt the API key stored by Ultimate Multisite.",
        "The salts in wp-config.php may have changed. Enter the API key again in the integration's setup wizard.",
    ),
    "too-long": (
        "The API key in WordPress is too long to be valid.",
        "Check the constant CLOSTE_CLIENT_API_KEY.",
    ),
}


class SnapshotCall:
    """A call that reads a snapshot.

    `ask_key` requests the key too. `acknowledge` names the events that the ledger holds, so that WordPress deletes
    them if `engine` is the owner there. `status` is for the shim: `age`, the seconds since the last successful run,
    and the parts that it stores. `states` are domain states that wait (`StatesWrite.as_data`). `early` is a
    `wp` that may already run.
    """

    def __init__(
        self,
        settings: WpSettings,
        cost: WpCost,
        *,
        ask_key: bool,
        engine: str | None = None,
        acknowledge: Sequence[str] = (),
        status: Mapping[str, Any] | None = None,
        states: Mapping[str, Any] | None = None,
        early: Prestart | None = None,
    ) -> None:
        self._pad = os.urandom(_PAD_BYTES)
        request: dict[str, Any] = {"event_limit": EVENT_LIMIT}
        if engine and acknowledge:
            request |= {"engine": engine, "acknowledge": list(acknowledge)}
        if engine and status:
            request |= {"engine": engine, "status": status}
        if engine and states:
            request |= {"engine": engine, "states": states}
        if ask_key:
            request["pad"] = base64.b64encode(self._pad).decode()
        self._call = WpCall.start(settings, "snapshot", request, cost, early=early)
        self._key: dict[str, Any] | None = None
        self._document: dict[str, Any] | None = None

    def wait(self) -> None:
        """Wait for the response; `snapshot` decodes it. Raises UnreadableError."""
        document = self._call.result()
        key = document.pop("key", None)
        self._key = key if isinstance(key, dict) else None
        self._document = document

    def snapshot(self) -> Snapshot:
        """Return the snapshot, once; wait for it if necessary. Raises UnreadableError."""
        if self._document is None:
            self.wait()
        document, self._document = self._document or {}, None
        try:
            return decode(document)
        except UnreadableError as error:
            raise located(error, self._call.settings) from None

    def key(self) -> tuple[Secret, str]:
        """Return the key and a description of its source. Call after `wait` or `snapshot`.

        Raises ConfigError if WordPress has no usable key.
        """
        raw = self._key or {"source": "none"}
        source = str(raw.get("source"))
        if source not in _KEY_SOURCES:
            message, hint = _KEY_PROBLEMS.get(source, _KEY_PROBLEMS["none"])
            raise ConfigError(message, code="no-key", hint=hint)
        padded = base64.b64decode(str(raw["padded"]))
        plain = bytes(a ^ b for a, b in zip(padded, self._pad, strict=False))
        if not plain.isascii() or not plain.decode("ascii").isprintable() or b" " in plain:
            raise ConfigError(
                "The API key in WordPress contains invalid characters.",
                code="bad-key",
                hint="Check the constant CLOSTE_CLIENT_API_KEY for a line break or a quotation mark.",
            )
        return Secret(plain.decode("ascii")), _KEY_SOURCES[source]

    def end(self) -> None:
        """End a call whose response is no longer needed."""
        self._call.end()
