"""Parse `/getdomains` responses and rate their completeness.

The format of the list is not documented, so several formats are accepted. Anything not fully parsed is `PARTIAL` or
`UNREADABLE`, never a shorter list, so that missing data never causes removals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from closte_bridge.closte.redact import Redactor
from closte_bridge.closte.responses import Document, decode, error_text, succeeded, truth
from closte_bridge.counts import counted
from closte_bridge.hosting import Completeness, Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


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
# Host names have no underscore, but an alias with one that was added elsewhere must not make the list partial.
_PLAIN = re.compile(r"(?=.{3,253}\Z)(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+", re.ASCII)


def parse_listing(body: bytes, clean: Callable[[str], str] | None = None) -> Listing:
    """Parse the body of a `/getdomains` response; `clean` makes the server's text safe to show."""
    document = decode(body)
    if document is None:
        return _unreadable("The response is not a JSON object.")
    return read_listing(document, clean or Redactor())


def read_listing(document: Document, clean: Callable[[str], str]) -> Listing:
    """Parse a decoded `/getdomains` response. Raises nothing."""
    success = succeeded(document)
    if success is None:
        return _unreadable('The response has no valid "success" field.')
    if not success:
        text = clean(error_text(document))
        return _unreadable(f'Closte answered "{text}".' if text else "Closte returned an unspecified error.")
    domains = document.get("domains")
    if isinstance(domains, list):
        return _rated(_Reading.of_items(domains), [document])
    if isinstance(domains, dict):
        return _from_object(document, domains)
    return _unreadable('The response contains no "domains" list.')


def _from_object(document: Document, domains: Document) -> Listing:
    inner = [
        value for key, value in domains.items() if _plain_key(key) in _CONTAINERS and isinstance(value, list | dict)
    ]
    if inner:
        readings = [_of_container(value) for value in inner]
        whole = readings[0]
        for reading in readings[1:]:
            whole = whole.joined(reading)
        return _rated(whole, [document, domains], ambiguous=len(inner) > 1)
    return _rated(_of_container(domains), [document, domains])


def _of_container(value: object) -> _Reading:
    if isinstance(value, list):
        return _Reading.of_items(value)
    mapping = value if isinstance(value, dict) else {}
    # PHP encodes a list with a gap in its indices as an object with numeric keys.
    if mapping and all(key.isdecimal() for key in mapping):
        return _Reading.of_items(list(mapping.values()))
    return _Reading.of_mapping(mapping)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A parsed list: its domains, the number of its entries, and how many of them could not be parsed."""

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
        """Parse an object whose keys are the domains."""
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
    """Return the domains in one entry, and whether the entry was fully parsed."""
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
    # With two different domains in one entry, the alias is unknown, so both count as present.
    return found, len(found) == 1 and clear and not hidden


def _names_in(item: Document) -> set[str]:
    found: set[str] = set()
    for key in _keys_of(tuple(item), _NAME_FIELDS):
        value = item[key]
        name = _normal(value) if isinstance(value, str) else None
        if name is not None:
            found.add(name)
    # An entry may also contain the server's address.
    return {name for name in found if not _is_address(name)} or found if len(found) > 1 else found


@lru_cache(maxsize=512)
def _keys_of(keys: tuple[str, ...], fields: frozenset[str]) -> tuple[str, ...]:
    """Return the keys of an entry that match one of `fields`. Cached: most entries have the same keys."""
    return tuple(key for key in keys if _plain_key(key) in fields)


def _wildcard(item: Document) -> tuple[bool, bool]:
    """Return the entry's wildcard flag, and whether it could be parsed."""
    wildcard, clear = False, True
    for key in _keys_of(tuple(item), _WILDCARD_FIELDS):
        flag = truth(item[key]) if item[key] is not None else False
        wildcard = wildcard or flag is True
        clear = clear and flag is not None
    return wildcard, clear


def _hides_names(entries: list[object]) -> bool:
    """Return whether a list inside an entry contains more domains, such as aliases of its domain."""
    return any(
        ((name := _normal(entry)) is not None and not _is_address(name))
        if isinstance(entry, str)
        else isinstance(entry, dict) and _names_in(entry)
        for entry in entries
    )


def _all_plain(items: list[str]) -> bool:
    """Return whether every string is already normalised, without a call for each: lists can be long."""
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
        # Only the rare cases need a regular expression: wildcards, and domains with a possibly too long label.
        and ("*" not in text or all(_PLAIN.fullmatch(item) for item in items if "*" in item))
        and all(_PLAIN.fullmatch(item) for item in items if len(item) > _LONGEST_LABEL)
    )


def _normal(text: str) -> str | None:
    """Return the normalised domain, or None if `text` is not a domain."""
    if _PLAIN.fullmatch(text):
        return text
    name = text.strip().lower().removesuffix(".")
    if name.isascii():
        return name if _PLAIN.fullmatch(name) else None
    from closte_bridge.domains import normalise  # noqa: PLC0415 - almost no list needs it

    try:
        name = normalise(name)
    except ValueError:
        return None
    return name if _PLAIN.fullmatch(name) else None


def _is_address(name: str) -> bool:
    return name.rpartition(".")[2].isdigit()


def _as_wildcard(name: str) -> str:
    return name if name.startswith("*.") else f"*.{name}"


def _rated(reading: _Reading, levels: list[Document], *, ambiguous: bool = False) -> Listing:
    if reading.entries and not reading.names:
        return _unreadable("None of the list entries could be parsed.")
    paging = [inner for level in levels for inner in (level, *_paging_objects(level))]
    problem = pages = _paging(paging, reading.entries)
    if reading.odd:
        problem = f"{reading.odd} of {_entries(reading.entries)} could not be parsed"
    elif ambiguous:
        problem = "the response contains more than one list"
    state = Completeness.PARTIAL if problem else Completeness.COMPLETE
    return Listing(state, problem, reading.names, paged=bool(pages))


def _paging_objects(level: Document) -> list[Document]:
    return [value for key, value in level.items() if isinstance(value, dict) and _plain_key(key) in _PAGING_OBJECTS]


def _paging(levels: Iterable[Document], entries: int) -> str:
    """Return a clause if the response announces entries that it does not contain, else an empty string."""
    for level in levels:
        for key, value in level.items():
            field = _plain_key(key)
            if field in _TOTALS and (total := _number(value)) > entries:
                return f"Closte's list is paged and shows {entries} of {_entries(total)}"
            if (
                (field in _PAGES and _number(value) > 1)
                or (field in _MORE and truth(value))
                or (field in _NEXT and value not in (None, "", False, 0, [], {}))
            ):
                return f"Closte's list is paged and shows only {_entries(entries)}"
    return ""


def _entries(number: int) -> str:
    return counted(number, "entry", "entries")


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
