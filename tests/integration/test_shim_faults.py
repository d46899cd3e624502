"""Tests that a WordPress request succeeds despite faults of closte-bridge, the database or the disk."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.disks import needs_root, small_disk
from tests.support.running import wait_until, write_script
from tests.support.shim import bare_shim, change_config, clear_events, events, shimmed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.wordpress import Multisite, Process

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    with shimmed(multisite, tmp_path / "engine", wake="auto") as bridge:
        yield bridge


def engine_is(bridge: Bridge, program: Path) -> None:
    """Make the shim start this program instead of closte-bridge, as if it had not started any recently."""
    (bridge.state / "spawned").unlink(missing_ok=True)
    change = "$config[1]['engine'] = array_merge(array($args[0]), preg_grep('/^--/', $config[1]['engine']));"
    change_config(bridge.multisite, change, str(program))


def codes(bridge: Bridge) -> list[str]:
    ran = bridge.run("shim", "status", "--format=json")
    assert ran.code == 1, ran
    return ran.codes


def a_request_goes_on(bridge: Bridge, slug: str) -> None:
    """Create a site. Check that the request works as without the shim, and that the shim records the events."""
    clear_events(bridge.multisite)
    ran = bridge.multisite.wp("site", "create", f"--slug={slug}", "--porcelain")
    assert (ran.stderr, ran.stdout.strip().isdigit()) == ("", True)
    assert f"{slug}.example.net" in bridge.multisite.domains()
    assert [kind for kind, *_ in events(bridge.multisite)] == ["mapping_added", "site_created"]


def named_like_ours(bridge: Bridge, folder: str, text: str) -> Path:
    """Write a script named `closte-bridge`, because the shim reports a program of another name differently."""
    (bridge.folder / folder).mkdir()
    return write_script(bridge.folder / folder / "closte-bridge", text)


def test_unusable_program_does_not_break_requests(bridge: Bridge) -> None:
    engine_is(bridge, bridge.folder / "missing" / "closte-bridge")
    a_request_goes_on(bridge, "one")
    assert codes(bridge) == ["shim-cannot-trigger"]
    dull = named_like_ours(bridge, "dull", "exit 0")
    dull.chmod(0o644)
    engine_is(bridge, dull)
    a_request_goes_on(bridge, "two")
    assert codes(bridge) == ["shim-cannot-trigger"]
    # One program ends immediately, and one hangs. `shim status` starts neither, but reports the missing run.
    mark = bridge.folder / "pid"
    starts = bridge.folder / "starts"
    text = f'echo "$*" >>{starts}; echo $$ >{mark}.new; mv {mark}.new {mark}'
    engine_is(bridge, named_like_ours(bridge, "broken", f"{text}; exit 1"))
    a_request_goes_on(bridge, "three")
    wait_until(mark.exists)
    never_began(bridge)
    mark.unlink()
    starts.unlink()
    engine_is(bridge, named_like_ours(bridge, "hanging", f"{text}; exec sleep 600"))
    a_request_goes_on(bridge, "four")
    wait_until(mark.exists)
    pid = int(mark.read_text())
    try:
        # The request is over, but its program still runs. The next request starts no second one.
        os.kill(pid, 0)
        (bridge.state / "spawned").touch()
        a_request_goes_on(bridge, "five")
        never_began(bridge)
        assert starts.read_text() == f"--config={bridge.config} sync --triggered --quiet\n"
    finally:
        os.kill(pid, signal.SIGKILL)


def never_began(bridge: Bridge) -> None:
    """Check that `shim status`, some time after the start, reports that no run began, and starts none."""
    os.utime(bridge.state / "spawned", (time.time() - 300,) * 2)
    assert codes(bridge) == ["shim-trigger-failed"]


def test_program_that_needs_a_terminal_environment_is_reported(bridge: Bridge) -> None:
    """The program needs an environment variable of its terminal, which the shim does not keep."""
    text = "import os, sys; from closte_bridge.__main__ import main; sys.exit(main() if 'HERE' in os.environ else 9)"
    program = named_like_ours(bridge, "own", "")
    program.write_text(f"#!{sys.executable}\n{text}\n")
    for command in ("install", "status"):
        argv = [str(program), "shim", command, "--format=json"]
        done = subprocess.run(
            argv, env=bridge.environment(HERE="1"), capture_output=True, text=True, check=False, timeout=60
        )
        ran = bridge.ran(done.returncode, done.stdout, done.stderr)
        assert ran.codes == ["shim-engine-broken"]
        (problem,) = ran.envelope["errors"] or ran.envelope["warnings"]
        assert 'own/closte-bridge" exited with code 9' in problem["message"]


# -- the database ----------------------------------------------------------------------------------------------------

# Each request prints the result of WordPress. Only the shim acts on the first one.
REQUESTS = (
    "do_action('update_site_option_wu_host_integrations_enabled', 'wu_host_integrations_enabled', "
    "array('closte' => true), array(), 1); echo 'over';",
    "var_dump(update_blog_status(1, 'archived', '1')); echo 'over';",
    "$made = wu_create_domain(array('domain' => 'shop.example.com', 'blog_id' => 1)); "
    "echo is_wp_error($made) ? 'refused' : 'made', ' over';",
    "$made = wpmu_create_blog('new.example.net', '/', 'T', 1); echo is_wp_error($made) ? 'refused' : 'made', ' over';",
)


def answers(multisite: Multisite, before: str = "") -> list[tuple[int, str, str]]:
    """Return the exit code and both streams of each request. `before` is PHP code that runs before each."""

    def answer(code: str) -> tuple[int, str, str]:
        done: Process = multisite.wp("eval-file", "-", stdin=f"<?php {before}{code}", check=False)
        # WordPress includes the time of day in its message about a refused write.
        return done.returncode, re.sub(r"\d+", "N", done.stdout), re.sub(r"\d+", "N", done.stderr)

    return [answer(code) for code in REQUESTS]


def same_with_and_without(multisite: Multisite, before: str = "") -> None:
    """Check that the results with and without the shim are equal, and that the first request succeeds."""
    multisite.define("CLOSTE_BRIDGE_DISABLE", value=True)
    without = answers(multisite, before)
    multisite.define("CLOSTE_BRIDGE_DISABLE", value=False)
    assert answers(multisite, "defined('CLOSTE_BRIDGE_SHIM') || exit(9); " + before) == without
    assert without[0] == (0, "over", "")


# The disk fills up during the request, because WordPress on SQLite does not start with a full disk.
FILL = """
    $ballast = fopen(WP_CONTENT_DIR . '/database/ballast', 'w');
    while (4096 === @fwrite($ballast, str_repeat('x', 4096)));
    while (@fwrite($ballast, 'x'));
    fclose($ballast);
"""


@needs_root
def test_full_disk_does_not_break_requests(bridge: Bridge) -> None:
    disk = bridge.multisite.path / "wp-content/database"
    with small_disk(disk, "16m"):
        same_with_and_without(bridge.multisite, FILL)
        (disk / "ballast").unlink()
        assert events(bridge.multisite) == []
        # Only the events table refuses writes.
        bridge.multisite.sql(
            "CREATE TRIGGER full BEFORE INSERT ON wp_closte_bridge_events "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
        assert codes(bridge) == ["shim-cannot-note"]
        bridge.multisite.sql("DROP TRIGGER full")
        assert bridge.run("shim", "status").code == 0


@pytest.mark.mariadb
def test_read_only_mariadb_does_not_break_requests(multisite_mariadb: Multisite) -> None:
    """The database user may only read, as after a failover to a replica."""
    multisite = multisite_mariadb
    bare_shim(multisite)
    user = "reader"
    database = multisite.database.constants["DB_NAME"]
    multisite.sql(f"CREATE USER IF NOT EXISTS {user}@localhost; GRANT SELECT ON `{database}`.* TO {user}@localhost;")
    multisite.define("DB_USER", user)
    same_with_and_without(multisite)
    multisite.define("DB_USER", "root")
    assert events(multisite) == []


def test_disabled_php_functions_are_reported_and_harmless(network: Multisite) -> None:
    """Some hosts disable `proc_open`. Then the shim starts no process, and prints nothing for visitors."""
    argv = [network.parts.php, "-d", "disable_functions=proc_open,exec,shell_exec,system,passthru,popen"]
    argv += [str(network.parts.wp_cli), f"--path={network.path}", "--allow-root", "eval-file", "-"]
    start = "'start' => array('/usr/bin/setsid', '--fork')"
    told = f"array('engine' => array('/bin/true'), {start}, 'trigger_file' => '/no/such/trigger')"
    code = f"""<?php wu_create_domain(array('domain' => 'shop.example.com', 'blog_id' => 1));
        echo json_encode(Closte_Bridge\\run('Trigger', 'method', array({told})));"""
    done = subprocess.run(argv, input=code, capture_output=True, text=True, check=False, env=network.env)
    answer = '["poll","PHP cannot start processes (disable_functions)."]'
    assert (done.returncode, done.stdout, done.stderr) == (0, answer, "")
    assert [kind for kind, *_ in events(network)] == ["mapping_added"]


def test_page_view_costs_no_extra_query(network: Multisite) -> None:
    """A page view makes the same queries with and without the shim."""
    network.add_mu_plugin(
        "counting",
        "define('SAVEQUERIES', true); function queries() {"
        " return array_map(fn($q) => preg_replace('/\\d{5,}/', 'N', $q[0]), $GLOBALS['wpdb']->queries); }",
    )
    page = (
        "$_SERVER['REQUEST_URI'] = '/'; wp(); ob_start(); do_action('template_redirect'); wp_head(); wp_footer();"
        " ob_end_clean(); do_action('shutdown'); echo json_encode(queries());"
    )

    def queries() -> Any:  # noqa: ANN401 - PHP decides the type
        return json.loads(network.php(page))

    network.define("CLOSTE_BRIDGE_DISABLE", value=True)
    queries()
    without = queries()
    network.define("CLOSTE_BRIDGE_DISABLE", value=False)
    assert queries() == without
    assert without, "nothing was asked at all"
    # WP-CLI also loads its command, and the texts of the plugin's events; `tests/shim/php/unit.php` has a web request.
    cli = "command|announcements|messages"
    included = network.php_json(f"array_values(preg_grep('#closte-bridge/class-(?!{cli})#', get_included_files()))")
    assert included == []
