"""Tests of the behaviour of Ultimate Multisite, with the mock plugin and with the real one (`ULTIMATE_MULTISITE_DIR`).

The mock plugin is only correct if these tests pass with both.
"""

from __future__ import annotations

import json

import pytest

from tests.support.rows import set_option
from tests.support.wordpress import TABLE, Multisite

pytestmark = pytest.mark.real

RECORDER = r"""
foreach (array(
    'wu_domain_pre_save', 'wu_transition_domain_domain', 'wu_domain_added', 'wu_transition_domain_active',
    'wu_transition_domain_primary_domain', 'wu_transition_domain_secure', 'wu_transition_domain_stage',
    'wu_domain_post_save', 'wu_domain_became_primary', 'wu_domain_pre_delete', 'wu_domain_post_delete',
    'wu_domain_removed', 'wu_duplicate_site', 'wp_insert_site', 'wp_initialize_site', 'wp_uninitialize_site',
    'wp_delete_site', 'wu_should_create_domain_record_for_site',
) as $name) {
    // As late as possible: what the plugin itself does inside a hook comes before.
    add_filter($name, function (...$args) use ($name) {
        $plain = array_map(fn($arg) => is_object($arg) ? get_class($arg) : $arg, $args);
        file_put_contents(WP_CONTENT_DIR . '/hooks.log', json_encode([$name, $plain]) . "\n", FILE_APPEND);
        return $args[0];
    }, PHP_INT_MIN, 5);
}
"""

NEW_RECORD = [
    "wu_domain_pre_save",
    "wu_transition_domain_domain",
    "wu_domain_added",
    "wu_transition_domain_active",
    "wu_transition_domain_primary_domain",
    "wu_transition_domain_secure",
    "wu_transition_domain_stage",
    "wu_domain_post_save",
]


def test_wp_with_skip_plugins_disables_mapped_domains(multisite: Multisite) -> None:
    multisite.wp("eval", "1;")
    assert multisite.serves_mapped_domains()
    multisite.wp("eval", "1;", "--skip-plugins")
    assert not multisite.serves_mapped_domains()
    multisite.wp("eval", "1;")
    assert multisite.serves_mapped_domains()


@pytest.fixture
def recording(multisite: Multisite) -> Multisite:
    """Provide a network that records every hook that closte-bridge uses."""
    multisite.add_mu_plugin("recorder", RECORDER)
    return multisite


def hooks(multisite: Multisite) -> list[tuple[str, list[object]]]:
    """Return the hooks that fired since the last call, with their arguments (objects as class names)."""
    log = multisite.path / "wp-content" / "hooks.log"
    fired = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    log.unlink(missing_ok=True)
    return [(name, args) for name, args in fired]


def names(fired: list[tuple[str, list[object]]]) -> list[str]:
    return [name for name, _ in fired]


def test_plugin_reports_its_version(multisite: Multisite) -> None:
    assert multisite.php_json("[WP_ULTIMO_VERSION, \\WP_Ultimo::VERSION]") == ["2.14.2", "2.14.2"]
    assert int(multisite.network_option("wu_setup_finished")) > 0
    multisite.php("delete_network_option(null, 'wu_setup_finished');")
    assert multisite.wp("wu", "domain", "list", check=False).returncode == 1


def test_settings_are_absent_until_saved(multisite: Multisite) -> None:
    saved = {"enable_domain_mapping": True}
    assert multisite.network_option("wp-ultimo_v2_settings") == saved
    assert multisite.php_json("wu_get_setting('dns_check_interval', 300)") == 300
    multisite.set_setting("dns_check_interval", 10)
    assert multisite.network_option("wp-ultimo_v2_settings") == saved | {"dns_check_interval": 10}
    assert multisite.php_json("wu_get_setting('dns_check_interval', 300)") == 10


def test_new_site_gets_its_domain_record(recording: Multisite) -> None:
    blog_id = recording.create_site("one")
    fired = hooks(recording)
    assert names(fired) == [
        "wp_insert_site",
        "wu_should_create_domain_record_for_site",
        *NEW_RECORD,
        "wu_domain_became_primary",
        "wp_initialize_site",
    ]
    arguments = dict(fired)
    assert arguments["wu_transition_domain_domain"] == ["new", "one.example.net", 1]
    assert arguments["wu_domain_added"] == ["one.example.net", blog_id]
    assert arguments["wu_transition_domain_stage"] == ["new", "checking-dns", 1]
    assert arguments["wu_domain_post_save"][1:] == ["WP_Ultimo\\Models\\Domain", True]
    [row] = recording.mappings()
    dates = {"date_created": row["date_created"], "date_modified": row["date_modified"]}
    assert all(dates.values())
    assert row == {
        "id": "1",
        "blog_id": str(blog_id),
        "domain": "one.example.net",
        "active": "1",
        "primary_domain": "1",
        "secure": "0",
        "stage": "checking-dns",
        **dates,
    }
    # `wu_add_domain` and `wu_add_subdomain` have no listener, so the plugin does not enqueue them.
    assert recording.jobs() == [("wu_async_process_domain_stage", {"domain_id": 1})] * 2


def test_shared_base_domain_gets_no_record(recording: Multisite) -> None:
    recording.add_mu_plugin(
        "bases", "add_filter('wu_checkout_form_base_domains', fn($domains) => ['www.Shared.example.com']);"
    )
    recording.php(
        "wpmu_create_blog('shared.example.com', '/a/', 'A', 1); wpmu_create_blog('example.net', '/b/', 'B', 1);"
    )
    assert recording.mappings() == []
    manager = "\\WP_Ultimo\\Managers\\Domain_Manager::get_instance()->is_network_base_domain($args[0])"
    for domain in (
        "shared.example.com",
        "example.net",
        "WWW.Example.Net",
        "https://example.net:8080/x",
        "example.net.",
    ):
        assert recording.php_json(manager, domain) is True, domain
    for domain in ("one.example.net", "other.example.com", ""):
        assert recording.php_json(manager, domain) is False, domain


def test_filter_disables_the_record(recording: Multisite) -> None:
    recording.add_mu_plugin("off", "add_filter('wu_should_create_domain_record_for_site', '__return_false');")
    recording.create_site("one")
    assert recording.mappings() == []


def test_duplicated_site_gets_its_record(recording: Multisite) -> None:
    source = recording.create_site("one")
    hooks(recording)
    blog_id = recording.duplicate_site(source, "two.example.net")
    fired = hooks(recording)
    assert names(fired)[-1] == "wu_duplicate_site"
    assert fired[-1][1] == [{"from_site_id": source, "site_id": blog_id}]
    assert names(fired).index("wu_domain_became_primary") < names(fired).index("wp_initialize_site")
    assert recording.domains() == ["one.example.net", "two.example.net"]


def test_renamed_and_deleted_mappings_fire_their_hooks(recording: Multisite) -> None:
    blog_id = recording.create_site("one")
    row = recording.add_mapping("Shop.Example.com", blog_id)
    hooks(recording)
    recording.rename_mapping("shop.example.com", "new.example.com")
    fired = hooks(recording)
    assert names(fired) == [
        "wu_domain_pre_save",
        "wu_transition_domain_domain",
        "wu_domain_added",
        "wu_domain_post_save",
    ]
    assert fired[1][1] == ["shop.example.com", "new.example.com", row]
    assert fired[2][1] == ["new.example.com", blog_id]
    recording.delete_mapping("new.example.com")
    fired = hooks(recording)
    assert names(fired) == ["wu_domain_pre_delete", "wu_domain_post_delete", "wu_domain_removed"]
    assert fired[1][1] == [1, "WP_Ultimo\\Models\\Domain"]
    assert fired[2][1] == ["new.example.com", blog_id]
    assert recording.jobs("wu_remove_domain") == [
        ("wu_remove_domain", {"domain": "new.example.com", "site_id": blog_id})
    ]


def test_mappings_of_a_deleted_site_are_deleted_one_by_one(recording: Multisite) -> None:
    blog_id = recording.create_site("one")
    recording.add_mapping("shop.example.com", blog_id)
    hooks(recording)
    recording.delete_site(blog_id)
    fired = hooks(recording)
    deleted = ["wu_domain_pre_delete", "wu_domain_post_delete", "wu_domain_removed"]
    assert names(fired) == ["wp_uninitialize_site", "wp_delete_site", *deleted, *deleted]
    removed = {str(args[0]) for name, args in fired if name == "wu_domain_removed"}
    assert removed == {"one.example.net", "shop.example.com"}
    assert recording.domains() == []
    [(_, arguments)] = recording.jobs("wu_remove_subdomain")
    assert arguments["subdomain"] == "one.example.net"


@pytest.mark.parametrize("saved", [False, None])
def test_mappings_of_a_deleted_site_stay_without_domain_mapping(recording: Multisite, saved: bool | None) -> None:
    """Only a saved setting starts domain mapping: its default is unknown when WordPress loads `sunrise.php`."""
    recording.add_mapping("shop.example.com", recording.create_site("one"))
    set_option(recording, "wp-ultimo_v2_settings", None if saved is None else {"enable_domain_mapping": saved})
    hooks(recording)
    recording.delete_site(2)
    assert names(hooks(recording)) == ["wp_uninitialize_site", "wp_delete_site"]
    assert recording.domains() == ["one.example.net", "shop.example.com"]


REFUSED = (
    "*.wild.example.com", "under_score.example.com", "bücher.example.com", "dot.example.com.",
    "port.example.com:8080", "localhost", "192.0.2.1", "-a.example.com", "a-.example.com", "a..example.com",
    "http://a.example.com", " a.example.com", "example.c-m", "",
)  # fmt: skip
ACCEPTED = ("xn--bcher-kva.example.com", "UPPER.Example.COM", "a-b.example.com", "9.example.com", "a.co")


def test_model_refuses_invalid_domains(multisite: Multisite) -> None:
    create = "wu_create_domain(['domain' => $name, 'blog_id' => 1])"
    call = f"array_map(fn($name) => is_wp_error({create}), json_decode($args[0], true))"
    assert multisite.php_json(call, json.dumps(REFUSED)) == [True] * len(REFUSED)
    assert multisite.php_json(call, json.dumps(ACCEPTED)) == [False] * len(ACCEPTED)
    assert multisite.php_json(call, json.dumps(ACCEPTED)) == [True] * len(ACCEPTED)
    assert multisite.domains() == sorted(name.lower() for name in ACCEPTED)
    assert multisite.php_json("is_wp_error(wu_create_domain(['domain' => 'nosite.example.com']))") is True
    bad_stage = "is_wp_error(wu_create_domain(['domain' => 's.example.com', 'blog_id' => 1, 'stage' => 'odd']))"
    assert multisite.php_json(bad_stage) is True


def test_lists_are_limited_to_a_hundred_rows(multisite: Multisite) -> None:
    multisite.add_mappings_sql((f"d{number}.example.com", 1) for number in range(252))
    assert multisite.wp("wu", "domain", "list", "--format=count").stdout.strip() == "100"
    listing = multisite.wp("wu", "domain", "list", "--format=json").stdout
    assert not listing.endswith("\n")
    rows = json.loads(listing)
    assert len(rows) == 100
    columns = "id blog_id domain active primary_domain secure stage date_created date_modified"
    assert list(rows[0]) == columns.split()
    assert {type(value) for value in rows[0].values()} == {str}
    counts = "[count(wu_get_domains()), count(wu_get_domains(['number' => 300])), wu_get_domains(['count' => true])]"
    assert multisite.php_json(counts) == [100, 252, 252]
    # The newest mapping comes first.
    assert multisite.php_json("wu_get_domains()[0]->get_id()") == 252


def test_table_has_no_unique_key(multisite: Multisite) -> None:
    multisite.add_mappings_sql([("twice.example.com", 1), ("twice.example.com", 2)])
    assert multisite.domains() == ["twice.example.com"] * 2


def test_every_save_flushes_the_object_cache(multisite: Multisite) -> None:
    multisite.add_mapping("shop.example.com", 1)
    code = """(function () {
        $domain = wu_get_domain_by_domain('shop.example.com');
        wp_cache_set('probe', 1, 'ours');
        $domain->save();
        return wp_cache_get('probe', 'ours');
    })()"""
    assert multisite.php_json(code) is False


def test_wp_wu_domain_create_queues_no_stage_check(multisite: Multisite) -> None:
    create = ("wu", "domain", "create", "--blog_id=1")
    row = multisite.wp(*create, "--domain=shop.example.com", "--porcelain").stdout.strip()
    assert multisite.jobs() == []
    refused = multisite.wp(*create, "--domain=*.example.com", check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: ")
    multisite.wp("wu", "domain", "update", row, "--stage=done-without-ssl", "--domain=new.example.com")
    [mapping] = multisite.mappings()
    assert (mapping["domain"], mapping["stage"]) == ("new.example.com", "done-without-ssl")
    assert "new.example.com" in multisite.wp("wu", "domain", "get", row).stdout
    assert multisite.wp("wu", "domain", "delete", row).stdout == "Success: Item deleted.\n"
    assert multisite.wp("wu", "domain", "get", row, check=False).stderr == "Error: Invalid ID.\n"
    assert multisite.mappings() == []


def test_stages_decide_whether_a_mapping_is_active(multisite: Multisite) -> None:
    stages = ["checking-dns", "checking-ssl-cert", "done", "done-without-ssl", "failed", "ssl-failed"]
    call = """array_map(
        fn($stage) => (new \\WP_Ultimo\\Models\\Domain(['stage' => $stage, 'active' => true]))->is_active(),
        json_decode($args[0])
    )"""
    assert multisite.php_json(call, json.dumps(stages)) == [False, False, True, True, False, False]


def test_first_ready_custom_domain_becomes_primary(multisite: Multisite) -> None:
    blog_id = multisite.create_site("one")
    multisite.add_mapping("first.example.com", blog_id)
    multisite.add_mapping("second.example.com", blog_id)
    multisite.set_stage("first.example.com", "done")
    multisite.set_stage("second.example.com", "done-without-ssl")
    primary = {row["domain"]: row["primary_domain"] for row in multisite.mappings()}
    # The network's own subdomain stops being primary. Another custom domain does not.
    assert primary == {"one.example.net": "0", "first.example.com": "1", "second.example.com": "0"}


LOOPBACK = """
add_filter('pre_http_request', function ($answer, $options, $url) {
    $id = wu_get_domain_by_domain(parse_url($url, PHP_URL_HOST))->get_id();
    return array('response' => array('code' => 200), 'body' => json_encode(array('id' => (string) $id)));
}, 10, 3);
"""


def check_stage(multisite: Multisite, row: int, tries: int) -> None:
    multisite.php("do_action('wu_async_process_domain_stage', (int) $args[0], (int) $args[1]);", str(row), str(tries))


def test_stage_checks_advance_and_give_up(multisite: Multisite) -> None:
    multisite.add_mu_plugin("loopback", LOOPBACK)
    row = multisite.add_mapping("shop.invalid", 1)
    check_stage(multisite, row, 3)
    assert multisite.mappings()[0]["stage"] == "checking-ssl-cert"
    assert multisite.jobs()[-1][1] == {"domain_id": row, "tries": 0}
    check_stage(multisite, row, 4)
    assert multisite.jobs()[-1][1] == {"domain_id": row, "tries": 5}
    # The plugin makes twenty tries with Closte, and five with other hosts.
    multisite.enable_closte()
    check_stage(multisite, row, 5)
    assert multisite.mappings()[0]["stage"] == "checking-ssl-cert"
    check_stage(multisite, row, 20)
    assert multisite.mappings()[0]["stage"] == "ssl-failed"
    waiting = len(multisite.jobs())
    check_stage(multisite, row, 0)
    assert len(multisite.jobs()) == waiting


LISTENERS = """(function () {
    global $wp_filter;
    $found = array();
    foreach (array('wu_add_domain', 'wu_remove_domain', 'wu_add_subdomain', 'wu_remove_subdomain') as $hook) {
        foreach (isset($wp_filter[$hook]) ? $wp_filter[$hook]->callbacks : array() as $priority => $callbacks) {
            foreach ($callbacks as $callback) {
                $found[] = array($hook, $priority, get_class($callback['function'][0]));
            }
        }
    }
    return $found;
})()"""
PROVIDER = "WP_Ultimo\\Integrations\\Providers\\Closte\\Closte_Domain_Mapping"


def test_built_in_provider_needs_activation_and_a_key(multisite: Multisite) -> None:
    assert multisite.php_json(LISTENERS) == []
    multisite.enable_closte(api_key=None)
    assert multisite.php_json(LISTENERS) == []
    multisite.enable_closte()
    hooked = ("wu_add_domain", "wu_remove_domain", "wu_add_subdomain", "wu_remove_subdomain")
    assert multisite.php_json(LISTENERS) == [[name, 10, PROVIDER] for name in hooked]
    multisite.add_mapping("shop.example.com", 1)
    assert multisite.jobs("wu_add_domain") == [("wu_add_domain", {"domain": "shop.example.com", "site_id": 1})]
    multisite.enable_closte(enabled=False)
    assert multisite.php_json(LISTENERS) == []
    multisite.add_mapping("late.example.com", 1)
    assert len(multisite.jobs("wu_add_domain")) == 1


REQUESTS = """
add_filter('pre_http_request', function ($answer, $options, $url) {
    file_put_contents(WP_CONTENT_DIR . '/requests.log', $url . "\\n", FILE_APPEND);
    $known = strpos($url, '/adddomainalias') !== false;
    return array('response' => array('code' => $known ? 200 : 404), 'body' => '{"success": true}');
}, 10, 3);
"""


def test_one_added_domain_costs_five_requests(multisite: Multisite) -> None:
    multisite.enable_closte()
    multisite.add_mu_plugin("requests", REQUESTS)
    multisite.php("do_action('wu_add_domain', 'shop.example.com', 1);")
    urls = (multisite.path / "wp-content" / "requests.log").read_text().split()
    base = "https://app.closte.com/api/client"
    calls = ("/adddomainalias", "/ssl/install", "/installssl", "/ssl", "/certificate/install")
    assert urls == [base + call for call in calls]


def test_encrypted_key_can_be_decrypted(multisite: Multisite) -> None:
    store = "\\WP_Ultimo\\Helpers\\Credential_Store"
    option = "wu_hosting_credential_CLOSTE_CLIENT_API_KEY"
    multisite.php(f"update_network_option(null, '{option}', {store}::encrypt('s3cret-Key'));")
    stored = multisite.network_option(option)
    assert stored.startswith("$wu_enc$")
    assert multisite.php_json(f"{store}::decrypt($args[0])", stored) == "s3cret-Key"
    assert multisite.php_json(f"{store}::decrypt('plain')") == "plain"
    by_hand = """(function ($bytes) {
        $key = hash('sha256', wp_salt('auth'), true);
        return openssl_decrypt(substr($bytes, 16), 'aes-256-cbc', $key, 0, substr($bytes, 0, 16));
    })(base64_decode(substr($args[0], 8)))"""
    assert multisite.php_json(by_hand, stored) == "s3cret-Key"
    # The stored key applies if there is no constant.
    multisite.enable_closte(api_key=None)
    assert len(multisite.php_json(LISTENERS)) == 4


def test_table_columns_are_known(multisite: Multisite) -> None:
    columns = "array_column($GLOBALS['wpdb']->get_results('SHOW COLUMNS FROM " + TABLE + "', ARRAY_A), 'Type', 'Field')"
    found = multisite.php_json(columns)
    assert found["domain"] == "varchar(191)"
    assert list(found) == [
        "id", "blog_id", "domain", "active", "primary_domain", "secure", "stage", "date_created", "date_modified",
    ]  # fmt: skip
