"""Tests of the shapes of answers: structure and types, never a value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.closte.shape import shape_of


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        (b" ", {"type": "empty"}),
        (b"<!DOCTYPE html><p>shop.example.org", {"type": "HTML"}),
        (b"Service unavailable", {"type": "text"}),
        (b'["a.example.org", "b.example.org"]', {"type": "array", "items": [{"type": "string", "like": "domain"}]}),
        (
            b'{"success": true, "data": {"message": "Domain already exists.", "id": 7}}',
            {
                "type": "object",
                "keys": {
                    "success": {"type": "boolean"},
                    "data": {
                        "type": "object",
                        "keys": {"message": {"type": "string", "like": "text"}, "id": {"type": "number"}},
                    },
                },
            },
        ),
        # Domains as keys are values.
        (b'{"a.example.org": 1, "b.example.org": null}',
         {"type": "object", "keys": {"*": [{"type": "number"}, {"type": "null"}]}}),
        (b'["", "12", "2026-11-01", "https://x.example/", "192.0.2.1", "x@y.example", "abc"]',
         {"type": "array", "items": [{"type": "string", "like": like} for like in
                                     ("empty", "number", "time", "URL", "address")]}),
    ],
)  # fmt: skip
def test_shape_has_structure_and_types(body: bytes, shape: dict[str, object]) -> None:
    assert shape_of(body) == shape


def test_name_of_a_key_that_is_not_safe_is_hidden() -> None:
    assert shape_of(b'{"secretkey": 1}', lambda name: name != "secretkey") == {
        "type": "object",
        "keys": {"*": [{"type": "number"}]},
    }


VALUES = st.recursive(
    st.text(st.characters(codec="ascii", categories=["Nd"]), min_size=6),
    lambda inner: st.lists(inner) | st.dictionaries(st.from_regex(r"[a-z]{2,8}", fullmatch=True), inner),
)


@given(VALUES)
def test_no_value_is_in_the_shape(value: object) -> None:
    """Each value consists of digits, and no name does."""
    assert not any(letter.isdigit() for letter in json.dumps(shape_of(json.dumps(value).encode())))


def test_deep_answer_has_a_bounded_shape() -> None:
    assert "deeper" in json.dumps(shape_of(b"[" * 20 + b"]" * 20))
    assert shape_of(b"[" * 100_000) == {"type": "text"}
