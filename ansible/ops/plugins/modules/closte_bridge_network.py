#!/usr/bin/python
# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""What the bridge is to a WordPress network: in charge, with its shim, the integration on or off."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: closte_bridge_network
short_description: Put the engine in charge of a WordPress network, with its shim
description:
  - Adopts a network, switches the Closte integration in Ultimate Multisite, installs or removes the WordPress shim.
  - Never takes a network over from another engine; that is C(closte-bridge adopt --take-over), by hand.
version_added: 0.1.0
author:
  - The closte-bridge project (@closte-bridge)
extends_documentation_fragment:
  - closte_bridge.ops.engine
options:
  name:
    description: The network's name in the config.
    type: str
    required: true
  state:
    description:
      - V(absent) takes shim, events and owner out of WordPress.
      - Where another engine is in charge by now, nothing in WordPress is ours, and nothing is changed there.
    type: str
    choices: [present, absent]
    default: present
  adopted:
    description:
      - Put the engine in charge. With V(false), who is in charge is left as it is.
      - Fails where the engine may change nothing although it is in charge, as in a copy of the network, with another
        key or without the config that it knows. What helps then is not done by itself.
    type: bool
    default: false
  integration:
    description: Switch the Closte integration on or off. Left as it is when not given.
    type: bool
  shim:
    description: Whether the shim is there. Left as it is when not given.
    type: str
    choices: [present, absent]
  wake:
    description: How the shim wakes the engine.
    type: str
    choices: [auto, file, process, none]
    default: auto
  memory:
    description:
      - A file that keeps what the integration was before this module switched it for the first time.
        With V(state=absent), it is switched back to that.
    type: path
  missing_ok:
    description: With V(state=absent), a WordPress that is not there any more is a warning, and no failure.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and say what would change. Before the engine is there, everything would.
    support: full
  diff_mode:
    description: Shows what changes in WordPress.
    support: full
"""

EXAMPLES = r"""
- name: Put the engine in charge of the shop
  closte_bridge.ops.closte_bridge_network:
    name: shop
    adopted: true
    shim: present
    integration: true

- name: Leave WordPress as it was
  closte_bridge.ops.closte_bridge_network:
    name: shop
    state: absent
"""

RETURN = r"""
steps:
  description: What was done, or would be.
  returned: always
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.closte_bridge.ops.plugins.module_utils.bridge import (
    EXECUTABLE,
    BridgeError,
    Engine,
    codes,
    diff_of,
    sentence,
)

OTHERS = {"other-owner", "owner-changed"}
UNBOUND = {"not-adopted", "owner-gone"}
# With these an engine in charge may change nothing; the first stands for all that begin so. To adopt would end some of
# it, and is for a person to decide: this may be a copy, and what another config kept would go.
BARRED = ("identity-", "config-gone", "environment")
# What makes a shim that is there one to install again.
STALE = {"shim-changed", "shim-other-version", "shim-no-table", "shim-no-config", "shim-moved"}


class MissingError(Exception):
    """There is no WordPress where the config says; the text is for people."""


class Network:
    """One network, and what is still to be done to it. `steps` collects that in words."""

    def __init__(self, module, engine):
        self.name = module.params["name"]
        self.check_mode = module.check_mode
        self.engine = engine
        self.before, self.after, self.steps = [], [], []
        self.memory = module.params["memory"]

    def _do(self, step, *command):
        self.steps.append(step)
        if self.check_mode:
            return
        envelope = self.engine.ask(self.name, *command)
        if envelope["exit_code"] != 0:
            raise BridgeError(sentence(envelope))

    def _asked(self, *command):
        envelope = self.engine.ask(self.name, *command)
        if envelope["data"] is None:
            raise BridgeError(sentence(envelope))
        return envelope

    def switch(self, wanted):
        """Switch the integration on or off."""
        found = self._asked("integration", "status")["data"]["integration"]
        before, after = ("on" if state else "off" for state in (found, wanted))
        self._note("integration", before, after)
        if found != wanted:
            # First: what fails may have been done all the same.
            self._remember(before)
            self._do(f"Switch the integration {after}", "integration", "enable" if wanted else "disable")

    def _remember(self, state):
        if self.memory and not self.check_mode and not os.path.exists(self.memory):
            with open(self.memory, "w", encoding="ascii") as file:
                file.write(f"{state}\n")

    def before_us(self):
        """Return what the integration was before it was switched here, or None when it never was."""
        try:
            with open(self.memory or "", encoding="ascii") as file:
                return file.read().strip() == "on"
        except OSError:
            return None

    def unbound(self):
        """Tell whether nobody is in charge.

        Raises BridgeError when another engine is, when this one may change nothing all the same, or when that cannot be
        told.
        """
        envelope = self._asked("plan")
        self.refuse_others(envelope)
        for problem in envelope["errors"] + envelope["warnings"]:
            if problem["code"].startswith(BARRED):
                raise BridgeError(
                    f"{problem['message']} {problem['hint']}".strip()
                    + f' On the host, "closte-bridge-as {self.name}" stands for closte-bridge.'
                )
        return bool(codes(envelope) & UNBOUND)

    def refuse_others(self, envelope=None):
        """Raise BridgeError when another engine is in charge."""
        if codes(envelope or self.engine.ask(self.name, "plan")) & OTHERS:
            raise BridgeError(
                f'Another engine is in charge of "{self.name}". If that one is out of use, '
                f'run "closte-bridge-as {self.name} adopt --take-over" on the host.'
            )

    def adopt(self, unbound):
        """Put the engine in charge, unless it is."""
        self._note("in charge", "no" if unbound else "yes", "yes")
        if unbound:
            self._do("Put the engine in charge", "adopt", "--yes")

    def install(self, wake):
        """Install the shim, or bring it up to date."""
        status = self._asked("shim", "status")
        wrong = codes(status) & STALE
        wanting = status["data"]["installed"] not in ("yes", "disabled") or bool(wrong)
        wanting = wanting or status["data"].get("trigger_set", wake) != wake
        self._note("shim", f"{status['data']['installed']} {status['data']['version'] or ''}".strip(), "yes", wanting)
        if wanting:
            self._do("Install the shim", "shim", "install", "--yes", f"--wake={wake}")

    def remove(self):
        """Remove the shim; the engine stays in charge."""
        found = self._asked("shim", "status")["data"]["installed"]
        self._note("shim", found, "no")
        if found != "no":
            self._do("Remove the shim", "shim", "uninstall", "--keep-owner", "--yes")

    def leave(self):
        """Take everything of ours out of WordPress; return whether it was ours at all. May raise MissingError."""
        envelope = self.engine.ask(self.name, "shim", "status")
        if envelope["data"] is None:
            raise (MissingError if "wp-path" in codes(envelope) else BridgeError)(sentence(envelope))
        status = envelope["data"]
        if status["owner"] and codes(self.engine.ask(self.name, "plan")) & OTHERS:
            return False
        managed = status["installed"] != "no" or status["table"] or status["owner"]
        self._note("shim", status["installed"], "no")
        self._note("in charge", "yes" if status["owner"] else "no", "no")
        if managed:
            self._do("Take shim, events and owner out of WordPress", "shim", "uninstall", "--yes")
        return True

    def _note(self, what, found, wanted, differs=None):
        self.before.append(f"{what}: {found}")
        self.after.append(f"{what}: {wanted if (found != wanted if differs is None else differs) else found}")


def _bring_about(network, params):
    if params["state"] == "absent":
        if network.leave() and (before := network.before_us()) is not None:
            network.switch(before)
        return
    # Asked first: where another engine is in charge, nothing is switched either.
    unbound = params["adopted"] and network.unbound()
    if params["integration"] is not None:
        if not params["adopted"]:
            network.refuse_others()
        network.switch(params["integration"])
    if params["adopted"]:
        network.adopt(unbound)
    if params["shim"] == "present":
        network.install(params["wake"])
    elif params["shim"] == "absent":
        network.remove()


def _wanted_at_first(params):
    """Return what would be done where nothing of the engine is there yet."""
    if params["state"] == "absent":
        return []
    steps = ["Switch the integration on"] if params["integration"] else []
    steps += ["Put the engine in charge"] if params["adopted"] else []
    return steps + (["Install the shim"] if params["shim"] == "present" else [])


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "adopted": {"type": "bool", "default": False},
            "integration": {"type": "bool"},
            "shim": {"type": "str", "choices": ["present", "absent"]},
            "wake": {"type": "str", "choices": ["auto", "file", "process", "none"], "default": "auto"},
            "memory": {"type": "path"},
            "missing_ok": {"type": "bool", "default": False},
            "executable": {"type": "path", "default": EXECUTABLE},
        },
        supports_check_mode=True,
    )
    params = module.params
    engine = Engine(module, params["executable"])
    if module.check_mode and not engine.installed:
        steps = _wanted_at_first(params)
        module.exit_json(changed=bool(steps), steps=steps, msg="The engine is not installed yet.")
    network = Network(module, engine)
    try:
        _bring_about(network, params)
    except MissingError as error:
        if not params["missing_ok"]:
            module.fail_json(msg=str(error), steps=network.steps)
        module.warn(f'Nothing of "{network.name}" is cleared in WordPress: {error}')
    except BridgeError as error:
        module.fail_json(msg=str(error), steps=network.steps)
    diff = diff_of(network.before, network.after, f"{network.name} in WordPress")
    module.exit_json(changed=bool(network.steps), steps=network.steps, diff=diff)


if __name__ == "__main__":
    main()
