"""Put into words why `wp` gave no answer.

What `wp` printed is only looked at, never quoted: it may hold the API key; of an error of PHP the file and the line are
told. The sentences looked for were seen from WP-CLI 2.12 and WordPress 7.1.
"""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.domains import shown
from closte_bridge.errors import UnreadableError

if TYPE_CHECKING:
    from closte_bridge.config.model import WpSettings


class Explanation(NamedTuple):
    """A sentence that says what is wrong, and one that says what to do."""

    message: str
    hint: str


_KNOWN: dict[str, Explanation] = {
    "wp-missing": Explanation(
        "The command that starts `wp` was not found.",
        "Install WP-CLI, or name it rightly in the config: `wp: {command: [php, /opt/wp-cli.phar]}`. "
        "Over SSH, `ssh` is needed here.",
    ),
    "wp-not-executable": Explanation(
        "The command `wp` cannot be executed.",
        "Make it executable, or put `php` before it in the config's `wp: {command: …}`.",
    ),
    "wp-root": Explanation(
        "WP-CLI refuses to run as root.",
        "Run as the owner of the site's files: `sudo -u <owner> closte-bridge …`; on a host that Ansible provisions: "
        "`closte-bridge-as <network> …`.",
    ),
    "wp-path": Explanation(
        "WP-CLI found no WordPress installation where it looked.",
        "Pass `--path=<folder of wp-config.php>`, or set `wp: {path: …}` in the config.",
    ),
    "wp-url": Explanation(
        "The network has no site at the address given with `--url`.",
        "Pass the address of a site of the network that you mean, as `wp site list` shows it.",
    ),
    "wp-main-site": Explanation(
        "WordPress finds no site at the network's own address.",
        "Compare DOMAIN_CURRENT_SITE in wp-config.php with the main site in the database; or pass `--url`.",
    ),
    "wp-alias": Explanation(
        "WP-CLI does not know that alias.",
        "`wp cli alias list` shows those it knows.",
    ),
    "not-installed": Explanation(
        "WordPress is not installed at that path and address.",
        "Check `--path` and `--url`; `wp core is-installed --network` must succeed.",
    ),
    "database": Explanation(
        # WordPress has the same sentence for both.
        "WordPress cannot reach its database, or finds no such network in it.",
        "Check that the database server runs and that `wp db check` succeeds; with several networks, check `--url`.",
    ),
    "ssh": Explanation(
        "The SSH connection to the WordPress host failed.",
        "Try `ssh` to the same host by hand; the host key must be known and the login must not ask.",
    ),
    "php-fatal": Explanation(
        "PHP ended with a fatal error before WordPress could answer.",
        "Run `wp eval 'echo 1;'` and look into PHP's error log.",
    ),
    "php-memory": Explanation(
        "PHP ran out of memory while it read the network.",
        "Raise PHP's memory_limit for the command line, for example `wp: {command: [php, -d, memory_limit=1G, …]}`.",
    ),
    "wp-timeout": Explanation(
        "`wp` gave no answer in time and was ended.",
        "Try `wp option get home` by hand; raise `wp: {timeout: …}` if the host is only slow.",
    ),
    "wp-cut": Explanation(
        "The answer of `wp` was cut off.",
        "Run it again; if it stays so, look for a limit on output or memory between here and WordPress.",
    ),
    "wp-damaged": Explanation(
        "The answer of `wp` was damaged on its way.",
        "Run it again; look for a wrapper around `wp` that changes what it prints.",
    ),
    "wp-too-large": Explanation(
        "`wp` printed more than this program is willing to read.",
        "Look for a plugin that prints without end; `wp eval 'echo 1;'` shows it.",
    ),
    "wp-no-answer": Explanation(
        "`wp` ended without an answer.",
        "Run `wp eval 'echo 1;'`: it must print 1.",
    ),
    "wp-status": Explanation(
        "`wp` answered, but ended with a failure, so its answer does not count.",
        "Run `wp eval 'echo 1;'; echo $?`: a plugin that fails as PHP ends makes that something else than 0.",
    ),
    "not-multisite": Explanation(
        "This WordPress is not a multisite.",
        "Point `--path` or `--url` at the network that runs Ultimate Multisite.",
    ),
    "maintenance": Explanation(
        "WordPress is in maintenance mode: an update is under way.",
        "Run again when it is over. A `.maintenance` file left behind by a failed update can be deleted.",
    ),
    "query-failed": Explanation(
        "The database refused a query.",
        "Run `wp db check`; a crashed table or missing rights are the usual causes.",
    ),
    "no-transaction": Explanation(
        "The database refused to start a transaction, so the network cannot be read consistently.",
        "Check the database user's rights and that the tables are InnoDB.",
    ),
    "plugin-inactive": Explanation(
        "Ultimate Multisite is not active on this network.",
        "Activate it: `wp plugin activate ultimate-multisite --network`.",
    ),
    "plugin-not-set-up": Explanation(
        "Ultimate Multisite is active, but its set-up was never finished.",
        "Finish its wizard in the network admin: Ultimate Multisite > Setup.",
    ),
    "table-missing": Explanation(
        "A table that the network needs is missing.",
        "Run Ultimate Multisite's set-up again, and `wp db check`.",
    ),
    "shim-not-writable": Explanation(
        "A file of the shim could not be written: the disk is full, or the folder belongs to somebody else.",
        "Run as the owner of the site's files, with room on the disk; then install again.",
    ),
    "shim-changed": Explanation(
        "Somebody changed the shim's config.php, which other networks of this installation need.",
        "Put it back from a backup; or move it away, then run `closte-bridge shim install` for each of the networks.",
    ),
    "shim-no-table": Explanation(
        "The database refused to make the table for the shim's events.",
        "The database user needs the right to create tables, as WordPress' own updates do.",
    ),
    "shim-other-owner": Explanation(
        "Another engine is in charge of this network.",
        "Run `closte-bridge adopt --take-over` first if that one is out of use.",
    ),
    "wp-unexpected": Explanation(
        "`wp` answered with a document that does not have the expected form.",
        "Another version of closte-bridge's scripts may be in between; run it again with `--debug`.",
    ),
    "php-exception": Explanation(
        "PHP failed while it read the network.",
        "Look into PHP's error log; `--debug` shows the kind of failure and its line.",
    ),
}

# Looked for in this order in what `wp` printed, both streams; the first that is there wins.
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

# `PHP Fatal error:  … in /path/plugin.php:3` or `… in /path/plugin.php on line 3`; what stands between is not told.
_WHERE = re.compile(rb"(?:Fatal|Parse) error: [^\n]* in (/[^\n:]{1,300}\.php)(?::| on line )(\d{1,7})")

# What a `wp` comes to that cannot write to its database: with SQLite that is a file of the site.
_OF_WRITING = {
    *("wp-no-answer", "wp-status", "php-fatal", "php-exception", "shim-not-writable"),
    *("database", "query-failed", "no-transaction", "table-missing"),
}
_SANDBOX = (
    "a service has its sandbox. With SQLite, name the folder of the database in `write_paths` of the Ansible role, "
    "or in `ReadWritePaths=` of the unit."
)

_SHELL_NOT_FOUND = 127
_SHELL_NOT_EXECUTABLE = 126
_SSH_FAILED = 255


def codes() -> frozenset[str]:
    """Return the codes of all errors that a failing `wp` can come to."""
    return frozenset(_KNOWN)


def failure(code: str) -> UnreadableError:
    """Return the error for `code`; an unknown one is told as a failure of PHP."""
    words = _KNOWN.get(code) or _KNOWN["php-exception"]
    return UnreadableError(words.message, code=code if code in _KNOWN else "php-exception", hint=words.hint)


def located(error: UnreadableError, settings: WpSettings) -> UnreadableError:
    """Return `error` with the folder that was looked in, and commands that can be copied as they are."""
    message = error.message
    if error.code == "wp-path" and not settings.ssh and not settings.alias:
        where = shown(settings.path or str(Path.cwd()))
        message = f'WP-CLI found no WordPress installation in "{where}"{"" if settings.path else ", nor above"}.'
    if error.code == "wp-alias":
        return error  # its command is to be tried without
    options = [f"--{name}={value}" for name, value in (("path", settings.path), ("ssh", settings.ssh)) if value]
    options += ["--allow-root"] if settings.allow_root else []
    words = [*settings.command, *([settings.alias] if settings.alias else []), *options]
    hint = error.hint.replace("`wp ", f"`{shlex.join(words)} ")
    if error.code in _OF_WRITING and not settings.ssh and not settings.alias and _is_closed(settings.path):
        hint = f'This process may not write to "{shown(settings.path or "")}", and `wp` neither: {_SANDBOX} {hint}'
    return UnreadableError(message, code=error.code, hint=hint)


def _is_closed(path: str | None) -> bool:
    """Return whether the file system of a folder is read-only for this process."""
    with suppress(OSError):
        return path is not None and bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    return False


def _with_place(error: UnreadableError, printed: bytes) -> UnreadableError:
    """Return an error of PHP with the file and the line that PHP named."""
    found = _WHERE.search(printed)
    if not found:
        return error
    file, line = shown(found[1].decode("utf-8", "replace")), int(found[2])
    return UnreadableError(f'{error.message[:-1]}: in "{file}", line {line}.', code=error.code, hint=error.hint)


def diagnose(status: int, output: bytes, errors: bytes, *, over_ssh: bool) -> UnreadableError:
    """Return the error for a `wp` that ended with `status` and printed no document."""
    for code, sign in _SIGNS:
        if sign in errors or sign in output:
            found = failure(code)
            return _with_place(found, errors + output) if code in {"php-fatal", "php-memory"} else found
    if status == _SHELL_NOT_FOUND:
        return failure("wp-missing")
    if status == _SHELL_NOT_EXECUTABLE:
        return failure("wp-not-executable")
    if over_ssh and status == _SSH_FAILED:
        return failure("ssh")
    if status == _SSH_FAILED:
        return failure("php-fatal")
    return failure("wp-no-answer")
