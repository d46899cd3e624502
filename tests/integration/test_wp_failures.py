"""Tests of each way in which `wp` can fail: a separate error with a hint, without any output of `wp`."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import ExitCode, UnreadableError
from closte_bridge.wordpress import failures, wp
from closte_bridge.wordpress.reader import SnapshotCall
from closte_bridge.wordpress.wp import WpCost
from tests.support.bridge import KEY, Bridge, bridge_for
from tests.support.ports import free_port
from tests.support.processes import ended
from tests.support.rows import set_option
from tests.support.running import LIMIT_SECONDS, wait_until, wp_settings, write_script
from tests.support.wordpress import TABLE, Multisite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from closte_bridge.config.model import WpSettings
    from tests.support.ssh import SshServer

pytestmark = pytest.mark.real

RAW = "raw-output-of-wp"
# The last output of a broken plugin, which may contain the key.
CONFESSION = f"fwrite(STDERR, '{RAW} ' . CLOSTE_CLIENT_API_KEY); echo '{RAW} ' . CLOSTE_CLIENT_API_KEY;"


@dataclass
class Case:
    """A network that a test breaks."""

    multisite: Multisite
    folder: Path

    @property
    def settings(self) -> WpSettings:
        return wp_settings(self.multisite)

    def wrapped(self, script: str) -> WpSettings:
        """Return settings whose `wp` is a shell script. `$WP` in the script is the real command."""
        command = " ".join(self.settings.command)
        return replace(self.settings, command=(str(write_script(self.folder / "wp", f'WP="{command}"\n{script}')),))

    def mu_plugin(self, code: str) -> WpSettings:
        self.multisite.add_mu_plugin("broken", code)
        return self.settings

    def query_filter(self, start: str, code: str) -> WpSettings:
        """Install a must-use plugin that runs the code for each query with this start. `$sql` is the query."""
        head = (
            f"add_filter('query', function ($sql) {{ if (0 === strpos($sql, '{start}')) {{ {code} }} return $sql; }});"
        )
        return self.mu_plugin(head)

    def option(self, name: str, value: object) -> WpSettings:
        set_option(self.multisite, name, value)
        return self.settings

    def sql(self, statement: str) -> WpSettings:
        self.multisite.sql(statement)
        return self.settings

    def without(self, *constants: str) -> WpSettings:
        self.multisite.undefine(*constants)
        return self.settings

    def file(self, name: str, text: str | None) -> WpSettings:
        """Write a file of the network, or delete it if the text is None."""
        path = self.multisite.path / name
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        return self.settings


def not_executable(case: Case) -> WpSettings:
    script = write_script(case.folder / "wp", "exit 0")
    script.chmod(0o644)
    return replace(case.settings, command=(str(script),))


def no_database_server(case: Case) -> WpSettings:
    case.file("wp-content/db.php", None)
    case.multisite.define("DB_HOST", f"localhost:{case.folder / 'no-socket'}")
    return case.settings


def empty_database(case: Case) -> WpSettings:
    case.without(*MULTISITE)
    return case.file("wp-content/database/.ht.sqlite", "")


def drop_table(case: Case) -> WpSettings:
    # The SQLite driver keeps its own list of tables, so the drop must go through WordPress.
    case.multisite.php(f'global $wpdb; $wpdb->query("DROP TABLE {TABLE}");')
    return case.settings


def unreadable_ssh(case: Case) -> WpSettings:
    (case.folder / "wp-cli.yml").write_text(f'"@far":\n  ssh: 127.0.0.1:{free_port()}\n')
    env = case.multisite.env | {"WP_CLI_CONFIG_PATH": str(case.folder / "wp-cli.yml")}
    return wp_settings(case.multisite, env, alias="@far", path=None)


# Each of these constants makes WordPress run as a multisite.
MULTISITE = ("MULTISITE", "SUBDOMAIN_INSTALL", "SUNRISE")
NO_SUCH_FILE = "/no/such/folder/wp"
# (the error code, the function that breaks the network)
CASES: dict[str, tuple[str, Callable[[Case], WpSettings]]] = {
    "wp is missing": ("wp-missing", lambda c: replace(c.settings, command=(NO_SUCH_FILE,))),
    "what wp is made of is missing": ("wp-missing", lambda c: replace(c.settings, command=("env", NO_SUCH_FILE))),
    "wp is not executable": ("wp-not-executable", not_executable),
    "wp is a folder to env": ("wp-not-executable", lambda c: replace(c.settings, command=("env", str(c.folder)))),
    "another folder": ("wp-path", lambda c: replace(c.settings, path=str(c.folder))),
    "no wp-config.php": ("wp-path", lambda c: c.file("wp-config.php", None)),
    "the url of nobody": ("wp-url", lambda c: replace(c.settings, url="nobody.example.com")),
    "no main site": ("wp-main-site", lambda c: c.sql("DELETE FROM wp_blogs")),
    "an unknown alias": ("wp-alias", lambda c: replace(c.settings, alias="@nobody", path=None)),
    "not a multisite": ("not-multisite", lambda c: c.without(*MULTISITE)),
    "not installed": ("not-installed", empty_database),
    "a broken database file": ("php-fatal", lambda c: c.file("wp-content/database/.ht.sqlite", "garbage" * 1000)),
    "no database server": ("database", no_database_server),
    "the network is nowhere": ("database", lambda c: c.sql("UPDATE wp_blogs SET site_id = 7")),
    "the plugin is not active": ("plugin-inactive", lambda c: c.option("active_sitewide_plugins", {})),
    "set-up is not finished": ("plugin-not-set-up", lambda c: c.option("wu_setup_finished", None)),
    "the mappings' table is missing": ("table-missing", drop_table),
    "a column is missing": ("query-failed", lambda c: c.sql(f"ALTER TABLE {TABLE} RENAME COLUMN stage TO stages")),
    "maintenance": ("maintenance", lambda c: c.file(".maintenance", "<?php $upgrading = time();")),
    "no transaction": ("no-transaction", lambda c: c.query_filter("START TRANSACTION", "return 'NONSENSE';")),
    "an exception in the middle": (
        "php-exception",
        lambda c: c.query_filter("SELECT blog_id", f"throw new LogicException('{RAW} ' . CLOSTE_CLIENT_API_KEY);"),
    ),
    "other columns": ("wp-unexpected", lambda c: c.query_filter("SELECT blog_id", "return 'SELECT 1';")),
    "a syntax error": ("php-fatal", lambda c: c.mu_plugin("this is no PHP")),
    "an uncaught exception": ("php-fatal", lambda c: c.mu_plugin(f"{CONFESSION} throw new Exception('{RAW}');")),
    "memory exhausted": (
        "php-memory",
        lambda c: c.mu_plugin(f"{CONFESSION} ini_set('memory_limit', '128M'); str_repeat('x', 200 * 1024 * 1024);"),
    ),
    "exit without a word": ("wp-no-answer", lambda c: c.mu_plugin(f"{CONFESSION} exit(0);")),
    "nothing at all": ("wp-no-answer", lambda c: c.wrapped("exit 0")),
    "killed": ("wp-no-answer", lambda c: c.wrapped("kill -9 $$")),
    "an answer and status 1": ("wp-status", lambda c: c.wrapped('$WP "$@"; exit 1')),
    "a plugin that fails at the end": (
        "wp-status", lambda c: c.mu_plugin("register_shutdown_function(function () { exit(7); });")
    ),
    "cut off": ("wp-cut", lambda c: c.wrapped('$WP "$@" | head -c 600')),
    "cut off at the very end": ("wp-cut", lambda c: c.wrapped('$WP "$@" | head -c -2')),
    "damaged": ("wp-damaged", lambda c: c.wrapped('$WP "$@" | sed s/example/exbmple/')),
    "ssh to nobody": ("ssh", unreadable_ssh),
}  # fmt: skip


def read(settings: WpSettings) -> UnreadableError:
    """Try to read the network and return the resulting error."""
    call = SnapshotCall(settings, WpCost(), ask_key=True)
    with pytest.raises(UnreadableError) as caught:
        call.snapshot()
    return caught.value


def check(error: UnreadableError, code: str) -> None:
    """Check that the error has its code, a sentence, a hint and exit code 5, and no text from outside."""
    assert error.code == code
    assert error.exit_code is ExitCode.UNREADABLE
    assert re.fullmatch(r"[A-Z`].*\.", error.message)
    assert re.fullmatch(r"[A-Z`].*[.`]", error.hint)
    text = f"{error.message} {error.hint} {error!r}"
    assert not any(secret in text for secret in (RAW, KEY, "example.net", "nobody"))


@pytest.mark.parametrize("name", CASES)
def test_each_failure_has_its_own_error(name: str, multisite: Multisite, tmp_path: Path) -> None:
    code, broken = CASES[name]
    multisite.define("CLOSTE_CLIENT_API_KEY", KEY)
    try:
        error = read(broken(Case(multisite, tmp_path)))
    except UnreadableError as early:  # the command did not start
        error = early
    check(error, code)


# Separate tests below produce these codes. The tests of the shim and of SSH cover their own codes.
ELSEWHERE = {"wp-root", "wp-timeout", "wp-too-large"}


def test_every_error_code_has_a_case() -> None:
    assert {code for code, _ in CASES.values()} | ELSEWHERE == {
        code for code in failures.codes() if not code.startswith(("shim-", "ssh-"))
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root is refused by WP-CLI.")
def test_wp_as_root_is_refused(multisite: Multisite) -> None:
    check(read(replace(wp_settings(multisite), allow_root=False)), "wp-root")


def test_timeout_ends_child_processes(multisite: Multisite, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    settings = Case(multisite, tmp_path).wrapped(f"sleep 600 & echo $! $$ >{pids}.new; mv {pids}.new {pids}; wait")
    call = SnapshotCall(replace(settings, timeout=1.0), WpCost(), ask_key=False)
    wait_until(pids.exists)
    with pytest.raises(UnreadableError) as caught:
        call.snapshot()
    check(caught.value, "wp-timeout")
    for pid in pids.read_text().split():
        wait_until(lambda pid=pid: ended(int(pid)))  # type: ignore[misc]  # the default binds the current pid


def test_endless_output_is_limited(multisite: Multisite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wp, "MAX_OUTPUT", 4 * 1024 * 1024)
    case = Case(multisite, tmp_path)
    check(read(case.wrapped("yes")), "wp-too-large")
    # The limit also applies to a background process that `wp` left behind.
    check(read(case.wrapped("yes &")), "wp-too-large")
    check(read(case.mu_plugin("while (true) { echo str_repeat('x', 65536); }")), "wp-too-large")


def test_endless_error_output_is_harmless(multisite: Multisite, tmp_path: Path) -> None:
    settings = Case(multisite, tmp_path).wrapped('yes error | head -c 30000000 >&2\nexec $WP "$@"')
    assert SnapshotCall(settings, WpCost(), ask_key=False).snapshot().complete


@pytest.mark.ssh
def test_failures_over_ssh_have_the_same_errors(
    multisite: Multisite, sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def over(ssh: str) -> WpSettings:
        return wp_settings(multisite, command=("wp",), ssh=ssh, path=None, state_dir=tmp_path / "state")

    monkeypatch.setenv("PATH", sshd.env(dict(os.environ))["PATH"])
    check(read(over(sshd.target(tmp_path))), "wp-path")
    multisite.add_mu_plugin("broken", f"{CONFESSION} throw new Exception('{RAW}');")
    multisite.define("CLOSTE_CLIENT_API_KEY", KEY)
    check(read(over(sshd.target(multisite.path))), "php-fatal")


@pytest.mark.ssh
def test_alias_reaches_another_machine_through_wp_cli(multisite: Multisite, sshd: SshServer, tmp_path: Path) -> None:
    """WP-CLI starts `ssh` then, and its failures have one code."""

    def over(ssh: str, **env: str) -> WpSettings:
        config = tmp_path / "wp-cli.yml"
        config.write_text(f'"@far":\n  ssh: {ssh}\n')
        variables = sshd.env(multisite.env) | {"WP_CLI_CONFIG_PATH": str(config)} | env
        return wp_settings(multisite, variables, alias="@far", path=None)

    assert SnapshotCall(over(sshd.target(multisite.path)), WpCost(), ask_key=False).snapshot().complete
    check(read(over(sshd.target(multisite.path).replace(f"{sshd.user}@", "somebody-else@"))), "ssh")
    # This `ssh` does not know the host key, and may not ask for confirmation.
    check(read(over(sshd.target(multisite.path), PATH=multisite.env["PATH"])), "ssh")


# Failures in the output of the program


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    with bridge_for(multisite, tmp_path / "bridge") as bridge:
        yield bridge


def test_user_sees_a_sanitised_error_and_a_hint(bridge: Bridge) -> None:
    bridge.multisite.add_mappings_sql([("shop.example.org", 1)])
    bridge.multisite.enable_closte(api_key=None)
    bridge.adopt()
    assert bridge.run("sync").code == 0
    bridge.changes()
    bridge.multisite.add_mu_plugin("broken", f"echo '{RAW} {KEY}'; throw new Exception('{RAW} {KEY}');")
    wp = f"{shlex.join(bridge.settings['wp']['command'])} --path=<site> --allow-root"
    assert bridge.run("sync").golden == (
        5,
        "",
        'Error: PHP stopped with a fatal error in "<site>/wp-content/mu-plugins/broken.php", line 2.\n'
        f"Run `{wp} eval 'echo 1;'` and check PHP's error log.\n",
    )
    failed = bridge.run("plan", "--format=json", "--debug")
    assert failed.code == 5
    assert RAW not in failed.out + failed.err
    assert bridge.changes() == []
    (bridge.multisite.path / "wp-content" / "mu-plugins" / "broken.php").unlink()
    # A failure in one network prints one sentence and loses no data.
    bridge.write_config(wp={**bridge.settings["wp"], "command": [NO_SUCH_FILE]})
    assert bridge.run("integration", "status", "--format=json").envelope["errors"] == [
        {
            "code": "wp-missing",
            "message": f'Could not start "{NO_SUCH_FILE}": the command was not found.',
            "domain": None,
            "hint": "Install WP-CLI, or set its path in the config: `wp: {command: [php, /opt/wp-cli.phar]}`.",
        }
    ]
    bridge.write_config(wp={**bridge.settings["wp"], "command": bridge.multisite.wp_command, "timeout": LIMIT_SECONDS})
    assert bridge.run("plan", "--format=count").out == "0\n"


def test_state_folder_inside_the_document_root_is_refused(bridge: Bridge) -> None:
    bridge.write_config(state_dir=str(bridge.multisite.path / "state"))
    assert bridge.run("plan").golden == (
        2,
        "",
        'Error: The state folder "<site>/state" is inside the document root.\n'
        "Set `state_dir` in the config to a folder outside the document root.\n",
    )
