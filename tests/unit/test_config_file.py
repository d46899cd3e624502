"""Tests of the choice of the config file and of the errors when it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from closte_bridge.config.file import MAX_SIZE
from closte_bridge.config.load import load_config
from closte_bridge.errors import ConfigError
from tests.support.configs import only


def test_first_existing_config_file_is_used(tmp_path: Path) -> None:
    def file(name: str, delay: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"removal_delay: {delay}\n")
        return path

    home = tmp_path / "home"
    user = file("home/.config/closte-bridge/config.yaml", 1)
    environ = {"HOME": str(home)}
    system = tmp_path / "etc.yaml"

    def delay(explicit: Path | None = None) -> float:
        return only(load_config(explicit, environ, system_path=system)).removal_delay

    assert delay() == 1
    environ["XDG_CONFIG_HOME"] = "relative/is/ignored"
    assert delay() == 1
    environ["XDG_CONFIG_HOME"] = str(file("xdg/closte-bridge/config.yaml", 2).parent.parent)
    assert delay() == 2
    file("etc.yaml", 3)
    assert delay() == 3
    environ["CLOSTE_BRIDGE_CONFIG"] = str(file("named.yaml", 4))
    assert delay() == 4
    assert delay(user) == 1
    environ["CLOSTE_BRIDGE_CONFIG"] = ""
    assert delay() == 3


def test_missing_named_file_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    for explicit, environ in ((missing, {}), (None, {"CLOSTE_BRIDGE_CONFIG": str(missing)})):
        with pytest.raises(ConfigError) as caught:
            load_config(explicit, environ)
        assert caught.value.message == f'The config file "{missing}" does not exist.'
        assert caught.value.code == "config-file"
        assert "the config file is optional" in caught.value.hint


def test_dangling_symlink_in_a_default_location_is_an_error(tmp_path: Path) -> None:
    link = tmp_path / "etc.yaml"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(None, {"HOME": str(tmp_path)}, system_path=link)


def test_unreadable_file_states_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def message(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            load_config(path, {})
        return caught.value.message.replace(str(path), "F")

    assert message(tmp_path) == 'The config file "F" is a folder.'
    assert message(tmp_path / ("x" * 300)).startswith('The config file "F" cannot be read (')
    assert message(Path("a\0b")) == 'The config file "F" does not exist.'
    path = tmp_path / "config.yaml"
    path.write_bytes(b"wp:\n  path: \xff\n")
    assert message(path) == "F:2: The file is not UTF-8 text."
    path.write_bytes(b"#" * (MAX_SIZE + 1))
    assert message(path) == 'The config file "F" is larger than 256 KiB.'

    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert message(path) == 'The config file "F" is not readable by this user.'
    monkeypatch.setattr(Path, "lstat", refuse)
    with pytest.raises(ConfigError, match="is not readable by this user"):
        load_config(None, {"HOME": "/h"})


def test_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbfwildcard: true\n")
    assert only(load_config(path, {"HOME": "/h"})).wildcard is True
