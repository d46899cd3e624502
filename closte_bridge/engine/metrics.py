"""What a monitor wants to know of a run, as a file for node_exporter's textfile collector.

No domain stands in a label: names are many, come and go, and are nobody else's business.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from closte_bridge.config.model import DEFAULT_NETWORK
from closte_bridge.engine.files import write_whole
from closte_bridge.errors import BridgeError
from closte_bridge.planning.model import UNPROVEN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from closte_bridge.config.model import Settings
    from closte_bridge.engine.cost import Cost
    from closte_bridge.engine.run import RunReport
    from closte_bridge.ledger.store import Ledger

_PREFIX = "closte_bridge"


def metrics_path(settings: Settings) -> Path | None:
    """Return the network's own file: networks that inherit one `metrics_file` get a suffix each."""
    path = settings.metrics_file
    if path is None or settings.name == DEFAULT_NETWORK:
        return path
    return path.with_name(f"{path.stem}_{settings.name}{path.suffix}")


class _Gauges:
    """Gauges of one network, collected by name."""

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
    """What the ledger holds of looks at DNS and certificates: names by verdict, and certificates that end."""

    dns: dict[str, int]
    tls: dict[str, int]
    expired: int
    expiring: int


def check_counts(ledger: Ledger, now: float) -> CheckCounts:
    """Return what is remembered of looks; `now` is in seconds since the epoch."""
    from closte_bridge.checks.domain_state import EXPIRY_WARNING  # noqa: PLC0415 - where there is a ledger
    from closte_bridge.ledger import check_state as check_states  # noqa: PLC0415 - likewise

    ends = [end for _, end in check_states.expiring(ledger, now + EXPIRY_WARNING)]
    expired = sum(1 for end in ends if end <= now)
    return CheckCounts(*check_states.tally(ledger), expired, len(ends) - expired)


def render(
    report: RunReport | None,
    cost: Cost,
    settings: Settings,
    meta: dict[str, str],
    exit_code: int,
    looks: CheckCounts | None = None,
    problems: dict[str, float] | None = None,
) -> bytes:
    """Return the exposition text.

    `marks` are the ledger's small facts, `problems` since when which ones stand; `report` is None when a run failed
    early, `looks` when there is no ledger or nobody looks.
    """
    book = _Gauges(settings.name)
    book.set("last_run_exit_code", "Exit code of the last run.", exit_code)
    if "last_run" in meta:
        text = "When WordPress and Closte were last looked at."
        book.set("last_run_timestamp_seconds", text, float(meta["last_run"]))
    # 0 before the first one: an alert on its age never fires if the value is missing.
    text = "When both sides could last be read and nothing stood in the way."
    book.set("last_success_timestamp_seconds", text, float(meta.get("last_success", 0)))
    book.set("wp_calls", "Calls of wp in the last run.", cost.wp.calls)
    book.set("wp_seconds", "Seconds spent waiting for wp in the last run.", cost.wp.seconds)
    book.set("api_calls", "Requests to Closte in the last run.", cost.api_calls)
    book.set("api_seconds", "Seconds spent waiting for Closte in the last run.", cost.api_seconds)
    book.set("planning_seconds", "Seconds spent planning in the last run.", cost.planning_seconds)
    if problems:
        text = "Since when each problem that needs a person, or fails again and again, stands."
        book.set_by("problem_since_timestamp_seconds", text, "code", problems)
    if looks is not None:
        book.set_by("domains_dns", "Names by what was last seen of their DNS.", "verdict", looks.dns)
        book.set_by(
            "domains_tls", "Names that lead here by what was last seen of their certificate.", "verdict", looks.tls
        )
        book.set("certificates_expired", "Certificates that have ended.", looks.expired)
        book.set("certificates_expiring", "Certificates that end within 14 days.", looks.expiring)
    if report is not None:
        _of_plan(book, report)
    return generate_latest(book.registry)


def _of_plan(book: _Gauges, report: RunReport) -> None:
    plan, applied = report.plan, report.applied
    book.set("domains_in_sync", "Domains that are on Closte as they should be.", plan.in_sync)
    book.set("aliases_managed", "Aliases that are ours by the ledger.", len(report.view.ledger.managed))
    book.set("aliases_unmanaged", "Aliases at Closte that are not ours.", len(plan.unmanaged))
    book.set("aliases_lost", "Managed aliases that Closte lost, if these are more than a few.", len(report.lost))
    book.set("events_waiting", "Events of the shim that were waiting.", report.view.snapshot.events_waiting)
    book.set("list_complete", "1 when Closte's list could be believed.", int(plan.observed.complete))
    book.set("snapshot_complete", "1 when the snapshot could be believed.", int(not plan.snapshot_faults))
    book.set("removals_needing_approval", "Removals that the gate keeps.", sum(len(w.names) for w in plan.over_limit))
    book.set("changes_failed", "Changes of the last run that failed.", len(applied.failed) if applied else 0)
    book.set("changes_done", "Changes that the last run made.", len(applied.done) if applied else 0)
    held = Counter(hold.code for hold in plan.held)
    if plan.unproven:
        held[UNPROVEN] = len(plan.unproven)
    book.set_by("changes_on_hold", "Changes held back, by reason.", "reason", dict(held))


def write(path: Path, text: bytes) -> None:
    """Write the file for others to read. Raises BridgeError when that fails."""
    try:
        write_whole(path, text, 0o644)
    except OSError as error:
        raise BridgeError(
            f'The metrics could not be written to "{path}" ({error.strerror}).',
            code="metrics-file",
            hint="Create its folder and let this user write there, or change `metrics_file` in the config.",
        ) from None
