# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""Run closte-bridge and read its JSON."""

from __future__ import annotations

import json
import os
import time

VERSION = 1
EXECUTABLE = "/usr/local/sbin/closte-bridge-as"
# Exit codes of a completed run: in sync, removals need approval, some changes failed.
DONE = (0, 3, 4)
# Exit code if another run, such as that of the service, has the lock, and how many seconds to wait for it.
LOCKED = 75
PATIENCE = 120


class BridgeError(Exception):
    """closte-bridge could not be run or returned invalid JSON. The message is meant for users."""


class Engine:
    """closte-bridge on this host, called for one network at a time with the command that the role installs."""

    def __init__(self, module, executable):
        self._module = module
        self._executable = executable

    @property
    def installed(self):
        """Return whether the command exists."""
        return os.access(self._executable, os.X_OK)

    def ask(self, network, *command):
        """Run a command for a network and return its envelope.

        Waits for another run for at most two minutes. Raises BridgeError if there is no envelope.
        """
        if not self.installed:
            raise BridgeError(f'closte-bridge is not installed: could not run "{self._executable}".')
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
            # The output is not quoted: secrets in it may not be redacted.
            name = " ".join(command[:2])
            raise BridgeError(f'"closte-bridge {name}" exited with code {code} and returned no JSON.') from None
        if not matches:
            raise BridgeError("closte-bridge on this host is not compatible with this version of the collection.")
        return envelope


def codes(envelope):
    """Return the codes of all errors and warnings of an envelope."""
    return {problem["code"] for problem in envelope["errors"] + envelope["warnings"]}


def sentence(envelope):
    """Return the errors, or else the warnings, with their hints in one line."""
    problems = envelope["errors"] or envelope["warnings"]
    if not problems:
        return f'closte-bridge returned the status "{envelope["status"]}".'
    return " ".join(f"{problem['message']} {problem['hint']}".strip() for problem in problems)


def changes(envelope):
    """Return the domains of a plan or a sync by change, sorted.

    `add` and `remove` are changes on Closte. `stage` (another stage) and `record` (a new domain record of a site) are
    changes in Ultimate Multisite.
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
