"""A network for a browser: people with sites and domains, an owner, and a web server on port 80."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.customers import log_in, own_admin
from tests.support.rows import quoted, set_settings
from tests.support.running import wait_until
from tests.support.shim import events, shimmed
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
# Half of an admin screen's time is the command palette of WordPress. Avatars are on other machines.
_QUIET = """
add_action( 'init', function () { remove_action( 'admin_enqueue_scripts', 'wp_enqueue_command_palette_assets' ); } );
add_filter( 'pre_option_show_avatars', '__return_zero' );
"""
_SITE = """
(function ($login, $domains) {
    $id = wp_create_user($login, $login, "$login@example.org");
    $site = wpmu_create_blog("$login.example.net", '/', ucfirst($login) . "'s shop", $id);
    foreach ($domains as $domain) {
        wu_create_domain(['domain' => $domain, 'blog_id' => $site, 'stage' => 'done']);
    }
    return $site;
})($args[0], json_decode($args[1], true))
"""


@dataclass(frozen=True)
class BrowserNetwork:
    """A running network: the cookies of each person who is logged in, and the ID of each customer's site."""

    bridge: Bridge
    server: WebServer
    cookies: Mapping[str, Mapping[str, str]]
    sites: Mapping[str, int]

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

    def wait_for_events(self, *expected: tuple[str, str]) -> None:
        """Wait for exactly these events, each with its kind and its domain: the shim writes them after the answer."""
        wait_until(lambda: sorted((e[0], e[2]) for e in events(self.multisite)) == sorted(expected))

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
    own_admin(multisite)
    set_settings(multisite, auto_create_www_subdomain="never", custom_domains=True)
    multisite.add_mu_plugin("quiet", _QUIET)
    # Nothing answers there, so the check before mapping knows no addresses.
    multisite.define("CLOSTE_BRIDGE_RESOLVERS", "127.0.0.1:9")
    # Of each process, so that tests can run at the same time: WordPress accepts no port but 80.
    number = os.getpid() % 64_000 + 300
    address = f"127.80.{number // 254}.{number % 254 + 1}"
    with shimmed(multisite, folder / "engine", web_urls=[f"http://{address}"]) as bridge:
        sites = {name: int(multisite.php_json(_SITE, name, json.dumps(mapped))) for name, mapped in SITES.items()}
        cookies = {name: log_in(multisite, name, site) for name, site in {ADMIN: 0, **sites}.items()}
        with web_server(multisite, folder / "web", address=address, port=80) as server:
            yield BrowserNetwork(bridge, server, cookies, sites)
