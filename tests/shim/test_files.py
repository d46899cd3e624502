"""The shim's files, their order, and their configuration of closte-bridge."""

from __future__ import annotations

import base64
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from closte_bridge import __version__
from closte_bridge.config.model import Settings, WpSettings
from closte_bridge.shim.files import Entry, entry_for, moved, starts_us, texts

HERE = Settings(state_dir=Path("/state"), source=Path("/etc/config.yaml"), wp=WpSettings(path="/var/www"))


@pytest.fixture(autouse=True)
def called_as_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest"])


def test_dependencies_are_written_before_their_callers() -> None:
    names = list(texts())
    assert names[-2:] == ["closte-bridge/class-events.php", "closte-bridge-shim.php"]
    assert "closte-bridge/class-outbox.php" in names


def test_header_names_this_version() -> None:
    loader = base64.b64decode(texts()["closte-bridge-shim.php"]).decode()
    header = dict(re.findall(r"^ \* (Version|License|Text Domain): (.*)$", loader, re.MULTILINE))
    assert header == {"Version": __version__, "License": "MIT", "Text Domain": "closte-bridge"}


def test_proxy_is_kept_without_its_password() -> None:
    proxies = {
        "https_proxy": "http://proxy.example.com:3128",
        "HTTPS_PROXY": "http://user:secret@proxy.example.com:3128",
        "ALL_PROXY": "user:secret@proxy.example.com",
        "NO_PROXY": "localhost,.example.net",
    }
    told = entry_for(HERE, {"HOME": "/home/web", "UNRELATED": "x", **proxies}, [], "auto").environment
    assert told == {
        "HOME": "/home/web",
        "https_proxy": "http://proxy.example.com:3128",
        "NO_PROXY": "localhost,.example.net",
        "LC_ALL": "C.UTF-8",
    }


def installed(*options: str, **changes: object) -> Entry:
    """Return the entry that `shim install` writes, as it is read again, with some changes."""
    entry = entry_for(HERE, {}, ["--config=/etc/config.yaml", *options], "auto")
    return Entry.decode(entry._asdict() | changes)


ENGINE = [sys.executable, "-m", "closte_bridge", "--config=/etc/config.yaml"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (installed(), []),
        (installed("--path=/var/www/", "--url=example.net", "--allow-root"), []),
        (installed(wake="none", setsid="/elsewhere"), []),
        (installed(engine=[str(Path(sys.executable).with_name("python3.x")), *ENGINE[1:]]), []),
        (installed(engine=["/opt/closte-bridge/bin/closte-bridge", ENGINE[-1]]), []),
        (installed(engine=["/opt/bin/python3", *ENGINE[1:]]), ["the program"]),
        (installed(engine=["/bin/sh", "-c", "touch /tmp/x", ENGINE[-1]]), ["the program"]),
        (installed(engine=[sys.executable, ENGINE[-1]]), ["the program"]),
        (installed(engine=[*ENGINE[:-1], "--config=/old.yaml"]), ["the config"]),
        (installed(engine=ENGINE[:-1]), ["the config"]),
        (installed("--network=other"), ["the network's name"]),
        (installed("--path=/var/old"), ["WordPress' folder"]),
        (installed(trigger_file="/old/trigger", user=os.geteuid() + 1), ["the state folder", "the user"]),
        (installed(engine=None), ["the machine"]),
        (installed(engine="odd"), ["the machine"]),
    ],
)
def test_changed_parts_of_the_configuration_are_named(entry: Entry, expected: list[str]) -> None:
    assert moved(entry, HERE, "/var/www") == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (installed(), True),
        (installed("--allow-root", environment={"PATH": "/another"}), True),
        (installed(engine=[str(Path(sys.executable).with_name("python3.x")), *ENGINE[1:]]), False),
        (installed(engine=["/opt/closte-bridge/bin/closte-bridge", ENGINE[-1]]), False),
        (installed(engine=[*ENGINE[:3], "help", ENGINE[-1]]), False),
        (installed(trigger_file="/old/trigger"), False),
        (installed(engine=None), False),
        (installed(engine="odd"), False),
    ],
)
def test_configuration_starts_this_program_only(entry: Entry, expected: bool) -> None:
    assert starts_us(entry, HERE, "/var/www") is expected
    assert not starts_us(entry, replace(HERE, wp=WpSettings(path="/var/www", ssh="web@host")), "/var/www")


def test_named_network_needs_its_name_in_the_configuration() -> None:
    named = replace(HERE, name="main")
    assert moved(installed("--network=main"), named, "/var/www/") == []
    assert moved(installed(), named, "/var/www") == ["the network's name"]


def test_configuration_needs_the_folder_of_wordpress() -> None:
    silent = replace(HERE, wp=WpSettings())
    assert moved(installed("--path=/var/www"), silent, "/var/www/") == []
    assert moved(installed(), silent, "/var/www/") == ["WordPress' folder"]


def test_configuration_over_ssh_has_no_local_parts() -> None:
    away = Settings(state_dir=Path("/state"), wp=WpSettings(ssh="web@host"))
    assert moved(entry_for(away, {}, [], "auto"), away, "/") == []
    assert moved(installed(), away, "/") == ["the machine"]


def test_program_is_the_same_through_every_symlink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "venv" / "closte-bridge"
    script.parent.mkdir()
    script.write_text("")
    script.chmod(0o755)
    link = tmp_path / "closte-bridge"
    link.symlink_to(script)
    monkeypatch.setattr(sys, "argv", [str(link)])
    told = installed()
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert moved(told, HERE, "/var/www") == []
    script.rename(tmp_path / "away")
    other = tmp_path / "other" / "closte-bridge"
    other.parent.mkdir()
    (tmp_path / "away").rename(other)
    monkeypatch.setattr(sys, "argv", [str(other)])
    assert moved(told, HERE, "/var/www") == ["the program"]
