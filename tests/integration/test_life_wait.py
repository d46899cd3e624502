"""Tests of `sync --wait` and `domain check`, which follow domains to valid HTTPS."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from closte_bridge.engine.run import RunRequest, sync
from tests.support.bridge import AT_ONCE
from tests.support.life import HERE, STRANGER
from tests.support.rows import delete_mappings, set_option, set_settings
from tests.support.running import LIMIT_SECONDS, wait_until
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.life import Life

pytestmark = pytest.mark.real

SHOP = "shop.example.org"


def test_sync_wait_follows_a_domain_to_valid_https(world: Life) -> None:
    """The sync runs in its own process while DNS and the certificate become correct."""
    bridge = world.bridge
    set_settings(bridge.multisite, auto_create_www_subdomain="never", dns_check_interval=10)
    bridge.adopt()
    world.names.point(**{SHOP: STRANGER})
    bridge.multisite.add_mapping(SHOP, 2)
    log = bridge.folder / "wait.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            bridge.argv("sync", SHOP, "--wait=10m"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=bridge.folder,
            env=bridge.environment(),
        )
    try:
        wait_until(lambda: f"{SHOP}: DNS points-elsewhere" in log.read_text() or process.poll() is not None)
        world.names.point(**{SHOP: HERE})
        wait_until(lambda: f"{SHOP}: DNS ok, TLS default-certificate" in log.read_text())
        world.certificates.issue(SHOP)
        assert process.wait(timeout=LIMIT_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
    said = log.read_text()
    assert "Success: 1 of 1 domain is live.\n" in said
    assert world.stage(SHOP) == ("done", True)


def test_terminal_shows_a_live_table(world: Life) -> None:
    bridge = world.bridge
    set_settings(bridge.multisite, auto_create_www_subdomain="never", dns_check_interval=10)
    bridge.adopt()
    world.names.point(**{SHOP: STRANGER})
    bridge.multisite.add_mapping(SHOP, 2)
    with Terminal(bridge, "sync", SHOP, "--wait=10m", "--color") as terminal:
        terminal.wait_for("points-elsewhere")
        # The row contains the customer's next step, on several lines in a narrow terminal.
        assert "┃ domain" in terminal.text
        assert "next step" in terminal.text
        assert "Change the A record of" in terminal.text
        world.certificates.issue(SHOP)
        world.names.point(**{SHOP: HERE})
        assert terminal.ended() == 0
    # The table was redrawn in place and removed at the end, so that only the result remains.
    assert "\x1b[2K" in terminal.raw
    assert "1 of 1 domain is live." in terminal.text


class Pauses:
    """Fake clock of `--wait` whose pauses take no real time. Each pause calls `during` with its number."""

    def __init__(self, during: Callable[[int], object]) -> None:
        self._during = during
        self._passed = 0.0
        self.count = 0

    def sleep(self, seconds: float) -> None:
        self._passed += seconds
        self.count += 1
        self._during(self.count)

    def monotonic(self) -> float:
        return self._passed


def test_temporary_error_does_not_end_the_wait(world: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """WordPress is in maintenance mode for a while. If that lasts until the end, closte-bridge reports it."""
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.bridge.multisite.add_mapping(SHOP, 2)
    maintenance = world.bridge.multisite.path / ".maintenance"

    def change(pause: int) -> None:
        if pause == 1:
            maintenance.write_text("<?php $upgrading = time();")
        elif pause == 3:
            maintenance.unlink()
            world.certificates.issue(SHOP)

    pauses = Pauses(change)
    # The test replaces the name in this module only, because the code that waits for `wp` needs the real functions.
    monkeypatch.setattr("closte_bridge.cli.commands.sync_wait.time", pauses)
    ran = world.run("sync", SHOP, "--wait=10m")
    assert ran.code == 0, ran
    assert "Success: 1 of 1 domain is live.\n" in ran.out
    assert pauses.count >= 3
    assert world.stage(SHOP) == ("done", True)


def test_lasting_error_is_reported_at_the_timeout(world: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.bridge.multisite.add_mapping(SHOP, 2)
    maintenance = world.bridge.multisite.path / ".maintenance"
    pauses = Pauses(lambda _: maintenance.write_text("<?php $upgrading = time();"))
    monkeypatch.setattr("closte_bridge.cli.commands.sync_wait.time", pauses)
    ran = world.run("sync", SHOP, "--wait=2m", "--format=json")
    assert ran.code == 4
    assert pauses.monotonic() == 120
    assert {problem["code"] for problem in ran.envelope["errors"]} == {"maintenance", "no-https"}


def test_wait_without_domains_follows_the_added_ones(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE, "late.example.org": STRANGER})
    world.certificates.issue(SHOP)
    for name in (SHOP, "late.example.org"):
        world.bridge.multisite.add_mapping(name, 2)
    ran = world.run("sync", "--wait=1s")
    assert ran.code == 4
    assert (
        '"late.example.org" does not serve valid HTTPS yet (DNS: points-elsewhere, certificate: no-listener).'
        in ran.err
    )
    assert f'"{SHOP}"' not in ran.err


def test_removals_needing_approval_are_reported_after_the_wait(world: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """The later rounds of the wait cover the awaited domains only, but the result still contains the removals."""
    world.bridge.write_config(removal_grace=AT_ONCE)
    world.bridge.adopt()
    many = [f"n{number:02}.example.org" for number in range(12)]
    world.bridge.multisite.add_mappings_sql([(name, 2) for name in many])
    world.bridge.write_config(checks=False)
    assert world.run("sync").code == 0
    delete_mappings(world.bridge.multisite, many[:9])
    for code in (0, 0, 3):
        assert world.run("sync").code == code
    world.bridge.write_config(checks=True)
    world.names.point(**{SHOP: HERE})
    world.bridge.multisite.add_mapping(SHOP, 2)
    pauses = Pauses(lambda _: world.certificates.issue(SHOP))
    monkeypatch.setattr("closte_bridge.cli.commands.sync_wait.time", pauses)
    ran = world.run("sync", "--wait=10m", "--format=json")
    assert (ran.code, ran.codes) == (3, ["needs-approval"])
    assert pauses.count > 0
    found = {(row["change"], row["domain"]): row["status"] for row in ran.envelope["data"]}
    assert [found["remove", name] for name in many[:9]] == ["needs-approval"] * 9
    assert (found["add", SHOP], found["stage", SHOP]) == ("done", "done")
    assert world.stage(SHOP) == ("done", True)
    assert {*many} <= world.bridge.aliases


def test_unreachable_goal_is_not_awaited(world: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sync --wait` does not wait for a mistyped domain, or for a network that it may not change."""
    world.bridge.adopt()
    monkeypatch.setattr("closte_bridge.cli.commands.sync_wait.time", pauses := Pauses(lambda _: None))
    ran = world.run("sync", "typo.example.org", "--wait=10m", "--format=json")
    assert (ran.code, ran.codes) == (4, ["unknown-domain"])
    world.bridge.multisite.add_mapping(SHOP, 2)
    set_option(world.bridge.multisite, "wu_host_integrations_enabled", None)
    off = world.run("sync", SHOP, "--wait=10m")
    assert off.code == 0
    assert off.err.startswith("Warning: closte-bridge changes nothing")
    assert "Success" not in off.out
    assert pauses.count == 0


def test_timeout_is_an_error_with_the_next_step(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: STRANGER})
    world.bridge.multisite.add_mapping(SHOP, 2)
    ran = world.run("sync", SHOP, "--wait=1s", "--format=json")
    assert (ran.code, ran.codes) == (4, ["no-https"])
    assert ran.envelope["cost"]["wp_calls"] > 0
    (problem,) = ran.envelope["errors"]
    assert problem["hint"] == f"Change the A record of {SHOP} to {HERE}. It currently points to {STRANGER}."


def test_valid_https_on_another_host_does_not_count(world: Life) -> None:
    """The customer's old host has a valid certificate, but visitors with valid HTTPS do not reach this host."""
    world.bridge.adopt()
    world.names.point(**{SHOP: STRANGER})
    world.certificates.elsewhere(STRANGER).issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, 2)
    assert "Checked 1 domain: 0 with valid HTTPS.\n" in world.run("sync", SHOP).out
    assert world.run("domain", "check", SHOP).code == 4
    ran = world.run("sync", SHOP, "--wait=1s", "--format=json")
    assert (ran.code, ran.codes) == (4, ["no-https"])
    assert ran.envelope["cost"]["wp_calls"] > 0


def test_domain_check_accepts_any_domain_and_stores_nothing(world: Life) -> None:
    """The command accepts mapped and unmapped domains. It changes and stores nothing."""
    world.names.point(**{SHOP: HERE, "other.example.com": STRANGER})
    world.certificates.issue(SHOP)
    right = world.run("domain", "check", SHOP, "--field=dns")
    assert (right.code, right.out) == (0, "ok\n")
    ran = world.run("domain", "check", "other.example.com", SHOP)
    assert ran.code == 4
    assert f"Change the A record of other.example.com to {HERE}. It currently points to {STRANGER}." in ran.out
    (row,) = world.run("domain", "check", SHOP, "--format=json").envelope["data"]
    assert (row["dns"], row["tls"]) == ("ok", "ok")
    assert {tuple(answer["addresses"]) for answer in row["evidence"]["dns"]["answers"]} == {(HERE,)}
    (at,) = row["evidence"]["tls"]["addresses"]
    assert (at["address"], at["certificate"]["names"]) == (HERE, [SHOP])
    assert not world.bridge.state.exists()


def test_checks_yield_to_an_event_and_stay_due(world: Life) -> None:
    """A silent server would delay the run for minutes. Domains to add do not wait for it."""
    world.bridge.adopt()
    world.bridge.multisite.add_mapping(SHOP, 2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = f"127.0.0.1:{silent.getsockname()[1]}"
        world.bridge.write_config(dns={"resolvers": [resolver], "timeout": 60})
        report = sync(world.engine(), RunRequest(), command="test", should_yield=lambda: True)
    assert report.verified is not None
    assert report.verified.checked == {}
    assert SHOP in world.bridge.aliases
    # The check is still due.
    world.bridge.write_config(dns={"resolvers": [world.names.resolver], "timeout": 5})
    report = world.sync()
    assert report.verified is not None
    assert SHOP in report.verified.checked
