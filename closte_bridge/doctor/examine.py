"""Run all checks, in an order in which the first failure explains the later ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.config.key_file import key_location
from closte_bridge.doctor.closte import of_changes, of_closte
from closte_bridge.doctor.dns_tls import of_certificates, of_domains, of_resolvers
from closte_bridge.doctor.local import of_authority, of_ledger
from closte_bridge.doctor.model import Finding, Status, error, ok, skip, warning
from closte_bridge.doctor.shim import of_shim
from closte_bridge.doctor.web import of_web
from closte_bridge.doctor.wordpress import of_events, of_installation, of_records, of_rows, of_snapshot
from closte_bridge.engine.keys import configured
from closte_bridge.engine.snapshots import read_snapshot, start_snapshot
from closte_bridge.errors import BridgeError
from closte_bridge.ledger.state import LedgerState
from closte_bridge.planning.authority import decide_authority
from closte_bridge.planning.completeness import assess_list
from closte_bridge.planning.desired import desired
from closte_bridge.wordpress.wp import WpCall

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.secret import Secret
    from closte_bridge.wordpress.snapshot import Network, Snapshot


def examine(engine: Engine) -> list[Finding]:
    """Run all checks and return their findings. A BridgeError becomes a finding."""
    try:
        with engine.opened():
            findings = _examine(engine)
        if any(finding.check == "wordpress" and finding.status is Status.OK for finding in findings):
            findings.append(of_shim(engine))
        return findings
    except BridgeError as failure:
        # The state folder or the ledger could not be opened.
        return [error("ledger", failure.message, failure.hint)]


def _examine(engine: Engine) -> list[Finding]:
    findings = list(of_ledger(engine))
    ledger = engine.ledger.state(engine.clock.now()) if engine.ledger else LedgerState()
    try:
        call = start_snapshot(engine, ask_key=key_location(engine.settings, engine.environ) is None, acknowledge=False)
        snapshot = read_snapshot(engine, call, ledger)
    except BridgeError as failure:
        findings.append(error(_failed_check(failure.code), failure.message, failure.hint))
        findings += [
            skip(check, "Skipped: WordPress could not be read.") for check in ("key", "connection", "list", "owner")
        ]
        return findings
    findings += of_snapshot(snapshot)
    desire = desired(snapshot, engine.policy(), ledger)
    findings += of_rows(snapshot, engine, desire)
    findings.append(of_records(engine, snapshot))
    findings += of_events(snapshot, engine.clock.now())
    findings += _installation(engine, snapshot.network)
    with engine.waiting("DNS"):
        findings += of_resolvers(engine, snapshot.network)
    findings += of_domains(engine, {*desire.mapped, *desire.configured, *desire.pins})
    findings += of_certificates(engine)
    findings.append(of_changes(ledger))
    try:
        key, source = configured(engine) or call.key()
    except BridgeError as failure:
        findings.append(error("key", failure.message, failure.hint))
        findings += [skip(check, "Skipped: no API key.") for check in ("connection", "list", "owner")]
        return findings
    findings.append(ok("key", f"API key found in {source}."))
    return findings + _closte(engine, snapshot, ledger, key)


def _closte(engine: Engine, snapshot: Snapshot, ledger: LedgerState, key: Secret) -> list[Finding]:
    with engine.client(key) as client, engine.waiting("Closte"):
        observed = assess_list(client.list_aliases(), snapshot.network.domain, ledger)
        findings = list(of_closte(client, observed))
        engine.count_api(client)
    findings.append(of_authority(decide_authority(snapshot, observed, ledger, engine.installation(ledger, key))))
    return findings


def _installation(engine: Engine, network: Network) -> list[Finding]:
    """Load WordPress once with all plugins, to find problems that plugins cause."""
    try:
        with engine.waiting("WordPress with its plugins"):
            facts = WpCall.start(engine.settings.wp, "doctor", {}, engine.cost.wp, plugins=True).result()
    except BridgeError as failure:
        return [warning("plugins-load", f"WordPress fails with plugins loaded: {failure.message}", failure.hint)]
    remote = engine.settings.wp.is_remote
    return [*of_installation(facts, engine.clock.now(), remote=remote), *of_web(engine, network, facts)]


def _failed_check(code: str) -> str:
    if code.startswith("wp-") or code == "ssh":
        return "wp-cli"
    return "plugin" if code.startswith("plugin") else "wordpress"
