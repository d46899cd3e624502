#!/usr/bin/python
# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""Sync the domains of one network to Closte."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: closte_bridge_sync
short_description: Sync a WordPress network's domains to Closte
description:
  - Runs C(closte-bridge sync) for a network and reports the changes.
  - Supports check mode, but cannot report two kinds of changes. A domain whose record is created is also added on
    Closte in the same run, unless it is on hold. And stages depend on DNS and certificate checks.
  - Removals that need approval do not fail the task. They are returned in RV(needs_approval), with a warning that
    explains how to approve them.
version_added: 0.1.0
author:
  - The closte-bridge project (@closte-bridge)
extends_documentation_fragment:
  - closte_bridge.ops.engine
options:
  network:
    description: The network's name in the config.
    type: str
    required: true
  domains:
    description:
      - Domains to sync, with their C(www.) forms. They are synced immediately, ignoring retry delays.
      - By default all domains are synced.
    type: list
    elements: str
    default: []
  allow_removals:
    description: Digests of removals to approve, as printed by closte-bridge.
    type: list
    elements: str
    default: []
  retry:
    description: Whether to retry failed changes now.
    type: bool
    default: false
attributes:
  check_mode:
    description: Reports pending changes without making them.
    support: full
  diff_mode:
    description: Shows added and removed domains on Closte, and new records and stages in Ultimate Multisite.
    support: full
"""

EXAMPLES = r"""
- name: Sync the shop's domains
  closte_bridge.ops.closte_bridge_sync:
    network: shop

- name: Approve reviewed removals
  closte_bridge.ops.closte_bridge_sync:
    network: shop
    allow_removals: [0f3a5c7e9b1d]
"""

RETURN = r"""
added:
  description: Domains that were added on Closte, or would be in check mode.
  returned: always
  type: list
  elements: str
removed:
  description: Domains that were removed from Closte, or would be in check mode.
  returned: always
  type: list
  elements: str
moved:
  description: Domains whose stage in Ultimate Multisite changed, or would in check mode.
  returned: always
  type: list
  elements: str
recorded:
  description: Domains of sites whose domain record was created in Ultimate Multisite, or would be in check mode.
  returned: always
  type: list
  elements: str
needs_approval:
  description: Domains whose removal needs approval.
  returned: always
  type: list
  elements: str
failed_domains:
  description: Domains whose change failed. They are retried automatically.
  returned: always
  type: list
  elements: str
exit_code:
  description: Exit code of closte-bridge.
  returned: always
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.closte_bridge.ops.plugins.module_utils.bridge import (
    DONE,
    EXECUTABLE,
    BridgeError,
    Engine,
    changes,
    diff_of,
    sentence,
)

SOME_FAILED = 4


def _arguments(params, check_mode):
    options = ["--dry-run"] if check_mode else []
    options += [f"--allow-removals={digest}" for digest in params["allow_removals"]]
    return ["sync", *options, *(["--retry"] if params["retry"] else []), *params["domains"]]


def _diff(network, envelope, found):
    """Return the changes on both sides as Ansible diffs."""
    moves = [f"{row['domain']}: {row['reason']}" for row in envelope["data"] or [] if _moves(row)]
    records = [f"{domain}: has a domain record" for domain in found["record"]]
    sides = [
        diff_of(found["remove"], found["add"], f"{network} on Closte"),
        diff_of([], moves + records, f"{network} in Ultimate Multisite"),
    ]
    return [side for side in sides if side["before"] or side["after"]]


def _moves(row):
    return row["change"] == "stage" and row["status"] in ("planned", "done")


def _of_status(envelope, status):
    return sorted(row["domain"] for row in envelope["data"] or [] if row["status"] == status)


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "network": {"type": "str", "required": True},
            "domains": {"type": "list", "elements": "str", "default": []},
            "allow_removals": {"type": "list", "elements": "str", "default": []},
            "retry": {"type": "bool", "default": False},
            "executable": {"type": "path", "default": EXECUTABLE},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        envelope = Engine(module, params["executable"]).ask(params["network"], *_arguments(params, module.check_mode))
    except BridgeError as error:
        module.fail_json(msg=str(error))
    found = changes(envelope)
    result = {
        "changed": any(found.values()),
        "added": found["add"],
        "removed": found["remove"],
        "moved": found["stage"],
        "recorded": found["record"],
        "needs_approval": _of_status(envelope, "needs-approval"),
        "failed_domains": _of_status(envelope, "failed"),
        "exit_code": envelope["exit_code"],
        "diff": _diff(params["network"], envelope, found),
    }
    if envelope["exit_code"] not in DONE or (envelope["exit_code"] == SOME_FAILED and not result["changed"]):
        module.fail_json(msg=sentence(envelope), **result)
    for problem in envelope["errors"] + envelope["warnings"]:
        module.warn(f"{problem['message']} {problem['hint']}".strip())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
