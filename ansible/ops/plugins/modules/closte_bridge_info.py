#!/usr/bin/python
# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""Gather facts about the networks on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: closte_bridge_info
short_description: Gather facts about the networks on a host
description:
  - Reads the plan, the health, the results of C(closte-bridge doctor), the state of the integration or the domains.
  - Changes nothing.
  - An unhealthy network does not fail the task; it is reported in the result.
version_added: 0.1.0
author:
  - The closte-bridge project (@closte-bridge)
extends_documentation_fragment:
  - closte_bridge.ops.engine
options:
  networks:
    description: Networks to read. By default all networks of this host that have a ledger folder.
    type: list
    elements: str
    default: []
  gather:
    description: Data to read.
    type: list
    elements: str
    choices: [plan, health, doctor, status, domains]
    default: [plan]
  max_age:
    description: Maximum age of the last successful sync of a healthy network, such as V(30m).
    type: str
    default: 30m
  state_dir:
    description: Folder of the ledgers.
    type: path
    default: /var/lib/closte-bridge
attributes:
  check_mode:
    description: The module never changes anything.
    support: full
  diff_mode:
    description: The module never changes anything.
    support: none
"""

EXAMPLES = r"""
- name: Read plan and health
  closte_bridge.ops.closte_bridge_info:
    gather: [plan, health]
  register: bridge

- name: Show the status of the plans
  ansible.builtin.debug:
    msg: "{{ bridge.networks | dict2items | map(attribute='value.plan.status') | list }}"
"""

RETURN = r"""
networks:
  description: For each network the JSON output of each command.
  returned: always
  type: dict
  sample:
    shop:
      plan: {version: 1, status: ok, exit_code: 0, data: [], errors: [], warnings: []}
problems:
  description: For each network that could not be read, the reason.
  returned: always
  type: dict
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.closte_bridge.ops.plugins.module_utils.bridge import EXECUTABLE, BridgeError, Engine

COMMANDS = {
    "plan": ("plan",),
    "doctor": ("doctor",),
    "status": ("integration", "status"),
    "domains": ("domain", "list"),
}


# Other folders, such as lost+found, are not networks.
NAME = re.compile("[a-z0-9][a-z0-9_-]{0,62}")


def _networks(params):
    if params["networks"]:
        return params["networks"]
    try:
        names = os.listdir(params["state_dir"])
    except OSError:
        return []
    return sorted(
        name for name in names if NAME.fullmatch(name) and os.path.isdir(os.path.join(params["state_dir"], name))
    )


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "networks": {"type": "list", "elements": "str", "default": []},
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": ["plan", "health", "doctor", "status", "domains"],
                "default": ["plan"],
            },
            "max_age": {"type": "str", "default": "30m"},
            "state_dir": {"type": "path", "default": "/var/lib/closte-bridge"},
            "executable": {"type": "path", "default": EXECUTABLE},
        },
        supports_check_mode=True,
    )
    params = module.params
    engine = Engine(module, params["executable"])
    if not engine.installed:
        module.fail_json(msg=f'closte-bridge is not installed: could not run "{params["executable"]}".')
    answers, problems = {}, {}
    for network in _networks(params):
        answers[network] = {}
        for topic in params["gather"]:
            command = ("health", f"--max-age={params['max_age']}") if topic == "health" else COMMANDS[topic]
            try:
                answers[network][topic] = engine.ask(network, *command)
            except BridgeError as error:
                problems[network] = str(error)
    module.exit_json(changed=False, networks=answers, problems=problems)


if __name__ == "__main__":
    main()
