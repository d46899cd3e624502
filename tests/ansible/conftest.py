"""Fixtures: fleets of small machines with WordPress networks, whose applications are on sandboxes of Closte."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from closte_bridge.secret import Secret
from tests.ansible.fleet import Fleet, Host, Network, build_wheel, move_in
from tests.ansible.machine import machine, make_keys
from tests.support.folders import short_folder
from tests.support.sandbox.server import Sandbox
from tests.support.servers import server_or_fail
from tests.support.wordpress import MAIN_DOMAIN, copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.wordpress import Multisite


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of closte-bridge."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def new_fleet(multisite_template: Multisite, wheel: Path) -> Callable[..., AbstractContextManager[Fleet]]:
    """A function that makes fleets of machines without closte-bridge, from the names of hosts and their networks."""

    @contextmanager
    def make(hosts: dict[str, list[str]], *, systemd: bool = True) -> Iterator[Fleet]:
        with short_folder() as folder, ExitStack() as stack:
            key = make_keys(folder / "keys")
            made = []
            for name, networks in hosts.items():
                place = folder / f"machine-{name}"
                booted = stack.enter_context(server_or_fail(machine(name, place, key, systemd=systemd)))
                made.append(Host(name, booted, []))
                for network in networks:
                    canary = f"canary-key-of-{network}-on-{name}-9f3b71c2"
                    path = folder / f"{name}-{network}"
                    site = copy_multisite(multisite_template, path, sqlite_database(path))
                    owner, inside = move_in(booted, site, network, folder)
                    sandbox = stack.enter_context(Sandbox(MAIN_DOMAIN, key=Secret(canary)))
                    made[-1].networks.append(Network(network, owner, inside, sandbox, canary))
            (folder / "fleet").mkdir()
            yield Fleet(folder / "fleet", key, made, wheel)

    return make


@pytest.fixture(scope="module")
def fleet(new_fleet: Callable[..., AbstractContextManager[Fleet]]) -> Iterator[Fleet]:
    """Two machines. The second has an additional network that is only reachable by a login with a password."""
    with new_fleet({"web1": ["shop"], "web2": ["shop", "club"]}) as fleet:
        yield fleet
