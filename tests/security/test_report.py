"""The page that Ansible makes of a fleet: what a host says stays text in it."""

from __future__ import annotations

import re

from tests.support.parts import REPOSITORY

_PAGE = REPOSITORY / "ansible" / "ops" / "playbooks" / "templates" / "report.html.j2"
# What the template and the filter make themselves: counts, numbers of rows, their own words and colours.
_OWN = re.compile(
    r"(?:\d|colours\[[\w.]+\]|words\[[\w.]+\]|counts?|at\.x|columns|lines|loop\.index0?|total"
    r"|row\.(?:add|remove|held|withheld)|closte_bridge_rows \| length|\[lines, 1\] \| max|''|'s'|if|else"
    r"|round\(2\)|[-+*/%=()| ])+"
)


def test_every_word_of_a_host_is_escaped() -> None:
    text = _PAGE.read_text(encoding="utf-8")
    shown = [expression.strip() for expression in re.findall(r"\{\{(.*?)\}\}", text, re.DOTALL)]
    assert len(shown) > 20
    assert [one for one in shown if not one.endswith("| e") and not _OWN.fullmatch(one)] == []
    # And nothing on the page is fetched or run.
    assert not re.search(r"<script|javascript:|https?://|<link|@import|onload=", text)
