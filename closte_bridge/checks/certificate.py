"""Contents of certificates.

Python's `ssl` decodes only verified certificates. `cryptography` decodes the others, for the diagnosis. Its parser is
made for hostile input, and a pass in which every certificate is valid does not load it.
"""

from __future__ import annotations

import hashlib
import ssl
import warnings
from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING, Any

from cryptography import x509

from closte_bridge.checks.model import Certificate

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_NAMES = 1000
_LONGEST_TEXT = 200
# The names by which `ssl` and, in the second place, X.500 know the parts of a name that people recognise.
_ORGANISATION, _COMMON_NAME = ("organizationName", "2.5.4.10"), ("commonName", "2.5.4.3")


def of_peer(tls: ssl.SSLObject) -> Certificate | None:
    """Return the certificate of a connection's server, or None without one. Raises ValueError if it is malformed."""
    der = tls.getpeercert(binary_form=True)
    if not der:
        return None
    shown: Any = tls.getpeercert()
    return _verified(shown, der) if shown else read(der)


def _verified(shown: dict[str, Any], der: bytes) -> Certificate:
    return Certificate(
        subject=_people(part for relative in shown.get("subject", ()) for part in relative),
        issuer=_people(part for relative in shown.get("issuer", ()) for part in relative),
        names=_names(name for kind, name in shown.get("subjectAltName", ()) if kind == "DNS"),
        not_before=float(ssl.cert_time_to_seconds(shown["notBefore"])),
        not_after=float(ssl.cert_time_to_seconds(shown["notAfter"])),
        fingerprint=hashlib.sha256(der).hexdigest(),
    )


def read(der: bytes) -> Certificate:
    """Return the contents of a certificate. Raises ValueError if it is malformed."""
    try:
        with warnings.catch_warnings():
            # It warns of certificates that it reads although they break a rule.
            warnings.simplefilter("ignore")
            found = x509.load_der_x509_certificate(der)
            alternative = [e.value for e in found.extensions if isinstance(e.value, x509.SubjectAlternativeName)]
            return Certificate(
                subject=_people((part.oid.dotted_string, part.value) for part in found.subject),
                issuer=_people((part.oid.dotted_string, part.value) for part in found.issuer),
                names=_names(name for value in alternative for name in value.get_values_for_type(x509.DNSName)),
                not_before=_time(found, "not_valid_before"),
                not_after=_time(found, "not_valid_after"),
                fingerprint=hashlib.sha256(der).hexdigest(),
            )
    except Exception as error:  # any: some errors of the library have no common class
        raise ValueError("not a certificate") from error


def _time(found: object, name: str) -> float:
    # Debian 12 has cryptography 38, without the attributes that end in _utc: its times have no zone.
    if aware := getattr(found, f"{name}_utc", None):
        return float(aware.timestamp())
    return float(getattr(found, name).replace(tzinfo=UTC).timestamp())


def _people(parts: Iterable[tuple[str, object]]) -> str:
    """Return organisation and common name, for example `Let's Encrypt, R11`."""
    found: dict[str, str] = {}
    for kind, value in parts:
        # Untrusted text that may be printed to a terminal.
        text = "".join(c if c.isprintable() else "?" for c in str(value))[:_LONGEST_TEXT]
        found.setdefault(kind, text)
    shown = (next((found[kind] for kind in kinds if kind in found), "") for kinds in (_ORGANISATION, _COMMON_NAME))
    return ", ".join(filter(None, shown))


def _names(names: Iterable[str]) -> tuple[str, ...]:
    # Do not truncate or transliterate: either could produce another customer's domain.
    return tuple("".join(c if " " < c < "\x7f" else "?" for c in name).lower() for name in islice(names, _MOST_NAMES))
