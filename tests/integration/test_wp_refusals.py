"""Tests that closte-bridge does not report a change as done if WordPress or its database refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.bridge import bridge_for
from tests.support.shim import change_config, events, shimmed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

OWNER = "closte_bridge_owner"
TOGGLE = "wu_host_integrations_enabled"


def refuse(multisite: Multisite, option: str) -> None:
    """Make the database refuse each change of a network option, like a read-only or full database."""
    for change, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        multisite.sql(
            f"CREATE TRIGGER refuse_{change} BEFORE {change} ON wp_sitemeta WHEN {row}.meta_key = '{option}' "
            "BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END"
        )


def relent(multisite: Multisite) -> None:
    for change in ("INSERT", "UPDATE", "DELETE"):
        multisite.sql(f"DROP TRIGGER refuse_{change}")


def keep(multisite: Multisite, option: str) -> Path:
    """Install a plugin that keeps the old value of a network option."""
    code = f"add_filter('pre_update_site_option_{option}', fn($new, $old) => $old, 10, 2);"
    return multisite.add_mu_plugin("keeping", code)


def test_refused_owner_write_is_an_error(multisite: Multisite, tmp_path: Path) -> None:
    multisite.enable_closte()
    with bridge_for(multisite, tmp_path / "engine") as bridge:
        refuse(multisite, OWNER)
        for _ in range(2):
            ran = bridge.run("adopt", "--yes", "--format=json")
            assert (ran.code, ran.codes) == (1, ["owner-failed"])
            assert bridge.run("sync").code == 7
        relent(multisite)
        bridge.adopt()
        # A new ledger makes this another installation.
        bridge.write_config(state_dir=str(bridge.folder / "other"))
        keeping = keep(multisite, OWNER)
        ran = bridge.run("adopt", "--take-over", "--yes", "--format=json")
        assert (ran.code, ran.codes) == (1, ["owner-failed"])
        keeping.unlink()
        bridge.adopt("--take-over")
        assert bridge.run("sync").code == 0


def test_refused_toggle_write_is_an_error(multisite: Multisite, tmp_path: Path) -> None:
    multisite.enable_closte()
    with bridge_for(multisite, tmp_path / "engine") as bridge:
        refuse(multisite, TOGGLE)
        ran = bridge.run("integration", "disable", "--format=json")
        assert (ran.code, ran.codes) == (1, ["toggle-failed"])
        assert bridge.run("integration", "enable").out == "Success: Closte integration is already enabled.\n"
        relent(multisite)
        keeping = keep(multisite, TOGGLE)
        ran = bridge.run("integration", "disable", "--format=json")
        assert (ran.code, ran.codes) == (1, ["toggle-failed"])
        keeping.unlink()
        assert bridge.run("integration", "disable").code == 0
        assert bridge.run("integration", "status", "--field=integration").out == "false\n"


# The pattern matches the start of two statements that only the uninstallation sends.
REFUSE_TABLE = """add_filter('query', function ($sql) {
    return preg_match('/^(DROP TABLE|DELETE FROM) wp_closte_bridge_events/', $sql) ? 'SELECT nothing' : $sql;
});"""


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
def test_refused_uninstall_write_is_an_error(multisite: Multisite, tmp_path: Path, shared: bool) -> None:
    with shimmed(multisite, tmp_path / "engine") as bridge:
        if shared:
            change_config(multisite, "$config[2] = $config[1];")
        bridge.add_event("mapping_added", "here.example.com")
        refuse(multisite, OWNER)
        refusing = multisite.add_mu_plugin("refusing", REFUSE_TABLE)
        ran = bridge.run("shim", "uninstall", "--yes", "--format=json")
        assert (ran.code, ran.codes) == (1, ["shim-left-in-database"])
        what = "events in the table" if shared else "the table"
        message = f"Could not remove from the database: {what} wp_closte_bridge_events, the option closte_bridge_owner."
        assert ran.envelope["errors"][0]["message"] == message
        assert len(events(multisite)) == 1
        assert bridge.run("sync").code == 0, "it is still in charge"
        relent(multisite)
        refusing.unlink()
        ran = bridge.run("shim", "uninstall", "--yes")
        assert ran.code == 0
        assert bridge.run("sync").code == 7
