"""Tests of loading the config file into the settings of each network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from closte_bridge.config.file import find_config
from closte_bridge.config.load import load_config
from closte_bridge.config.model import DnsSettings, Resolver, Settings, TlsSettings, WpSettings
from closte_bridge.config.problems import InvalidConfigError
from closte_bridge.errors import ConfigError
from tests.support.configs import Write, only, problems_of


def test_defaults_match_the_design(tmp_path: Path) -> None:
    config = load_config(None, {"HOME": str(tmp_path), "STATE_DIRECTORY": "/state"}, system_path=tmp_path / "none")
    assert config.source is None
    assert [*config.networks] == ["default"]
    assert only(config) == Settings(
        name="default",
        source=None,
        api_url="https://app.closte.com/api/client",
        api_key_file=None,
        state_dir=Path("/state"),
        wp=WpSettings(
            command=("wp",), path=None, url=None, ssh=None, alias=None, allow_root=False,
            timeout=120,
        ),
        wildcard=False,
        wildcards=(),
        keep=(),
        removal_delay=300,
        removal_grace=86_400,
        certificate_budget=40,
        concurrency=4,
        rate_limit=10,
        environments=("production",),
        dns=DnsSettings(
            resolvers=(Resolver("1.1.1.1", 53), Resolver("8.8.8.8", 53)), timeout=3, concurrency=50, targets=()
        ),
        tls=TlsSettings(port=443, ca_file=None, timeout=10, concurrency=50),
        metrics_file=None,
        on_problem=(),
    )  # fmt: skip


def test_empty_file_gives_the_defaults(write: Write) -> None:
    path = write("# nothing yet\nwp:\ndns:\nnetworks:\n")
    assert only(load_config(path, {"HOME": "/h"})).wp == WpSettings()


EVERY_KEY = """
api_url: http://127.0.0.1:8080/api/
api_key_file: key
state_dir: ~/state
wp:
  command: [./bin/wp, --quiet]
  path: ../site
  url: https://example.org
  ssh: null
  allow_root: true
  timeout: 1m30s
wildcard: true
wildcards: ["*.Example.ORG", "*.example.org"]
keep: [Bücher.example, "*.keep.example"]
removal_delay: 60
removal_grace: 36h
certificate_budget: 5
concurrency: 2
rate_limit: 0.5
environments: [staging, production]
dns:
  resolvers: ["9.9.9.9", "8.8.8.8:5353", "[::1]:53", "::1"]
  timeout: 1.5
  concurrency: 9
  targets: [192.0.2.1, cdn.example.net]
tls: {port: 8443, ca_file: /etc/ca.pem, timeout: 5s, concurrency: 3}
metrics_file: ~/m.prom
on_problem: [mail, -s, "a problem"]
"""


def everything_read(path: Path) -> Settings:
    """Return the settings that `EVERY_KEY` gives in the file `path`."""
    return Settings(
        source=path,
        api_url="http://127.0.0.1:8080/api",
        api_key_file=path.parent / "key",
        state_dir=Path("/home/u/state"),
        wp=WpSettings(
            command=(str(path.parent / "bin/wp"), "--quiet"),
            path=str(path.parent / "../site"),
            url="https://example.org",
            allow_root=True,
            timeout=90,
        ),
        wildcard=True,
        wildcards=("*.example.org",),
        keep=("xn--bcher-kva.example", "*.keep.example"),
        removal_delay=60,
        removal_grace=129_600,
        certificate_budget=5,
        concurrency=2,
        rate_limit=0.5,
        environments=("staging", "production"),
        dns=DnsSettings(
            resolvers=(Resolver("9.9.9.9"), Resolver("8.8.8.8", 5353), Resolver("::1")),
            timeout=1.5,
            concurrency=9,
            targets=("192.0.2.1", "cdn.example.net"),
        ),
        tls=TlsSettings(port=8443, ca_file=Path("/etc/ca.pem"), timeout=5, concurrency=3),
        metrics_file=Path("/home/u/m.prom"),
        on_problem=("mail", "-s", "a problem"),
    )


def test_reads_every_key(write: Write) -> None:
    path = write(EVERY_KEY)
    assert only(load_config(path, {"HOME": "/home/u"})) == everything_read(path)


def test_networks_inherit_the_top_level_key_by_key(write: Write) -> None:
    path = write(
        """
wp: {path: /a, timeout: 5, ssh: u@h}
keep: [example.org]
networks:
  one: {wp: {path: rel, timeout: 7}, keep: []}
  two: {wp: {ssh: null}, api_key_file: k}
  three:
"""
    )
    config = load_config(path, {"HOME": "/h", "STATE_DIRECTORY": "/s:/t"})
    one, two, three = config.networks.values()
    assert [*config.networks] == ["one", "two", "three"] == [one.name, two.name, three.name]
    # With SSH the path is on the other machine, so closte-bridge does not change it.
    assert one.wp == WpSettings(path="rel", timeout=7, ssh="u@h")
    assert two.wp == WpSettings(path="/a", timeout=5)
    assert (one.keep, two.keep) == ((), ("example.org",))
    assert two.api_key_file == path.parent / "k"
    assert [settings.state_dir for settings in (one, two, three)] == [Path("/s/one"), Path("/s/two"), Path("/s/three")]
    assert config.origins["two"]["wp.path"] == f"{path}:2"
    assert config.origins["one"]["wp.path"] == f"{path}:5"
    assert config.origins["three"]["state_dir"] == "environment STATE_DIRECTORY"


def test_networks_have_separate_state_folders(write: Write) -> None:
    config = load_config(write("state_dir: /x\nnetworks: {a: {}, b: {state_dir: /y}}\n"), {"HOME": "/h"})
    assert [one.state_dir for one in config.networks.values()] == [Path("/x/a"), Path("/y")]
    path = write("networks:\n  a: {state_dir: /x}\n  b:\n    state_dir: /x\n")
    assert problems_of(path) == ['4: "networks.b.state_dir" is already used by "a"; each network needs its own.']


def test_state_folder_belongs_to_the_current_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def folder(**environ: str) -> Path:
        return only(load_config(None, {"HOME": "/h"} | environ, system_path=tmp_path / "none")).state_dir

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert folder() == Path("/var/lib/closte-bridge")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert folder() == Path("/h/.local/state/closte-bridge")
    assert folder(XDG_STATE_HOME="/xdg") == Path("/xdg/closte-bridge")
    assert folder(STATE_DIRECTORY="/var/lib/x") == Path("/var/lib/x")


def test_user_without_a_home_folder_gets_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_path: object = None) -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConfigError, match="home folder of this user"):
        load_config(None, {}, system_path=tmp_path / "none")
    path = tmp_path / "config.yaml"
    path.write_text("state_dir: /s\nmetrics_file: ~/m\n")
    with pytest.raises(InvalidConfigError, match="home folder of this user"):
        load_config(path, {})
    assert find_config(None, {}, system_path=tmp_path / "none") is None


def test_libraries_are_imported_only_for_an_existing_file(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom closte_bridge.config.load import load_config\n"
        "load_config(None, {'HOME': '/h'}, system_path=Path('/nonexistent'))\n"
        "sys.exit(len({'yaml', 'voluptuous', 'idna', 'click'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False).returncode == 0


def test_ssh_has_its_command_and_folder_there_and_its_password_here(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("wp: {ssh: u@host~/site, command: [./wp], ssh_password_file: password}")
    environ = {"HOME": str(tmp_path)}
    settings = load_config(file, environ).networks["default"]
    assert settings.wp.command == ("./wp",)
    assert settings.wp.ssh_password_file == tmp_path / "password"
    assert settings.wp.state_dir == settings.state_dir
    # The environment wins, and a credential of systemd comes before the config.
    (tmp_path / "closte-ssh-password").touch()
    for given, found in (
        ({"CREDENTIALS_DIRECTORY": str(tmp_path)}, tmp_path / "closte-ssh-password"),
        (
            {"CREDENTIALS_DIRECTORY": str(tmp_path), "CLOSTE_BRIDGE_SSH_PASSWORD_FILE": "/run/password"},
            Path("/run/password"),
        ),
    ):
        assert load_config(file, environ | given).networks["default"].wp.ssh_password_file == found
