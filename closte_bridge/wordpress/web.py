"""Ask the web process of WordPress through the shim's signed routes.

`wp` shows what the database contains. Only a web process knows what visitors get, because its object cache may be its
own. Each request is signed with the secret that `shim install` made, and so is each answer: no page cache, other
server or redirect can pass for an answer of the shim.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from closte_bridge.errors import BridgeError
from closte_bridge.wordpress.exchange import Answer, send

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from closte_bridge.secret import Secret

HEADER = "X-Closte-Bridge"
MOST = 500
"""Most domains, sites or options of one `refresh`."""
_SHAPE = {"blog_id": int, "network_id": int, "main": bool, "state": str, "cache": str}


class WebError(BridgeError):
    """No answer of the shim.

    `code` is one of: `web-unreachable`, `web-timeout`, `web-certificate` (the connection failed); `web-redirect` (the
    web process sends visitors to `location`: it serves no site for this host); `web-no-shim` (a page without the shim
    answered, with HTTP `status`); `web-server-error` (the same, with a status of 500 or more); `web-refused` (the shim
    does not know the secret), `web-clock` (the clocks differ by more than five minutes), `web-replayed`, `web-failed`
    (the shim could not answer); `web-invalid` (the answer is not the shim's, or not as expected).
    """

    def __init__(self, message: str, *, code: str, hint: str = "", status: int = 0, location: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status
        self.location = location


class ServedMapping(NamedTuple):
    """The mapping that the web process uses for a host, as it is in its cache."""

    domain: str
    blog_id: int
    stage: str
    active: bool
    secure: bool


class ServedSite(NamedTuple):
    """The site that a web process serves for a host.

    `mapping` is None if Ultimate Multisite uses none: the host is the site's own address. `primary` is the domain that
    visitors are redirected to, from the database. `main`: it is the network's main site. `state` is `archived`, `spam`,
    `deleted` or "". `cache` identifies the object cache of the web process; "" if it does not outlive a request.
    """

    host: str
    blog_id: int
    network_id: int
    main: bool
    state: str
    mapping: ServedMapping | None
    primary: str | None
    cache: str


class Pulse(NamedTuple):
    """The ID of the newest event that closte-bridge has not fetched, 0 without one, and the ETag for the next call."""

    newest: int
    etag: str


class SignedRequest(NamedTuple):
    """A request for the shim. `path` includes the query; `headers` name the host that is asked for."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    nonce: str


class WebClient:
    """Client of the shim's routes for one network.

    `network` is the network's own domain, `path` its path. `urls` are the addresses of its web servers: https, or http
    to this machine; the default is `https://<network>`. Requests go to these addresses only, for any host, and the
    certificate is checked for the address. `timeout` is in seconds and limits each request as a whole.
    """

    def __init__(
        self,
        secret: Secret,
        network: str,
        *,
        path: str = "/",
        urls: Sequence[str] = (),
        ca_file: Path | None = None,
        timeout: float = 10.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret
        self._network = network
        self._path = path
        self.urls = tuple(urls) or (f"https://{network}",)
        self._ca_file = ca_file
        self._timeout = timeout
        self._now = now

    def site(self, host: str, *, url: str | None = None) -> ServedSite:
        """Return the site that the web process serves for `host`. Raises WebError.

        `url` is the web server to ask; the first one by default. A host that the web process does not know gives
        `web-redirect`, or whatever page the network has for such hosts.
        """
        base = url or self.urls[0]
        return _served(self._ask("POST", "site", host, {}, base), host, base)

    def site_request(self, host: str) -> SignedRequest:
        """Return the request of `site`, to be sent to `host` itself."""
        return self._signed("POST", "site", host, {})

    def site_answer(self, host: str, request: SignedRequest, answer: Answer) -> ServedSite:
        """Return what the answer to `site_request` says. Raises WebError if the shim did not send it."""
        base = f"https://{host}"
        return _served(self._verified(request, answer, base, host), host, base)

    def refresh(
        self,
        domains: Collection[str] = (),
        *,
        sites: Collection[int] = (),
        options: Collection[str] = (),
        url: str | None = None,
    ) -> str:
        """Drop what a web server cached of these domains, sites and network options; return the ID of its cache.

        The ID is "" if its cache does not outlive a request: then nothing had to be dropped. At most `MOST` of each.
        Raises WebError.
        """
        body = {"domains": [*domains][:MOST], "sites": [*sites][:MOST], "options": [*options][:MOST]}
        found = _document(self._ask("POST", "refresh", self._network, body, url or self.urls[0]))
        return str(found.get("cache", ""))

    def pulse(self, etag: str = "") -> Pulse | None:
        """Return the newest event, or None if it is the one of `etag`. Raises WebError."""
        answer = self._ask("GET", "pulse", self._network, None, self.urls[0], etag)
        if answer.status == 304:  # noqa: PLR2004 - Not Modified
            return None
        newest = _document(answer).get("newest")
        if type(newest) is not int:
            raise _invalid(self.urls[0])
        return Pulse(newest, answer.headers.get("etag", ""))

    def _ask(
        self, method: str, route: str, host: str, document: dict[str, Any] | None, base: str, etag: str = ""
    ) -> Answer:
        request = self._signed(method, route, host, document, etag)
        url = f"{base.rstrip('/')}{request.path}"
        answer = send(method, url, request.headers, request.body, timeout=self._timeout, ca_file=self._ca_file)
        if answer.trouble:
            raise WebError(answer.trouble, code=answer.code, hint="Run `closte-bridge doctor`.")
        return self._verified(request, answer, base, host)

    def _signed(
        self, method: str, route: str, host: str, document: dict[str, Any] | None, etag: str = ""
    ) -> SignedRequest:
        body = b"" if document is None else json.dumps(document).encode()
        nonce, at = secrets.token_hex(16), str(int(self._now()))
        digest = hashlib.sha256(body).hexdigest()
        # WordPress knows the host without its port.
        named = re.sub(r":\d+$", "", host.lower())
        signature = self._sign("closte-bridge 1", method, named, route, at, nonce, digest)
        headers = {"Host": host, HEADER: f"1 {at} {nonce} {signature}"}
        if document is not None:
            headers["Content-Type"] = "application/json"
        if etag:
            headers["If-None-Match"] = etag
        # A cache that ignores headers has not seen this address yet.
        query = f"rest_route=/closte-bridge/v1/{route}&closte-bridge={nonce[:8]}"
        return SignedRequest(method, f"{self._path.rstrip('/')}/?{query}", headers, body, nonce)

    def _verified(self, request: SignedRequest, answer: Answer, base: str, host: str) -> Answer:
        digest = hashlib.sha256(answer.body).hexdigest()
        expected = self._sign("closte-bridge 1 answer", request.nonce, str(answer.status), digest)
        if hmac.compare_digest(answer.headers.get(HEADER.lower(), "").encode(), expected.encode()):
            if answer.status in {200, 304}:
                return answer
            raise _refused(_code(answer.body), base)
        raise _no_answer(answer, base, host)

    def _sign(self, *parts: str) -> str:
        text = "\n".join(parts).encode()
        return hmac.new(self._secret.reveal().encode(), text, hashlib.sha256).hexdigest()


def _served(answer: Answer, host: str, base: str) -> ServedSite:
    found = _document(answer)
    mapping = found.get("mapping")
    try:
        if any(type(found[name]) is not kind for name, kind in _SHAPE.items()):
            raise TypeError
        served = ServedMapping(**{name: mapping[name] for name in ServedMapping._fields}) if mapping else None
        primary = found["primary"]
    except (KeyError, TypeError):
        raise _invalid(base) from None
    own = {name: found[name] for name in _SHAPE}
    return ServedSite(host=host, mapping=served, primary=str(primary) if primary else None, **own)


def _document(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _code(body: bytes) -> str:
    try:
        return str(json.loads(body)["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _refused(code: str, base: str) -> WebError:
    """Return the error for a refusal that the shim signed."""
    host = f'"{_host(base)}"'
    if code == "clock":
        text = f"The clock of {host} and the system clock differ by more than five minutes."
        return WebError(text, code="web-clock", hint="Enable NTP on both machines.", status=401)
    if code == "replayed":
        text = f"{host} received the request twice."
        return WebError(text, code="web-replayed", hint="Check the proxies in front of WordPress.", status=401)
    hint = "Check that the database is writable, and PHP's error log."
    return WebError(f"The shim on {host} could not answer ({code or 'unknown reason'}).", code="web-failed", hint=hint)


def _no_answer(answer: Answer, base: str, asked: str) -> WebError:
    """Return the error for an answer that the shim did not sign."""
    host, status = f'"{_host(base)}"', answer.status
    again = "Run `closte-bridge shim install` again."
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        # Only the host: an address may contain a token.
        location = answer.headers.get("location", "")
        text = f'WordPress serves no site for "{asked}" and redirects to "{_host(location)}".'
        return WebError(text, code="web-redirect", status=status, location=location)
    if status == 401 and _code(answer.body) == "unsigned":  # noqa: PLR2004 - Unauthorized
        text = f"The shim on {host} does not accept the signature."
        hint = f"{again} PHP of the web server must run as the user that `wp` runs as."
        return WebError(text, code="web-refused", hint=hint, status=status)
    if status >= 500:  # noqa: PLR2004 - server errors
        text = f"{host} failed with HTTP {status}."
        return WebError(text, code="web-server-error", hint="Check PHP's error log.", status=status)
    if answer.headers.get(HEADER.lower()):
        return _invalid(base)
    text = f"The shim did not answer on {host} (HTTP {status})."
    hint = f"{again} If a firewall blocks the request, allow the header {HEADER}."
    return WebError(text, code="web-no-shim", hint=hint, status=status)


def _invalid(base: str) -> WebError:
    text = f'The answer of "{_host(base)}" is not as expected.'
    return WebError(text, code="web-invalid", hint="Run `closte-bridge shim install` again.")


def _host(url: str) -> str:
    try:
        return re.sub(r"[^\w.:-]", "", urlsplit(url).netloc.rpartition("@")[2])
    except ValueError:
        return ""
