"""CAA records (RFC 8659): which certificate authorities may issue for a domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dns.rdatatype import CAA

from closte_bridge.checks.lookup import SharedLookups
from closte_bridge.domains import shown

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
        return shown(f'{self.flags} {self.tag} "{self.value}"')


def permits(records: Sequence[CaaRecord], issuer: str, *, wildcard: bool) -> bool:
    """Return whether these CAA records allow `issuer` (a domain, for example `letsencrypt.org`).

    Without a relevant record, every authority may issue. Parameters after the issuer's domain (an account, a validation
    method) are ignored, because only the issuer knows whether they match.
    """
    if any(r.flags & _CRITICAL and r.tag not in _KNOWN for r in records):
        return False
    relevant = [r for r in records if r.tag == "issuewild"] if wildcard else []
    relevant = relevant or [r for r in records if r.tag == "issue"]
    return not relevant or any(r.value.partition(";")[0].strip().lower() == issuer for r in relevant)


class CaaLookup:
    """Finds the CAA records that apply to a domain. Each domain of the tree is queried once per pass."""

    def __init__(self, resolvers: Resolvers) -> None:
        self._resolvers = resolvers
        self._found = SharedLookups(self._at)

    async def records(self, name: str) -> tuple[CaaRecord, ...] | None:
        """Return the first records from `name` up to its top-level domain, or None if a query fails."""
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
        # All CAA records in the answer apply: like an issuer, the resolver has followed CNAMEs.
        found = [_record(record.data) for record in reply.message.answer if record.kind == CAA]
        return tuple(record for record in found if record) if None not in found else None


def _record(data: bytes) -> CaaRecord | None:
    """Return the record (RFC 8659, 4.1), or None if it is malformed."""
    flags, size = data[0] if data else 0, data[1] if len(data) > 1 else 0
    tag, value = data[2 : 2 + size], data[2 + size :]
    if not size or len(tag) < size:
        return None
    return CaaRecord(flags, tag.decode("ascii", "replace").lower(), value.decode("utf-8", "replace"))
