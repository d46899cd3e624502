"""Output formats of WP-CLI: `table`, `csv`, `json`, `yaml`, `ids`, `count`."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence, Set
from datetime import date
from enum import Enum, StrEnum
from textwrap import wrap
from typing import TypeAlias

from closte_bridge.cli.text import clean_cell, encodable
from closte_bridge.errors import ConfigError

# Narrower columns are not readable.
_NARROWEST = 5

Row: TypeAlias = Mapping[str, object]


class Format(StrEnum):
    """Values of `--format`."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    YAML = "yaml"
    IDS = "ids"
    COUNT = "count"


def render_rows(
    rows: Sequence[Row], fields: Sequence[str], fmt: Format | str, *, boxes: bool = False, columns: int | None = None
) -> str:
    """Return the `fields` of `rows` as text without a final line feed.

    A table has `boxes` and is at most `columns` wide on a terminal; otherwise tabs separate its cells. `ids` are the
    values of the first field. A missing field is empty (null in JSON and YAML).
    """
    match Format(fmt):
        case Format.JSON:
            return to_json([{name: row.get(name) for name in fields} for row in rows])
        case Format.YAML:
            return to_yaml([{name: row.get(name) for name in fields} for row in rows])
        case Format.COUNT:
            return str(len(rows))
        case Format.IDS:
            return " ".join(cell(row.get(fields[0])) for row in rows)
        case Format.CSV:
            return _csv(rows, fields)
        case Format.TABLE:
            return _boxes(rows, fields, columns) if boxes else _tabs(rows, fields)


def render_field(rows: Sequence[Row], field: str) -> str:
    """Return the value of `field` of each row, one per line."""
    return "\n".join(cell(row.get(field)) for row in rows)


def check_fields(wanted: Sequence[str], available: Sequence[str]) -> None:
    """Raise ConfigError (`unknown-field`) if one of `wanted` is not `available`."""
    unknown = [name for name in wanted if name not in available]
    if unknown:
        names = ", ".join(f'"{name}"' for name in unknown)
        raise ConfigError(
            f"Unknown {'field' if len(unknown) == 1 else 'fields'}: {names}.",
            code="unknown-field",
            hint=f"Available fields: {', '.join(available)}.",
        )


def cell(value: object) -> str:
    """Return `value` as text for one cell: on one line, booleans as words, lists and mappings as JSON."""
    if isinstance(value, str) and not isinstance(value, Enum):
        return clean_cell(value)
    plain_value = plain(value)
    match plain_value:
        case None:
            return ""
        case bool():
            return "true" if plain_value else "false"
        case str():
            return clean_cell(plain_value)
        case int() | float():
            return str(plain_value)
    return clean_cell(json.dumps(plain_value, ensure_ascii=False))


def plain(value: object) -> object:
    """Return `value` converted to JSON types. A secret becomes `<secret>`, and `nan` or infinity becomes null."""
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case str():
            return encodable(value)
        case date():  # also datetime, a subclass
            return value.isoformat()
        case Mapping():
            return {encodable(str(key)): plain(item) for key, item in value.items()}
        case Set() | list() | tuple():
            items = [plain(item) for item in value]
            return sorted(items, key=str) if isinstance(value, Set) else items
    return encodable(str(value))


def to_json(value: object) -> str:
    """Return `value` as JSON on one line, in ASCII: safe for every terminal and encoding."""
    return json.dumps(plain(value), ensure_ascii=True).replace("\x7f", "\\u007f")


def to_yaml(value: object) -> str:
    """Return `value` as YAML in ASCII, with the keys in their order."""
    import yaml  # noqa: PLC0415 - 15 ms, only for this format

    text: str = yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=False, width=10_000)
    return text.removesuffix("\n")


def _csv(rows: Sequence[Row], fields: Sequence[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows([_no_formula(row.get(name)) for name in fields] for row in rows)
    return out.getvalue().removesuffix("\n")


def _no_formula(value: object) -> str:
    # Prevent CSV formula injection, like WP-CLI does.
    text = cell(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) and not isinstance(value, int | float) else text


def _tabs(rows: Sequence[Row], fields: Sequence[str]) -> str:
    lines = ["\t".join(fields)]
    lines += ["\t".join(cell(row.get(name)) for name in fields) for row in rows]
    return "\n".join(lines)


def _boxes(rows: Sequence[Row], fields: Sequence[str], columns: int | None) -> str:
    from tabulate import tabulate  # noqa: PLC0415 - 50 ms, only on terminals

    table = [[*fields], *([cell(row.get(name)) for name in fields] for row in rows)]
    if columns is not None:
        widths = _widths([max(map(len, column)) for column in zip(*table, strict=True)], columns)
        table = [
            [
                text if len(text) <= width else "\n".join(wrap(text, width, break_on_hyphens=False))
                for text, width in zip(line, widths, strict=True)
            ]
            for line in table
        ]
    return tabulate(table[1:], table[0], "pretty", stralign="left", disable_numparse=True)


def _widths(natural: list[int], columns: int) -> list[int]:
    """Return column widths that fit into `columns`: the widest columns shrink to the same width."""
    room = columns - 3 * len(natural) - 1  # a bar and two spaces for each column, and the last bar
    widest = max(natural, default=0)
    while widest > _NARROWEST and sum(min(width, widest) for width in natural) > room:
        widest -= 1
    return [min(width, widest) for width in natural]
