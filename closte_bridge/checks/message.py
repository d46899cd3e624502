"""Minimal parser of DNS messages (RFC 1035, section 4) for the records that the checks need.

dnspython parses, validates and sorts all record types, which took a third of the time of a pass. The tests compare this
parser with dnspython.
"""

from __future__ import annotations

import re
import socket
import struct
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, NamedTuple

import dns.flags
from dns.rcode import NXDOMAIN
from dns.rdataclass import IN
from dns.rdatatype import AAAA, CAA, CNAME, NS, OPT, SOA, A

from closte_bridge.domains import lies_in

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = struct.Struct("!6H")
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_MINIMUM = struct.Struct("!I")
_OPCODE = 0x7800
_POINTER, _LONGEST_LABEL, _LONGEST_NAME = 0xC0, 63, 255
_LONGEST_TTL = 2**31 - 1
_LONGEST_CHAIN = 16
_PLAIN_LABEL = re.compile(rb"[a-z0-9_*-]+")
_SPECIAL = b'"().;\\@$'
_SIZES: dict[int, int] = {A: 4, AAAA: 16}
_KINDS = frozenset({A, AAAA, CAA, CNAME, NS, SOA})


class ResourceRecord(NamedTuple):
    """A record of class IN. `text` is its address or name, or empty; `data` is the raw record data."""

    owner: str
    kind: int
    ttl: int
    text: str
    data: bytes


class DnsMessage(NamedTuple):
    """Answer to one question. Names are in lower case without the final dot; the root's name is empty."""

    flags: int
    rcode: int
    name: str
    kind: int
    answer: tuple[ResourceRecord, ...]
    authority: tuple[ResourceRecord, ...]
    additional: tuple[ResourceRecord, ...]

    @property
    def authoritative(self) -> bool:
        """Return whether the server is authoritative for the answer."""
        return bool(self.flags & dns.flags.AA)

    @property
    def validated(self) -> bool:
        """Return whether a resolver has verified the DNSSEC signatures."""
        return bool(self.flags & dns.flags.AD)


class Chain(NamedTuple):
    """A chain of CNAMEs: their targets, the records at the end, and the lowest TTL, if known."""

    cnames: tuple[str, ...]
    records: tuple[ResourceRecord, ...]
    ttl: int | None


def read(packet: bytes) -> DnsMessage:
    """Return the message in a packet. Raises ValueError if it is not an answer, or malformed."""
    try:
        return _read(packet)
    except (IndexError, struct.error) as error:
        raise ValueError("truncated") from error


def _read(packet: bytes) -> DnsMessage:
    _, flags, questions, *counts = _HEADER.unpack_from(packet)
    if not flags & dns.flags.QR or flags & _OPCODE or questions != 1:
        raise ValueError("not an answer to a question")
    name, at = _name(packet, _HEADER.size)
    kind, _ = _QUESTION.unpack_from(packet, at)
    at += _QUESTION.size
    rcode = flags & 0xF
    sections = []
    for count in counts:
        records = []
        for _ in range(count):
            owner, at = _name(packet, at)
            of_kind, of_class, ttl, size = _RECORD.unpack_from(packet, at)
            at += _RECORD.size + size
            if at > len(packet):
                raise ValueError("truncated")
            if of_kind == OPT:
                # OPT stores the upper bits of the response code in its TTL (RFC 6891, 6.1.3).
                rcode |= ttl >> 24 << 4
            elif of_class == IN and of_kind in _KINDS:
                # A TTL with its highest bit set counts as 0 (RFC 2181, 8).
                ttl = ttl if ttl <= _LONGEST_TTL else 0
                records.append(
                    ResourceRecord(owner, of_kind, ttl, _text(packet, at - size, at, of_kind), packet[at - size : at])
                )
        sections.append(tuple(records))
    return DnsMessage(flags, rcode, name, kind, *sections)


def _name(packet: bytes, at: int) -> tuple[str, int]:
    """Return the name at an offset, and the offset after it."""
    labels, length, end, begin = [], 0, 0, at
    while size := packet[at]:
        if size >= _POINTER:
            end = end or at + 2
            at = (size - _POINTER) << 8 | packet[at + 1]
            # Allow only backward pointers, so that the loop ends.
            if at >= begin:
                raise ValueError("a forward pointer in a name")
            begin = at
            continue
        length += 1 + size
        label = packet[at + 1 : at + 1 + size]
        if size > _LONGEST_LABEL or length >= _LONGEST_NAME or len(label) < size:
            raise ValueError("not a name")
        label = label.lower()
        labels.append(label.decode("ascii") if _PLAIN_LABEL.fullmatch(label) else _escaped(label))
        at += 1 + size
    return ".".join(labels), end or at + 1


def _escaped(label: bytes) -> str:
    """Return a label in the syntax of zone files, with dots escaped."""
    return "".join(
        f"\\{chr(c)}" if c in _SPECIAL else chr(c) if 0x20 < c < 0x7F else f"\\{c:03d}"  # noqa: PLR2004 - printable
        for c in label
    )


def _text(packet: bytes, at: int, end: int, kind: int) -> str:
    if end - at != _SIZES.get(kind, end - at):
        raise ValueError("not an address")
    if kind == A:
        return socket.inet_ntoa(packet[at:end])
    if kind == AAAA:
        return str(IPv6Address(packet[at:end]))
    if kind not in {CNAME, NS}:
        return ""
    name, after = _name(packet, at)
    if after != end:
        raise ValueError("not a name")
    return name


def follow(message: DnsMessage) -> Chain | None:
    """Follow the CNAMEs in a message to the records of the question.

    Returns None for an endless chain, and for records of a name with NXDOMAIN: visitors cannot use either.
    """
    name = message.name
    cnames: list[str] = []
    ttls: list[int] = []
    for _ in range(_LONGEST_CHAIN):
        found = tuple(r for r in message.answer if r.owner == name and r.kind == message.kind)
        if found:
            ttls += [record.ttl for record in found]
            return None if message.rcode == NXDOMAIN else Chain(tuple(cnames), found, min(ttls))
        alias = next((r for r in message.answer if r.owner == name and r.kind == CNAME), None)
        if alias is None:
            ttls += _negative_ttls(message, name)
            return Chain(tuple(cnames), (), min(ttls, default=None))
        name = alias.text
        cnames.append(name)
        ttls.append(alias.ttl)
    return None


def _negative_ttls(message: DnsMessage, name: str) -> Iterator[int]:
    """Yield the TTLs of a negative answer (RFC 2308, 5)."""
    for record in message.authority:
        if record.kind == SOA and lies_in(name, record.owner):
            yield record.ttl
            yield from _MINIMUM.unpack(record.data[-_MINIMUM.size :])
