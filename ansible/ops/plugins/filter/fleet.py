# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""Combine the results of all hosts of a fleet in one report."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: Create one row for each network of a fleet
version_added: 0.1.0
author: The closte-bridge project (@closte-bridge)
description:
  - Converts the results of M(closte_bridge.ops.closte_bridge_info) on all hosts to rows for a report.
  - A host without a result has a row with the reason.
positional: _input
options:
  _input:
    description: The registered result of each host, including unreachable ones.
    type: dict
    required: true
"""

EXAMPLES = r"""
rows: "{{ answers | closte_bridge.ops.fleet }}"
"""

RETURN = r"""
_value:
  description: Rows with C(host), C(network), C(state) (ok, pending, attention or broken), C(text), counts and details.
  type: list
  elements: dict
"""

WORDS = {"ok": "in sync", "pending": "changes pending", "attention": "needs attention", "broken": "broken"}
ORDER = ("broken", "attention", "pending", "ok")
SWITCHES = {"integration": "the Closte integration", "domain_mapping": "domain mapping"}


def _broken(host, network, text):
    return {
        "host": host, "network": network, "state": "broken", "text": text, "add": 0, "remove": 0, "record": 0,
        "on-hold": 0, "needs-approval": 0, "unmanaged": 0, "changes": [], "remarks": [],
    }  # fmt: skip


def _text(problem):
    return f"{problem['message']} {problem['hint']}".strip()


def _of_network(host, network, topics):
    """Return the row of a network from the envelopes of all commands."""
    row = _broken(host, network, "")
    texts = [_text(problem) for envelope in topics.values() for problem in envelope["errors"] + envelope["warnings"]]
    row["remarks"] = list(dict.fromkeys(texts + _disabled(topics)))
    plan = topics.get("plan", {}).get("data") or []
    for line in plan:
        kind = line["change"] if line["status"] == "planned" else line["status"]
        if kind in row and isinstance(row[kind], int):
            row[kind] += 1
        if line["status"] != "unmanaged":
            row["changes"].append({key: line[key] for key in ("domain", "change", "status", "reason")})
    row["state"] = _state(row, topics)
    unwell = row["state"] in ("broken", "attention") and row["remarks"]
    row["text"] = row["remarks"][0] if unwell else WORDS[row["state"]]
    return row


def _disabled(topics):
    """Explain why a network has an empty plan if its integration is disabled."""
    status = topics.get("status", {}).get("data") or {}
    off = [words for key, words in SWITCHES.items() if status.get(key) is False]
    return [f"closte-bridge changes nothing: {words} is disabled in Ultimate Multisite." for words in off]


def _state(row, topics):
    # A plan only fails if a side could not be read.
    codes = {envelope["exit_code"] for envelope in topics.values()}
    if codes & {1, 2, 5, 130}:
        return "broken"
    if row["remarks"] or row["needs-approval"]:
        return "attention"
    return "pending" if row["add"] + row["remove"] + row["record"] else "ok"


def _of_host(host, answer):
    if not isinstance(answer, dict) or answer.get("unreachable") or answer.get("failed") or "networks" not in answer:
        text = str(answer.get("msg", "")) if isinstance(answer, dict) else ""
        return [_broken(host, "", text.strip() or "The host did not answer.")]
    rows = [
        _broken(host, network, answer["problems"][network])
        if network in answer.get("problems", {})
        else _of_network(host, network, topics)
        for network, topics in sorted(answer["networks"].items())
    ]
    return rows or [_broken(host, "", "No networks are configured on this host.")]


def fleet(answers):
    """Return the rows of a report, worst first."""
    rows = [row for host in sorted(answers) for row in _of_host(host, answers[host])]
    return sorted(rows, key=lambda row: (ORDER.index(row["state"]), row["host"], row["network"]))


def _escaped(text):
    """Return a host's text on one line, with control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def fleet_table(rows):
    """Return the rows as lines of text for a terminal."""
    head = ("HOST", "NETWORK", "STATE", "ADD", "REMOVE", "RECORD", "ON-HOLD", "NEEDS-APPROVAL", "DETAILS")
    lines = [head] + [
        (
            _escaped(row["host"]), _escaped(row["network"] or "-"), row["state"],
            *(str(row[key]) for key in ("add", "remove", "record", "on-hold", "needs-approval")), _escaped(row["text"]),
        )
        for row in rows
    ]  # fmt: skip
    widths = [max(len(line[column]) for line in lines) for column in range(len(head) - 1)]
    return [
        "  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[-1]]).rstrip()
        for line in lines
    ]


class FilterModule:
    """Filters of this collection."""

    def filters(self):
        """Return the filters by name."""
        return {"fleet": fleet, "fleet_table": fleet_table}
