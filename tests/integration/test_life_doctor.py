"""Tests of every `doctor` message, each with a real fault that causes it."""

from __future__ import annotations

import ast
import copy
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from closte_bridge import doctor
from closte_bridge.engine.last_error import note
from closte_bridge.engine.lock import held
from closte_bridge.engine.loop import HEARTBEAT_FILE, touch
from closte_bridge.errors import BridgeError
from closte_bridge.secret import Secret
from tests.support.bridge import KEY, Bridge
from tests.support.doctor_faults import CASES, SHOP, bad_command, ledger_of, nothing_listens, proxied
from tests.support.ledgers import opened
from tests.support.life import HERE, Names, life
from tests.support.parts import is_mock_plugin
from tests.support.rows import set_option, switch_on
from tests.support.sandbox.server import Sandbox
from tests.support.web import use_object_cache, web_server
from tests.support.wordpress import copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.life import Life
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def world(
    multisite_template: Multisite, changing_dns: Names, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    """Provide a network in which `doctor` finds no problem."""
    folder = tmp_path_factory.mktemp("doctor")
    multisite = copy_multisite(multisite_template, folder / "wordpress", sqlite_database(folder / "wordpress"))
    switch_on(multisite)
    multisite.create_site("shop")
    own = f"shop.{multisite.main_domain}"
    multisite.add_mappings_sql([(SHOP, 2)])
    with Sandbox(multisite.main_domain, key=Secret(KEY)) as sandbox:
        bridge = Bridge(multisite, sandbox, folder / "bridge")
        with life(bridge, changing_dns, folder) as world, web_server(multisite, folder / "web") as server:
            bridge.write_config(web_urls=[server.url])
            world.names.point(**{own: HERE, SHOP: HERE})
            world.certificates.issue(own, SHOP)
            bridge.adopt()
            assert world.run("shim", "install").code == 0
            world.sync()
            world.sync()
            yield world


@pytest.fixture
def sound(world: Life, tmp_path: Path) -> Iterator[Life]:
    """Provide the network of `world`, and restore it after the test."""
    bridge, multisite = world.bridge, world.bridge.multisite
    places = (multisite.path / "wp-content", bridge.folder)
    config = multisite.path / "wp-config.php"
    text, settings = config.read_text(), copy.deepcopy(bridge.settings)
    records, aliases = dict(world.names.records), bridge.sandbox.aliases
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
    bridge.sandbox.aliases = aliases
    world.later = world.jump = 0.0
    world.names.reset()
    world.names.point(**records)


def findings(world: Life, code: int) -> dict[str, tuple[str, str]]:
    """Return the status and message of each check. Assert that the program ends with `code`."""
    ran = world.run("doctor", "--format=json")
    assert ran.code == code, ran
    for row in ran.envelope["data"]:
        assert row["link"] == f"docs/troubleshooting.md#{row['check']}"
        assert bool(row["hint"]) is (row["status"] in {"error", "warning"}), row
    return {row["check"]: (row["status"], row["message"]) for row in ran.envelope["data"]}


def bad(world: Life, code: int) -> dict[str, tuple[str, str]]:
    """Return the findings that are neither ok nor skipped."""
    return {check: found for check, found in findings(world, code).items() if found[0] not in {"ok", "skip"}}


# The message of each check without a problem, or its beginning.
SOUND = {
    "lock": "No run is stuck.",
    "ledger": 'The ledger "',
    "runner": "The last run was ",
    "last-success": "The last successful run was ",
    "wordpress": "WordPress ",
    "plugin": "Ultimate Multisite ",
    "snapshot": "Read 2 mappings and 2 sites.",
    "domain-mapping": "Domain mapping is enabled.",
    "integration": "The Closte integration is enabled.",
    "dns-interval": "closte-bridge checks new domains every 300 s, older ones less often.",
    "orphan-rows": "Every mapping belongs to an existing site.",
    "missing-records": "Every site has a domain record for its address.",
    "conflicts": "No domain is mapped to several sites.",
    "malformed": "Every mapping has a valid domain.",
    "stuck-stages": "No mapping has been stuck in a stage for more than a day.",
    "events": "0 events waiting.",
    "wp-cli": "WP-CLI 2.",
    "plugins-load": "WordPress loads with all its plugins.",
    "sunrise": "SUNRISE is defined and sunrise.php exists.",
    "built-in-provider": "The built-in Closte provider is inactive.",
    "php-functions": "PHP can start processes, so changes are synced immediately.",
    "clock": "The system clock and the WordPress clock are in sync.",
    "resolvers": "All resolvers respond: ",
    "main-domain": f'"example.net" points to {HERE}.',
    "domains-dns": "All checked domains point to this network.",
    "domains-tls": "All domains with correct DNS have a valid certificate, or still have time to get one.",
    "domains-live": "Visitors of all visited domains get the right site.",
    "certificates": "No known certificate expires soon.",
    "changes": "No change keeps failing.",
    "key": "API key found in ",
    "connection": "",
    "list": "Closte lists 3 domains.",
    "owner": "This installation owns the network.",
    "shim": "The shim ",
    "routes": "The web server answers signed requests.",
    "object-cache": "The web server has no object cache that outlives a request.",
}


def test_healthy_network_passes_every_check(sound: Life) -> None:
    found = findings(sound, 0)
    assert {status for status, _ in found.values()} == {"ok"}, found
    assert found.keys() == SOUND.keys()
    for check, (_, message) in found.items():
        assert message.startswith(SOUND[check]), message
    assert f"Success: {len(found)} of {len(found)} checks passed.\n" in sound.run("doctor").out


APART = "`wp` and the web server do not share their object cache. closte-bridge refreshes it after each change."
TOGETHER = "`wp` and the web server share their object cache."
WITHOUT_SHIM = "Skipped: the shim is not installed."


def test_object_caches_are_compared(sound: Life, tmp_path: Path) -> None:
    multisite = sound.bridge.multisite
    use_object_cache(multisite)
    assert findings(sound, 0)["object-cache"] == ("ok", APART)
    use_object_cache(multisite, tmp_path / "shared")
    assert findings(sound, 0)["object-cache"] == ("ok", TOGETHER)
    assert sound.run("shim", "uninstall", "--keep-owner", "--yes").code == 0
    found = findings(sound, 0)
    assert found["routes"] == ("skip", WITHOUT_SHIM)
    assert found["object-cache"][0] == "warning"


# Findings that other tests below produce, `test_life_remote.py`, and `tests/unit/test_doctor_wordpress.py`.
BESIDES = {
    ("plugin", "warning", "Ultimate Multisite "),
    ("php-functions", "ok", "WordPress is on another machine. `closte-bridge watch` asks it for events."),
    ("object-cache", "ok", APART),
    ("object-cache", "ok", TOGETHER),
    ("routes", "skip", WITHOUT_SHIM),
    ("lock", "warning", "A run has been in progress for 120 minutes."),
    ("runner", "ok", "`closte-bridge watch` is running."),
    ("owner", "ok", "This installation owns the network, but changes are disabled: "),
    ("resolvers", "skip", "Skipped: `checks` is disabled in the config."),
    ("main-domain", "skip", "Skipped: `checks` is disabled in the config."),
    ("domains-dns", "skip", "Skipped: `checks` is disabled in the config."),
    ("domains-live", "skip", "Skipped: `http.enabled` is false in the config."),
    ("main-domain", "skip", "Skipped: no resolver responds."),
    ("missing-records", "skip", "Skipped: WordPress could not be read completely."),
    ("missing-records", "skip", "Skipped: WordPress fails with plugins loaded."),
    ("ledger", "skip", "Skipped: this network has not been adopted yet."),
    ("certificates", "skip", "Skipped: this network has not been adopted yet."),
    ("domains-dns", "skip", "Skipped: this network has not been adopted yet."),
    ("list", "skip", "Skipped: no connection to Closte."),
    ("connection", "skip", "Skipped: no API key."),
    ("connection", "skip", "Skipped: WordPress could not be read."),
}


def written() -> Iterator[tuple[str, str, str]]:
    """Yield each finding in the program's code: its check (empty if it varies), status, and constant beginning."""
    for path in sorted(Path(doctor.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if isinstance(node, ast.Call) and name in {"ok", "warning", "error", "skip"} and len(node.args) > 1:
                check, message = node.args[:2]
                parts = message.values[:1] if isinstance(message, ast.JoinedStr) else [message]
                beginning = parts[0].value if isinstance(parts[0], ast.Constant) else ""
                yield str(check.value) if isinstance(check, ast.Constant) else "", name, str(beginning)


@pytest.mark.parametrize("message", sorted(set(written())), ids=str)
def test_every_message_has_a_fault_that_causes_it(message: tuple[str, str, str]) -> None:
    """A new message needs a test case with the fault that causes it."""
    check, status, beginning = message
    made = {(name, *found) for _, _, expected in CASES.values() for name, found in expected.items()}
    made |= BESIDES | {(name, "ok", text) for name, text in SOUND.items()}
    assert any(
        check in {"", name} and status == word and (text.startswith(beginning) or (text and beginning.startswith(text)))
        for name, word, text in made
    )


# The real plugin restores its sunrise.php whenever it loads, also during `doctor`.
MENDED = set() if is_mock_plugin() else {"without sunrise.php"}


@pytest.mark.parametrize("case", [case for case in CASES if case not in MENDED])
def test_each_fault_is_reported(sound: Life, case: str) -> None:
    fault, code, expected = CASES[case]
    fault(sound)
    found = bad(sound, code)
    assert set(found) == set(expected), found
    for check, (status, message) in expected.items():
        assert found[check][0] == status
        assert found[check][1].startswith(message), found[check]


@pytest.mark.parametrize("case", ["the toggle off", "another owner", "a wrong key", "no wp"])
def test_run_without_changes_still_counts_as_a_run(sound: Life, case: str) -> None:
    """`doctor` reports read-only and failed runs in other checks."""
    fault, _, _ = CASES[case]
    fault(sound)
    sound.later = 3600.0
    for argv, status in ((["sync", "--dry-run"], "error"), (["plan"], "error"), (["sync"], "ok")):
        sound.run(*argv)
        assert findings(sound, 1)["runner"][0] == status, argv
    assert findings(sound, 1)["runner"][1] == "The last run was 0 minutes ago."
    (row,) = sound.run("health", "--format=json", "--max-age=1d").envelope["data"]
    assert row["last_run"] is not None


def test_locked_out_run_does_not_count_as_a_run(sound: Life) -> None:
    sound.later = 3600.0
    with held(sound.bridge.state, "sync"):
        assert sound.run("sync").code == 75
    assert findings(sound, 1)["runner"][0] == "error"


def test_hanging_run_and_failing_watch_are_reported(sound: Life) -> None:
    with held(sound.bridge.state, "sync"):
        lock = sound.bridge.state / "lock"
        lock.write_text(f'{{"pid": 1, "command": "sync", "since": {time.time() - 7200}}}')
        assert bad(sound, 0) == {"lock": ("warning", "A run has been in progress for 120 minutes.")}
        health = sound.run("health")
        assert health.code == 1
        assert "a run has been in progress for 120 minutes" in health.err
    touch(sound.bridge.state / HEARTBEAT_FILE)
    note(sound.bridge.state, BridgeError("It failed.", code="database", hint="Mend it."), time.time() - 60)
    message = "The last run of `closte-bridge watch` failed 1 minute ago: It failed."
    assert findings(sound, 1)["runner"] == ("error", message)
    note(sound.bridge.state, None, time.time())
    assert findings(sound, 0)["runner"] == ("ok", "`closte-bridge watch` is running.")


def test_untested_release_of_the_plugin_is_a_warning(sound: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("closte_bridge.doctor.wordpress.NEWEST_TESTED", "2.3")
    version = findings(sound, 0)["plugin"]
    assert version[0] == "warning"
    assert version[1].endswith(" is active. closte-bridge was tested with releases up to 2.3.")


def test_impossible_checks_are_skipped(sound: Life) -> None:
    skipped = {check: text for check, (status, text) in findings(sound, 0).items() if status == "skip"}
    assert skipped == {}
    sound.bridge.write_config(api_url="http://127.0.0.1:9/api/client")
    assert findings(sound, 1)["list"] == ("skip", "Skipped: no connection to Closte.")
    nothing_listens(sound)
    assert findings(sound, 1)["main-domain"] == ("skip", "Skipped: no resolver responds.")
    sound.bridge.write_config(api_key_file=None)
    assert findings(sound, 1)["connection"] == ("skip", "Skipped: no API key.")
    bad_command(sound)
    assert findings(sound, 1)["connection"] == ("skip", "Skipped: WordPress could not be read.")


def test_ledger_checks_are_skipped_before_adoption(sound: Life) -> None:
    ledger_of(sound).unlink()
    found = findings(sound, 1)
    for check in ("ledger", "certificates", "domains-dns", "domains-tls", "domains-live"):
        assert found[check] == ("skip", "Skipped: this network has not been adopted yet.")


def test_unknown_dns_state_is_skipped_instead_of_passed(sound: Life) -> None:
    with opened(sound.bridge.state) as ledger, ledger.transaction():
        ledger.write("UPDATE check_state SET dns = 'unknown', points_here = 0", [()])
    found = findings(sound, 0)
    for check in ("certificates", "domains-dns", "domains-tls", "domains-live"):
        assert found[check] == ("skip", "Skipped: no domain has been checked yet.")


def test_hints_are_shown_on_a_terminal(sound: Life) -> None:
    """A terminal shows the hint of warnings and errors, each with a link."""
    sound.bridge.multisite.add_mappings_sql([("gone.example.org", 77)])
    ran = sound.run("doctor")
    out = ran.out
    # Each finding appears once, and the last line counts the kinds.
    assert ran.err == ""
    assert re.search(r"^\d+ of \d+ checks passed: 1 warning\.$", out, re.MULTILINE)
    hint = (
        "If the sites are gone permanently, delete the mappings with `closte-bridge domain prune`. "
        "Until then, their domains stay on Closte."
    )
    assert f"{'':<27} {hint} See docs/troubleshooting.md#orphan-rows.\n" in out


def test_targets_disabled_checks_and_disabled_integration(sound: Life) -> None:
    proxied(sound)
    sound.bridge.settings["dns"]["targets"] = [HERE]
    sound.bridge.write_config(checks=True)
    message = f'"example.net" points to {HERE}. closte-bridge compares customers\' domains with `dns.targets`.'
    assert findings(sound, 0)["main-domain"] == ("ok", message)
    sound.bridge.write_config(checks=False)
    found = findings(sound, 0)
    for check in ("resolvers", "main-domain"):
        assert found[check] == ("skip", "Skipped: `checks` is disabled in the config.")
    assert found["domains-dns"] == ("skip", "Skipped: `checks` is disabled in the config.")
    sound.bridge.write_config(checks=True, http={"enabled": False})
    assert findings(sound, 0)["domains-live"] == ("skip", "Skipped: `http.enabled` is false in the config.")
    # An owner that may not change anything because of a setting is not an error.
    set_option(sound.bridge.multisite, "wu_host_integrations_enabled", {"closte": False})
    assert findings(sound, 1)["owner"][1].startswith("This installation owns the network, but changes are disabled: ")
