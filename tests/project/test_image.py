"""The image: what `script/image` takes from Containerfile, and what the page about it shows."""

from __future__ import annotations

import re

import yaml

from closte_bridge.config.key_file import VARIABLE
from tests.support.parts import REPOSITORY

FILE = (REPOSITORY / "Containerfile").read_text(encoding="utf-8")
SCRIPT = (REPOSITORY / "script" / "image").read_text(encoding="utf-8")
PAGE = (REPOSITORY / "docs" / "how-to" / "run-in-a-container.md").read_text(encoding="utf-8")


def test_script_finds_its_parts_in_the_containerfile() -> None:
    (packages,) = re.findall(r"install --yes --no-install-recommends (python3 .*) \\$", FILE, re.MULTILINE)
    assert packages.split() == ["python3", "ca-certificates", "openssh-client", "tini"]
    (user,) = re.findall(r"&& (useradd .*) \\$", FILE, re.MULTILINE)
    assert "--uid 10001" in user
    assert len(set(re.findall(r"^FROM .*debian:([a-z]+)-slim", FILE, re.MULTILINE))) == 1


def test_image_of_the_script_starts_as_that_of_the_containerfile() -> None:
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", FILE, re.MULTILINE)
    assert yaml.safe_load(entry) == re.findall(r"--config\.entrypoint (\S+)", SCRIPT)
    assert re.findall(r"^STOPSIGNAL (\S+)", FILE, re.MULTILINE) == re.findall(r"--config\.stopsignal (\S+)", SCRIPT)
    assert re.findall(r"^VOLUME (\S+)", FILE, re.MULTILINE) == re.findall(r"--config\.volume (\S+)", SCRIPT)


def test_service_of_the_page_keeps_its_root_read_only_and_its_secrets_in_files() -> None:
    (text,) = re.findall(r"```yaml\n(services:.*?)```", PAGE, re.DOTALL)
    compose = yaml.safe_load(text)
    service = compose["services"]["closte-bridge"]
    assert service["read_only"]
    # A new container has another host name, and a ledger on another host only adds.
    assert service["hostname"]
    assert {*service["secrets"]} == {*compose["secrets"]}
    assert all("file" in secret for secret in compose["secrets"].values())
    assert VARIABLE not in text
    (check,) = re.findall(r"HEALTHCHECK .*CMD (\[.*\])$", FILE, re.MULTILINE)
    assert service["healthcheck"]["test"] == ["CMD", *yaml.safe_load(check)]
