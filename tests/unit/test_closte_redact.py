from __future__ import annotations

import html
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.closte.redact import HIDDEN, LIMIT, Redactor
from closte_bridge.secret import Secret

KEY = "Canary/3f9a+77c1=d2e4&x"


def clean(text: str, key: str = KEY) -> str:
    return Redactor(Secret(key))(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  two\r\n lines\t here ", "two lines here"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07text", "red text"),
        ("a\x00b\x7fc\x9bd", "abcd"),
        ("right\u202eleft\u200b", "rightleft"),
        ("one\u2028two\x85three", "one two three"),
        ("lone \ud800 half", "lone  half"),
        ("Größe 例", "Größe 例"),
        ("", ""),
    ],
)
def test_text_becomes_one_printable_line(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_text_is_never_longer_than_the_limit() -> None:
    assert clean("ab" * 400) == ("ab" * 100)[: LIMIT - 1] + "…"
    assert len(clean("x" * 1_000_000)) == LIMIT


@pytest.mark.parametrize(
    "echo",
    [
        KEY,
        KEY.upper(),
        KEY[:8],
        KEY[3:11],
        KEY[-9:],
        quote(KEY, safe=""),
        quote(KEY, safe="").lower(),
        quote(KEY),
        "".join(f"%{ord(character):02x}" for character in KEY),
        quote(quote(KEY, safe=""), safe=""),
        html.escape(KEY),
        "".join(f"&#{ord(character)};" for character in KEY),
        KEY.replace("/", r"\/"),
        KEY.replace("/", r"\/").replace("+", r"\u002B").replace("=", r"\u003d"),
        KEY.replace("/", r"\\\/").replace("+", r"\\u002b"),
        "".join(f"\\u{ord(character):04x}" for character in KEY),
        KEY.encode().hex(),
        b64encode(KEY.encode()).decode(),
        b64encode(b"u:" + KEY.encode() + b":x").decode(),
        urlsafe_b64encode(b"?" + KEY.encode()).decode(),
        "\x00".join(KEY),
    ],
)
def test_text_with_the_key_or_a_part_of_it_is_hidden(echo: str) -> None:
    assert clean(f"The key {echo} is wrong") == HIDDEN


def test_short_key_is_found_as_a_whole() -> None:
    assert clean("the key k3y is wrong", "k3y") == HIDDEN
    assert clean("the key is wrong", "k3y") == "the key is wrong"


def test_text_is_unchanged_without_a_key() -> None:
    assert Redactor()("a plain sentence of words") == "a plain sentence of words"


@given(st.text(max_size=300), st.integers(0, 300), st.text("abcdefghijk0123456789%+/", min_size=8, max_size=40))
def test_no_eight_characters_of_the_key_remain(text: str, at: int, key: str) -> None:
    shown = Redactor(Secret(key))(text[:at] + key + text[at:]).lower()
    pieces = {key[start : start + 8] for start in range(len(key) - 7)}
    assert not any(piece in shown for piece in pieces)
    assert len(shown) <= LIMIT
