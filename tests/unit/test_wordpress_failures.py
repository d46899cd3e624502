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
        error = diagnose(255, output, errors)
        assert error.code in {"php-fatal", "php-memory"}
        assert error.message.endswith(f' in "/srv/www/{place}", line 3.')


def test_php_error_text_is_not_shown() -> None:
    printed = f"PHP Fatal error:  Uncaught Error: {KEY} in /srv/a.php:3\n#0 /srv/b.php(1): f('{KEY}')".encode()
    error = diagnose(255, b"", printed)
    assert error.message == 'PHP stopped with a fatal error in "/srv/a.php", line 3.'
    assert KEY not in error.hint
    for nowhere in (b"PHP Fatal error:  in a file", b"Fatal error: in eval()'d:3", b"PHP Fatal error: \nin /a.php:3"):
        assert diagnose(255, b"", nowhere).message == failure("php-fatal").message


def test_wordpress_folder_is_named(tmp_path: Path) -> None:
    here = located(failure("wp-path"), WpSettings())
    assert here.message == f'WP-CLI found no WordPress installation in "{Path.cwd()}" or above.'
    there = located(failure("wp-path"), WpSettings(path=str(tmp_path)))
    assert there.message == f'WP-CLI found no WordPress installation in "{tmp_path}".'
    # The folder on another host is unknown.
    for settings in (WpSettings(ssh="web@host/srv"), WpSettings(alias="@shop")):
        assert located(failure("wp-path"), settings).message == failure("wp-path").message


def test_missing_folder_is_not_called_a_folder_without_wordpress(tmp_path: Path) -> None:
    file = tmp_path / "index.php"
    file.touch()
    for path, message in (
        (tmp_path / "missing", f'The folder "{tmp_path}/missing" does not exist.'),
        (file / "below", f'The folder "{file}/below" does not exist.'),
        (file, f'"{file}" is not a folder.'),
    ):
        assert located(failure("wp-path"), WpSettings(path=str(path))).message == message


@pytest.mark.parametrize(
    ("code", "reason"),
    [("wp-missing", "the command was not found"), ("wp-not-executable", "the file is not executable")],
)
def test_command_that_could_not_start_is_named(code: str, reason: str) -> None:
    settings = WpSettings(command=("php", "/opt/my wp.phar"))
    assert located(failure(code), settings).message == f"Could not start \"php '/opt/my wp.phar'\": {reason}."
    # On another host, the command that was not found is unknown.
    assert located(failure(code), WpSettings(ssh="web@host/srv")).message == failure(code).message


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        (WpSettings(), "wp"),
        (WpSettings(path="/srv/my site"), "wp '--path=/srv/my site'"),
        (WpSettings(command=("php", "/opt/wp.phar"), path="/srv"), "php /opt/wp.phar --path=/srv"),
        (WpSettings(ssh="docker:web"), "wp --ssh=docker:web"),
        (WpSettings(alias="@shop"), "wp @shop"),
        (WpSettings(allow_root=True), "wp --allow-root"),
    ],
)
def test_hint_repeats_the_attempted_command(settings: WpSettings, command: str) -> None:
    error = located(failure("wp-no-answer"), settings)
    assert error.hint == f"Run `{command} eval 'echo 1;'`. It must print 1."
    # This hint names a setting and no command.
    assert located(failure("wp-missing"), settings).hint == failure("wp-missing").hint


def test_hint_over_ssh_names_the_host_and_the_command_there() -> None:
    error = located(failure("wp-no-answer"), WpSettings(ssh="web@host:22~/my site"))
    assert error.hint == "On \"host\": Run `wp '--path=my site' eval 'echo 1;'`. It must print 1."
