"""Faults that `doctor` reports, made in a real network without other problems."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from tests.support.bridge import KEY
from tests.support.life import HERE, STRANGER
from tests.support.rows import set_option
from tests.support.shim import change_config
from tests.support.web import use_object_cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.life import Life

DAY = 86_400.0
_ROUTES = ("warning", 'The shim did not answer on "')
_PROVIDER = ("warning", "Ultimate Multisite's built-in Closte provider is also active.")
SHOP = "shop.example.org"


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
    at = next(i for i, word in enumerate(command) if word.endswith("/php") and "=" not in word)
    world.bridge.settings["wp"]["command"] = [
        *command[: at + 1],
        "-d",
        "disable_functions=proc_open",
        *command[at + 1 :],
    ]
    world.bridge.write_config()


def _remove(name: str) -> Callable[[Life], object]:
    return lambda world: (world.bridge.multisite.path / "wp-content" / name).unlink()


def _write(**changes: Any) -> Callable[[Life], object]:  # noqa: ANN401 - any config value
    return lambda world: world.bridge.write_config(**changes)


def nothing_listens(world: Life) -> None:
    world.bridge.write_config(dns={"resolvers": ["127.0.54.12:9"], "timeout": 0.2})


def _one_listens(world: Life) -> None:
    world.bridge.write_config(dns={"resolvers": [world.names.resolver, "127.0.54.12:9"], "timeout": 0.5})


def proxied(world: Life) -> None:
    world.names.nameserver = "ada.ns.cloudflare.com."
    world.names.point()


def _faults(*faults: str) -> Callable[[Life], object]:
    return lambda world: world.bridge.sandbox.set_faults(*faults)


def _add_object_cache(world: Life) -> None:
    use_object_cache(world.bridge.multisite)


def _later(seconds: float) -> Callable[[Life], object]:
    def pass_by(world: Life) -> None:
        world.later += seconds

    return pass_by


def _wrong_key(world: Life) -> None:
    world.bridge.write_key("another-key-0123456789-abcdefghijk")


def ledger_of(world: Life) -> Path:
    return world.bridge.state / "ledger.sqlite3"


def _damage_ledger(world: Life) -> None:
    with contextlib.closing(sqlite3.connect(ledger_of(world))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    text = bytearray(ledger_of(world).read_bytes())
    # Keep the header and the first pages, so that the ledger opens but its content is inconsistent.
    text[-8192:] = b"\x0d" * 8192
    ledger_of(world).write_bytes(text)


def _spoil_ledger(world: Life) -> None:
    """Write a NULL into the log that the schema forbids; no later write detects it."""
    change = "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = 'log'"
    strict, lax = "detail TEXT NOT NULL", "detail TEXT"
    for statement, values in (
        (change, (strict, lax)),
        ("INSERT INTO log (at, run, action, name, cause, outcome, detail) VALUES (1, '', '', '', '', '', NULL)", ()),
        (change, (lax, strict)),
    ):
        with contextlib.closing(sqlite3.connect(ledger_of(world), isolation_level=None)) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute(statement, values)


def _jump(world: Life) -> None:
    world.jump = 1200.0


def _drop_database(world: Life) -> None:
    (world.bridge.multisite.path / "wp-content" / "database" / ".ht.sqlite").unlink()


def bad_command(world: Life) -> None:
    world.bridge.settings["wp"]["command"] = ["/nowhere/wp"]
    world.bridge.write_config()


def _change_shim(world: Life) -> None:
    path = world.bridge.multisite.path / "wp-content" / "mu-plugins" / "closte-bridge" / "class-trigger.php"
    path.write_text(path.read_text() + "// x\n")


def _ahead(world: Life) -> None:
    """Set the ledger's highest mapping ID above all IDs in the database."""
    with world.engine().opened() as engine:
        assert engine.ledger is not None
        with engine.ledger.transaction():
            engine.ledger.save(("highest_mapping", "4711"))


def _with_the_provider(world: Life) -> None:
    """Give the built-in provider its key, so that only the shim keeps it from acting."""
    world.bridge.multisite.define("CLOSTE_CLIENT_API_KEY", KEY)


def _strangers_shim(world: Life) -> None:
    world.bridge.multisite.add_mu_plugin("closte-bridge-shim", "// Somebody else's.")


def _maintain(world: Life) -> None:
    (world.bridge.multisite.path / ".maintenance").write_text("<?php $upgrading = time();")


def _astray(world: Life) -> None:
    world.names.point(**{SHOP: STRANGER, "bare.example.org": HERE})
    world.bridge.multisite.add_mappings_sql([("bare.example.org", 2)])
    world.sync(only=frozenset({SHOP, "bare.example.org"}))
    with world.engine().opened() as engine:
        assert engine.ledger is not None
        engine.ledger.write("UPDATE check_state SET ok_since = ok_since - 3600", [()])


def _ending(world: Life) -> None:
    with world.engine().opened() as engine:
        assert engine.ledger is not None
        rows = [(time.time() + 5 * DAY + 3600, SHOP)]
        engine.ledger.write("UPDATE check_state SET not_after = ?, warn_at = 0 WHERE name = ?", rows)


def _wrong_site(world: Life) -> None:
    with world.engine().opened() as engine:
        assert engine.ledger is not None
        engine.ledger.write("UPDATE check_state SET http = 'other-site', live = 0 WHERE name = ?", [(SHOP,)])


def _failing(world: Life) -> None:
    world.names.point(**{"failing.example.org": HERE})
    world.certificates.issue("failing.example.org")
    world.bridge.multisite.add_mappings_sql([("failing.example.org", 2)])
    world.bridge.sandbox.set_faults("error500@failing.example.org")
    world.run("sync", "failing.example.org")


def _take_out_of_network(world: Life) -> None:
    world.bridge.multisite.undefine("MULTISITE", "WP_ALLOW_MULTISITE")


def _stranger_owner(world: Life) -> None:
    set_option(
        world.bridge.multisite,
        "closte_bridge_owner",
        {"engine": "somebody-else", "host": "other", "since": int(time.time())},
    )


# Simulates a web server that temporarily cannot read the shim; WordPress continues without it.
_SHIM_ASIDE = """
$file = WPMU_PLUGIN_DIR . '/closte-bridge-shim.php';
if ( is_file( $file ) ) {
    rename( $file, "$file.aside" );
    add_action( 'muplugins_loaded', function () use ( $file ) { rename( "$file.aside", $file ); } );
}
"""

CASES: dict[str, tuple[Callable[[Life], object], int, dict[str, tuple[str, str]]]] = {
    "domain mapping off": (
        _option("wp-ultimo_v2_settings", {"enable_domain_mapping": False, "auto_create_www_subdomain": "never"}),
        1,
        {"domain-mapping": ("error", "Domain mapping is disabled, so closte-bridge changes nothing on Closte.")},
    ),
    "the toggle off": (
        _option("wu_host_integrations_enabled", {"closte": False}),
        1,
        {"integration": ("error", "The Closte integration is disabled, so closte-bridge changes nothing on Closte.")},
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
            "orphan-rows": ("warning", "1 mapping without an existing site: gone.example.org (id "),
            "conflicts": ("warning", f"Mapped to several sites: {SHOP}."),
            "malformed": ("warning", "Invalid domains in mappings: 'not_a_name.example.org'."),
            "stuck-stages": ("warning", "1 mapping stuck in a stage: x.example.org."),
        },
    ),
    "an address without a record": (
        lambda world: world.bridge.multisite.sql("UPDATE wp_blogs SET domain = 'new.example.net' WHERE blog_id = 2"),
        0,
        {"missing-records": ("warning", "1 site without a domain record for the address: new.example.net (site 2).")},
    ),
    "events that nobody collects": (
        _old_event,
        0,
        {"events": ("warning", "1 event waiting, the oldest for 120 minutes.")},
    ),
    "a database that went back in time": (
        _ahead,
        0,
        {"snapshot": ("warning", "Could not read WordPress completely: ")},
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
        {"plugins-load": ("warning", "WordPress fails with plugins loaded: ")},
    ),
    "the plugin does not load": (
        lambda world: world.bridge.multisite.add_mu_plugin(
            "hide", "add_filter('pre_site_option_active_sitewide_plugins', '__return_empty_array');"
        ),
        1,
        {"plugins-load": ("error", "Ultimate Multisite does not load.")},
    ),
    "no processes": (
        _disable_proc_open,
        0,
        {"php-functions": ("warning", "PHP's proc_open is disabled, so WordPress cannot start closte-bridge.")},
    ),
    "the shim gone, and the built-in provider at work": (
        _all(
            lambda world: world.run("shim", "uninstall", "--keep-owner", "--yes"),
            _with_the_provider,
        ),
        0,
        {
            "shim": ("warning", "The shim is not installed, so changes wait for the next scheduled sync."),
            "built-in-provider": _PROVIDER,
        },
    ),
    "the built-in provider, which the shim keeps off": (_with_the_provider, 0, {}),
    "the shim disabled, and the built-in provider at work": (
        _all(_with_the_provider, lambda world: world.bridge.multisite.define("CLOSTE_BRIDGE_DISABLE", value=True)),
        0,
        {
            "shim": ("warning", "CLOSTE_BRIDGE_DISABLE disables the shim."),
            "built-in-provider": _PROVIDER,
            "routes": _ROUTES,
        },
    ),
    "the shim without a sign of life, and the built-in provider at work": (
        _all(_with_the_provider, _option("closte_bridge_status", None)),
        0,
        {
            "shim": ("warning", "The shim has not received a heartbeat yet."),
            "built-in-provider": _PROVIDER,
        },
    ),
    "a stranger's file, and the built-in provider at work": (
        _all(_with_the_provider, _strangers_shim),
        0,
        {
            "shim": ("warning", 'The file "closte-bridge-shim.php" was not created by closte-bridge.'),
            "built-in-provider": _PROVIDER,
            "routes": _ROUTES,
        },
    ),
    "the web server out of reach": (
        _write(web_urls=["http://127.0.0.1:9"]),
        0,
        {"routes": ("warning", 'Could not connect to "127.0.0.1"')},
    ),
    "an object cache without a way to refresh it": (
        _all(_add_object_cache, _write(web_urls=["http://127.0.0.1:9"])),
        0,
        {
            "routes": ("warning", 'Could not connect to "127.0.0.1"'),
            "object-cache": ("warning", "The web server's object cache may not be that of `wp`."),
        },
    ),
    "another secret": (
        lambda world: (world.bridge.state / "shim-secret").write_text("0" * 64),
        0,
        {
            "shim": ("warning", "The shim and closte-bridge have different secrets"),
            "routes": ("warning", "The shim on "),
        },
    ),
    "the shim changed": (
        _change_shim,
        0,
        {"shim": ("warning", 'The file "closte-bridge/class-trigger.php" was modified.')},
    ),
    "the shim of an engine elsewhere": (
        lambda world: change_config(world.bridge.multisite, "$config[1]['trigger_file'] = '/elsewhere/trigger';"),
        0,
        {"shim": ("warning", "The shim is outdated. Changed since its installation: the state folder.")},
    ),
    "the shim disabled": (
        lambda world: world.bridge.multisite.define("CLOSTE_BRIDGE_DISABLE", value=True),
        0,
        {"shim": ("warning", "CLOSTE_BRIDGE_DISABLE disables the shim."), "routes": _ROUTES},
    ),
    "the shim is not loaded": (
        lambda world: world.bridge.multisite.add_mu_plugin("aside", _SHIM_ASIDE),
        0,
        {"shim": ("warning", "WordPress does not load the shim."), "routes": _ROUTES},
    ),
    "no sign of life": (
        _option("closte_bridge_status", None),
        0,
        {"shim": ("warning", "The shim has not received a heartbeat yet.")},
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
            "owner": ("error", "This installation is read-only: the API key changed"),
        },
    ),
    "no key": (_write(api_key_file=None), 1, {"key": ("error", "")}),
    "a list that cannot be read": (
        _faults("list-unknown"),
        0,
        {"list": ("warning", "Could not read Closte's list: ")},
    ),
    "a list that is not whole": (_faults("list-no-own"), 0, {"list": ("warning", "Closte's list is incomplete: ")}),
    # This machine
    "another owner": (_stranger_owner, 1, {"owner": ("error", "This installation is read-only: ")}),
    "nothing runs": (
        _later(3600.0),
        1,
        {
            "runner": ("error", "closte-bridge is not scheduled: no run in the last 30 minutes."),
            "last-success": ("warning", "No successful run in the last 30 minutes (last: 6"),
            "clock": ("warning", ""),
        },
    ),
    "the clock was set": (
        _jump,
        0,
        {
            "clock-jump": ("warning", "The system clock jumped since the last run."),
            "clock": ("warning", "The system clock and the WordPress clock are 12"),
        },
    ),
    "no ledger": (lambda world: ledger_of(world).unlink(), 1, {"owner": ("error", "This installation is read-only: ")}),
    "a ledger that is nothing of the kind": (
        lambda world: ledger_of(world).write_bytes(b"x" * 9000),
        1,
        {"ledger": ("error", "")},
    ),
    "a damaged ledger": (_damage_ledger, 1, {"ledger": ("error", "")}),
    "a ledger with a hole": (_spoil_ledger, 1, {"ledger": ("error", 'The ledger "')}),
    "no wp": (bad_command, 1, {"wp-cli": ("error", 'Could not start "/nowhere/wp": the command was not found.')}),
    "no WordPress": (_drop_database, 1, {"wp-cli": ("error", "WordPress found no site")}),
    "WordPress being updated": (_maintain, 1, {"wordpress": ("error", "")}),
    "no multisite": (_take_out_of_network, 1, {"wordpress": ("error", "")}),
    "the plugin not set up": (_option("wu_setup_finished", None), 1, {"plugin": ("error", "")}),
    "the plugin is not active": (_option("active_sitewide_plugins", {}), 1, {"plugin": ("error", "")}),
    # The domains
    "names that lead elsewhere, and one without its certificate": (
        _astray,
        0,
        {
            "domains-dns": ("warning", f"DNS does not point to this network: {SHOP}."),
            "domains-tls": ("warning", "DNS is correct, but HTTPS has no valid certificate: bare.example.org."),
        },
    ),
    "certificates that end": (
        _ending,
        0,
        {"certificates": ("warning", f'The certificate of "{SHOP}" expires in 5 days.')},
    ),
    "visitors that get another site": (
        _wrong_site,
        0,
        {"domains-live": ("warning", f"Visitors do not get the right site: {SHOP}.")},
    ),
    "what Closte would not do": (
        _failing,
        0,
        {"changes": ("warning", "Changes on Closte fail for 1 domain. failing.example.org: ")},
    ),
    "a network behind a CDN": (
        proxied,
        0,
        {"main-domain": ("warning", 'The network\'s main domain "example.net" is behind Cloudflare')},
    ),
    "no resolver": (nothing_listens, 1, {"resolvers": ("error", "No resolver responds: 127.0.54.12:9.")}),
    "a resolver that is mute": (
        _one_listens,
        0,
        {"resolvers": ("warning", "These resolvers do not respond: 127.0.54.12:9.")},
    ),
    "a network that leads nowhere": (
        lambda world: world.names.point(**{"example.net": None}),
        1,
        {"main-domain": ("error", 'The network\'s main domain "example.net" does not resolve.')},
    ),
}


def write_plugin(world: Life, code: str) -> None:
    """Add a network-active plugin."""
    folder = world.bridge.multisite.path / "wp-content" / "plugins"
    (folder / "fault.php").write_text(f"<?php\n/* Plugin Name: Fault */\n{code}\n")
    active = dict(world.bridge.multisite.network_option("active_sitewide_plugins"))
    set_option(world.bridge.multisite, "active_sitewide_plugins", active | {"fault.php": int(time.time())})
