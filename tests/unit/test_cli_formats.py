from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum, StrEnum
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.cli.formats import Format, check_fields, plain, render_field, render_rows, to_json, to_yaml
from closte_bridge.errors import ConfigError
from closte_bridge.secret import Secret

ROWS: list[dict[str, object]] = [
    {"domain": "a.example", "ok": True, "tries": 3, "more": ["x", 1]},
    {"domain": "b,c.example", "ok": False, "tries": None},
]
FIELDS = ("domain", "ok", "tries", "more")


@pytest.mark.parametrize(
    ("fmt", "text"),
    [
        ("table", 'domain\tok\ttries\tmore\na.example\ttrue\t3\t["x", 1]\nb,c.example\tfalse\t\t'),
        ("csv", 'domain,ok,tries,more\na.example,true,3,"[""x"", 1]"\n"b,c.example",false,,'),
        (
            "json",
            '[{"domain": "a.example", "ok": true, "tries": 3, "more": ["x", 1]}, '
            '{"domain": "b,c.example", "ok": false, "tries": null, "more": null}]',
        ),
        (
            "yaml",
            "- domain: a.example\n  ok: true\n  tries: 3\n  more:\n  - x\n  - 1\n"
            "- domain: b,c.example\n  ok: false\n  tries: null\n  more: null",
        ),
        ("ids", "a.example b,c.example"),
        ("count", "2"),
    ],
)
def test_each_format_renders_rows(fmt: str, text: str) -> None:
    assert render_rows(ROWS, FIELDS, fmt) == text


@pytest.mark.parametrize(
    ("fmt", "text"),
    [("table", "domain\tok"), ("csv", "domain,ok"), ("json", "[]"), ("yaml", "[]"), ("ids", ""), ("count", "0")],
)
def test_each_format_renders_no_rows(fmt: str, text: str) -> None:
    assert render_rows([], ("domain", "ok"), fmt) == text


def test_boxes_are_drawn_on_a_terminal() -> None:
    assert render_rows(ROWS, ("domain", "tries"), Format.TABLE, boxes=True).split("\n") == [
        "+-------------+-------+",
        "| domain      | tries |",
        "+-------------+-------+",
        "| a.example   | 3     |",
        "| b,c.example |       |",
        "+-------------+-------+",
    ]


WIDE: list[dict[str, object]] = [
    {"domain": "www.shop.customer.example.com", "site": 12, "reason": "waits until it leads where it should lead"},
    {"domain": "a.com", "site": 1, "reason": ""},
]


@pytest.mark.parametrize("columns", [40, 60, 79])
def test_wide_table_wraps_to_the_terminal_without_loss(columns: int) -> None:
    lines = render_rows(WIDE, ("domain", "site", "reason"), "table", boxes=True, columns=columns).split("\n")
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) <= columns
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[3:-1]]
    first = cells[: next(index for index, line in enumerate(cells) if line[0] == "a.com")]
    assert "".join(line[0] for line in first) == "www.shop.customer.example.com"
    assert " ".join(line[2] for line in first).strip() == WIDE[0]["reason"]
    assert [line[1] for line in first if line[1]] == ["12"]


def test_fitting_table_is_unchanged_and_an_unfitting_one_is_wider() -> None:
    def drawn(columns: int | None, *, boxes: bool = True) -> str:
        return render_rows(WIDE, ("domain", "site", "reason"), "table", boxes=boxes, columns=columns)

    assert drawn(200) == drawn(None)
    assert drawn(10, boxes=False) == drawn(None, boxes=False)
    assert len(drawn(10).split("\n")[0]) == 5 + 4 + 5 + 10
    assert render_rows([], ("domain",), "table", boxes=True, columns=40).startswith("+--------+")


def test_numbers_in_boxes_are_unchanged() -> None:
    text = render_rows([{"a": "1e5"}, {"a": "0012"}, {"a": 2.50}], ("a",), "table", boxes=True)
    assert [line.strip("| ") for line in text.split("\n")[3:-1]] == ["1e5", "0012", "2.5"]


def test_field_prints_one_value_a_line() -> None:
    assert render_field(ROWS, "tries") == "3\n"
    assert render_field([], "tries") == ""


def test_unknown_field_is_an_error_that_lists_the_fields() -> None:
    check_fields(("domain",), FIELDS)
    with pytest.raises(ConfigError) as caught:
        check_fields(("domain", "nope", "neither"), FIELDS)
    assert caught.value.message == 'Unknown fields: "nope", "neither".'
    assert caught.value.hint == "Available fields: domain, ok, tries, more."


HOSTILE = "a\x1b[31m\nb\tc\u202ed\udc80"


@pytest.mark.parametrize("fmt", [*Format])
@pytest.mark.parametrize("boxes", [True, False])
def test_no_format_passes_control_characters(fmt: Format, boxes: bool) -> None:
    text = render_rows([{"x": HOSTILE, "y": [HOSTILE]}], ("x", "y"), fmt, boxes=boxes)
    assert not {"\x1b", "\u202e", "\udc80"} & set(text)
    if fmt in {Format.TABLE, Format.CSV} and not boxes:
        assert text.count("\n") == 1
        assert text.split("\n")[1].startswith("a\\x1b[31m\\x0ab\\x09c\\u202ed\\x80")


def test_values_become_plain_data() -> None:
    class Colour(Enum):
        RED = "red"

    class Word(StrEnum):
        A = "a"

    found = plain(
        {"e": Colour.RED, "w": Word.A, "p": Path("/x"), "s": {"b", "a"}, "t": (1, None), "n": float("nan"),
         "d": datetime(2024, 1, 2, tzinfo=UTC), "k": Secret("MYSECRET"), 5: True}
    )  # fmt: skip
    assert found == {
        "e": "red", "w": "a", "p": "/x", "s": ["a", "b"], "t": [1, None], "n": None,
        "d": "2024-01-02T00:00:00+00:00", "k": "<secret>", "5": True,
    }  # fmt: skip
    assert type(plain(Word.A)) is str


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_json_and_yaml_round_trip_in_ascii(value: object) -> None:
    for text, read in ((to_json(value), json.loads), (to_yaml(value), yaml.safe_load)):
        assert read(text) == plain(value)
        assert text.isascii()
        assert "\x1b" not in text
        assert "\x7f" not in text


def test_csv_contains_no_formula() -> None:
    rows: list[dict[str, object]] = [
        {"domain": "=HYPERLINK(1)", "n": -3},
        {"domain": "+a", "n": 1.5},
        {"domain": "-b", "n": None},
        {"domain": "@c"},
    ]
    assert render_rows(rows, ("domain", "n"), Format.CSV).splitlines() == [
        "domain,n", "'=HYPERLINK(1),-3", "'+a,1.5", "'-b,", "'@c,",
    ]  # fmt: skip
