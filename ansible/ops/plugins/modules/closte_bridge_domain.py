#!/usr/bin/python
# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""One domain that is pinned, removed or released, as a task."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: closte_bridge_domain
short_description: Keep a domain at Closte that WordPress does not map
description:
  - Pins domains and wildcards that cannot be mapped in Ultimate Multisite, takes them away again, or lets them go.
  - A domain that is mapped in WordPress needs none of this; it comes and goes by itself.
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
  name:
    description: The domain, such as V(legacy.example.org) or V(*.example.org).
    type: str
    required: true
  state:
    description:
      - V(present) has it at Closte, pinned if nothing else wants it there.
      - V(absent) removes it at Closte. It is refused while the domain is mapped or in the config, or is not ours.
      - V(released) leaves it at Closte, and leaves it alone from then on.
    type: str
    choices: [present, absent, released]
    default: present
attributes:
  check_mode:
    description: Can run in check mode and say what would change.
    support: full
  diff_mode:
    description: Shows where the domain is before and after.
    support: full
"""

EXAMPLES = r"""
- name: Keep the old shop's address
  closte_bridge.ops.closte_bridge_domain:
    network: shop
    name: legacy.example.org

- name: Keep every name below one domain
  closte_bridge.ops.closte_bridge_domain:
    network: shop
    name: "*.example.org"

- name: Take it away again
  closte_bridge.ops.closte_bridge_domain:
    network: shop
    name: legacy.example.org
    state: absent
"""

RETURN = r"""
domain:
  description: What both sides know of the domain afterwards, as C(domain get) has it; null when nobody knows it.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.closte_bridge.ops.plugins.module_utils.bridge import (
    EXECUTABLE,
    BridgeError,
    Engine,
    codes,
    diff_of,
    sentence,
)

COMMANDS = {
    "present": ["domain", "add"],
    "absent": ["domain", "remove", "--yes"],
    "released": ["domain", "release", "--yes"],
}


def _read(engine, network, name):
    """Return what is known of the domain, or None."""
    envelope = engine.ask(network, "domain", "get", name)
    if envelope["data"]:
        return envelope["data"]
    if "unknown-domain" in codes(envelope):
        return None
    raise BridgeError(sentence(envelope))


def _is(known, state):
    if known is None:
        return state != "present"
    there = known["closte"] == "yes"
    if state == "present":
        return there and known["origin"] in ("mapping", "pin", "config")
    if state == "absent":
        return not there and not known["managed"] and known["origin"] != "pin"
    return not known["managed"] and known["origin"] != "pin"


def _lines(known):
    if known is None:
        return []
    return [f"on Closte: {known['closte']}", f"managed: {known['managed']}", f"state: {known['state']}"]


def _expected(state, known):
    if state == "present":
        return ["on Closte: yes", "managed: True", "state: in-sync"]
    there = known["closte"] if known and state == "released" else "no"
    return [f"on Closte: {there}", "managed: False", "state: unmanaged"] if there == "yes" else []


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "network": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "released"], "default": "present"},
            "executable": {"type": "path", "default": EXECUTABLE},
        },
        supports_check_mode=True,
    )
    network, name, state = (module.params[key] for key in ("network", "name", "state"))
    engine = Engine(module, module.params["executable"])
    try:
        before = _read(engine, network, name)
        if _is(before, state):
            module.exit_json(changed=False, domain=before)
        header = f"{name} in {network}"
        if module.check_mode:
            module.exit_json(
                changed=True, domain=before, diff=diff_of(_lines(before), _expected(state, before), header)
            )
        envelope = engine.ask(network, *COMMANDS[state], name)
        after = _read(engine, network, name)
    except BridgeError as error:
        module.fail_json(msg=str(error))
    if not _is(after, state):
        module.fail_json(msg=sentence(envelope), domain=after)
    module.exit_json(changed=True, domain=after, diff=diff_of(_lines(before), _lines(after), header))


if __name__ == "__main__":
    main()
