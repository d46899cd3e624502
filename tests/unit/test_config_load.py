from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from closte_bridge.config.file import MAX_SIZE, find_config
from closte_bridge.config.load import load_config
from closte_bridge.config.model import Config, DnsSettings, Resolver, Settings, TlsSettings, WpSettings
from closte_bridge.config.problems import InvalidConfigError
from closte_bridge.errors import ConfigError, ExitCode

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def problems_of(path: Path) -> list[str]:
    with pytest.raises(InvalidConfigError) as caught:
        load_config(path, {"HOME": "/home/u"})
    assert caught.value.message == "\n".join(caught.value.problems)
    assert caught.value.exit_code is ExitCode.USAGE
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def only(config: Config) -> Settings:
    (settings,) = config.networks.values()
    return settings


def test_the_defaults_are_those_of_the_design(tmp_path: Path) -> None:
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
            command=("wp",), path=None, url=None, ssh=None, alias=None, allow_root=False, skip_plugins=False,
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


def test_an_empty_file_gives_the_defaults(write: Write) -> None:
    path = write("# nothing yet\nwp:\ndns:\nnetworks:\n")
    assert only(load_config(path, {"HOME": "/h"})).wp == WpSettings()


def test_reads_every_key(write: Write, tmp_path: Path) -> None:
    path = write(
        """
api_url: http://127.0.0.1:8080/api/
api_key_file: key
state_dir: ~/state
wp:
  command: [./bin/wp, --quiet]
  path: ../site
  url: https://example.org
  ssh: null
  allow_root: true
  skip_plugins: [a, b]
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
    )
    assert only(load_config(path, {"HOME": "/home/u"})) == Settings(
        source=path,
        api_url="http://127.0.0.1:8080/api",
        api_key_file=tmp_path / "key",
        state_dir=Path("/home/u/state"),
        wp=WpSettings(
            command=(str(tmp_path / "bin/wp"), "--quiet"),
            path=str(tmp_path / "../site"),
            url="https://example.org",
            allow_root=True,
            skip_plugins=("a", "b"),
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


def test_all_mistakes_are_told_at_once_with_their_lines(write: Write) -> None:
    path = write(
        """api_url: http://example.org
remvoal_delay: 5m
api_key: MYSECRET
wp:
  command: [wp, 5]
  timeot: 4
  ssh: user:MYSECRET@host
dns:
  resolvers:
    - 1.1.1.1
    - nope
    - "[::1]:99999"
wildcard: yes
removal_grace: 8:53
concurrency: 010
ssh: x
networks:
  Bad Name: {}
  prod:
    keep: [foo_bar.org]
    wp: 5
    networks: {}
  b: 7
wildcard: true
certificate_budget: 2024-01-01
"""
    )
    found = problems_of(path)
    assert found == [
        '1: "api_url" must begin with https:// (http:// is for this machine only).',
        '2: Unknown key "remvoal_delay"; did you mean "removal_delay"?',
        '3: Unknown key "api_key": no secret belongs in this file; write its file\'s name as "api_key_file".',
        '5: "wp.command" item 2 must be text (in quotes if it looks like something else).',
        '6: Unknown key "timeot"; did you mean "timeout"?',
        '7: "wp.ssh" must not hold a password; let SSH use a key.',
        '11: "dns.resolvers" item 2 must be an IP address such as "1.1.1.1", "8.8.8.8:53" or "[::1]:53".',
        '12: "dns.resolvers" item 3 must have a port from 1 to 65535.',
        '13: "wildcard" must be true or false, written so and without quotes.',
        '14: "removal_grace" must be a duration such as 300, "5m", "24h" or "1h30m".',
        '15: "concurrency" must be a whole number from 1 to 64.',
        '16: Unknown key "ssh"; it belongs under "wp".',
        '18: "Bad Name" cannot name a network; use up to 63 of a-z, 0-9, - and _.',
        '20: "networks.prod.keep" item 1 must be a domain name: has an underscore.',
        '21: "networks.prod.wp" must hold settings, such as "key: value".',
        '22: Unknown key "networks".',
        '23: "networks.b" must hold settings, such as "key: value".',
        '24: "wildcard" is given twice; the first one is on line 13.',
        '25: "certificate_budget" must be a whole number from 1 to 1000000.',
    ]


@pytest.mark.parametrize(
    "line",
    ["api_key", "apikey", "API_KEY", "api-key", "key", "closte_api_key", "CLOSTE_CLIENT_API_KEY", "token", "password",
     "wp: {api_key", "networks: {a: {api_key"],
)  # fmt: skip
def test_a_key_in_the_file_is_refused_and_not_quoted(write: Write, line: str) -> None:
    text = "\n".join(problems_of(write(f"{line}: MYSECRET{'}' * line.count('{')}\n")))
    assert '"api_key_file"' in text
    assert "SECRET" not in text


def test_unknown_keys_are_shown_short_and_harmless(write: Write) -> None:
    found = problems_of(write('"\\e[31m\\nx": MYSECRET\n' + "k" * 100 + ": MYSECRET\n"))
    assert found == ['1: Unknown key "?[31m?x".', f'2: Unknown key "{"k" * 60}…".']


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
    # Over SSH the path is one of the other machine, and stays as written.
    assert one.wp == WpSettings(path="rel", timeout=7, ssh="u@h")
    assert two.wp == WpSettings(path="/a", timeout=5)
    assert (one.keep, two.keep) == ((), ("example.org",))
    assert two.api_key_file == path.parent / "k"
    assert [settings.state_dir for settings in (one, two, three)] == [Path("/s/one"), Path("/s/two"), Path("/s/three")]
    assert config.origins["two"]["wp.path"] == f"{path}:2"
    assert config.origins["one"]["wp.path"] == f"{path}:5"
    assert config.origins["three"]["state_dir"] == "environment STATE_DIRECTORY"


def test_networks_have_state_folders_of_their_own(write: Write) -> None:
    config = load_config(write("state_dir: /x\nnetworks: {a: {}, b: {state_dir: /y}}\n"), {"HOME": "/h"})
    assert [one.state_dir for one in config.networks.values()] == [Path("/x/a"), Path("/y")]
    path = write("networks:\n  a: {state_dir: /x}\n  b:\n    state_dir: /x\n")
    assert problems_of(path) == ['4: "networks.b.state_dir" is also that of "a"; give each its own.']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wildcard: 'true'", '"wildcard" must be true or false, written so and without quotes.'),
        ("wildcard: 1", '"wildcard" must be true or false.'),
        ("wildcard: null", '"wildcard" must be true or false.'),
        ("concurrency: '4'", '"concurrency" must be a whole number from 1 to 64.'),
        ("concurrency: true", '"concurrency" must be a whole number from 1 to 64.'),
        ("concurrency: 0", '"concurrency" must be a whole number from 1 to 64.'),
        ("concurrency: 1.0", '"concurrency" must be a whole number from 1 to 64.'),
        ("rate_limit: -1", '"rate_limit" must be a number from 0.01 to 1000.'),
        ("rate_limit: true", '"rate_limit" must be a number from 0.01 to 1000.'),
        ("removal_delay: 0", '"removal_delay" must be more than nothing and at most a year (365d).'),
        ("removal_delay: 400d", '"removal_delay" must be more than nothing and at most a year (365d).'),
        ("removal_delay: '300'", '"removal_delay" must be a duration such as 300, "5m", "24h" or "1h30m".'),
        ("removal_delay: true", '"removal_delay" must be a duration such as 300, "5m", "24h" or "1h30m".'),
        ("tls: {port: 65536}", '"tls.port" must be a whole number from 1 to 65535.'),
        ("keep: example.org", '"keep" must be a list, such as [first, second].'),
        ("keep: null", '"keep" must be a list, such as [first, second].'),
        ("keep: [localhost]", '"keep" item 1 must be a whole domain name such as "example.org".'),
        ("keep: [192.0.2.1]", '"keep" item 1 must be a whole domain name such as "example.org".'),
        ("keep: ['*']", '"keep" item 1 must be a wildcard such as "*.example.org".'),
        ("wildcards: [example.org]", '"wildcards" item 1 must be a wildcard such as "*.example.org".'),
        ("wildcards: ['*.*.org']", '"wildcards" item 1 must be a domain name: not a host name.'),
        ("api_url: ftp://example.org", '"api_url" must be a URL such as "https://app.closte.com/api/client".'),
        ("api_url: 'https://'", '"api_url" must be a URL such as "https://app.closte.com/api/client".'),
        ("api_url: 'https://h:99999/'", '"api_url" must be a URL such as "https://app.closte.com/api/client".'),
        ("api_url: https://u:p@h/", '"api_url" must not hold a user, a password, a "?" or a "#".'),
        ("api_url: https://h/?apikey=x", '"api_url" must not hold a user, a password, a "?" or a "#".'),
        ("api_url: http://127.0.0.1.example.org/",
         '"api_url" must begin with https:// (http:// is for this machine only).'),
        ("wp: {command: []}", '"wp.command" must be a list with at least one item.'),
        ("wp: {command: wp}", '"wp.command" must be a list, such as [first, second].'),
        ("wp: {alias: '@all'}", '"wp.alias" must stand for one network; list several under "networks".'),
        ("wp: {alias: prod}", '"wp.alias" must be an alias such as "@prod", in quotes.'),
        ("wp: {ssh: -oProxyCommand=x}", '"wp.ssh" must be a place such as "user@host:22/path".'),
        ("wp: {url: 'https://u:p@h'}",
         '"wp.url" must be the address of the main site, such as "https://example.org".'),
        ("wp: {skip_plugins: all}", '"wp.skip_plugins" must be true, false or a list of plugins.'),
        ("wp: {path: ''}", '"wp.path" must not be empty.'),
        ('wp: {path: "a\\0b"}', '"wp.path" must be text on one line without control characters.'),
        ("state_dir: ~no-such-user/x", '"state_dir" begins with the home folder of a user that does not exist.'),
        ("environments: []", '"environments" must be a list with at least one item.'),
        ("environments: [live]", '"environments" item 1 must be one of local, development, staging, production.'),
        ("dns: {resolvers: [dns.example.org]}",
         '"dns.resolvers" item 1 must be an IP address such as "1.1.1.1", "8.8.8.8:53" or "[::1]:53".'),
        ("networks: [a]", '"networks" must be a mapping of names to settings.'),
        ("networks: {" + "n" * 64 + ": {}}",
         f'"{"n" * 60}…" cannot name a network; use up to 63 of a-z, 0-9, - and _.'),
    ],
)  # fmt: skip
def test_values_are_checked_and_not_coerced(write: Write, text: str, message: str) -> None:
    assert problems_of(write(text)) == [f"1: {message}"]


@pytest.mark.parametrize("url", ["http://localhost:1/a", "http://[::1]/a", "http://127.9.9.9/a", "https://h/a"])
def test_plain_http_is_for_this_machine(write: Write, url: str) -> None:
    assert only(load_config(write(f"api_url: '{url}'\n"), {"HOME": "/h"})).api_url == url


def test_the_first_place_that_has_a_file_counts(tmp_path: Path) -> None:
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


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    for explicit, environ in ((missing, {}), (None, {"CLOSTE_BRIDGE_CONFIG": str(missing)})):
        with pytest.raises(ConfigError) as caught:
            load_config(explicit, environ)
        assert caught.value.message == f'The configuration file "{missing}" does not exist.'
        assert caught.value.code == "config-file"
        assert "without either, no file is needed" in caught.value.hint


def test_a_dangling_link_in_a_usual_place_is_not_passed_over(tmp_path: Path) -> None:
    link = tmp_path / "etc.yaml"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(None, {"HOME": str(tmp_path)}, system_path=link)


def test_each_reason_why_a_file_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def message(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            load_config(path, {})
        return caught.value.message.replace(str(path), "F")

    assert message(tmp_path) == 'The configuration file "F" is a directory.'
    assert message(tmp_path / ("x" * 300)).startswith('The configuration file "F" cannot be read (')
    assert message(Path("a\0b")) == 'The configuration file "F" does not exist.'
    path = tmp_path / "config.yaml"
    path.write_bytes(b"wp:\n  path: \xff\n")
    assert message(path) == "F:2: The file is not UTF-8 text."
    path.write_bytes(b"#" * (MAX_SIZE + 1))
    assert message(path) == 'The configuration file "F" is larger than 256 KiB.'

    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert message(path) == 'The configuration file "F" may not be read by this user.'
    monkeypatch.setattr(Path, "lstat", refuse)
    with pytest.raises(ConfigError, match="may not be read by this user"):
        load_config(None, {"HOME": "/h"})


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbfwildcard: true\n")
    assert only(load_config(path, {"HOME": "/h"})).wildcard is True


def test_the_state_folder_is_that_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def folder(**environ: str) -> Path:
        return only(load_config(None, {"HOME": "/h"} | environ, system_path=tmp_path / "none")).state_dir

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert folder() == Path("/var/lib/closte-bridge")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert folder() == Path("/h/.local/state/closte-bridge")
    assert folder(XDG_STATE_HOME="/xdg") == Path("/xdg/closte-bridge")
    assert folder(STATE_DIRECTORY="/var/lib/x") == Path("/var/lib/x")


def test_a_user_without_a_home_gets_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_path: object = None) -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConfigError, match="no home folder"):
        load_config(None, {}, system_path=tmp_path / "none")
    path = tmp_path / "config.yaml"
    path.write_text("state_dir: /s\nmetrics_file: ~/m\n")
    with pytest.raises(InvalidConfigError, match="no home folder"):
        load_config(path, {})
    assert find_config(None, {}, system_path=tmp_path / "none") is None


def test_libraries_are_imported_only_when_there_is_a_file(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom closte_bridge.config.load import load_config\n"
        "load_config(None, {'HOME': '/h'}, system_path=Path('/nonexistent'))\n"
        "sys.exit(len({'yaml', 'voluptuous', 'idna', 'click'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False).returncode == 0
