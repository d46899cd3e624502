"""A WordPress request goes on as if nothing were there, whatever is wrong with the engine, the database or the disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.bridge import wait_until, write_script
from tests.support.parts import find_program
from tests.support.shim import bare_shim, clear_events, events, shimmed

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
    """Have the shim start this program."""
    code = """
        $folder = WPMU_PLUGIN_DIR . '/closte-bridge';
        $config = include "$folder/config.php";
        $config[1]['engine'] = array($args[0]);
        $text = "\\nreturn " . var_export($config, true) . ";\\n";
        $mark = "<?php\\n// closte-bridge-shim test sha256:" . hash('sha256', $text) . "\\n";
        file_put_contents("$folder/config.php", $mark . $text);"""
    bridge.multisite.php(code, str(program))


def codes(bridge: Bridge) -> list[str]:
    ran = bridge.run("shim", "status", "--format=json")
    assert ran.code == 1, ran
    return ran.codes


def a_request_goes_on(bridge: Bridge, slug: str) -> None:
    """Create a site; all is as without the shim, and what happened is noted."""
    clear_events(bridge.multisite)
    ran = bridge.multisite.wp("site", "create", f"--slug={slug}", "--porcelain")
    assert (ran.stderr, ran.stdout.strip().isdigit()) == ("", True)
    assert f"{slug}.example.net" in bridge.multisite.domains()
    assert [kind for kind, *_ in events(bridge.multisite)] == ["mapping_added", "site_created"]


def test_an_engine_that_is_missing_or_cannot_be_executed(bridge: Bridge) -> None:
    engine_is(bridge, bridge.folder / "missing")
    a_request_goes_on(bridge, "one")
    assert codes(bridge) == ["shim-cannot-wake"]
    dull = write_script(bridge.folder / "dull", "exit 0")
    dull.chmod(0o644)
    engine_is(bridge, dull)
    a_request_goes_on(bridge, "two")
    assert codes(bridge) == ["shim-cannot-wake"]


def test_an_engine_that_is_broken(bridge: Bridge) -> None:
    engine_is(bridge, write_script(bridge.folder / "broken", "echo 'Traceback'; exit 1"))
    a_request_goes_on(bridge, "one")
    ran = bridge.run("shim", "status", "--format=json")
    assert (ran.code, ran.codes) == (1, ["shim-engine-broken"])
    assert f'"{bridge.folder / "broken"}" ended with 1' in ran.envelope["errors"][0]["message"].replace(
        "<folder>", str(bridge.folder)
    )


def test_an_engine_that_hangs(bridge: Bridge) -> None:
    mark = bridge.folder / "pid"
    text = f'if [ "$1" = --version ]; then exec sleep 60; fi; echo $$ >{mark}.new; mv {mark}.new {mark}; exec sleep 600'
    engine_is(bridge, write_script(bridge.folder / "hanging", text))
    a_request_goes_on(bridge, "one")
    wait_until(mark.exists)
    pid = int(mark.read_text())
    try:
        # The request is over, and what it started is not.
        os.kill(pid, 0)
        assert codes(bridge) == ["shim-engine-broken"]
    finally:
        os.kill(pid, signal.SIGKILL)


# -- the database ----------------------------------------------------------------------------------------------------

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="Only root may mount a small disk."
)
# Each prints what WordPress made of it; the first writes nothing of WordPress' own.
REQUESTS = (
    "do_action('archive_blog', 1); echo 'over';",
    "var_dump(update_blog_status(1, 'archived', '1')); echo 'over';",
    "$made = wu_create_domain(array('domain' => 'shop.example.com', 'blog_id' => 1)); "
    "echo is_wp_error($made) ? 'refused' : 'made', ' over';",
    "$made = wpmu_create_blog('new.example.net', '/', 'T', 1); echo is_wp_error($made) ? 'refused' : 'made', ' over';",
)


def answers(multisite: Multisite) -> list[tuple[int, str, str]]:
    """Return what each request comes to: exit code and both streams."""

    def answer(code: str) -> tuple[int, str, str]:
        done: Process = multisite.wp("eval-file", "-", stdin=f"<?php {code}", check=False)
        return done.returncode, done.stdout, done.stderr

    return [answer(code) for code in REQUESTS]


def same_with_and_without(multisite: Multisite) -> None:
    """All is the same with the shim as without, and the one request that WordPress itself can serve succeeds."""
    multisite.define("CLOSTE_BRIDGE_DISABLE", value=True)
    without = answers(multisite)
    multisite.define("CLOSTE_BRIDGE_DISABLE", value=False)
    assert multisite.php_json("defined('CLOSTE_BRIDGE_SHIM')") is True
    assert answers(multisite) == without
    assert without[0] == (0, "over", "")


@contextmanager
def small_disk(multisite: Multisite, size: str = "16m") -> Iterator[Path]:
    """Have the network's SQLite database on a disk of its own."""
    folder = multisite.path / "wp-content/database"
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    subprocess.run([find_program("mount"), "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        for name, data in kept.items():
            (folder / name).write_bytes(data)
        yield folder
    finally:
        subprocess.run([find_program("umount"), "--lazy", str(folder)], check=True)


@needs_root
def test_a_full_disk(bridge: Bridge) -> None:
    with small_disk(bridge.multisite) as disk:
        with (disk / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"x" * 4096)
            except OSError:
                pass
        same_with_and_without(bridge.multisite)
        assert events(bridge.multisite) == []
        assert codes(bridge) == ["shim-cannot-note"]
        (disk / "ballast").unlink()
        assert bridge.run("shim", "status").code == 0


@needs_root
def test_a_read_only_database(bridge: Bridge) -> None:
    with small_disk(bridge.multisite) as disk:
        subprocess.run([find_program("mount"), "-o", "remount,ro", str(disk)], check=True)
        same_with_and_without(bridge.multisite)
        assert codes(bridge) == ["shim-cannot-note"]


@pytest.mark.mariadb
def test_a_read_only_database_on_mariadb(multisite_mariadb: Multisite) -> None:
    """A user that may read all and write nothing, as after a failover to a replica."""
    multisite = multisite_mariadb
    bare_shim(multisite)
    user = "reader"
    database = multisite.database.constants["DB_NAME"]
    multisite.sql(f"CREATE USER IF NOT EXISTS {user}@localhost; GRANT SELECT ON `{database}`.* TO {user}@localhost;")
    multisite.define("DB_USER", user)
    same_with_and_without(multisite)
    multisite.define("DB_USER", "root")
    assert events(multisite) == []


def test_a_function_that_is_disabled(bridge: Bridge) -> None:
    """Hosts switch `proc_open` off: then nobody is started, and nothing is said about it to a visitor."""
    multisite = bridge.multisite
    argv = [multisite.parts.php, "-d", "disable_functions=proc_open,exec,shell_exec,system,passthru,popen"]
    argv += [str(multisite.parts.wp_cli), f"--path={multisite.path}", "--allow-root", "eval-file", "-"]
    code = "<?php wu_create_domain(array('domain' => 'shop.example.com', 'blog_id' => 1)); echo 'over';"
    done = subprocess.run(argv, input=code, capture_output=True, text=True, check=False, env=multisite.env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "over", "")
    assert [kind for kind, *_ in events(multisite)] == ["mapping_added"]


def test_a_page_view_costs_no_query(bridge: Bridge) -> None:
    """The same queries with the shim as without, on the front end and in an administrator's pages."""
    multisite = bridge.multisite
    multisite.add_mu_plugin(
        "counting",
        "define('SAVEQUERIES', true); function queries() {"
        " return array_map(fn($q) => preg_replace('/\\d{5,}/', 'N', $q[0]), $GLOBALS['wpdb']->queries); }",
    )
    page = (
        "$_SERVER['REQUEST_URI'] = '/'; wp(); ob_start(); do_action('template_redirect'); wp_head(); wp_footer();"
        " ob_end_clean(); do_action('shutdown'); echo json_encode(queries());"
    )

    def queries() -> Any:  # noqa: ANN401 - PHP decides
        return json.loads(multisite.php(page))

    multisite.define("CLOSTE_BRIDGE_DISABLE", value=True)
    queries()
    without = queries()
    multisite.define("CLOSTE_BRIDGE_DISABLE", value=False)
    assert queries() == without
    assert without, "nothing was asked at all"
    included = multisite.php_json("array_values(preg_grep('#closte-bridge/class-(?!command)#', get_included_files()))")
    assert included == []
