#!/usr/bin/python
# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""What the engine says of a host's networks, as facts."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: closte_bridge_info
short_description: Read what the bridge says of the networks of a host
description:
  - Asks the engine for the plan, the health, the checks of the doctor or the state of the integration. Changes nothing.
  - A network that is not well is no failure of the task; it is told in the answer.
version_added: 0.1.0
author:
  - The closte-bridge project (@closte-bridge)
extends_documentation_fragment:
  - closte_bridge.ops.engine
options:
  networks:
    description: The networks to ask about. The default is every one of this host that has a ledger folder.
    type: list
    elements: str
    default: []
  gather:
    description: What to ask for.
    type: list
    elements: str
    choices: [plan, health, doctor, status, domains]
    default: [plan]
  max_age:
    description: How old the last success may be for a network to be healthy, such as V(30m).
    type: str
    default: 30m
  state_dir:
    description: The folder of the ledgers.
    type: path
    default: /var/lib/closte-bridge
attributes:
  check_mode:
    description: Changes nothing in any case.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: What would change
  closte_bridge.ops.closte_bridge_info:
    gather: [plan, health]
  register: bridge

- name: Say it
  ansible.builtin.debug:
    msg: "{{ bridge.networks | dict2items | map(attribute='value.plan.status') | list }}"
"""

RETURN = r"""
networks:
  description: For each network the envelope of each command, as C(--format=json) prints it.
  returned: always
  type: dict
  sample:
    shop:
      plan: {version: 1, status: ok, exit_code: 0, data: [], errors: [], warnings: []}
problems:
  description: For each network that could not be asked, why.
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


# A folder of another name, such as lost+found, is no network's.
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
        module.fail_json(msg=f'The engine is not installed: there is no "{params["executable"]}".')
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
