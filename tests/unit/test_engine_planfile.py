from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from closte_bridge.engine import planfile
from closte_bridge.engine.planfile import ReviewedPlan
from closte_bridge.errors import BridgeError, ConfigError, ExitCode
from tests.support.check_states import MAIN, NOW, a_ledger, a_list, a_plan, a_snapshot, missing, told

if TYPE_CHECKING:
    from pathlib import Path

    from closte_bridge.engine.observation import Observation

STAY = [f"stay{number}.com" for number in range(9)]
GONE = [f"gone{number}.com" for number in range(4)]
SNAPSHOT = a_snapshot("new.com", *STAY)
LEDGER = a_ledger(*STAY, *GONE, "x.com", evidence={"x.com": told()}, absences=dict.fromkeys(GONE, missing()))
PLAN = a_plan(SNAPSHOT, a_list(*LEDGER.managed), LEDGER)
VIEW = cast("Observation", SimpleNamespace(snapshot=SNAPSHOT, now=NOW))


def written(path: Path, **changes: Any) -> Path:  # noqa: ANN401 - any key of the document
    path.write_text(json.dumps({**planfile.document(PLAN, VIEW), **changes}))
    return path


def test_written_plan_is_read_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    planfile.write(path, PLAN, VIEW)
    assert planfile.read(path) == ReviewedPlan(
        MAIN,
        "0123456789abcdef",
        frozenset({("add", "new.com"), ("remove", "x.com"), *(("remove", name) for name in GONE)}),
        "2027-01-15T08:00:00+00:00",
    )


def test_plan_file_lists_causes_and_needed_approvals(tmp_path: Path) -> None:
    planfile.write(tmp_path / "plan.json", PLAN, VIEW)
    changes = json.loads((tmp_path / "plan.json").read_text())["changes"]
    assert changes[:2] == [
        {"action": "add", "name": "new.com", "cause": "mapped to site 1", "needs_approval": False},
        {"action": "remove", "name": "x.com", "cause": "mapping removed", "needs_approval": False},
    ]
    assert {change["name"] for change in changes if change["needs_approval"]} == set(GONE)


def test_existing_file_is_replaced_completely(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("x" * 100_000)
    planfile.write(path, PLAN, VIEW)
    assert planfile.read(path).network == MAIN
    assert [entry.name for entry in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("place", ["missing/plan.json", "folder"])
def test_unwritable_path_is_named_and_left_clean(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(BridgeError) as caught:
        planfile.write(tmp_path / place, PLAN, VIEW)
    assert caught.value.code == "plan-file"
    assert str(tmp_path / place) in caught.value.message
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "something else"},
        {"version": 2},
        {"changes": None},
        {"changes": [{"action": "add"}]},
        {"changes": [{"action": "destroy", "name": "x.com"}]},
        {"changes": [{"action": "add", "name": "X.com"}]},
        {"changes": [{"action": "add", "name": "not a name"}]},
        {"changes": ["add"]},
    ],
)
def test_foreign_document_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        planfile.read(written(tmp_path / "plan.json", **changes))
    assert (caught.value.code, caught.value.exit_code) == ("plan-file", ExitCode.USAGE)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"null", b"{}", b"7", b"[" * 100_000])
def test_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(ConfigError, match="is not a valid closte-bridge plan"):
        planfile.read(tmp_path / "plan.json")


def test_oversized_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "plan.json")
    monkeypatch.setattr(planfile, "_LARGEST", path.stat().st_size)
    assert planfile.read(path).network == MAIN
    monkeypatch.setattr(planfile, "_LARGEST", path.stat().st_size - 1)
    with pytest.raises(ConfigError):
        planfile.read(path)


@pytest.mark.parametrize("place", ["missing.json", "."])
def test_unreadable_file_is_named(tmp_path: Path, place: str) -> None:
    with pytest.raises(ConfigError, match="Could not read the plan file"):
        planfile.read(tmp_path / place)


def test_plan_file_of_an_older_version_is_read(tmp_path: Path) -> None:
    """Older versions flagged removals that need approval with another key. closte-bridge ignores that key."""
    change = {"action": "remove", "name": "x.com", "cause": "inference", "withheld": True}
    assert planfile.read(written(tmp_path / "plan.json", changes=[change])).changes == {("remove", "x.com")}
