"""A person in the admin screens of a network, over HTTP without a browser: what they say and link to."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.customers import Person, log_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.web import WebServer
    from tests.support.wordpress import Multisite


@dataclass(frozen=True)
class Page:
    """An answer: its HTTP status, its HTML, and where it redirects to."""

    status: int
    text: str
    location: str

    def link(self, label: str) -> str:
        """Return the address of the first link or button whose text begins with this label."""
        found = re.search(rf'<a[^>]* href="([^"]*)"[^>]*>{re.escape(label)}', self.text)
        assert found, label
        return _path(html.unescape(found.group(1)))

    def field(self, name: str) -> str:
        """Return the value of a field."""
        found = re.search(rf'name="{re.escape(name)}" value="([^"]*)"', self.text)
        assert found, name
        return html.unescape(found.group(1))

    @property
    def words(self) -> str:
        """The text that a person reads, with single spaces."""
        plain = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", self.text, flags=re.DOTALL)
        return " ".join(html.unescape(plain).split())


@dataclass(frozen=True)
class AdminSession:
    """A person who is logged in to the main site of a network."""

    person: Person

    def get(self, path: str) -> Page:
        """Return an admin page."""
        return self._ask(path, None)

    def post(self, path: str, form: Mapping[str, str]) -> Page:
        """Send a form."""
        return self._ask(path, form)

    def _ask(self, path: str, form: Mapping[str, str] | None) -> Page:
        reply = self.person.ask(path, form)
        return Page(reply.status, reply.body, _path(reply.headers.get("Location", "")))


def admin_session(multisite: Multisite, server: WebServer, login: str = "admin") -> AdminSession:
    """Return the session of a user, who is created if necessary."""
    return AdminSession(Person(server, log_in(multisite, login), multisite.main_domain))


def _path(address: str) -> str:
    return re.sub(r"^https?://[^/]*", "", address)
