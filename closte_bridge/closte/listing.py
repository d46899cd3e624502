"""What the answer of `/getdomains` says, and how far it may be believed.

The shape of the list is not documented, so several are understood. Whatever is not understood in full is
`PARTIAL` or `UNREADABLE`, never a shorter list: nothing may be removed for want of evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from closte_bridge.closte.answer import Document, decode, error_text, succeeded, truth
from closte_bridge.closte.redact import Redactor
from closte_bridge.counts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Completeness(Enum):
    """How complete a list is: only what a complete one lacks may be taken for missing."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Listing:
    """The aliases that Closte's answer names.

    `names` are lower-case A-labels without a trailing dot, wildcards as `*.name`. `reason` is a sentence for an
    unreadable list, a clause without a period for a partial one, else empty. `paged`: the answer itself says that there
    are entries that it does not show.
    """

    state: Completeness
    reason: str
    names: frozenset[str] = frozenset()
    key_rejected: bool = False
    paged: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAME_FIELDS = _words("domain domainname hostname host fqdn alias aliasname domainalias name servername")
_WILDCARD_FIELDS = frozenset({"wildcard", "iswildcard"})
_CONTAINERS = _words("data items list domains aliases results records rows entries")
_TOTALS = _words(
    "total totalcount totalitems totalresults totaldomains totalrecords recordstotal count domaincount domainscount"
)
_PAGES = _words("pages pagecount totalpages lastpage")
_NEXT = _words("next nextpage nextpageurl nexturl nextcursor nextpagetoken nexttoken nextlink cursor continuation")
_MORE = _words("hasmore more morepages hasnext hasnextpage truncated istruncated incomplete partial")
_PAGING_OBJECTS = _words("pagination paging pager meta metadata links pageinfo page")

_LONGEST_LABEL = 63
_PLAIN_BYTES = b"abcdefghijklmnopqrstuvwxyz0123456789-_.*\n"
# An underscore is no host name, but an alias that somebody else put there must not make the list partial.
_PLAIN = re.compile(r"(?=.{3,253}\Z)(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+", re.ASCII)


def parse_listing(body: bytes, clean: Callable[[str], str] | None = None) -> Listing:
    """Read the body of an answer to `/getdomains`; `clean` makes the server's words safe to show."""
    document = decode(body)
    if document is None:
        return _unreadable("The answer is not a JSON object.")
    return read_listing(document, clean or Redactor())


def read_listing(document: Document, clean: Callable[[str], str]) -> Listing:
    """Read the decoded answer to `/getdomains`. Raises nothing."""
    success = succeeded(document)
    if success is None:
        return _unreadable('The answer does not say "success".')
    if not success:
        words = clean(error_text(document))
        return _unreadable(f'Closte answered "{words}".' if words else "Closte answered with an unnamed error.")
    domains = document.get("domains")
    if isinstance(domains, list):
        return _judge(_Reading.of_items(domains), [document])
    if isinstance(domains, dict):
        return _from_object(document, domains)
    return _unreadable('The answer holds no list under "domains".')


def _from_object(document: Document, domains: Document) -> Listing:
    inner = [
        value for key, value in domains.items() if _plain_key(key) in _CONTAINERS and isinstance(value, list | dict)
    ]
    if inner:
        readings = [_of_container(value) for value in inner]
        whole = readings[0]
        for reading in readings[1:]:
            whole = whole.joined(reading)
        return _judge(whole, [document, domains], ambiguous=len(inner) > 1)
    return _judge(_of_container(domains), [document, domains])


def _of_container(value: object) -> _Reading:
    if isinstance(value, list):
        return _Reading.of_items(value)
    mapping = value if isinstance(value, dict) else {}
    # PHP writes a list with a gap in its numbering as an object whose keys are numbers.
    if mapping and all(key.isdecimal() for key in mapping):
        return _Reading.of_items(list(mapping.values()))
    return _Reading.of_mapping(mapping)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was made of a list: its names, how many entries it had, how many of them were not understood."""

    names: frozenset[str]
    entries: int
    odd: int

    def joined(self, other: _Reading) -> _Reading:
        return _Reading(self.names | other.names, self.entries + other.entries, self.odd + other.odd)

    @classmethod
    def of_items(cls, items: list[object]) -> _Reading:
        if set(map(type, items)) <= {str}:
            return cls._of_strings(cast("list[str]", items))
        names: set[str] = set()
        odd = 0
        for item in items:
            found, whole = _of_item(item)
            names |= found
            odd += not whole
        return cls(frozenset(names), len(items), odd)

    @classmethod
    def _of_strings(cls, items: list[str]) -> _Reading:
        if _all_plain(items):
            return cls(frozenset(items), len(items), 0)
        names = [_normal(item) for item in items]
        found = frozenset(name for name in names if name is not None)
        return cls(found, len(items), names.count(None))

    @classmethod
    def of_mapping(cls, mapping: Document) -> _Reading:
        """Read an object whose keys are the names."""
        names: set[str] = set()
        entries = odd = 0
        for key, value in mapping.items():
            if _plain_key(key) in _HINTS:
                continue
            entries += 1
            name = _normal(key)
            wildcard, clear = _wildcard(value) if isinstance(value, dict) else (False, True)
            hidden = isinstance(value, list) and _hides_names(value)
            if name is None or not clear or hidden:
                odd += 1
            if name is not None:
                names.add(_as_wildcard(name) if wildcard else name)
        if mapping and not names:
            entries = odd = max(entries, 1)
        return cls(frozenset(names), entries, odd)


_HINTS = _TOTALS | _PAGES | _NEXT | _MORE | _PAGING_OBJECTS | {"perpage", "currentpage", "limit", "offset"}


def _of_item(item: object) -> tuple[set[str], bool]:
    """Return the names in one entry, and whether the entry was understood in full."""
    if isinstance(item, str):
        name = _normal(item)
        return ({name}, True) if name is not None else (set(), False)
    if not isinstance(item, dict):
        return set(), False
    found = _names_in(item)
    wildcard, clear = _wildcard(item)
    if wildcard:
        found = {_as_wildcard(name) for name in found}
    hidden = any(isinstance(value, list) and _hides_names(value) for value in item.values())
    # Two different names in one entry: which of them is the alias cannot be known, so both count as there.
    return found, len(found) == 1 and clear and not hidden


def _names_in(item: Document) -> set[str]:
    found: set[str] = set()
    for key in _keys_of(tuple(item), _NAME_FIELDS):
        value = item[key]
        name = _normal(value) if isinstance(value, str) else None
        if name is not None:
            found.add(name)
    # An entry may tell the server's address beside the name.
    return {name for name in found if not _is_address(name)} or found if len(found) > 1 else found


@lru_cache(maxsize=512)
def _keys_of(keys: tuple[str, ...], fields: frozenset[str]) -> tuple[str, ...]:
    """Return those of an entry's keys that mean one of `fields`; entries mostly have the same keys."""
    return tuple(key for key in keys if _plain_key(key) in fields)


def _wildcard(item: Document) -> tuple[bool, bool]:
    """Return the entry's wildcard flag, and whether it could be understood."""
    wildcard, clear = False, True
    for key in _keys_of(tuple(item), _WILDCARD_FIELDS):
        flag = truth(item[key]) if item[key] is not None else False
        wildcard = wildcard or flag is True
        clear = clear and flag is not None
    return wildcard, clear


def _hides_names(entries: list[object]) -> bool:
    """Tell whether a list inside an entry holds more names, such as the aliases of a name."""
    return any(
        ((name := _normal(entry)) is not None and not _is_address(name))
        if isinstance(entry, str)
        else isinstance(entry, dict) and _names_in(entry)
        for entry in entries
    )


def _all_plain(items: list[str]) -> bool:
    """Tell whether every string is a normal name already, without a call for each: lists can be long."""
    if not items:
        return True
    text = "\n".join(items)
    if not text.isascii() or text.encode().translate(None, _PLAIN_BYTES):
        return False
    framed = f"\n{text}\n"
    return (
        text.count("\n") == len(items) - 1
        and not any(gap in framed for gap in ("..", "\n.", ".\n", "\n\n"))
        and all("." in item for item in items)
        # The rare ones get a closer look: wildcards, and names in which a label may be too long.
        and ("*" not in text or all(_PLAIN.fullmatch(item) for item in items if "*" in item))
        and all(_PLAIN.fullmatch(item) for item in items if len(item) > _LONGEST_LABEL)
    )


def _normal(text: str) -> str | None:
    """Return the name as it is compared, or None when `text` is none."""
    if _PLAIN.fullmatch(text):
        return text
    name = text.strip().lower().removesuffix(".")
    if name.isascii():
        return name if _PLAIN.fullmatch(name) else None
    # Imported here: almost no list needs it.
    from closte_bridge.domains import normalise  # noqa: PLC0415 - see above

    try:
        name = normalise(name)
    except ValueError:
        return None
    return name if _PLAIN.fullmatch(name) else None


def _is_address(name: str) -> bool:
    return name.rpartition(".")[2].isdigit()


def _as_wildcard(name: str) -> str:
    return name if name.startswith("*.") else f"*.{name}"


def _judge(reading: _Reading, levels: list[Document], *, ambiguous: bool = False) -> Listing:
    if reading.entries and not reading.names:
        return _unreadable("No entry of the list was understood.")
    paging = [inner for level in levels for inner in (level, *_paging_objects(level))]
    problem = pages = _paging(paging, reading.entries)
    if reading.odd:
        entries = counted(reading.entries, "entry", "entries")
        problem = f"of the {entries} of Closte's list, {reading.odd} could not be understood"
    elif ambiguous:
        problem = "the answer holds more than one list"
    state = Completeness.PARTIAL if problem else Completeness.COMPLETE
    return Listing(state, problem, reading.names, paged=bool(pages))


def _paging_objects(level: Document) -> list[Document]:
    return [value for key, value in level.items() if isinstance(value, dict) and _plain_key(key) in _PAGING_OBJECTS]


def _paging(levels: Iterable[Document], entries: int) -> str:
    """Return a clause when the answer hints at entries that are not in it, else an empty string."""
    for level in levels:
        for key, value in level.items():
            field = _plain_key(key)
            if field in _TOTALS and (total := _number(value)) > entries:
                return f"Closte's list is paged: {entries} of {total} shown"
            if (
                (field in _PAGES and _number(value) > 1)
                or (field in _MORE and truth(value))
                or (field in _NEXT and value not in (None, "", False, 0, [], {}))
            ):
                return f"Closte's list is paged: {entries} shown, and there are more"
    return ""


def _number(value: object) -> int:
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else 0


@lru_cache(maxsize=512)
def _plain_key(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")


def _unreadable(reason: str) -> Listing:
    return Listing(Completeness.UNREADABLE, reason)
