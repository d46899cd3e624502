"""A small DNS on loopback for tests.

Two authoritative Knot servers, an Unbound for the zones that Knot refuses, a server that never answers, and two
validating Unbound resolvers. All of them listen on the same port, on addresses 127.0.53.x.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dns.exception
import dns.message
import dns.query
import dns.rcode

from closte_bridge.checks.dns import NetworkBoundary
from closte_bridge.checks.wire import Endpoint
from closte_bridge.config.model import DnsSettings, Resolver
from tests.support.parts import REPOSITORY, MissingPartError, find_program
from tests.support.ports import free_port_on
from tests.support.zones import SIGNED, WITH_APEX_CNAME, ZONES, hosted_by

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KNOTS = ("127.0.53.1", "127.0.53.2")
LAX, SILENT = "127.0.53.3", "127.0.53.4"
RESOLVERS = ("127.0.53.11", "127.0.53.12")
START_SECONDS = 60
_UNPACKED = REPOSITORY / ".cache" / "dns"


@dataclass(frozen=True)
class DnsWorld:
    """A running DNS world. All of its servers use `port`."""

    port: int

    def settings(self, *, timeout: float = 3.0, concurrency: int = 50, targets: tuple[str, ...] = ()) -> DnsSettings:
        """Return settings with the two resolvers."""
        resolvers = tuple(Resolver(address, self.port) for address in RESOLVERS)
        return DnsSettings(resolvers=resolvers, timeout=timeout, concurrency=concurrency, targets=targets)

    @property
    def edges(self) -> NetworkBoundary:
        """The boundary of the checks: authoritative servers are on loopback, and no packet leaves loopback."""
        return NetworkBoundary(
            authority=lambda address: Endpoint(address, self.port), public=lambda address: address.startswith("127.")
        )


def program(name: str) -> tuple[str, dict[str, str]]:
    """Return a program's path and environment: the installed program, or the one that `script/setup` has unpacked.

    Raises `MissingPartError` if it is missing.
    """
    environment = dict(os.environ)
    try:
        return find_program(name), environment
    except MissingPartError:
        libraries = [str(folder) for folder in _UNPACKED.glob("usr/lib/*-linux-*")]
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
        for folder in ("usr/sbin", "usr/bin"):
            if (path := _UNPACKED / folder / name).is_file():
                return str(path), environment
        raise


@contextmanager
def dns_world(folder: Path) -> Iterator[DnsWorld]:
    """Run the DNS world with its files in the new folder `folder`; stop it after the body."""
    folder.mkdir(parents=True)
    port = free_port_on(*KNOTS, LAX, SILENT, *RESOLVERS)
    with ExitStack() as stack:
        silent = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        silent.bind((SILENT, port))
        for address in KNOTS:
            stack.enter_context(_knot(folder / address, address, port))
        stack.enter_context(_lax(folder / LAX, port))
        anchors = _anchors(folder / KNOTS[0])
        for address in RESOLVERS:
            stack.enter_context(_resolver(folder / address, address, port, anchors))
        yield DnsWorld(port)


@contextmanager
def running(argv: list[str], folder: Path, address: str, port: int, asked: str) -> Iterator[None]:
    """Run a server during the body; it is ready once it answers a query for `asked`."""
    log = folder / "log"
    path, environment = program(argv[0])
    with log.open("wb") as output:
        server = subprocess.Popen([path, *argv[1:]], stdout=output, stderr=output, env=environment)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(address, port, asked):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{argv[0]} did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait()


def _answers(address: str, port: int, asked: str) -> bool:
    try:
        reply = dns.query.udp(dns.message.make_query(asked, "SOA"), address, timeout=0.3, port=port)
    except (dns.exception.DNSException, OSError):
        return False
    return reply.rcode() == dns.rcode.NOERROR and bool(reply.answer)


@contextmanager
def _knot(folder: Path, address: str, port: int) -> Iterator[None]:
    folder.mkdir()
    zones = hosted_by(address)
    lines = [f"server:\n  rundir: {folder}\n  listen: {address}@{port}\n  udp-workers: 1\n  tcp-workers: 1"]
    lines.append("  background-workers: 1\nlog:\n  - target: stderr\n    any: warning")
    lines.append(f"database:\n  storage: {folder}")
    # The journal's default of 1 GiB per zone may exceed the address space of a small machine.
    lines.append("  journal-db-max-size: 16M\n  kasp-db-max-size: 16M\n  timer-db-max-size: 16M")
    lines.append("policy:\n  - id: auto\n    single-type-signing: on\nzone:")
    for name, text in zones.items():
        (folder / name).write_text(text)
        signing = "\n    dnssec-signing: on\n    dnssec-policy: auto" if name in SIGNED else ""
        lines.append(f"  - domain: {name}\n    storage: {folder}\n    file: {name}\n    journal-content: none{signing}")
    (folder / "knot.conf").write_text("\n".join(lines) + "\n")
    argv = ["knotd", "-c", str(folder / "knot.conf")]
    with running(argv, folder, address, port, next(iter(zones))):
        deadline = time.monotonic() + START_SECONDS
        while not all(_answers(address, port, name) for name in zones):
            assert time.monotonic() < deadline, (folder / "log").read_text(errors="replace")
            time.sleep(0.05)
        yield


def _anchors(folder: Path) -> list[str]:
    """Return the trust anchors of the signed zones; that of `broken.test` matches no key, like a stale DS record."""
    path, environment = program("keymgr")
    anchors = []
    for name in SIGNED:
        argv = [path, "-c", str(folder / "knot.conf"), name, "ds"]
        lines = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment).stdout.splitlines()
        owner, kind, tag, algorithm, digest_type, digest = next(line.split() for line in lines if " 2 " in line)
        if name == "broken.test":
            digest = digest.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))
        anchors.append(f'  trust-anchor: "{owner} {kind} {tag} {algorithm} {digest_type} {digest}"')
    return anchors


UNBOUND = """server:
  interface: {address}
  port: {port}
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  do-not-query-localhost: no
  local-zone: "test." nodefault
  access-control: 127.0.0.0/8 allow
  do-ip6: no
"""


@contextmanager
def _lax(folder: Path, port: int) -> Iterator[None]:
    """Run Unbound as an authoritative server; like some providers, it serves a CNAME at the apex of a zone."""
    folder.mkdir()
    (folder / "zone").write_text(ZONES[WITH_APEX_CNAME])
    zone = f'auth-zone:\n  name: "{WITH_APEX_CNAME}"\n  zonefile: "zone"\n  for-downstream: yes\n  for-upstream: no\n'
    config = UNBOUND.format(address=LAX, port=port, folder=folder) + zone
    (folder / "unbound.conf").write_text(config)
    argv = ["unbound", "-c", str(folder / "unbound.conf")]
    with running(argv, folder, LAX, port, WITH_APEX_CNAME):
        yield


@contextmanager
def _resolver(folder: Path, address: str, port: int, anchors: list[str]) -> Iterator[None]:
    folder.mkdir()
    lines = [UNBOUND.format(address=address, port=port, folder=folder), *anchors]
    # Only the anchors above are validated, and only servers of this world are asked.
    lines.append("  outbound-msg-retry: 2")
    if address == RESOLVERS[1]:
        # A record that a resolver cached before the change, until its TTL ends.
        lines.append('  local-data: "stale.shop.test. 3000 A 203.0.113.9"')
    servers = {"lame.test": KNOTS[1], "silent.test": SILENT, WITH_APEX_CNAME: LAX, ".": KNOTS[0]}
    for name in [*ZONES, "lame.test", "silent.test", "."]:
        server = servers.get(name, KNOTS[0])
        lines.append(f'stub-zone:\n  name: "{name}"\n  stub-addr: {server}@{port}')
    (folder / "unbound.conf").write_text("\n".join(lines) + "\n")
    argv = ["unbound", "-c", str(folder / "unbound.conf")]
    with running(argv, folder, address, port, "test"):
        yield
