#!/usr/bin/python
# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""One sync of one network, as a task."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: closte_bridge_sync
short_description: Bring the domains at Closte into step with a WordPress network
description:
  - Runs one C(closte-bridge sync) for a network, and says what it changed.
  - In check mode nothing is changed; what would be is reported as the change. Two things are known only afterwards.
    A domain that gets its record is added at Closte in the same run, if nothing holds it; and stages move by what a
    look at DNS and certificates proves.
  - Removals that the gate withholds are no failure; they are in RV(withheld), and warnings say what lets them go.
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
    description: Only these domains, and their C(www.) forms. They are tried now, whatever is waited for.
    type: list
    elements: str
    default: []
  allow_removals:
    description: Digests, as the gate printed them, of removals that are to go through.
    type: list
    elements: str
    default: []
  retry:
    description: Try changes now that wait for their next try.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and say what would change.
    support: full
  diff_mode:
    description: Shows which domains come and go at Closte, and which get a record or a stage in Ultimate Multisite.
    support: full
"""

EXAMPLES = r"""
- name: Bring the shop's domains into step
  closte_bridge.ops.closte_bridge_sync:
    network: shop

- name: Let the removals go that were reviewed
  closte_bridge.ops.closte_bridge_sync:
    network: shop
    allow_removals: [0f3a5c7e9b1d]
"""

RETURN = r"""
added:
  description: Domains that were added at Closte, or would be.
  returned: always
  type: list
  elements: str
removed:
  description: Domains that were removed at Closte, or would be.
  returned: always
  type: list
  elements: str
moved:
  description: Domains that moved to another stage in Ultimate Multisite, or would.
  returned: always
  type: list
  elements: str
recorded:
  description: Domains of sites that got their domain record in Ultimate Multisite, or would.
  returned: always
  type: list
  elements: str
withheld:
  description: Domains whose removal the gate withheld.
  returned: always
  type: list
  elements: str
failed_domains:
  description: Domains whose change failed. They are tried again by themselves.
  returned: always
  type: list
  elements: str
exit_code:
  description: The engine's exit code.
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
    """Return what changes on each of the two sides, as Ansible shows it."""
    moves = [f"{row['domain']}: {row['reason']}" for row in envelope["data"] or [] if _moves(row)]
    records = [f"{domain}: has a domain record" for domain in found["record"]]
    sides = [
        diff_of(found["remove"], found["add"], f"{network} at Closte"),
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
        "needs-approval": _of_status(envelope, "needs-approval"),
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
