"""Tests that the table of what closte-bridge uses of Ultimate Multisite is complete."""

from __future__ import annotations

import re

from closte_bridge.doctor.wordpress import NEWEST_TESTED
from tests.support.parts import REPOSITORY

PAGE = (REPOSITORY / "docs" / "ultimate-multisite.md").read_text()
FOLDERS = ("php-shim", "closte_bridge/wordpress/php", "closte_bridge/shim/php")
# Prefixes in patterns, and the table's name on a secondary network.
PARTS = {"wu_", "wu_hosting_credential_", "wu_2_domain_mappings"}


def test_page_lists_everything_that_the_php_code_uses() -> None:
    used: set[str] = set()
    for folder in FOLDERS:
        for file in (REPOSITORY / folder).rglob("*.php"):
            used |= {*re.findall(r"\bwu_\w+(?:-[\w-]+)?|\bWP_Ultimo\\[\w\\]*\w|\bwp-ultimo_\w+", file.read_text())}
    assert len(used) > 20
    assert {name for name in used - PARTS if f"{name}`" not in PAGE} == set()


def test_page_names_the_release_that_doctor_knows() -> None:
    assert f"tested with Ultimate Multisite {NEWEST_TESTED}." in PAGE
    assert f"Ultimate Multisite {NEWEST_TESTED}" in (REPOSITORY / "README.md").read_text()
