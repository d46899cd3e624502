"""`sync --wait` and `domain check`: following domains to their padlock."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.bridge import LIMIT_SECONDS, set_option, wait_until
from tests.support.life import HERE, STRANGER

if TYPE_CHECKING:
    from tests.support.life import Life

pytestmark = pytest.mark.real

SHOP = "shop.example.org"


def test_sync_follows_to_the_padlock(world: Life) -> None:
    """As a process of its own, while DNS and the certificate come to be right."""
    bridge = world.bridge
    set_option(
        bridge.multisite,
        "wp-ultimo_v2_settings",
        {"auto_create_www_subdomain": "never", "dns_check_interval": 10},
    )
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
        wait_until(lambda: f"{SHOP}: DNS right, TLS default-certificate" in log.read_text())
        world.certificates.issue(SHOP)
        assert process.wait(timeout=LIMIT_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
    said = log.read_text()
    assert "Success: 1 of 1 followed domains have their padlock.\n" in said
    assert world.stage(SHOP) == ("done", True)


def test_one_that_does_not_arrive_in_time(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: STRANGER})
    world.bridge.multisite.add_mapping(SHOP, 2)
    ran = world.run("sync", SHOP, "--wait=1s", "--format=json")
    assert (ran.code, ran.codes) == (4, ["no-padlock"])
    (problem,) = ran.envelope["errors"]
    assert problem["hint"] == f"Point A of {SHOP} at {HERE}; it now answers {STRANGER}."


def test_check_looks_at_any_name(world: Life) -> None:
    """Mapped or not; nothing is changed or remembered."""
    world.names.point(**{SHOP: HERE, "other.example.com": STRANGER})
    world.certificates.issue(SHOP)
    right = world.run("domain", "check", SHOP, "--field=dns")
    assert (right.code, right.out) == (0, "right\n")
    ran = world.run("domain", "check", "other.example.com", SHOP)
    assert ran.code == 4
    assert f"Next step: Point A of other.example.com at {HERE}; it now answers {STRANGER}." in ran.out
    assert not world.bridge.state.exists()
