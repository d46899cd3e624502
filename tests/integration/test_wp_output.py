"""Tests of the output of `wp`: it never contains the key, and closte-bridge finds its document despite noise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import ConfigError
from tests.support.running import wp_settings, write_script
from tests.support.snapshots import names, read, read_key

if TYPE_CHECKING:
    from pathlib import Path

    from closte_bridge.config.model import WpSettings
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

KEY = "constant-key-0123456789abcdef"


def test_key_is_read_from_the_constant_and_the_encrypted_option(multisite: Multisite, tmp_path: Path) -> None:
    settings = wp_settings(multisite)
    with pytest.raises(ConfigError, match="No API key found in the config"):
        read_key(settings)
    multisite.php(
        "update_network_option(null, 'wu_hosting_credential_CLOSTE_CLIENT_API_KEY',"
        " \\WP_Ultimo\\Helpers\\Credential_Store::encrypt($args[0]));",
        "encrypted-key-0123456789",
    )
    # The output of `wp` does not contain the key in any form.
    watched, printed = overheard(settings, tmp_path)
    assert read_key(watched) == ("encrypted-key-0123456789", "Ultimate Multisite's encrypted setting")
    multisite.define("CLOSTE_CLIENT_API_KEY", KEY)
    assert read_key(watched) == (KEY, "the constant CLOSTE_CLIENT_API_KEY")
    said = printed.read_text()
    assert said.count("@closte-bridge-begin") == 2
    assert not any(key in said for key in (KEY, "encrypted-key-0123456789", "wu_enc"))
    for bad, code in (("two words", "bad-key"), ("k" * 2000, "no-key")):
        multisite.define("CLOSTE_CLIENT_API_KEY", bad)
        with pytest.raises(ConfigError) as caught:
            read_key(settings)
        assert caught.value.code == code
        assert bad not in caught.value.message + caught.value.hint
    multisite.define("CLOSTE_CLIENT_API_KEY", "")
    multisite.define("AUTH_SALT", "other salts than those it was encrypted with")
    with pytest.raises(ConfigError, match="Could not decrypt"):
        read_key(settings)


# Noise


def overheard(settings: WpSettings, folder: Path) -> tuple[WpSettings, Path]:
    """Return settings whose `wp` also copies its output to a file, and that file."""
    printed = folder / "printed"
    told = write_script(folder / "wp", f'exec {" ".join(settings.command)} "$@" 2>&1 | tee -a {printed}')
    return replace(settings, command=(str(told),)), printed


NONCE = "0123456789abcdef" * 2
FRAME = rf"\n@closte-bridge-begin 1 {NONCE}@\n{{}}\n@closte-bridge-end {NONCE} 2 "
NOISY = rf"""
echo "<br />\n<b>Warning</b>:  Undefined variable in <b>/x.php</b> on line <b>1</b><br />\n";
trigger_error('A plugin is wrong.', E_USER_WARNING);
echo "{FRAME}", hash('sha256', '{{}}'), "@\n", "\n@closte-bridge-begin 1 ";
fwrite(STDERR, "PHP Deprecated:  something\nFatal error: not really\n");
ob_start(fn($text) => "<!-- " . strtoupper($text) . " -->");
add_filter('wp_die_handler', fn() => function () {{ echo 'Dead.'; exit(3); }});
add_action('init', function () {{ echo "{{\"error\": {{\"code\": \"not-multisite\"}}}}"; }});
register_shutdown_function(function () {{
    while (ob_get_level()) {{ ob_end_flush(); }}
    echo "\n@closte-bridge-end ", str_repeat("\x00\xff ", 100), "Fatal error: at the very end";
}});
add_action('shutdown', function () {{
    global $wpdb; $wpdb->show_errors(); $wpdb->query('SELECT nonsense FROM nowhere');
}});
"""


def test_document_is_found_in_any_plugin_output(multisite: Multisite, tmp_path: Path) -> None:
    multisite.define("WP_DEBUG", value=True)
    multisite.define("WP_DEBUG_DISPLAY", value=True)
    multisite.define("CLOSTE_CLIENT_API_KEY", KEY)
    multisite.add_mappings_sql([("shop.example.org", 1)])
    plugin = multisite.add_mu_plugin("noisy", NOISY)
    settings, printed = overheard(wp_settings(multisite), tmp_path)
    assert names(read(settings)) == ["shop.example.org"]
    said = printed.read_bytes()
    assert all(noise in said for noise in (b"Undefined variable", b"A plugin is wrong", b"at the very end", b"\xff"))
    assert read_key(wp_settings(multisite)) == (KEY, "the constant CLOSTE_CLIENT_API_KEY")
    # The plugin discards buffered output, and prints megabytes directly.
    plugin.write_text(
        "<?php ob_start(fn() => ''); echo str_repeat('x', 5000000); fwrite(STDOUT, str_repeat('y', 5000000));"
    )
    assert names(read(wp_settings(multisite))) == ["shop.example.org"]


def test_ordinary_plugins_are_not_loaded(multisite: Multisite) -> None:
    broken = multisite.path / "wp-content" / "plugins" / "broken.php"
    broken.write_text("<?php\n/* Plugin Name: Broken */\n")
    multisite.wp("plugin", "activate", "broken", "--network")
    broken.write_text("<?php\n/* Plugin Name: Broken */\nthis is no PHP")
    assert multisite.wp("eval", "1;", check=False).returncode != 0
    assert read(wp_settings(multisite)).complete
