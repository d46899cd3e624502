"""The two worlds that the checks are tried in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.checks.dns_world import DnsWorld, dns_world
from tests.checks.tls_world import TlsWorld, tls_world
from tests.conftest import server_or_fail, short_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def names() -> Iterator[DnsWorld]:
    """Real authoritative and recursive DNS servers on loopback."""
    # A folder with a short path: Knot's control socket lies in it.
    with short_folder() as folder, server_or_fail(dns_world(folder / "d")) as world:
        yield world


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[TlsWorld]:
    """A world of TLS servers, empty at first."""
    with tls_world(tmp_path / "tls") as world:
        yield world
