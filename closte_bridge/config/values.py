"""Checks of single config values.

Each check returns the value for the settings, or raises `voluptuous.Invalid`. Its text completes a sentence that begins
with the key. It never quotes the value, which may be a misplaced API key. Values are not coerced.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import voluptuous as vol

from closte_bridge.config.durations import parse_duration
from closte_bridge.config.model import ALIAS, Endpoint, Resolver
from closte_bridge.config.ssh_target import is_container, ssh_target
from closte_bridge.domains import is_wildcard, normalise
from closte_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.config.model import Key, Kind

    Check: TypeAlias = Callable[[object], object]

ENVIRONMENTS = ("local", "development", "staging", "production")
_LONGEST = 365 * 86_400.0
_MAX_TEXT = 4096
_MAX_PORT = 65_535
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_USUAL_BOOLEANS = frozenset({"yes", "no", "on", "off", "y", "n", "true", "false"})


def text(value: object) -> str:
    """Accept text on one line."""
    if not isinstance(value, str):
        raise vol.Invalid("must be text (quote numbers and booleans)")
    if not value:
        raise vol.Invalid("must not be empty")
    if len(value) > _MAX_TEXT or _UNPRINTABLE.search(value):
        raise vol.Invalid("must be text on one line without control characters")
    return value


def path(value: object) -> str:
    """Accept the path of a file or folder. If it begins with a home folder, that folder must be known."""
    written = text(value)
    if written.startswith("~") and not written.startswith("~/") and written != "~":
        try:
            Path(written).expanduser()
        except RuntimeError:
            raise vol.Invalid("begins with the home folder of an unknown user") from None
    return written


def file(value: object) -> str:
    """Accept the path of a file."""
    written = path(value)
    if not Path(written).name:
        raise vol.Invalid("must name a file")
    return written


def boolean(value: object) -> bool:
    """Accept true or false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _USUAL_BOOLEANS:
        raise vol.Invalid("must be true or false (unquoted)")
    raise vol.Invalid("must be true or false")


def whole(lowest: int, highest: int) -> Check:
    """Accept an integer from `lowest` to `highest`."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise vol.Invalid(f"must be an integer from {lowest} to {highest}")
        return value

    return check


def number(lowest: float, highest: float) -> Check:
    """Accept a number from `lowest` to `highest`."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
            raise vol.Invalid(f"must be a number from {lowest:g} to {highest:g}")
        return float(value)

    return check


def duration(value: object) -> float:
    """Accept a number of seconds, or text such as `1h30m`, up to a year."""
    seconds = 0.0
    if isinstance(value, str):
        try:
            seconds = parse_duration(value)
        except ValueError:
            raise vol.Invalid('must be a duration such as 300, "5m", "24h" or "1h30m"') from None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # A float cannot hold a number of hundreds of digits.
        seconds = float(min(value, _LONGEST + 1))
    else:
        raise vol.Invalid('must be a duration such as 300, "5m", "24h" or "1h30m"')
    if not 0 < seconds <= _LONGEST:
        raise vol.Invalid("must be greater than 0 and at most 365d")
    return seconds


def duration_or_off(value: object) -> float:
    """Accept a duration from 1 second, or `off` or 0 for 0.0."""
    if value == "off" or (value == 0 and not isinstance(value, bool)):
        return 0.0
    try:
        seconds = duration(value)
    except vol.Invalid as error:
        raise vol.Invalid(f'{error.msg}, or "off"') from None
    if seconds < 1:
        raise vol.Invalid('must be at least 1s, or "off"')
    return seconds


def _name(value: object) -> str:
    try:
        return normalise(text(value))
    except ValueError as error:
        raise vol.Invalid(f"must be a domain name: {error}") from None


def domain(value: object) -> str:
    """Accept a domain name and return it normalised."""
    name = _name(value)
    if is_wildcard(name):
        raise vol.Invalid("must be a domain name without a wildcard")
    if "." not in name or ":" in name or name.replace(".", "").isdigit():
        raise vol.Invalid('must be a fully qualified domain name such as "example.org"')
    return name


def kept(value: object) -> str:
    """Accept a domain or a wildcard."""
    return wildcard(value) if isinstance(value, str) and value.strip().startswith("*") else domain(value)


def wildcard(value: object) -> str:
    """Accept `*.` and a domain name, and return it normalised."""
    name = _name(value) if isinstance(value, str) and value.strip().startswith("*.") else ""
    if not name:
        raise vol.Invalid('must be a wildcard such as "*.example.org"')
    return "*." + domain(name.removeprefix("*."))


def target(value: object) -> str:
    """Accept an IP address, or the domain that a CNAME points to."""
    try:
        return str(ipaddress.ip_address(text(value)))
    except ValueError:
        return domain(value)


def resolver(value: object) -> Resolver:
    """Accept an IP address with or without a port: `1.1.1.1`, `8.8.8.8:53`, `[::1]:53`, `::1`."""
    host, port = _address(value, 'must be an IP address such as "1.1.1.1", "8.8.8.8:53" or "[::1]:53"')
    return Resolver(host, port or 53)


def endpoint(value: object) -> Endpoint:
    """Accept an IP address with a port: `127.0.0.1:8377`, `[::]:8377`."""
    problem = 'must be an IP address with a port such as "127.0.0.1:8377" or "[::]:8377"'
    host, port = _address(value, problem)
    if port is None:
        raise vol.Invalid(problem)
    return Endpoint(host, port)


def _address(value: object, problem: str) -> tuple[str, int | None]:
    written = text(value)
    match = re.fullmatch(r"\[([0-9a-fA-F:.]+)\](?::([0-9]{1,5}))?|([0-9.]+):([0-9]{1,5})", written, re.ASCII)
    host, port = (match[1] or match[3], match[2] or match[4]) if match else (written, None)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise vol.Invalid(problem) from None
    if port is not None and not 1 <= int(port) <= _MAX_PORT:
        raise vol.Invalid(f"must have a port from 1 to {_MAX_PORT}")
    return str(address), None if port is None else int(port)


def base_url(value: object, example: str = "https://app.closte.com/api/client") -> str:
    """Accept a base URL without secrets: https, or http to this machine."""
    written = text(value)
    try:
        parts = urlsplit(written)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    # The client refuses the same, but cannot name the file and the line.
    odd = not written.isascii() or re.search(r"[\s\\]", written)
    if not host or odd or parts.scheme not in {"http", "https"}:
        raise vol.Invalid(f'must be a URL such as "{example}"')
    if parts.username is not None or parts.query or parts.fragment:
        raise vol.Invalid('must not contain a user, a password, a "?" or a "#"')
    if parts.scheme == "http" and not _is_loopback(host):
        raise vol.Invalid("must begin with https:// (http:// works for this machine only)")
    return written.rstrip("/")


def web_url(value: object) -> str:
    """Accept the address of a web server: https, or http to this machine."""
    return base_url(value, "https://example.org")


def notification_url(value: object) -> Secret:
    """Accept a URL of Apprise, which contains a password or a token."""
    written = text(value)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{1,31}://\S+", written):
        raise vol.Invalid("must be a URL of Apprise, which begins with the scheme of a service")
    return Secret(written)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def ssh(value: object) -> str:
    """Accept where WordPress is: `user@host:port/path`, or a container as in WP-CLI's `--ssh`; no password."""
    written = text(value)
    if re.match(r"(?!ssh:[^:@/]*@)(?:ssh:(?://)?)?[^@/]*:[^@/]*@", written):
        raise vol.Invalid('must not contain a password; set "ssh_password_file"')
    if is_container(written):
        place = written.partition(":")[2].removeprefix("//").rpartition("@")[2]
        # WP-CLI starts the container's program, which reads a leading dash as an option.
        valid = not re.search(r"\s", written) and not place.startswith("-")
    else:
        valid = _is_ssh_target(written)
    if not valid:
        raise vol.Invalid('must look like "user@host:22/path"')
    return written


def _is_ssh_target(written: str) -> bool:
    try:
        ssh_target(written)
    except ValueError:
        return False
    return True


def site_url(value: object) -> str:
    """Accept a value of WP-CLI's `--url`: the URL of a site."""
    written = text(value)
    if re.search(r"\s", written) or "@" in written or written.startswith("-"):
        raise vol.Invalid('must be the URL of a site such as "https://example.org"')
    return written


def alias(value: object) -> str:
    """Accept a WP-CLI alias of one network; `@all` stands for many."""
    written = text(value)
    if not re.fullmatch(ALIAS, written):
        raise vol.Invalid('must be an alias such as "@prod", in quotes')
    if written == "@all":
        raise vol.Invalid('must point to a single network; define several under "networks"')
    return written


def environment(value: object) -> str:
    """Accept a value of `WP_ENVIRONMENT_TYPE`."""
    if value not in ENVIRONMENTS:
        raise vol.Invalid(f"must be one of {', '.join(ENVIRONMENTS)}")
    return str(value)


def several(check: Check, *, some: bool = False) -> Check:
    """Accept a list whose items pass `check`, at least one if `some`; return a tuple."""
    items = vol.Schema([check])

    def check_list(value: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise vol.Invalid("must be a list, such as [first, second]")
        if some and not value:
            raise vol.Invalid("must be a list with at least one item")
        return tuple(items(value))

    return check_list


def once(check: Check, *, some: bool = False) -> Check:
    """Accept the same as `several`, and drop repetitions."""
    inner = several(check, some=some)
    return lambda value: tuple(dict.fromkeys(inner(value)))  # type: ignore[call-overload] # a tuple


_CHECKS: dict[Kind, Check] = {
    "address and port": endpoint,
    "API URL": base_url,
    "argument": text,
    "boolean": boolean,
    "domain": kept,
    "duration": duration,
    "duration or off": duration_or_off,
    "environment": environment,
    "file": file,
    "IP address or domain": target,
    "notification URL": notification_url,
    "path": path,
    "resolver": resolver,
    "site URL": site_url,
    "SSH target": ssh,
    "web URL": web_url,
    "wildcard": wildcard,
    "WP-CLI alias": alias,
}


def check_of(key: Key) -> Check:
    """Return the check of a key's value, as its declaration says."""
    lowest, highest = key.bounds
    match key.kind:
        case "integer":
            return whole(int(lowest), int(highest))
        case "number":
            return number(lowest, highest)
    check = _CHECKS[key.kind]
    if isinstance(key.default, tuple):
        # Arguments may repeat, and a list that is not empty by default must not be empty.
        return (several if key.kind == "argument" else once)(check, some=bool(key.default))
    return check if key.default is not None else lambda value: None if value is None else check(value)
