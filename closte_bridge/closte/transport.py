"""Send one HTTP request to the API and return what came back, in our own words where it went wrong.

No exception leaves this module, because those of the HTTP libraries carry the URL, and with it the key.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
import zlib
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

import requests
import requests.utils
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ReadTimeoutError

from closte_bridge import __version__
from closte_bridge.closte.deadline import Exchange, WatchedAdapter, silence_libraries
from closte_bridge.closte.rate_limit import retry_after
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back of one request.

    Either `trouble` is a sentence that says why there is no whole answer, or `status` and `body` hold it.
    `sent` is False when certainly nothing reached the server; `again` tells whether repeating may help after
    trouble; `retry_after` is in seconds.
    """

    status: int = 0
    body: bytes = field(default=b"", repr=False)
    trouble: str = ""
    sent: bool = True
    again: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a connection, a pause within an answer, and a whole exchange may take."""

    connect: float = 5.0
    read: float = 45.0
    total: float = 60.0


class Transport:
    """A pool of connections to one API.

    Redirects are not followed, cookies not kept and `.netrc` never read. Plain HTTP goes to this machine only
    and never through a proxy. For HTTPS a proxy named by `https_proxy` or `all_proxy` in the environment is
    used, unless `no_proxy` forbids it: it sees the host name and nothing of the request.

    Raises ConfigError when `base` or `ca_bundle` cannot be used.
    """

    def __init__(self, base: str, *, limits: Limits, pool_size: int, ca_bundle: Path | None = None) -> None:
        self._base, self._host, port = check_api_url(base)
        self._limits = limits
        silence_libraries()
        session = requests.Session()
        session.trust_env = False
        session.proxies = _proxies(self._base, self._host, port)
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.update(
            {
                "User-Agent": f"closte-bridge/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            }
        )
        if ca_bundle is not None:
            if not ca_bundle.is_file():
                raise ConfigError(
                    f'The file of certificate authorities "{ca_bundle}" does not exist.',
                    code="ca-file",
                    hint="Name a file in PEM form, or none.",
                )
            session.verify = str(ca_bundle)
        adapter = WatchedAdapter(pool_connections=2, pool_maxsize=pool_size)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        self._session = session

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def get(self, path: str, query: Mapping[str, str], limit: int, within: float = inf) -> HttpReply:
        """Send a GET request; an answer longer than `limit` bytes, or than `within` seconds, is given up."""
        return self._send("GET", path, query=query, form=None, limit=limit, within=within)

    def post(self, path: str, form: Mapping[str, str], limit: int, within: float = inf) -> HttpReply:
        """Send `form` URL-encoded in a POST request; what is given up is as with `get`."""
        return self._send("POST", path, query=None, form=form, limit=limit, within=within)

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None,
        form: Mapping[str, str] | None,
        limit: int,
        within: float,
    ) -> HttpReply:
        within = min(within, self._limits.total)
        with Exchange(within) as exchange:
            try:
                response = self._session.request(
                    method,
                    self._base + path,
                    params=query,
                    data=form,
                    stream=True,
                    allow_redirects=False,
                    timeout=(self._limits.connect, self._limits.read),
                )
                with response:
                    reply = _read(response, limit)
            except Exception as error:  # whatever it is: its text must not get out
                reply = self._describe(error, exchange)
        if exchange.expired:
            return HttpReply(trouble=self._late(within), sent=exchange.sent, again=True)
        return reply

    def _late(self, seconds: float) -> str:
        return f'"{self._host}" did not complete its answer within {seconds:.3g} s.'

    def _describe(self, error: Exception, exchange: Exchange) -> HttpReply:
        """Put an exception of the HTTP libraries into our own words."""
        causes = list(_causes(error))
        host, again = f'"{self._host}"', True
        if reason := next((c.verify_message for c in causes if isinstance(c, ssl.SSLCertVerificationError)), ""):
            words = f"The certificate of {host} could not be verified: {reason.rstrip('.')}."
            again = False
        elif _any(causes, requests.exceptions.ProxyError):
            words = f"The proxy did not lead to {host}."
        elif _any(causes, requests.exceptions.ConnectTimeout):
            words = f"{host} did not accept a connection within {self._limits.connect:g} s."
        elif _any(causes, requests.exceptions.ReadTimeout, ReadTimeoutError, TimeoutError):
            words = f"{host} did not answer within {self._limits.read:g} s."
        elif _any(causes, NameResolutionError, socket.gaierror):
            words = f"The name {host} could not be resolved."
        elif _any(causes, ConnectionRefusedError):
            words = f"{host} refused the connection."
        elif exchange.sent:
            words = f"The connection to {host} broke off before the answer was complete."
        elif _any(causes, ssl.SSLError):
            words = f"No secure connection to {host} could be made."
        elif _any(causes, NewConnectionError, HTTPError, OSError) and not _any(causes, ValueError):
            words = f"No connection to {host} could be made."
        else:
            words, again = f"The request to {host} could not be made ({type(error).__name__}).", False
        return HttpReply(trouble=words, sent=exchange.sent, again=again)


def _no_api(message: str) -> ConfigError:
    hint = "Set `api_url` to something like https://app.closte.com/api/client."
    return ConfigError(message, code="api-url", hint=hint)


def check_api_url(url: str) -> tuple[str, str, int | None]:
    """Return the URL without a trailing slash, its host and its port.

    Raises ConfigError when it is not HTTPS (or HTTP to this machine), or holds anything but scheme, host,
    port and path. The message does not quote the URL: a password may be in it.
    """
    if not url.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", url):
        raise _no_api("The API's URL holds characters that no URL may hold.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if not host:
        raise _no_api("The API's URL names no host.")
    if "@" in url:
        raise _no_api("The API's URL must not hold a user name or a password.")
    if "?" in url or "#" in url:
        raise _no_api("The API's URL must not hold a query or a fragment.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise _no_api("The API's URL must start with https://: the key would be readable on its way.")
    if parts.scheme not in ("http", "https"):
        raise _no_api("The API's URL must start with https://.")
    return url.rstrip("/"), host, port


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _proxies(base: str, host: str, port: int | None) -> dict[str, str]:
    if not base.lower().startswith("https:") or _is_loopback(host):
        return {}
    named = getproxies_environment()
    proxy = named.get("https") or named.get("all")
    if not proxy or requests.utils.should_bypass_proxies(f"https://{host}:{port or 443}/", no_proxy=None):
        return {}
    return {"https": proxy}


def _read(response: requests.Response, limit: int) -> HttpReply:
    """Read the body, at most `limit` bytes before and after it is unpacked."""
    pause = retry_after(response.headers.get("Retry-After"), response.headers.get("Date"), time.time())
    body = bytearray()
    for chunk in response.raw.stream(_CHUNK, decode_content=False):
        body += chunk
        if len(body) > limit:
            return HttpReply(trouble=_too_large(limit), retry_after=pause)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        unpacked = unpacker.decompress(bytes(body), limit + 1)
        if len(unpacked) > limit:
            return HttpReply(trouble=_too_large(limit), retry_after=pause)
        return HttpReply(response.status_code, unpacked if unpacker.eof else b"", retry_after=pause)
    if encoding not in ("", "identity"):
        return HttpReply(trouble="The answer is packed in a way that was not asked for.", retry_after=pause)
    return HttpReply(response.status_code, bytes(body), retry_after=pause)


def _too_large(limit: int) -> str:
    return f"The answer is larger than {limit // 1024} KiB and was given up."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything that it wraps, in whichever way."""
    todo: list[object] = [error]
    seen: set[int] = set()
    while todo:
        current = todo.pop(0)
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            todo += [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]


def _any(causes: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)
