"""Memory: the kernel's `VmHWM`, the peak resident set of a process.

Only of this process: the value of `wait` includes children and the process before `exec`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from benchmarks.timing import run

MEGABYTE = 1_000_000


def highest() -> int:
    """Return the peak memory of this process in bytes. Raises RuntimeError if the kernel does not report it."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise RuntimeError("/proc/self/status has no VmHWM")
    return int(found[1]) * 1024


def of_python_alone() -> str:
    """Return the lower bound of all memory figures, as text."""
    code = "import re;print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    return f"Python alone {int(run([sys.executable, '-c', code]).stdout) * 1024 / MEGABYTE:.0f} MB"
