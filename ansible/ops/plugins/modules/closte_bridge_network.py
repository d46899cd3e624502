#!/usr/bin/python
# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""Manage closte-bridge for a WordPress network."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: closte_bridge_network
short_description: Adopt a WordPress network and manage its shim
description:
  - Adopts a network, enables or disables the Closte integration in Ultimate Multisite, installs or removes the shim.
  - Never takes over a network owned by another installation. To do that, run C(closte-bridge adopt --take-over)
    manually.
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
      - V(absent) removes shim, events and owner from WordPress.
      - If the network is now owned by another installation, WordPress is not changed.
    type: str
    choices: [present, absent]
    default: present
  adopted:
    description:
      - Whether to make this installation the owner of the network. With V(false), the owner is not changed.
      - Fails if the installation is the owner but read-only, because of a copied network, a changed API key or a
        missing config. This is not fixed automatically.
    type: bool
    default: false
  integration:
    description: Whether the Closte integration is enabled. Unchanged if omitted.
    type: bool
  shim:
    description: Whether the shim is installed. Unchanged if omitted.
    type: str
    choices: [present, absent]
  wake:
    description: How the shim triggers a sync.
    type: str
    choices: [auto, file, process, none]
    default: auto
  memory:
    description:
      - File with the state of the integration before this module changed it for the first time.
        V(state=absent) restores that state.
    type: path
  missing_ok:
    description: Whether V(state=absent) only warns, instead of failing, if WordPress no longer exists.
    type: bool
    default: false
attributes:
  check_mode:
    description: Reports changes without making them. If closte-bridge is not installed yet, reports all changes.
    support: full
  diff_mode:
    description: Shows the changes in WordPress.
    support: full
"""

EXAMPLES = r"""
- name: Adopt the network of the shop and install the shim
  closte_bridge.ops.closte_bridge_network:
    name: shop
    adopted: true
    shim: present
    integration: true

- name: Remove closte-bridge from WordPress
  closte_bridge.ops.closte_bridge_network:
    name: shop
    state: absent
"""

RETURN = r"""
steps:
  description: Steps that were taken, or would be taken in check mode.
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
# With these codes, or this prefix, an owner is read-only. Adopting again would clear some of them, but a person has to
# decide: this may be a copy, or domains that only another config keeps could be removed.
BARRED = ("identity-", "config-gone", "environment")
# Codes of an installed shim that has to be reinstalled.
STALE = {"shim-changed", "shim-other-version", "shim-no-table", "shim-no-config", "shim-moved"}


class MissingError(Exception):
    """WordPress is not in the configured folder. The message is meant for users."""


class Network:
    """One network. `steps` collects the changes, as text."""

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

    def _ask(self, *command):
        envelope = self.engine.ask(self.name, *command)
        if envelope["data"] is None:
            raise BridgeError(sentence(envelope))
        return envelope

    def switch(self, wanted):
        """Enable or disable the integration."""
        found = self._ask("integration", "status")["data"]["integration"]
        before, after = ("on" if state else "off" for state in (found, wanted))
        self._note("integration", before, after)
        if found != wanted:
            # First, because a failed command may still have changed it.
            self._remember(before)
            verb = "enable" if wanted else "disable"
            self._do(f"{verb.capitalize()} the integration", "integration", verb)

    def _remember(self, state):
        if self.memory and not self.check_mode and not os.path.exists(self.memory):
            with open(self.memory, "w", encoding="ascii") as file:
                file.write(f"{state}\n")

    def previous(self):
        """Return the state of the integration before this module changed it, or None if it never did."""
        try:
            with open(self.memory or "", encoding="ascii") as file:
                return file.read().strip() == "on"
        except OSError:
            return None

    def has_no_owner(self):
        """Return whether the network has no owner.

        Raises BridgeError if another installation is the owner, if this one is read-only, or if the owner is unknown.
        """
        envelope = self._ask("plan")
        self.refuse_others(envelope)
        for problem in envelope["errors"] + envelope["warnings"]:
            if problem["code"].startswith(BARRED):
                raise BridgeError(
                    f"{problem['message']} {problem['hint']}".strip()
                    + f' On the host, run "closte-bridge-as {self.name}" instead of closte-bridge.'
                )
        return bool(codes(envelope) & UNBOUND)

    def refuse_others(self, envelope=None):
        """Raise BridgeError if another installation is the owner."""
        if codes(envelope or self.engine.ask(self.name, "plan")) & OTHERS:
            raise BridgeError(
                f'Another installation owns "{self.name}". If it is no longer used, '
                f"run `closte-bridge-as {self.name} adopt --take-over` on the host."
            )

    def adopt(self, ownerless):
        """Adopt the network, unless this installation already owns it."""
        self._note("adopted", "no" if ownerless else "yes", "yes")
        if ownerless:
            self._do("Adopt the network", "adopt", "--yes")

    def install(self, wake):
        """Install or update the shim."""
        status = self._ask("shim", "status")
        stale = codes(status) & STALE
        needed = status["data"]["installed"] not in ("yes", "disabled") or bool(stale)
        needed = needed or status["data"].get("trigger_set", wake) != wake
        self._note("shim", f"{status['data']['installed']} {status['data']['version'] or ''}".strip(), "yes", needed)
        if needed:
            self._do("Install the shim", "shim", "install", "--yes", f"--wake={wake}")

    def remove(self):
        """Remove the shim; the owner stays."""
        found = self._ask("shim", "status")["data"]["installed"]
        self._note("shim", found, "no")
        if found != "no":
            self._do("Remove the shim", "shim", "uninstall", "--keep-owner", "--yes")

    def leave(self):
        """Remove shim, events and owner from WordPress; return False if another installation is the owner.

        Raises MissingError if WordPress does not exist.
        """
        envelope = self.engine.ask(self.name, "shim", "status")
        if envelope["data"] is None:
            raise (MissingError if "wp-path" in codes(envelope) else BridgeError)(sentence(envelope))
        status = envelope["data"]
        if status["owner"] and codes(self.engine.ask(self.name, "plan")) & OTHERS:
            return False
        managed = status["installed"] != "no" or status["table"] or status["owner"]
        self._note("shim", status["installed"], "no")
        self._note("adopted", "yes" if status["owner"] else "no", "no")
        if managed:
            self._do("Remove shim, events and owner from WordPress", "shim", "uninstall", "--yes")
        return True

    def _note(self, what, found, wanted, differs=None):
        self.before.append(f"{what}: {found}")
        self.after.append(f"{what}: {wanted if (found != wanted if differs is None else differs) else found}")


def _apply(network, params):
    if params["state"] == "absent":
        if network.leave() and (previous := network.previous()) is not None:
            network.switch(previous)
        return
    # First: if another installation is the owner, the integration is not changed either.
    ownerless = params["adopted"] and network.has_no_owner()
    if params["integration"] is not None:
        if not params["adopted"]:
            network.refuse_others()
        network.switch(params["integration"])
    if params["adopted"]:
        network.adopt(ownerless)
    if params["shim"] == "present":
        network.install(params["wake"])
    elif params["shim"] == "absent":
        network.remove()


def _first_steps(params):
    """Return all steps, for a host without closte-bridge."""
    if params["state"] == "absent":
        return []
    steps = ["Enable the integration"] if params["integration"] else []
    steps += ["Adopt the network"] if params["adopted"] else []
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
        steps = _first_steps(params)
        module.exit_json(changed=bool(steps), steps=steps, msg="closte-bridge is not installed yet.")
    network = Network(module, engine)
    try:
        _apply(network, params)
    except MissingError as error:
        if not params["missing_ok"]:
            module.fail_json(msg=str(error), steps=network.steps)
        module.warn(f'Nothing of "{network.name}" was removed from WordPress: {error}')
    except BridgeError as error:
        module.fail_json(msg=str(error), steps=network.steps)
    diff = diff_of(network.before, network.after, f"{network.name} in WordPress")
    module.exit_json(changed=bool(network.steps), steps=network.steps, diff=diff)


if __name__ == "__main__":
    main()
