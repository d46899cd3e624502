"""Normalise and classify domain names, without network access.

A *name* is a string in A-label form: lower case, no trailing dot, at most one leading `*.` label.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from publicsuffixlist import PublicSuffixList

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
# At least two labels, the last one not all digits: nearly every stored name matches.
_NORMAL = re.compile(rf"(?=.{{4,253}}\Z)(?:\*\.)?(?:{_LABEL}\.)++(?!\d+\Z){_LABEL}\Z")
_MAX_INPUT = 1024
# IPv6 with or without brackets, or IPv4 with a port. The pattern must not match a name with a port: "cafe.de:8080".
_IPV6 = r"[0-9a-f]*(?::[0-9a-f]*){2,}[0-9.]*"
_ADDRESS = re.compile(rf"{_IPV6}|\[{_IPV6}\](?::[0-9]+)?|[0-9.]+:[0-9]+")
_A_LABEL = re.compile(r"xn--([a-z0-9-]+)")
# Variation selectors, which turn a character into an emoji. UTS 46 removes them from names.
_VARIANTS = frozenset(map(chr, range(0xFE00, 0xFE10)))

# RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476, and ICANN's reservations of 2018 and 2024.
_NOT_PUBLIC_TLDS = frozenset(
    {
        "alt",
        "arpa",
        "corp",
        "example",
        "home",
        "internal",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "mail",
        "onion",
        "test",
    }
)

WWW = "www."
WILDCARD = "*."


is_normal = _NORMAL.match
"""Returns a truthy value if a name is normalised already. For loops over many names only."""


def normalise(name: str) -> str:
    """Return `name` in lower case, as A-labels and without a trailing dot; it may start with `*.`.

    Raises ValueError if it cannot be a host name. Its text is a short reason that never quotes the name. A single label
    or an address is returned: `not_public` checks those.
    """
    if _NORMAL.match(name):
        return name
    return _normalise_slowly(name)


def _normalise_slowly(name: str) -> str:
    if not name or len(name) > _MAX_INPUT:
        raise ValueError("empty" if not name else "too long")
    name = name.strip().lower().removesuffix(".")
    prefix = WILDCARD if name.startswith(WILDCARD) else ""
    host = name.removeprefix(WILDCARD)
    if not host.isascii():
        host = _to_ascii(host).removesuffix(".")
    if not host or len(prefix + host) > 253:  # noqa: PLR2004 - RFC 1035, section 2.3.4
        raise ValueError("too long" if host else "empty")
    if _is_address(host):
        return prefix + host
    if "_" in host:
        raise ValueError("has an underscore")
    for label in host.split("."):
        if not re.fullmatch(_LABEL, label):
            raise ValueError("not a host name")
    return prefix + host


def pasted_domain(text: str) -> str | None:
    """Return the normalised domain of a pasted address (`https://shop.example.com/path`), or None.

    Scheme, port, path, query and fragment are dropped. Returns None if it is ambiguous or not a domain.
    """
    from urllib.parse import urlsplit  # noqa: PLC0415 - 9 ms, only for pasted addresses

    address = text.strip()
    if re.search(r"[\s\\@,]", address):
        return None
    try:
        parts = urlsplit(address if re.match(r"(?i)(https?:)?//", address) else f"//{address}")
        _ = parts.port
        name = normalise(parts.hostname or "")
    except ValueError:
        return None
    return name if is_normal(name) else None


def similar(name: str, known: Iterable[str]) -> str:
    """Return the domain of `known` that `name` probably means, or an empty string."""
    from difflib import get_close_matches  # noqa: PLC0415 - 7 ms, only for errors

    found = get_close_matches(name, known, n=1, cutoff=0.8)
    return found[0] if found else ""


def _to_ascii(host: str) -> str:
    import idna  # noqa: PLC0415 - 10 ms, only for names in Unicode

    try:
        return idna.encode(host, uts46=True, transitional=False).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise ValueError("not a valid internationalised name") from None


def comparable(text: str) -> str:
    """Return `text` in the form in which to search it for a domain.

    The form is Unicode (NFKC, case-folded) without invisible characters and with all A-labels decoded. This includes
    labels that IDNA rejects, such as emoji: an invalid spelling may still mean a domain.
    """
    # Lower case first: A-labels may be written in upper case.
    plain = _A_LABEL.sub(_decoded, text.lower()) if "xn--" in text.lower() else text
    if plain.isascii():
        return plain.lower()
    folded = unicodedata.normalize("NFKC", plain).casefold().replace("\u3002", ".")
    return "".join(c for c in folded if unicodedata.category(c) != "Cf" and c not in _VARIANTS)


def _decoded(label: re.Match[str]) -> str:
    try:
        return label[1].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label[0]


def _is_address(host: str) -> bool:
    if ":" in host:
        return _ADDRESS.fullmatch(host) is not None
    return host.replace(".", "").isdigit()


def shown(text: str) -> str:
    """Return untrusted `text` on one line, with control characters escaped for terminals and logs."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def not_public(name: str) -> str | None:
    """Return why no certificate authority issues for the normalised `name`, or None."""
    tld = name[name.rfind(".") + 1 :]
    if len(tld) == len(name):
        return "address" if ":" in name else "single label"
    if tld in _NOT_PUBLIC_TLDS:
        return f"under .{tld}"
    if tld.isdigit() or ":" in name:
        return "address"
    return None if is_top_level_domain(tld) else f"there is no top-level domain .{tld}"


@lru_cache(maxsize=1024)
def is_top_level_domain(tld: str) -> bool:
    """Return whether `tld`, an A-label, is a top-level domain in the installed public suffix list."""
    if tld in _top_level_domains():
        return True
    try:
        return tld.startswith("xn--") and tld[4:].encode().decode("punycode") in _top_level_domains()
    except UnicodeError:
        return False


@lru_cache(maxsize=1)
def _top_level_domains() -> frozenset[str]:
    # Only the last labels of ICANN's rules: the library needs ten times as long for the complete list.
    from publicsuffixlist import PSLFILE  # noqa: PLC0415 - 10 ms, and only additions need it

    rules = Path(PSLFILE).read_text(encoding="utf-8").partition("// ===END ICANN DOMAINS===")[0]
    return frozenset(rule.rpartition(".")[2].rstrip() for rule in rules.split("\n") if rule and rule[0] != "/")


def is_clostes_own(name: str) -> bool:
    """Return whether the normalised `name` belongs to Closte: it cannot be added, and is never removed."""
    return lies_in(name.removeprefix(WILDCARD), "closte.com")


def only_public(names: list[str]) -> list[str]:
    """Return the public names among `names`, each with a dot: the bulk version of `not_public`."""
    # Whether a name with a dot is public depends on its last label, and there are few of those.
    unfit = tuple("." + tld for tld in {name.rpartition(".")[2] for name in names} if not_public("www." + tld))
    return [name for name in names if not name.endswith(unfit)] if unfit else names


def is_wildcard(name: str) -> bool:
    """Return whether the normalised `name` starts with a wildcard label."""
    return name.startswith(WILDCARD)


def wildcard_over(name: str) -> str:
    """Return the one wildcard that covers `name`: a wildcard stands for exactly one label (RFC 9525, 6.3)."""
    return "*" + name[name.find(".") :]


def www_of(name: str) -> str | None:
    """Return the `www.` form of `name`, or None if `name` is one itself or a wildcard."""
    return None if name.startswith((WWW, WILDCARD)) else WWW + name


# Under these suffixes, Ultimate Multisite 2.14.2 counts names of three labels as registered domains by default.
_MAIN_THREE_LABELS = (".co.uk", ".com.au", ".co.nz", ".com.br", ".co.in")


def is_main_domain(name: str) -> bool:
    """Return whether Ultimate Multisite counts `name` as a main domain (setting `main_only`)."""
    dots = name.count(".")
    return dots == 1 or (dots == 2 and name.endswith(_MAIN_THREE_LABELS))  # noqa: PLR2004 - three labels


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    # Reading the list takes longer than planning.
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - 10 ms, and only additions need it

    return PublicSuffixList()


@lru_cache(maxsize=65536)
def registered_domain(name: str) -> str:
    """Return the registered domain of `name`, under which certificate authorities count it."""
    host = name.removeprefix(WILDCARD)
    return str(_suffixes().privatesuffix(host) or host)


def is_public_suffix(name: str) -> bool:
    """Return whether `name` is an ICANN public suffix such as `co.uk`; private suffixes do not count."""
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - 10 ms, only for names in the command line

    return bool(PublicSuffixList(only_icann=True).is_public(name))


def lies_in(name: str, zone: str) -> bool:
    """Return whether `name` is the DNS zone or below it; the root zone is empty."""
    return name == zone or not zone or name.endswith(f".{zone}")
