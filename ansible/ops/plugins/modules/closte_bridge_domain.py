#!/usr/bin/python
# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""Pin, remove or release a domain."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: closte_bridge_domain
short_description: Manage a domain on Closte that is not mapped in WordPress
description:
  - Pins, removes or releases domains, including wildcards, which Ultimate Multisite cannot map.
  - Mapped domains are synced automatically and do not need this module.
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
      - V(present) adds the domain on Closte and pins it, unless it is mapped or in the config.
      - V(absent) removes the domain from Closte. Fails if it is mapped, in the config or unmanaged.
      - V(released) leaves the domain on Closte; closte-bridge no longer manages it.
    type: str
    choices: [present, absent, released]
    default: present
attributes:
  check_mode:
    description: Reports changes without making them.
    support: full
  diff_mode:
    description: Shows the domain's state before and after.
    support: full
"""

EXAMPLES = r"""
- name: Keep the domain of the old shop on Closte
  closte_bridge.ops.closte_bridge_domain:
    network: shop
    name: legacy.example.org

- name: Keep all subdomains of a domain on Closte
  closte_bridge.ops.closte_bridge_domain:
    network: shop
    name: "*.example.org"

- name: Remove the domain again
  closte_bridge.ops.closte_bridge_domain:
    network: shop
    name: legacy.example.org
    state: absent
"""

RETURN = r"""
domain:
  description: The domain afterwards, as in C(closte-bridge domain get); null if it is unknown.
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
    """Return the domain, or None if it is unknown."""
    envelope = engine.ask(network, "domain", "get", name)
    if envelope["data"]:
        return envelope["data"]
    if "unknown-domain" in codes(envelope):
        return None
    raise BridgeError(sentence(envelope))


def _is(known, state):
    if known is None:
        return state != "present"
    on_closte = known["closte"] == "yes"
    if state == "present":
        return on_closte and known["origin"] in ("mapping", "pin", "config")
    if state == "absent":
        return not on_closte and not known["managed"] and known["origin"] != "pin"
    return not known["managed"] and known["origin"] != "pin"


def _lines(known):
    if known is None:
        return []
    return [f"on Closte: {known['closte']}", f"managed: {known['managed']}", f"state: {known['state']}"]


def _expected(state, known):
    if state == "present":
        return ["on Closte: yes", "managed: True", "state: in-sync"]
    on_closte = known["closte"] if known and state == "released" else "no"
    return [f"on Closte: {on_closte}", "managed: False", "state: unmanaged"] if on_closte == "yes" else []


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
