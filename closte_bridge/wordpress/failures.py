"""Map `wp` failures to errors.

The output of `wp` is searched but never quoted, because it may contain the API key. Only the file and the line of a PHP
error are reported. The search terms come from WP-CLI 2.12 and WordPress 7.1.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.config.ssh_target import remote_path
from closte_bridge.domains import shown
from closte_bridge.errors import UnreadableError
from closte_bridge.wordpress import ssh_failures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.config.model import WpSettings
    from closte_bridge.config.ssh_target import SshTarget


class Explanation(NamedTuple):
    """An error message and its hint.

    The hint contains `{wp}` for the command. `located` is the message if the file and the line are known.
    """

    message: str
    hint: str
    located: str = ""


_KNOWN: dict[str, Explanation] = {
    **{code: Explanation(*texts) for code, texts in ssh_failures.EXPLANATIONS.items()},
    "wp-missing": Explanation(
        "The command that starts `wp` was not found.",
        "Install WP-CLI, or set its path in the config: `wp: {command: [php, /opt/wp-cli.phar]}`.",
    ),
    "wp-not-executable": Explanation(
        "The command that starts `wp` is not executable.",
        "Make it executable, or put `php` in front of it in the config: `wp: {command: [php, …]}`.",
    ),
    "wp-root": Explanation(
        "WP-CLI refuses to run as root.",
        "Run as the owner of the site's files: `sudo -u <owner> closte-bridge …`. On a host that Ansible provisions: "
        "`closte-bridge-as <network> …`.",
    ),
    "wp-path": Explanation(
        "WP-CLI found no WordPress installation.",
        "Pass `--path=<folder of wp-config.php>`, or set `wp: {path: …}` in the config.",
    ),
    "wp-url": Explanation(
        "The network has no site at the URL given with `--url`.",
        "Pass the URL of a site in the network. `{wp} site list` shows them.",
    ),
    "wp-main-site": Explanation(
        "WordPress found no site at the network's main domain.",
        "Compare DOMAIN_CURRENT_SITE in wp-config.php with the main site in the database, or pass `--url`.",
    ),
    "wp-alias": Explanation(
        "WP-CLI does not know this alias.",
        "List the known aliases with `wp cli alias list`.",
    ),
    "not-installed": Explanation(
        "WordPress is not installed at this path and URL.",
        "Check `--path` and `--url`. `{wp} core is-installed --network` must succeed.",
    ),
    "database": Explanation(
        # WordPress has the same sentence for both.
        "WordPress cannot connect to its database, or the database does not contain this network.",
        "Check that the database server runs and that `{wp} db check` succeeds. "
        "If there are several networks, check `--url`.",
    ),
    "ssh": Explanation(
        "The SSH connection to the WordPress host failed.",
        "Test `ssh` to this host manually. The host key must be known and the login must be non-interactive.",
    ),
    "php-fatal": Explanation(
        "PHP stopped with a fatal error.",
        "Run `{wp} eval 'echo 1;'` and check PHP's error log.",
        'PHP stopped with a fatal error in "{file}", line {line}.',
    ),
    "php-memory": Explanation(
        "PHP ran out of memory.",
        "Raise PHP's memory_limit for the command line: `wp: {command: [php, -d, memory_limit=1G, …]}` in the config.",
        'PHP ran out of memory in "{file}", line {line}.',
    ),
    "wp-timeout": Explanation(
        "`wp` timed out.",
        "Test `{wp} option get home` manually. If the host is only slow, raise `wp: {timeout: …}` in the config.",
    ),
    "wp-cut": Explanation(
        "The output of `wp` was truncated.",
        "Try again. If it persists, check for output or memory limits between this machine and WordPress.",
    ),
    "wp-damaged": Explanation(
        "The output of `wp` was corrupted.",
        "Try again. If it persists, check for a wrapper around `wp` that changes its output.",
    ),
    "wp-too-large": Explanation(
        "The output of `wp` is too large.",
        "Find the plugin that prints without end: `{wp} eval 'echo 1;'` shows its output.",
    ),
    "wp-no-answer": Explanation(
        "`wp` ended without a response.",
        "Run `{wp} eval 'echo 1;'`. It must print 1.",
    ),
    "wp-status": Explanation(
        "`wp` exited with an error, so its output was ignored.",
        "Run `{wp} eval 'echo 1;'; echo $?`. If the exit code is not 0, a plugin fails during PHP shutdown.",
    ),
    "not-multisite": Explanation(
        "This WordPress is not a multisite.",
        "Point `--path` or `--url` to the network that runs Ultimate Multisite.",
    ),
    "maintenance": Explanation(
        "WordPress is in maintenance mode: an update is in progress.",
        "Try again when the update has finished. After a failed update, delete the leftover `.maintenance` file.",
    ),
    "query-failed": Explanation(
        "The database rejected a query.",
        "Run `{wp} db check`. The usual causes are a crashed table and missing privileges.",
    ),
    "no-transaction": Explanation(
        "The database refused to start a transaction, so the network cannot be read consistently.",
        "Check the privileges of the database user, and that the tables use InnoDB.",
    ),
    "plugin-inactive": Explanation(
        "Ultimate Multisite is not active on this network.",
        "Activate it with `{wp} plugin activate ultimate-multisite --network`.",
    ),
    "plugin-not-set-up": Explanation(
        "Ultimate Multisite is active, but its setup is not complete.",
        "Complete its setup wizard in the network admin: Ultimate Multisite > Setup.",
    ),
    "table-missing": Explanation(
        "A required database table is missing.",
        "Run Ultimate Multisite's setup wizard again, then `{wp} db check`.",
    ),
    "shim-not-writable": Explanation(
        "Could not write a shim file: the disk is full, or the folder belongs to another user.",
        "Free disk space if needed, then install again as the owner of the site's files.",
    ),
    "shim-changed": Explanation(
        "The shim's config.php was modified, and other networks of this installation depend on it.",
        "Restore it from a backup. Or move it away, then run `closte-bridge shim install` for each network.",
    ),
    "shim-no-table": Explanation(
        "Could not create the shim's event table.",
        "Allow the database user to create tables. WordPress updates need this privilege too.",
    ),
    "shim-other-owner": Explanation(
        "Another closte-bridge installation owns this network.",
        "If that installation is no longer in use, run `closte-bridge adopt --take-over` first.",
    ),
    "wp-unexpected": Explanation(
        "`wp` returned data in an unexpected format.",
        "Run again with `--debug`.",
    ),
    "php-exception": Explanation(
        "PHP failed with an exception.",
        "Check PHP's error log. Run again with `--debug` to see the kind of failure and its line.",
    ),
}

# Searched in this order in both streams of `wp`; the first match wins.
_SIGNS: tuple[tuple[str, bytes], ...] = (
    ("wp-root", b"YIKES!"),
    ("wp-path", b"This does not seem to be a WordPress installation"),
    ("wp-path", b"'wp-config.php' not found"),
    ("wp-url", b"Verify `--url=<url>` matches an existing site"),
    ("wp-main-site", b"Verify DOMAIN_CURRENT_SITE matches an existing site"),
    ("wp-alias", b"Alias '@"),
    ("database", b"Error establishing a database connection"),
    ("database", b"Error establishing database connection"),
    ("not-installed", b"The site you have requested is not installed"),
    ("maintenance", b"Briefly unavailable for scheduled maintenance"),
    ("php-memory", b"Allowed memory size of"),
    ("wp-missing", b"wp: command not found"),
    ("wp-missing", b"wp: not found"),
    ("php-fatal", b"PHP Fatal error"),
    ("php-fatal", b"Fatal error:"),
    ("php-fatal", b"PHP Parse error"),
    ("php-fatal", b"Parse error:"),
    ("php-fatal", b"There has been a critical error on this website"),
)

# `PHP Fatal error:  … in /path/plugin.php:3` or `… in /path/plugin.php on line 3`. The text between is not reported.
_WHERE = re.compile(rb"(?:Fatal|Parse) error: [^\n]* in (/[^\n:]{1,300}\.php)(?::| on line )(\d{1,7})")

# Possible failures of a `wp` that cannot write to its database. With SQLite, that is a file of the site.
_OF_WRITING = {
    *("wp-no-answer", "wp-status", "php-fatal", "php-exception", "shim-not-writable"),
    *("database", "query-failed", "no-transaction", "table-missing"),
}
_READ_ONLY = (
    'The file system of "{path}" is read-only for this process and for `wp`, as in a restricted systemd service. '
    "With SQLite, add the folder of the database to `write_paths` of the Ansible role, or to `ReadWritePaths=` of the "
    "unit. "
)

_NOT_STARTED = {"wp-missing": "the command was not found", "wp-not-executable": "the file is not executable"}

_SHELL_NOT_FOUND = 127
_SHELL_NOT_EXECUTABLE = 126
SSH_FAILED = 255
"""The status of `ssh` if the connection failed. PHP exits with it after a fatal error, too."""


def codes() -> frozenset[str]:
    """Return the codes of all `wp` failures."""
    return frozenset(_KNOWN)


def failure(code: str) -> UnreadableError:
    """Return the error for `code`. An unknown code becomes a PHP failure."""
    code = code if code in _KNOWN else "php-exception"
    fields = {"host": "the host", "ssh": "ssh", "known": "host", "wp": "wp"}
    message, hint = (_filled(text, fields) for text in _KNOWN[code][:2])
    return UnreadableError(message, code=code, hint=hint)


def of_ssh(printed: bytes) -> UnreadableError:
    """Return the error for a connection that failed, from the messages of `ssh`."""
    return failure(ssh_failures.code_of(printed))


def _filled(text: str, fields: Mapping[str, str]) -> str:
    # No `str.format`: the texts contain braces of YAML.
    for name, value in fields.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def located(error: UnreadableError, settings: WpSettings) -> UnreadableError:
    """Return an error of `failure` with its host, folder or command, and with a hint whose command can be copied."""
    if settings.target:
        return _located_there(error, settings, settings.target)
    message = error.message
    local = not settings.is_remote
    if error.code == "wp-path" and local:
        message = _without_wordpress(settings.path)
    if error.code in _NOT_STARTED and local:
        message = f'Could not start "{shlex.join(settings.command)}": {_NOT_STARTED[error.code]}.'
    hint = _filled(_KNOWN[error.code].hint, {"wp": shlex.join(_attempted(settings, settings.path))})
    if error.code in _OF_WRITING and local and _is_read_only(settings.path):
        hint = _READ_ONLY.replace("{path}", shown(settings.path or "")) + hint
    return UnreadableError(message, code=error.code, hint=hint)


def _without_wordpress(path: str | None) -> str:
    """Return why WP-CLI found no WordPress in the folder `path`, or in the current one and above."""
    if path is None:
        return f'WP-CLI found no WordPress installation in "{shown(str(Path.cwd()))}" or above.'
    try:
        is_folder = stat.S_ISDIR(Path(path).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return f'The folder "{shown(path)}" does not exist.'
    except OSError:
        is_folder = True  # WP-CLI may see more than this user.
    found = f'WP-CLI found no WordPress installation in "{shown(path)}".'
    return found if is_folder else f'"{shown(path)}" is not a folder.'


def _located_there(error: UnreadableError, settings: WpSettings, target: SshTarget) -> UnreadableError:
    port = ["-p", str(target.port)] if target.port else []
    login = f"{target.user}@{target.host}" if target.user else target.host
    fields = {
        "host": shown(target.host),
        "ssh": shlex.join(["ssh", *port, login]),
        "known": f"[{target.host}]:{target.port}" if target.port else target.host,
        "wp": shlex.join(_attempted(replace(settings, ssh=None), remote_path(settings.path) or target.path)),
    }
    explained = _KNOWN[error.code]
    message, hint = error.message, _filled(explained.hint, fields)
    if "{host}" in explained.message:
        message = _filled(explained.message, fields)
    if error.code == "ssh-login" and settings.ssh_password_file:
        hint = f'Check the user, and the password in "{settings.ssh_password_file}".'
    if "{wp}" in explained.hint:
        hint = f'On "{fields["host"]}": {hint}'
    return UnreadableError(message, code=error.code, hint=hint)


def _attempted(settings: WpSettings, path: str | None) -> list[str]:
    options = [f"--{name}={value}" for name, value in (("path", path), ("ssh", settings.ssh)) if value]
    options += ["--allow-root"] if settings.allow_root else []
    return [*settings.command, *([settings.alias] if settings.alias else []), *options]


def _is_read_only(path: str | None) -> bool:
    """Return whether the file system of the folder is read-only for this process."""
    with suppress(OSError):
        return path is not None and bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    return False


def _php_error(code: str, printed: bytes) -> UnreadableError:
    """Return the error for `code`, with the file and the line if PHP printed them."""
    error, found = failure(code), _WHERE.search(printed)
    if not found:
        return error
    file, line = shown(found[1].decode("utf-8", "replace")), int(found[2])
    return UnreadableError(_KNOWN[code].located.format(file=file, line=line), code=code, hint=error.hint)


def diagnose(
    status: int, output: bytes, errors: bytes, *, remote: bool = False, own_ssh: bool = False, shared: bool = False
) -> UnreadableError:
    """Return the error for a `wp` that exited with `status` and printed no document.

    `own_ssh`: closte-bridge started `ssh`, over a connection that is `shared` and still exists, or not shared.
    `remote`: WP-CLI may have started `ssh`.
    """
    for code, sign in _SIGNS:
        if sign in errors or sign in output:
            if code == "wp-missing" and own_ssh:
                break
            return _php_error(code, errors + output) if _KNOWN[code].located else failure(code)
    if status == SSH_FAILED and remote and not shared:
        return of_ssh(errors) if own_ssh else failure("ssh")
    if own_ssh and ssh_failures.is_refusal(errors + output):
        return failure("ssh-refused")
    if status == _SHELL_NOT_FOUND:
        return failure("ssh-no-wp" if own_ssh else "wp-missing")
    if status == _SHELL_NOT_EXECUTABLE:
        return failure("ssh-refused" if own_ssh else "wp-not-executable")
    if status == SSH_FAILED:
        return failure("php-fatal")
    return failure("wp-no-answer")
