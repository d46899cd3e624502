"""Fixtures with a network, a browser, and pages of the people who use them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.browser_network import DOMAINS, BrowserNetwork, browser_network
from tests.support.chromium import DESKTOP, Problems, chromium, new_context
from tests.support.parts import is_mock_plugin
from tests.support.servers import server_or_fail
from tests.support.wordpress import copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.wordpress import Multisite


@pytest.fixture(scope="package")
def network(multisite_template: Multisite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserNetwork]:
    """Provide the network that the browser tests of a worker share."""
    folder = tmp_path_factory.mktemp("browser")
    path = folder / "wordpress"
    multisite = copy_multisite(multisite_template, path, sqlite_database(path))
    with browser_network(multisite, folder) as network:
        yield network


# Not of the session: other tests call `asyncio.run`.
@pytest.fixture(scope="package")
def browser(network: BrowserNetwork) -> Iterator[Browser]:
    """Provide the browser of a worker."""
    with server_or_fail(chromium(DOMAINS, network.server.address)) as browser:
        yield browser


@pytest.fixture
def problems(network: BrowserNetwork) -> Iterator[Problems]:
    """Collect the problems of all pages; fail the test if there are any, or if PHP reported an error."""
    network.errors_of_php()
    problems = Problems()
    yield problems
    errors = network.errors_of_php()
    assert problems.found == []
    # The real plugin has messages of its own.
    assert [line for line in errors if is_mock_plugin() or "closte" in line] == []


@pytest.fixture
def visit(network: BrowserNetwork, browser: Browser, problems: Problems) -> Iterator[Callable[..., Page]]:
    """Provide a function that opens a page for a person: (login, URL, window size, options of the context)."""
    with ExitStack() as stack:

        def open_page(login: str, url: str, size: tuple[int, int] = DESKTOP, **options: object) -> Page:
            context = new_context(browser, size=size, storage_state=network.logged_in(login), **options)
            stack.callback(context.close)
            problems.watch(context)
            page = context.new_page()
            page.goto(url)
            return page

        yield open_page


@pytest.fixture
def right_to_left(network: BrowserNetwork) -> Iterator[None]:
    """Write all screens from right to left. Only the direction matters here, so no language pack is needed."""
    change = "$GLOBALS['wp_locale']->text_direction = 'rtl';"
    plugin = network.multisite.add_mu_plugin("rtl", f"add_action('after_setup_theme', function () {{ {change} }});")
    yield
    plugin.unlink()
