from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

import pytest

from closte_bridge.config.key_file import configured_key, key_location, read_key_file
from closte_bridge.config.model import Settings
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

KEY = "k3y-MYSECRET"


def key_file(path: Path, content: bytes = KEY.encode(), mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(path: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read_key_file(path, environ or {})
    error = caught.value
    assert error.code == "key-file"
    # Neither the error nor any chained exception may contain the content.
    everything = "".join(traceback.format_exception(error)) + repr(error.__context__) + error.hint
    assert "SECRET" not in everything
    return error.message.replace(str(path), "F")


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_reads_the_key(tmp_path: Path, end: bytes) -> None:
    assert read_key_file(key_file(tmp_path / "key", KEY.encode() + end), {}).reveal() == KEY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b" \t\n", "is empty"),
        (b"MYSECRET\nMYSECRET\n", "has several lines"),
        (b"MYSECRET\n\n", "has several lines"),
        (b"MYSECRET\rx", "has several lines"),
        (b"MYSECRET x", "contains white space or control characters"),
        (b" MYSECRET", "contains white space or control characters"),
        (b"MYSECRET\x00", "contains white space or control characters"),
        (b"MYSECRET\x1b", "contains white space or control characters"),
        ("MYSECRETé".encode(), "contains invalid characters"),
        (b"\xef\xbb\xbfMYSECRET", "contains invalid characters"),
        (b"\xffMYSECRET", "contains invalid characters"),
        (b"MYSECRET" * 1000, "is too long for a key"),
    ],
)
def test_refuses_an_invalid_key(tmp_path: Path, content: bytes, message: str) -> None:
    assert refusal(key_file(tmp_path / "key", content)) == f'The key file "F" {message}.'


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_refuses_a_file_that_others_can_read_or_change(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path / "key", mode=mode)
    assert refusal(path) == 'The key file "F" is accessible to other users.'


def test_refuses_an_unreadable_or_special_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(tmp_path / "none") == 'The key file "F" does not exist.'
    assert refusal(key_file(tmp_path / "file") / "below") == 'The key file "F" does not exist.'
    assert refusal(tmp_path) == 'The key file "F" is not a file.'
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert refusal(tmp_path / "pipe") == 'The key file "F" is not a file.'
    assert refusal(tmp_path / ("x" * 300)).startswith('The key file "F" cannot be read (')

    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert refusal(tmp_path / "file") == 'The key file "F" is not readable by this user.'


def test_hint_for_a_provisioned_network_keeps_the_key_with_root(tmp_path: Path) -> None:
    """If the site's user owned the key file, the site could change the key."""
    (tmp_path / ".by-ansible").touch()
    with pytest.raises(ConfigError) as caught:
        read_key_file(tmp_path / "keys" / "shop", {})
    assert "`closte-bridge-as shop …`" in caught.value.hint
    assert "0600" not in caught.value.hint


def test_systemd_credential_may_be_group_readable(tmp_path: Path) -> None:
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    path = key_file(tmp_path / "closte-api-key", mode=0o440)
    assert read_key_file(path, environ).reveal() == KEY
    assert "to other users" in refusal(path)
    assert "to other users" in refusal(key_file(tmp_path / "other", mode=0o440), environ)


def test_first_configured_key_source_is_used(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    assert configured_key(settings, {}) is None
    settings = Settings(state_dir=tmp_path, api_key_file=key_file(tmp_path / "file", b"file"))
    environ: dict[str, str] = {}

    def key() -> str:
        found = configured_key(settings, environ)
        assert found is not None
        return found.reveal()

    assert key() == "file"
    # systemd also sets CREDENTIALS_DIRECTORY for other credentials.
    environ["CREDENTIALS_DIRECTORY"] = str(tmp_path / "credentials")
    assert key() == "file"
    key_file(tmp_path / "credentials/closte-api-key", b"credential")
    assert key() == "credential"
    environ["CLOSTE_BRIDGE_API_KEY_FILE"] = ""
    assert key() == "credential"
    environ["CLOSTE_BRIDGE_API_KEY_FILE"] = str(key_file(tmp_path / "variable", b"variable"))
    assert key() == "variable"
    assert key_location(settings, environ) == (tmp_path / "variable", "environment CLOSTE_BRIDGE_API_KEY_FILE")


def test_unusable_configured_key_source_is_an_error(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, api_key_file=key_file(tmp_path / "file"))
    with pytest.raises(ConfigError, match="does not exist"):
        configured_key(settings, {"CLOSTE_BRIDGE_API_KEY_FILE": str(tmp_path / "none")})
    (tmp_path / "closte-api-key").symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigError, match="does not exist"):
        configured_key(settings, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
