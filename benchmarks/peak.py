"""Run `closte-bridge` with the arguments given, then write what this process took to a file: memory, CPU time.

Memory is the kernel's `VmHWM`: the resident set at its highest, of this process alone. Those that `wait` reports
count children as well, and what the process was before `exec`.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path


def main() -> int:
    """Run with `FILE ARGUMENTS…`; return the exit code."""
    target = Path(sys.argv.pop(1))
    sys.argv[0] = "closte-bridge"
    from closte_bridge.__main__ import main as bridge  # noqa: PLC0415 - as the installed script does it

    status = bridge()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    taken = {"bytes": int(found[1]) * 1024 if found else 0, "cpu_seconds": time.process_time()}
    target.write_text(json.dumps(taken), encoding="ascii")
    return status


if __name__ == "__main__":
    sys.exit(main())
