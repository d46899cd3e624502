"""Send one HTTP request to the API, and return the response or a description of the failure.

No exception of the HTTP libraries leaves this module, because it contains the URL and with it the key.
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
from urllib3.exceptions import HTTPError, NameResolutionError, ReadTimeoutError

from closte_bridge import __version__
from closte_bridge.closte.rate_limit import retry_after
from closte_bridge.deadline import BoundedAdapter, NotSentError, silence_libraries
from closte_bridge.errors import ConfigError, causes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class HttpReply:
    """Result of one request.

    Either `trouble` is a sentence with the reason why there is no complete response, or `status` and `body` hold the
    response. `sent` is False if certainly nothing reached the server. `again`: a repeat may help after trouble.
    `retry_after` is in seconds.
    """

    status: int = 0
    body: bytes = field(default=b"", repr=False)
    trouble: str = ""
    sent: bool = True
    again: bool = False
    retry_after: float | None = None


class Transport:
    """Connection pool for one API.

    It follows no redirects, keeps no cookies and never reads `.netrc`. Plain HTTP works for this machine only and never
    uses a proxy. HTTPS uses the proxy in the environment variables `https_proxy` or `all_proxy`, unless `no_proxy`
    excludes the host. The proxy sees the host name and nothing of the request. `timeout` holds the seconds for a
    connection and for a whole response.

    Raises ConfigError if `base` or `ca_bundle` cannot be used.
    """

    def __init__(
        self, base: str, *, timeout: tuple[float, float], pool_size: int, ca_bundle: Path | None = None
    ) -> None:
        self._base, self._host, port = check_api_url(base)
        self._server = f"{self._host}:{port or (443 if self._base.lower().startswith('https:') else 80)}"
        self._timeout = timeout
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
                    f'The CA bundle "{ca_bundle}" does not exist.',
                    code="ca-file",
                    hint="Specify a PEM file, or leave the setting empty.",
                )
            session.verify = str(ca_bundle)
        adapter = BoundedAdapter(pool_connections=2, pool_maxsize=pool_size)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        self._session = session
        self.on_reply: Callable[[str, HttpReply], None] | None = None
        """Called with the request in words (`GET /getdomains`) and each complete response."""

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def get(self, path: str, query: Mapping[str, str], limit: int, within: float = inf) -> HttpReply:
        """Send a GET request. A response of more than `limit` bytes or `within` seconds is discarded."""
        return self._send("GET", path, query=query, form=None, limit=limit, within=within)

    def post(self, path: str, form: Mapping[str, str], limit: int, within: float = inf) -> HttpReply:
        """Send `form`, URL-encoded, in a POST request with the limits of `get`."""
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
        connect, total = (max(0.001, min(within, seconds)) for seconds in self._timeout)
        try:
            response = self._session.request(
                method,
                self._base + path,
                params=query,
                data=form,
                stream=True,
                allow_redirects=False,
                timeout=(connect, total),
            )
            with response:
                reply = _read(response, limit)
                if self.on_reply and not reply.trouble:
                    self.on_reply(f"{method} {path}", reply)
                return reply
        except Exception as error:  # any: its text may contain the key
            return self._describe(error, connect, total)

    def _describe(self, error: Exception, connect: float, total: float) -> HttpReply:
        """Describe an exception of the HTTP libraries without its text."""
        causes = list(causes_of(error))
        host, server, again, sent = f'"{self._host}"', f'"{self._server}"', True, not _any(causes, NotSentError)
        if reason := next((c.verify_message for c in causes if isinstance(c, ssl.SSLCertVerificationError)), ""):
            # OpenSSL ends some of its reasons with a period.
            trouble, again = f"Could not verify the certificate of {host}: {reason.rstrip('.')}.", False
        elif _any(causes, requests.exceptions.ProxyError):
            trouble = f"The proxy could not connect to {host}."
        elif _any(causes, ReadTimeoutError, TimeoutError):
            late = (
                f"finish its response within {total:.3g} s" if sent else f"accept a connection within {connect:.3g} s"
            )
            trouble = f"{host} did not {late}."
        elif _any(causes, NameResolutionError, socket.gaierror):
            trouble = f"Could not resolve {host}."
        elif _any(causes, ConnectionRefusedError):
            trouble = f"{server} refused the connection."
        elif not isinstance(error, OSError | HTTPError | zlib.error):
            trouble, again = f"Could not send the request to {host} ({type(error).__name__}).", False
        elif sent:
            trouble = f"The connection to {host} broke before the response was complete."
        elif _any(causes, ssl.SSLError):
            trouble = f"The TLS connection to {host} failed."
        else:
            trouble = f"Could not connect to {server}."
        return HttpReply(trouble=trouble, sent=sent, again=again)


def _invalid_url(reason: str) -> ConfigError:
    hint = "Set `api_url` to a URL such as https://app.closte.com/api/client."
    return ConfigError(f"`api_url` {reason}.", code="api-url", hint=hint)


def check_api_url(url: str) -> tuple[str, str, int | None]:
    """Return the URL without a trailing slash, its host and its port.

    Raises ConfigError if it is not HTTPS (or HTTP to this machine), or contains anything but scheme, host, port and
    path. The message does not quote the URL, which may contain a password.
    """
    if not url.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", url):
        raise _invalid_url("contains invalid characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if not host:
        raise _invalid_url("has no host")
    if "@" in url:
        raise _invalid_url("must not contain a user name or a password")
    if "?" in url or "#" in url:
        raise _invalid_url("must not contain a query or a fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise _invalid_url("must start with https://, so that the API key is not sent in plain text")
    if parts.scheme not in ("http", "https"):
        raise _invalid_url("must start with https://")
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
    """Read the body, limited to `limit` bytes both compressed and uncompressed."""
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
        return HttpReply(trouble="The response uses an unexpected compression.", retry_after=pause)
    return HttpReply(response.status_code, bytes(body), retry_after=pause)


def _too_large(limit: int) -> str:
    return f"The response exceeds {limit // 1024} KiB and was discarded."


def _any(causes: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)
