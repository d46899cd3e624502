"""Wake-ups as the shim sends them."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.secret import Secret

if TYPE_CHECKING:
    import ssl


class WakeUp(NamedTuple):
    """A request of the shim, ready to be sent: its header, its body and its nonce."""

    header: str
    body: bytes
    nonce: str


def wake_up(
    secret: str, url: str, *, test: bool = False, at: float | None = None, document: object = None, key: str = ""
) -> WakeUp:
    """Sign a wake-up for the listener at `url`; `key` replaces what identifies the secret."""
    body = json.dumps(document or {"network": "example.net", "newest": 7, **({"test": True} if test else {})}).encode()
    nonce, moment = secrets.token_hex(16), str(int(time.time() if at is None else at))
    lines = ("closte-bridge 1 wake", url, moment, nonce, hashlib.sha256(body).hexdigest())
    own = key or Secret(secret).fingerprint()
    return WakeUp(f"1 {moment} {nonce} {sign(secret, *lines)} {own}", body, nonce)


def sign(secret: str, *lines: str) -> str:
    """Sign lines as the shim and closte-bridge do."""
    return hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()


class Reply(NamedTuple):
    """An answer of the listener: its status, its body, and its signature or ""."""

    status: int
    body: bytes
    signature: str = ""


def post(connection: HTTPConnection, sent: WakeUp, path: str = "/") -> Reply:
    """Send a wake-up over an open connection."""
    connection.request("POST", path, sent.body, {"X-Closte-Bridge": sent.header, "Content-Type": "application/json"})
    answer = connection.getresponse()
    return Reply(answer.status, answer.read(), answer.getheader("X-Closte-Bridge") or "")


def get(port: int, path: str, *, context: ssl.SSLContext | None = None) -> Reply:
    """Get a page of the listener on this machine."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return Reply(answer.status, answer.read())
