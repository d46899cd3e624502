"""May this engine change this network? (Rules 6 and 10.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.planning.model import Authority, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.ledger.state import LedgerLocation, LedgerState
    from closte_bridge.planning.model import Observed
    from closte_bridge.wordpress.snapshot import Snapshot

# A new key is the same application's when the list holds at least this share of what is ours.
REBIND_SHARE = 0.9

WRONG_KEY = "identity-key"

_TAKE_OVER = (
    "If that is this machine, `state_dir` is another one than it was adopted with: set it right. "
    "Run `closte-bridge adopt --take-over` only if that engine, or its memory, is gone."
)


class Installation(NamedTuple):
    """Where this engine runs and what it was given; `config_missing`: not the config that the ledger knows."""

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
    """Return the mode with its reason: the strictest that applies."""
    for judge in (_ownership, _identity, _config, _environment):
        authority = judge(snapshot, ledger, installation)
        if authority:
            return authority
    key = _key(observed, ledger, installation)
    if key and key.mode is Mode.READ_ONLY:
        return key
    if inactive := _inactive(snapshot):
        return inactive
    if ledger.location != installation.location:
        return Authority(
            Mode.ADD_ONLY,
            "moved",
            "the ledger was bound on another host or in another folder",
            "Run `closte-bridge adopt` here once the other place is out of use.",
        )
    return key or Authority(Mode.FULL)


def _ownership(snapshot: Snapshot, ledger: LedgerState, installation: Installation) -> Authority | None:  # noqa: ARG001 - one shape for all judges
    if ledger.identity is None:
        if snapshot.owner is None:
            return _read_only(
                "not-adopted",
                "no engine is in charge of this network",
                "Run `closte-bridge adopt` to take charge.",
            )
        return _read_only("other-owner", f'the engine on "{snapshot.owner.host}" is in charge', _TAKE_OVER)
    if snapshot.owner is None:
        return _read_only(
            "owner-gone",
            "the network no longer names this engine as its owner",
            "Its database may be an older copy. Run `closte-bridge adopt` to take charge again.",
        )
    if snapshot.owner.engine != ledger.identity.engine:
        return _read_only("other-owner", f'another engine, on "{snapshot.owner.host}", is in charge', _TAKE_OVER)
    return None


def _identity(snapshot: Snapshot, ledger: LedgerState, installation: Installation) -> Authority | None:  # noqa: ARG001 - one shape for all judges
    for code, reason in _differences(snapshot, ledger):
        return _read_only(
            f"identity-{code}",
            reason,
            "If this is a copy, leave it so. If the network itself has changed, run `closte-bridge adopt`.",
        )
    return None


def _differences(snapshot: Snapshot, ledger: LedgerState) -> Iterator[tuple[str, str]]:
    """Give what of the network is not as the ledger knows it: a code, and the words for it."""
    identity, network = ledger.identity, snapshot.network
    if identity is None:
        return
    for code, what, known, found in (
        ("main-domain", "main domain", identity.main_domain, network.domain),
        ("network-id", "network id", str(identity.network_id), str(network.id)),
        ("database", "database", identity.database, network.database),
        ("app-id", "Closte application", identity.app_id, network.app_id),
    ):
        if known != found:
            shown = f' (it was "{known}", and is "{found}")' if code != "database" else ""
            yield code, f"the {what} is not the one that this ledger is bound to{shown}"


def possible_clone(snapshot: Snapshot, ledger: LedgerState, location: LedgerLocation) -> tuple[str, ...]:
    """Return what is not as the ledger knows it, in words, where that is what a copy of everything looks like, too.

    A network may get a new main domain, and an engine a new place; a copy has both, or a database of its own.
    """
    found = dict(_differences(snapshot, ledger))
    if found and ledger.location != location:
        found["place"] = "the ledger was bound on another host or in another folder"
    return tuple(found.values()) if len(found) > 1 or found.keys() - {"main-domain"} else ()


def _config(snapshot: Snapshot, ledger: LedgerState, installation: Installation) -> Authority | None:  # noqa: ARG001 - one shape for all judges
    if installation.config_missing:
        used = f'"{installation.config_path}" is' if installation.config_path else "none is"
        return _read_only(
            "config-gone",
            f'the config file "{ledger.config_path}" that this ledger knows is not in use: {used}',
            "Put it back or name it with `--config`, or run `closte-bridge adopt` to go on without it.",
        )
    return None


def _environment(snapshot: Snapshot, ledger: LedgerState, installation: Installation) -> Authority | None:  # noqa: ARG001 - one shape for all judges
    environment = snapshot.network.environment
    if environment in installation.environments:
        return None
    return _read_only(
        "environment",
        f'WP_ENVIRONMENT_TYPE is "{environment}"',
        f"If Closte is to be changed from there, add it to the config: `environments: [production, {environment}]`.",
    )


def _key(observed: Observed, ledger: LedgerState, installation: Installation) -> Authority | None:
    assert ledger.identity is not None  # noqa: S101 - _ownership returned otherwise
    if installation.key is None or installation.key == ledger.identity.key:
        return None
    held = sum(1 for name in ledger.managed if name in observed.names)
    if observed.complete and ledger.managed and held >= REBIND_SHARE * len(ledger.managed):
        return Authority(Mode.FULL, rebind=True)
    return _read_only(
        WRONG_KEY,
        "the API key is not the one that this ledger is bound to, and its list does not prove the same application",
        "Put the old key back, or run `closte-bridge adopt` to bind the new one.",
    )


def _inactive(snapshot: Snapshot) -> Authority | None:
    if not snapshot.settings.domain_mapping:
        return Authority(
            Mode.INACTIVE,
            "domain-mapping-off",
            "domain mapping is switched off in Ultimate Multisite",
            "Switch it on in Ultimate Multisite > Settings > Domain Mapping.",
        )
    if not snapshot.settings.integration:
        return Authority(
            Mode.INACTIVE,
            "integration-off",
            "the Closte integration is switched off in Ultimate Multisite",
            "Switch it on: `closte-bridge integration enable`.",
        )
    return None


def past(snapshot: Snapshot, ledger: LedgerState) -> str | None:
    """Return why the database seems to have gone back in time, or None (rule 1).

    Once that was seen it counts until a person adopts anew: new rows make its counters look as before.
    """
    if ledger.went_back:
        return ledger.went_back
    for what, seen, highest in (
        ("site", ledger.highest_site, snapshot.highest_site),
        ("mapping", ledger.highest_mapping, snapshot.highest_mapping),
    ):
        if highest < seen:
            return f"the highest {what} id was {seen} and is {highest}"
    known, found = ledger.reports, snapshot.reports
    if known and found and found[0] == known[0] and found[1] < known[1]:
        # New rows may have levelled the ids before anything was read.
        return f"closte-bridge made report {known[1]}, and the last one in the database is {found[1]}"
    return None
