"""A fleet of two machines, each with a WordPress network and an application at a stand-in of Closte."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from closte_bridge.sandbox.server import Sandbox
from closte_bridge.secret import Secret
from tests.ansible.fleet import Fleet, Host, build_wheel, move_in
from tests.ansible.machine import machine, make_keys
from tests.conftest import server_or_fail, short_folder
from tests.support.wordpress import MAIN_DOMAIN, copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

CANARIES = {"web1": "canary-key-of-the-first-host-9f3b71c2", "web2": "canary-key-of-the-second-host-55aa20de"}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine as a wheel."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def fleet(multisite_template: Multisite, wheel: Path) -> Iterator[Fleet]:
    """Two machines that know nothing of the bridge yet."""
    with short_folder() as folder, ExitStack() as stack:
        key = make_keys(folder / "keys")
        hosts = []
        for name, canary in CANARIES.items():
            site = copy_multisite(multisite_template, folder / name, sqlite_database(folder / name))
            booted = stack.enter_context(server_or_fail(machine(name, folder / f"machine-{name}", key)))
            inside = move_in(booted, site, folder)
            sandbox = stack.enter_context(Sandbox(MAIN_DOMAIN, key=Secret(canary)))
            hosts.append(Host(name, booted, inside, sandbox, canary))
        (folder / "fleet").mkdir()
        yield Fleet(folder / "fleet", key, hosts, wheel)
