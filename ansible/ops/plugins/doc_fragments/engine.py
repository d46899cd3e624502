# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""Documentation shared by all modules."""

from __future__ import annotations


class ModuleDocFragment:
    """The option of all modules."""

    DOCUMENTATION = r"""
options:
  executable:
    description: Command for root that runs closte-bridge. The role installs it.
    type: path
    default: /usr/local/sbin/closte-bridge-as
"""
