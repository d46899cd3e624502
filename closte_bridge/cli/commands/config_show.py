"""The settings in effect as rows, and as a configuration file with the origin of each value."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.cli.text import clean_cell
from closte_bridge.config.durations import format_duration
from closte_bridge.config.key_file import key_location
from closte_bridge.config.model import DEFAULT_NETWORK, Resolver, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_DURATIONS = frozenset({"removal_delay", "removal_grace", "wp.timeout", "dns.timeout", "tls.timeout"})
_NO_KEYS = frozenset({"name", "source"})
_FIRST = ("api_url", "api_key_file", "state_dir", "wp")
"""The order of the file; what is not here follows in the order of the settings."""

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*(?::[A-Za-z0-9_./@-]+)*|[0-9]+[a-z][0-9a-z]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def settings_rows(
    settings: Settings, origins: Mapping[str, str], environ: Mapping[str, str]
) -> list[dict[str, object]]:
    """Return a row (network, key, value, origin) for each setting; the API key is not among them."""
    rows: list[dict[str, object]] = []
    location = key_location(settings, environ)
    for key, raw in _leaves(settings, ""):
        value, origin = raw, origins.get(key, "default")
        if key == "api_key_file" and location is not None and location[1] != key:
            value, origin = location
        rows.append({"network": settings.name, "key": key, "value": _plain(key, value), "origin": origin})
    return rows


def _leaves(section: object, prefix: str) -> Iterator[tuple[str, object]]:
    assert is_dataclass(section)  # noqa: S101 - all sections are
    names = [one.name for one in fields(section) if prefix or one.name not in _NO_KEYS]
    first = [name for name in _FIRST if name in names] if not prefix else []
    for name in [*first, *(name for name in names if name not in first)]:
        value = getattr(section, name)
        if is_dataclass(value):
            yield from _leaves(value, f"{name}.")
        else:
            yield prefix + name, value


def _plain(key: str, value: object) -> object:
    match value:
        case Path() | Resolver():
            return str(value)
        case tuple():
            return [_plain("", item) for item in value]
        case float() if key in _DURATIONS:
            text = format_duration(value)
            return text if text[-1:].isalpha() else value
        case float() if value.is_integer():
            return int(value)
    return value


def settings_yaml(rows: Sequence[Mapping[str, object]], source: Path | None) -> str:
    """Return `rows` as a configuration file in which a comment says where each value came from."""
    lines = [f"# From {json.dumps(str(source))}." if source else "# No configuration file; the defaults apply."]
    names = list(dict.fromkeys(str(row["network"]) for row in rows))
    if names == [DEFAULT_NETWORK]:
        return "\n".join([*lines, *_section(rows, "")])
    lines.append("networks:")
    for name in names:
        lines.append(f"  {_scalar(name)}:")
        lines += _section([row for row in rows if row["network"] == name], "    ")
    return "\n".join(lines)


def _section(rows: Sequence[Mapping[str, object]], indent: str) -> Iterator[str]:
    inside = ""
    for row in rows:
        section, _, key = str(row["key"]).rpartition(".")
        if section and section != inside:
            yield f"{indent}{section}:"
        inside = section
        deeper = indent + ("  " if section else "")
        yield f"{deeper}{key}: {_value(row['value'])}  # {clean_cell(str(row['origin']))}"


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    # JSON's quoted text is YAML's as well; what needs no quotes is easier to read without.
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text)
