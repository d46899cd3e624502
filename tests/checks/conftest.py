"""Fixtures for the tests of the checks: DNS, TLS and UDP servers on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.dns_world import DnsWorld, dns_world
from tests.support.folders import short_folder
from tests.support.servers import server_or_fail
from tests.support.tls_world import TlsWorld, tls_world
from tests.support.udp import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def names() -> Iterator[DnsWorld]:
    """Real authoritative and recursive DNS servers on loopback."""
    # Knot limits the path length of its control socket.
    with short_folder() as folder, server_or_fail(dns_world(folder / "d")) as world:
        yield world


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[TlsWorld]:
    """A world of TLS servers, without any at first."""
    with tls_world(tmp_path / "tls") as world:
        yield world


@pytest.fixture
def server() -> Iterator[Server]:
    """A UDP server without a script: it does not answer."""
    with Server() as one:
        yield one
