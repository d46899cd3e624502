"""Tests of the pictures in the documentation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.screenshots import IMAGES, LARGEST, PICTURES, prepare, take
from tests.support.parts import REPOSITORY
from tests.support.rows import set_option

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.browser_network import BrowserNetwork

PNG = b"\x89PNG\r\n\x1a\n"


def test_pages_show_exactly_the_pictures_that_can_be_made() -> None:
    shown = set()
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
        for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]+\.png)\)", page.read_text(encoding="utf-8")):
            assert len(alt) > 20, f"{page}: {target} needs a text for readers who do not see it"
            path = (page.parent / target).resolve()
            assert path.parent == IMAGES
            shown.add(path.name)
    assert shown == set(PICTURES) == {path.name for path in IMAGES.iterdir()}


def test_pictures_are_small() -> None:
    for path in IMAGES.iterdir():
        data = path.read_bytes()
        assert data.startswith(PNG)
        assert len(data) < LARGEST, path


@pytest.mark.real
@pytest.mark.browser
@pytest.mark.parametrize("name", ["closte.png", "customer-bengali.png"])
def test_pictures_can_be_made_again(network: BrowserNetwork, browser: Browser, name: str) -> None:
    owner = network.multisite.network_option("closte_bridge_owner")
    prepare(network)
    data = take(network, browser, PICTURES[name])
    set_option(network.multisite, "closte_bridge_owner", owner)
    kept = (IMAGES / name).read_bytes()
    assert data.startswith(PNG)
    # The width: times in the texts differ.
    assert data[16:20] == kept[16:20]
