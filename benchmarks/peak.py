"""Run `closte-bridge` with the given arguments, then write memory and CPU time of this process to a file.

Imports as little as possible before the program, to save memory.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> int:
    """Run with `FILE ARGUMENTS…`; return the exit code."""
    target = Path(sys.argv.pop(1))
    sys.argv[0] = "closte-bridge"
    from closte_bridge.__main__ import main as bridge  # noqa: PLC0415 - like the installed script

    status = bridge()
    taken = {"cpu_seconds": time.process_time()}
    from benchmarks.memory import highest  # noqa: PLC0415 - see above

    taken["bytes"] = highest()
    target.write_text(json.dumps(taken), encoding="ascii")
    return status


if __name__ == "__main__":
    sys.exit(main())
