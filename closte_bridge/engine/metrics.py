"""Metrics of a run, as a file for node_exporter's textfile collector.

Labels contain no domains: these are many, change often, and are private.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, Gauge, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from closte_bridge.config.model import DEFAULT_NETWORK
from closte_bridge.engine.files import write_whole
from closte_bridge.errors import BridgeError
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger.meta import LAST_RUN, LAST_SUCCESS
from closte_bridge.planning.model import HoldCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from closte_bridge.config.model import Settings
    from closte_bridge.engine.cost import Cost
    from closte_bridge.engine.run import RunReport
    from closte_bridge.ledger.store import Ledger

_PREFIX = "closte_bridge"


def metrics_path(settings: Settings) -> Path | None:
    """Return the metrics file of the network: networks that inherit `metrics_file` each get a suffix."""
    path = settings.metrics_file
    if path is None or settings.name == DEFAULT_NETWORK:
        return path
    return path.with_name(f"{path.stem}_{settings.name}{path.suffix}")


class _Gauges:
    """Gauges of one network."""

    def __init__(self, network: str) -> None:
        self.registry = CollectorRegistry()
        self._network = network

    def set(self, name: str, text: str, value: float) -> None:
        gauge = Gauge(f"{_PREFIX}_{name}", text, ["network"], registry=self.registry)
        gauge.labels(self._network).set(value)

    def set_by(self, name: str, text: str, label: str, values: Mapping[str, float]) -> None:
        gauge = Gauge(f"{_PREFIX}_{name}", text, ["network", label], registry=self.registry)
        for value, count in values.items():
            gauge.labels(self._network, value).set(count)


class CheckCounts(NamedTuple):
    """Results of checks in the ledger: domains by verdict, and expiring certificates."""

    dns: dict[str, int]
    tls: dict[str, int]
    http: dict[str, int]
    live: int
    expired: int
    expiring: int


def check_counts(ledger: Ledger, now: float) -> CheckCounts:
    """Return the results of checks in the ledger; `now` is in seconds since the epoch."""
    ends = [end for _, end in check_states.expiring(ledger, now)]
    expired = sum(1 for end in ends if end <= now)
    return CheckCounts(*check_states.tally(ledger), expired=expired, expiring=len(ends) - expired)


def of_run(
    report: RunReport | None,
    cost: Cost,
    settings: Settings,
    meta: dict[str, str],
    exit_code: int,
    checks: CheckCounts | None = None,
    problems: dict[str, float] | None = None,
) -> CollectorRegistry:
    """Return the metrics of a run.

    `meta` is from the ledger; `problems` is the start of each open problem, by code. `report` is None if the run failed
    early; `checks` is None without a ledger or with checks disabled.
    """
    gauges = _Gauges(settings.name)
    gauges.set("last_run_exit_code", "Exit code of the last run.", exit_code)
    if (last_run := LAST_RUN.of(meta)) is not None:
        text = "Unix time when WordPress and Closte were last read."
        gauges.set("last_run_timestamp_seconds", text, last_run)
    # 0 before the first success: an alert on the age cannot fire without a value.
    text = "Unix time of the last successful run."
    gauges.set("last_success_timestamp_seconds", text, LAST_SUCCESS.of(meta) or 0)
    gauges.set("wp_calls", "WP-CLI calls in the last run.", cost.wp.calls)
    gauges.set("wp_seconds", "Seconds spent waiting for WP-CLI in the last run.", cost.wp.seconds)
    gauges.set("api_calls", "Requests to Closte in the last run.", cost.api_calls)
    gauges.set("api_seconds", "Seconds spent waiting for Closte in the last run.", cost.api_seconds)
    gauges.set("planning_seconds", "Seconds spent planning in the last run.", cost.planning_seconds)
    if problems:
        text = "Unix time since when each lasting problem has been open, by code."
        gauges.set_by("problem_since_timestamp_seconds", text, "code", problems)
    if checks is not None:
        _of_checks(gauges, checks)
    if report is not None:
        _of_plan(gauges, report)
    return gauges.registry


class _Together(Collector):
    """Metrics of several networks: each metric once, with the samples of all."""

    def __init__(self, networks: Iterable[Iterable[Metric]]) -> None:
        self._networks = networks

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        found: dict[str, Metric] = {}
        for network in self._networks:
            for one in network:
                if one.name not in found:
                    found[one.name] = Metric(one.name, one.documentation, one.type)
                found[one.name].samples += one.samples
        yield from found.values()


def together(networks: Iterable[Iterable[Metric]], wake_ups: Mapping[str, int]) -> bytes:
    """Return the exposition text for the metrics of several networks, and the number of wake-ups by result."""
    text = "Requests to the listener by result."
    counter = CounterMetricFamily(f"{_PREFIX}_wake_ups", text, labels=["result"])
    for result, count in wake_ups.items():
        counter.add_metric([result], count)
    return rendered(_Together([*networks, [counter]]))


def rendered(metrics: Collector) -> bytes:
    """Return the exposition text."""
    return generate_latest(metrics)


def _of_checks(gauges: _Gauges, checks: CheckCounts) -> None:
    gauges.set_by("domains_dns", "Domains by last DNS check result.", "verdict", checks.dns)
    text = "Domains with correct DNS by last certificate check result."
    gauges.set_by("domains_tls", text, "verdict", checks.tls)
    gauges.set_by("domains_http", "Domains by last result of an HTTP request.", "verdict", checks.http)
    gauges.set("domains_live", "Domains whose visitors get the right site.", checks.live)
    gauges.set("certificates_expired", "Expired certificates.", checks.expired)
    gauges.set("certificates_expiring", "Certificates that expire soon.", checks.expiring)


def _of_plan(gauges: _Gauges, report: RunReport) -> None:
    plan, applied = report.plan, report.applied
    gauges.set("domains_in_sync", "Domains in sync.", plan.in_sync)
    gauges.set("aliases_managed", "Managed aliases.", len(report.view.ledger.managed))
    gauges.set("aliases_unmanaged", "Unmanaged aliases.", len(plan.unmanaged))
    gauges.set("aliases_lost", "Managed aliases missing from Closte's list, if more than a few.", len(report.lost))
    gauges.set("events_waiting", "Shim events waiting to be processed.", report.view.snapshot.events_waiting)
    gauges.set("list_complete", "1 if Closte's list was complete.", int(plan.observed.complete is not None))
    gauges.set("snapshot_complete", "1 if WordPress was read completely.", int(not plan.snapshot_faults))
    gauges.set(
        "removals_needing_approval", "Removals waiting for approval.", sum(len(w.names) for w in plan.over_limit)
    )
    gauges.set("changes_failed", "Failed changes of the last run.", len(applied.failed) if applied else 0)
    gauges.set("changes_done", "Completed changes of the last run.", len(applied.done) if applied else 0)
    held: Counter[str] = Counter(hold.code for hold in plan.held)
    if plan.unproven:
        held[HoldCode.WWW_UNPROVEN] = len(plan.unproven)
    gauges.set_by("changes_on_hold", "On-hold changes by reason.", "reason", dict(held))


def write(path: Path, text: bytes) -> None:
    """Write the file, readable for all users. Raises BridgeError."""
    try:
        write_whole(path, text, 0o644)
    except OSError as error:
        raise BridgeError(
            f'Could not write metrics to "{path}" ({error.strerror}).',
            code="metrics-file",
            hint="Create the folder and make it writable for this user, or change `metrics_file` in the config.",
        ) from None
