"""The config of a new network: other networks stay exactly as they were, and inherited places do not leak into it."""

from __future__ import annotations

import io
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import yaml

from closte_bridge.cli.commands.setup_config import Draft, draft_for
from closte_bridge.cli.console import Console
from closte_bridge.cli.context import App, Overrides
from closte_bridge.config.edit import HEADER
from closte_bridge.errors import BridgeError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

FIRST = """\
# Mine.
api_key_file: key
wp: {ssh: "one@host.example/srv", ssh_password_file: pw, command: [php, /wp.phar], url: https://one.example}
"""
SECOND = "two@host.example:2222/srv"


def app_for(folder: Path, text: str | None, **given: str) -> App:
    """Return a call in a home folder whose config has this text."""
    path = folder / "config.yaml"
    if text is not None:
        path.write_text(text)
    console = Console(io.StringIO(), io.StringIO(), io.StringIO(), environ={})
    environ = {"HOME": str(folder), "CLOSTE_BRIDGE_CONFIG": str(path)}
    return App(console, environ, Overrides(**given))  # type: ignore[arg-type] # texts only


def draft(app: App) -> Draft:
    found = draft_for(app)
    assert found is not None
    return found


def written(app: App, name: str = "two", undo: ExitStack | None = None) -> dict[str, object]:
    """Write the network of the call to the config, and return the content of the file."""
    new = draft(app)
    new.write(name, new.values, None, None, undo or ExitStack())
    app.forget_config()
    content = yaml.safe_load(new.path.read_text())
    assert isinstance(content, dict)
    return content


def test_second_network_leaves_the_first_one_as_it_is(tmp_path: Path) -> None:
    app = app_for(tmp_path, FIRST, ssh=SECOND)
    before = app.config().networks["default"]
    content = written(app)
    after = app.config().networks
    assert after["default"] == before
    assert (tmp_path / "config.yaml").read_text().startswith(FIRST)
    assert content["networks"] == {
        "default": {"state_dir": str(before.state_dir)},
        "two": {
            "wp": {"ssh": SECOND, "ssh_password_file": None, "url": None, "command": ["wp"]},
            "api_key_file": None,
        },
    }
    two = after["two"]
    assert (two.wp.ssh, two.wp.ssh_password_file, two.wp.url, two.wp.command) == (SECOND, None, None, ("wp",))
    assert two.api_key_file is None, "Another application has another key."
    assert two.state_dir != before.state_dir


def test_third_network_is_added_to_the_others(tmp_path: Path) -> None:
    written(app_for(tmp_path, FIRST, ssh=SECOND))
    app = app_for(tmp_path, None, ssh="three@host.example/srv")
    before = {**app.config().networks}
    written(app, "three")
    after = app.config().networks
    assert {name: after[name] for name in before} == before
    assert after["three"].wp.ssh == "three@host.example/srv"


def test_known_place_selects_its_network(tmp_path: Path) -> None:
    written(app_for(tmp_path, FIRST, ssh=SECOND))
    app = app_for(tmp_path, None, ssh="ssh://two@host.example:2222/srv")
    assert draft_for(app) is None
    assert app.network().name == "two"
    with pytest.raises(ConfigError, match='that of the network "two"'):
        draft_for(app_for(tmp_path, None, ssh=SECOND, network="other"))
    with pytest.raises(ConfigError, match='"two" is at another place'):
        draft_for(app_for(tmp_path, None, ssh="x@y.example/z", network="two"))
    with pytest.raises(ConfigError, match="not a valid network name"):
        draft_for(app_for(tmp_path, None, ssh="x@y.example/z", network="Two!"))


def test_first_network_inherits_the_settings_of_the_file(tmp_path: Path) -> None:
    app = app_for(tmp_path, "api_key_file: key\nstate_dir: states\n", ssh=SECOND)
    written(app)
    two = app.config().networks["two"]
    assert [*app.config().networks] == ["two"]
    assert (two.api_key_file, two.state_dir) == (tmp_path / "key", tmp_path / "states/two")


def test_folder_on_this_machine_needs_no_entry_unless_there_are_others(tmp_path: Path) -> None:
    assert draft_for(app_for(tmp_path, "checks: true\n", path="/srv/one")) is None
    app = app_for(tmp_path, "wp: {path: /srv/one}\n", path="/srv/two")
    assert draft(app).values == {"wp": {"path": "/srv/two"}}
    assert draft_for(app_for(tmp_path, None, path="/srv/one")) is None


def test_stopped_setup_restores_the_config(tmp_path: Path) -> None:
    undo = ExitStack()
    written(app_for(tmp_path, FIRST, ssh=SECOND), undo=undo)
    undo.close()
    assert (tmp_path / "config.yaml").read_text() == FIRST
    undo = ExitStack()
    (tmp_path / "config.yaml").unlink()
    app = app_for(tmp_path / "sub", None, ssh=SECOND)
    written(app, undo=undo)
    assert (tmp_path / "sub/config.yaml").read_text().startswith(HEADER)
    assert (tmp_path / "sub/config.yaml").stat().st_mode & 0o777 == 0o600
    undo.close()
    assert not (tmp_path / "sub").exists()


def test_config_that_only_a_person_can_edit_is_left_alone(tmp_path: Path) -> None:
    app = app_for(tmp_path, "{checks: true}\n", ssh=SECOND, network="two")
    with pytest.raises(BridgeError) as caught:
        written(app)
    assert caught.value.code == "config-not-written"
    assert f"two: {{wp: {{ssh: '{SECOND}'}}}}" in caught.value.hint
    assert (tmp_path / "config.yaml").read_text() == "{checks: true}\n"
