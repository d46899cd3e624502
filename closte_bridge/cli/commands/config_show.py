"""The effective settings as rows, and as a config file with the origin of each value."""

from __future__ import annotations

import json
import re
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.cli.text import clean_cell
from closte_bridge.config.durations import format_duration
from closte_bridge.config.key_file import key_location
from closte_bridge.config.model import DEFAULT_NETWORK, KEYS, Endpoint, Resolver, Settings, section_of
from closte_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*(?::[A-Za-z0-9_./@-]+)*|[0-9]+[a-z][0-9a-z]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def settings_rows(
    settings: Settings, origins: Mapping[str, str], environ: Mapping[str, str]
) -> list[dict[str, object]]:
    """Return a row (network, key, value, origin) for each setting. The API key is not among them."""
    values = {name: (attrgetter(name)(settings), origins.get(name, "default")) for name in KEYS}
    location = key_location(settings, environ)
    if location is not None and location[1] != "api_key_file":
        values["api_key_file"] = location
    return [
        {"network": settings.name, "key": name, "value": plain_value(name, value), "origin": origin}
        for name, (value, origin) in values.items()
    ]


def plain_value(name: str, value: object) -> object:
    """Return the value of a key as a config file holds it."""
    match value:
        case Path() | Resolver() | Endpoint():
            return str(value)
        case Secret():
            # The scheme names only the service, and keeps the shown config valid.
            return f"{value.reveal().partition('://')[0]}://{value}"
        case tuple():
            return [plain_value(name, item) if isinstance(item, Secret) else str(item) for item in value]
        case float() if KEYS[name].kind == "duration or off" and not value:
            return "off"
        case float() if KEYS[name].kind.startswith("duration"):
            text = format_duration(value)
            return text if text[-1:].isalpha() else value
        case float() if value.is_integer():
            return int(value)
    return value


def settings_yaml(rows: Sequence[Mapping[str, object]], source: Path | None) -> str:
    """Return `rows` as a config file. A comment names the origin of each value."""
    lines = [f"# From {json.dumps(str(source))}." if source else "# No config file found; using defaults."]
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
        section, key = section_of(str(row["key"])), str(row["key"]).rpartition(".")[2]
        if section and section != inside:
            yield f"{indent}{section}:"
        inside = section
        deeper = indent + ("  " if section else "")
        yield f"{deeper}{key}: {yaml_value(row['value'])}  # {clean_cell(str(row['origin']))}"


def yaml_value(value: object) -> str:
    """Return a value of `plain_value` in YAML, on one line."""
    if isinstance(value, list):
        return f"[{', '.join(yaml_value(item) for item in value)}]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    # Quoted JSON text is valid YAML. Plain text is easier to read.
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text)
