"""A test that the page shows what the engine found, within one run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.browser_network import ADMIN, OWNER, BrowserNetwork
from tests.support.folders import short_folder
from tests.support.life import HERE, STRANGER, changing_names, life
from tests.support.servers import server_or_fail
from tests.support.shim import clear_events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = [pytest.mark.real, pytest.mark.browser]

CLOSTE = "http://example.net/wp-admin/network/admin.php?page=closte-bridge&s=shop.example.com&orderby=domain"


def test_each_run_reaches_the_pages(visit: Callable[..., Page], network: BrowserNetwork, tmp_path: Path) -> None:
    """A domain goes from *DNS change needed* to *DNS correct*; then it waits for its certificate."""
    clear_events(network.multisite)
    before = dict(network.bridge.settings)
    with (
        short_folder() as folder,
        server_or_fail(changing_names(folder / "n")) as names,
        life(network.bridge, names, tmp_path) as world,
        # The browser's event loop runs in this thread.
        ThreadPoolExecutor(1) as engine,
    ):

        def sync(**addresses: str) -> None:
            world.names.point(**addresses)
            assert engine.submit(world.sync, after=600.0).result()

        sync(**{"shop.example.com": STRANGER})
        page = visit(ADMIN, CLOSTE)
        cell = page.locator("#closte-bridge-domains tbody tr .column-dns").first
        assert cell.inner_text().strip() == "Points elsewhere"
        customer = visit(OWNER, "http://keeper.example.net/wp-admin/admin.php?page=account")
        customer.locator("a.closte-bridge-open[aria-label$=': shop.example.com']").click()
        record = customer.locator("#closte-bridge-dialog tbody tr").inner_text()
        assert HERE in record
        assert STRANGER in record
        sync(**{"shop.example.com": HERE})
        page.reload()
        assert cell.inner_text().strip() == "Correct"
    network.bridge.settings = before
    network.bridge.write_config()
