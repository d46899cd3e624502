"""The oldest Ansible that the collection is for, on a host without systemd, as containers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.ansible.fleet import COLLECTION, Fleet, ansible_version, oldest_tool
from tests.ansible.seen import (
    canaries,
    foretold_wrong,
    left_behind,
    network_options,
    run_cron,
    secrets_are_kept,
    succeeded,
)
from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

pytestmark = pytest.mark.real


def test_the_oldest_ansible_provisions_a_host_without_systemd(
    new_fleet: Callable[..., AbstractContextManager[Fleet]],
) -> None:
    with new_fleet({"box1": ["shop"]}, systemd=False) as fleet:
        fleet.program = oldest_tool("ansible-playbook")
        oldest = yaml.safe_load((COLLECTION / "meta" / "runtime.yml").read_text())["requires_ansible"]
        assert oldest == f">={ansible_version(fleet.program)}.0"
        (box,) = fleet.hosts
        before, network_before = box.machine.files(), network_options(box.shop)
        # The base system has neither cron nor logrotate, and their daemons would have nothing to do here.
        checkout = {"closte_bridge_wheel": None, "closte_bridge_path": str(REPOSITORY)}
        fleet.write_inventory(closte_bridge_manage_packages=False, **checkout)
        foretold = succeeded(fleet.play("provision", "--check", "--diff", "-vvv"))
        assert left_behind(box, before) == {}
        done = succeeded(fleet.play("provision", "--diff", "-vvv"))
        assert foretold_wrong(foretold, done) == {}
        assert canaries(fleet, foretold.text + done.text) == []
        secrets_are_kept(box, {box.shop.key: "shop"})
        assert succeeded(fleet.play("provision", "--diff")).changed == []

        # The shim starts the engine; what it cannot, cron's entry does.
        box.shop.multisite.add_mapping("first.example.org", 1)
        box.shop.expect("first.example.org")
        run_cron(box)
        plan = fleet.play("plan", closte_bridge_report_dir=str(fleet.folder))
        assert "Nothing is broken." in plan.text
        assert (fleet.folder / "closte-bridge-plan.html").read_text().count("<svg") == 2

        succeeded(fleet.play("remove"))
        assert left_behind(box, before) == {}
        assert network_options(box.shop) == network_before
