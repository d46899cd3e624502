# Copyright: the closte-bridge project
# SPDX-License-Identifier: MIT
"""What all modules say of themselves in the same words."""

from __future__ import annotations


class ModuleDocFragment:
    """The option that every module has."""

    DOCUMENTATION = r"""
options:
  executable:
    description: The command for root that runs the engine; the role installs it.
    type: path
    default: /usr/local/sbin/closte-bridge-as
"""
