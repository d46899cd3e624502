"""`setup` ends in a running system: each step is asked, and a step that stops leaves nothing half-made."""

from __future__ import annotations

import os
import pwd
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import yaml

from closte_bridge import __version__
from tests.integration.three_mapped import OFFER, PLAN, three_mapped
from tests.support.bridge import Bridge, bridge_for
from tests.support.folders import short_folder
from tests.support.parts import find_program
from tests.support.rows import set_option
from tests.support.running import write_script
from tests.support.shim import all_that_is_ours
from tests.support.ssh import SshServer, ssh_server
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.parts import Parts
    from tests.support.wordpress import Multisite

HELLO = (
    'Ultimate Multisite 2.14.2 on "example.net", WordPress in <site>/.\n'
    'Connected to Closte (API key from the file "<folder>/key").\n'
)
ADOPT = "Adopt this network? [y/n] "
ENABLE = "The Closte integration is disabled. Enable it? [y/n] "
SHIM = "Install the shim (a must-use plugin that triggers a sync when domains change)? [y/n] "
SYNC = "Apply this plan now? [y/n] "
USER = pwd.getpwuid(os.geteuid()).pw_name
CRON = f'a line in the crontab of "{USER}", which runs a sync every 5 minutes'
SCHEDULE = f"Schedule closte-bridge with {CRON}? [y/n] "
PASSWORD = "correct horse 'battery' $taple %d"


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    """Provide three mapped domains, one of them on Closte, and an unmanaged domain."""
    with three_mapped(multisite, tmp_path) as bridge:
        yield bridge


@pytest.mark.real
def test_setup_checks_the_state_folder_first(bridge: Bridge, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    bridge.write_config(state_dir=str(tmp_path / "file"))
    ran = bridge.run("setup", "--yes")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith('Error: The state folder "')
    assert bridge.multisite.network_option("closte_bridge_owner") is None


@pytest.mark.real
def test_setup_ends_in_a_running_system(bridge: Bridge) -> None:
    set_option(bridge.multisite, "wu_host_integrations_enabled", None)
    aborted = "Error: Aborted.\ncloste-bridge made no further changes. Run the command again to continue.\n"
    assert bridge.run_asked("n\n", "setup").golden == (1, HELLO + OFFER, ADOPT + aborted)
    assert bridge.multisite.network_option("closte_bridge_owner") is None
    assert not bridge.state.exists()
    declining(bridge)
    accepting(bridge)
    nothing_is_asked_twice(bridge)
    uninstalling(bridge)


def declining(bridge: Bridge) -> None:
    """Decline all that is optional; each step is offered again."""
    ran = bridge.run_asked("y\nn\nn\nn\n", "setup")
    later = (
        "Shim not installed; scheduled syncs pick up changes. To install it later, run `closte-bridge shim install`.\n"
    )
    line = crontab_line(bridge)
    none = "Not scheduled. Other ways, also for a container: docs/how-to/schedule-runs.md.\n"
    off = (
        "Warning: closte-bridge changes nothing on Closte: the Closte integration is disabled in Ultimate Multisite.\n"
        "Run `closte-bridge integration enable` to enable it.\n"
    )
    done = 'Success: Set up "example.net" (1 domain adopted).\n'
    disabled = "The integration stays disabled.\n"
    assert ran.golden == (
        0,
        HELLO + OFFER + disabled + PLAN + later + line + none + done,
        ADOPT + ENABLE + SHIM + SCHEDULE + off,
    )
    assert bridge.crontab == ""


def crontab_line(bridge: Bridge) -> str:
    """Return the line as setup shows it."""
    variables = {name: value for name, value in bridge.environment().items() if name.startswith("WP_CLI_")}
    kept = sorted((variables | {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/usr/local/bin:/bin"}).items())
    words = [f"{name}={value}" for name, value in kept if name != "WP_CLI_DISABLE_AUTO_CHECK_UPDATE"]
    words += [*bridge.argv("sync"), "--config=<folder>/config.yaml", "--network=default", "--quiet", ">/dev/null"]
    return bridge.normalised(" ".join(["*/5 * * * *", *words, ""]).rstrip() + "\n")


def accepting(bridge: Bridge) -> None:
    ran = bridge.run_asked("y\ny\ny\ny\n", "setup")
    assert (ran.code, ran.err) == (0, ENABLE + SHIM + SYNC + SCHEDULE)
    where = "<site>/wp-content/mu-plugins"
    shim = f"Installed the shim {__version__} in {where}. It starts a sync whenever a domain changes.\n"
    synced = "Added 2 of 2 domains.\n"
    end = f'Scheduled with {CRON}.\nSuccess: Set up "example.net".\n'
    assert ran.out == HELLO + "This network is already adopted.\n" + PLAN + shim + synced + crontab_line(bridge) + end
    assert (bridge.multisite.path / "wp-content/mu-plugins/closte-bridge-shim.php").exists()
    begin, line, last = bridge.crontab.splitlines()
    assert bridge.normalised(f"{line}\n") == crontab_line(bridge)
    assert begin.startswith("# BEGIN closte-bridge default (")
    assert last == "# END closte-bridge default"
    status = bridge.run("status")
    assert status.code == 0, status
    assert "Runs:      by cron or another scheduler, every 5 minutes\n" in status.out
    findings = {row["check"]: row["status"] for row in bridge.run("doctor", "--format=json").envelope["data"]}
    assert (findings["runner"], findings["owner"], findings["shim"]) == ("ok", "ok", "ok")


def nothing_is_asked_twice(bridge: Bridge) -> None:
    before = bridge.crontab
    bridge.changes()
    ran = bridge.run("setup")
    plan = ran.out.partition("already adopted.\n")[2].partition("The shim")[0]
    assert plan.startswith('Network "example.net": 0 to add, 0 to remove, 3 in sync')
    said = (
        f'The shim is installed.\nIn sync: nothing to change.\nScheduled with {CRON}.\nSuccess: Set up "example.net".\n'
    )
    assert ran.golden == (0, f"{HELLO}This network is already adopted.\n{plan}{said}", "")
    again = bridge.run("setup", "--yes", "--format=json", "--quiet")
    assert (again.code, again.envelope["warnings"]) == (0, [])
    assert (bridge.crontab, bridge.changes()) == (before, [])
    # A person's changes stay.
    table = bridge.schedulers / "table"
    table.write_text(before.replace("*/5", "*/7"))
    ran = bridge.run("setup", "--yes", "--format=json")
    assert (ran.code, ran.codes) == (0, ["schedule-changed"])
    assert "-*/7 * * * *" in ran.err
    assert bridge.crontab == before.replace("*/5", "*/7")
    bridge.write_config(api_url="http://127.0.0.1:9/api/client", rate_limit=1000)
    assert bridge.run("setup").code == 5


def uninstalling(bridge: Bridge) -> None:
    """What a person changed stays and is named; further runs find nothing more to do."""
    ran = bridge.run("uninstall", "--yes", "--format=json")
    assert (ran.code, ran.codes) == (1, ["schedule-changed"])
    assert ran.envelope["data"]["removed"] == ["the shim and its data from WordPress"]
    (bridge.schedulers / "table").write_text(bridge.crontab.replace("*/7", "*/5"))
    remain = (
        "These remain on this machine: the state folder <folder>/state, the key file <folder>/key, "
        "the config <folder>/config.yaml.\n"
        "Remove them with `closte-bridge uninstall --purge`, and the program as you installed it.\n"
        "Success: Removed closte-bridge from the network. All domains stay on Closte.\n"
    )
    shim = "Removed the shim and its data from WordPress.\n"
    question = "Remove the schedule, the shim and its data from this network, and give up ownership? [y/n] "
    assert bridge.run_asked("y\n", "uninstall").golden == (0, f"Removed {CRON}.\n{shim}{remain}", question)
    assert bridge.run("uninstall", "--yes").golden == (0, shim + remain, "")
    assert (bridge.crontab, all_that_is_ours(bridge.multisite)) == ("", [])
    # A person wrote this config.
    assert bridge.run("uninstall", "--purge", "--yes", "--format=json").envelope["data"] == {
        "removed": ["the shim and its data from WordPress", "the state folder <folder>/state"],
        "remaining": ["the key file <folder>/key", "the config <folder>/config.yaml"],
    }
    assert not bridge.state.exists()


# Over SSH


@contextmanager
def laptop(multisite: Multisite, parts: Parts, folder: Path, password: str) -> Iterator[tuple[Bridge, SshServer]]:
    """Provide a machine that knows neither the host nor the network; its config names only the sandbox of Closte."""
    with (
        short_folder() as short,
        ssh_server(short / "ssh", parts, password=password, restricted=True) as server,
        bridge_for(multisite, folder / "engine") as bridge,
    ):
        (server.folder / "ssh_config").write_text(
            f"UserKnownHostsFile {folder}/known_hosts\nGlobalKnownHostsFile none\n"
            + ("" if password else f"IdentityFile {server.folder}/user_key\nIdentitiesOnly yes\n")
        )
        options = ["-F", str(server.folder / "ssh_config")]
        write_script(server.bin_folder / "ssh", f'exec {shlex.join([find_program("ssh"), *options])} "$@"')
        multisite.enable_closte()
        multisite.add_mapping("shop.example.com", 1)
        (folder / "tmp").mkdir()
        bridge.env |= {"PATH": f"{server.bin_folder}:/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder / "tmp")}
        bridge.write_config(wp=None, state_dir=str(folder / "states"))
        yield bridge, server


def traces(bridge: Bridge, folder: Path) -> list[str]:
    """Return what a setup that stopped has left besides the host key."""
    config = yaml.safe_load(bridge.config.read_text())
    places = [*(folder / "tmp").iterdir(), *bridge.folder.glob("*ssh-password*"), *folder.glob("states")]
    return [*(str(place) for place in places), *(["networks"] if "networks" in config else []), *bridge.crontab]


@pytest.mark.ssh
@pytest.mark.skipif(os.geteuid() != 0, reason="a server that accepts passwords needs root")
def test_setup_over_ssh_with_a_password(multisite: Multisite, parts: Parts, tmp_path: Path) -> None:
    with laptop(multisite, parts, tmp_path, PASSWORD) as (bridge, server):
        argv = ("setup", f"--ssh={server.target(multisite.path)}")
        ran = bridge.run(*argv, "--yes", "--format=json")
        assert (ran.code, ran.codes, traces(bridge, tmp_path)) == (5, ["ssh-host-key"], [])
        trusting_stops(bridge, tmp_path, argv)
        interrupting(bridge, server, tmp_path, argv)
        setting_up(bridge, tmp_path, argv)
        running_again(bridge, argv)
        purging(bridge, server, tmp_path)


def trusting_stops(bridge: Bridge, folder: Path, argv: tuple[str, ...]) -> None:
    assert bridge.run_asked("n\n", *argv).code == 1
    assert not (folder / "known_hosts").exists()
    # No password; then, the password is not stored and the network not added, and the network is not adopted.
    for answers in ("y\n\n", f"{PASSWORD}\nn\nn\nn\n"):
        ran = bridge.run_asked(answers, *argv)
        assert (ran.code, traces(bridge, folder)) == (1, []), ran


def interrupting(bridge: Bridge, server: SshServer, folder: Path, argv: tuple[str, ...]) -> None:
    """Interrupt it at the last question before the network is adopted."""
    with Terminal(bridge, *argv) as terminal:
        terminal.answer(f"Password of {USER}@127.0.0.1:", "wrong")
        terminal.answer("refused the login", PASSWORD)
        terminal.answer("Store the password", "y")
        terminal.answer("Add this network to the config?", "y")
        terminal.wait_for("Adopt this network?")
        terminal.interrupt()
        assert terminal.ended() == 130
        assert PASSWORD not in terminal.text
        assert "wrong" not in terminal.text
    assert (traces(bridge, folder), server.connections()) == ([], [])
    assert bridge.multisite.network_option("closte_bridge_owner") is None


def setting_up(bridge: Bridge, folder: Path, argv: tuple[str, ...]) -> None:
    ran = bridge.run_asked(f"{PASSWORD}\n" + "y\n" * 6, *argv)
    assert ran.code == 0, ran
    assert PASSWORD not in ran.out + ran.err
    config = yaml.safe_load(bridge.config.read_text())
    assert config["networks"] == {
        "example-net": {"wp": {"ssh": argv[1].removeprefix("--ssh="), "ssh_password_file": "example-net.ssh-password"}}
    }
    file = bridge.folder / "example-net.ssh-password"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{PASSWORD}\n", 0o600)
    assert "shop.example.com" in bridge.aliases
    assert "sync --config=" in bridge.crontab
    assert list((folder / "tmp").iterdir()) == []
    assert [path.name for path in (folder / "states").iterdir()] == ["example-net"]


def running_again(bridge: Bridge, argv: tuple[str, ...]) -> None:
    before = bridge.config.read_text(), bridge.crontab
    for call in (("setup",), argv):
        ran = bridge.run(*call)
        assert (ran.code, ran.err) == (0, ""), ran
    assert (bridge.config.read_text(), bridge.crontab) == before
    assert bridge.run("status").code == 0
    found = {row["check"]: row["status"] for row in bridge.run("doctor", "--format=json").envelope["data"]}
    assert [name for name, status in found.items() if status == "error"] == []


def purging(bridge: Bridge, server: SshServer, folder: Path) -> None:
    """As long as WordPress is broken, what is needed to finish stays."""
    broken = bridge.multisite.path / "wp-config.php"
    broken.rename(f"{broken}.away")
    ran = bridge.run("uninstall", "--purge", "--yes", "--format=json")
    broken.with_name("wp-config.php.away").rename(broken)
    assert (ran.code, ran.codes[-1], ran.envelope["data"]["removed"]) == (5, "shim-not-removed", [CRON])
    assert (folder / "states/example-net/ledger.sqlite3").exists()
    assert bridge.run_asked("y\n" * 4, "uninstall", "--purge").code == 0
    # The config names the folder of all state folders.
    (folder / "states").rmdir()
    assert (traces(bridge, folder), server.connections()) == ([], [])
    assert all_that_is_ours(bridge.multisite) == []
