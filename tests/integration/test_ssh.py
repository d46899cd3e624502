"""Reach WordPress with the system's `ssh`: one shared connection, safe words, and an error for each way to fail."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from closte_bridge.config.model import WpSettings
from closte_bridge.errors import ConfigError, UnreadableError
from closte_bridge.wordpress.failures import located
from closte_bridge.wordpress.reader import SnapshotCall
from closte_bridge.wordpress.ssh import ASKPASS, FOLDER, Ssh
from closte_bridge.wordpress.wp import WpCost
from tests.support.folders import short_folder
from tests.support.ports import free_port
from tests.support.running import LIMIT_SECONDS, wait_until, write_script
from tests.support.ssh import SshServer, ssh_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.parts import Parts
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.ssh
PASSWORD = "correct horse 'battery' $taple"
HOSTILE = ["", " ", "a b", "'", '"', "`id`", "$(id)", "$HOME", "a;id", "a\\b", "-x", "*", "~", "é", "&&", "#"]


def over(
    server: SshServer, state: Path | None, monkeypatch: pytest.MonkeyPatch, path: Path | None = None
) -> WpSettings:
    """Return settings that reach the server with its `ssh`."""
    monkeypatch.setenv("PATH", server.env(dict(os.environ))["PATH"])
    return WpSettings(
        ssh=server.target(path), state_dir=state, allow_root=os.geteuid() == 0, timeout=float(LIMIT_SECONDS)
    )


def run(settings: WpSettings, *argv: str) -> tuple[int, str]:
    """Run a command on the target; return its exit status and output."""
    assert settings.target
    process = Ssh(settings, settings.target).start(argv)
    out, _ = process.communicate(timeout=LIMIT_SECONDS)
    return process.returncode, out.decode()


def refused(settings: WpSettings, *argv: str) -> UnreadableError:
    """Return the error of a connection that cannot be made, as a user sees it."""
    with pytest.raises(UnreadableError) as caught:
        run(settings, *(argv or ("true",)))
    return located(caught.value, settings)


def read(settings: WpSettings) -> UnreadableError:
    """Return the error of a snapshot that cannot be read."""
    with pytest.raises(UnreadableError) as caught:
        SnapshotCall(settings, WpCost(), ask_key=False).snapshot()
    return caught.value


# The connection


def test_words_arrive_unchanged(sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = over(sshd, tmp_path, monkeypatch)
    assert run(settings, "printf", "%s\\n", *HOSTILE) == (0, "".join(f"{word}\n" for word in HOSTILE))


def test_calls_share_one_connection(sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of the state folder is longer than the path of a socket may be."""
    state = tmp_path / ("x" * 100)
    settings = over(sshd, state, monkeypatch)
    before = set(sshd.connections())
    for _ in range(3):
        assert run(settings, "echo", "here") == (0, "here\n")
        (connection,) = set(sshd.connections()) - before
    assert (state / FOLDER).stat().st_mode & 0o777 == 0o700
    # A killed connection leaves its socket, which must not be in the way of the next.
    os.kill(connection, 9)
    assert run(settings, "echo", "again") == (0, "again\n")


def test_concurrent_calls_share_one_connection(
    sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = over(sshd, tmp_path, monkeypatch)
    before = set(sshd.connections())
    started = [subprocess.Popen(_program(settings), stdout=subprocess.PIPE) for _ in range(4)]
    assert [one.communicate(timeout=LIMIT_SECONDS)[0] for one in started] == [b"here\n"] * 4
    assert len(set(sshd.connections()) - before) == 1


def test_connection_does_not_hold_the_callers_pipe(
    sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`communicate` waits until every process has closed the pipe. The connection still exists after that."""
    settings = over(sshd, tmp_path, monkeypatch)
    before = set(sshd.connections())
    process = subprocess.Popen(_program(settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.communicate(timeout=LIMIT_SECONDS)[0] == b"here\n"
    assert set(sshd.connections()) - before


def _program(settings: WpSettings) -> list[str]:
    program = (
        "import sys; from pathlib import Path; from closte_bridge.config.model import WpSettings; "
        "from closte_bridge.wordpress.ssh import Ssh; s = WpSettings(ssh=sys.argv[1], state_dir=Path(sys.argv[2])); "
        "print(Ssh(s, s.target).start(['echo', 'here']).communicate()[0].decode(), end='')"
    )
    return [sys.executable, "-c", program, str(settings.ssh), str(settings.state_dir)]


def test_calls_work_without_a_writable_state_folder(
    sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for state in (None, tmp_path / "file"):
        assert run(over(sshd, state, monkeypatch), "echo", "here") == (0, "here\n")


def test_connection_that_the_user_opened_is_used(
    sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = over(sshd, tmp_path / "state", monkeypatch)
    real = (sshd.bin_folder / "ssh").read_text()
    with short_folder() as folder:
        write_script(folder / "ssh", real.replace("-F none", f"-F none -o 'ControlPath={folder}/%C'").split("\n", 1)[1])
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        assert settings.target
        subprocess.run(
            [str(folder / "ssh"), "-MNf", "-o", "ControlPersist=60", *settings.target.arguments],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        before = sshd.connections()
        assert run(settings, "echo", "here") == (0, "here\n")
        assert sshd.connections() == before


# Host keys and logins


def test_unknown_and_changed_host_keys_are_refused(
    sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the user's own `ssh` config accepts every host."""
    settings = over(sshd, tmp_path / "state", monkeypatch)
    known = tmp_path / "known_hosts"
    real = (sshd.bin_folder / "ssh").read_text().split("\n", 1)[1]
    (tmp_path / "config").write_text("Host *\n StrictHostKeyChecking no\n")
    script = real.replace(str(sshd.folder / "known_hosts"), str(known)).replace("none -o", f"{tmp_path}/config -o", 1)
    (tmp_path / "bin").mkdir()
    write_script(tmp_path / "bin" / "ssh", script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    known.write_text("")
    error = refused(settings)
    assert (error.code, error.message) == ("ssh-host-key", 'The host key of "127.0.0.1" is unknown.')
    assert f"`ssh -p {sshd.port} {sshd.user}@127.0.0.1`" in error.hint
    other = (sshd.folder / "user_key.pub").read_text()
    known.write_text(f"[127.0.0.1]:{sshd.port} {other}")
    error = refused(settings)
    assert (error.code, error.message) == ("ssh-host-key-changed", 'The host key of "127.0.0.1" has changed.')
    assert f"`ssh-keygen -R '[127.0.0.1]:{sshd.port}'`" in error.hint


def test_refused_login_names_the_host(sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = over(sshd, tmp_path, monkeypatch)
    error = refused(replace(settings, ssh=f"somebody-else@127.0.0.1:{sshd.port}"))
    assert (error.code, error.message) == ("ssh-login", '"127.0.0.1" refused the login.')
    assert "ssh_password_file" in error.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can give a user another password.")
def test_password_is_read_from_its_file(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    with short_folder() as folder, ssh_server(folder / "ssh", parts, password=PASSWORD) as server:
        settings = replace(over(server, tmp_path / "state", monkeypatch), ssh_password_file=file)
        assert run(settings, "echo", "here") == (0, "here\n")
        file.write_text("wrong\n")
        wrong = replace(settings, state_dir=tmp_path / "other")
        error = refused(wrong)
        assert (error.code, error.hint) == ("ssh-login", f'Check the user, and the password in "{file}".')
        # Without the file, nothing asks for a password.
        assert refused(replace(wrong, ssh_password_file=None)).code == "ssh-login"


def test_password_is_neither_an_argument_nor_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, file = tmp_path / "seen", tmp_path / "password"
    write_script(tmp_path / "ssh", f'{{ printf "%s\\n" "$@"; env; }} >>{seen}; "$SSH_ASKPASS" "u@h\'s password: " >&2')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    file.write_text(PASSWORD)
    file.chmod(0o600)
    settings = WpSettings(ssh="u@h", ssh_password_file=file)
    assert settings.target
    _, printed = Ssh(settings, settings.target).start(["true"]).communicate(timeout=LIMIT_SECONDS)
    assert printed.decode() == PASSWORD
    assert "BatchMode=no" in seen.read_text()
    assert "horse" not in seen.read_text()


@pytest.mark.parametrize(
    "question",
    [
        "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
        "Enter passphrase for key '/home/password/.ssh/id_ed25519': ",
        "Enter PIN for authenticator: ",
        "",
    ],
)
def test_password_answers_no_other_question(question: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    asked = subprocess.run(
        [str(ASKPASS), question],
        env={"CLOSTE_BRIDGE_SSH_PASSWORD_FILE": str(tmp_path / "password"), "PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
    )
    assert (asked.returncode, asked.stdout) == (1, b"")


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (b"secret\n", 0o644, "is accessible to other users"),
        (b"\n", 0o600, "has no password on its first line"),
        (b"one\ntwo\n", 0o600, "has several lines"),
        (b"x" * 5000, 0o600, "is too long for a password"),
        (None, 0, "does not exist"),
    ],
)
def test_unsafe_password_file_is_refused(content: bytes | None, mode: int, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    settings = WpSettings(ssh="u@127.0.0.1:9", ssh_password_file=file)
    with pytest.raises(ConfigError) as caught:
        run(settings, "true")
    assert (caught.value.code, caught.value.message) == (
        "ssh-password-file",
        f'The SSH password file "{file}" {reason}.',
    )


# Other failures


def test_unreachable_host_and_missing_ssh_have_their_own_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for state in (tmp_path, None):
        settings = WpSettings(ssh=f"127.0.0.1:{free_port()}/srv", state_dir=state, timeout=5.0)
        assert read(settings).code == "ssh-unreachable"
    monkeypatch.setenv("PATH", str(tmp_path))
    error = read(settings)
    assert (error.code, error.message) == ("ssh-missing", "`ssh` is not installed on this machine.")


def test_silent_host_times_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = WpSettings(ssh=f"127.0.0.1:{silent.getsockname()[1]}", state_dir=tmp_path, timeout=1.0)
        assert read(settings).code == "ssh-timeout"


@contextmanager
def _remote_wp(server: SshServer, script: str) -> Iterator[None]:
    """Replace `wp` on the remote side."""
    wp = server.folder / "remote-bin" / "wp"
    text = wp.read_text()
    write_script(wp, script)
    yield
    wp.write_text(text)


def test_missing_wp_and_refusing_shells_have_their_own_errors(
    sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = over(sshd, tmp_path, monkeypatch, Path("/srv"))
    error = read(replace(settings, command=("/no/such/wp",)))
    assert (error.code, error.message) == ("ssh-no-wp", '`wp` was not found on "127.0.0.1".')
    for text in (
        "rbash: wp: restricted: cannot specify `/' in command names",
        "This service allows sftp connections only.",
        "*** forbidden command: wp",
        "This account is currently not available.",
    ):
        with _remote_wp(sshd, f"echo {shlex.quote(text)} >&2; exit 1"):
            assert read(settings).code == "ssh-refused", text
    with _remote_wp(sshd, "echo 'PHP Fatal error:  x in /srv/a.php:3' >&2; exit 255"):
        assert read(settings).code == "php-fatal"
    with _remote_wp(sshd, "exit 1"):
        error = read(settings)
        assert error.code == "wp-no-answer"
        assert error.hint.startswith('On "127.0.0.1": Run `wp --path=/srv')


@pytest.mark.parametrize("shared", [True, False])
def test_cut_connection_has_its_own_error(
    sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    """In the middle of the frame, and before it."""
    middle = (
        "nonce=$(sed -n \"s/.*base64_decode( '\\([^']*\\)'.*/\\1/p\" | head -n 1 | base64 -d"
        ' | sed \'s/.*"nonce": "\\([0-9a-f]*\\)".*/\\1/\'); printf \'\\n@closte-bridge-begin 1 %s@\\n{"a"\' "$nonce"'
    )
    settings = over(sshd, tmp_path / "state" if shared else None, monkeypatch)
    began = tmp_path / "began"
    for printed in (middle, ":"):
        began.unlink(missing_ok=True)
        with _remote_wp(sshd, f"{printed}; touch {began}; exec sleep 600"):
            call = SnapshotCall(settings, WpCost(), ask_key=False)
            wait_until(began.exists)
            sshd.cut()
            with pytest.raises(UnreadableError) as caught:
                call.snapshot()
            assert caught.value.code == "ssh-cut"


# A restricted shell


def test_snapshot_is_read_through_a_shell_that_allows_only_wp(
    multisite: Multisite, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with short_folder() as folder, ssh_server(folder / "ssh", parts, restricted=True) as server:
        settings = over(server, tmp_path / "state", monkeypatch, multisite.path)
        assert SnapshotCall(settings, WpCost(), ask_key=False).snapshot().complete
        error = read(replace(settings, command=("/opt/wp",)))
        assert error.code == "ssh-refused"
        # The login starts in its home folder, so `~` needs no shell.
        (server.folder / "home" / "site").symlink_to(multisite.path)
        (server.folder / "home" / "other").mkdir()
        began = time.monotonic()
        assert read(replace(settings, ssh=f"{server.target()}~/other", path=None)).code == "wp-path"
        assert time.monotonic() - began < LIMIT_SECONDS
