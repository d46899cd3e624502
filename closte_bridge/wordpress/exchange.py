"""Send one HTTP request to a web server of WordPress, within a limited time."""

from __future__ import annotations

import socket
import ssl
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NameResolutionError, ReadTimeoutError

from closte_bridge import __version__
from closte_bridge.deadline import BoundedAdapter, silence_libraries
from closte_bridge.errors import causes_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    host = urlsplit(url).hostname or ""
    with requests.Session() as session:
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if ca_file is not None:
            session.verify = str(ca_file)
        for scheme in ("https://", "http://"):
            session.mount(scheme, BoundedAdapter())
        own = {"User-Agent": f"closte-bridge/{__version__}", "Accept": "application/json", "Connection": "close"}
        try:
            with session.request(
                method,
                url,
                headers={**own, **headers},
                data=body,
                stream=True,
                allow_redirects=False,
                timeout=(min(5.0, timeout), timeout),
            ) as response:
                text = _read(response)
            return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, text)
        except Exception as error:
            return _describe(error, host, timeout)


def _read(response: requests.Response) -> bytes:
    body = b""
    for chunk in response.iter_content(8192):
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
    if any(isinstance(c, ReadTimeoutError | requests.exceptions.Timeout | TimeoutError) for c in causes):
        return Answer(trouble=f'"{host}" did not answer within {timeout:.3g} s.', code="web-timeout")
    if any(isinstance(c, NameResolutionError | socket.gaierror) for c in causes):
        return Answer(trouble=f'Could not resolve "{host}".', code="web-unreachable")
    if any(isinstance(c, ssl.SSLError) for c in causes):
        return Answer(trouble=f'The TLS connection to "{host}" failed.', code="web-unreachable")
    return Answer(trouble=f'Could not connect to "{host}" ({type(error).__name__}).', code="web-unreachable")
