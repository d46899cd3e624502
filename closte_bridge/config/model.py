"""The settings of each network. Every key of the config file is declared here, and only here.

Validation, defaults, paths, `config show` and the reference follow from these declarations.
"""

# ruff: noqa: RUF009 - `_key` returns a field.

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar

from closte_bridge.config.ssh_target import is_container, ssh_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from closte_bridge.config.ssh_target import SshTarget
    from closte_bridge.secret import Secret

T = TypeVar("T")

DEFAULT_NETWORK = "default"

ALIAS = r"@[A-Za-z0-9_.-]+"
"""The pattern of a WP-CLI alias."""

Kind: TypeAlias = Literal[
    "address and port", "API URL", "argument", "boolean", "domain", "duration", "duration or off", "environment",
    "file", "integer", "IP address or domain", "notification URL", "number", "path", "resolver", "site URL",
    "SSH target", "web URL",
    "wildcard", "WP-CLI alias",
]  # fmt: skip
"""The kind of a value, or of each item of a list."""


class Key(NamedTuple):
    """A key of the config file. It may stand at the top level and in each network.

    `name` is dotted if the key belongs to a section: `wp.path`. A `default` of None makes null valid, a tuple makes
    the value a list. `unit` and `bounds` belong to numbers.
    """

    name: str
    kind: Kind
    default: object
    help: str
    unit: str
    bounds: tuple[float, float]


def _about(kind: Kind, text: str, unit: str = "", bounds: tuple[float, float] = (0, 0)) -> dict[str, Any]:
    return {"kind": kind, "help": text, "unit": unit, "bounds": bounds}


def _key(kind: Kind, default: T, text: str, *, unit: str = "", bounds: tuple[float, float] = (0, 0)) -> T:
    """Declare a key of the config file as a field of a dataclass."""
    return field(default=default, metadata=_about(kind, text, unit, bounds))


class Resolver(NamedTuple):
    """A recursive DNS server: its IP address (IPv6 without brackets) and its UDP and TCP port."""

    address: str
    port: int = 53

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return host if self.port == 53 else f"{host}:{self.port}"  # noqa: PLR2004 - the port of DNS


class Endpoint(NamedTuple):
    """An IP address (IPv6 without brackets) and a TCP port."""

    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WpSettings:
    """How to call `wp`.

    `path` is absolute if WordPress is on this machine, and as written if `ssh` or `alias` point to another machine.
    `timeout` is in seconds. `state_dir` is the network's state folder, where an SSH connection is shared, or None.
    """

    command: tuple[str, ...] = _key(
        "argument", ("wp",), "Command that starts WP-CLI where WordPress is: `[php, /opt/wp-cli.phar]`."
    )
    path: str | None = _key("path", None, "Folder of WordPress.")
    url: str | None = _key("site URL", None, "URL of a site in the network.")
    ssh: str | None = _key("SSH target", None, "`user@host:port/path` of WordPress on another machine.")
    ssh_password_file: Path | None = _key(
        "file", None, "File with only the SSH password, inaccessible to other users. Default: log in with a key."
    )
    alias: str | None = _key("WP-CLI alias", None, "WP-CLI alias of one network: `@prod`.")
    allow_root: bool = _key("boolean", False, "Let WP-CLI run as root.")
    timeout: float = _key("duration", 120.0, "Time limit of one `wp` call.")
    state_dir: Path | None = field(default=None, compare=False, repr=False)

    @property
    def is_remote(self) -> bool:
        """Whether WordPress may be on another machine."""
        return bool(self.ssh or self.alias)

    @property
    def target(self) -> SshTarget | None:
        """The SSH target, or None if WordPress is on this machine or WP-CLI connects to it (an alias, a container)."""
        return ssh_target(self.ssh) if self.ssh and not self.alias and not is_container(self.ssh) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings:
    """How to query DNS. `timeout` is in seconds; `targets` holds IP addresses and domains."""

    resolvers: tuple[Resolver, ...] = _key(
        "resolver",
        (Resolver("1.1.1.1"), Resolver("8.8.8.8")),
        "Recursive resolvers, in addition to the authoritative nameservers: `8.8.8.8:53`, `[2001:db8::1]:53`.",
    )
    timeout: float = _key("duration", 3.0, "Time limit of one query, which is sent once.")
    concurrency: int = _key("integer", 50, "DNS servers queried in parallel.", bounds=(1, 1000))
    targets: tuple[str, ...] = _key(
        "IP address or domain",
        (),
        "Where domains must point. If empty: to CLOSTE_PUBLIC_IP_ADDRESS, else where the network's main domain points.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """How to check certificates. `ca_file` replaces the system's roots; `timeout` is in seconds."""

    port: int = _key("integer", 443, "Port whose certificates are checked.", bounds=(1, 65_535))
    ca_file: Path | None = _key("path", None, "PEM file with the roots to trust instead of the system's.")
    timeout: float = _key("duration", 10.0, "Time limit of one connection.")
    concurrency: int = _key("integer", 50, "Connections open in parallel.", bounds=(1, 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How to check what visitors get. `timeout` is in seconds."""

    enabled: bool = _key("boolean", True, "Whether to check that visitors get the right site.")
    timeout: float = _key("duration", 10.0, "Time limit of one request with its redirects.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one network. Times are in seconds, domains are normalised.

    `source` is the config file, or None without a file.
    """

    name: str = DEFAULT_NETWORK
    source: Path | None = None
    api_url: str = _key(
        "API URL", "https://app.closte.com/api/client", "Base URL of the API: https, or http to this machine only."
    )
    api_key_file: Path | None = _key("path", None, "File with only the API key, inaccessible to other users.")
    # Without a default, so that mypy finds a call without it.
    state_dir: Path = field(metadata=_about("path", "Folder of the ledger and the lock, outside the document root."))
    wp: WpSettings = field(default_factory=WpSettings)
    web_urls: tuple[str, ...] = _key(
        "web URL",
        (),
        "Addresses of WordPress' web servers: https, or http to this machine only. "
        "If empty: the network's main domain.",
    )
    listen: Endpoint | None = _key(
        "address and port", None, "Where `watch` accepts wake-ups from the shim: `127.0.0.1:8377`, `[::]:8377`."
    )
    listen_cert: Path | None = _key(
        "path", None, "PEM file with the certificate of the listener and its chain. Default: HTTP, behind a TLS proxy."
    )
    listen_key: Path | None = _key("path", None, "PEM file with the certificate's key. Default: in `listen_cert`.")
    listen_health: bool = _key("boolean", False, "Whether the listener answers `/healthz`.")
    listen_metrics: bool = _key("boolean", False, "Whether the listener answers `/metrics`.")
    wake_url: str | None = _key(
        "web URL", None, "Address of the listener that the shim calls: https, or http to this machine only."
    )
    pulse: float = _key(
        "duration or off",
        15.0,
        "How often `watch` asks WordPress' web server for events where no trigger and no wake-up arrive.",
    )
    checks: bool = _key("boolean", True, "Whether `sync` and `watch` check DNS, certificates and websites.")
    wildcard: bool = _key("boolean", False, "Keep `*.<network domain>` on Closte.")
    wildcards: tuple[str, ...] = _key("wildcard", (), 'Wildcards to keep on Closte: `["*.example.org"]`.')
    keep: tuple[str, ...] = _key("domain", (), "Domains never to remove. A wildcard protects every domain below it.")
    removal_delay: float = _key("duration", 300.0, "Delay before a confirmed removal.")
    removal_grace: float = _key(
        "duration",
        86_400.0,
        "How long a domain must be missing (in at least three complete reads) before an inferred removal.",
    )
    certificate_budget: int = _key(
        "integer", 40, "Maximum number of new domains per registered domain per week.", bounds=(1, 1_000_000)
    )
    concurrency: int = _key("integer", 4, "API requests in parallel.", bounds=(1, 64))
    rate_limit: float = _key(
        "number",
        10.0,
        "Maximum rate of API requests. Lowered automatically if Closte asks for less.",
        unit="requests per second",
        bounds=(0.01, 1000),
    )
    environments: tuple[str, ...] = _key(
        "environment",
        ("production",),
        "Values of `WP_ENVIRONMENT_TYPE` that allow changes: `local`, `development`, `staging`, `production`.",
    )
    dns: DnsSettings = field(default_factory=DnsSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    metrics_file: Path | None = _key("file", None, "File with metrics for node_exporter, ending in `.prom`.")
    on_problem: tuple[str, ...] = _key("argument", (), "Command to run if problems appear or are resolved.")
    on_domain: tuple[str, ...] = _key(
        "argument", (), "Command to run if a domain goes live, breaks, comes back or needs its owner."
    )
    notify: tuple[Secret, ...] = _key(
        "notification URL", (), "URLs of Apprise that get the same messages as `on_domain`. They are secrets."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The networks by name, in the order of the file.

    `origins` says for each network where the value of a dotted key (`wp.path`) comes from. A key without an origin has
    its default.
    """

    source: Path | None
    networks: Mapping[str, Settings]
    origins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


SECTIONS: dict[str, type[Any]] = {"wp": WpSettings, "dns": DnsSettings, "tls": TlsSettings, "http": HttpSettings}


def _keys(section: type[Any], prefix: str = "") -> Iterator[Key]:
    for one in fields(section):
        if one.name in SECTIONS and not prefix:
            yield from _keys(SECTIONS[one.name], f"{one.name}.")
        elif one.metadata:
            yield Key(prefix + one.name, default=None if one.default is MISSING else one.default, **one.metadata)


KEYS: dict[str, Key] = {one.name: one for one in _keys(Settings)}
"""All keys, in the order of `config show`."""


def section_of(name: str) -> str:
    """Return the section of a dotted key, or "" for the top level."""
    return name.rpartition(".")[0]
