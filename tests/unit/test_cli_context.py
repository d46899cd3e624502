from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from closte_bridge.cli.console import Console
from closte_bridge.cli.context import App
from closte_bridge.config.model import WpSettings
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        "wp: {path: /top}\nnetworks:\n  one: {}\n  two: {wp: {ssh: u@h, url: https://two.example}}\n"
        "  three: {wp: {path: /x, alias: '@three'}}\n"
    )
    return path


def app(file: Path, **overrides: object) -> App:
    made = App(Console(io.StringIO(), io.StringIO(), io.StringIO(), environ={}), {"HOME": "/home/u"})
    made.overrides.config = str(file)
    for name, value in overrides.items():
        setattr(made.overrides, name, value)
    return made


def refusal(made: App) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        made.network()
    return caught.value


def test_home_folder_in_the_config_path_is_expanded(file: Path) -> None:
    """A shell expands `~` in `--config ~/x` but not in `--config=~/x`."""
    made = app(file, config="~/config.yaml", network="one")
    made.environ = {"HOME": str(file.parent)}
    assert made.network().source == file


def test_networks_are_selected_by_option(file: Path) -> None:
    assert [one.name for one in app(file, network="two").settings()] == ["two"]
    assert [one.name for one in app(file, all_networks=True).settings()] == ["one", "two", "three"]
    assert [one.name for one in app(file).settings(every=True)] == ["one", "two", "three"]
    single = file.with_name("single.yaml")
    single.write_text("networks: {only: }\n")
    assert app(single).network().name == "only"


@pytest.mark.parametrize(
    ("overrides", "code", "hint"),
    [
        (
            {},
            "which-network",
            "Select one with `--network=<name>`: one, two, three. `plan`, `sync` and `doctor` accept `--all`.",
        ),
        ({"network": "four"}, "unknown-network", "Networks: one, two, three."),
        ({"network": "one", "all_networks": True}, "usage", "Remove one of them."),
        ({"all_networks": True}, "one-network", "Select one with `--network=<name>`: one, two, three."),
        ({"all_networks": True, "path": "/x"}, "one-network", "Select one with `--network=<name>`: one, two, three."),
    ],
)
def test_ambiguous_network_is_an_error_with_a_hint(
    file: Path, overrides: dict[str, object], code: str, hint: str
) -> None:
    error = refusal(app(file, **overrides))
    assert (error.code, error.hint) == (code, hint)


@pytest.mark.parametrize(
    ("network", "overrides", "wp"),
    [
        ("one", {"path": "/y"}, WpSettings(path="/y")),
        ("one", {"path": "~/y"}, WpSettings(path="/home/u/y")),
        ("two", {"path": "y"}, WpSettings(path="y", ssh="u@h", url="https://two.example")),
        ("one", {"ssh": "a@b"}, WpSettings(ssh="a@b")),
        ("one", {"ssh": "a@b", "path": "y"}, WpSettings(ssh="a@b", path="y")),
        ("two", {"alias": "@prod"}, WpSettings(alias="@prod")),
        ("two", {"alias": "@prod", "url": "https://x.example"}, WpSettings(alias="@prod", url="https://x.example")),
        ("three", {"ssh": "a@b"}, WpSettings(ssh="a@b")),
        ("one", {"allow_root": True}, WpSettings(path="/top", allow_root=True)),
    ],
)
def test_options_override_the_file(file: Path, network: str, overrides: dict[str, object], wp: WpSettings) -> None:
    assert app(file, network=network, **overrides).network().wp == wp


def test_relative_path_starts_in_the_working_directory(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert app(file, network="one", path="site").network().wp.path == str(tmp_path / "site")


@pytest.mark.parametrize("overrides", [{"ssh": "u:p@h"}, {"ssh": "-oProxyCommand=x"}, {"url": "a b"}])
def test_options_are_checked_like_the_file(file: Path, overrides: dict[str, object]) -> None:
    assert refusal(app(file, network="one", **overrides)).code == "usage"


def test_origins_name_the_options(file: Path) -> None:
    ((_settings, origins),) = app(file, network="two", alias="@prod", path="p").effective()
    assert origins["wp.alias"] == origins["wp.ssh"] == origins["wp.url"] == "@prod"
    assert origins["wp.path"] == "--path"


def test_file_is_read_once(file: Path) -> None:
    made = app(file, network="one")
    first = made.config()
    file.unlink()
    assert made.config() is first
    assert made.network().name == "one"
