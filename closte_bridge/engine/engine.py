"""Engine of one network: the settings and resources that all its runs share."""

from __future__ import annotations

import hashlib
import socket
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.engine.clock import Clock
from closte_bridge.engine.cost import Cost
from closte_bridge.ledger.state import LedgerLocation
from closte_bridge.ledger.store import Ledger
from closte_bridge.planning.authority import Installation
from closte_bridge.planning.desired import DomainPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from closte_bridge.checks.dns import NetworkBoundary
    from closte_bridge.config.model import Settings
    from closte_bridge.hosting import HostingApi
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.secret import Secret
    from closte_bridge.wordpress.process import Prestart


@dataclass(slots=True)
class Engine:
    """Engine of one network: its settings, ledger (None before adoption), clock and cost so far.

    `edges` redirects DNS checks in tests. `head` is a `wp` that was started before the settings were loaded. `waits`
    is what the engine waits for, by the network's name, for display. With `keeps_metrics`, a run leaves its `metrics`
    here.
    """

    settings: Settings
    environ: Mapping[str, str]
    clock: Clock = field(default_factory=Clock)
    cost: Cost = field(default_factory=Cost)
    ledger: Ledger | None = None
    edges: NetworkBoundary | None = None
    head: Prestart | None = None
    waits: dict[str, str] = field(default_factory=dict)
    keeps_metrics: bool = False
    metrics: tuple[Metric, ...] = ()

    @contextmanager
    def opened(self) -> Iterator[Engine]:
        """Context manager: open the ledger; `ledger` stays None if none exists."""
        self.ledger = Ledger.open(self.settings.state_dir)
        try:
            with self.ledger.guarded() if self.ledger is not None else nullcontext():
                yield self
        finally:
            if self.ledger is not None:
                self.ledger.close()
                self.ledger = None

    def created_ledger(self) -> Ledger:
        """Return the open ledger; create a missing one. Only inside `opened`."""
        if self.ledger is None:
            self.ledger = Ledger.create(self.settings.state_dir)
        return self.ledger

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Context manager: show that the engine is waiting for `what`."""
        self.waits[self.settings.name] = what
        try:
            yield
        finally:
            self.waits.pop(self.settings.name, None)

    def policy(self) -> DomainPolicy:
        """Return the domain settings of the config."""
        s = self.settings
        return DomainPolicy(
            wildcard=s.wildcard,
            wildcards=s.wildcards,
            keep=s.keep,
            removal_delay=s.removal_delay,
            removal_grace=s.removal_grace,
            certificate_budget=s.certificate_budget,
        )

    def location(self) -> LedgerLocation:
        """Return the location of the ledger: a digest of the machine, and the directory."""
        try:
            machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
        except OSError:
            machine = ""
        host = hashlib.sha256(f"{machine} {socket.gethostname()}".encode()).hexdigest()[:16]
        return LedgerLocation(host, str(self.settings.state_dir.absolute()))

    def lacks_config(self, known: str | None) -> bool:
        """Return whether the config file used at adoption, at the path `known`, is not in use.

        Another config, or the defaults, may lack the `keep` setting of that file.
        """
        source = self.settings.source
        return known is not None and (source is None or realpath(source) != realpath(known))

    def installation(self, ledger: LedgerState, key: Secret | None) -> Installation:
        """Return the facts about this installation that decide about its authority."""
        source = self.settings.source
        return Installation(
            location=self.location(),
            config_path=str(source) if source else None,
            config_missing=self.lacks_config(ledger.config_path),
            key=key.fingerprint() if key else None,
            environments=self.settings.environments,
        )

    def client(self, key: Secret) -> HostingApi:
        """Return a client of the hosting API with this network's settings. Raises ConfigError for an invalid URL."""
        from closte_bridge.closte.client import ClosteClient  # noqa: PLC0415 - 90 ms

        return ClosteClient(
            self.settings.api_url,
            key,
            concurrency=self.settings.concurrency,
            rate_limit=self.settings.rate_limit,
        )

    def count_api(self, client: HostingApi) -> None:
        """Add the calls of `client` to the cost; call this once per client."""
        stats = client.stats
        self.cost.api_calls += stats.calls
        self.cost.api_seconds += stats.seconds
