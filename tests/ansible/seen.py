"""Checks of the results of Ansible: files, units, secrets, and WordPress itself."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tests.ansible.fleet import Fleet, Host, Network, Ran

KEYS = "etc/closte-bridge/keys/"
# The highest exposure of a hardened unit: 2.0 on systemd's scale, and its option expects ten times the value.
EXPOSURE = 20
# The exit code of a run during another run.
_LOCKED = 75


def succeeded(ran: Ran) -> Ran:
    """Return the result of a playbook; fail the test if the playbook failed."""
    assert ran.code == 0, ran.text[: ran.text.find("PLAY RECAP")][-8000:]
    return ran


def foretold_wrong(foretold: Ran, done: Ran) -> dict[str, int]:
    """Return the changes that check mode missed (above zero), or predicted incorrectly (below zero)."""
    counts = Counter(done.changed)
    counts.subtract(foretold.changed)
    return {change: count for change, count in counts.items() if count}


def canaries(fleet: Fleet, text: str) -> list[str]:
    """Return the networks whose key is in a text."""
    networks = [(host, network) for host in fleet.hosts for network in host.networks]
    return [f"{network.name} on {host.name}" for host, network in networks if network.key in text]


def secrets_are_kept(host: Host, places: dict[str, str]) -> None:
    """Assert that each secret is in its own file in the key folder, closed to other users, and in no other place."""
    written = host.machine.written
    # Files in memory: credentials from systemd, copies for the instances, and the journal.
    folders = [written, *(host.machine.path(f"/run/{name}") for name in ("log", "systemd"))]
    holders: dict[str, list[Path]] = {secret: [] for secret in places}
    for folder in folders:
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink():
                    content = path.read_bytes()
                    for secret, found in holders.items():
                        if secret.encode() in content:
                            found.append(path)
    for secret, place in places.items():
        assert [str(path.relative_to(written)) for path in holders[secret]] == [f"{KEYS}{place}"]
        assert holders[secret][0].stat().st_mode & 0o777 == 0o400


def units_are_right(host: Host, networks: dict[str, tuple[str, set[str]]]) -> None:
    """Assert that systemd finds no problem in the units, and that they have each network's own settings.

    `networks` has the user of each network, and the paths that it may write in addition to its ledger.
    """
    names = [name for name in host.machine.files() if re.fullmatch(r"etc/systemd/system/closte-bridge@\.\w+", name)]
    watching = "etc/systemd/system/closte-bridge@.timer" not in names
    assert names
    host.machine.run("mkdir", "/run/judged")
    for network, (owner, writable) in networks.items():
        judged = [f"/run/judged/{Path(name).name.replace('@.', f'@{network}.')}" for name in names]
        for name, path in zip(names, judged, strict=True):
            host.machine.run("ln", "-s", f"/{name}", path)
        verified = host.machine.run("systemd-analyze", "verify", *judged)
        assert "closte-bridge" not in verified.stdout + verified.stderr
        unit = f"closte-bridge@{network}.service"
        limit = ("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", f"/run/judged/{unit}")
        host.machine.run("systemd-analyze", *limit)
        shown = {name: _property(host, unit, name) for name in ("User", "Type", "ReadWritePaths", "NRestarts")}
        assert set(shown.pop("ReadWritePaths").split()) == {f"/var/lib/closte-bridge/{network}"} | writable
        assert shown == {"User": owner, "Type": "notify" if watching else "oneshot", "NRestarts": "0"}
        limit_of_runs = ("WatchdogUSec", "30min") if watching else ("TimeoutStartUSec", "2h")
        assert _property(host, unit, limit_of_runs[0]) == limit_of_runs[1]


def _property(host: Host, unit: str, name: str) -> str:
    return host.machine.run("systemctl", "show", "-P", name, unit).stdout.strip()


def main_process(host: Host, network: str) -> str:
    """Return the process ID of a network's service, "0" if it does not run."""
    return _property(host, f"closte-bridge@{network}.service", "MainPID")


def run_cron(host: Host) -> None:
    """Run the cron entry of a host's first network, as cron does."""
    entry = host.machine.run("cat", f"/etc/cron.d/closte-bridge-{host.shop.name}").stdout.splitlines()
    settings = [line for line in entry if re.match(r"[A-Z_]+=", line)]
    (job,) = [line for line in entry if line.startswith("*/")]
    user, command = job.split(None, 6)[5:]
    entry_as_cron = ("runuser", "-u", user, "--", "env", "-i", *settings, "sh", "-c", command)
    for _ in range(60):
        done = host.machine.run(*entry_as_cron, check=False)
        if done.returncode != _LOCKED:
            break
        # The run that the shim started has the lock; cron tries again later.
        time.sleep(1)
    assert done.returncode == 0, done


def network_options(network: Network) -> dict[str, object]:
    """Return the network's data in WordPress: options, tables and must-use plugins. An empty switch counts as none."""
    code = """[
        'options' => array_column($GLOBALS['wpdb']->get_results(
            "SELECT meta_key, meta_value FROM {$GLOBALS['wpdb']->sitemeta} WHERE meta_key NOT LIKE '%transient%'
            AND meta_key NOT LIKE 'wu_mock_queue%'",
            ARRAY_A
        ), 'meta_value', 'meta_key'),
        'tables' => $GLOBALS['wpdb']->get_col('SHOW TABLES'),
        'plugins' => glob(WPMU_PLUGIN_DIR . '/*'),
    ]"""
    found = network.multisite.php_json(code)
    # WordPress itself writes these when a site is created.
    for name in ("blog_count", "site_meta_supported"):
        found["options"].pop(name, None)
    switches = found["options"].pop("wu_host_integrations_enabled", "")
    assert 's:6:"closte";b:1' not in switches
    # Ultimate Multisite also stores its last activation time there; only whether it is active counts.
    if "wu_sunrise_meta" in found["options"]:
        found["options"]["wu_sunrise_meta"] = re.findall('"active";b:[01]', found["options"]["wu_sunrise_meta"])
    return dict(found)


def options_changed(network: Network, before: dict[str, object]) -> dict[str, object]:
    """Return the differences from `before`: for each kind and each option, the old and the new value."""
    now = network_options(network)
    old, new = before | dict(before["options"]), now | dict(now["options"])  # type: ignore[call-overload]
    return {key: (old.get(key), new.get(key)) for key in old | new if key != "options" and old.get(key) != new.get(key)}


# Folders with the records of apt and dpkg, and those to which package scripts write.
BOOKS = (
    *("var/lib/dpkg", "var/lib/apt", "var/lib/ucf", "var/log/apt", "var/log/dpkg.log", "var/log/alternatives.log"),
    *(
        "etc/rc",
        "etc/init.d",
        "etc/systemd",
        "etc/group",
        "etc/gshadow",
        "var/spool/cron",
        "usr/lib/python3",
        "etc/ld.so.cache",
    ),
)


def packages_of(host: Host) -> dict[str, str]:
    """Return the versions of the installed distribution packages, by name."""
    said = host.machine.run("dpkg-query", "--show", "--showformat=${Package} ${Version}\\n").stdout
    return dict(line.split() for line in said.splitlines() if " " in line.strip())


def files_of(host: Host, packages: Iterable[str]) -> set[str]:
    """Return the paths of distribution packages, in the format of `Machine.files`."""
    listed = host.machine.run("dpkg", "--listfiles", *packages).stdout.splitlines()
    return {re.sub("^/(?=s?bin/|lib)", "usr/", path).lstrip("/") for path in listed}


_OWN_PYTHON = f"{Path(sys.prefix).resolve()}/".lstrip("/")


def left_behind(host: Host, before: dict[str, str], of_packages: Collection[str] = ()) -> dict[str, str]:
    """Return the written files that still exist, without the sites' databases and folders that existed before.

    Distribution packages stay: if there are any, `of_packages` are their files, and apt's records have changed.
    """
    now = host.machine.files()
    # User management backs up the files that it changes, and Ultimate Multisite writes its own log.
    ignored = (
        *(f"{network.path.lstrip('/')}/wp-content/uploads/wu-logs" for network in host.networks),
        *(f"{network.path.lstrip('/')}/wp-content/database" for network in host.networks),
        *(f"etc/{name}-" for name in ("passwd", "shadow", "group", "gshadow")),
        *(BOOKS if of_packages else ()),
    )
    return {
        name: state
        for name, state in now.items()
        if before.get(name) != state
        # The tests' own Python, which a machine sees but has no use for: some systems add their certificates to it.
        and not name.startswith(_OWN_PYTHON)
        and ("closte" in name or not (name.startswith(ignored) or name in of_packages))
        and not (state.endswith("folder") and os.path.isdir(f"/{name}"))  # noqa: PTH112 - only a check
    } | {name: "gone" for name in before if not (name in now or name in of_packages or name.startswith(ignored))}


def mapped(network: Network) -> set[str]:
    """Return the domains that are mapped in WordPress."""
    column = "get_col(\"SELECT domain FROM {$GLOBALS['wpdb']->base_prefix}wu_domain_mappings\")"
    return set(network.multisite.php_json(f"$GLOBALS['wpdb']->{column}"))
