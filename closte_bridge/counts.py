"""Counts with nouns."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `number` with its noun: `1 domain`, `2 domains`. Give `plural` if it is not the noun with an s."""
    return f"{number} {noun_for(number, noun, plural)}"


def noun_for(number: int, noun: str, plural: str = "") -> str:
    """Return the form of the noun for `number` things. Give `plural` if it is not the noun with an s."""
    return noun if number == 1 else plural or f"{noun}s"
