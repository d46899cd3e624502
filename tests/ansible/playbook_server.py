"""Run `ansible-playbook` in forks of this process, which has already loaded it; see `tests.support.fork_server`.

    python -m tests.ansible.playbook_server NAME

Ansible reads its settings from the environment while it loads, so all forks have those of the server.
"""

from __future__ import annotations

import atexit
import sys
from importlib import import_module

from tests.support.fork_server import end, is_fork


def main() -> int:
    """Serve until the input ends; in a fork, run the playbook and end the process."""
    playbook = import_module("ansible.cli.playbook")
    # A fork must not remove the temporary folder of all.
    atexit._clear()
    if not is_fork(sys.argv[1]):
        return 0
    try:
        playbook.main()
    except SystemExit as stop:
        return end(stop.code if isinstance(stop.code, int) else 1)
    return end(0)


if __name__ == "__main__":
    sys.exit(main())
