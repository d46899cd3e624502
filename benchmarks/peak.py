"""Run `closte-bridge` with the arguments given, then write this process's peak of memory in bytes to a file.

The figure is the kernel's `VmHWM`: the resident set at its highest, of this process alone. Those that `wait` reports
count children as well, and what the process was before `exec`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main() -> int:
    """Run with `FILE ARGUMENTS…`; return the exit code."""
    target = Path(sys.argv.pop(1))
    sys.argv[0] = "closte-bridge"
    from closte_bridge.__main__ import main as bridge  # noqa: PLC0415 - as the installed script does it

    status = bridge()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    target.write_text(str(int(found[1]) * 1024 if found else 0), encoding="ascii")
    return status


if __name__ == "__main__":
    sys.exit(main())
