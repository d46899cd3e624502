from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.config.document import MAX_NODES, read_document


def one_value(text: str) -> object:
    data, _lines, problems = read_document(f"key: {text}\n")
    assert problems == []
    return data["key"]


@pytest.mark.parametrize(
    "text",
    ["on", "off", "yes", "No", "y", "8:53", "017", "0o17", "0x1f", "1_000", "2024-01-01", ".inf", ".nan", "1e999", "=",
     "2024-01-01T00:00:00Z", "123456789012345678901234567890", "tRUE"],
)  # fmt: skip
def test_ambiguous_scalars_stay_text(text: str) -> None:
    assert one_value(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("FALSE", False), ("~", None), ("", None), ("null", None), ("7", 7), ("-3", -3), ("0", 0),
     ("1.5", 1.5), (".5", 0.5), ("2e3", 2000.0), ('"7"', "7"), ("'true'", "true")],
)  # fmt: skip
def test_core_scalars_are_resolved(text: str, value: object) -> None:
    found = one_value(text)
    assert found == value
    assert type(found) is type(value)


def test_lines_are_recorded() -> None:
    _data, lines, _problems = read_document("# first\na: 1\nb:\n  - x\n  - c: 2\n")
    assert lines == {("a",): 2, ("b",): 3, ("b", 0): 4, ("b", 1): 5, ("b", 1, "c"): 5}


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "{}", "~"])
def test_an_empty_document_is_an_empty_mapping(text: str) -> None:
    assert read_document(text) == ({}, {}, [])


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("- a\n", 1, 'The file must hold settings, such as "wildcard: true".'),
        ("5\n", 1, 'The file must hold settings, such as "wildcard: true".'),
        ("a: 1\n\tb: 2\n", 2, "Invalid YAML: tabs are not allowed; indent with spaces."),
        ("a: 1\nb: c: d\n", 2, "Invalid YAML: mapping values are not allowed here."),
        ("a: 1\nb: !!python/name:os.system\n", 2, "Invalid YAML: tags are not supported."),
        ("a: !!str 1\n", 1, "Invalid YAML: tags are not supported."),
        (
            "a: 1\nb: [1,\nc: 2\n",
            4,
            "Invalid YAML: while parsing a flow sequence (opened on line 2).",
        ),
        ("a: " + "[" * 5000, 1, "Invalid YAML: it is nested too deeply."),
        ("a: &a [*a]\n", 1, "Invalid YAML: it is too large."),
        (
            "a: 1\n---\nb: 2\n",
            2,
            "Invalid YAML: expected a single document in the stream, but found another document.",
        ),
        ("a: 1\nb: \x01\n", 2, "Invalid character."),
        ('a: 1\nb: "\\UFFFFFFFF"\n', 2, "Invalid escape sequence."),
        ("5: a\n", 1, "A key must be text."),
        ("? [a]\n: 3\n", 1, "A key must be text."),
        ("a: 1\nb: 2\na: 3\n", 3, 'Duplicate key "a"; first defined on line 1.'),
    ],
)
def test_errors_have_a_line_and_a_reason(text: str, line: int, message: str) -> None:
    _data, _lines, problems = read_document(text)
    assert problems == [(line, message)]


def test_aliases_work_with_bounded_expansion() -> None:
    data, _lines, problems = read_document("a: &x [1, 2]\nb: *x\n")
    assert (data, problems) == ({"a": [1, 2], "b": [1, 2]}, [])
    bomb = "a: &a [" + "1," * 99 + "]\n"
    for before, name in zip("abc", "bcd", strict=True):
        bomb += f"{name}: &{name} [" + f"*{before}," * 99 + "]\n"
    assert MAX_NODES < 99**4
    assert read_document(bomb)[2][0].message == "Invalid YAML: it is too large."


@pytest.mark.parametrize(
    "text",
    ["api_key: *MYSECRET\n", "api_key: !MYSECRET\n", "api_key: [MYSECRET\n", "api_key: 'MYSECRET\n",
     "api_key: MYSECRET: x\n", "api_key: @MYSECRET\n", "api_key: %MYSECRET\n", "api_key: {MYSECRET\n",
     'api_key: "\\MYSECRET"\n', "api_key: &MYSECRET x\nb: &MYSECRET y\nc: [\n", "*MYSECRET\n", "api_key: |MYSECRET\n"],
)  # fmt: skip
def test_no_message_quotes_the_document(text: str) -> None:
    problems = read_document(text)[2]
    assert problems
    assert "SECRET" not in repr(problems)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,? \n\t\\0~<", max_size=60))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    data, _lines, problems = read_document(text)
    assert isinstance(data, dict)
    assert all(problem.line >= 1 and problem.message.endswith(".") for problem in problems)
