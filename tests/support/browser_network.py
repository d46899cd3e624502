"""A network for a browser: people with sites and domains, an owner, and a web server on port 80."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.rows import quoted, set_settings
from tests.support.shim import shimmed
from tests.support.web import WebServer, web_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.wordpress import Multisite

DOMAINS = ("example.net", "example.com", "example.org")
ADMIN, OWNER, OTHER = "admin", "keeper", "stranger"
# The customers' sites, with the domains that are mapped to them.
SITES: Mapping[str, tuple[str, ...]] = {
    OWNER: ("shop.example.com", "www.shop.example.com", "blog.example.org"),
    OTHER: ("other.example.com",),
}
PEOPLE = {ADMIN: (), **SITES}
# Half of an admin screen's time is the command palette of WordPress. Avatars are on other machines.
_QUIET = """
add_action( 'init', function () { remove_action( 'admin_enqueue_scripts', 'wp_enqueue_command_palette_assets' ); } );
add_filter( 'pre_option_show_avatars', '__return_zero' );
"""
_PEOPLE = """
$cookies = array();
foreach ( json_decode( $args[0], true ) as $login => $domains ) {
    $id = 'admin' === $login ? 1 : wp_create_user( $login, $login, "$login@example.org" );
    if ( 'admin' !== $login ) {
        $site = wpmu_create_blog( "$login.example.net", '/', ucfirst( $login ) . "'s shop", $id );
        foreach ( $domains as $domain ) {
            wu_create_domain( array( 'domain' => $domain, 'blog_id' => $site, 'stage' => 'done' ) );
        }
    }
    $until = time() + DAY_IN_SECONDS;
    $token = WP_Session_Tokens::get_instance( $id )->create( $until );
    $cookies[ $login ] = array(
        AUTH_COOKIE => wp_generate_auth_cookie( $id, $until, 'auth', $token ),
        LOGGED_IN_COOKIE => wp_generate_auth_cookie( $id, $until, 'logged_in', $token ),
    );
}
$value = $cookies;
"""


@dataclass(frozen=True)
class BrowserNetwork:
    """A running network. `cookies` are those of each person who is logged in."""

    bridge: Bridge
    server: WebServer
    cookies: Mapping[str, Mapping[str, str]]

    @property
    def multisite(self) -> Multisite:
        """The network's files and database."""
        return self.bridge.multisite

    def logged_in(self, login: str) -> dict[str, Any]:
        """Return a person's cookies in Playwright's format."""
        pairs = self.cookies[login].items()
        return {"cookies": [{"name": n, "value": v, "domain": ".example.net", "path": "/"} for n, v in pairs]}

    def speak(self, login: str, language: str | None) -> None:
        """Set the language of a person's admin screens; None is English."""
        user = f"(SELECT ID FROM wp_users WHERE user_login = {quoted(login)})"
        self.multisite.sql(f"DELETE FROM wp_usermeta WHERE meta_key = 'locale' AND user_id = {user}")
        if language:
            columns = "user_id, meta_key, meta_value"
            self.multisite.sql(f"INSERT INTO wp_usermeta ({columns}) VALUES ({user}, 'locale', {quoted(language)})")

    def errors_of_php(self) -> list[str]:
        """Return the lines of PHP's log, and empty it."""
        with suppress(FileNotFoundError):
            lines = self.server.log.read_text().splitlines()
            self.server.log.write_text("")
            return lines
        return []


@contextmanager
def browser_network(multisite: Multisite, folder: Path) -> Iterator[BrowserNetwork]:
    """Run a network in the new folder `folder`, with the shim and an owner that nothing triggers."""
    _copy_admin(multisite)
    set_settings(multisite, auto_create_www_subdomain="never", custom_domains=True)
    multisite.add_mu_plugin("quiet", _QUIET)
    # Of each process, so that tests can run at the same time: WordPress accepts no port but 80.
    number = os.getpid() % 64_000 + 300
    address = f"127.80.{number // 254}.{number % 254 + 1}"
    with shimmed(multisite, folder / "engine", web_urls=[f"http://{address}"]) as bridge:
        cookies = multisite.php_json(f"(function () use ($args) {{ {_PEOPLE} return $value; }})()", json.dumps(PEOPLE))
        with web_server(multisite, folder / "web", address=address, port=80) as server:
            yield BrowserNetwork(bridge, server, cookies)


def _copy_admin(multisite: Multisite) -> None:
    """Replace the link to `wp-admin` by its files, which look for WordPress next to themselves."""
    place = multisite.path / "wp-admin"
    source = place.resolve()
    place.unlink()

    def link(one: str, other: str) -> object:
        try:
            os.link(one, other)
        except OSError:
            return shutil.copy(one, other)
        return other

    shutil.copytree(source, place, copy_function=link)
