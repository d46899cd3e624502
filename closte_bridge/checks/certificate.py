"""Minimal reader of certificates in DER (RFC 5280).

Python's `ssl` decodes only verified certificates, but a diagnosis needs the others. The reader follows one fixed path,
so it needs no library.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.model import Certificate

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEQUENCE, _SET, _OID, _OCTETS = 0x30, 0x31, 0x06, 0x04
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION, _EXTENSIONS, _DNS_NAME = 0xA0, 0xA3, 0x82
_BMP_STRING = 0x1E
_LONG_LENGTH = 0x80
_COMMON_NAME, _ORGANISATION = b"\x55\x04\x03", b"\x55\x04\x0a"
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"
_MOST_NAMES = 1000
_SPACE, _DELETE = 0x20, 0x7F


class _Element(NamedTuple):
    tag: int
    body: bytes


def _elements(data: bytes) -> Iterator[_Element]:
    """Yield the consecutive elements of `data`. Raises ValueError if one is truncated."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= _LONG_LENGTH:
            size = length - _LONG_LENGTH
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError("truncated")
        yield _Element(tag, data[at : at + length])
        at += length


def _children(element: _Element, tag: int = _SEQUENCE) -> list[_Element]:
    if element.tag != tag:
        raise ValueError("unexpected tag")
    return list(_elements(element.body))


def _inside(data: bytes) -> _Element:
    """Return the first element of `data`. Raises ValueError if `data` is empty."""
    for element in _elements(data):
        return element
    raise ValueError("empty")


def read(der: bytes) -> Certificate:
    """Return the contents of a certificate. Raises ValueError if it is malformed."""
    try:
        (whole,) = _elements(der)
        fields = _children(_children(whole)[0])
        if fields[0].tag == _VERSION:
            fields = fields[1:]
        _serial, _signature, issuer, validity, subject, *rest = fields
        before, after = _children(validity)
        return Certificate(
            subject=_name(subject),
            issuer=_name(issuer),
            names=tuple(_dns_names(rest)),
            not_before=_time(before),
            not_after=_time(after),
            fingerprint=hashlib.sha256(der).hexdigest(),
        )
    except (IndexError, OverflowError) as error:
        raise ValueError("not a certificate") from error


def _name(name: _Element) -> str:
    """Return organisation and common name, for example `Let's Encrypt, R11`."""
    found: dict[bytes, str] = {}
    for relative in _children(name):
        for attribute in _children(relative, _SET):
            kind, value = _children(attribute)
            found.setdefault(kind.body, _text(value))
    return ", ".join(found[kind] for kind in (_ORGANISATION, _COMMON_NAME) if found.get(kind))


def _text(value: _Element) -> str:
    text = value.body.decode("utf-16-be" if value.tag == _BMP_STRING else "utf-8", "replace")
    # Untrusted text that may be printed to a terminal.
    return "".join(c if c.isprintable() else "?" for c in text)[:200]


def _time(value: _Element) -> float:
    text = value.body.decode("ascii", "replace")
    if value.tag == _UTC_TIME:
        # Two digits mean 1950 to 2049 (RFC 5280, 4.1.2.5.1).
        text = ("19" if text[:2] >= "50" else "20") + text
    elif value.tag != _GENERALIZED_TIME:
        raise ValueError("not a time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _dns_names(fields: list[_Element]) -> Iterator[str]:
    for field in fields:
        if field.tag != _EXTENSIONS:
            continue
        for extension in _children(_inside(field.body)):
            identifier, *others = _children(extension)
            if identifier.tag == _OID and identifier.body == _SUBJECT_ALT_NAME:
                # The optional boolean "critical" precedes the value.
                yield from _alternative_names(others[-1])


def _alternative_names(value: _Element) -> list[str]:
    if value.tag != _OCTETS:
        raise ValueError("unexpected tag")
    names = [e for e in _children(_inside(value.body)) if e.tag == _DNS_NAME]
    return [_presented(e) for e in names[:_MOST_NAMES]]


def _presented(name: _Element) -> str:
    # Do not truncate or transliterate: either could produce another customer's domain.
    return "".join(chr(b) if _SPACE < b < _DELETE else "?" for b in name.body).lower()
