"""Tests of notifications with real checks: a domain goes live, breaks and comes back, and people hear of each once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.life import HERE, HOUR, STRANGER
from tests.support.rows import switch_on
from tests.support.running import write_script

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

    from tests.support.life import Life

pytestmark = pytest.mark.real

SHOP, SITE = "shop.example.org", 2
INTERVAL = 60.0


class Heard:
    """What the command `on_domain` and an Apprise service got since the last call."""

    def __init__(self, world: Life, server: HTTPServer) -> None:
        self._file = world.bridge.folder / "heard"
        self._hook = write_script(world.bridge.folder / "hook", f"cat >> {self._file}; echo >> {self._file}")
        self._server = server
        server.expect_request("/token", method="POST").respond_with_data("")
        self.config: dict[str, Any] = {
            "on_domain": [str(self._hook)],
            "notify": [f"json://{server.host}:{server.port}/token"],
        }

    def events(self) -> list[dict[str, Any]]:
        """Return the events of the command."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        self._file.unlink(missing_ok=True)
        return [event for line in lines for event in json.loads(line)["events"]]

    def titles(self) -> list[str]:
        """Return the titles of the messages to the service."""
        found = [json.loads(request.get_data())["title"] for request, _ in self._server.log]
        self._server.clear_log()
        return found


@pytest.fixture
def heard(world: Life, httpserver: HTTPServer) -> Heard:
    switch_on(world.bridge.multisite, dns_check_interval=int(INTERVAL))
    found = Heard(world, httpserver)
    world.bridge.adopt()
    world.bridge.write_config(**found.config)
    assert world.run("sync").code == 0
    return found


def test_domain_that_breaks_is_reported_within_one_check_interval_and_once(world: Life, heard: Heard) -> None:
    world.names.point(**{SHOP: STRANGER})
    world.bridge.multisite.add_mapping(SHOP, SITE)
    with world.website():
        assert world.run("sync").code == 0
        (event,) = heard.events()
        assert (event["event"], event["domain"], event["site"]) == ("needs-customer", SHOP, SITE)
        assert event["records"] == [{"type": "A", "host": SHOP, "value": [HERE], "current": [STRANGER]}]
        assert heard.titles() == [f"{SHOP} needs its owner"]
        # The customer follows the advice, and Closte issues the certificate.
        world.names.point(**{SHOP: HERE})
        world.certificates.issue(SHOP)
        world.later += INTERVAL + 1
        assert world.run("sync").code == 0
        assert ([one["event"] for one in heard.events()], heard.titles()) == (["went-live"], [f"{SHOP} is live"])
        world.later += 2 * HOUR
        world.run("sync")
        # The customer moves the domain away. A live domain is checked once an hour on its first day.
        world.names.point(**{SHOP: STRANGER})
        world.later += HOUR
        world.run("sync")
        (event,) = heard.events()
        assert (event["event"], event["code"]) == ("broke", "points-elsewhere")
        assert f"Change the A record of {SHOP} to {HERE}. It currently points to {STRANGER}." in event["message"]
        assert heard.titles() == [f"{SHOP} is no longer live"]
        for _ in range(3):
            world.later += INTERVAL + 1
            assert world.run("sync").code == 0
        assert (heard.events(), heard.titles()) == ([], [])
        world.names.point(**{SHOP: HERE})
        world.later += HOUR
        world.run("sync")
        assert ([one["event"] for one in heard.events()], heard.titles()) == (["came-back"], [f"{SHOP} is live again"])


def test_message_that_could_not_be_delivered_is_sent_later(world: Life, heard: Heard, httpserver: HTTPServer) -> None:
    httpserver.clear()
    world.names.point(**{SHOP: STRANGER})
    world.bridge.multisite.add_mapping(SHOP, SITE)
    ran = world.run("sync", "--format=json")
    assert (ran.code, ran.codes) == (0, ["notify"])
    (warning,) = ran.envelope["warnings"]
    assert warning["message"] == 'Could not send a message to `notify` URL 1 ("json://").'
    # The other channel is not affected.
    assert [one["event"] for one in heard.events()] == ["needs-customer"]
    httpserver.expect_request("/token", method="POST").respond_with_data("")
    httpserver.clear_log()
    world.later += 61
    assert world.run("sync", "--format=json").codes == []
    assert (heard.events(), heard.titles()) == ([], [f"{SHOP} needs its owner"])


def test_silent_engine_is_reported_once_and_so_is_its_return(world: Life, heard: Heard) -> None:
    world.later += 2 * HOUR
    for command in ("health", "status", "health"):
        assert world.run(command).code == 1
    (event,) = heard.events()
    assert (event["event"], event["domain"]) == ("engine-silent", None)
    assert heard.titles() == ["closte-bridge is silent"]
    assert world.run("sync").code == 0
    assert ([one["event"] for one in heard.events()], heard.titles()) == (
        ["engine-back"],
        ["closte-bridge runs again"],
    )
    assert world.run("sync", "--dry-run").code == 0
    assert heard.titles() == []


def test_notify_test_sends_to_each_channel_and_shows_no_url(world: Life, heard: Heard, httpserver: HTTPServer) -> None:
    world.bridge.config.chmod(0o640)
    ran = world.run("notify", "test")
    assert "Every user can read" not in ran.err
    world.bridge.config.chmod(0o644)
    heard.titles()
    ran = world.run("notify", "test")
    assert (ran.code, heard.titles()) == (0, ["Test of closte-bridge"])
    assert "Run `chmod o-r " in ran.err
    world.bridge.write_config(notify=["slack://s3cret-token", *heard.config["notify"]], on_domain=["/bin/false"])
    ran = world.run("notify", "test", "--format=csv")
    assert ran.code == 1
    assert [line.split(",")[1:3] for line in ran.out.splitlines()[1:]] == [
        ["on_domain", "false"],
        ["slack:// (1)", "false"],
        ["json:// (2)", "true"],
    ]
    assert 'Error: Apprise does not understand `notify` URL 1 ("slack://").' in ran.err
    shown = world.run("config", "show").out
    assert '["slack://<secret>", "json://<secret>"]' in shown
    for text in (ran.out, ran.err, shown):
        assert "s3cret" not in text
        assert "/token" not in text
    world.bridge.write_config(notify=[], on_domain=[])
    ran = world.run("notify", "test")
    assert (ran.code, "Error: No notifications are configured." in ran.err) == (1, True)
