"""Tests of the page *Closte* in the network admin, over real HTTP with a logged-in session."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.admin_session import AdminSession, Page, admin_session
from tests.support.customers import own_admin, put_states
from tests.support.parts import is_mock_plugin
from tests.support.rows import set_option
from tests.support.shim import clear_events, events, shimmed
from tests.support.web import web_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.web import WebServer
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

LIVE: dict[str, Any] = {
    "domain": "shop.example.com",
    "blog_id": 1,
    "state": "live",
    "args": {"at_closte": True, "managed": True, "dns": "ok", "https": "ok", "http": "ok", "live": True},
}
DNS: dict[str, Any] = {
    "domain": "bad.example.com",
    "blog_id": 1,
    "state": "blocked",
    "code": "points-elsewhere",
    "needs": "customer",
    "args": {
        "at_closte": True,
        "managed": True,
        "dns": "points-elsewhere",
        "live": False,
        "checked_at": 1_790_000_000,
        "step": {
            "code": "change-records",
            "args": {"name": "bad.example.com"},
            "records": [
                {"type": "A", "host": "bad.example.com", "value": ["192.0.2.10"], "current": ["203.0.113.9"]},
            ],
        },
        "evidence": {"addresses": ["203.0.113.9"], "issuer": "An issuer", "http_status": 404},
        "history": [[1_790_000_000, "blocked", "points-elsewhere"], [1_780_000_000, "added", ""]],
    },
}
FAILED: dict[str, Any] = {
    "domain": "late.example.com",
    "blog_id": 1,
    "state": "wanted",
    "status": "on-hold",
    "code": "back-off",
    "args": {"at_closte": False, "managed": False, "plan_step": "refused"},
}
COUNTS = {"all": 3, "live": 1, "needs-customer": 1, "failed": 1, "needs-approval": 2, "site-gone": 0}
SUMMARY: dict[str, Any] = {
    "counts": COUNTS,
    "mode": "add-only",
    "reason_text": "this is a copy",
    "last_run": {"at": 1_790_000_000, "outcome": "ok"},
    "how": "cron",
    "version": "0.1.0",
    "approval": [
        {
            "rule": "inference",
            "domains": ["old.example.com"],
            "more": 4,
            "command": "closte-bridge plan --out=f",
        },
    ],
}
# Every count of queries and files ends up in the log of PHP.
COUNTING = r"""
$GLOBALS['counted'] = 0;
add_filter('query', function ($sql) {
    $GLOBALS['counted'] += (int) (false !== strpos($sql, 'closte_bridge'));
    return $sql;
});
add_action('shutdown', function () {
    $files = count(preg_grep('#mu-plugins/closte-bridge/#', get_included_files()));
    error_log("counted: {$GLOBALS['counted']} queries, $files files");
}, 0);
"""


def report(multisite: Multisite, **summary: object) -> None:
    """Write what the engine reports: a heartbeat and its summary."""
    set_option(multisite, "closte_bridge_status", {"heartbeat": int(time.time()), "verdicts": {}, "summary": summary})


@pytest.fixture
def server(network: Multisite, tmp_path: Path) -> Iterator[WebServer]:
    own_admin(network)
    with web_server(network, tmp_path / "web") as server:
        yield server
        log = server.log.read_text() if server.log.exists() else ""
        assert [line for line in log.splitlines() if "PHP " in line] == []


@pytest.fixture
def admin(network: Multisite, server: WebServer) -> AdminSession:
    return admin_session(network, server)


def closte(session: AdminSession, query: str = "") -> Page:
    """Return the page *Closte*: its place depends on the plugin's menu."""
    found = re.search(r"(admin|settings)\.php\?page=closte-bridge", session.get("/wp-admin/network/index.php").text)
    assert found
    return session.get(f"/wp-admin/network/{found.group(0)}{query}")


def test_page_shows_summary_views_domains_and_approvals(network: Multisite, admin: AdminSession) -> None:
    put_states(network, LIVE, DNS, FAILED)
    report(network, **SUMMARY)
    page = closte(admin)
    assert page.status == 200
    for text in (
        "Only adds domains: this is a copy",
        "by cron",
        "h (closte-bridge 0.1.0)",
        "All (3)",
        "Live (1)",
        "Needs the customer (1)",
        "Failed (1)",
        "Unmanaged (0)",
        "Change the A record of bad.example.com to 192.0.2.10.",
        "More inferred removals than the limit for 24 hours allows",
        "(successful)",
        "5 domains old.example.com and 4 more",
        "closte-bridge plan --out=f",
        "WordPress cannot approve removals.",
    ):
        assert text in page.words, text
    # The menu counts what needs an administrator: a failed change and two approvals.
    assert 'awaiting-mod count-3"' in page.text
    assert page.text.count('class="toggle-row"') == 3

    def listed(query: str) -> list[str]:
        return re.findall(r'class="row-title"[^>]*>([^<]*)<', closte(admin, query).text)

    assert listed("") == ["bad.example.com", "late.example.com", "shop.example.com"]
    assert listed("&orderby=domain&order=desc")[0] == "shop.example.com"
    assert listed("&view=needs-customer") == ["bad.example.com"]
    assert listed("&view=failed") == ["late.example.com"]
    assert listed("&s=SHOP") == ["shop.example.com"]
    assert listed("&s=nothing") == []
    path = page.link("All ")
    rows = {"wp_screen_options[option]": "closte_bridge_per_page", "wp_screen_options[value]": "2"}
    saved = admin.post(path, {**rows, "screenoptionnonce": page.field("screenoptionnonce")})
    assert saved.status == 302
    assert listed("") == ["bad.example.com", "late.example.com"]
    assert listed("&paged=2") == ["shop.example.com"]
    assert listed("&view=odd%00&orderby=args&paged=-1") == listed("")
    assert 'id="since-hide"' in page.text


def test_each_domain_has_its_reasons(network: Multisite, admin: AdminSession) -> None:
    put_states(network, DNS, FAILED)
    page = closte(admin, "&domain=bad.example.com")
    for text in ("192.0.2.10", "203.0.113.9", "An issuer", "404", "Test network", "Points elsewhere"):
        assert text in page.words, text
    assert page.words.count("Blocked") == 2
    assert "Redirect to" not in page.words, "not known"
    assert 'data-clipboard-text="192.0.2.10"' in page.text
    assert "closte-bridge-retry" not in page.text
    page = closte(admin, "&domain=late.example.com")
    assert "Check the spelling." in page.words
    assert "closte-bridge-retry" in page.text
    assert "closte-bridge does not know none.example.com." in closte(admin, "&domain=none.example.com").words


def test_requests_are_written_for_known_domains_only(network: Multisite, admin: AdminSession) -> None:
    put_states(network, LIVE, DNS, FAILED)
    clear_events(network)
    page = closte(admin)
    done = admin.get(page.link("Check now"))
    assert (done.status, "requested=check&count=1" in done.location) == (302, True)
    assert "closte-bridge checks 1 domain in its next run." in admin.get(done.location).words
    nonce = closte(admin).field("_wpnonce")
    names = ("bad.example.com", "late.example.com", "forged.example.org", "<script>", "' OR 1=1 --")
    form = {"_wpnonce": nonce, **{f"domains[{number}]": name for number, name in enumerate(names)}}
    path = closte(admin).link("All ")
    assert "count=2" in admin.post(path, {"action": "check", **form}).location
    # Only a failed change can be retried.
    assert "count=1" in admin.post(path, {"action": "-1", "action2": "retry", **form}).location
    assert "count=0" in admin.post(path, {"action": "check", "_wpnonce": nonce}).location
    found = {(kind, domain) for kind, _, domain, _ in events(network)}
    assert found == {("check", "bad.example.com"), ("check", "late.example.com"), ("retry", "late.example.com")}
    assert [blog for _, blog, *_ in events(network)] == [1, 1, 1, 1]


def test_request_without_nonce_is_refused(network: Multisite, admin: AdminSession) -> None:
    put_states(network, LIVE)
    clear_events(network)
    path = closte(admin).link("All ")
    other = closte(admin, "&domain=shop.example.com").link("Check now").rsplit("_wpnonce=", 1)[1]
    for query in ("", "&_wpnonce=0123456789", f"&_wpnonce={other}"):
        refused = admin.get(f"{path}&action=check&domain=late.example.com{query}")
        assert (refused.status, "expired" in refused.words) == (403, True), query
    nonce = closte(admin).field("_wpnonce")
    assert admin.get(f"{path}&action=check&domain=shop.example.com&_wpnonce={nonce}").status == 403
    assert admin.post(path, {"action": "check", "domains[0]": "shop.example.com"}).status == 403
    assert events(network) == []


def test_page_and_requests_need_the_capability(network: Multisite, server: WebServer) -> None:
    put_states(network, LIVE)
    keeper = admin_session(network, server, "keeper")
    network.wp("user", "set-role", "keeper", "administrator")
    clear_events(network)
    for place in ("admin", "settings"):
        refused = keeper.get(f"/wp-admin/network/{place}.php?page=closte-bridge")
        assert refused.status in {302, 403}
        assert "shop.example.com" not in refused.text
    # Without WordPress' own check of the page, the request itself is refused, with a valid nonce.
    network.add_mu_plugin(
        "direct",
        "add_action('admin_init', function () { if (isset($_GET['direct'])) {"
        " $_REQUEST['action'] = 'check'; $_REQUEST['domain'] = 'shop.example.com';"
        " $_REQUEST['_wpnonce'] = wp_create_nonce('closte-bridge-request-checkshop.example.com');"
        " foreach (array('Row', 'Markup', 'Page') as $part) { Closte_Bridge\\need($part); }"
        " Closte_Bridge\\run('Actions', 'handle'); exit('passed'); } });",
    )
    refused = keeper.get("/wp-admin/index.php?direct=1")
    assert (refused.status, "not allowed" in refused.words) == (403, True)
    assert admin_session(network, server).get("/wp-admin/index.php?direct=1").status == 302
    assert [domain for _, _, domain, _ in events(network)] == ["shop.example.com"]


def test_no_value_of_the_database_is_executed(network: Multisite, admin: AdminSession) -> None:
    """Each field has code, too many values, or a wrong type."""
    evil = "\"><script>alert('x')</script><img src=x onerror=alert(1)>&lt;%s%1$s`"
    record = {"type": evil, "host": evil, "value": [evil, ["x"], None], "current": [evil]}
    step = {"code": "change-records", "args": {evil: evil}, "records": [record, evil, 7]}
    evidence = {"addresses": [evil, [evil]], "issuer": evil, "not_after": evil, "http_status": [], "location": evil}
    args = {
        "at_closte": evil, "managed": [], "dns": evil, "https": [evil], "http": evil, "live": "yes", "plan_step": evil,
        "checked_at": evil, "step": step, "evidence": evidence,
        "history": [[evil, evil, evil], evil, [1], [1, [], {}]] * 8,
    }  # fmt: skip
    odd = {
        "state": evil[:16],
        "status": evil[:32],
        "code": evil[:40],
        "needs": evil[:16],
        "next_check": -5,
        "args": args,
    }
    put_states(
        network,
        {**odd, "domain": "x.example.com"},
        {**odd, "domain": evil, "blog_id": 999},
        {**FAILED, "domain": "y.example.com", "args": "[[" * 20_000},
        {**odd, "domain": "z.example.com", "args": {"step": evil, "evidence": evil, "history": evil}},
    )
    network.php("update_option('blogname', $args[0]); update_blog_details(1, array('path' => '/'));", evil)
    approval = {"rule": evil, "domains": [evil, ["x"]], "more": evil, "command": evil}
    set_option(network, "closte_bridge_owner", {"engine": "e", "host": evil, "since": [evil]})
    report(
        network, counts={"failed": evil, "all": []}, mode="read-only", reason_text=evil, how=evil, next_run=evil,
        version=evil, last_run={"at": evil, "outcome": evil}, approval=[approval, evil, approval],
    )  # fmt: skip
    pages = [closte(admin)]
    pages += [closte(admin, f"&domain={letter}.example.com") for letter in "xyz"]
    pages += [closte(admin, "&s=%22%3E%3Cscript%3Ealert%28%27x%27%29&requested=check&count=%3Cscript%3E")]
    for page in pages:
        assert page.status == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "could not show this page" not in page.words
    assert "<script>alert('x')" in pages[0].words, "shown as text"
    box = r"ob_start(); Closte_Bridge\run('Embed', 'box', array('x.example.com')); return ob_get_clean();"
    assert "<script" not in network.php_json(f"(function () {{ wp_set_current_user(1); {box} }})()")


def test_page_explains_what_is_missing(network: Multisite, admin: AdminSession) -> None:
    """Without states table, and without an owner."""
    network.php("global $wpdb; $wpdb->query('DROP TABLE wp_closte_bridge_domains');")
    assert "closte-bridge has not synced yet." in closte(admin).words
    page = closte(admin)
    assert "No domains yet" in page.words
    assert 'data-clipboard-text="closte-bridge shim install"' in page.text
    set_option(network, "closte_bridge_owner", None)
    page = closte(admin)
    assert "No closte-bridge owns this network yet" in page.words
    assert 'data-clipboard-text="closte-bridge setup"' in page.text
    assert "awaiting-mod" not in re.findall(r"page=closte-bridge.*?</a>", page.text)[0]
    assert "Nothing was requested" not in page.words


def test_other_screens_make_one_query_and_pages_none(
    network: Multisite, server: WebServer, admin: AdminSession
) -> None:
    put_states(network, LIVE)
    report(network, **SUMMARY)
    network.add_mu_plugin("00-counting", COUNTING)

    def counted(path: str) -> tuple[int, int]:
        server.log.write_text("")
        assert admin.get(path).status == 200
        (found,) = re.findall(r"counted: (\d+) queries, (\d+) files", server.log.read_text())
        return int(found[0]), int(found[1])

    queries, files = counted("/wp-admin/network/sites.php")
    assert (queries, files <= 4) == (1, True), files
    assert counted("/wp-admin/index.php")[0] == 0
    assert counted("/") == (0, 0)
    server.log.write_text("")


def test_states_are_in_the_pages_of_the_plugin(network: Multisite, server: WebServer, admin: AdminSession) -> None:
    clear_events(network)
    names = [f"d{number}.example.com" for number in range(9)]
    network.add_mappings_sql([(name, 1) for name in names])
    put_states(network, *({**DNS, "domain": name} for name in names[:-1]))
    network.add_mu_plugin("00-counting", COUNTING)
    server.log.write_text("")
    page = admin.get("/wp-admin/network/admin.php?page=wp-ultimo-domains")
    assert page.text.count('<div class="closte-bridge-state">') == 8
    # One for the menu and the notice, and one for the rows.
    assert "counted: 2 queries" in server.log.read_text()
    # Only the real plugin searches with a script.
    if not is_mock_plugin():
        found = re.search(r'name="(_ajax_(\w+)_nonce)" value="(\w+)"', page.text)
        assert found
        query = f"action=wu_list_table_fetch_ajax_results&table_id=domain_list_table&{found[1]}={found[3]}&s=d1"
        search = admin.get(f"/wp-admin/admin-ajax.php?{query}&id={found[2]}").text
        assert search.count("closte-bridge-state") == 1
        assert "network\\/admin.php?page=closte-bridge&#038;domain=d1.example.com" in search
    (row, *_) = network.mappings()
    page = admin.get(f"/wp-admin/network/admin.php?page=wp-ultimo-edit-domain&id={row['id']}&model=domain")
    assert 'id="closte-bridge"' in page.text
    assert "Blocked Points elsewhere Change the A record of bad.example.com to 192.0.2.10." in page.words
    done = admin.get(page.link("Check now"))
    assert f"domain={row['domain']}&requested=check&count=1" in done.location
    assert [(kind, domain) for kind, _, domain, _ in events(network)] == [("check", row["domain"])]
    wizard = "/wp-admin/network/admin.php?page=wp-ultimo-hosting-integration-wizard&integration="
    page = admin.get(f"{wizard}closte&step=closte-bridge")
    assert "closte-bridge on h owns this network." in page.words
    assert "closte-bridge has not synced yet. closte-bridge sync" in page.words
    assert "step=closte-bridge" not in admin.get(f"{wizard}cloudflare").text
    server.log.write_text("")


def test_retry_on_the_page_reaches_closte(multisite: Multisite, tmp_path: Path) -> None:
    """From the engine's states to the button, its event, the next run, and the new state on the page."""
    own_admin(multisite)
    with shimmed(multisite, tmp_path / "engine") as bridge, web_server(multisite, tmp_path / "web") as server:
        multisite.add_mappings_sql([("bad.example.com", 1), ("good.example.com", 1)])
        bridge.sandbox.set_faults("unknown-error@bad.example.com")
        assert bridge.run("sync").code == 4
        bridge.sandbox.set_faults()
        bridge.run("sync")
        admin = admin_session(multisite, server)
        assert "unmanaged" not in closte(admin, "&s=example.net").words, "the network's own domain"
        page = closte(admin, "&view=failed")
        assert re.findall(r'class="row-title"[^>]*>([^<]*)<', page.text) == ["bad.example.com"]
        assert "Failed, retried automatically" in page.words
        done = admin.get(admin.get(page.link("Retry")).location)
        assert "closte-bridge retries 1 failed change in its next run." in done.words
        bridge.run("sync")
        assert bridge.aliases == {"bad.example.com", "good.example.com"}
        bridge.run("sync")
        assert "Failed (0)" in closte(admin).words
        assert "No domains found." in closte(admin, "&view=failed").words
