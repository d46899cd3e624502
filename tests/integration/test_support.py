"""Tests of the test networks: fresh for each test, on both databases, and reachable over SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.wordpress import Multisite, WpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.ssh import SshServer


@pytest.mark.real
def test_networks_share_nothing(new_multisite: Callable[[str], Multisite]) -> None:
    first, second = new_multisite("first"), new_multisite("second")
    first.create_site("one")
    first.define("OURS", "it's")
    assert first.domains() == ["one.example.net"]
    assert second.domains() == []
    assert first.php_json("[OURS, ABSPATH]") == ["it's", f"{first.path}/"]
    assert second.php_json("defined('OURS')") is False
    first.define("OURS", value=7)
    assert first.php_json("OURS") == 7


@pytest.mark.real
def test_failed_wp_command_shows_its_output(multisite: Multisite) -> None:
    with pytest.raises(WpError, match="is not a registered wp command"):
        multisite.wp("nonsense")


@pytest.mark.real
def test_network_prints_no_php_messages(multisite: Multisite) -> None:
    multisite.define("WP_DEBUG", value=True)
    multisite.define("WP_DEBUG_DISPLAY", value=True)
    multisite.enable_closte()
    blog_id = multisite.create_site("one")
    multisite.add_mapping("shop.example.com", blog_id)
    listing = multisite.wp("wu", "domain", "list", "--format=count")
    assert (listing.stdout.strip(), listing.stderr) == ("2", "")


@pytest.mark.real
@pytest.mark.mariadb
def test_network_works_on_mariadb(multisite_mariadb: Multisite) -> None:
    blog_id = multisite_mariadb.create_site("one")
    multisite_mariadb.add_mapping("shop.example.com", blog_id)
    multisite_mariadb.add_mappings_sql([("bulk.example.com", blog_id)] * 3)
    assert multisite_mariadb.domains() == ["bulk.example.com"] * 3 + ["one.example.net", "shop.example.com"]
    assert multisite_mariadb.sql("SELECT NULL AS nothing, '<&>' AS odd") == [{"nothing": None, "odd": "<&>"}]


@pytest.mark.real
@pytest.mark.mariadb
def test_next_network_on_mariadb_is_empty(multisite_mariadb: Multisite) -> None:
    assert multisite_mariadb.mappings() == []


@pytest.mark.real
@pytest.mark.ssh
def test_wp_runs_over_ssh(multisite: Multisite, sshd: SshServer) -> None:
    code = "<?php echo getenv('SSH_CONNECTION') ? 'remote' : 'local', ' ', $args[0], ' ', get_current_blog_id();"
    answer = multisite.wp(
        f"--ssh={sshd.target(multisite.path)}",
        "eval-file",
        "-",
        'it\'s "an" argument',
        stdin=code,
        env=sshd.env(multisite.env),
    )
    assert answer.stdout == 'remote it\'s "an" argument 1'
