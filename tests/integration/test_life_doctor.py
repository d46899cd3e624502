"""Every message of `doctor`, with the fault that it tells of made for real."""

from __future__ import annotations

import contextlib
import copy
import shutil
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.engine.lock import held
from closte_bridge.engine.watch import WATCHING_FILE, touch
from closte_bridge.sandbox.server import Sandbox
from closte_bridge.secret import Secret
from tests.support.bridge import KEY, Bridge, set_option
from tests.support.life import HERE, Names, life
from tests.support.parts import is_stand_in
from tests.support.wordpress import copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.life import Life
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

DAY = 86_400.0
SHOP = "shop.example.org"


@pytest.fixture(scope="module")
def world(
    multisite_template: Multisite, changing_dns: Names, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    """A network of which there is nothing to say but good."""
    folder = tmp_path_factory.mktemp("doctor")
    multisite = copy_multisite(multisite_template, folder / "wordpress", sqlite_database(folder / "wordpress"))
    set_option(multisite, "wu_host_integrations_enabled", {"closte": True})
    set_option(multisite, "wp-ultimo_v2_settings", {"auto_create_www_subdomain": "never"})
    if is_stand_in():
        multisite.define("SUNRISE", value=True)
        (multisite.path / "wp-content" / "sunrise.php").write_text("<?php\n")
    multisite.create_site("shop")
    own = f"shop.{multisite.main_domain}"
    multisite.add_mappings_sql([(SHOP, 2)])
    with Sandbox(multisite.main_domain, key=Secret(KEY)) as sandbox:
        bridge = Bridge(multisite, sandbox, folder / "bridge")
        with life(bridge, changing_dns, folder) as world:
            world.names.point(**{own: HERE, SHOP: HERE})
            world.certificates.issue(own, SHOP)
            bridge.adopt()
            assert world.run("shim", "install").code == 0
            world.sync()
            world.sync()
            yield world


@pytest.fixture
def sound(world: Life, tmp_path: Path) -> Iterator[Life]:
    """The same, put back afterwards as it was."""
    bridge, multisite = world.bridge, world.bridge.multisite
    places = (multisite.path / "wp-content", bridge.folder)
    config, settings, records = (
        multisite.path / "wp-config.php",
        copy.deepcopy(bridge.settings),
        dict(world.names.records),
    )
    text = config.read_text()
    for number, place in enumerate(places):
        shutil.copytree(place, tmp_path / str(number), symlinks=True)
    yield world
    for number, place in enumerate(places):
        shutil.rmtree(place)
        shutil.copytree(tmp_path / str(number), place, symlinks=True)
    config.write_text(text)
    (multisite.path / ".maintenance").unlink(missing_ok=True)
    bridge.settings = settings
    bridge.sandbox.set_faults()
    world.later = world.jump = 0.0
    world.names.reset()
    world.names.point(**records)


def findings(world: Life, code: int) -> dict[str, tuple[str, str]]:
    """Return what each check found, by its name; the program ends with `code`."""
    ran = world.run("doctor", "--format=json")
    assert ran.code == code, ran
    for row in ran.envelope["data"]:
        assert row["link"] == f"docs/runbook.md#{row['check']}"
        assert bool(row["hint"]) is (row["status"] in {"error", "warning"}), row
    return {row["check"]: (row["status"], row["message"]) for row in ran.envelope["data"]}


def bad(world: Life, code: int) -> dict[str, tuple[str, str]]:
    """Return what is not well."""
    return {check: found for check, found in findings(world, code).items() if found[0] not in {"ok", "skip"}}


def test_a_sound_network(sound: Life) -> None:
    found = findings(sound, 0)
    assert {status for status, _ in found.values()} == {"ok"}, found
    assert found["wp-cli"][1].startswith("WP-CLI 2.")
    assert found["main-domain"] == ("ok", f'"example.net" leads to {HERE}.')
    assert f"Success: {len(found)} of {len(found)} checks passed.\n" in sound.run("doctor").out


# -- what WordPress and its rows tell --------------------------------------------------------------------------------


def _option(name: str, value: object) -> Callable[[Life], object]:
    return lambda world: set_option(world.bridge.multisite, name, value)


def _row(domain: str, blog_id: int = 2, stage: str = "done") -> Callable[[Life], object]:
    return lambda world: world.bridge.multisite.add_mappings_sql([(domain, blog_id)], stage=stage)


def _all(*faults: Callable[[Life], object]) -> Callable[[Life], object]:
    return lambda world: [fault(world) for fault in faults]


def _old_event(world: Life) -> None:
    world.bridge.add_event("mapping_added", SHOP)
    world.bridge.multisite.sql("UPDATE wp_closte_bridge_events SET created_at = created_at - 7200")


def _disable_proc_open(world: Life) -> None:
    command = world.bridge.settings["wp"]["command"]
    at = next(i for i, word in enumerate(command) if word.endswith("php"))
    world.bridge.settings["wp"]["command"] = [
        *command[: at + 1],
        "-d",
        "disable_functions=proc_open",
        *command[at + 1 :],
    ]
    world.bridge.write_config()


def _remove(name: str) -> Callable[[Life], object]:
    return lambda world: (world.bridge.multisite.path / "wp-content" / name).unlink()


def _write(**changes: Any) -> Callable[[Life], object]:  # noqa: ANN401 - what the config takes
    return lambda world: world.bridge.write_config(**changes)


def _nothing_listens(world: Life) -> None:
    world.bridge.write_config(dns={"resolvers": ["127.0.54.12:9"], "timeout": 0.2})


def _one_listens(world: Life) -> None:
    world.bridge.write_config(dns={"resolvers": [world.names.resolver, "127.0.54.12:9"], "timeout": 0.5})


def _proxied(world: Life) -> None:
    world.names.nameserver = "ada.ns.cloudflare.com."
    world.names.point()


def _faults(*faults: str) -> Callable[[Life], object]:
    return lambda world: world.bridge.sandbox.set_faults(*faults)


def _later(seconds: float) -> Callable[[Life], object]:
    def pass_by(world: Life) -> None:
        world.later += seconds

    return pass_by


def _wrong_key(world: Life) -> None:
    world.bridge.write_key("another-key-0123456789-abcdefghijk")


def _ledger(world: Life) -> Path:
    return world.bridge.state / "ledger.sqlite3"


def _damage_ledger(world: Life) -> None:
    with contextlib.closing(sqlite3.connect(_ledger(world))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    text = bytearray(_ledger(world).read_bytes())
    # The header and the first pages stay: it opens, and what is in it does not fit together.
    text[-8192:] = b"\x0d" * 8192
    _ledger(world).write_bytes(text)


def _jump(world: Life) -> None:
    world.jump = 1200.0


def _drop_database(world: Life) -> None:
    (world.bridge.multisite.path / "wp-content" / "database" / ".ht.sqlite").unlink()


def _bad_command(world: Life) -> None:
    world.bridge.settings["wp"]["command"] = ["/nowhere/wp"]
    world.bridge.write_config()


def _change_shim(world: Life) -> None:
    path = world.bridge.multisite.path / "wp-content" / "mu-plugins" / "closte-bridge" / "class-wake.php"
    path.write_text(path.read_text() + "// x\n")


def _ahead(world: Life) -> None:
    """Have the ledger remember a mapping that the database has never heard of."""
    with world.engine().opened() as engine:
        assert engine.ledger is not None
        with engine.ledger.transaction():
            engine.ledger.set_meta(highest_mapping="4711")


def _maintain(world: Life) -> None:
    (world.bridge.multisite.path / ".maintenance").write_text("<?php $upgrading = time();")


def _stranger_owner(world: Life) -> None:
    set_option(
        world.bridge.multisite,
        "closte_bridge_owner",
        {"engine": "somebody-else", "host": "other", "since": int(time.time())},
    )


CASES: dict[str, tuple[Callable[[Life], object], int, dict[str, tuple[str, str]]]] = {
    "domain mapping off": (
        _option("wp-ultimo_v2_settings", {"enable_domain_mapping": False, "auto_create_www_subdomain": "never"}),
        1,
        {"domain-mapping": ("error", "Domain mapping is switched off: nothing is changed at Closte.")},
    ),
    "the toggle off": (
        _option("wu_host_integrations_enabled", {"closte": False}),
        1,
        {"integration": ("error", "The Closte integration is off: nothing is changed at Closte.")},
    ),
    "rows": (
        _all(
            _row("gone.example.org", 77),
            _row(SHOP, 1),
            _row("not_a_name.example.org"),
            _row("x.example.org", 2, "failed"),
        ),
        0,
        {
            "orphan-rows": ("warning", "1 mapping of sites that do not exist: gone.example.org."),
            "conflicts": ("warning", f"Claimed by several sites: {SHOP}."),
            "malformed": ("warning", "Not host names: 'not_a_name.example.org'."),
            "stuck-stages": ("warning", "1 mapping stuck: x.example.org."),
        },
    ),
    "events that nobody collects": (
        _old_event,
        0,
        {"events": ("warning", "1 event waiting, the oldest for 120 minutes.")},
    ),
    "a database that went back in time": (
        _ahead,
        0,
        {"snapshot": ("warning", "The snapshot is not complete: ")},
    ),
    "without sunrise.php": (
        _remove("sunrise.php"),
        1,
        {"sunrise": ("error", "Mapped domains are not served: wp-content/sunrise.php is missing.")},
    ),
    "without SUNRISE": (
        lambda world: world.bridge.multisite.define("SUNRISE", value=False),
        1,
        {"sunrise": ("error", "Mapped domains are not served: SUNRISE is not defined.")},
    ),
    "a plugin that ends every page": (
        lambda world: write_plugin(world, "if ( ! defined( 'X' ) ) { throw new Exception( 'no' ); }"),
        0,
        {"plugins-load": ("warning", "With plugins loaded: ")},
    ),
    "no processes": (
        _disable_proc_open,
        0,
        {"php-functions": ("warning", "PHP's proc_open is disabled: WordPress cannot start the engine.")},
    ),
    "the shim gone, and the built-in provider at work": (
        _all(
            lambda world: world.run("shim", "uninstall", "--keep-owner", "--yes"),
            lambda world: world.bridge.multisite.define("CLOSTE_CLIENT_API_KEY", KEY),
        ),
        0,
        {
            "shim": ("warning", "The shim is not installed: what changes in WordPress is found by looking."),
            "built-in-provider": ("warning", "Ultimate Multisite's own Closte provider sends domains as well."),
        },
    ),
    "the shim changed": (
        _change_shim,
        0,
        {"shim": ("warning", "The shim is not as it was installed: closte-bridge/class-wake.php (changed).")},
    ),
    "the shim disabled": (
        lambda world: world.bridge.multisite.define("CLOSTE_BRIDGE_DISABLE", value=True),
        0,
        {"shim": ("warning", "CLOSTE_BRIDGE_DISABLE switches the shim off.")},
    ),
    "no sign of life": (
        _option("closte_bridge_status", None),
        0,
        {"shim": ("warning", "The shim has no sign of life of this engine")},
    ),
    # Closte
    "Closte down": (
        _write(api_url="http://127.0.0.1:9/api/client"),
        1,
        {"connection": ("error", "")},
    ),
    "a wrong key": (
        _wrong_key,
        1,
        {
            "connection": ("error", 'Closte answered "Invalid API key.".'),
            "owner": ("error", "This engine is read-only: the API key is not the one"),
        },
    ),
    "no key": (_write(api_key_file=None), 1, {"key": ("error", "")}),
    "a list that cannot be read": (
        _faults("list-unknown"),
        0,
        {"list": ("warning", "Closte's list cannot be read: ")},
    ),
    "a list that is not whole": (_faults("list-no-own"), 0, {"list": ("warning", "Closte's list is not complete: ")}),
    # This machine
    "another owner": (_stranger_owner, 1, {"owner": ("error", "This engine is read-only: ")}),
    "nothing runs": (
        _later(3600.0),
        1,
        {
            "runner": ("error", "Nothing runs this engine: no watch, and no run for half an hour."),
            "last-success": ("warning", "The last success: 6"),
            "clock": ("warning", ""),
        },
    ),
    "the clock was set": (
        _jump,
        0,
        {
            "clock-jump": ("warning", "The clock of this machine jumped since the last run."),
            "clock": ("warning", "The clocks of this machine and of WordPress are 12"),
        },
    ),
    "no ledger": (lambda world: _ledger(world).unlink(), 1, {"owner": ("error", "This engine is read-only: ")}),
    "a ledger that is nothing of the kind": (
        lambda world: _ledger(world).write_bytes(b"x" * 9000),
        1,
        {"ledger": ("error", "")},
    ),
    "a damaged ledger": (_damage_ledger, 1, {"ledger": ("error", "")}),
    "no wp": (_bad_command, 1, {"wp-cli": ("error", "The command `wp` was not found.")}),
    "no WordPress": (_drop_database, 1, {"wp-cli": ("error", "WordPress finds no site")}),
    "WordPress being updated": (_maintain, 1, {"wordpress": ("error", "")}),
    "the plugin is not active": (_option("active_sitewide_plugins", {}), 1, {"plugin": ("error", "")}),
    # The names
    "a network behind a CDN": (
        _proxied,
        0,
        {"main-domain": ("warning", 'The network\'s own domain "example.net" is behind Cloudflare')},
    ),
    "no resolver": (_nothing_listens, 1, {"resolvers": ("error", "No resolver answers: 127.0.54.12:9.")}),
    "a resolver that is mute": (
        _one_listens,
        0,
        {"resolvers": ("warning", "Resolvers that do not answer: 127.0.54.12:9.")},
    ),
    "a network that leads nowhere": (
        lambda world: world.names.point(**{"example.net": None}),
        1,
        {"main-domain": ("error", 'The network\'s own domain "example.net" leads nowhere.')},
    ),
}


def write_plugin(world: Life, code: str) -> None:
    """Add a plugin that is active on the whole network."""
    folder = world.bridge.multisite.path / "wp-content" / "plugins"
    (folder / "fault.php").write_text(f"<?php\n/* Plugin Name: Fault */\n{code}\n")
    active = dict(world.bridge.multisite.network_option("active_sitewide_plugins"))
    set_option(world.bridge.multisite, "active_sitewide_plugins", active | {"fault.php": int(time.time())})


# The real plugin puts its sunrise.php back whenever it loads, and so does `doctor` with it.
MENDED = set() if is_stand_in() else {"without sunrise.php"}


@pytest.mark.parametrize("case", [case for case in CASES if case not in MENDED])
def test_what_is_wrong_is_told(sound: Life, case: str) -> None:
    fault, code, expected = CASES[case]
    fault(sound)
    found = bad(sound, code)
    assert set(found) == set(expected), found
    for check, (status, message) in expected.items():
        assert found[check][0] == status
        assert found[check][1].startswith(message), found[check]


def test_a_run_that_hangs_and_a_watch_that_lives(sound: Life) -> None:
    with held(sound.bridge.state, "sync"):
        lock = sound.bridge.state / "lock"
        lock.write_text(f'{{"pid": 1, "command": "sync", "since": {time.time() - 7200}}}')
        assert bad(sound, 0) == {"lock": ("warning", "A run has held the lock for 120 minutes.")}
        health = sound.run("health")
        assert health.code == 1
        assert "a run has been under way for 120 minutes" in health.err
    touch(sound.bridge.state / WATCHING_FILE)
    assert findings(sound, 0)["runner"] == ("ok", "`closte-bridge watch` is running.")


def test_stale_certificates_and_targets(sound: Life) -> None:
    _proxied(sound)
    sound.bridge.settings["dns"]["targets"] = [HERE]
    sound.bridge.write_config(checks=True)
    message = f'"example.net" leads to {HERE}. Customers\' names are held against `dns.targets`.'
    assert findings(sound, 0)["main-domain"] == ("ok", message)
    sound.bridge.write_config(checks=False)
    assert findings(sound, 0)["resolvers"][0] == "skip"
