# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""Talks to the engine, and only through its JSON."""

from __future__ import annotations

import json
import os
import time

VERSION = 1
EXECUTABLE = "/usr/local/sbin/closte-bridge-as"
# What the engine answers with when it did what it could: in step, withheld, some failed.
DONE = (0, 3, 4)
# Another run is at work, such as the service's own: it is waited for, for so many seconds in all.
LOCKED = 75
PATIENCE = 120


class BridgeError(Exception):
    """The engine could not be asked, or said something that is not its JSON; the text is for people."""


class Engine:
    """The engine of this host, called for one network at a time through the wrapper that the role installs."""

    def __init__(self, module, executable):
        self._module = module
        self._executable = executable

    @property
    def installed(self):
        """Tell whether there is anything to call."""
        return os.access(self._executable, os.X_OK)

    def ask(self, network, *command):
        """Run a command for a network and return its envelope. Raises BridgeError when there is none.

        While another run is at work this waits for it, for two minutes at most.
        """
        if not self.installed:
            raise BridgeError(f'The engine is not installed: there is no "{self._executable}".')
        argv = [self._executable, network, *command, "--format=json"]
        deadline = time.monotonic() + PATIENCE
        while True:
            code, out, _errors = self._module.run_command(argv, handle_exceptions=False)
            if code != LOCKED or time.monotonic() > deadline:
                return self._envelope(command, code, out)
            time.sleep(1)

    @staticmethod
    def _envelope(command, code, out):
        try:
            envelope = json.loads(out)
            matches = envelope["exit_code"] == code and envelope["version"] == VERSION
        except (ValueError, KeyError, TypeError):
            # What it said instead is not quoted: it did not come from the part that minds its words.
            raise BridgeError(f'"closte-bridge {" ".join(command[:2])}" ended with {code} and gave no JSON.') from None
        if not matches:
            raise BridgeError("The engine on this host speaks another version than this collection.")
        return envelope


def codes(envelope):
    """Return the codes of everything that an envelope complains of."""
    return {problem["code"] for problem in envelope["errors"] + envelope["warnings"]}


def sentence(envelope):
    """Return what went wrong in one line, with what to do about it."""
    problems = envelope["errors"] or envelope["warnings"]
    if not problems:
        return f'The engine answered "{envelope["status"]}".'
    return " ".join(f"{problem['message']} {problem['hint']}".strip() for problem in problems)


def changes(envelope):
    """Return the domains of a plan or a sync by what is done to them, sorted.

    `add` and `remove` happen at Closte; `stage` (it moves to another) and `record` (its site gets its domain record)
    happen in Ultimate Multisite.
    """
    rows = [row for row in envelope["data"] or [] if row["status"] in ("planned", "done")]
    kinds = ("add", "remove", "stage", "record")
    return {kind: sorted(row["domain"] for row in rows if row["change"] == kind) for kind in kinds}


def diff_of(before, after, header):
    """Return an Ansible diff of two sets of lines."""
    before, after = sorted(before), sorted(after)
    return {
        "before": "".join(f"{line}\n" for line in before),
        "after": "".join(f"{line}\n" for line in after),
        "before_header": header,
        "after_header": header,
    }
