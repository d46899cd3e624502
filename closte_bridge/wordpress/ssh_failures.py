"""The failures of `ssh`: their messages and hints, and the words of OpenSSH and of restricted shells."""

from __future__ import annotations

EXPLANATIONS: dict[str, tuple[str, str]] = {
    "ssh-missing": (
        "`ssh` is not installed on this machine.",
        "Install the OpenSSH client, on Debian with `apt install openssh-client`.",
    ),
    "ssh-host-key": (
        'The host key of "{host}" is unknown.',
        "Run `{ssh}` once as the user that runs closte-bridge. Compare the fingerprint with the one that the host "
        "publishes, and confirm it.",
    ),
    "ssh-host-key-changed": (
        'The host key of "{host}" has changed.',
        "Ask the host for its new key before you trust it: another machine may pretend to be the host. Then remove the "
        "old key with `ssh-keygen -R '{known}'` and run `{ssh}` once.",
    ),
    "ssh-login": (
        '"{host}" refused the login.',
        "Check the user, and that `{ssh}` logs in without a question. For a login with a password, set "
        "`wp: {ssh_password_file: …}` in the config.",
    ),
    "ssh-unreachable": (
        'Could not connect to "{host}".',
        "Check the name of the host and its port with `{ssh}`.",
    ),
    "ssh-timeout": (
        'The connection to "{host}" timed out.',
        "Check the host, its port and the firewalls between with `{ssh}`.",
    ),
    "ssh-cut": (
        'The connection to "{host}" was lost.',
        "Run the command again: it continues, and nothing is lost.",
    ),
    "ssh-refused": (
        'The shell on "{host}" refused to start `wp`.',
        "Test `{ssh} wp cli version`. Ask the host to allow `wp eval-file -` over SSH.",
    ),
    "ssh-no-wp": (
        '`wp` was not found on "{host}".',
        "Find WP-CLI there, and set its path in the config: `wp: {command: [php, /opt/wp-cli.phar]}`.",
    ),
}
"""The message and the hint of each code, with `{host}`, `{ssh}` for a command that logs in, and `{known}`."""

# The messages of OpenSSH for a connection that could not be made; the first match wins.
_SIGNS: tuple[tuple[str, bytes], ...] = (
    ("ssh-host-key-changed", b"IDENTIFICATION HAS CHANGED"),
    ("ssh-host-key-changed", b"has changed and you have requested strict checking"),
    ("ssh-host-key", b"host key is known for"),
    ("ssh-host-key", b"Host key verification failed"),
    ("ssh-login", b"Permission denied ("),
    ("ssh-login", b"Too many authentication failures"),
    ("ssh-login", b"no more authentication methods"),
    ("ssh-timeout", b"timed out"),
    ("ssh-unreachable", b"Could not resolve hostname"),
    ("ssh-unreachable", b"connect to host "),
    ("ssh-cut", b"closed by remote host"),
    ("ssh-cut", b"Connection closed by "),
    ("ssh-cut", b"Connection reset by "),
    ("ssh-cut", b"kex_exchange_identification"),
    ("ssh-cut", b"not responding"),
    ("ssh-cut", b"Broken pipe"),
)
# What restricted shells answer to a command that they do not allow: rbash, git-shell, sftp only, nologin, lshell.
_REFUSALS = (
    b": restricted",
    b"unrecognized command",
    b"sftp connections only",
    b"account is currently not available",
    b"forbidden",
    b"not allowed",
    b"not permitted",
    b"rejected",
)


def code_of(printed: bytes) -> str:
    """Return the code of a connection that failed, from the messages of `ssh`."""
    return next((code for code, sign in _SIGNS if sign in printed), "ssh")


def is_refusal(printed: bytes) -> bool:
    """Return whether a restricted shell printed this in place of running the command."""
    return any(sign in printed.lower() for sign in _REFUSALS)
