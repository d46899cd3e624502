"""Reports of a failed `wp`: the folder, the place in PHP, and commands to copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from closte_bridge.config.model import WpSettings
from closte_bridge.wordpress.failures import diagnose, failure, located

KEY = "the-key-of-closte-0123456789"


@pytest.mark.parametrize(
    ("printed", "place"),
    [
        (b"PHP Fatal error:  Uncaught Error: Call to f() in /srv/www/broken.php:3\nStack trace:\n", "broken.php"),
        (b"Fatal error: Cannot redeclare f() in /srv/www/broken.php on line 3", "broken.php"),
        (b"PHP Parse error:  syntax error, unexpected '}' in /srv/www/broken.php on line 3\n", "broken.php"),
        (b"\nFatal error: Allowed memory size of 1 bytes exhausted in /srv/www/broken.php on line 3", "broken.php"),
        (b"PHP Fatal error:  no in /srv/www/bro\x1bken.php:3", "bro\\x1bken.php"),
    ],
)
def test_php_error_names_file_and_line(printed: bytes, place: str) -> None:
    for output, errors in ((printed, b""), (b"", printed)):
        error = diagnose(255, output, errors, over_ssh=False)
        assert error.code in {"php-fatal", "php-memory"}
        assert error.message.endswith(f' in "/srv/www/{place}", line 3.')


def test_php_error_text_is_not_shown() -> None:
    printed = f"PHP Fatal error:  Uncaught Error: {KEY} in /srv/a.php:3\n#0 /srv/b.php(1): f('{KEY}')".encode()
    error = diagnose(255, b"", printed, over_ssh=False)
    assert error.message == 'PHP stopped with a fatal error in "/srv/a.php", line 3.'
    assert KEY not in error.hint
    for nowhere in (b"PHP Fatal error:  in a file", b"Fatal error: in eval()'d:3", b"PHP Fatal error: \nin /a.php:3"):
        assert diagnose(255, b"", nowhere, over_ssh=False).message == failure("php-fatal").message


def test_wordpress_folder_is_named() -> None:
    here = located(failure("wp-path"), WpSettings())
    assert here.message == f'WP-CLI found no WordPress installation in "{Path.cwd()}" or above.'
    there = located(failure("wp-path"), WpSettings(path="/srv/www"))
    assert there.message == 'WP-CLI found no WordPress installation in "/srv/www".'
    # The folder on another host is unknown.
    for settings in (WpSettings(ssh="web@host/srv"), WpSettings(alias="@shop")):
        assert located(failure("wp-path"), settings).message == failure("wp-path").message


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        (WpSettings(), "wp"),
        (WpSettings(path="/srv/my site"), "wp '--path=/srv/my site'"),
        (WpSettings(command=("php", "/opt/wp.phar"), path="/srv"), "php /opt/wp.phar --path=/srv"),
        (WpSettings(ssh="web@host/srv"), "wp --ssh=web@host/srv"),
        (WpSettings(alias="@shop"), "wp @shop"),
        (WpSettings(allow_root=True), "wp --allow-root"),
    ],
)
def test_hint_repeats_the_attempted_command(settings: WpSettings, command: str) -> None:
    error = located(failure("wp-no-answer"), settings)
    assert error.hint == f"Run `{command} eval 'echo 1;'`. It must print 1."
    # This hint names a setting and no command.
    assert located(failure("wp-missing"), settings).hint == failure("wp-missing").hint
