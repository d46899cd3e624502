"""Read a network: start the call early, take the snapshot and the key when they are needed."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

from closte_bridge.errors import ConfigError, UnreadableError
from closte_bridge.secret import Secret
from closte_bridge.wordpress.failures import located
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
        "No API key is configured anywhere.",
        "Define CLOSTE_CLIENT_API_KEY in wp-config.php, or set `api_key_file` in the config.",
    ),
    "option-undecryptable": (
        "The API key stored by Ultimate Multisite cannot be decrypted.",
        "Its salts in wp-config.php may have changed: enter the key again in the integration's wizard.",
    ),
    "too-long": (
        "The API key that WordPress holds is implausibly long.",
        "Check the constant CLOSTE_CLIENT_API_KEY.",
    ),
}


class SnapshotCall:
    """A snapshot that is on its way.

    `ask_key` asks for the key as well; `acknowledge` names events that the ledger holds and WordPress may forget,
    provided that `engine` is the owner there, and `status` what the shim is to know: `age`, the seconds since the
    engine's last success, and `verdicts`. `early` is a `wp` that may have been started already.
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
        early: Prestart | None = None,
    ) -> None:
        self._pad = os.urandom(_PAD_BYTES)
        request: dict[str, Any] = {"event_limit": EVENT_LIMIT}
        if engine and acknowledge:
            request |= {"engine": engine, "acknowledge": list(acknowledge)}
        if engine and status:
            request |= {"engine": engine, "status": status}
        if ask_key:
            request["pad"] = base64.b64encode(self._pad).decode()
        self._call = WpCall.start(settings, "snapshot", request, cost, early=early)
        self._key: dict[str, Any] | None = None
        self._document: dict[str, Any] | None = None

    def wait(self) -> None:
        """Wait for the answer; `snapshot` makes sense of it. Raises UnreadableError."""
        document = self._call.result()
        key = document.pop("key", None)
        self._key = key if isinstance(key, dict) else None
        self._document = document

    def snapshot(self) -> Snapshot:
        """Return the snapshot, once; wait for it if need be. Raises UnreadableError."""
        from closte_bridge.wordpress.snapshot import decode  # noqa: PLC0415 - loaded while `wp` runs

        if self._document is None:
            self.wait()
        document, self._document = self._document or {}, None
        try:
            return decode(document)
        except UnreadableError as error:
            raise located(error, self._call.settings) from None

    def key(self) -> tuple[Secret, str]:
        """Return the key and, in words, where WordPress had it. Call after `wait` or `snapshot`.

        Raises ConfigError when WordPress has none that can be used.
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
                "The API key that WordPress holds contains characters that no key has.",
                code="bad-key",
                hint="Check the constant CLOSTE_CLIENT_API_KEY for a line break or a quotation mark.",
            )
        return Secret(plain.decode("ascii")), _KEY_SOURCES[source]

    def end(self) -> None:
        """End the call when its answer is no longer wanted."""
        self._call.end()
