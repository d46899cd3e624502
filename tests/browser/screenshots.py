"""Pictures of the screens for the documentation: `python -m tests.browser.screenshots --write` makes them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.support.browser_network import ADMIN, DOMAINS, OTHER, OWNER, BrowserNetwork, browser_network
from tests.support.chromium import PHONE, chromium, new_context
from tests.support.parts import REPOSITORY, find_parts
from tests.support.rows import set_option
from tests.support.state_examples import approval, examples, write_states
from tests.support.wordpress import build_template, keep_compiled, sqlite_database

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

IMAGES = REPOSITORY / "docs" / "images"
LARGEST = 150_000
_CLOSTE = "http://example.net/wp-admin/network/admin.php?page=closte-bridge"
_ACCOUNT = "http://keeper.example.net/wp-admin/admin.php?page=account"
_WIDE = (1280, 800)
_HOST = "web1.example.net"
# What the language pack of WordPress itself translates, which the tests do not have.
_TIMES = """
add_filter( 'ngettext', function ( $text, $single ) {
	$words = array( '%s minute' => '%s মিনিট', '%s hour' => '%s ঘণ্টা', '%s day' => '%s দিন' );
	return 'bn_BD' === determine_locale() && isset( $words[ $single ] ) ? $words[ $single ] : $text;
}, 10, 2 );
"""


class Picture(NamedTuple):
    """A screen: who opens which page, in a window of which size, and in which language.

    `domain` is the one whose dialog opens; `part` the element in the picture, by default all that the window shows.
    """

    login: str
    url: str
    size: tuple[int, int] = _WIDE
    language: str | None = None
    domain: str = ""
    part: str = ""


PICTURES = {
    "closte.png": Picture(ADMIN, _CLOSTE, (1280, 960)),
    "closte-why.png": Picture(ADMIN, f"{_CLOSTE}&domain=shop.example.com", (1280, 900)),
    "closte-phone.png": Picture(ADMIN, _CLOSTE, PHONE, part="#closte-bridge-list"),
    "customer.png": Picture(OWNER, _ACCOUNT, (900, 640), domain="shop.example.com"),
    "customer-bengali.png": Picture(OWNER, _ACCOUNT, (900, 640), "bn_BD", "shop.example.com", "#closte-bridge-dialog"),
    "customer-phone.png": Picture(OWNER, _ACCOUNT, PHONE, domain="shop.example.com"),
}


def prepare(network: BrowserNetwork) -> None:
    """Write the examples, with an owner that has the same name on each machine."""
    rows = examples(network.sites[OWNER], network.sites[OTHER])
    write_states(network.multisite, rows, approval=[approval("old.example.org", "gone.example.org")])
    network.multisite.add_mu_plugin("times", _TIMES)
    owner = network.multisite.network_option("closte_bridge_owner")
    set_option(network.multisite, "closte_bridge_owner", owner | {"host": _HOST})


def take(network: BrowserNetwork, browser: Browser, picture: Picture) -> bytes:
    """Return a picture as PNG."""
    network.speak(picture.login, picture.language)
    context = new_context(browser, size=picture.size, storage_state=network.logged_in(picture.login))
    try:
        page = context.new_page()
        page.goto(picture.url)
        if picture.domain:
            page.locator(f"a.closte-bridge-open[aria-label$=': {picture.domain}']").click()
            page.locator("#closte-bridge-dialog table").wait_for()
        shown: Page | Locator = page.locator(picture.part) if picture.part else page
        return shown.screenshot(animations="disabled", caret="hide")
    finally:
        context.close()
        network.speak(picture.login, None)


def write_all(folder: Path) -> None:
    """Make a network, and write all pictures to a folder."""
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cb-")))
        keep_compiled(work / "php")
        multisite = build_template(work / "wordpress", find_parts(), sqlite_database(work / "wordpress"))
        network = stack.enter_context(browser_network(multisite, work))
        browser = stack.enter_context(chromium(DOMAINS, network.server.address))
        prepare(network)
        folder.mkdir(exist_ok=True)
        for name, picture in PICTURES.items():
            (folder / name).write_bytes(take(network, browser, picture))


def main() -> int:
    """Write the pictures to `docs/images`."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("--write", action="store_true", required=True, help="write the pictures to docs/images")
    parser.parse_args()
    write_all(IMAGES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
