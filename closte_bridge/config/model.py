"""The settings of each network as plain values. The defaults here are the defaults of the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT_NETWORK = "default"

ALIAS = r"@[A-Za-z0-9_.-]+"
"""How an alias of WP-CLI is spelt."""


class Resolver(NamedTuple):
    """A recursive DNS server: its IP address (IPv6 without brackets) and its UDP and TCP port."""

    address: str
    port: int = 53

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return host if self.port == 53 else f"{host}:{self.port}"  # noqa: PLR2004 - the port of DNS


@dataclass(frozen=True, slots=True, kw_only=True)
class WpSettings:
    """How `wp` is called.

    `command` is an argv prefix. `path` is absolute when WordPress is on this machine, and as written when
    `ssh` or `alias` lead to another one. `alias` has its leading `@`. `skip_plugins` is True for all plugins,
    or the names of some. `timeout` is in seconds, for one call.
    """

    command: tuple[str, ...] = ("wp",)
    path: str | None = None
    url: str | None = None
    ssh: str | None = None
    alias: str | None = None
    allow_root: bool = False
    skip_plugins: bool | tuple[str, ...] = False
    timeout: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings:
    """How DNS is asked. `timeout` is in seconds for one question; `targets` holds IP addresses and names."""

    resolvers: tuple[Resolver, ...] = (Resolver("1.1.1.1"), Resolver("8.8.8.8"))
    timeout: float = 3.0
    concurrency: int = 50
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """How certificates are checked. `ca_file` replaces the system's roots; `timeout` is in seconds."""

    port: int = 443
    ca_file: Path | None = None
    timeout: float = 10.0
    concurrency: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one network. Times are in seconds, `rate_limit` in requests per second.

    `source` is the file they came from, or None for the defaults. `environments` holds the values of
    `WP_ENVIRONMENT_TYPE` in which changes are allowed. `on_problem` is the argv of a command to run when
    something needs attention. Names of domains are normalised.
    """

    state_dir: Path
    name: str = DEFAULT_NETWORK
    source: Path | None = None
    api_url: str = "https://app.closte.com/api/client"
    api_key_file: Path | None = None
    wp: WpSettings = field(default_factory=WpSettings)
    checks: bool = True
    wildcard: bool = False
    wildcards: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    removal_delay: float = 300.0
    removal_grace: float = 86_400.0
    certificate_budget: int = 40
    concurrency: int = 4
    rate_limit: float = 10.0
    environments: tuple[str, ...] = ("production",)
    dns: DnsSettings = field(default_factory=DnsSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    metrics_file: Path | None = None
    on_problem: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The networks by name, in the order of the file.

    `origins` says for each network where the value of a dotted key (`wp.path`) came from, in words;
    a key that is not there has its default.
    """

    source: Path | None
    networks: Mapping[str, Settings]
    origins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
