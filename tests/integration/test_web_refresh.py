"""Tests that visitors get what the engine writes, although WP-CLI does not share the web servers' object caches."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.answers import answers_of
from tests.support.shim import install
from tests.support.web import load_balancer, use_object_cache, visit, web_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.life import Life

SHOP = "shop.example.com"
SIGN_UP = f"http://example.net/wp-signup.php?new={SHOP}"

pytestmark = pytest.mark.real


@pytest.fixture(params=[1, 2], ids=["one server", "two servers"])
def port(request: pytest.FixtureRequest, world: Life, tmp_path: Path) -> Iterator[int]:
    """Yield the port of the network's web servers, behind a load balancer; each has a cache of its own."""
    multisite = world.bridge.multisite
    multisite.set_setting("enable_domain_mapping", value=True)
    use_object_cache(multisite)
    world.bridge.adopt()
    install(world.bridge)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(web_server(multisite, tmp_path / f"web{number}")) for number in range(request.param)
        ]
        port = stack.enter_context(load_balancer(servers))
        world.bridge.write_config(web_urls=[f"http://127.0.0.1:{port}"])
        yield port
        assert not [server.log for server in servers if server.log.exists()]


def test_next_visitor_gets_the_site_after_its_stage_moved(world: Life, port: int) -> None:
    world.bridge.multisite.add_mapping(SHOP, 2, stage="checking-dns")
    for _ in range(4):
        assert visit(port, SHOP) == (302, SIGN_UP), "cached in each server"
    world.names.point(**{SHOP: "127.0.10.1"})
    world.certificates.issue(SHOP)
    report = world.sync()
    assert (report.exit_code, report.refresh_due) == (0, None)
    assert world.stage(SHOP) == ("done", True)
    assert {visit(port, SHOP)[0] for _ in range(4)} == {200}


def test_unreachable_web_server_only_delays_the_refresh(world: Life, port: int) -> None:
    bridge: Bridge = world.bridge
    bridge.multisite.add_mapping(SHOP, 2, stage="checking-dns")
    for _ in range(2):
        assert visit(port, SHOP)[0] == 302
    bridge.write_config(web_urls=["http://127.0.0.1:9"])
    world.names.point(**{SHOP: "127.0.10.1"})
    world.certificates.issue(SHOP)
    report = world.sync()
    assert world.stage(SHOP) == ("done", True)
    assert (report.exit_code, report.refresh_due is not None) == (0, True)
    assert visit(port, SHOP) == (302, SIGN_UP)
    bridge.write_config(web_urls=[f"http://127.0.0.1:{port}"])
    assert world.sync(after=16).refresh_due is None
    assert {visit(port, SHOP)[0] for _ in range(4)} == {200}


def test_absence_that_a_check_finds_is_refreshed(world: Life, port: int) -> None:
    """Others write mappings through `wp` or SQL as well, for example an import."""
    for _ in range(4):
        assert visit(port, SHOP) == (302, SIGN_UP), "cached in each server"
    world.bridge.multisite.add_mappings_sql([(SHOP, 2)])
    world.names.point(**{SHOP: "127.0.10.1"})
    world.certificates.issue(SHOP)
    world.certificates.answer = answers_of(port)
    world.sync()
    assert {visit(port, SHOP)[0] for _ in range(4)} == {200}


def test_pruned_mapping_is_not_served_any_more(world: Life, port: int) -> None:
    """The site was deleted in the tables only, so each server still serves it from its cache."""
    multisite = world.bridge.multisite
    multisite.add_mapping(SHOP, 2, stage="done-without-ssl")
    assert {visit(port, SHOP)[0] for _ in range(4)} == {200}
    multisite.database.sql("DELETE FROM wp_blogs WHERE blog_id = 2")
    assert {visit(port, SHOP)[0] for _ in range(4)} == {200}
    assert world.bridge.run("domain", "prune", "--yes").code == 0
    assert world.sync().exit_code == 0
    assert {visit(port, SHOP)[0] for _ in range(4)} == {302}
