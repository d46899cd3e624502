"""Tests that kill PHP before each write while the shim is installed or removed: WordPress and closte-bridge go on.

The test inserts the crash points into the script: before every function that changes a file, a table or an option.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.shim.files import texts
from closte_bridge.wordpress.wp import script
from tests.support.databases import SqliteDatabase
from tests.support.shim import MU_PLUGINS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

_CALLS = re.compile(
    r"(?<![\w>:$])@?(?P<name>file_put_contents|chmod|rename|unlink|rmdir|wp_mkdir_p"
    r"|(?:update|delete)_network_option)\( "
)
_POINT = """
function closte_bridge_point( $what ) {
    static $count = 0;
    if ( ++$count === DIE_AT ) { posix_kill( getmypid(), 9 ); sleep( 9 ); }
    fwrite( STDERR, "point\\n" );
    return $what;
}
"""
_MARK = re.compile(rb"\A<\?php\n// closte-bridge-shim \S+ sha256:([0-9a-f]{64})\n")
OLD_TEXT = base64.b64encode(b"<?php\n// An older part.\n").decode()


def run(multisite: Multisite, request: dict[str, Any], die_at: int = 0) -> tuple[int, int, dict[str, Any] | None]:
    """Run a script of the shim; return its exit status, the number of points it passed, and its answer."""
    text = script("shim", {"nonce": "0" * 32, "engine": None, **request}).decode()
    text, calls = _CALLS.subn(lambda found: f"closte_bridge_point( '{found['name']}' )( ", text)
    text, queries = re.subn(r"\$wpdb->query\(", "closte_bridge_point( $wpdb )->query(", text)
    assert calls >= 10
    assert queries >= 4
    text += _POINT.replace("DIE_AT", str(die_at))
    ran = multisite.wp("eval-file", "-", stdin=text, check=False)
    found = re.search(r'\{"result".*\}', ran.stdout)
    return ran.returncode, ran.stderr.count("point\n"), json.loads(found.group(0)) if found else None


def installing(version: str = "new", **more: str) -> dict[str, Any]:
    config = {"engine": None, "wake": "none", "trigger_file": None}
    return {"do": "install", "version": version, "files": texts() | more, "config": config}


def assert_unharmed(multisite: Multisite, context: str) -> None:
    """Check that every file that PHP loads is complete, and that a request prints no errors or warnings."""
    folder = multisite.path / MU_PLUGINS
    for path in [*folder.glob("closte-bridge*.php"), *folder.glob("closte-bridge/*.php")]:
        content = path.read_bytes()
        mark = _MARK.match(content)
        assert mark, (context, path)
        assert hashlib.sha256(content[mark.end() :]).hexdigest().encode() == mark.group(1), (context, path)
    ran = multisite.wp("eval", "echo 'well';", check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "well", ""), context


@pytest.mark.parametrize(
    ("begin", "request_", "least"),
    [
        (None, installing(), 25),
        (installing("old", **{"closte-bridge/class-old.php": OLD_TEXT}), installing(), 25),
        (installing(), {"do": "uninstall", "keep_owner": False, "version": "new"}, 10),
    ],
    ids=["fresh", "over an older one", "removal"],
)
def test_php_crash_before_any_shim_write_is_recovered(
    multisite: Multisite,
    tmp_path: Path,
    begin: dict[str, Any] | None,
    request_: dict[str, Any],
    least: int,
) -> None:
    folder, kept = multisite.path / MU_PLUGINS, tmp_path / "kept"
    if begin:
        assert run(multisite, begin)[0] == 0
    folder.mkdir(exist_ok=True)
    shutil.copytree(folder, kept)
    assert isinstance(multisite.database, SqliteDatabase)
    database, rows = multisite.database.path, tmp_path / "rows"
    shutil.copyfile(database, rows)

    status, points, _ = run(multisite, request_)
    assert status == 0
    assert points >= least
    done = {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.php"))}
    for number in range(1, points + 1):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        shutil.copyfile(rows, database)
        context = f"died before point {number} of {points}"
        assert run(multisite, request_, number)[0] not in {0, 1}, context
        assert_unharmed(multisite, context)
    # Repeating the request completes it.
    status, _, answer = run(multisite, request_)
    assert (status, answer and answer["result"]) == (0, "done")
    assert {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.php"))} == done
