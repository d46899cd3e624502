"""Tests of installing, inspecting and removing the shim, and of `wp closte-bridge`."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.bridge import bridge_for
from tests.support.parts import is_mock_plugin
from tests.support.rows import add_event, set_option
from tests.support.shim import MU_PLUGINS, all_that_is_ours, change_config, events, install, shimmed, status

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.ssh import SshServer
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    with shimmed(multisite, tmp_path / "engine") as bridge:
        yield bridge


def test_uninstall_leaves_nothing_behind(multisite: Multisite, tmp_path: Path) -> None:
    multisite.enable_closte()
    before = all_that_is_ours(multisite)
    assert before == []
    with shimmed(multisite, tmp_path / "engine") as bridge:
        multisite.create_site("one")
        bridge.run("sync")
        bridge.run("sync")
        multisite.create_site("two")
        assert events(multisite)
        multisite.php(
            "set_site_transient('closte_bridge_requests', [], 60); add_user_meta(1, 'closte_bridge_per_page', 5);"
        )
        assert bridge.run("shim", "uninstall").code == 2, "nobody to ask"
        ran = bridge.run("shim", "uninstall", "--yes")
        assert ran.golden == (
            0,
            "Success: Removed the shim. Ultimate Multisite's built-in provider is active again.\n",
            "",
        )
        assert all_that_is_ours(multisite) == []
        assert bridge.run("shim", "status", "--format=json").codes == ["shim-missing"]
        # The provider's listeners work again, and the shim does not stop them.
        multisite.create_site("three")
        told = [args["subdomain"] for _, args in multisite.jobs("wu_add_subdomain")]
        assert "three.example.net" in told
        # A later run does not restore anything.
        assert bridge.run("sync").code == 7
        assert all_that_is_ours(multisite) == []


def test_uninstall_keeps_what_another_network_uses(bridge: Bridge) -> None:
    """Networks of one installation share the files and the table."""
    multisite = bridge.multisite
    change_config(multisite, "$config[2] = $config[1];")
    bridge.add_event("mapping_added", "here.example.com")
    add_event(multisite, "mapping_added", "there.example.com", network_id=2)
    shared = set(all_that_is_ours(multisite)) - {"closte_bridge_owner", "closte_bridge_status"}
    assert bridge.run("shim", "uninstall", "--yes").code == 0
    assert set(all_that_is_ours(multisite)) == shared
    assert [domain for _, _, domain, _ in events(multisite)] == ["there.example.com"]
    found = bridge.run("shim", "status", "--format=json")
    assert found.codes == ["shim-no-config"]


def test_changed_config_of_other_networks_is_not_overwritten(bridge: Bridge) -> None:
    """Both commands keep a config that a person changed, or that does not contain the other networks."""
    multisite = bridge.multisite
    config = multisite.path / MU_PLUGINS / "closte-bridge" / "config.php"
    text = config.read_text()
    set_option(multisite, "closte_bridge_owner", {"engine": "another"}, network_id=2)
    managed = set(all_that_is_ours(multisite))
    for changed in (text + "// changed\n", "<?php return array();\n"):
        config.write_text(changed)
        for command in ("install", "uninstall"):
            ran = bridge.run("shim", command, "--yes", "--format=json")
            assert (ran.code, ran.codes) != (0, []), command
            assert ran.codes[0] in {"shim-changed", "shim-foreign-file"}
        assert set(all_that_is_ours(multisite)) == managed
        assert config.read_text() == changed
    # Without another network, a new installation fixes the config.
    set_option(multisite, "closte_bridge_owner", None, network_id=2)
    config.write_text(text + "// changed\n")
    install(bridge)
    assert config.read_text() == text
    set_option(multisite, "closte_bridge_owner", {"engine": "another"}, network_id=2)
    add_event(multisite, "mapping_added", "there.example.com", network_id=2)
    assert bridge.run("shim", "uninstall", "--yes").code == 0
    assert [domain for _, _, domain, _ in events(multisite)] == ["there.example.com"]
    assert config.exists()


def test_moved_state_folder_is_reported_until_reinstalled(bridge: Bridge) -> None:
    moved = bridge.folder / "elsewhere"
    bridge.state.rename(moved)
    bridge.write_config(state_dir=str(moved))
    ran = bridge.run("shim", "status", "--format=json")
    # The folder in the shim's config no longer exists, so the shim cannot write there.
    assert (ran.code, ran.codes) == (1, ["shim-moved"])
    assert ran.envelope["errors"][0]["message"].endswith("Changed since its installation: the state folder.")
    install(bridge)
    assert bridge.run("shim", "status").code == 0


def test_failed_trigger_is_reported(bridge: Bridge) -> None:
    failed = bridge.state / "last-run.json"
    failed.write_text(json.dumps({"at": time.time(), "exit_code": 5, "code": "wp-path"}))
    ran = bridge.run("shim", "status", "--format=json")
    assert (ran.code, ran.codes) == (1, ["shim-trigger-failed"])
    message = "The last run triggered by the shim failed with exit code 5 (wp-path)."
    assert ran.envelope["errors"][0]["message"] == message
    failed.write_text(json.dumps({"at": time.time(), "exit_code": 4, "code": ""}))
    assert bridge.run("shim", "status").code == 0, "a run that came to its end"
    # The next run never began, for example because of an unreadable config.
    waking = bridge.state / "spawned"
    waking.touch()
    assert bridge.run("shim", "status").code == 0, "it has still time"
    os.utime(waking, (time.time() - 300,) * 2)
    assert bridge.run("shim", "status", "--format=json").codes == ["shim-trigger-failed"]
    install(bridge)
    assert bridge.run("shim", "status").code == 0


def test_translations_of_others_stay(bridge: Bridge) -> None:
    """A network can have a translation that closte-bridge does not ship."""
    folder = bridge.multisite.path / MU_PLUGINS / "closte-bridge" / "languages"
    other = folder / "closte-bridge-de_DE.l10n.php"
    other.write_text("<?php return array();\n")
    install(bridge)
    assert bridge.run("shim", "status").code == 0
    (folder / "closte-bridge-bn_BD.l10n.php").unlink()
    assert bridge.run("shim", "status", "--format=json").codes == ["shim-missing"]
    install(bridge)
    assert bridge.run("shim", "uninstall", "--yes").code == 0
    assert [path.name for path in folder.iterdir()] == [other.name]
    install(bridge)
    assert bridge.run("shim", "status").code == 0


def test_uninstall_can_keep_the_owner(bridge: Bridge) -> None:
    assert bridge.run("shim", "uninstall", "--keep-owner", "--yes").code == 0
    bridge.run("sync")
    assert bridge.run("sync").code == 0
    assert all_that_is_ours(bridge.multisite) == ["closte_bridge_owner"]


def test_reinstall_repairs_and_otherwise_changes_nothing(bridge: Bridge) -> None:
    folder = bridge.multisite.path / MU_PLUGINS
    files = {path: path.read_bytes() for path in folder.rglob("*.php")}
    install(bridge)
    assert {path: path.read_bytes() for path in folder.rglob("*.php")} == files
    loader = folder / "closte-bridge-shim.php"
    loader.write_bytes(files[loader].replace(b"PHP_INT_MAX", b"PHP_INT_MIN"))
    (folder / "closte-bridge" / "class-trigger.php").unlink()
    found = bridge.run("shim", "status", "--format=json")
    assert (found.code, sorted(found.codes)) == (1, ["shim-changed", "shim-missing"])
    old = folder / "closte-bridge" / "class-of-an-older-version.php"
    old.write_bytes(files[folder / "closte-bridge" / "class-trigger.php"])
    install(bridge)
    assert {path: path.read_bytes() for path in folder.rglob("*.php")} == files
    assert status(bridge)["installed"] == "yes"
    assert status(bridge)["trigger_set"] == "none"
    install(bridge, "file")
    assert status(bridge)["trigger_set"] == "file"


def make_older(multisite: Multisite) -> None:
    """Turn the installed shim into an older version, with other names of classes, files and a key."""
    parts = multisite.path / MU_PLUGINS / "closte-bridge"
    change_config(multisite, "$config[1]['wake_file'] = $config[1]['trigger_file']; unset($config[1]['trigger_file']);")
    (parts / "class-messages.php").unlink()
    for path in (*parts.glob("class-*.php"), parts.parent / "closte-bridge-shim.php"):
        rest = path.read_text().split("\n", 2)[2]
        for name, before in (("Owner", "Charge"), ("Trigger", "Wake"), ("trigger_file", "wake_file")):
            rest = rest.replace(name, before)
        mark = f"// closte-bridge-shim 0.0.9 sha256:{hashlib.sha256(rest.encode()).hexdigest()}"
        path.unlink()
        name = path.name.replace("owner", "charge").replace("trigger", "wake")
        path.with_name(name).write_text(f"<?php\n{mark}\n{rest}")


def test_older_shim_is_reported_and_replaced(bridge: Bridge) -> None:
    multisite, folder = bridge.multisite, bridge.multisite.path / MU_PLUGINS
    install(bridge, "process")
    files = {path: path.read_bytes() for path in folder.rglob("class-*.php")}
    make_older(multisite)
    found = bridge.run("shim", "status", "--format=json")
    assert (found.code, found.codes) == (1, ["shim-other-version"])
    assert (found.envelope["data"]["installed"], found.envelope["data"]["version"]) == ("damaged", "0.0.9")
    assert found.envelope["data"]["why"] == "The shim is outdated."
    doctor = bridge.run("doctor", "--format=json")
    (row,) = [row for row in doctor.envelope["data"] if row["check"] == "shim"]
    assert (row["status"], row["message"]) == ("warning", "The shim is outdated.")
    # The older shim still stores events, and does not break a request.
    multisite.create_site("one")
    assert ("site_created", "one.example.net") in {(kind, domain) for kind, _, domain, _ in events(multisite)}
    install(bridge, "process")
    assert {path: path.read_bytes() for path in folder.rglob("class-*.php")} == files
    assert bridge.run("shim", "status").code == 0


def test_foreign_file_is_never_touched(multisite: Multisite, tmp_path: Path) -> None:
    stranger = multisite.add_mu_plugin("closte-bridge-shim", "// Somebody else's.")
    text = stranger.read_text()
    with bridge_for(multisite, tmp_path / "engine") as bridge:
        ran = bridge.run("shim", "install", "--format=json")
        assert (ran.code, ran.codes) == (1, ["shim-foreign-file"])
        assert all_that_is_ours(multisite) == ["closte-bridge-shim.php"]
        assert bridge.run("shim", "uninstall", "--yes").code == 1
    assert stranger.read_text() == text


def test_shim_of_another_owner_is_not_changed(bridge: Bridge, tmp_path: Path) -> None:
    with bridge_for(bridge.multisite, tmp_path / "other") as other:
        for command in (("install",), ("uninstall", "--yes")):
            ran = other.run("shim", *command, "--format=json")
            assert (ran.code, ran.codes) == (7, ["other-owner"])
    assert status(bridge)["installed"] == "yes"


def test_unwritable_folder_is_an_error(multisite: Multisite, tmp_path: Path) -> None:
    multisite.define("WPMU_PLUGIN_DIR", "/proc/mu-plugins")
    with bridge_for(multisite, tmp_path / "engine") as bridge:
        ran = bridge.run("shim", "install", "--format=json")
        assert (ran.code, ran.codes) == (1, ["shim-not-writable"])
        assert all_that_is_ours(multisite) == []


@pytest.mark.ssh
def test_shim_over_ssh_polls_and_uninstalls(multisite: Multisite, tmp_path: Path, sshd: SshServer) -> None:
    multisite.enable_closte()
    with bridge_for(multisite, tmp_path / "engine") as bridge:
        bridge.go_over_ssh(sshd)
        bridge.adopt()
        ran = bridge.run("shim", "install")
        assert ran.code == 0, ran
        assert "closte-bridge runs on another machine." in ran.out
        assert status(bridge)["trigger"] == "poll"
        multisite.create_site("one")
        assert "one.example.net" not in bridge.aliases
        assert bridge.run("sync").code == 0
        assert "one.example.net" in bridge.aliases
        refused = multisite.wp("closte-bridge", "plan", check=False)
        assert refused.returncode == 1
        assert "not installed on this machine" in refused.stderr
        # The other machine may be gone.
        assert multisite.wp("closte-bridge", "uninstall", "--yes").returncode == 0
        assert all_that_is_ours(multisite) == []


def passed(bridge: Bridge, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return bridge.multisite.wp("closte-bridge", *args, check=False, stdin=stdin)


def test_wp_closte_bridge_passes_arguments_and_output(bridge: Bridge) -> None:
    bridge.multisite.create_site("one")
    ran = passed(bridge, "plan", "--detailed-exitcode", "--format=csv")
    assert ran.returncode == 6
    assert "one.example.net" in ran.stdout
    assert ran.stderr.startswith("Cost: ")
    # Arguments pass unchanged: options of WP-CLI, repeated options, an end of options, and closte-bridge's own options.
    calls: tuple[tuple[str, ...], ...] = (
        ("plan", "--no-such"),
        ("domain", "get", "--", "--help"),
        ("domain", "get", "x", "--field=a", "--field=b"),
    )
    for words in calls:
        managed = bridge.run(*words)
        through = passed(bridge, *words)
        assert (
            through.returncode,
            bridge.normalised(through.stdout),
            bridge.normalised(through.stderr),
        ) == managed.golden
    calls = (("--help",), ("shim", "--help"), ("help", "shim", "install"), ("--version",))
    for words in calls:
        through = passed(bridge, *words)
        assert (through.returncode, through.stdout) == (0, bridge.run(*words).out), words
    through = bridge.multisite.wp("help", "closte-bridge", "shim")
    assert through.stdout == bridge.run("shim", "--help").out


def test_wp_closte_bridge_accepts_global_options(bridge: Bridge) -> None:
    """closte-bridge obeys WP-CLI's options before the command, and ignores those after it that it does not know."""
    wp = bridge.multisite.wp
    assert passed(bridge).stdout == bridge.run("--help").out
    loud, quiet = passed(bridge, "plan", "--format=csv"), wp("--quiet", "closte-bridge", "plan", "--format=csv")
    assert (loud.stderr.startswith("Cost: "), quiet.stderr) == (True, "")
    legal = ("--skip-themes", "--user=admin", "--context=cli", "--no-color", "--quiet")
    assert passed(bridge, "plan", "--format=csv", *legal).stdout == quiet.stdout
    assert passed(bridge, "plan", "--format=json", "--skip-packages").returncode == 0


def test_wp_closte_bridge_runs_inside_another_command(bridge: Bridge) -> None:
    """Another WP-CLI command can run `wp closte-bridge` inside its process, read the output, and continue."""
    options = "['launch' => false, 'return' => 'all', 'exit_error' => false]"
    found = bridge.multisite.php_json(f"WP_CLI::runcommand('closte-bridge plan --format=count', {options})")
    assert (found["stdout"], found["return_code"]) == ("0", 0)
    found = bridge.multisite.php_json(f"WP_CLI::runcommand('closte-bridge plan --no-such', {options})")
    assert found["return_code"] == 2
    shown = bridge.multisite.php("WP_CLI::runcommand('closte-bridge --version', ['launch' => false]); echo 'after';")
    assert shown == bridge.run("--version").out + "after"


@pytest.mark.parametrize("gone", ["/no/such/closte-bridge", sys.executable])
def test_shim_without_the_program_explains_and_removes_itself(bridge: Bridge, gone: str) -> None:
    """If a person removes the program before the shim, the shim explains the remaining steps and removes itself."""
    multisite = bridge.multisite
    multisite.create_site("one")
    module = "array('-m', 'no_such_module')" if gone == sys.executable else "array()"
    change_config(multisite, f"$config[1]['engine'] = array_merge(array($args[0]), {module});", gone)
    if gone != sys.executable:
        ran = passed(bridge, "plan")
        assert ran.returncode == 1
        assert f'"{gone}": it is missing' in ran.stderr
        assert "wp closte-bridge shim uninstall" in ran.stderr
    stranger = multisite.add_mu_plugin("closte-bridge/class-strange", "// Somebody else's.")
    left = passed(bridge, "shim", "uninstall", "--yes")
    assert (left.returncode, str(stranger) in left.stderr) == (1, True)
    assert all_that_is_ours(multisite) == ["closte-bridge"]
    stranger.unlink()
    stranger.parent.rmdir()


def test_shim_without_the_program_stays_for_another_network(bridge: Bridge) -> None:
    multisite = bridge.multisite
    change_config(multisite, "$config[2] = $config[1]; $config[1]['engine'] = array('/no/such/closte-bridge');")
    add_event(multisite, "mapping_added", "there.example.com", network_id=2)
    done = passed(bridge, "shim", "uninstall", "--yes")
    assert (done.returncode, "Another network uses the shim" in done.stdout) == (0, True)
    assert [domain for _, _, domain, _ in events(multisite)] == ["there.example.com"]
    assert multisite.network_option("closte_bridge_owner") is None
    assert (multisite.path / MU_PLUGINS / "closte-bridge-shim.php").exists()


def sign_up(multisite: Multisite, slug: str) -> None:
    """Sign up for a site and follow the link in the e-mail, as two requests."""
    multisite.add_mu_plugin("no-mail", "add_filter('pre_wp_mail', '__return_true');")
    name = f"{slug}.example.net"
    multisite.php(f"wpmu_signup_blog('{name}', '/', 'T', 'visitor{slug}', 'v-{slug}@example.net');")
    (row,) = multisite.sql(f"SELECT activation_key FROM wp_signups WHERE domain = '{name}'")
    activated = "(is_array($made = wpmu_activate_signup($args[0])) ? $made['blog_id'] : $made->get_error_message())"
    assert int(multisite.php_json(activated, str(row["activation_key"]))) > 1


NO_RECORDS = r"""add_action('plugins_loaded', function () {
    $class = '\WP_Ultimo\Managers\Domain_Manager';
    if (class_exists($class)) {
        remove_action('wp_insert_site', array($class::get_instance(), 'handle_site_created'));
    }
});"""


@pytest.mark.parametrize("release", ["2.3", "2.14.2"])
def test_every_new_site_has_one_record(multisite: Multisite, tmp_path: Path, release: str) -> None:
    """Before 2.4 Ultimate Multisite made no record. A filter imitates that release."""
    if release == "2.3":
        if not is_mock_plugin():
            pytest.skip("the real one is of a later release")
        multisite.add_mu_plugin("old", NO_RECORDS)
    with shimmed(multisite, tmp_path / "engine"):
        one = multisite.create_site("one")
        multisite.php(
            "wpmu_create_blog('example.net', '/sub/', 'Sub', 1); wpmu_create_blog('two.example.net', '/', 'T', 1);"
        )
        multisite.duplicate_site(one, "three.example.net")
        sign_up(multisite, "four")
        # A checkout creates a site in this way.
        data = "array('domain' => 'five.example.net', 'path' => '/', 'title' => 'Five', 'type' => 'default')"
        made = f"function_exists('wu_create_site') ? wu_create_site({data})->get_id() : 0"
        assert multisite.php_json(f"({made}) ?: wpmu_create_blog('five.example.net', '/', 'Five', 1)") > 0
        multisite.add_mu_plugin(
            "bases", "add_filter('wu_checkout_form_base_domains', fn($d) => array('shared.example.org'));"
        )
        multisite.php("wpmu_create_blog('shared.example.org', '/', 'S', 1);")
        multisite.add_mu_plugin("off", "add_filter('wu_should_create_domain_record_for_site', '__return_false');")
        multisite.create_site("six")
        rows = multisite.mappings()
        assert [(row["domain"], row["primary_domain"], row["stage"]) for row in rows] == [
            ("one.example.net", "1", "checking-dns"),
            ("two.example.net", "1", "checking-dns"),
            ("three.example.net", "1", "checking-dns"),
            ("four.example.net", "1", "checking-dns"),
            ("five.example.net", "1", "checking-dns"),
        ]
        checked = {args["domain_id"] for hook, args in multisite.jobs("wu_async_process_domain_stage")}
        assert checked == {int(str(row["id"])) for row in rows}
