"""Marked text: a block that setup wrote, with a digest that shows whether a person has changed it since."""

from __future__ import annotations

import difflib
import hashlib
import re
from enum import Enum
from typing import NamedTuple


class Condition(Enum):
    """A block in a file, compared with the one that setup would write.

    `OUTDATED`: of an earlier setup of the same network. `CHANGED`: a person changed it. `OTHER`: it belongs to another
    installation, or the text around it does.
    """

    MISSING = "missing"
    CURRENT = "current"
    OUTDATED = "outdated"
    CHANGED = "changed"
    OTHER = "other"


class Block(NamedTuple):
    """A marked block in a text: its content, whether that is as it was written, and the text around it."""

    before: str
    content: str
    after: str
    intact: bool


def marked(network: str, content: str) -> str:
    """Return the block of a network. `content` ends with a line feed."""
    return f"# BEGIN closte-bridge {network} ({_digest(content)})\n{content}# END closte-bridge {network}\n"


def find(text: str, network: str) -> Block | None:
    """Return the block of a network in `text`, or None."""
    name = re.escape(network)
    pattern = rf"^# BEGIN closte-bridge {name} \((\w+)\)\n(.*?)^# END closte-bridge {name}\n?"
    match = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    if match is None:
        return None
    return Block(text[: match.start()], match[2], text[match.end() :], match[1] == _digest(match[2]))


def compare(text: str, network: str, content: str, selector: str) -> Condition:
    """Compare the block in `text` with `content`. A block of the same installation contains `selector`."""
    block = find(text, network)
    if block is None:
        return Condition.MISSING
    if block.content == content:
        return Condition.CURRENT
    if not block.intact:
        return Condition.CHANGED
    return Condition.OUTDATED if selector in block.content else Condition.OTHER


def replaced(text: str, network: str, content: str) -> str:
    """Return `text` with the block of a network; a new one is added at the end."""
    block = find(text, network)
    if block is None:
        separator = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{separator}{marked(network, content)}"
    return f"{block.before}{marked(network, content)}{block.after}"


def removed(text: str, network: str) -> str:
    """Return `text` without the block of a network."""
    block = find(text, network)
    return text if block is None else block.before + block.after


def difference(text: str, network: str, content: str) -> str:
    """Return the difference between the block in `text` and `content`, as a unified diff."""
    block = find(text, network)
    old = block.content if block else text
    lines = difflib.unified_diff(old.splitlines(), content.splitlines(), "present", "setup", lineterm="")
    return "\n".join(lines)


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()[:12]
