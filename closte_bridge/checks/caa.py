"""Whether the CAA records of a name let a certificate authority issue for it (RFC 8659)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dns.rdatatype import CAA

from closte_bridge.checks.lookup import SharedLookups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.checks.lookup import Resolvers

_CRITICAL = 128
_KNOWN = frozenset({"issue", "issuewild", "iodef", "contactemail", "contactphone", "issuemail", "issuevmc"})


class CaaRecord(NamedTuple):
    """One CAA record."""

    flags: int
    tag: str
    value: str

    def __str__(self) -> str:
        return f'{self.flags} {self.tag} "{self.value}"'


def permits(records: Sequence[CaaRecord], issuer: str, *, wildcard: bool) -> bool:
    """Tell whether `issuer` (a domain, for example `letsencrypt.org`) may issue under these records.

    Without a record that concerns the question, everybody may. Parameters after the issuer's domain (an account,
    a validation method) are not judged: whether they fit is known to the issuer alone.
    """
    if any(r.flags & _CRITICAL and r.tag not in _KNOWN for r in records):
        return False
    relevant = [r for r in records if r.tag == "issuewild"] if wildcard else []
    relevant = relevant or [r for r in records if r.tag == "issue"]
    return not relevant or any(r.value.partition(";")[0].strip().lower() == issuer for r in relevant)


class CaaLookup:
    """Finds the records that count for a name; each name of the tree is asked for once in a pass."""

    def __init__(self, resolvers: Resolvers) -> None:
        self._resolvers = resolvers
        self._found = SharedLookups(self._at)

    async def records(self, name: str) -> tuple[CaaRecord, ...] | None:
        """Climb from `name` to its top-level domain; return the first records met, or None when one cannot be read."""
        while name:
            found = await self._found.get(name)
            if found is None or found:
                return found
            name = name.partition(".")[2]
        return ()

    async def _at(self, name: str) -> tuple[CaaRecord, ...] | None:
        reply = await self._resolvers.first(name, CAA)
        if reply.message is None or not reply.conclusive:
            return None
        # The resolver has followed CNAMEs, as an issuer does: whatever CAA records are in the answer count.
        found = [_record(record.data) for record in reply.message.answer if record.kind == CAA]
        return tuple(record for record in found if record) if None not in found else None


def _record(data: bytes) -> CaaRecord | None:
    """Return the record (RFC 8659, 4.1), or None when it cannot be understood."""
    flags, size = data[0] if data else 0, data[1] if len(data) > 1 else 0
    tag, value = data[2 : 2 + size], data[2 + size :]
    if not size or len(tag) < size:
        return None
    return CaaRecord(flags, tag.decode("ascii", "replace").lower(), value.decode("utf-8", "replace"))
