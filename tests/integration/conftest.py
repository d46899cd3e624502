"""Fixtures with changeable DNS, changeable certificates and a changeable clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.bridge import bridge_for
from tests.support.folders import short_folder
from tests.support.life import Life, Names, changing_names, life
from tests.support.rows import switch_on
from tests.support.servers import server_or_fail
from tests.support.shim import bare_shim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite


@pytest.fixture(scope="session")
def changing_dns() -> Iterator[Names]:
    """Provide real DNS servers on loopback whose zones a test can change."""
    # The folder needs a short path because it contains Knot's control socket.
    with short_folder() as folder, server_or_fail(changing_names(folder / "n")) as names:
        yield names


@pytest.fixture
def world(multisite: Multisite, changing_dns: Names, tmp_path: Path) -> Iterator[Life]:
    """Provide a network with the site "shop" (2), without mappings, owner or `www.` forms."""
    switch_on(multisite, dns_check_interval=60)
    multisite.create_site("shop")
    with bridge_for(multisite, tmp_path / "bridge") as bridge, life(bridge, changing_dns, tmp_path) as world:
        yield world


@pytest.fixture
def network(multisite: Multisite) -> Multisite:
    """Provide a network with the shim and an owner, but without a closte-bridge installation."""
    bare_shim(multisite)
    return multisite
