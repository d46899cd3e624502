"""Tests that the API key stays secret, for every source of the key and every failure.

The tests search for a recognizable key: every part of eight characters or more, in every encoding, in all output and
files of the program and in the arguments and environments of all its processes.
"""

from __future__ import annotations

import base64
import html
import json
import re
import signal
import socket
import subprocess
import tarfile
import time
import uuid
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from closte_bridge.engine.web import SECRET_FILE, shim_secret
from tests.support.canary import KEY, Watcher, found, found_in_files, needles
from tests.support.commands import CALLS, COMMANDS, SERVING, called, words_of
from tests.support.fake_world import real_world
from tests.support.fake_wp import CannedWordPress
from tests.support.sandbox.api import ApiTexts
from tests.support.shim import MU_PLUGINS, shimmed
from tests.support.tls_world import tls_world
from tests.support.web import web_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.driver import Driver
    from tests.support.fake_world import World
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

REPORT = "report.tar.gz"
OLD = [f"old.customer{number}.com" for number in range(4)]
# Commands that reach Closte, WordPress or the ledger first, so that each fails differently.
SOME = (
    "integration test --record", "adopt --yes", "plan --out=PLAN", "sync --retry", "doctor", "log",
    "report --out=REPORT",
)  # fmt: skip


def unpacked(path: Path) -> str:
    """Return the text of all files in an archive."""
    with tarfile.open(path) as archive:
        files = [archive.extractfile(member) for member in archive]
        return "".join(file.read().decode() for file in files if file)


def make(make_world: Callable[..., World], source: str = "file") -> World:
    """Return a world with the canary as its key: in a file, in a file that a variable names, or in WordPress."""
    world = make_world(mapped=OLD, key=KEY)
    report = f"cat >> {world.folder}/problems; env >> {world.folder}/problems"
    command = ["/bin/sh", "-c", report]
    world.configure(metrics_file=str(world.folder / "metrics.prom"), on_problem=command, on_domain=command)
    # The URL of a service is a secret, too. Nothing listens there, so each message fails.
    world.configure(notify=[f"json://user:{quote(KEY, safe='')}@127.0.0.1:9/{quote(KEY, safe='')}"])
    if source != "file":
        world.configure(api_key_file=None)
    if source == "variable":
        world.more_environ["CLOSTE_BRIDGE_API_KEY_FILE"] = str(world.key_file)
    world.wordpress.change(add=["new.example.org"])
    return world


def assert_silent(world: World, what: object, *texts: str) -> None:
    # The archive is compressed, so a search in its file finds nothing.
    report = world.folder / REPORT
    texts += (unpacked(report),) if report.exists() else ()
    for text in texts:
        assert not found(text), (what, found(text))
    where = found_in_files(world.folder, but={world.key_file, world.config})
    assert not where, (what, where)


def run_all(driver: Driver, world: World, calls: tuple[str, ...]) -> dict[str, int]:
    """Run commands with `--debug` and as JSON and search for the key after each; return the last exit codes."""
    codes = {}
    for call in calls:
        words = words_of(
            call,
            PLAN=str(world.folder / "plan.json"),
            REPORT=str(world.folder / "report.tar.gz"),
            NAME=OLD[0],
            OTHER=OLD[1],
        )
        for manner in ("--debug", "--format=json"):
            if manner == "--format=json" and called(call) in {"completion", "setup"}:
                continue
            done = driver.run(world, *words, manner)
            assert_silent(world, (call, manner), done["stdout"], done["stderr"])
            codes[call] = done["status"]
    return codes


@pytest.mark.parametrize("source", ["file", "variable", "wordpress"])
def test_key_stays_secret_in_normal_operation(make_world: Callable[..., World], driver: Driver, source: str) -> None:
    assert {called(call) for call in CALLS} == COMMANDS.keys() - SERVING
    world = make(make_world, source)
    codes = run_all(driver, world, CALLS)
    assert codes["integration test --record"] == codes["sync --retry"] == codes["adopt --yes"] == 0
    assert world.sandbox.aliases == world.wanted
    assert (world.folder / "plan.json").exists()
    assert (world.folder / "metrics.prom").exists()
    assert codes["notify test"] == 1
    report = unpacked(world.folder / REPORT)
    assert "getdomains" in report
    assert not set(re.findall(r"customer\d\.com", report))


def test_key_is_in_no_process_argument_or_environment(make_world: Callable[..., World]) -> None:
    world = make(make_world, "wordpress")
    mark = f"CANARY_RUN={uuid.uuid4().hex}"
    name, _, value = mark.partition("=")
    world.more_environ[name] = value
    assert isinstance(world.wordpress, CannedWordPress)
    world.wordpress.trouble = {"sleep": 0.1, "leak": True}
    with Watcher(mark) as watcher:
        for command in (["adopt", "--yes"], ["sync", "--debug"], ["integration", "test"]):
            # A process of its own, because its arguments and its environment are what the test is about.
            argv = world.argv(*command)
            done = subprocess.run(argv, capture_output=True, text=True, check=False, env=world.environ)
            assert done.returncode == 0, done
            assert_silent(world, command, done.stdout, done.stderr)
        _watch_once(world)
    lines = [arguments.replace(b"\0", b" ") for arguments in watcher.seen]
    assert any(b"closte_bridge sync" in line for line in lines)
    assert any(b"eval-file" in line for line in lines)
    assert any(b"closte_bridge watch" in line for line in lines)
    assert not watcher.leak()


def _watch_once(world: World) -> None:
    """Run `watch` until it has sent a request to Closte, then end it."""
    before = len(world.sandbox.requests)
    with (world.folder / "watch.log").open("w") as log:
        process = subprocess.Popen(world.argv("watch", "--debug"), stdout=log, stderr=log, env=world.environ)
        deadline = time.monotonic() + 60
        while len(world.sandbox.requests) == before and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert len(world.sandbox.requests) > before, (world.folder / "watch.log").read_text()
    assert_silent(world, "watch")


ECHOES = {
    "whole": KEY,
    "quoted for a URL": f"GET /getdomains?apikey={quote(KEY, safe='')}",
    "quoted twice": quote(quote(KEY, safe=""), safe=""),
    "a piece": f"key starting with {KEY[:12]}… and ending with …{KEY[-9:]}",
    "upper case": KEY.upper(),
    "HTML": html.escape(KEY),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 of more": f"Basic {base64.b64encode(f'user:{KEY}:x'.encode()).decode()}",
    "hexadecimal": KEY.encode().hex(),
    "behind a long text": "x" * 190 + KEY,
}


@pytest.mark.parametrize("echo", ECHOES)
def test_key_stays_secret_if_closte_echoes_it(make_world: Callable[..., World], driver: Driver, echo: str) -> None:
    world = make(make_world)
    assert driver.run(world, "adopt", "--yes")["status"] == 0
    words = f"Not done. {ECHOES[echo]} is not welcome."
    world.sandbox.api.texts = ApiTexts(wrong_key=words, already=words, missing=words, unknown=words)
    world.sandbox.set_faults("unknown-error:1")
    codes = run_all(driver, world, SOME)
    assert codes["sync --retry"] != 0
    # A domain may contain the key as well, and refusals are reported with the domain.
    world.sandbox.set_faults()
    run_all(driver, world, ("sync --retry",))


@pytest.mark.parametrize("status", [200, 401])
def test_key_stays_secret_if_closte_rejects_it(make_world: Callable[..., World], driver: Driver, status: int) -> None:
    world = make(make_world)
    assert driver.run(world, "adopt", "--yes")["status"] == 0
    world.sandbox.api.accepts = lambda key: not key  # type: ignore[method-assign]  # the key was changed on Closte
    world.sandbox.api.texts = ApiTexts(wrong_key=f'Invalid API key "{KEY}".', wrong_key_status=status)
    codes = run_all(driver, world, SOME)
    assert codes["integration test --record"] == codes["sync --retry"] == 1


@pytest.mark.parametrize("trouble", ["refused", "untrusted", "no TLS", "redirect", "garbage", "reset", "too large"])
def test_key_stays_secret_if_closte_is_unreachable(
    make_world: Callable[..., World], driver: Driver, trouble: str, tmp_path: Path
) -> None:
    world = make(make_world)
    assert driver.run(world, "adopt", "--yes")["status"] == 0
    with tls_world(tmp_path / "tls") as tls, closing(socket.socket()) as unused:
        tls.serve("127.0.10.1", tls.issue("127.0.10.1"))
        unused.bind(("127.0.0.1", 0))
        urls = {
            "refused": f"http://127.0.0.1:{unused.getsockname()[1]}/api/client",
            "untrusted": f"https://127.0.10.1:{tls.port}/api/client",
            "no TLS": world.sandbox.url.replace("http:", "https:"),
        }
        if trouble in urls:
            world.configure(api_url=urls[trouble])
        else:
            world.sandbox.set_faults("huge:1" if trouble == "too large" else f"{trouble}:1")
        codes = run_all(driver, world, SOME)
    assert codes["sync --retry"] in {1, 4, 5}


@pytest.mark.parametrize(
    "trouble",
    [
        {"leak": True}, {"cut": True}, {"cut": True, "leak": True}, {"status": 1, "leak": True},
        {"status": 255, "leak": True, "cut": True},
    ],
    ids=["noise", "cut", "cut and noise", "failed", "failed and cut"],
)  # fmt: skip
def test_key_stays_secret_if_wordpress_prints_it(
    make_world: Callable[..., World], driver: Driver, trouble: dict[str, object]
) -> None:
    world = make(make_world, "wordpress")
    assert isinstance(world.wordpress, CannedWordPress)
    assert driver.run(world, "adopt", "--yes")["status"] == 0
    world.wordpress.trouble = dict(trouble)
    codes = run_all(driver, world, SOME)
    assert (codes["sync --retry"] == 0) is (trouble == {"leak": True})


@pytest.mark.parametrize(
    "broken",
    [
        "closte_bridge.closte.client:ClosteClient.list_aliases", "closte_bridge.closte.transport:Transport._send",
        "closte_bridge.closte.client:ClosteClient._post", "closte_bridge.ledger.store:Ledger.state",
        "closte_bridge.ledger.log:append", "closte_bridge.engine.run:make_plan",
        "closte_bridge.wordpress.wp:WpCall.result", "closte_bridge.wordpress.reader:SnapshotCall.key",
        "closte_bridge.cli.main:show",
    ],
)  # fmt: skip
def test_key_stays_secret_in_an_internal_error(make_world: Callable[..., World], driver: Driver, broken: str) -> None:
    world = make(make_world, "wordpress")
    assert driver.run(world, "adopt", "--yes")["status"] == 0
    for manner in ("--debug", "--format=json"):
        done = driver.run(world, "sync", manner, broken=broken, words=f"https://x/?apikey={KEY} {KEY!r}")
        assert done["status"] == 1, done
        assert "Internal error" in done["stdout"] + done["stderr"]
        assert_silent(world, broken, done["stdout"], done["stderr"])


# Mistakes that people make with the key.
MISTAKES: dict[str, Callable[[World], object]] = {
    "open to others": lambda w: w.key_file.chmod(0o644),
    "two lines": lambda w: w.key_file.write_text(f"{KEY}\n{KEY}\n"),
    "white space": lambda w: w.key_file.write_text(f" {KEY} \n"),
    "no ASCII": lambda w: w.key_file.write_text(f"{KEY}ü\n"),
    "quoted assignment": lambda w: w.key_file.write_text(f"CLOSTE_CLIENT_API_KEY = '{KEY}'\n"),
    "in the config": lambda w: w.configure(api_key=KEY),
    "in a section": lambda w: w.configure(dns={"key": KEY}),
    "in the URL": lambda w: w.configure(api_url=f"https://user:{quote(KEY, safe='')}@127.0.0.1/x"),
    "in the URL's query": lambda w: w.configure(api_url=f"https://127.0.0.1/x?apikey={quote(KEY, safe='')}"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_key_stays_secret_in_configuration_mistakes(
    make_world: Callable[..., World], driver: Driver, mistake: str
) -> None:
    world = make(make_world)
    MISTAKES[mistake](world)
    for command in (("config", "validate"), ("config", "show"), ("integration", "test"), ("sync",)):
        for manner in ("--debug", "--format=json"):
            done = driver.run(world, *command, manner)
            for text in (done["stdout"], done["stderr"]):
                assert not found(text), (mistake, command, found(text))
            # A command that does not need the key does not read its file.
            at_ease = command[0] == "config" and not mistake.startswith("in ")
            assert done["status"] == (0 if at_ease else 2), (mistake, command, done)


@pytest.mark.parametrize("source", ["constant", "option"])
def test_key_from_a_real_wordpress_stays_secret(
    multisite: Multisite, quick_folder: Path, driver: Driver, source: str
) -> None:
    with real_world(quick_folder / "real", multisite, mapped=OLD, key=KEY) as world:
        world.configure(api_key_file=None)
        if source == "constant":
            multisite.define("CLOSTE_CLIENT_API_KEY", KEY)
        else:
            stored = multisite.php_json(r"\WP_Ultimo\Helpers\Credential_Store::encrypt($args[0])", KEY)
            multisite.set_network_option("wu_hosting_credential_CLOSTE_CLIENT_API_KEY", stored)
        world.wordpress.change(add=["new.example.org"])
        codes = run_all(driver, world, ("adopt --yes", "integration status", "plan --out=PLAN", "sync"))
        assert set(codes.values()) == {0}
        assert world.sandbox.aliases == world.wanted
        status = json.loads(driver.run(world, "integration", "status", "--format=json")["stdout"])
        assert ("constant" if source == "constant" else "encrypted") in status["data"]["key_source"]
        # Only the source contains the key: not PHP's log, not `wp`'s cache, not the program's data in the database.
        assert not found_in_files(multisite.home)
        but = {multisite.path / "wp-config.php"} if source == "constant" else set()
        assert not found_in_files(multisite.path, but=but)


def test_secret_of_the_shim_is_in_two_files_only(multisite: Multisite, tmp_path: Path) -> None:
    """Not in the database, the ledger, a plan, metrics, output, PHP's log, or the arguments of a process."""
    mark = f"CANARY_RUN={uuid.uuid4().hex}"
    multisite.define("WP_DEBUG_LOG", str(tmp_path / "debug.log"))
    multisite.define("WP_DEBUG", value=True)
    with (
        shimmed(multisite, tmp_path / "engine", metrics_file=str(tmp_path / "metrics.prom")) as bridge,
        web_server(multisite, tmp_path / "web") as server,
    ):
        multisite.add_mapping("old.example.com", 1)
        bridge.env |= dict([mark.split("=")])
        bridge.write_config(web_urls=[server.url])
        first = shim_secret(bridge.state)
        with Watcher(mark) as watcher:
            calls = ["shim install --rotate --debug", "shim status --format=json", "plan --out=PLAN", "sync --debug"]
            calls += ["doctor --format=json", "integration disable", "integration enable"]
            output = [bridge.run(*words_of(call, PLAN=str(tmp_path / "plan.json"))) for call in calls]
        second = shim_secret(bridge.state)
        assert first
        assert second
        assert any(b"eval-file" in arguments for arguments in watcher.seen)
        own = {bridge.state / SECRET_FILE, multisite.path / MU_PLUGINS / "closte-bridge" / "secret.php"}
        for secret in (first, second):
            pieces = needles(secret.reveal(), 16)
            assert not [found(ran.out + ran.err, pieces) for ran in output if found(ran.out + ran.err, pieces)]
            assert not watcher.leak(pieces)
            assert not found_in_files(tmp_path, but=own if secret is second else (), needles=pieces)
