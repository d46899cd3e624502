"""Outside text in arguments: it becomes no option of `wp`, `ssh` or closte-bridge, and no command of a shell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import voluptuous as vol

from closte_bridge.cli.main import run
from closte_bridge.config import values
from closte_bridge.config.model import WpSettings
from closte_bridge.config.schema import NETWORK_NAME, validate
from closte_bridge.config.ssh_target import ssh_target
from closte_bridge.engine.user_command import run_user_command
from closte_bridge.wordpress.wp import WpCall, WpCost, command_line, script
from tests.support.running import write_script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fake_world import World

OPTION_LIKE = ("--exec=touch owned", "-oProxyCommand=touch owned", "--require=owned.php", "@all", "--ssh=evil")


@pytest.mark.parametrize(
    "place",
    [
        "-oProxyCommand=x", "ssh:-oProxyCommand=x", "ssh://-oProxyCommand=x", "u@-oProxyCommand=x", "ssh:u@-x",
        "docker:--privileged", "docker-compose-run:-v=x", "vagrant:-x", "-u@host", "u@ho$(id)st",
        "u;id@host", "u@h`id`",
        "u@", "@host", "u@host:0", "u@host:99999", "u@host:x/path", "host path", "u@host\u00e9",
    ],
)  # fmt: skip
def test_location_cannot_become_an_option_of_ssh_or_docker(place: str) -> None:
    with pytest.raises(vol.Invalid, match="must look like"):
        values.ssh(place)


@pytest.mark.parametrize("place", ["host", "u@host:22/path", "ssh:u@host~/x", "docker:web", "vagrant", "u@host/a-b@c"])
def test_valid_locations_are_accepted(place: str) -> None:
    assert values.ssh(place) == place


@pytest.mark.parametrize("url", ["--exec=x", "-x", "u:p@host", "a b"])
def test_url_cannot_become_an_option(url: str) -> None:
    with pytest.raises(vol.Invalid):
        values.site_url(url)


@pytest.mark.parametrize("alias", ["prod", "@all", "@", "@a b", "@--exec", "-@x", "@x\n"])
def test_invalid_alias_is_refused(alias: str) -> None:
    if alias == "@--exec":  # after the "@", a dash is part of the alias
        assert values.alias(alias) == alias
        return
    with pytest.raises(vol.Invalid):
        values.alias(alias)


@pytest.mark.parametrize("text", OPTION_LIKE)
def test_settings_stay_values_of_their_options(text: str) -> None:
    argv = command_line(WpSettings(path=text, url=text, ssh=f"docker:{text}"))
    assert [word for word in argv if text in word] == [f"--path={text}", f"--url={text}", f"--ssh=docker:{text}"]
    there = command_line(WpSettings(path=text, url=text, ssh="host"))
    assert [word for word in there if text in word] == [f"--path={text}", f"--url={text}"]


@pytest.mark.parametrize(
    ("written", "arguments", "path"),
    [
        ("host", ["--", "host"], None),
        ("ssh://u1@host:22/a b'$(id)", ["-p", "22", "-l", "u1", "--", "host"], "/a b'$(id)"),
        ("u@host~/site", ["-l", "u", "--", "host"], "site"),
        ("host~", ["--", "host"], "."),
        ("[2001:db8::1]:2222/x", ["-p", "2222", "--", "2001:db8::1"], "/x"),
    ],
)
def test_location_is_passed_on_in_parts(written: str, arguments: list[str], path: str | None) -> None:
    assert values.ssh(written) == written
    target = ssh_target(written)
    assert (target.arguments, target.path) == (arguments, path)


@pytest.mark.real
def test_domain_never_appears_in_the_arguments_of_wp(make_world: Callable[..., World]) -> None:
    """Record the real arguments of `wp` while domains look like options and commands."""
    world = make_world(mapped=["customer.example.org"])
    names = [*OPTION_LIKE, "$(touch owned)", "`touch owned`", "'; touch owned; '", "--exec=x.example.com"]
    world.wordpress.change(add=names)
    seen = world.folder / "arguments"
    command: list[str] = world.settings["wp"]["command"]
    spy = write_script(world.folder / "spy", f'printf "%s\\n" "$@" >>{seen}\nexec {" ".join(command)}')
    world.configure(wp={"command": [str(spy)], "timeout": 60})
    for words in (["adopt", "--yes"], ["sync"], ["domain", "list"], ["doctor"]):
        world.cli(*words)
    arguments = seen.read_text()
    assert arguments.count("eval-file") >= 4
    assert not [name for name in names if name in arguments]
    assert not list(world.folder.rglob("owned*"))


@pytest.mark.parametrize("text", ["'.system('touch owned').'", "\\'; system('x'); //", "?><?php system('x');", "\n"])
def test_script_request_cannot_become_php(text: str) -> None:
    request = {"acknowledge": [text], "engine": text}
    first, second, *_ = script("snapshot", request).decode().splitlines()
    assert first == "<?php"
    # Line 2 contains the request only as base64 inside quotes.
    assert text not in second
    assert json.dumps(text)[1:-1] not in second


@pytest.mark.parametrize("name", OPTION_LIKE[:2])
def test_domain_cannot_become_an_option_of_closte_bridge(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["domain", "add", name], environ={"HOME": "/nonexistent"}) == 2
    assert run(["domain", "add", "--", name], environ={"HOME": "/nonexistent"}) == 2
    assert "Error:" in capsys.readouterr().err


def test_problem_command_runs_without_a_shell(tmp_path: Path) -> None:
    seen, owned = tmp_path / "seen", tmp_path / "owned"
    spy = write_script(tmp_path / "spy", f'printf "%s\\n" "$@" >{seen}; cat >>{seen}')
    problem: dict[str, Any] = {"problems": [{"message": f"$(touch {owned}) \x1b[2J `touch {owned}`"}]}
    run_user_command("on_problem", [str(spy), f"; touch {owned}", f"$(touch {owned})"], problem)
    assert seen.read_text().splitlines()[:2] == [f"; touch {owned}", f"$(touch {owned})"]
    assert "\x1b" not in seen.read_text()
    assert not owned.exists()


def test_service_manager_variables_are_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "environment"
    spy = write_script(tmp_path / "spy", f"env >{seen}")
    for name in ("NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "WATCHDOG_PID"):
        monkeypatch.setenv(name, "/run/x")
    WpCall.start(WpSettings(command=(str(spy),)), "snapshot", {}, WpCost()).process.wait()
    for name in ("NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "WATCHDOG_PID"):
        assert name not in seen.read_text()
    seen.unlink()
    run_user_command("on_problem", [str(spy)], {})
    for name in ("NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "WATCHDOG_PID"):
        assert name not in seen.read_text()


@pytest.mark.parametrize("name", ["a b", "%i", "../x", "-x", "A", "a.b", "a\nb", "a@b", "a;b", "", "x" * 64, "a\x1b"])
def test_unsafe_network_name_is_refused(name: str) -> None:
    """The name becomes a systemd instance, a folder, a file name, a metric label and an option value."""
    assert not NETWORK_NAME.fullmatch(name)
    _, networks, problems = validate({"networks": {name: {}}}, {})
    assert not networks
    assert len(problems) == 1
    assert "\x1b" not in problems[0].message
