"""The Debian package: a virtual environment in /opt/closte-bridge, of pure Python, for any Python from 3.11 on.

Parts with compiled code come from Debian. The folder `deb` beside this module has units, config and maintainer scripts;
`closte_bridge/schedule` has the service, which setup writes, too.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from email.message import Message

FILES = Path(__file__).with_name("deb")
# Compiled parts and what only these need. All other parts are copied.
FROM_DEBIAN = {"cryptography": "python3-cryptography", "pyyaml": "python3-yaml"}
ONLY_COMPILED = frozenset({"cffi", "pycparser"})
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PREFIX = Path("opt/closte-bridge")
CONTROL = """\
Package: closte-bridge
Version: {version}
Architecture: all
Maintainer: The closte-bridge project
Section: admin
Priority: optional
Depends: python3 (>= 3.11), {depends}
Recommends: openssh-client
Installed-Size: {kilobytes}
Description: {summary}
 closte-bridge adds the mapped domains of a WordPress network to a Closte
 application, removes those that are gone, and checks DNS and HTTPS.
"""
# The places of the template in closte_bridge/schedule.
SERVICE = {
    "description": "Keep the domains of the WordPress network in sync with Closte",
    "settings": "User=www-data",
    "command": "/opt/closte-bridge/bin/closte-bridge watch",
    "target": "multi-user.target",
}
PLACES = {"share/zsh/site-functions": "share/zsh/vendor-completions"}


def build(wheel: Path, parts: Iterable[str], folder: Path, epoch: int) -> Path:
    """Build the package from a wheel and its installed `parts`, and return its path in `folder`.

    `epoch` is the time of all files in seconds. Raises CalledProcessError if dpkg-deb fails.
    """
    tree = folder / "deb"
    packages = tree / PREFIX / "lib" / "python3" / "site-packages"
    packages.mkdir(parents=True)
    _unpack(wheel, tree, packages)
    for part in parts:
        if part not in FROM_DEBIAN.keys() | ONLY_COMPILED:
            _copy(metadata.distribution(part), packages)
    _environment(tree)
    _settings(tree)
    version = wheel.name.split("-")[1]
    _control(tree, version, of_wheel(wheel)["Summary"])
    _same_times(tree, epoch)
    target = folder / f"closte-bridge_{version}_all.deb"
    argv = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(target)]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch)})
    shutil.rmtree(tree)
    return target


def of_wheel(wheel: Path) -> Message:
    """Return the metadata of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def _unpack(wheel: Path, tree: Path, packages: Path) -> None:
    """Unpack a wheel: the package into `packages`, its shared data below /usr."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            _, marker, shared = name.partition(".data/data/")
            target = packages / name
            if marker:
                for old, new in PLACES.items():
                    shared = shared.replace(old, new)
                target = tree / "usr" / shared
            target.parent.mkdir(parents=True, exist_ok=True)
            content = archive.read(name)
            if "/man/man" in shared:
                target, content = target.with_name(f"{target.name}.gz"), gzip.compress(content, mtime=0)
            target.write_bytes(content)


def _copy(part: metadata.Distribution, packages: Path) -> None:
    """Copy an installed package without compiled modules and commands."""
    for file in part.files or ():
        if (
            ".." in file.parts
            or "__pycache__" in file.parts
            or file.suffix == ".so"
            or file.name in {"RECORD", "INSTALLER"}
        ):
            continue
        target = packages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(part.locate_file(file)), target)


def _environment(tree: Path) -> None:
    """Make the tree a virtual environment of the machine's Python."""
    prefix = tree / PREFIX
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = true\n")
    for version in PYTHONS:
        (prefix / "lib" / f"python{version}").symlink_to("python3")
    # `page` in closte_bridge/config/places.py searches the pages in the environment.
    (prefix / "share").symlink_to("../../usr/share")
    commands = prefix / "bin"
    commands.mkdir()
    (commands / "python3").symlink_to("/usr/bin/python3")
    shutil.copyfile(FILES / "command", commands / "closte-bridge")
    (tree / "usr" / "bin").mkdir()
    (tree / "usr" / "bin" / "closte-bridge").symlink_to("../../opt/closte-bridge/bin/closte-bridge")


def _settings(tree: Path) -> None:
    """Add the config, the units and the licence."""
    units = tree / "usr" / "lib" / "systemd" / "system"
    config = tree / "etc" / "closte-bridge"
    for folder in (units, config):
        folder.mkdir(parents=True)
    for unit in (*FILES.glob("*.service"), *FILES.glob("*.timer")):
        shutil.copyfile(unit, units / unit.name)
    _harden(tree / PREFIX / "lib/python3/site-packages/closte_bridge/schedule", units)
    shutil.copyfile(FILES / "config.yaml", config / "config.yaml")
    shutil.copyfile(FILES.parents[2] / "LICENSE", tree / "usr" / "share" / "doc" / "closte-bridge" / "copyright")


def _harden(schedule: Path, units: Path) -> None:
    """Write the service from the package's template, and give each service the package's hardening."""
    (units / "closte-bridge.service").write_text((schedule / "watch.service").read_text())
    hardening = f"StateDirectory=closte-bridge\nStateDirectoryMode=0700\n{(schedule / 'hardening.conf').read_text()}"
    texts = SERVICE | {"hardening": hardening.rstrip("\n")}
    for unit in units.glob("*.service"):
        text = unit.read_text()
        for name, value in texts.items():
            text = text.replace(f"@{name}@", value)
        unit.write_text(text)


def _control(tree: Path, version: str, summary: str) -> None:
    kilobytes = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    control = tree / "DEBIAN"
    control.mkdir()
    depends = ", ".join(sorted(FROM_DEBIAN.values()))
    text = CONTROL.format(version=version, depends=depends, kilobytes=kilobytes, summary=summary)
    (control / "control").write_text(text)
    (control / "conffiles").write_text("/etc/closte-bridge/config.yaml\n")
    for script in ("postinst", "prerm", "postrm"):
        shutil.copyfile(FILES / script, control / script)


def _same_times(tree: Path, epoch: int) -> None:
    """Give files the same modes and times in each build, whatever umask and clock."""
    commands = {
        tree / PREFIX / "bin" / "closte-bridge",
        *(tree / "DEBIAN" / name for name in ("postinst", "prerm", "postrm")),
    }
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in commands else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
