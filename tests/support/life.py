"""The environment of a domain's life: DNS that changes, TLS servers that get certificates, and a clock that tests set.

All names are under example.org, example.com and example.net, which only the servers on loopback serve here.
"""

from __future__ import annotations

import io
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import closte_bridge.cli.networks
from closte_bridge.checks.dns import NetworkBoundary
from closte_bridge.checks.wire import Endpoint
from closte_bridge.cli import main
from closte_bridge.cli.console import Console
from closte_bridge.config.load import load_config
from closte_bridge.engine.clock import Clock
from closte_bridge.engine.engine import Engine
from closte_bridge.engine.run import RunReport, RunRequest, sync
from tests.support.answers import EMPTY_PAGE, serve_requests, served_by_php
from tests.support.dns_world import UNBOUND, program, running
from tests.support.ports import free_port_on
from tests.support.running import wp_settings
from tests.support.tls_world import TlsWorld, tls_world

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pytest

    from tests.support.bridge import Bridge, Ran
    from tests.support.databases import Row

AUTHORITY, RESOLVER = "127.0.54.1", "127.0.54.11"
# The network's address, and the address of a customer's old host.
HERE, STRANGER = "127.0.10.1", "127.0.10.3"
HOUR = 3600.0
ZONES = ("example.net", "example.org", "example.com")
_NAMESERVER = "ns1.example.net."
_CDN_NAMESERVER = "ada.ns.cloudflare.com."


@dataclass
class Names:
    """An authoritative Knot with zones that tests can change, and an Unbound without a cache.

    `behind_cdn` contains zones with a CDN's nameservers; `nameserver` is the nameserver of the network's own zone.
    """

    port: int
    folder: Path
    records: dict[str, str] = field(default_factory=dict)
    nameserver: str = _NAMESERVER
    behind_cdn: set[str] = field(default_factory=set)
    _serial: int = 1

    def reset(self) -> None:
        """Remove all names except the network's own."""
        self.records = {}
        self.nameserver = _NAMESERVER
        self.behind_cdn = set()
        self.point(**{"example.net": HERE})

    def point(self, **addresses: str | None) -> None:
        """Set the addresses of names, or remove a name with None; later queries get the new addresses."""
        for name, address in addresses.items():
            self.records.pop(name, None)
            if address is not None:
                self.records[name] = address
        self._serial += 1
        self.write()
        path, environment = program("knotc")
        argv = [path, "-c", str(self.folder / "knot.conf"), "-b", "zone-reload"]
        subprocess.run(argv, check=True, capture_output=True, env=environment)

    def write(self) -> None:
        """Write the zone files."""
        for zone in ZONES:
            lines = [f"$ORIGIN {zone}.", "$TTL 1", f"@ SOA {_NAMESERVER} root.{zone}. {self._serial} 3600 600 86400 1"]
            nameserver = self.nameserver if zone == "example.net" else _NAMESERVER
            lines.append(f"@ NS {_CDN_NAMESERVER if zone in self.behind_cdn else nameserver}")
            if zone == "example.net":
                lines.append(f"ns1 A {AUTHORITY}")
            lines += [f"{n}. A {a}" for n, a in self.records.items() if n == zone or n.endswith(f".{zone}")]
            (self.folder / zone).write_text("\n".join(lines) + "\n")

    @property
    def resolver(self) -> str:
        """The resolver in the format of the config."""
        return f"{RESOLVER}:{self.port}"

    @property
    def edges(self) -> NetworkBoundary:
        """The boundary of the checks: all servers are on loopback."""
        return NetworkBoundary(
            authority=lambda address: Endpoint(address, self.port), public=lambda a: a.startswith("127.")
        )


@contextmanager
def changing_names(folder: Path) -> Iterator[Names]:
    """Run both servers with their files in the new folder `folder`, whose path must be short."""
    folder.mkdir()
    names = Names(free_port_on(AUTHORITY, RESOLVER), folder)
    names.records = {"example.net": HERE}
    names.write()
    lines = [f"server:\n  rundir: {folder}\n  listen: {AUTHORITY}@{names.port}\n  udp-workers: 1\n  tcp-workers: 1"]
    lines.append("  background-workers: 1\nlog:\n  - target: stderr\n    any: warning")
    lines.append(f"control:\n  listen: {folder}/k.sock\ndatabase:\n  storage: {folder}")
    lines.append("  journal-db-max-size: 16M\n  kasp-db-max-size: 16M\n  timer-db-max-size: 16M\nzone:")
    for zone in ZONES:
        lines.append(f"  - domain: {zone}\n    storage: {folder}\n    file: {zone}\n    journal-content: none")
    (folder / "knot.conf").write_text("\n".join(lines) + "\n")
    resolver = folder / "unbound"
    resolver.mkdir()
    config = UNBOUND.format(address=RESOLVER, port=names.port, folder=resolver)
    config += "  cache-max-ttl: 0\n  cache-max-negative-ttl: 0\n"
    for zone in (*ZONES, "."):
        config += f'stub-zone:\n  name: "{zone}"\n  stub-addr: {AUTHORITY}@{names.port}\n'
    (resolver / "unbound.conf").write_text(config)
    with ExitStack() as stack:
        argv = ["knotd", "-c", str(folder / "knot.conf")]
        stack.enter_context(running(argv, folder, AUTHORITY, names.port, ZONES[0]))
        argv = ["unbound", "-c", str(resolver / "unbound.conf")]
        stack.enter_context(running(argv, resolver, RESOLVER, names.port, ZONES[0]))
        yield names


class Certificates:
    """The network's server and its certificates: one for each name that got one, else the host's default.

    `answer` returns the answer to a request.
    """

    def __init__(self, world: TlsWorld, address: str = HERE) -> None:
        self._world = world
        self._own: dict[str, ssl.SSLContext] = {}
        default = world.issue("default.host.example")

        def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name in self._own:
                connection.context = self._own[name]

        default.sni_callback = choose

        self.answer: Callable[[bytes], bytes] = lambda _: EMPTY_PAGE

        def talk(connection: socket.socket) -> None:
            with default.wrap_socket(connection, server_side=True) as tls:
                serve_requests(tls, self.answer)

        world.listen(address, talk)

    def elsewhere(self, address: str) -> Certificates:
        """Return the certificates of another server, issued by the same authority."""
        return Certificates(self._world, address)

    def listen(self, address: str, talk: Callable[[socket.socket], None]) -> None:
        """Call `talk` for each connection to another address."""
        self._world.listen(address, talk)

    def issue(self, *names: str, **validity: Any) -> None:  # noqa: ANN401 - as in `TlsWorld.issue`
        """Issue a certificate for each of the names."""
        for name in names:
            self._own[name] = self._world.issue(name, **validity)

    def withdraw(self, *names: str) -> None:
        """Remove the certificates of the names."""
        for name in names:
            del self._own[name]


@dataclass
class Life:
    """A network, the installation that owns it, and the environment of its domains.

    The test moves both clocks forward by `later` seconds, and the wall clock alone by `jump` seconds.
    """

    bridge: Bridge
    names: Names
    certificates: Certificates
    patch: pytest.MonkeyPatch
    later: float = 0.0
    jump: float = 0.0

    @property
    def clock(self) -> Clock:
        """The real clock, moved by `later` and `jump`."""
        return Clock(
            now=lambda: time.time() + self.later + self.jump,
            steady=lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + self.later,
        )

    def engine(self) -> Engine:
        """Return an engine that checks this environment at its own time."""
        environ = {"CLOSTE_BRIDGE_CONFIG": str(self.bridge.config), "HOME": str(self.bridge.folder)}
        (settings,) = load_config(None, environ).networks.values()
        return Engine(settings, environ, self.clock, edges=self.names.edges)

    def sync(self, *, after: float = 0.0, **request: Any) -> RunReport:  # noqa: ANN401 - as in `RunRequest`
        """Sync once, `after` seconds later."""
        self.later += after
        return sync(self.engine(), RunRequest(**request), command="test")

    @contextmanager
    def website(self) -> Iterator[None]:
        """Let WordPress answer all requests during the body."""
        with served_by_php(self.bridge.multisite) as answer:
            self.certificates.answer = answer
            yield
            self.certificates.answer = lambda _: EMPTY_PAGE

    def run(self, *argv: str, answer: str = "") -> Ran:
        """Run the program in this process and this environment; `answer` is typed at a terminal."""
        out, err = io.StringIO(), io.StringIO()
        environ = {"CLOSTE_BRIDGE_CONFIG": str(self.bridge.config), "HOME": str(self.bridge.folder)}

        def engine(settings: Any, given: Mapping[str, str], **more: Any) -> Engine:  # noqa: ANN401 - as in `Engine`
            return Engine(settings, given, self.clock, edges=self.names.edges, **more)

        with self.patch.context() as patch:
            patch.setattr(closte_bridge.cli.networks, "Engine", engine)
            console = Console(_Terminal(answer) if answer else io.StringIO(), out, err)
            code = main.run(argv, environ=environ, console=console)
        return self.bridge.ran(code, out.getvalue(), err.getvalue())

    def mapping(self, domain: str) -> Row:
        """Return the row of a mapping."""
        (row,) = [row for row in self.bridge.multisite.mappings() if row["domain"] == domain]
        return row

    def stage(self, domain: str) -> tuple[str, bool]:
        """Return a mapping's stage, and whether it is secure."""
        row = self.mapping(domain)
        return str(row["stage"]), str(row["secure"]) == "1"

    def primaries(self) -> set[str]:
        """Return the primary domains of all sites."""
        return {str(r["domain"]) for r in self.bridge.multisite.mappings() if str(r["primary_domain"]) == "1"}

    def write(self, domain: str, **columns: str | int) -> None:
        """Change the row of a mapping without any hook."""
        text = ", ".join(f"{name} = '{value}'" for name, value in columns.items())
        self.bridge.multisite.sql(f"UPDATE wp_wu_domain_mappings SET {text} WHERE domain = '{domain}'")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def life(bridge: Bridge, names: Names, folder: Path) -> Iterator[Life]:
    """Provide the environment for `bridge`, whose checks use only its servers."""
    import pytest  # noqa: PLC0415 - measured code imports this module, too

    names.reset()
    with tls_world(folder / "tls") as world:
        bridge.settings["wp"]["command"] = [*wp_settings(bridge.multisite).command]
        bridge.write_config(
            checks=True,
            dns={"resolvers": [names.resolver], "timeout": 5},
            tls={"port": world.port, "ca_file": str(world.ca_file), "timeout": 10},
        )
        yield Life(bridge, names, Certificates(world), pytest.MonkeyPatch())
