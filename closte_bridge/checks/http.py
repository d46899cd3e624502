"""Visit a domain as a visitor does, over the connection that the certificate check opened.

One GET per domain; redirects are followed only as far as `site.follows` needs. `ask` asks the web server's process
which site it serves; without it, the plain answer decides.
"""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Awaitable, Callable
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast
from urllib.parse import urljoin, urlsplit

from closte_bridge import __version__
from closte_bridge.checks.model import HttpCode
from closte_bridge.checks.site import Page, Visit, follows, host_of, is_sign_up

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from closte_bridge.checks.connection import Connection
    from closte_bridge.checks.site import SiteTarget
    from closte_bridge.config.model import HttpSettings

USER_AGENT = f"closte-bridge/{__version__}"

_MOST_REDIRECTS = 5
_MOST_BYTES = 65_536  # of one answer
# WordPress adds this link to each page: <https://shop.example.com/wp-json/>; rel="https://api.w.org/"
_API_LINK = re.compile(r'<([^<>]*)>\s*;\s*rel="?https://api\.w\.org/')
_NO_BODY = frozenset({204, 304})
_SENDABLE = re.compile(r"[!-~]+")
_CHUNKS_END = b"0\r\n\r\n"


class Request(NamedTuple):
    """An HTTP request. `path` includes the query."""

    host: str
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes = b""
    close: bool = True

    def encode(self) -> bytes:
        """Return the request as sent."""
        headers = {
            "Host": self.host,
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            # Caches may answer, as they do for visitors, but do not keep this answer.
            "Cache-Control": "no-store",
            "Connection": "close" if self.close else "keep-alive",
            **self.headers,
        }
        if self.body or self.method != "GET":
            headers["Content-Length"] = str(len(self.body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {self.path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + self.body


class Response(NamedTuple):
    """An HTTP answer. `body` has at most its first 64 KiB; header names are in lower case.

    `open`: the connection can be used for another request.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    open: bool = False


Ask: TypeAlias = Callable[["Connection", "SiteTarget"], Awaitable[tuple[Visit, bool]]]
"""Asks over an open connection which site the web server's process serves.

Returns a visit with `site`, or with the redirect that came instead, or without either if the shim did not answer; and
whether the connection can be used again. Raises OSError or HTTPException if the exchange fails.
"""


async def fetch(connection: Connection, request: Request) -> Response:
    """Send a request and return the answer. Raises OSError, or HTTPException for an answer that is not HTTP."""
    await connection.send(request.encode())
    data = bytearray()
    while len(data) < _MOST_BYTES and not _is_whole(data):
        block = await connection.receive()
        if not block:
            break
        data += block
    if not data:
        raise ConnectionResetError
    response = _parsed(bytes(data))
    closing = response.headers.get("connection", "").lower() == "close"
    return response._replace(open=_is_whole(data) and not request.close and not closing)


def _is_whole(data: bytearray) -> bool:
    """Return whether the answer is complete, so that the server need not close the connection."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    lines = head.lower().split(b"\r\n")
    status = lines[0].split(b" ")[1:2]
    if status and status[0].isdigit() and int(status[0]) in _NO_BODY:
        return True
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
        if name == b"transfer-encoding":
            return body.endswith(_CHUNKS_END)
    return False


class _Received:
    """Looks like a socket to `HTTPResponse`."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _parsed(data: bytes) -> Response:
    answer = HTTPResponse(cast("socket.socket", _Received(data)))
    answer.begin()
    try:
        body = answer.read()
    except HTTPException:
        body = b""  # longer than what was read
    headers: dict[str, str] = {}
    for name, value in answer.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return Response(answer.status, headers, body)


def page_of(host: str, path: str, answer: Response) -> Page:
    """Return what matters of the answer to a request of `path` on `host`."""
    location = answer.headers.get("location", "")
    try:
        location = urljoin(f"https://{host}{path}", location) if location else ""
    except ValueError:
        location = ""
    link = _API_LINK.search(answer.headers.get("link", ""))
    return Page(answer.status, location, host_of(link[1]) if link else "")


class HttpCheck:
    """Visits domains. `ask` asks the web server's process which site it serves."""

    def __init__(self, settings: HttpSettings, ask: Ask | None = None) -> None:
        self._settings = settings
        self._ask = ask

    async def visit(self, target: SiteTarget, connection: Connection) -> Visit:
        """Return the evidence of one visit. `connection` has a valid certificate for the domain and is used up."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                said, still_open = await self._ask(connection, target) if self._ask else (Visit(), True)
                if any(is_sign_up(page.location) for page in said.pages) or said.site not in {None, target.site}:
                    return said
                if still_open:
                    return (await self._pages(target, connection))._replace(site=said.site)
                with connection.another(target.name) as second:
                    await second.connect()
                    await second.handshake()
                    return (await self._pages(target, second))._replace(site=said.site)
        except TimeoutError:
            return Visit(failure=HttpCode.TIMEOUT)
        except (OSError, HTTPException):
            return Visit(failure=HttpCode.SERVER_ERROR)

    async def _pages(self, target: SiteTarget, connection: Connection) -> Visit:
        host, path = target.name, "/"
        pages = [page_of(host, path, await fetch(connection, Request(host)))]
        seen = {(host, path)}
        while follows(target, host, pages[-1].location):
            parts = urlsplit(pages[-1].location)
            host = host_of(pages[-1].location)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            if (host, path) in seen or len(pages) > _MOST_REDIRECTS:
                return Visit(tuple(pages), loop=True)
            if not _SENDABLE.fullmatch(path):
                break
            seen.add((host, path))
            with connection.another(host) as following:
                await following.connect()
                await following.handshake()
                pages.append(page_of(host, path, await fetch(following, Request(host, path))))
        return Visit(tuple(pages))


class FirstVisit:
    """One visit of a domain, over the first of its addresses that has a valid certificate."""

    def __init__(self, check: HttpCheck, target: SiteTarget) -> None:
        self._check = check
        self._target = target
        self._begun = False
        self.visit: Visit | None = None

    async def __call__(self, connection: Connection) -> None:
        """Visit the domain, unless another connection does."""
        if not self._begun:
            self._begun = True
            self.visit = await self._check.visit(self._target, connection)
