"""The world in which domains live: DNS that changes, certificates that come, and time that passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import server_or_fail, short_folder
from tests.support.bridge import bridge_for
from tests.support.life import Life, Names, changing_names, life
from tests.support.rows import set_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite


@pytest.fixture(scope="session")
def changing_dns() -> Iterator[Names]:
    """Real DNS servers on loopback whose zones can be changed."""
    # A folder with a short path: Knot's control socket lies in it.
    with short_folder() as folder, server_or_fail(changing_names(folder / "n")) as names:
        yield names


@pytest.fixture
def world(multisite: Multisite, changing_dns: Names, tmp_path: Path) -> Iterator[Life]:
    """A network with the site "shop" (2) and nothing mapped yet; nobody is in charge, `www.` forms are not wanted."""
    set_option(multisite, "wu_host_integrations_enabled", {"closte": True})
    set_option(multisite, "wp-ultimo_v2_settings", {"auto_create_www_subdomain": "never", "dns_check_interval": 60})
    multisite.create_site("shop")
    with bridge_for(multisite, tmp_path / "bridge") as bridge, life(bridge, changing_dns, tmp_path) as world:
        yield world
