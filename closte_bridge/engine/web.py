"""The secret that this installation shares with the shim, and the client that signs with it."""

from __future__ import annotations

import os
import re
import secrets
from typing import TYPE_CHECKING

from closte_bridge.engine.files import write_whole
from closte_bridge.ledger.folder import make_folder, unusable
from closte_bridge.secret import Secret
from closte_bridge.wordpress.web import WebClient

if TYPE_CHECKING:
    from pathlib import Path

    from closte_bridge.engine.engine import Engine
    from closte_bridge.wordpress.snapshot import Network

SECRET_FILE = "shim-secret"  # noqa: S105 - a name
"""In the state folder, accessible to this user only: 64 hex digits."""
_LONGEST = 100


def new_secret() -> Secret:
    """Return a new random secret."""
    return Secret(secrets.token_hex(32))


def shim_secret(folder: Path) -> Secret | None:
    """Return the secret in the state folder, or None without a valid one."""
    try:
        descriptor = os.open(folder / SECRET_FILE, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        content = os.read(descriptor, _LONGEST)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return Secret(content[:64].decode()) if re.fullmatch(rb"[0-9a-f]{64}\n?", content) else None


def keep_secret(folder: Path, secret: Secret) -> None:
    """Write the secret to the state folder. Raises BridgeError if that fails."""
    try:
        make_folder(folder)
        write_whole(folder / SECRET_FILE, secret.reveal().encode() + b"\n")
    except OSError as error:
        raise unusable(folder, error) from None


def web_client(engine: Engine, network: Network, timeout: float = 10.0) -> WebClient | None:
    """Return a client of the shim's routes, or None if this installation has no secret: there is no shim.

    `timeout` limits each request, in seconds.
    """
    return client_of(engine, network.domain, network.path, timeout)


def client_of(engine: Engine, domain: str, path: str = "/", timeout: float = 10.0) -> WebClient | None:
    """Return the same for a network with this main domain and path."""
    settings = engine.settings
    secret = shim_secret(settings.state_dir)
    if secret is None:
        return None
    port = "" if settings.tls.port == 443 else f":{settings.tls.port}"  # noqa: PLR2004 - the port of HTTPS
    return WebClient(
        secret,
        domain,
        path=path,
        urls=settings.web_urls or (f"https://{domain}{port}",),
        ca_file=settings.tls.ca_file,
        timeout=timeout,
    )
