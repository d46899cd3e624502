"""Numbers with their nouns."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `number` with the noun in its right form: `1 name`, `2 names`; `plural` if that takes more than an s."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
