"""Hostile code and rows in WordPress: they can misreport the network and do no other harm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import UnreadableError
from closte_bridge.wordpress.failures import codes, failure
from tests.support.bridge import bridge_for
from tests.support.fake_wp import framed
from tests.support.rows import add_event, set_option
from tests.support.running import wp_settings, write_script
from tests.support.shim import change_config, shimmed
from tests.support.snapshots import names, read, read_key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real


def test_frame_printed_by_a_plugin_is_ignored(multisite: Multisite) -> None:
    """The plugin knows the format, but not the nonce of this call."""
    multisite.add_mappings_sql([("customer.example.org", 1)])
    document = {"mappings": {"rows": [], "count": 0, "highest": 0}}
    frames = b"".join(framed(document, mark) for mark in ("", "0" * 32, ".*", "f" * 32))
    (multisite.path / "frames").write_bytes(frames)
    printed = "readfile( ABSPATH . 'frames' );"
    multisite.add_mu_plugin("evil", f"{printed} register_shutdown_function( function () {{ {printed} }} );")
    assert names(read(wp_settings(multisite))) == ["customer.example.org"]


@pytest.mark.parametrize("option", ["wu_host_integrations_enabled", "wp-ultimo_v2_settings", "closte_bridge_owner"])
def test_stored_options_are_not_unserialised_into_objects(multisite: Multisite, option: str, tmp_path: Path) -> None:
    owned = tmp_path / "owned"
    multisite.add_mu_plugin(
        "evil",
        "class Gadget { public $f; function __wakeup() { touch( $this->f ); }"
        " function __destruct() { touch( $this->f ); } }",
    )
    gadget = f'O:6:"Gadget":1:{{s:1:"f";s:{len(str(owned))}:"{owned}";}}'
    for stored in (gadget, f'a:1:{{s:6:"closte";{gadget}}}'):
        set_option(multisite, option, stored)
        assert read(wp_settings(multisite)).complete
        assert not owned.exists()


def test_event_ids_cannot_inject_sql(multisite: Multisite, tmp_path: Path) -> None:
    with bridge_for(multisite, tmp_path / "bridge") as bridge:
        multisite.enable_closte(api_key=None)
        bridge.create_events_table()
        bridge.adopt()
        add_event(multisite, "everything", uid="other", network_id=2)
        for uid in ("x') OR 1=1 -- ", "%s", "') OR ('1'='1", "1; DROP TABLE wp_users"):
            add_event(multisite, "mapping_removed", "' OR 1=1 --", uid=uid, detail='{"from": "\' OR 1=1 --"}')
        assert bridge.run("sync").code == 0
        assert bridge.run("sync").code == 0
        assert bridge.event_uids() == ["other"]
    (users,) = multisite.sql("SELECT COUNT(*) AS n FROM wp_users")
    assert str(users["n"]) == "1"


@pytest.mark.parametrize("code", ["wp-timeout\n", "../../etc", "\x1b[2J", "no-such-code", "x" * 9999])
def test_unknown_error_code_from_wordpress_is_replaced(code: str) -> None:
    assert failure(code).code in codes()
    assert "\x1b" not in failure(code).message


@pytest.mark.parametrize(
    "plugin",
    ["ultimate-multisite/../../evil.php", "ultimate-multisite/x.php\n", "/etc/passwd", "wp-ultimo/../evil.php"],
)
def test_only_the_plugins_own_files_are_loaded(multisite: Multisite, plugin: str) -> None:
    """The list of active plugins is a database row: it must not make the script load other files."""
    owned = multisite.path / "owned"
    evil = multisite.path / "wp-content" / "plugins" / "inc" / "helpers"
    evil.mkdir(parents=True)
    (evil / "class-credential-store.php").write_text(f"<?php touch( '{owned}' );")
    (multisite.path / "evil.php").write_text("<?php /* Plugin Name: Evil */")
    set_option(multisite, "wu_hosting_credential_CLOSTE_CLIENT_API_KEY", "stored")
    set_option(multisite, "active_sitewide_plugins", {plugin: 1})
    with pytest.raises(UnreadableError, match="not active"):
        read_key(wp_settings(multisite))
    assert not owned.exists()


# An `ssh` that has a connection and runs the command here.
_SSH_TO_HERE = """
for word; do
    test "$word" != -O || exit 0
done
exec /bin/sh -c "$word"
"""


@pytest.mark.parametrize("far", [False, True], ids=["installation", "over-ssh"])
def test_programs_named_by_wordpress_are_not_started(multisite: Multisite, tmp_path: Path, far: bool) -> None:
    """A user who can write the shim's config decides what PHP starts, but not what closte-bridge starts."""
    owned = tmp_path / "owned"
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "sitecustomize.py").write_text(f"open({str(owned)!r}, 'w').close()")
    program = write_script(evil / "closte-bridge", f"touch '{owned}'; echo closte-bridge")
    with shimmed(multisite, tmp_path / "bridge") as bridge:
        told = multisite.php_json("(include WP_CONTENT_DIR . '/mu-plugins/closte-bridge/config.php')[1]")
        options = told["engine"][3:]
        answers: list[dict[str, object]] = [
            {"engine": ["/bin/sh", "-c", f"touch '{owned}'; echo closte-bridge", *options]},
            {"engine": [str(program), *options]},
            {"environment": {"PYTHONPATH": str(evil)}},
        ]
        if far:
            write_script(evil / "ssh", _SSH_TO_HERE)
            bridge.env |= {"PATH": f"{evil}:{multisite.env['PATH']}"}
            bridge.write_config(wp={**bridge.settings["wp"], "ssh": "web@host.example.com"})
        found = []
        for answer in answers:
            change_config(multisite, "$config[1] = json_decode($args[0], true);", json.dumps(told | answer))
            found.append(bridge.run("shim", "status", "--format=json").codes)
            assert not owned.exists(), answer
        # closte-bridge reports a program that cannot be its own. It does not check how PHP starts the correct program.
        assert found == ([["shim-moved"]] * 3 if far else [["shim-moved"], [], []])
