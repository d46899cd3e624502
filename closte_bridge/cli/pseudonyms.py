"""Replace what names people and their sites in a text: domains, addresses, hosts, users. Pure, with a random salt."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from typing import TYPE_CHECKING

from closte_bridge.domains import not_public

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"(?<![\w.-])(?:\*\.)?(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_](?:[\w-]*[^\W_])?(?![\w-])")
_ADDRESS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*)(?![\w:])")
_USER = re.compile(r"[\w.+%-]+@(?=[\w\[])|(?<=/home/)[^/\s\"']+")
# Words of closte-bridge's own, and Closte itself.
_KEPT = frozenset({"closte.com", "app.closte.com", "1.1.1.1", "8.8.8.8"})
_KEPT_LABELS = frozenset({"www", "*"})


class Pseudonyms:
    """A callable that replaces names in a text. The same name gets the same pseudonym, from one object only.

    `known` are names that are replaced even if they do not look public: hosts and domains of this installation.
    """

    def __init__(self, known: Iterable[str] = (), salt: bytes = b"") -> None:
        self._salt = salt or secrets.token_bytes(16)
        names = {name.lower() for name in known if name} - _KEPT
        self._domains = {name for name in names if "." in name}
        words = sorted((name for name in names if "." not in name), key=len, reverse=True)
        self._words = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, words))})(?![\w.-])") if words else None

    def __call__(self, text: str) -> str:
        """Return `text` with pseudonyms."""
        text = _USER.sub(lambda found: "user@" if found[0].endswith("@") else "user", text)
        text = _NAME.sub(lambda found: self._domain(found[0]), text)
        text = _ADDRESS.sub(lambda found: self._address(found[0]), text)
        return self._words.sub(lambda found: self._hash(found[0], "host-"), text) if self._words else text

    def _hash(self, text: str, prefix: str) -> str:
        return prefix + hmac.new(self._salt, text.lower().encode(), hashlib.sha256).hexdigest()[:6]

    def _domain(self, name: str) -> str:
        plain = name.lower()
        if plain in _KEPT or (plain not in self._domains and _is_no_domain(plain)):
            return name
        *labels, last = plain.split(".")
        return ".".join([*(label if label in _KEPT_LABELS else self._hash(label, "d") for label in labels), last])

    def _address(self, text: str) -> str:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text
        kept = address.is_loopback or address.is_unspecified or text in _KEPT
        return text if kept else self._hash(str(address), f"ip{address.version}-")


def _is_no_domain(name: str) -> bool:
    """Return whether a text with dots is something else, such as the name of a file."""
    try:
        return bool(not_public(name.removeprefix("*.")))
    except ValueError:
        return False
