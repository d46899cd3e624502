"""Customers of Ultimate Multisite with a site of their own, and their requests over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from tests.support.databases import MariaDatabase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.web import WebServer
    from tests.support.wordpress import Multisite

# Makes a customer as Ultimate Multisite does, and logs them in. Without a membership, a site is not available to them.
_CUSTOMER = r"""
(function ($login, $blog) {
    $good = function ($made) { return is_wp_error($made) ? WP_CLI::error($made->get_error_message()) : $made; };
    $user = get_user_by('login', $login);
    $mail = "$login@example.org";
    $id   = $user ? $user->ID : wp_create_user($login, 'password-of-a-test', $mail);
    if ($blog) {
        $customer = $good(wu_create_customer(['user_id' => $id, 'email' => $mail, 'username' => $login]));
        $free = ['currency' => 'USD', 'recurring' => false, 'amount' => 0];
        $plan = ['name' => 'Plan', 'slug' => "p-$login", 'type' => 'plan', 'pricing_type' => 'free', 'active' => true];
        $plan = function_exists('wu_create_product') ? $good(wu_create_product($plan + $free))->get_id() : 1;
        $membership = $good(wu_create_membership($free + ['customer_id' => $customer->get_id(), 'user_id' => $id,
            'status' => 'active', 'plan_id' => $plan, 'date_expiration' => '']));
        $site = wu_get_site($blog);
        $site->set_customer_id($customer->get_id());
        $site->set_membership_id($membership->get_id());
        $site->set_type('customer_owned');
        $good($site->save());
        add_user_to_blog($blog, $id, 'administrator');
    }
    $until = time() + DAY_IN_SECONDS;
    $token = WP_Session_Tokens::get_instance($id)->create($until);
    return [
        AUTH_COOKIE => wp_generate_auth_cookie($id, $until, 'auth', $token),
        LOGGED_IN_COOKIE => wp_generate_auth_cookie($id, $until, 'logged_in', $token),
    ];
})($args[0], (int) $args[1])
"""


class Reply(NamedTuple):
    """An answer of the web server."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def data(self) -> dict[str, Any]:
        """The body as JSON."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


class Person:
    """A person with a browser, logged in by `cookies`. `host` is the site whose pages they open."""

    def __init__(self, server: WebServer, cookies: Mapping[str, str], host: str) -> None:
        """Keep how to reach the network."""
        self.server, self.cookies, self.host = server, cookies, host

    def ask(self, path: str, form: Mapping[str, str] | None = None, *, script: bool = False, host: str = "") -> Reply:
        """Open a page, or send a form. With `script`, the request is one of a script in the page."""
        headers = {"Host": host or self.host, "Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())}
        if script:
            headers["X-Requested-With"] = "XMLHttpRequest"
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form)
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=60)) as connection:
            connection.request("GET" if form is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read().decode())


def log_in(multisite: Multisite, login: str, blog_id: int = 0) -> dict[str, str]:
    """Return the cookies of a user, who is created if necessary. With `blog_id`, they are the customer of this site."""
    cookies: dict[str, str] = multisite.php_json(_CUSTOMER, login, str(blog_id))
    return cookies


def own_admin(multisite: Multisite) -> None:
    """Replace the link to `wp-admin` by its files, which look for WordPress next to themselves."""
    place = multisite.path / "wp-admin"
    source = place.resolve()
    place.unlink()
    shutil.copytree(source, place, copy_function=_link_or_copy)


def _link_or_copy(source: str, copy: str) -> str:
    try:
        os.link(source, copy)
    except OSError:  # on another file system
        return shutil.copy(source, copy)
    return copy


def put_states(multisite: Multisite, *rows: Mapping[str, object]) -> None:
    """Write rows of the table of domain states, without WordPress. Missing columns get those of an added domain."""
    now = int(time.time())
    missing = {"network_id": 1, "blog_id": 0, "state": "added", "status": "in-sync", "code": "", "needs": ""}
    missing |= {"args": {}, "since": now - 60, "next_check": now + 240}
    lines = []
    for row in rows:
        whole = {**missing, **row}
        texts = [value if isinstance(value, str) else json.dumps(value) for value in whole.values()]
        if isinstance(multisite.database, MariaDatabase):
            texts = [text.replace("\\", "\\\\") for text in texts]
        values = ["'" + text.replace("'", "''") + "'" for text in texts]
        columns = ", ".join(whole)
        lines.append(f"REPLACE INTO wp_closte_bridge_domains ({columns}) VALUES ({', '.join(values)})")
    multisite.sql(";\n".join(lines) + ";\n")
