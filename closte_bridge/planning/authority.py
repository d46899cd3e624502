"""Decide whether this installation may change the network (rules 6 and 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.planning.model import Authority, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.ledger.state import Identity, LedgerLocation, LedgerState
    from closte_bridge.planning.completeness import Observed
    from closte_bridge.wordpress.snapshot import Snapshot

# A new key belongs to the same application if its list contains at least this share of the managed aliases.
REBIND_SHARE = 0.9

WRONG_KEY = "identity-key"

_MOVED = "the state folder was moved from another host or folder"

_TAKE_OVER = (
    "If that is this machine, `state_dir` differs from the one used at adoption; restore the old value. "
    "Run `closte-bridge adopt --take-over` only if the other installation or its ledger no longer exists."
)


class Installation(NamedTuple):
    """Location, config, key and allowed environments of this installation.

    `config_missing`: the config file used at adoption is not in use.
    """

    location: LedgerLocation
    config_path: str | None
    config_missing: bool
    key: str | None
    environments: tuple[str, ...]


def _read_only(code: str, reason: str, hint: str) -> Authority:
    return Authority(Mode.READ_ONLY, code, reason, hint)


def decide_authority(
    snapshot: Snapshot, observed: Observed, ledger: LedgerState, installation: Installation
) -> Authority:
    """Return the strictest mode that applies, with its reason."""
    if ledger.identity is None:
        return _not_adopted(snapshot)
    if strict := (
        _ownership(snapshot, ledger.identity)
        or _identity(snapshot, ledger.identity)
        or _config(ledger, installation)
        or _environment(snapshot, installation)
    ):
        return strict
    key = _key(observed, ledger, ledger.identity, installation)
    if key and key.mode is Mode.READ_ONLY:
        return key
    if inactive := _inactive(snapshot):
        return inactive
    if ledger.location != installation.location:
        return Authority(
            Mode.ADD_ONLY,
            "moved",
            _MOVED,
            "Once the old location is no longer in use, run `closte-bridge adopt` here.",
        )
    return key or Authority(Mode.FULL)


def _not_adopted(snapshot: Snapshot) -> Authority:
    if snapshot.owner is None:
        return _read_only(
            "not-adopted",
            "this network has not been adopted",
            "Run `closte-bridge adopt` to make this installation the owner.",
        )
    return _read_only(
        "other-owner", f'the closte-bridge installation on "{snapshot.owner.host}" owns this network', _TAKE_OVER
    )


def _ownership(snapshot: Snapshot, identity: Identity) -> Authority | None:
    if snapshot.owner is None:
        return _read_only(
            "owner-gone",
            "WordPress no longer records this installation as the owner",
            "The database may have been restored from a backup. Run `closte-bridge adopt` to become the owner again.",
        )
    if snapshot.owner.engine != identity.engine:
        return _read_only(
            "other-owner",
            f'another closte-bridge installation, on "{snapshot.owner.host}", now owns this network',
            _TAKE_OVER,
        )
    return None


def _identity(snapshot: Snapshot, identity: Identity) -> Authority | None:
    for code, reason in _differences(snapshot, identity):
        return _read_only(
            f"identity-{code}",
            reason,
            "If this is a staging copy, do nothing. If you changed the live network, run `closte-bridge adopt`.",
        )
    return None


def _differences(snapshot: Snapshot, identity: Identity) -> Iterator[tuple[str, str]]:
    """Yield each difference between the network and the ledger's identity: a code and a clause."""
    network = snapshot.network
    for code, what, known, found in (
        ("main-domain", "main domain", identity.main_domain, network.domain),
        ("network-id", "network ID", str(identity.network_id), str(network.id)),
        ("database", "database", identity.database, network.database),
        ("app-id", "Closte application", identity.app_id, network.app_id),
    ):
        if known != found:
            before, now = (f'"{value}"' if value else "none" for value in (known, found))
            shown = f" (was {before}, now {now})" if code != "database" else ""
            yield code, f"the {what} differs from the one recorded at adoption{shown}"


def possible_clone(snapshot: Snapshot, ledger: LedgerState, location: LedgerLocation) -> tuple[str, ...]:
    """Return the differences from the ledger, as clauses, if this network may be a copy; else nothing.

    A new main domain alone or a new location alone is a legitimate move. A copy has both, or a database of its own.
    """
    found = dict(_differences(snapshot, ledger.identity)) if ledger.identity else {}
    if found and ledger.location != location:
        found["location"] = _MOVED
    return tuple(found.values()) if len(found) > 1 or found.keys() - {"main-domain"} else ()


def _config(ledger: LedgerState, installation: Installation) -> Authority | None:
    if installation.config_missing:
        used = f'"{installation.config_path}"' if installation.config_path else "no config file"
        return _read_only(
            "config-gone",
            f'the config file used at adoption ("{ledger.config_path}") is not in use: closte-bridge uses {used}',
            "Restore the file, pass it with `--config`, or run `closte-bridge adopt` "
            "to continue with the current config.",
        )
    return None


def _environment(snapshot: Snapshot, installation: Installation) -> Authority | None:
    environment = snapshot.network.environment
    if environment in installation.environments:
        return None
    return _read_only(
        "environment",
        f'WP_ENVIRONMENT_TYPE is "{environment}"',
        f"To allow changes from this environment, add it to the config: `environments: [production, {environment}]`.",
    )


def _key(observed: Observed, ledger: LedgerState, identity: Identity, installation: Installation) -> Authority | None:
    if installation.key is None or installation.key == identity.key:
        return None
    listed = sum(1 for name in ledger.managed if name in observed.names)
    if observed.complete and ledger.managed and listed >= REBIND_SHARE * len(ledger.managed):
        return Authority(Mode.FULL, rebind=True)
    return _read_only(
        WRONG_KEY,
        "the API key changed, and its list does not match the previous application",
        "Restore the old key, or run `closte-bridge adopt` to accept the new one.",
    )


def _inactive(snapshot: Snapshot) -> Authority | None:
    if not snapshot.settings.domain_mapping:
        return Authority(
            Mode.INACTIVE,
            "domain-mapping-off",
            "domain mapping is disabled in Ultimate Multisite",
            "Enable it in Ultimate Multisite > Settings > Domain Mapping.",
        )
    if not snapshot.settings.integration:
        return Authority(
            Mode.INACTIVE,
            "integration-off",
            "the Closte integration is disabled in Ultimate Multisite",
            "Run `closte-bridge integration enable` to enable it.",
        )
    return None


def rollback_sign(snapshot: Snapshot, ledger: LedgerState) -> str | None:
    """Return why the WordPress database was probably restored from a backup, or None (rule 1).

    The ledger keeps the reason until the next adoption, because new rows hide the sign.
    """
    if ledger.went_back:
        return ledger.went_back
    for what, seen, highest in (
        ("site", ledger.highest_site, snapshot.highest_site),
        ("mapping", ledger.highest_mapping, snapshot.highest_mapping),
    ):
        if highest < seen:
            return f"the highest {what} ID dropped from {seen} to {highest}"
    known, found = ledger.reports, snapshot.reports
    if known and found and found[0] == known[0] and found[1] < known[1]:
        # New rows may have raised the IDs again before this read.
        return f"closte-bridge wrote report {known[1]}, but the last one in the database is {found[1]}"
    return None
