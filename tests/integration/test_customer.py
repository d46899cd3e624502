"""Tests of what site owners see of their domains in WordPress, and of what they can do, over HTTP."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from tests.support.customers import Person, log_in, own_admin, put_states
from tests.support.parts import is_mock_plugin
from tests.support.rows import set_option
from tests.support.shim import bare_shim, clear_events, events
from tests.support.udp import Server
from tests.support.web import web_server
from tests.support.wordpress import copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

SHOP, OTHER = 2, 3
HOSTILE = "</textarea><script>window.cbHostile=1</script><img src=x onerror=window.cbHostile=1>\"'>&lt;b&gt;phpinfo"
TARGETS = ("192.0.2.10", "2001:db8::10")
# What the element of Ultimate Multisite does with its filters, and what the pages need to know.
ELEMENT = r"""
add_action('wp_ajax_test_element', function () {
    global $wpdb;
    $items  = wu_get_domains(['blog_id' => (int) $_GET['site'], 'number' => 0]);
    $before = $wpdb->num_queries;
    ob_start();
    do_action('wu_domain_mapping_header_actions');
    $header = ob_get_clean();
    $rows   = [];
    foreach ($items as $item) {
        $columns = apply_filters('wu_domain_mapping_row_info', [], $item);
        ob_start();
        foreach ($columns as $column) { is_callable($column['value']) ? $column['value']() : print('not a closure'); }
        $rows[$item->get_domain()] = ob_get_clean();
    }
    $queries = $wpdb->num_queries - $before;
    wp_send_json(['rows' => $rows, 'header' => $header, 'queries' => $queries]);
});
add_action('wp_ajax_test_url', function () {
    wp_send_json(['url' => Closte_Bridge\run('Customer', 'url', [(int) $_GET['id']])]);
});
"""
STEP: dict[str, Any] = {
    "code": "change-records",
    "args": {},
    "records": [{"type": "A", "host": "shop.example.com", "value": [TARGETS[0]], "current": ["203.0.113.9"]}],
}
WAIT = {
    "code": "dns-propagating",
    "args": {"seconds": 300, "servers": ["192.0.2.53"], "more_servers": 0},
    "records": [],
}
NEEDED: dict[str, Any] = {
    "domain": "shop.example.com",
    "blog_id": SHOP,
    "state": "blocked",
    "code": "points-elsewhere",
    "needs": "customer",
    "args": {"at_closte": True, "dns": "points-elsewhere", "step": STEP},
}


class Town(NamedTuple):
    """A network with two customers, a reader without a site, an administrator, and a resolver."""

    multisite: Multisite
    ids: Mapping[str, int]
    people: Mapping[str, Person]
    resolver: Server
    paths: dict[tuple[str, int], str]

    def path(self, login: str, mapping: int) -> str:
        """Return the address of a panel with the nonce of a person, for any mapping."""
        if (login, mapping) not in self.paths:
            url = self.people[login].ask(f"/wp-admin/admin-ajax.php?action=test_url&id={mapping}").data["url"]
            parts = urlsplit(str(url))
            self.paths[login, mapping] = f"{parts.path}?{parts.query}"
        return self.paths[login, mapping]

    def element(self, login: str, site: int) -> dict[str, Any]:
        """Return what the element shows on a page of a person."""
        return self.people[login].ask(f"/wp-admin/admin-ajax.php?action=test_element&site={site}").data


@pytest.fixture(scope="module")
def built(multisite_template: Multisite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Run one network for all tests of this module."""
    folder = tmp_path_factory.mktemp("customers")
    multisite = copy_multisite(multisite_template, folder / "wordpress", sqlite_database(folder / "wordpress"))
    for slug in ("shop", "other"):
        multisite.create_site(slug)
    bare_shim(multisite)
    own_admin(multisite)
    multisite.add_mu_plugin("element", ELEMENT)
    cookies = {login: log_in(multisite, login, site) for login, site in PEOPLE.items()}
    domains = {"shop.example.com": SHOP, "new.example.com": SHOP, "live.example.com": SHOP, "other.example.com": OTHER}
    multisite.add_mappings_sql([*domains.items(), (HOSTILE, SHOP)])
    ids = {str(row["domain"]): int(str(row["id"])) for row in multisite.mappings()}
    with Server() as resolver:
        multisite.define("CLOSTE_BRIDGE_RESOLVERS", f"{resolver.endpoint.address}:{resolver.endpoint.port}")
        with web_server(multisite, folder / "web") as server:
            people = {login: Person(server, found, "shop.example.net") for login, found in cookies.items()}
            yield Town(multisite, ids, {**people, "visitor": Person(server, {}, "shop.example.net")}, resolver, {})
            assert not server.log.exists(), server.log.read_text()


PEOPLE = {"keeper": SHOP, "stranger": OTHER, "reader": 0, "admin": 0}


def know(multisite: Multisite, *addresses: str) -> None:
    """Write what the engine reports: the addresses of the network."""
    status = {"heartbeat": int(time.time()), "verdicts": {}, "addresses": [*addresses]}
    set_option(multisite, "closte_bridge_status", status)


@pytest.fixture
def town(built: Town) -> Town:
    """Provide the network without events and limits; only shop.example.com needs its owner."""
    clear_events(built.multisite)
    built.multisite.sql("DELETE FROM wp_closte_bridge_domains")
    built.multisite.sql("DELETE FROM wp_sitemeta WHERE meta_key LIKE '%closte_bridge_requests'")
    know(built.multisite, *TARGETS)
    put_states(built.multisite, NEEDED)
    built.resolver.script = lambda _: []
    built.resolver.questions.clear()
    return built


class Tags(HTMLParser):
    """The texts of a page, and its elements that run or load something."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.texts: list[str] = []
        self.running: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        if tag in {"script", "img", "b", "iframe", "svg"} or any(name.startswith("on") for name, _ in attrs):
            self.running.append(tag)


def text_of(html: str) -> str:
    """Return what a person reads, without tags and line breaks."""
    return " ".join(" ".join(Tags(html).texts).split())


def test_owner_sees_badges_with_one_query(town: Town) -> None:
    put_states(town.multisite, {"domain": "live.example.com", "blog_id": SHOP, "state": "live"})
    shown = town.element("keeper", SHOP)
    rows = {domain: text_of(html) for domain, html in shown["rows"].items()}
    assert rows["shop.example.com"] == "DNS change needed What to do"
    assert rows["live.example.com"] == "Live Details"
    assert rows["new.example.com"] == "Waiting for the first check What to do"
    assert 'aria-label="What to do: shop.example.com"' in shown["rows"]["shop.example.com"]
    assert text_of(shown["header"]) == "Check a domain"
    # The mock plugin does not tell the site before its domains, so the header asks for the owner.
    assert shown["queries"] == (2 if is_mock_plugin() else 1)


def test_network_without_owner_shows_nothing(town: Town) -> None:
    owner = town.multisite.network_option("closte_bridge_owner")
    town.multisite.sql("DELETE FROM wp_closte_bridge_domains")
    town.multisite.php("delete_network_option(null, 'closte_bridge_owner');")
    try:
        shown = town.element("keeper", SHOP)
        assert set(shown["rows"].values()) == {""}
        assert shown["header"] == ""
    finally:
        town.multisite.set_network_option("closte_bridge_owner", owner)


def test_panel_shows_progress_and_records(town: Town) -> None:
    keeper, path = town.people["keeper"], town.path("keeper", town.ids["shop.example.com"])
    args = {**NEEDED["args"], "checked_at": int(time.time()) - 125}
    put_states(town.multisite, {**NEEDED, "args": args, "next_check": int(time.time()) + 3700})
    page, answer = keeper.ask(path), keeper.ask(path, script=True).data
    assert page.status == 200
    assert page.body.startswith("<!DOCTYPE html>")
    for html in (page.body, answer["html"]):
        text = text_of(html)
        assert "Added Done DNS Action needed Secure Not yet Live Not yet" in text
        assert "Change the A record of shop.example.com to 192.0.2.10. It currently points to 203.0.113.9." in text
        assert "Type Host Value Current value A shop.example.com Copy 192.0.2.10 Copy 203.0.113.9" in text
        assert "Please set these DNS records for shop.example.com: A shop.example.com 192.0.2.10" in text
        assert "Last checked 2 minutes ago. Next check in 1 hour. Check now" in text
    # An old link works: its nonce is only for scripts and forms.
    assert keeper.ask(path.partition("&_wpnonce")[0]).status == 200
    put_states(town.multisite, {**NEEDED, "state": "live", "needs": "", "next_check": int(time.time()) - 60})
    later = keeper.ask(path, script=True).data
    assert later["digest"] != answer["digest"]
    assert later["times"] == "The next check starts soon."
    assert text_of(later["state"]).endswith("Live Done shop.example.com is live. There is nothing for you to do.")


STEPS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"state": "wanted"}, "Added In progress DNS Not yet", "is being added to the server"),
    ({"state": "dns-ok"}, "DNS Done Secure In progress", "certificate for HTTPS is being issued"),
    ({"state": "https-ok"}, "Secure Done Live In progress", "last check of your site follows soon"),
    (
        {"state": "blocked", "needs": "operator", "args": {"at_closte": True, "dns": "proxied", "https": "ok"}},
        "Secure Done Live In progress",
        "Your host has to finish this step.",
    ),
    ({"state": "blocked", "status": "to-remove"}, "Added In progress", "is being removed from the server"),
    (
        {"state": "blocked", "args": {"at_closte": True, "step": WAIT}},
        "DNS In progress Secure Not yet",
        "Please wait for up to 5 minutes.",
    ),
)


def test_steps_of_others_are_not_the_customers(town: Town) -> None:
    """The operator's next step may name servers and commands."""
    path = town.path("keeper", town.ids["shop.example.com"])
    unknown = {"code": "server-unknown", "args": {"domain": "shop.example.com"}, "records": []}
    for row, progress, sentence in STEPS:
        args = {"at_closte": False, "step": unknown} | row.get("args", {})
        put_states(town.multisite, {**NEEDED, "needs": "", **row, "args": args})
        text = text_of(town.people["keeper"].ask(path).body)
        assert progress in text
        assert sentence in text
        assert "shim install" not in text
        assert "DNS records to set" not in text


def test_domain_without_a_state_shows_the_records_of_the_network(town: Town) -> None:
    # A row of another site, such as the one that had the domain before, is not shown.
    put_states(town.multisite, {**NEEDED, "domain": "new.example.com", "blog_id": OTHER})
    text = text_of(town.people["keeper"].ask(town.path("keeper", town.ids["new.example.com"])).body)
    assert "Your domain was added a moment ago." in text
    assert "A new.example.com Copy 192.0.2.10 Copy Unknown AAAA new.example.com Copy 2001:db8::10 Copy Unknown" in text
    assert "203.0.113.9" not in text


def test_check_now_asks_the_engine_once_a_minute(town: Town) -> None:
    keeper, path = town.people["keeper"], town.path("keeper", town.ids["shop.example.com"])
    assert "The check was requested." in keeper.ask(path, {"do": "check"}, script=True).data["message"]
    wanted = [("check", SHOP, "shop.example.com", None)]
    assert events(town.multisite) == wanted
    again = keeper.ask(path, {"do": "check"})
    assert again.status == 200
    assert "A check was requested a moment ago. Wait a minute, then try again." in text_of(again.body)
    assert events(town.multisite) == wanted


def test_requests_without_the_right_nonce_do_nothing(town: Town) -> None:
    keeper, path = town.people["keeper"], town.path("keeper", town.ids["shop.example.com"])
    bare = path.partition("&_wpnonce")[0]
    other = parse_qs(urlsplit(town.path("keeper", town.ids["new.example.com"])).query)["_wpnonce"][0]
    strangers = parse_qs(urlsplit(town.path("stranger", town.ids["shop.example.com"])).query)["_wpnonce"][0]
    for nonce in ("", "&_wpnonce=0123456789", f"&_wpnonce={other}", f"&_wpnonce={strangers}", "&_wpnonce[]=1"):
        assert keeper.ask(bare + nonce, {"do": "check"}).status == 403
        assert keeper.ask(bare + nonce, {"do": "check"}, script=True).status == 403
        assert keeper.ask(bare + nonce, script=True).status == 403
        assert keeper.ask(bare.replace("mapping=", "x=") + nonce, {"do": "look", "domain": "a.org"}).status == 403
    # Opening an address never asks for a check.
    assert keeper.ask(f"{path}&do=check").status == 200
    assert events(town.multisite) == []
    assert town.resolver.questions == []


def test_others_see_nothing_and_can_do_nothing(town: Town) -> None:
    mapping = town.ids["shop.example.com"]
    for login in ("stranger", "reader"):
        person, path = town.people[login], town.path(login, mapping)
        missing = person.ask(town.path(login, 4711))
        # With the customer and the site of another person in the address.
        for more in ("", "&customer=1", "&customer=1002", "&site=2"):
            found = person.ask(path + more)
            assert (found.status, found.body) == (404, missing.body)
            assert "shop.example.com" not in found.body
            refused = person.ask(path + more, script=True)
            assert (refused.status, refused.data) == (404, {"message": "This domain is not available to you."})
            assert person.ask(path + more, {"do": "check"}, script=True).status == 404
    visitor, path = town.people["visitor"], town.path("stranger", mapping)
    asked = visitor.ask(path)
    assert asked.status == 302
    assert "/wp-login.php?redirect_to=" in asked.headers["Location"]
    assert visitor.ask(path, {"do": "check"}).status == 302
    assert visitor.ask(path, {"do": "check"}, script=True).status == 401
    reader = town.people["reader"]
    assert reader.ask(town.path("reader", 0), {"do": "look", "domain": "a.org"}, script=True).status == 404
    assert events(town.multisite) == []
    assert town.people["admin"].ask(town.path("admin", mapping), script=True).data["title"] == "shop.example.com"


def test_hostile_values_are_only_text(town: Town) -> None:
    record = {"type": HOSTILE, "host": HOSTILE, "value": [HOSTILE], "current": [HOSTILE]}
    step = {"code": "text", "args": {"text": HOSTILE}, "records": [record]}
    names = ("state", "status", "code")
    row = {**NEEDED, **dict.fromkeys(names, "<b>\"'&lt;"), "args": {"step": step, "dns": HOSTILE, "https": HOSTILE}}
    put_states(town.multisite, row)
    keeper, path = town.people["keeper"], town.path("keeper", town.ids["shop.example.com"])
    html = keeper.ask(path, script=True).data["html"]
    assert Tags(html).running == []
    assert "window.cbHostile=1" in text_of(html)
    assert Tags(town.element("keeper", SHOP)["rows"]["shop.example.com"]).running == []
    page = keeper.ask(path).body
    assert Tags(page.partition("<main>")[2].partition("</main>")[0]).running == []
    # Also as the domain of a mapping.
    assert Tags(town.element("keeper", SHOP)["rows"][HOSTILE.lower()]).running == []
    html = keeper.ask(town.path("keeper", town.ids[HOSTILE]), script=True).data["html"]
    assert Tags(html).running == []
    assert html.lower().count("cbhostile") >= 3
    look = keeper.ask(town.path("keeper", 0), {"do": "look", "domain": HOSTILE}, script=True).data
    assert Tags(look["html"]).running == []


DAMAGED: tuple[object, ...] = (
    "no JSON",
    {"step": "text", "checked_at": "soon"},
    {"step": {"code": [], "args": 1, "records": "A"}},
    {"step": {"code": "change-records", "args": {}, "records": [1, None, {"type": [], "value": "x"}]}},
    {"step": {"code": "no-such-code", "args": {}, "records": [{"type": "A", "host": "h", "value": [[1], 2]}]}},
    {"step": {**STEP, "records": STEP["records"] * 500}},
)


def test_damaged_rows_still_give_a_page(town: Town) -> None:
    path = town.path("keeper", town.ids["shop.example.com"])
    for args in DAMAGED:
        put_states(town.multisite, {**NEEDED, "args": args, "next_check": 1})
        reply = town.people["keeper"].ask(path)
        assert reply.status == 200
        text = text_of(reply.body)
        assert "Check now" in text
        assert "next check" not in text, "it is long overdue"
        assert len(reply.body) < 60_000


def answers(**records: list[str]) -> Any:  # noqa: ANN401 - a script of the server
    """Return a resolver's script: the addresses that it gives, by type."""

    def script(query: bytes) -> list[bytes]:
        asked = dns.message.from_wire(query)
        (question,) = asked.question
        reply = dns.message.make_response(asked)
        reply.flags |= dns.flags.RA
        kind = dns.rdatatype.to_text(question.rdtype)
        reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", "edge.example.org."))
        if values := records.get(kind):
            reply.answer.append(dns.rrset.from_text("edge.example.org.", 60, "IN", kind, *values))
        # Before it, packets of others.
        return [b"", query[:2], bytes(12), b"\0\0" + reply.to_wire()[2:], reply.to_wire()]

    return script


def look(town: Town, typed: str, login: str = "keeper") -> str:
    """Return what the check before adding a domain says."""
    person = town.people[login]
    return text_of(person.ask(town.path(login, 0), {"do": "look", "domain": typed}, script=True).data["result"])


def test_check_before_adding_shows_the_records(town: Town) -> None:
    town.resolver.script = answers(A=["203.0.113.9"], AAAA=["2001:db8::bad"])
    text = look(town, " HTTPS://Fresh.Example.ORG:443/path?x=1 ")
    assert text.startswith("fresh.example.org Set these records at your DNS provider, then add the domain.")
    assert "A fresh.example.org Copy 192.0.2.10 Copy 203.0.113.9" in text
    assert "AAAA fresh.example.org Copy 2001:db8::10 Copy 2001:db8::bad" in text
    assert "Wait a minute" in look(town, "fresh.example.org"), "the same domain again"
    town.resolver.script = answers(A=[TARGETS[0]], AAAA=[TARGETS[1]])
    assert "second.example.org This domain already points here. You can add it now." in look(town, "second.example.org")
    town.resolver.script = answers()
    assert "A third.example.org Copy 192.0.2.10 Copy None" in look(town, "third.example.org")
    whole = town.people["keeper"].ask(town.path("keeper", 0))
    assert 'for="closte-bridge-domain"' in whole.body


def test_check_before_adding_survives_resolvers(town: Town) -> None:
    town.resolver.script = lambda _: []
    assert "Its current records could not be read." in look(town, "silent.example.org")
    town.resolver.script = lambda query: [query[:2] + b"\x81\x82" + query[4:]]
    assert "Its current records could not be read." in look(town, "broken.example.org")
    town.resolver.script = lambda query: [query[:2] + b"\x81\x80\0\1\0\x32\0\0\0\0" + query[12:] + b"\xc0" * 3]
    assert "A cut.example.org Copy 192.0.2.10 Copy None" in look(town, "cut.example.org")


def test_check_before_adding_refuses_domains_and_names_no_owner(town: Town) -> None:
    for typed in ("", "shop", "a..b.org", "-a.example.org", "192.0.2.1", "*.example.org", "a_b.example.org", "x" * 300):
        assert "is not a valid domain." in look(town, typed), typed
    for typed in ("example.net", "any.example.net", "www.example.net"):
        assert look(town, typed) == "Domains of example.net belong to this network. Enter a domain of your own."
    assert look(town, "shop.example.com").startswith("shop.example.com is already added to one of your sites.")
    in_use = "other.example.com is already in use here and cannot be added. If it is your domain, contact your host."
    assert look(town, "other.example.com") == in_use
    assert "already added to one of your sites" in look(town, "other.example.com", "stranger")
    assert town.resolver.questions == []
    text = look(town, "bücher.example.org")
    assert text.startswith("xn--bcher-kva.example.org ")


def instructions(town: Town) -> str:
    """Return what a customer reads before adding a domain, if the network has not changed the text of the plugin."""
    return str(town.multisite.php_json("apply_filters('wu_get_domain_mapping_instructions', 'default', 'd', 'i')"))


def test_instructions_name_the_records(town: Town) -> None:
    text = instructions(town)
    assert "A record with the value <code>192.0.2.10</code>" in text
    assert "AAAA record with the value <code>2001:db8::10</code>" in text
    assert "CNAME" not in text
    know(town.multisite, "<b>")
    assert instructions(town) == "default"


def test_instructions_of_the_administrator_stay(town: Town) -> None:
    town.multisite.set_setting("domain_mapping_instructions", "Call us.")
    try:
        assert instructions(town) == "default"
    finally:
        town.multisite.set_setting("domain_mapping_instructions", "")
