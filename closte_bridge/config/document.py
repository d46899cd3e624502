"""YAML documents as plain values with their lines.

The rules are those of YAML 1.2's core schema, and stricter for surprising scalars: `on`, `no`, `8:53`, `017` and
`2024-01-01` stay text. Tags, merge keys and several documents are errors. Depth and the number of nodes, with aliases
expanded, are limited. No message quotes a value.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import yaml
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from closte_bridge.config.problems import ConfigProblem, Location, Path, Problems, show_key

if TYPE_CHECKING:
    from yaml.nodes import Node

MAX_NODES = 20_000
MAX_DEPTH = 12
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Loads fewer kinds of scalars than its parent, and neither tags nor deep nesting."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the parent's name, type and way of extending it
    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call] # not in the stubs
        if getattr(event, "tag", None):
            raise yaml.MarkedYAMLError(problem="tags are not supported", problem_mark=event.start_mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="it is nested too deeply", problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_Loader.add_implicit_resolver(_TAG + "null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(_TAG + "bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_Loader.add_implicit_resolver(_TAG + "int", re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _TAG + "float",
    re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})?(?:\.[0-9]{1,18}(?:[eE][-+]?[0-9]{1,2})?|[eE][-+]?[0-9]{1,2})\Z"),
    list("-+.0123456789"),
)


def read_document(text: str) -> tuple[dict[str, object], Location, Problems]:
    """Return the mapping in `text`, the lines of its parts, and the problems of its keys.

    An empty document is an empty mapping. A document that cannot be parsed has one problem.
    """
    reader, loader = _Reader(), None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        data = {} if node is None else reader.value(node, ())
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return {}, {}, [ConfigProblem(line, "Invalid character.")]
    except yaml.MarkedYAMLError as error:
        return {}, {}, [_syntax_problem(error)]
    except (ValueError, OverflowError):  # for example the escape "\\UFFFFFFFF"
        line = loader.line + 1 if loader else 1
        return {}, {}, [ConfigProblem(line, "Invalid escape sequence.")]
    if data is None:
        data = {}
    if not isinstance(data, dict):
        return {}, {}, [ConfigProblem(1, 'The file must hold settings, such as "wildcard: true".')]
    return data, reader.lines, reader.problems


def _syntax_problem(error: yaml.MarkedYAMLError) -> ConfigProblem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    # PyYAML reports an unclosed bracket at the end of the file.
    opened = error.context_mark if (error.context or "").startswith("while parsing") else None
    begins = opened.line + 1 if opened else line
    since = f" (opened on line {begins})" if begins != line else ""
    return ConfigProblem(line, f"Invalid YAML: {_reason(error)}{since}.")


def _reason(error: yaml.MarkedYAMLError) -> str:
    if "\\t" in (error.problem or ""):
        return "tabs are not allowed; indent with spaces"
    # PyYAML quotes its findings, which may be a part of a value.
    both = f"{error.context}, {error.problem}" if (error.problem or "").startswith("but ") else None
    for reason in (both, error.problem, error.context):
        if reason and not re.search("['\"<]", reason):
            return reason
    return "it cannot be parsed"


class _Reader:
    def __init__(self) -> None:
        self.lines: Location = {}
        self.problems: Problems = []
        self._left = MAX_NODES

    def value(self, node: Node, path: Path) -> object:
        self._left -= 1
        if self._left < 0 or len(path) > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="it is too large", problem_mark=node.start_mark)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._item(child, (*path, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, ScalarNode)  # noqa: S101 - YAML has these three kinds
        return _scalar(node)

    def _item(self, node: Node, path: Path) -> object:
        self.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value
            if not isinstance(key_node, ScalarNode) or key_node.tag != _TAG + "str":
                self.problems.append(ConfigProblem(line, "A key must be text."))
                continue
            if key in result:
                first = self.lines[(*path, key)]
                self.problems.append(
                    ConfigProblem(line, f"Duplicate key {show_key(key)}; first defined on line {first}.")
                )
                continue
            self.lines[(*path, key)] = line
            result[key] = self.value(value_node, (*path, key))
        return result


def _scalar(node: ScalarNode) -> object:
    text = node.value
    match node.tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text)
        case "float" if math.isfinite(float(text)):
            return float(text)
    return text
