"""Nearly valid documents, as attackers, broken plugins and cut lines produce them."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Path = tuple[str | int, ...]

ODD_TEXT = st.sampled_from(
    [
        "",
        " ",
        "\0",
        "-1",
        "1e999",
        "NaN",
        "--exec=id",
        "$(id)",
        "a" * 300,
        "\x1b[31m",
        "é.com",
        "*." * 90,
        "\ud800",
        "٣",
    ]
)
ODD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63), 10**400, float("inf"), float("nan"), -0.0])
    | ODD_TEXT
    | st.text(max_size=20)
    | st.recursive(st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
)


def _paths(value: object, here: Path = ()) -> Iterator[Path]:
    yield here
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*here, key))


def _changed(document: Any, path: Path, change: Callable[[Any, str | int], None]) -> Any:  # noqa: ANN401 - JSON
    parent = document
    for step in path[:-1]:
        if not isinstance(parent, dict | list):
            return document
        try:
            parent = parent[step]  # type: ignore[index]  # a path of this document, unless an earlier change replaced a part
        except (LookupError, TypeError):
            return document
    with contextlib.suppress(LookupError, TypeError):
        change(parent, path[-1])
    return document


@st.composite
def mutated(draw: st.DrawFn, good: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return `good` with up to four parts replaced by odd values, removed or duplicated."""
    document = copy.deepcopy(good)
    paths = [path for path in _paths(good) if path]
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(paths))
        kind = draw(st.sampled_from(["odd", "gone", "twice"]))
        odd = draw(ODD)

        def change(parent: Any, key: str | int, kind: str = kind, odd: object = odd) -> None:  # noqa: ANN401 - JSON
            if kind == "odd":
                parent[key] = odd
            elif kind == "gone":
                del parent[key]
            elif isinstance(parent, list):
                parent.append(copy.deepcopy(parent[key]))  # type: ignore[index]  # a key that is no number fails, and the caller ignores that

        document = _changed(document, path, change)
    return document


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """Return `good` with bytes changed, cut off, removed or inserted."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["set", "cut", "drop", "insert"]))
        if kind == "set" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + draw(st.integers(1, 50))]
        else:
            data[at:at] = draw(st.binary(max_size=20))
    return bytes(data)
