"""Send one HTTP request to a web server of WordPress, within a limited time."""

from __future__ import annotations

import socket
import ssl
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, ReadTimeoutError
from urllib3.util.ssl_ import create_urllib3_context

from closte_bridge import __version__
from closte_bridge.deadline import bounded, silence_libraries
from closte_bridge.errors import causes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3 import BaseHTTPResponse

# Bytes of an answer. Pages of WordPress that answer instead of the shim may be longer; only their start matters.
_LIMIT = 65_536


class Answer(NamedTuple):
    """An HTTP answer, its headers in lower case; or `trouble`, a sentence, with its `code`, if there is none."""

    status: int = 0
    headers: Mapping[str, str] = {}
    body: bytes = b""
    trouble: str = ""
    code: str = ""


def send(
    method: str, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float, ca_file: Path | None = None
) -> Answer:
    """Send a request on a connection of its own; follow no redirect. `timeout` limits the exchange, in seconds.

    A new connection may reach another server behind a load balancer. No proxy, cookie or `.netrc` of the environment
    is used.
    """
    silence_libraries()
    parts = urlsplit(url)
    host = parts.hostname or ""
    own = {"User-Agent": f"closte-bridge/{__version__}", "Accept": "application/json", "Connection": "close"}
    try:
        with _pool(parts.scheme, host, parts.port, ca_file) as pool:
            response = pool.urlopen(
                method,
                f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/",
                body or None,
                {**own, **headers},
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                timeout=Timeout(connect=min(5.0, timeout), read=timeout),
            )
            text = _read(response)
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, text)
    except Exception as error:
        return _describe(error, host, timeout)


def _pool(scheme: str, host: str, port: int | None, ca_file: Path | None) -> HTTPConnectionPool:
    if scheme == "http":
        pool = HTTPConnectionPool(host, port)
    else:
        roots = str(ca_file) if ca_file is not None else DEFAULT_CA_BUNDLE_PATH
        pool = HTTPSConnectionPool(host, port, ssl_context=_context(roots, Path(roots).stat().st_mtime_ns))
    found: HTTPConnectionPool = bounded(pool)
    return found


@lru_cache(maxsize=4)
def _context(roots: str, _changed: int) -> ssl.SSLContext:
    """Return a context that trusts the certificates in a file. Reading them takes 20 ms, and a pulse 1 ms without."""
    context = create_urllib3_context()
    context.load_verify_locations(roots)
    return context


def _read(response: BaseHTTPResponse) -> bytes:
    body = b""
    for chunk in response.stream(8192):
        body += chunk
        if len(body) > _LIMIT:
            break
    return body


def _describe(error: Exception, host: str, timeout: float) -> Answer:
    """Describe an exception of the HTTP libraries without its text."""
    causes = [*causes_of(error)]
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            text = f'Could not verify the certificate of "{host}": {cause.verify_message.rstrip(".")}.'
            return Answer(trouble=text, code="web-certificate")
    if any(isinstance(c, ReadTimeoutError | TimeoutError) or type(c) is ConnectTimeoutError for c in causes):
        return Answer(trouble=f'"{host}" did not answer within {timeout:.3g} s.', code="web-timeout")
    if any(isinstance(c, NameResolutionError | socket.gaierror) for c in causes):
        return Answer(trouble=f'Could not resolve "{host}".', code="web-unreachable")
    if any(isinstance(c, ssl.SSLError) for c in causes):
        return Answer(trouble=f'The TLS connection to "{host}" failed.', code="web-unreachable")
    return Answer(trouble=f'Could not connect to "{host}" ({type(error).__name__}).', code="web-unreachable")
