"""Tests of events in Ultimate Multisite: what happened to domains reaches its webhooks once."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.wordpress.wp import script
from tests.support.admin_session import AdminSession, admin_session
from tests.support.customers import log_in, own_admin
from tests.support.parts import is_mock_plugin
from tests.support.running import wait_until
from tests.support.web import web_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_httpserver import HTTPServer

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

TYPES = ("closte_domain_live", "closte_domain_needs_dns", "closte_domain_broken", "closte_needs_approval")
RECORD = {"type": "A", "host": "shop.example.com", "value": ["192.0.2.10"], "current": ["203.0.113.9"]}
STEP = {"code": "change-records", "args": {}, "records": [RECORD]}
NO_STEP: dict[str, Any] = {"code": "", "args": {}, "records": []}


def event(number: int, kind: str, name: str, **changes: object) -> dict[str, Any]:
    """Return an event of the engine."""
    blank = {"domain": "shop.example.com", "site": 0, "code": "", "step": NO_STEP, "data": {}}
    return {"id": number, "at": 1_800_000_000 + number, "type": name, "kind": kind, **blank, **changes}


NEEDS_DNS = event(1, "needs-customer", TYPES[1], code="points-elsewhere", step=STEP)
LIVE = event(2, "went-live", TYPES[0])
BROKE = event(3, "broke", TYPES[2], code="server-error")
APPROVAL = event(
    4, "needs-approval", TYPES[3], domain="", data={"count": 3, "domains": ["a.example.com", "b.example.com"]}
)


def announce(network: Multisite, *events: dict[str, Any], engine: str = "e") -> list[str]:
    """Send events as the engine does; return the results."""
    text = script("announce", {"nonce": "n", "engine": engine, "events": events}).decode()
    found = re.search(r'\{"results":\[.*?\].*?\}', network.wp("eval-file", "-", stdin=text).stdout)
    assert found is not None
    return list(json.loads(found[0])["results"])


@pytest.fixture
def received(network: Multisite, httpserver: HTTPServer) -> Callable[[int], list[tuple[str, dict[str, Any]]]]:
    """Provide a function that waits for a number of calls of webhooks, and returns their types and payloads."""
    httpserver.expect_request(re.compile("/.*")).respond_with_data("")
    webhooks = "".join(
        f"wu_create_webhook(array('name' => '{name}', 'event' => '{name}', 'active' => true,"
        f" 'webhook_url' => '{httpserver.url_for('/' + name)}'));"
        for name in TYPES
    )
    network.php(webhooks)

    def calls(number: int) -> list[tuple[str, dict[str, Any]]]:
        wait_until(lambda: len(httpserver.log) >= number)
        return [(request.path[1:], request.get_json()) for request, _ in httpserver.log]

    return calls


def test_webhooks_get_each_event_once(
    network: Multisite, received: Callable[[int], list[tuple[str, dict[str, Any]]]]
) -> None:
    site = network.create_site("shop")
    network.add_mapping("shop.example.com", site)
    assert announce(network, NEEDS_DNS | {"site": site}, LIVE) == ["sent", "sent"]
    # The engine did not get the answer, so it repeats them with the next ones.
    assert announce(network, NEEDS_DNS, LIVE, BROKE, APPROVAL) == ["known", "known", "sent", "sent"]
    found = received(4)
    assert [name for name, _ in found] == [TYPES[1], TYPES[0], TYPES[2], TYPES[3]]
    dns, live, broke, approval = (payload for _, payload in found)
    step = "Change the A record of shop.example.com to 192.0.2.10. It currently points to 203.0.113.9."
    assert (dns["closte_domain"], dns["closte_next_step"]) == ("shop.example.com", step)
    assert dns["closte_reason"] == "Points elsewhere"
    assert dns["closte_records"] == "Change the A record of shop.example.com to 192.0.2.10."
    assert json.loads(dns["closte_records_json"]) == [RECORD]
    assert (dns["domain_domain"], dns["closte_at"]) == ("shop.example.com", "2027-01-15T08:00:01Z")
    assert (live["closte_change"], live["closte_next_step"]) == ("went-live", "")
    assert (broke["closte_change"], broke["closte_reason"]) == ("broke", "Server error")
    assert (approval["closte_count"], approval["closte_domains"]) == ("3", "a.example.com, b.example.com, …")
    assert approval["closte_command"] == "closte-bridge plan"
    # A restored ledger counts from the beginning. Another engine is not the owner.
    assert announce(network, LIVE | {"id": 1, "at": 1_900_000_000}) == ["sent"]
    assert announce(network, LIVE | {"id": 9, "at": 1_900_000_001}, engine="another") == []
    assert len(received(5)) == 5


def test_values_of_events_are_safe_in_emails(
    network: Multisite, received: Callable[[int], list[tuple[str, dict[str, Any]]]]
) -> None:
    """The plugin puts them into HTML without escaping."""
    step = STEP | {"records": [RECORD | {"value": ["<img src=x onerror=alert(1)>"]}]}
    assert announce(network, NEEDS_DNS | {"step": step, "code": "<b>"}) == ["sent"]
    ((_, payload),) = received(1)
    assert "onerror" in payload["closte_next_step"]
    assert not re.search("[<>]", "".join(str(v) for k, v in payload.items() if k.startswith("closte_")))


def test_event_that_another_plugin_breaks_is_not_repeated(
    network: Multisite, received: Callable[[int], list[tuple[str, dict[str, Any]]]]
) -> None:
    """Its webhooks may have been called already."""
    network.add_mu_plugin(
        "breaks", "add_action('wu_event_closte_domain_live', function () { throw new Exception(); }, 99);"
    )
    assert announce(network, LIVE, BROKE) == ["sent", "sent"]
    assert announce(network, LIVE, BROKE) == ["known", "known"]
    assert [name for name, _ in received(2)] == [TYPES[0], TYPES[2]]


def test_types_have_names_and_examples_in_the_language_of_the_user(network: Multisite) -> None:
    network.add_mu_plugin("locale", "add_filter('locale', fn() => 'bn_BD');")
    types = network.php_json(
        "array_map(fn($t) => array($t['name'], wu_maybe_lazy_load_payload($t['payload'])),"
        " array_filter(wu_get_event_types(), fn($k) => 0 === strpos($k, 'closte_'), ARRAY_FILTER_USE_KEY))"
    )
    assert set(types) == set(TYPES)
    assert types[TYPES[0]][0] == "Closte: ডোমেইন লাইভ"
    example = types[TYPES[1]][1]
    assert example["closte_next_step"].startswith("shop.example.com-এর A রেকর্ড বদলে 192.0.2.10 করুন।")
    # The plugin's preview takes texts only.
    assert all(isinstance(value, str) for name, value in example.items() if name.startswith("closte_"))


@pytest.mark.skipif(is_mock_plugin(), reason="The mock plugin sends no e-mails.")
def test_customer_gets_the_email_in_their_language(network: Multisite) -> None:
    site = network.create_site("shop")
    network.add_mapping("shop.example.com", site)
    log_in(network, "anna", site)
    network.add_mu_plugin(
        "mails",
        "add_filter('pre_wp_mail', function ($sent, $mail) {"
        " update_network_option(null, 'test_mail', $mail); return true; }, 10, 2);"
        "add_filter('get_available_languages', fn($l) => array_merge($l, array('bn_BD')));",
    )
    network.php(
        "update_user_meta(get_user_by('login', 'anna')->ID, 'locale', 'bn_BD');"
        "wu_create_email(array('event' => 'closte_domain_needs_dns', 'title' => 'T', 'slug' => 't',"
        " 'status' => 'publish', 'target' => 'customer', 'style' => 'html',"
        " 'content' => '<p>{{closte_next_step}}</p>'));"
    )
    assert announce(network, NEEDS_DNS | {"site": site}) == ["sent"]
    mail = network.php_json("get_network_option(null, 'test_mail', null)")
    assert "anna" in json.dumps(mail["to"])
    assert "shop.example.com-এর A রেকর্ড বদলে 192.0.2.10 করুন।" in mail["message"]


@pytest.fixture
def admin(network: Multisite, tmp_path: Path) -> Iterator[AdminSession]:
    own_admin(network)
    with web_server(network, tmp_path / "web") as server:
        yield admin_session(network, server)


@pytest.mark.skipif(is_mock_plugin(), reason="The mock plugin has no pages for webhooks.")
def test_network_admin_chooses_the_events_in_their_language(network: Multisite, admin: AdminSession) -> None:
    network.php("update_user_meta(get_user_by('login', 'admin')->ID, 'locale', 'bn_BD');")
    data = {"name": "Hook", "event": TYPES[0], "active": True, "webhook_url": "http://localhost:9/x"}
    number = network.php_json("wu_create_webhook(json_decode($args[0], true))->get_id()", json.dumps(data))
    page = admin.get(f"/wp-admin/network/admin.php?page=wp-ultimo-edit-webhook&id={number}")
    assert page.status == 200
    assert "Closte: ডোমেইন লাইভ" in page.text
    assert "closte_next_step" in page.text, "the example of its payload"
    assert "closte_domain_live" not in admin.get("/wp-admin/network/users.php").text
