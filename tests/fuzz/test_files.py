"""Files damaged by users, editors and full disks: each gives one clear error and never a traceback."""

from __future__ import annotations

import fcntl
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.config.key_file import read_key_file
from closte_bridge.config.load import load_config
from closte_bridge.config.problems import InvalidConfigError
from closte_bridge.engine import lock, planfile
from closte_bridge.errors import BridgeError, ConfigError
from tests.fuzz.examples import FUZZ
from tests.fuzz.mutations import ODD, damaged, mutated

if TYPE_CHECKING:
    from pathlib import Path

GOOD_PLAN: dict[str, Any] = {
    "kind": planfile.KIND,
    "version": planfile.VERSION,
    "network": "network.org",
    "database": "0123456789abcdef",
    "created": "2024-01-01T00:00:00+00:00",
    "changes": [{"action": "add", "name": "a.com"}, {"action": "remove", "name": "b.com"}],
}
GOOD_CONFIG = b"""\
api_url: https://app.closte.com/api/client
wp:
  command: [wp]
  path: /var/www/html
  timeout: 120
wildcards: ["*.example.org"]
keep: [legacy.example.org]
removal_delay: 5m
dns: {resolvers: ["1.1.1.1", "8.8.8.8:53"], targets: []}
tls: {port: 443}
networks:
  shop: {rate_limit: 5}
"""


@FUZZ
@given(mutated(GOOD_PLAN).map(lambda document: json.dumps(document).encode()) | damaged(json.dumps(GOOD_PLAN).encode()))
def test_any_plan_file_is_a_plan_or_one_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(data)
    try:
        plan = planfile.read(path)
    except ConfigError:
        return
    assert all(action in {"add", "remove"} for action, _ in plan.changes)


def problems(path: Path) -> list[str]:
    """Return the problems of a config without their places. Each has a line number; any other error is a defect."""
    try:
        assert load_config(path, {}).networks
    except InvalidConfigError as error:
        return [re.sub(rf"\A{re.escape(str(path))}:[1-9]\d*: (?=\S)", "", text) for text in error.problems]
    return []


@FUZZ
@given(damaged(GOOD_CONFIG) | st.binary(max_size=300))
def test_any_config_is_accepted_or_reported_safely(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(data)
    for text in problems(path):
        assert str(path) not in text
        assert "\x1b" not in text


KEYS = (
    "api_url",
    "state_dir",
    "wp",
    "keep",
    "wildcards",
    "removal_delay",
    "dns",
    "tls",
    "networks",
    "concurrency",
    "x",
)


@FUZZ
@given(st.dictionaries(st.sampled_from(KEYS), ODD, min_size=1))
def test_all_invalid_values_are_reported_together(tmp_path: Path, values: dict[str, object]) -> None:
    path = tmp_path / "config.yaml"

    def told(document: dict[str, object]) -> set[str]:
        # JSON is also YAML, except for values that JSON cannot represent.
        path.write_text(json.dumps(document), encoding="utf-8", errors="surrogatepass")
        return set(problems(path))

    together = told(values)
    for key, value in values.items():
        assert told({key: value}) <= together


def test_yaml_alias_bomb_is_refused_without_expansion(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(lines), encoding="ascii")
    said = problems(path)
    assert said
    assert sum(map(len, said)) < 10_000


@FUZZ
@given(st.binary(max_size=80) | st.sampled_from([b"key\n", b"key\r\n", b"\xff" * 20, b"k" * 100_000]))
def test_any_key_file_is_a_key_or_one_error_without_its_content(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(data)
    said = ""
    try:
        assert read_key_file(path, {}).reveal().isprintable()
    except ConfigError as error:
        said = f"{error.message} {error.hint}"
    assert len(data) <= 8 or data.decode("latin-1").strip() not in said


@FUZZ
@given(damaged(b'{"pid": 1, "command": "sync", "since": 1700000000.0}') | st.binary(max_size=100))
def test_any_lock_file_content_is_harmless(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / lock.FILE_NAME).write_bytes(data)
    with (folder / lock.FILE_NAME).open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        lock.holder_since(folder)
        with pytest.raises(BridgeError) as caught, lock.held(folder, "test"):
            pass
    assert caught.value.code == "locked"
