"""An opaque wrapper around the API key and other secrets, so that it cannot be printed by accident."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """A secret that only `reveal()` returns.

    `str`, `repr`, `format` and f-strings give `<secret>`. Pickling, copying and iterating raise an error, so that no
    log line, traceback with locals or serialised plan can contain it.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the plain value. Only for code that sends it to its service."""
        return self.__value

    def fingerprint(self) -> str:
        """Return 16 hex digits that identify the secret but do not reveal it."""
        import hashlib  # noqa: PLC0415 - OpenSSL: 6 ms, while `wp` runs

        return hashlib.sha256(b"closte-bridge key " + self.__value.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return "<secret>"

    def __format__(self, spec: str) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__value == other.reveal()

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret cannot be serialised.")
