"""Test of a host without systemd and other common packages, such as a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ansible.seen import (
    canaries,
    files_of,
    foretold_wrong,
    left_behind,
    network_options,
    options_changed,
    packages_of,
    secrets_are_kept,
    succeeded,
)
from tests.support.parts import REPOSITORY
from tests.support.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.ansible.fleet import Fleet, Host

pytestmark = pytest.mark.real

# Packages that the role installs if they are missing; Ansible's own module needs the last one.
PACKAGES = ("python3-venv", "python3-packaging", "cron", "logrotate", "python3-apt")
CHECKOUT = "/tmp/checkout"
LOG = "/var/log/closte-bridge/shop.log"


def test_a_host_without_systemd_is_provisioned(
    new_fleet: Callable[..., AbstractContextManager[Fleet]],
) -> None:
    with new_fleet({"box1": ["shop"]}, systemd=False) as fleet:
        (box,) = fleet.hosts
        # Mitogen keeps its Python, which does not find the modules of a package that was just installed.
        fleet.fast = False
        take_packages_away(box)
        packages = packages_of(box)
        before, network_before = box.machine.files(), network_options(box.shop)
        copy = ("closte_bridge", "php-shim", "pyproject.toml", "README.md", "LICENSE")
        box.machine.run("mkdir", CHECKOUT)
        box.machine.run("cp", "-a", *(str(REPOSITORY / name) for name in copy), CHECKOUT)
        checkout = {"closte_bridge_wheel": None, "closte_bridge_path": CHECKOUT, "closte_bridge_interval": 60}
        fleet.write_inventory(**checkout)
        foretold = succeeded(fleet.play("provision", "--check", "--diff", "-vvv"))
        assert left_behind(box, before) == {}
        done = succeeded(fleet.play("provision", "--diff", "-vvv"))
        assert foretold_wrong(foretold, done) == {}
        assert canaries(fleet, foretold.text + done.text) == []
        secrets_are_kept(box, {box.shop.key: "shop"})

        # The shim starts closte-bridge; cron's entry finds the changes that the shim does not notice.
        box.machine.run("sh", "-c", "pgrep -x cron || cron")
        box.shop.multisite.add_mapping("first.example.org", 1)
        box.shop.expect("first.example.org")
        map_behind_its_back(box, "second.example.org")
        # The code of the checkout changes, but its version does not.
        box.machine.run("tee", "-a", f"{CHECKOUT}/closte_bridge/__init__.py", stdin="NEW_HERE = True\n")
        again = succeeded(fleet.play("provision", "--diff"))
        steps = ("Install closte-bridge into its virtual environment", "Record the installed source")
        assert again.changed == [f"box1: closte_bridge.ops.closte_bridge : {step}" for step in steps]
        box.machine.run("/opt/closte-bridge/venv/bin/python", "-c", "from closte_bridge import NEW_HERE")
        plan = fleet.play("plan", closte_bridge_report_dir=str(fleet.folder))
        assert "No networks are broken." in plan.text
        assert (fleet.folder / "closte-bridge-plan.html").read_text().count("<svg") == 2
        wait_until(lambda: "second.example.org" in box.shop.aliases)
        logs_are_rotated(box)

        # The new packages may have replaced other packages with another version.
        new = {name for name, version in packages_of(box).items() if packages.get(name) != version}
        assert set(PACKAGES) <= new
        of_packages = files_of(box, new)
        succeeded(fleet.play("remove"))
        assert left_behind(box, before, of_packages) == {}
        assert options_changed(box.shop, network_before) == {}


def take_packages_away(box: Host) -> None:
    """Remove the packages that Debian's smallest system does not have."""
    venv = "python3.*-venv"
    shown = box.machine.run(
        "dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *PACKAGES, venv, check=False
    )
    there = [line.split()[0] for line in shown.stdout.splitlines() if line.endswith(" installed")]
    assert "python3-venv" in there
    box.machine.run("apt-get", "purge", "-q", "-y", *there)
    assert box.machine.run("python3", "-c", "import ensurepip", check=False).returncode != 0


def map_behind_its_back(box: Host, domain: str) -> None:
    """Add a mapping without any WordPress hook."""
    fields = f"'domain' => '{domain}', 'blog_id' => 1, 'active' => 1, 'stage' => 'checking-dns'"
    times = "'date_created' => gmdate('Y-m-d H:i:s'), 'date_modified' => gmdate('Y-m-d H:i:s')"
    table = "$GLOBALS['wpdb']->base_prefix . 'wu_domain_mappings'"
    box.shop.multisite.php(f"$GLOBALS['wpdb']->insert({table}, [{fields}, {times}]);")


def logs_are_rotated(box: Host) -> None:
    """logrotate moves the output of cron's entry to another file, and the entry can continue to write."""
    box.machine.run("tee", "-a", LOG, stdin="something went wrong\n")
    state = box.machine.run("stat", "-c", "%a %U", LOG).stdout
    box.machine.run("logrotate", "--force", "--state=/tmp/logrotate", "/etc/logrotate.d/closte-bridge")
    assert "something went wrong\n" in box.machine.run("cat", f"{LOG}.1").stdout
    assert box.machine.run("cat", LOG).stdout == ""
    assert box.machine.run("stat", "-c", "%a %U", LOG).stdout == state == f"640 {box.shop.owner}\n"
