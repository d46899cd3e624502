"""Values from which the random histories of a network are drawn."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.property.world import FAULTS
from tests.support.check_states import MAIN

PLAIN = [f"{letter}.example.com" for letter in "abcdefgh"] + [
    "shop.io",
    "www.shop.io",
    "covered.wild.net",
    "b.wild.net",
]
NAMES = st.sampled_from(
    [
        *PLAIN,
        "www.a.example.com",
        f"one.{MAIN}",
        f"two.{MAIN}",
        f"www.{MAIN}",
        MAIN,
        "xn--bcher-kva.de",
        "xn--ls8h.la",
        "cust.closte.com",
        "renamed.org",
    ]
)
ROWS = st.one_of(
    NAMES,
    st.sampled_from(
        [
            "Bücher.de",
            "A.EXAMPLE.COM.",
            " b.example.com ",
            "*.wild.net",
            "localhost",
            "foo.test",
            "bad_name.example.com",
            "192.0.2.7",
            "shop.io:8080",
            "",
            "a..b",
            "x" * 70 + ".com",
            "\x1b[31mred.com",
            "'; DROP TABLE aliases; --",
            "\N{PILE OF POO}.la",
        ]
    ),
)
WILDCARDS = st.sampled_from(["*.wild.net", "*.example.com"])
CHANGES = st.lists(st.sampled_from(FAULTS), max_size=5).map(tuple)
LISTINGS = st.sampled_from(["ok", "ok", "ok", "partial", "unreadable", "headless", "shrunk", "paged"])
SNAPSHOTS = st.sampled_from(["ok", "ok", "ok", "ok", "partial", "unreadable"])
NUMBERS = st.integers(0, 1000)
