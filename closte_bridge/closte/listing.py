"""Parse `/getdomains` responses and rate their completeness.

The shape of the list is not documented. Three are accepted: domains as strings, objects with a field for the domain,
and one object whose keys are the domains. Of these, a list with entries that could not be parsed is `PARTIAL`, and
every other document is `UNREADABLE`, never a shorter list, so that missing data never causes removals.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from closte_bridge.closte.responses import Document, error_text, succeeded, truth
from closte_bridge.counts import counted
from closte_bridge.domains import normalise
from closte_bridge.hosting import Completeness, Listing

if TYPE_CHECKING:
    from collections.abc import Callable


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAME_FIELDS = _words("domain domainname hostname host fqdn alias aliasname domainalias name servername")
_WILDCARD_FIELDS = _words("wildcard iswildcard")
_TOTALS = _words(
    "total totalcount totalitems totalresults totaldomains totalrecords recordstotal count domaincount domainscount"
)
_PAGES = _words("pages pagecount totalpages lastpage")
_NEXT = _words("next nextpage nextpageurl nexturl nextcursor nextpagetoken nexttoken nextlink cursor continuation")
_MORE = _words("hasmore more morepages hasnext hasnextpage truncated istruncated incomplete partial")
_PAGING_OBJECTS = _words("pagination paging pager meta metadata links pageinfo page")

# Host names have no underscore, but an alias with an underscore, added elsewhere, must not make the list partial.
_DOMAIN = re.compile(
    r"(?=.{3,253}\Z)(?:\*\.)?(?:[a-z0-9_-]{1,63}\.)+(?![0-9]+\Z)[a-z0-9_-]{1,63}", re.ASCII
)  # fmt: skip


def read_listing(document: Document, clean: Callable[[str], str]) -> Listing:
    """Parse a decoded `/getdomains` response; `clean` makes the server's text safe to show. Raises nothing."""
    success = succeeded(document)
    if success is None:
        return _unreadable('The response has no valid "success" field.')
    if not success:
        text = clean(error_text(document))
        return _unreadable(f'Closte answered "{text}".' if text else "Closte returned an unspecified error.")
    domains = document.get("domains")
    if isinstance(domains, dict):
        domains = _items(domains)
    if not isinstance(domains, list):
        return _unreadable('The response contains no "domains" list.')
    return _rated(domains, _paging(document, len(domains)))


def _items(domains: Document) -> list[object]:
    """Return the entries of an object: its values if PHP made it of a list with gaps, else its keys are the domains."""
    if all(key.isdecimal() for key in domains):
        return list(domains.values())
    # The capital keeps a field `domain` of the value: with two different domains, the entry is not understood.
    return [
        {**(value if isinstance(value, dict) else {"value": value}), "Domain": key} for key, value in domains.items()
    ]


def _rated(items: list[object], paging: str) -> Listing:
    names: set[str] = set()
    odd = 0
    for item in items:
        found, understood = _read(item)
        names |= found
        odd += not understood
    if items and not names:
        return _unreadable("None of the list entries could be parsed.")
    problem = f"{odd} of {_entries(len(items))} could not be parsed" if odd else paging
    state = Completeness.PARTIAL if problem else Completeness.COMPLETE
    return Listing(state, problem, frozenset(names), paged=bool(paging))


def _read(item: object) -> tuple[set[str], bool]:
    """Return the domains in one entry, and whether the entry was fully parsed."""
    found = _names(item)
    if not isinstance(item, dict):
        return found, bool(found)
    flags = [truth(value) if value is not None else False for value in _fields(item, _WILDCARD_FIELDS)]
    if any(flags):
        found = {name if name.startswith("*.") else f"*.{name}" for name in found}
    # A list inside an entry may contain more domains, such as aliases of its domain.
    hidden = any(isinstance(value, list) and any(map(_names, value)) for value in item.values())
    # With two different domains in one entry, the alias is unknown, so both count as present.
    return found, len(found) == 1 and None not in flags and not hidden


def _names(item: object) -> set[str]:
    texts = _fields(item, _NAME_FIELDS) if isinstance(item, dict) else [item]
    return {name for text in texts if isinstance(text, str) and (name := _normal(text))}


def _fields(item: Document, wanted: frozenset[str]) -> list[object]:
    return [item[key] for key in _keys(tuple(item), wanted)]


@lru_cache(maxsize=512)
def _keys(keys: tuple[str, ...], wanted: frozenset[str]) -> tuple[str, ...]:
    """Return the keys of an entry that match one of `wanted`. Cached: most entries have the same keys."""
    return tuple(key for key in keys if _plain(key) in wanted)


def _normal(text: str) -> str | None:
    """Return the normalised domain, or None if `text` is not a domain."""
    if _DOMAIN.fullmatch(text):
        return text
    name = text.strip().lower().removesuffix(".")
    if not name.isascii():
        try:
            name = normalise(name)
        except ValueError:
            return None
    return name if _DOMAIN.fullmatch(name) else None


def _paging(document: Document, entries: int) -> str:
    """Return a clause if the response announces entries that it does not contain, else an empty string."""
    objects = [value for key, value in document.items() if isinstance(value, dict) and _plain(key) in _PAGING_OBJECTS]
    for key, value in [field for level in (document, *objects) for field in level.items()]:
        name = _plain(key)
        if name in _TOTALS and (total := _number(value)) > entries:
            return f"Closte's list is paged and shows {entries} of {_entries(total)}"
        if (
            (name in _PAGES and _number(value) > 1)
            or (name in _MORE and truth(value))
            or (name in _NEXT and value not in (None, "", False, 0, [], {}))
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
def _plain(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")


def _unreadable(reason: str) -> Listing:
    return Listing(Completeness.UNREADABLE, reason)
