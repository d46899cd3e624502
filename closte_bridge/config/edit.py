"""Adds a network to the text of a config file, and removes one. All other lines stay as a person wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import yaml
from yaml.nodes import CollectionNode, MappingNode, ScalarNode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from yaml.nodes import Node

HEADER = "# Settings of closte-bridge. `closte-bridge setup` wrote this file; all keys: `closte-bridge config show`.\n"
"""The first line of a new config file."""


class NotEditableError(Exception):
    """The text has a form that only a person can edit."""


class _Place(NamedTuple):
    """The key `networks` and its value."""

    key: Node
    value: Node


def entry(name: str, values: Mapping[str, object]) -> str:
    """Return a network's entry on one line, without indentation."""
    flow = yaml.safe_dump(dict(values), default_flow_style=True, width=1 << 20, sort_keys=False, allow_unicode=True)
    return f"{name}: {flow.strip()}"


def has_networks(text: str) -> bool:
    """Return whether a valid config `text` has the key `networks`."""
    return _networks(_root(text)) is not None


def with_network(text: str, entries: Mapping[str, Mapping[str, object]]) -> str:
    """Return a valid config `text` with more networks. Raises NotEditableError if they cannot be added."""
    end = "\r\n" if "\r\n" in text else "\n"
    lines = [entry(name, values) for name, values in entries.items()]
    root = _root(text)
    place = _networks(root)
    if place is None:
        if root is not None and root.flow_style:
            raise NotEditableError
        separator = "" if not text or text.endswith("\n") else end
        indent = " " * (root.start_mark.column if root else 0)
        added = [f"{indent}networks:", *(f"{indent}  {line}" for line in lines)]
        return text + separator + "".join(line + end for line in added)
    value = place.value
    if isinstance(value, MappingNode) and value.flow_style:
        at = value.end_mark.index - 1
        comma = ", " if value.value else ""
        return text[:at] + comma + ", ".join(lines) + text[at:]
    if isinstance(value, MappingNode):
        indent = " " * value.value[0][0].start_mark.column
    elif isinstance(value, ScalarNode) and not value.value:
        indent = " " * (place.key.start_mark.column + 2)
    else:
        raise NotEditableError
    # Directly below the key, so that comments stay with the networks that follow them.
    before = text.splitlines(keepends=True)[: place.key.start_mark.line + 1]
    head = "".join(before)
    separator = "" if head.endswith("\n") else end
    return head + separator + "".join(indent + line + end for line in lines) + text[len(head) :]


def without_network(text: str, name: str) -> str:
    """Return a valid config `text` without a network; empty if nothing but the header would be left.

    Raises NotEditableError if the network cannot be removed line by line.
    """
    place = _networks(_root(text))
    if place is None or not isinstance(place.value, MappingNode) or place.value.flow_style:
        raise NotEditableError
    pairs = {key.value: (key, value) for key, value in place.value.value}
    if name not in pairs:
        raise NotEditableError
    key, value = pairs[name]
    first, last = key.start_mark.line, max(_last_lines(value), default=key.start_mark.line)
    lines = text.splitlines(keepends=True)
    del lines[first : last + 1]
    if len(pairs) == 1:
        del lines[place.key.start_mark.line]
    left = "".join(lines)
    return left if left.replace(HEADER, "").strip() else ""


def _root(text: str) -> MappingNode | None:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return node if isinstance(node, MappingNode) else None


def _networks(root: MappingNode | None) -> _Place | None:
    pairs = root.value if root is not None else []
    return next((_Place(key, value) for key, value in pairs if key.value == "networks"), None)


def _last_lines(node: Node) -> Iterator[int]:
    """Yield the last line of each value. A block ends only where the next one begins, so its parts count."""
    if isinstance(node, ScalarNode):
        # A block scalar ends at the start of the following line.
        yield node.end_mark.line - (node.end_mark.column == 0 and node.end_mark.line > node.start_mark.line)
    elif isinstance(node, CollectionNode) and node.flow_style:
        yield node.end_mark.line
    else:
        for part in node.value:
            for one in part if isinstance(part, tuple) else (part,):
                yield from _last_lines(one)
