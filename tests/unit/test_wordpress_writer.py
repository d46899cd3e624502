"""Requests to WordPress, and the handling of unexpected answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from closte_bridge.config.model import WpSettings
from closte_bridge.errors import BridgeError, ReadOnlyError, UnreadableError
from closte_bridge.wordpress.results import StageOutcome, WriteResult
from closte_bridge.wordpress.snapshot import Owner
from closte_bridge.wordpress.wp import WpCost
from closte_bridge.wordpress.writer import MOST_STAGES, StageMove, most_proofs, set_owner, set_stages, set_toggle

SETTINGS, COST = WpSettings(), WpCost()
OWNER = Owner("engine", "host", "2026-01-01T00:00:00+00:00")
MOVE = StageMove(4, "shop.example.org", "checking-dns", "done", True)


class Wp:
    """A fake `wp` that answers with `results` and records the requests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, results: object) -> None:
        self.asked: list[tuple[str, dict[str, Any], bool]] = []
        self._results = results
        monkeypatch.setattr("closte_bridge.wordpress.writer.WpCall.start", self._start)

    def _start(
        self, _: WpSettings, script: str, request: dict[str, Any], __: WpCost, *, plugins: bool = False
    ) -> SimpleNamespace:
        self.asked.append((script, request, plugins))
        return SimpleNamespace(result=lambda: {"results": self._results})


def test_owner_is_written_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    wp = Wp(monkeypatch, [{"result": "done"}])
    set_owner(SETTINGS, COST, expected=None, owner=OWNER)
    set_owner(SETTINGS, COST, expected="engine", owner=None)
    written = {"engine": "engine", "host": "host", "since": OWNER.since}
    assert [request["operations"] for _, request, _ in wp.asked] == [
        [{"do": "set-owner", "expected": None, "owner": written}],
        [{"do": "set-owner", "expected": "engine", "owner": None}],
    ]


def test_concurrent_owner_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    Wp(monkeypatch, [{"result": "conflict"}])
    with pytest.raises(ReadOnlyError) as raised:
        set_owner(SETTINGS, COST, expected=None, owner=OWNER)
    assert (raised.value.code, bool(raised.value.hint)) == ("owner-changed", True)


def test_failed_owner_write_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    Wp(monkeypatch, [{"result": "failed"}])
    with pytest.raises(BridgeError) as raised:
        set_owner(SETTINGS, COST, expected=None, owner=OWNER)
    assert (raised.value.code, bool(raised.value.hint), raised.value.exit_code) == ("owner-failed", True, 1)


@pytest.mark.parametrize(
    ("was", "enabled", "changed"), [(False, True, True), (True, True, False), (None, False, False)]
)
def test_toggle_reports_whether_it_changed(
    monkeypatch: pytest.MonkeyPatch, was: bool | None, enabled: bool, changed: bool
) -> None:
    Wp(monkeypatch, [{"result": "done", "was": was}])
    assert set_toggle(SETTINGS, COST, enabled=enabled) is changed


def test_failed_toggle_write_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    Wp(monkeypatch, [{"result": "failed"}])
    with pytest.raises(BridgeError) as raised:
        set_toggle(SETTINGS, COST, enabled=True)
    assert (raised.value.code, bool(raised.value.hint)) == ("toggle-failed", True)


@pytest.mark.parametrize("results", [None, [], ["done", "done"], {"0": "done"}])
def test_unexpected_answer_is_unreadable(monkeypatch: pytest.MonkeyPatch, results: object) -> None:
    Wp(monkeypatch, results)
    with pytest.raises(UnreadableError):
        set_toggle(SETTINGS, COST, enabled=True)
    with pytest.raises(UnreadableError):
        set_stages(SETTINGS, COST, [MOVE])


def test_stages_are_set_in_one_bounded_and_paced_process(monkeypatch: pytest.MonkeyPatch) -> None:
    wp = Wp(monkeypatch, ["done"] * MOST_STAGES)
    moves = [MOVE._replace(mapping=number) for number in range(MOST_STAGES + 7)]
    assert set_stages(SETTINGS, COST, moves) == [WriteResult(StageOutcome.DONE)] * MOST_STAGES
    ((script, request, plugins),) = wp.asked
    # The script uses Ultimate Multisite's own model, which needs its plugin.
    assert (script, plugins) == ("stages", True)
    assert [change["id"] for change in request["changes"]] == [*range(MOST_STAGES)]
    assert request["pause"] == 50_000
    assert request["changes"][3] == {
        "id": 3, "domain": "shop.example.org", "from": "checking-dns", "to": "done", "secure": True, "back": False,
        "prove": False,
    }  # fmt: skip


@pytest.mark.parametrize(("timeout", "proofs"), [(5.0, 1), (60.0, 2), (120.0, 4), (3600.0, 4)])
def test_proof_requests_fit_into_the_process_timeout(timeout: float, proofs: int) -> None:
    assert most_proofs(WpSettings(timeout=timeout)) == proofs
