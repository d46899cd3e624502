"""Tests of single parts of the role that do not need a small machine."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.ansible.fleet import COLLECTION
from tests.ansible.local import FAR, Local, calls, changed, engine, envelope
from tests.support.parts import REPOSITORY
from tests.support.running import write_script

if TYPE_CHECKING:
    from pathlib import Path

# A user that exists on every Debian system, and that no test changes.
SOMEBODY = "daemon"


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"closte_bridge_interval": 601}, "between 1 and 600 seconds"),
        ({"closte_bridge_interval": 0}, "between 1 and 600 seconds"),
        # `watch` writes no heartbeat while it waits for `wp`.
        ({"closte_bridge_watchdog": 299}, "closte_bridge_watchdog must be at least 300 seconds"),
        ({"closte_bridge_run_limit": "299"}, "closte_bridge_run_limit must be at least 300 seconds"),
        (
            {
                "closte_bridge_settings": {"wp": {"timeout": 60}},
                "closte_bridge_networks": [FAR, FAR | {"name": "shop", "settings": {"wp": {"timeout": "1h30m5s"}}}],
            },
            "closte_bridge_watchdog must be at least 10870 seconds",
        ),
        ({"closte_bridge_environment": {"HTTPS_PROXY": "http://two words"}}, "must not contain spaces"),
        ({"closte_bridge_networks": [FAR | {"name": "shop"}]}, "is missing club, which"),
    ],
)
def test_invalid_settings_are_refused_before_any_change(
    local: Local, variables: dict[str, object], reason: str
) -> None:
    for name in ("club", "lost+found"):
        (local.folder / "state" / name).mkdir(parents=True)
    said = local.role("present", variables)
    assert said.endswith("ended with 2"), said
    assert reason in said
    assert changed(said) == []


@pytest.mark.parametrize("state", ["present", "absent"])
def test_duplicate_network_name_is_refused(local: Local, state: str) -> None:
    networks = [FAR, FAR | {"name": "shop"}, FAR | {"state": "absent"}]
    said = local.role("main", {"closte_bridge_state": state, "closte_bridge_networks": networks})
    assert said.endswith("ended with 2"), said
    assert "several networks with the name club" in said
    assert changed(said) == []


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("name", ["", "../etc"])
def test_invalid_network_name_removes_nothing(local: Local, state: str, name: str) -> None:
    for folder in ("state/shop", "etc/keys"):
        (local.folder / folder).mkdir(parents=True)
    gone = {"name": name, "path": str(local.folder / "no-site"), "state": "absent"}
    networks = [{**FAR, "name": "shop"}, gone]
    said = local.role("main", {"closte_bridge_state": state, "closte_bridge_networks": networks})
    assert said.endswith("ended with 2"), said
    assert "Network names must consist of" in said
    assert changed(said) == []


def test_absent_network_is_accepted_while_its_ledger_exists(local: Local) -> None:
    (local.folder / "state" / "club").mkdir(parents=True)
    # The role continues to the next check that fails.
    away = {"closte_bridge_metrics_dir": str(local.folder / "no-exporter")}
    said = local.role("present", away | {"closte_bridge_networks": [FAR | {"state": "absent"}]})
    assert "is missing" not in said
    assert "Install node_exporter" in said


@pytest.mark.parametrize(("all_of_them", "one", "installed"), [("false", "no", 0), ("False", "y", 1), ("true", "0", 1)])
def test_quoted_false_disables_the_shim(local: Local, all_of_them: str, one: str, installed: int) -> None:
    answers = {"shim_status": envelope({"installed": "no", "version": None}), "shim_install": envelope()}
    given = {"closte_bridge_wrapper": str(engine(local.folder, **answers)), "closte_bridge_shim": all_of_them}
    networks = {"closte_bridge_networks": [FAR, FAR | {"name": "shop", "shim": one}]}
    said = local.role("wordpress", given | networks, check=False)
    assert said.endswith("ended with 0"), said
    assert len([call for call in calls(local.folder) if call.startswith("shim install ")]) == installed


def test_quoted_false_skips_package_installation(local: Local) -> None:
    facts = {"os_family": "Debian"}
    said = local.role("engine", {"closte_bridge_manage_packages": "false", "ansible_facts": facts})
    assert re.search(r"Check for missing packages\] \*+\nskipping:", said), said


def test_quoted_false_disables_adoption(local: Local) -> None:
    networks = [FAR, FAR | {"name": "shop", "adopt": "yes"}, FAR | {"name": "school", "adopt": "no"}]
    owners = {"_closte_bridge_owners": dict.fromkeys(("club", "shop", "school"), SOMEBODY)}
    groups = {"_closte_bridge_groups": {SOMEBODY: SOMEBODY}}
    said = local.role("units", owners | groups | {"closte_bridge_adopt": "false", "closte_bridge_networks": networks})
    assert said.endswith("ended with 0"), said
    assert said.count("+SuccessExitStatus=7") == 2


def test_interval_may_be_a_string(local: Local) -> None:
    owners = {"_closte_bridge_owners": {"club": SOMEBODY}, "_closte_bridge_groups": {SOMEBODY: SOMEBODY}}
    said = local.role("units", owners | {"closte_bridge_interval": "60"})
    assert said.endswith("ended with 0"), said
    assert {"+OnUnitInactiveSec=60", "+RandomizedDelaySec=6"} <= set(said.splitlines())


def test_longest_interval_stays_within_the_shims_patience(local: Local) -> None:
    """The shim knows the success before the last sync: two intervals, and the possible delays of each."""
    specs = yaml.safe_load((COLLECTION / "roles/closte_bridge/meta/argument_specs.yml").read_text())
    (interval,) = specs["argument_specs"]["main"]["options"]["closte_bridge_interval"]["description"][:1]
    longest = int(re.findall(r"1 to (\d+);", interval)[0])
    owners = {"_closte_bridge_owners": {"club": SOMEBODY}, "_closte_bridge_groups": {SOMEBODY: SOMEBODY}}
    said = local.role("units", owners | {"closte_bridge_interval": longest})
    timer = dict(re.findall(r"^\+(OnUnitInactiveSec|RandomizedDelaySec|AccuracySec)=(\d+)s?$", said, re.M))
    patience = re.findall(r"PATIENCE = (\d+);", (REPOSITORY / "php-shim/closte-bridge/class-owner.php").read_text())
    run, air = 60, 300
    assert len(timer) == 3, said
    assert 2 * (sum(map(int, timer.values())) + run) + air <= int(patience[0])
    assert f"between 1 and {longest} seconds" in local.role("present", {"closte_bridge_interval": longest + 1})


@pytest.mark.parametrize("options", ["", "--extra-index-url=https://pypi.example.com --no-binary=:all:"])
def test_default_package_index_is_refused(local: Local, options: str) -> None:
    facts = {"os_family": "Other"}
    given = {"closte_bridge_version": "0.1.0", "closte_bridge_pip_args": options, "ansible_facts": facts}
    said = local.role("engine", given)
    assert "needs the source of the package in closte_bridge_pip_args" in " ".join(said.split()), said


def test_existing_user_is_left_unchanged(local: Local) -> None:
    (local.folder / "etc").mkdir()
    part = {"name": "closte_bridge.ops.closte_bridge", "tasks_from": "owners"}
    users = [
        {"name": name, "ansible.builtin.include_role": part, "vars": {"closte_bridge_user": name}}
        for name in (SOMEBODY, "nobody-of-that-name")
    ]
    said = local.tasks(*users, check=True)
    assert said.count("Create the user for networks on other machines") == len(users)
    assert changed(said) == ["Record that the role creates the user", "Create the user for networks on other machines"]


def test_secret_files_are_removed_with_their_settings(local: Local) -> None:
    keys = local.folder / "etc" / "keys"
    keys.mkdir(parents=True)
    for name in ("club", "club.ssh"):
        (keys / name).write_text("secret")
    owners = {"_closte_bridge_owners": {"club": SOMEBODY}, "_closte_bridge_groups": {SOMEBODY: SOMEBODY}}
    said = local.role("config", owners | {"__closte_bridge_ledgers": {"files": []}})
    gone = {line for line in changed(said) if "unused" in line}
    assert gone == {f"Remove unused config files ({keys / name})" for name in ("club", "club.ssh")}


def test_deleted_wordpress_does_not_block_removal(local: Local) -> None:
    (local.folder / "state" / "shop").mkdir(parents=True)
    shop = {"name": "shop", "path": str(local.folder / "no-site"), "state": "absent"}
    said = local.role("network_absent", {"closte_bridge_gone": "shop", "closte_bridge_networks": [shop]})
    assert said.endswith("ended with 0"), said
    assert "there is nothing to clean up" in " ".join(said.split())
    assert f"Remove the network's files ({local.folder}/state/shop)" in changed(said)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands files over")
def test_ledger_ownership_follows_the_site_owner_only(local: Local) -> None:
    ledger, elsewhere = local.folder / "state" / "club", local.folder / "of-somebody-else"
    (ledger / "wp-cli").mkdir(parents=True)
    (elsewhere / "inside").mkdir(parents=True)
    for path in (ledger / "ledger.sqlite3", ledger / "wp-cli" / "cache", elsewhere / "file", elsewhere / "inside/file"):
        path.touch()
    (ledger / "link").symlink_to(elsewhere / "file")
    (ledger / "folder").symlink_to(elsewhere)
    for path in [ledger, *ledger.rglob("*"), elsewhere / "inside", elsewhere / "inside/file"]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    # A file of root may be there only because another user linked it.
    os.chown(ledger / "wp-cli" / "cache", 0, 0)
    found = {"path": str(ledger), "uid": 65534, "pw_name": "nobody"}
    owners = {"_closte_bridge_owners": {"club": SOMEBODY}, "_closte_bridge_groups": {SOMEBODY: SOMEBODY}}
    before = {"__closte_bridge_ledgers": {"files": [found]}}
    said = local.role("hand_over", owners | before, check=False)
    assert said.endswith("ended with 0"), said
    new = {path.name for path in ledger.rglob("*") if path.lstat().st_uid not in (0, 65534)}
    assert new == {"ledger.sqlite3", "wp-cli", "link", "folder"}
    assert {path.stat().st_uid for path in (elsewhere, elsewhere / "file")} == {0}
    assert {path.stat().st_uid for path in (elsewhere / "inside", elsewhere / "inside/file")} == {65534}


def test_index_password_is_hidden_when_pip_fails(local: Local) -> None:
    options = "--index-url=https://robot:canary-of-an-index@127.0.0.1:9/simple --retries=0 --timeout=1"
    given = {
        "closte_bridge_version": "0.1.0",
        "closte_bridge_pip_args": options,
        "ansible_facts": {"os_family": "Other"},
    }
    said = local.role("engine", given | {"closte_bridge_python": sys.executable}, check=False)
    assert said.endswith("ended with 2"), said
    assert "canary-of-an-index" not in said
    # The role still shows the reason of the failure.
    assert "closte-bridge==0.1.0" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes the owner of a ledger")
def test_ledgers_are_backed_up_before_an_upgrade(local: Local) -> None:
    folder = local.folder / "state" / "club"
    folder.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(folder / "ledger.sqlite3")) as ledger, ledger:
        ledger.execute("CREATE TABLE seen (name)")
        ledger.execute("INSERT INTO seen VALUES ('first')")
    for path in (folder, folder / "ledger.sqlite3"):
        os.chown(path, 65534, 65534)
    python = local.folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/usr/bin/python3")
    for path in (local.folder, *local.folder.parents):
        # The owner must be able to reach the folder.
        if path.name.startswith(("pytest", "popen", "test")):
            path.chmod(path.stat().st_mode | 0o111)
    # Nothing is written where that user tries to redirect root.
    (folder / "ledger-0.0.9.sqlite3.new").symlink_to(local.folder / "astray")
    given = {
        "__closte_bridge_ledgers": {"files": [{"path": str(folder), "uid": 65534, "gid": 65534}]},
        "__closte_bridge_installed": {"rc": 0, "stdout": "0.0.9\n"},
        "_closte_bridge_wanted": "0.1.0",
        "_closte_bridge_venv": str(local.folder / "venv"),
    }
    said = local.role("ledger_copies", given, check=False)
    assert said.endswith("ended with 0"), said
    assert "copied to ledger-0.0.9.sqlite3 in the same folder" in " ".join(said.split())
    copy = folder / "ledger-0.0.9.sqlite3"
    with contextlib.closing(sqlite3.connect(copy)) as ledger:
        assert ledger.execute("SELECT name FROM seen").fetchall() == [("first",)]
    assert (copy.stat().st_uid, copy.stat().st_mode & 0o777) == (65534, 0o600)
    assert not (local.folder / "astray").exists()


def test_metrics_are_removed_with_their_setting(local: Local) -> None:
    exporter, metrics = local.folder / "exporter", local.folder / "state-metrics"
    for folder in (exporter, metrics / "club", local.folder / "etc"):
        folder.mkdir(parents=True)
    (local.folder / "etc" / ".metrics-dir").write_text(f"{exporter}\n")
    (exporter / "closte_bridge_club.prom").symlink_to(metrics / "club" / "closte_bridge_club.prom")
    (exporter / "other.prom").touch()
    read = {"name": "Read", "ansible.builtin.slurp": {"src": str(local.folder / "etc" / ".metrics-dir")}}
    role = {"name": "closte_bridge.ops.closte_bridge", "tasks_from": "metrics_gone"}
    gone = {"name": "Do it", "ansible.builtin.include_role": role}
    said = local.tasks(read | {"register": "__closte_bridge_metrics_read"}, gone)
    assert said.endswith("ended with 0"), said
    assert [path.name for path in exporter.iterdir()] == ["other.prom"]
    assert not metrics.exists()
    assert not (local.folder / "etc" / ".metrics-dir").exists()


def test_metrics_link_is_removed_with_its_network(local: Local) -> None:
    exporter = local.folder / "exporter"
    exporter.mkdir()
    link = exporter / "closte_bridge_club.prom"
    link.symlink_to(local.folder / "nowhere")
    read = {"__closte_bridge_metrics_read": {"content": base64.b64encode(f"{exporter}\n".encode()).decode()}}
    said = local.role("network_absent", read | {"closte_bridge_gone": "club"}, check=False)
    assert said.endswith("ended with 0"), said
    assert not link.is_symlink()


RUNNING = "ActiveState=active\nResult=success\nNRestarts=0\n"
STARTING = "ActiveState=activating\nResult=success\nNRestarts=3\n"
NEVER = {"healthy": False, "reason": "no successful run yet"}


@pytest.mark.parametrize(
    ("shown", "beats", "health", "reason"),
    [
        (RUNNING, True, {}, ""),
        (STARTING, True, {}, "is activating, result success, restarted 3 times"),
        (RUNNING, False, {}, "has no heartbeat"),
        (RUNNING, True, {"last_error": "It failed."}, 'The last run for "club" failed: It failed.'),
        (RUNNING, True, NEVER, "is not healthy: no successful run yet."),
    ],
)
def test_failing_instance_fails_the_play(
    local: Local, monkeypatch: pytest.MonkeyPatch, shown: str, beats: bool, health: dict[str, object], reason: str
) -> None:
    state = local.folder / "state" / "club"
    state.mkdir(parents=True)
    if beats:
        (state / "heartbeat").touch()
    (local.folder / "bin").mkdir()
    write_script(local.folder / "bin" / "systemctl", f"printf '{shown}'")
    monkeypatch.setenv("PATH", f"{local.folder}/bin:{os.environ['PATH']}")
    row = {"network": "club", "healthy": True, "reason": "", "last_error": ""} | health
    fake = engine(local.folder, health=envelope([row], 0 if row["healthy"] else 1))
    given = {"closte_bridge_runner": "watch", "closte_bridge_adopt": True, "closte_bridge_wrapper": str(fake)}
    said = local.role("running", given | {"__closte_bridge_started": {"changed": False}}, check=False)
    assert said.endswith("ended with 2" if reason else "ended with 0"), said
    assert reason in " ".join(said.replace('\\"', '"').split())
