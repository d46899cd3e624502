from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import BridgeError
from closte_bridge.sandbox.store import Store
from tests.support.sandbox.request_log import RecordedRequest, RequestLog

if TYPE_CHECKING:
    from pathlib import Path

OWN = "app.closte.com"
REQUEST = RecordedRequest("add", "a.example.org", "0", "body", True, "", 200, 1, 12.5)


def test_adds_and_removes() -> None:
    store = Store(OWN)
    assert store.add("Shop.example.org", wildcard=False) == "done"
    assert store.add("shop.example.org", wildcard=False) == "already"
    assert store.add("*.example.org", wildcard=True) == "done"
    assert store.names == [OWN, "shop.example.org", "*.example.org"]
    assert store.remove("shop.example.org", wildcard=False) == "done"
    assert store.remove("shop.example.org", wildcard=False) == "already"
    assert store.names == [OWN, "*.example.org"]


@pytest.mark.parametrize(
    ("domain", "wildcard"),
    [
        ("", False),
        ("shop", False),
        ("shop..example.org", False),
        ("sh op.example.org", False),
        ("shop_.example.org", False),
        ("192.0.2.1", False),
        ("bücher.example", False),
        ("other.closte.com", False),
        ("closte.com", False),
        ("*.closte.com", True),
        ("*.example.org", False),
        ("example.org", True),
        ("*.*.example.org", True),
        ("x" * 64 + ".org", False),
        ("shop.example.org.", False),
        ("shop.example.org\n", False),
    ],
)
def test_invalid_domain_is_refused_like_by_closte(domain: str, wildcard: bool) -> None:
    store = Store(OWN)
    assert store.add(domain, wildcard=wildcard) == "invalid"
    assert store.remove(domain, wildcard=wildcard) == "invalid"
    assert store.names == [OWN]


def test_main_domain_cannot_be_removed() -> None:
    store = Store(OWN)
    assert store.remove(OWN, wildcard=False) == "invalid"
    store.replace(["a.example.org"])
    assert store.names == [OWN, "a.example.org"]


def test_every_change_is_saved_immediately(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    store = Store(OWN, path)
    store.add("a.example.org", wildcard=False)
    assert json.loads(path.read_text())["aliases"] == [OWN, "a.example.org"]
    assert Store(OWN, path).names == [OWN, "a.example.org"]
    store.remove("a.example.org", wildcard=False)
    assert Store(OWN, path).names == [OWN]
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


def test_a_kill_before_the_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    store = Store(OWN, path)
    store.add("a.example.org", wildcard=False)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.add("b.example.org", wildcard=False)
    assert Store(OWN, path).names == [OWN, "a.example.org"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"aliases": [1]}', '{"aliases": 7}', "{"])
def test_refuses_a_foreign_state_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(BridgeError) as caught:
        Store(OWN, path)
    assert caught.value.code == "sandbox-state"


def test_request_log_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    journal = RequestLog(path)
    journal.write(REQUEST)
    journal.write(REQUEST)
    with path.open("a") as file:
        file.write('{"call": "ad')
    again = RequestLog(path)
    assert again.read() == [REQUEST, REQUEST]
    assert again.read(1) == [REQUEST]
    again.clear()
    assert again.read() == []
    assert not path.exists()


def test_request_log_refuses_a_foreign_file(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text("nonsense\n")
    with pytest.raises(BridgeError):
        RequestLog(path)
