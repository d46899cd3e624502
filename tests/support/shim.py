"""Helpers for tests of the shim: an installation with the shim, and waits for the processes that the shim starts."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from closte_bridge.shim.files import texts
from closte_bridge.wordpress.wp import script
from tests.support.bridge import Bridge, bridge_for
from tests.support.rows import EVENTS, set_option
from tests.support.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.wordpress import Multisite

MU_PLUGINS = "wp-content/mu-plugins"


@contextmanager
def shimmed(
    multisite: Multisite, folder: Path, *, wake: str = "none", closte: bool = True, **settings: object
) -> Iterator[Bridge]:
    """Provide an adopted installation with its shim; none of its processes runs afterwards."""
    if closte:
        multisite.enable_closte()
    with bridge_for(multisite, folder, **settings) as bridge:
        bridge.adopt()
        install(bridge, wake)
        try:
            yield bridge
        finally:
            # A process that the shim started ends as soon as the network is gone.
            settle(bridge)


SECRET = "0123456789abcdef" * 4


def bare_shim(multisite: Multisite) -> None:
    """Install the shim in a network whose owner cannot be triggered. Its secret is `SECRET`."""
    multisite.enable_closte()
    request = {
        "do": "install",
        "nonce": "n",
        "engine": None,
        "version": "test",
        "files": texts(),
        "secret": SECRET,
        "config": {"engine": None, "wake": "none", "trigger_file": None},
    }
    owner = "update_network_option(null, 'closte_bridge_owner', ['engine' => 'e', 'host' => 'h', 'since' => '']);"
    answer = multisite.wp("eval-file", "-", stdin=script("shim", request).decode() + owner).stdout
    assert '"result":"done"' in answer, answer


def install(bridge: Bridge, wake: str = "none") -> None:
    """Install the shim; fail the test if this fails."""
    ran = bridge.run("shim", "install", f"--wake={wake}")
    assert ran.code == 0, ran


def change_config(multisite: Multisite, change: str, *args: str) -> None:
    """Change the config that `shim install` wrote: `change` is PHP code that changes `$config` and can use `$args`."""
    code = """
        $path = WPMU_PLUGIN_DIR . '/closte-bridge/config.php';
        $config = include $path;
        %s
        $text = "\\nreturn " . var_export($config, true) . ";\\n";
        file_put_contents($path, "<?php\\n// closte-bridge-shim test sha256:" . hash('sha256', $text) . "\\n$text");"""
    multisite.php(code % change, *args)


def status(bridge: Bridge) -> dict[str, Any]:
    """Return the data of `shim status`."""
    found = bridge.run("shim", "status", "--format=json").envelope["data"]
    assert isinstance(found, dict)
    return found


def processes(bridge: Bridge) -> list[int]:
    """Return the IDs of the running processes that the shim started for this installation."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue  # The process has ended.
        if b"--triggered" in words and str(bridge.config).encode() in b" ".join(words):
            found.append(int(place.parent.name))
    return found


def settle(bridge: Bridge) -> None:
    """Wait until all processes that the shim started have ended."""
    wait_until(lambda: not processes(bridge))


def heartbeat(multisite: Multisite, age: int = 0, network_id: int = 1) -> None:
    """Write a heartbeat that is `age` seconds old."""
    status = {"heartbeat": int(time.time()) - age, "verdicts": {}}
    set_option(multisite, "closte_bridge_status", status, network_id=network_id)


def events(multisite: Multisite) -> list[tuple[str, int, str, Any]]:
    """Return the pending rows: kind, site, domain, detail."""
    rows = multisite.sql(f"SELECT kind, blog_id, domain, detail FROM {EVENTS} ORDER BY id")
    return [
        (
            str(r["kind"]),
            int(str(r["blog_id"])),
            str(r["domain"]),
            json.loads(str(r["detail"])) if r["detail"] else None,
        )
        for r in rows
    ]


def clear_events(multisite: Multisite) -> None:
    """Delete the rows."""
    multisite.sql(f"DELETE FROM {EVENTS}")


def wait_for_alias(bridge: Bridge, name: str, *, there: bool = True) -> None:
    """Wait until Closte has a domain, or no longer has it."""
    wait_until(lambda: (name in bridge.aliases) is there)


def all_that_is_ours(multisite: Multisite) -> list[str]:
    """Return every trace of the project in the network: files, options, tables, jobs."""
    folder = multisite.path / MU_PLUGINS
    found = [str(path.relative_to(folder)) for path in folder.rglob("*closte*")]
    for table, column in (("wp_sitemeta", "meta_key"), ("wp_options", "option_name"), ("wp_usermeta", "meta_key")):
        rows = multisite.sql(f"SELECT {column} AS name FROM {table} WHERE {column} LIKE '%closte_bridge%'")
        found += [str(row["name"]) for row in rows]
    found += multisite.php_json("$GLOBALS['wpdb']->get_col(\"SHOW TABLES LIKE '%closte\\_bridge%'\")")
    found += [hook for hook, _ in multisite.jobs() if "closte_bridge" in hook]
    return sorted(found)
