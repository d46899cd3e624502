"""Where the process starts: `closte-bridge`, or `python -m closte_bridge`."""

from __future__ import annotations

import gc
import os
import sys

from closte_bridge import __version__

# The commands that begin by reading WordPress: what they need of it is started before anything else.
EARLY = ("plan", "sync")


def main() -> int:
    """Run the command in `sys.argv` and return the exit code."""
    head = None
    try:
        if sys.argv[1:] == ["--version"] and sys.stdout is not None:
            # Asked for by scripts, often: answered before anything else is imported.
            return _print_version()
        # What is imported is no garbage, and neither are the million objects that a large network is read into: to look
        # through them again and again would take longer than planning does.
        gc.set_threshold(2_000_000, 10, 10)
        if sys.argv[1:] and sys.argv[1] in EARLY:
            from closte_bridge.cli.prestart import begin  # noqa: PLC0415 - see above

            head = begin(sys.argv[2:], os.environ)
        from closte_bridge.cli.main import run  # noqa: PLC0415 - see above

        return run(sys.argv[1:], head=head)
    except KeyboardInterrupt:
        return 130
    finally:
        if head is not None:
            head.drop()
        # The interpreter would look through everything once more before it ends.
        gc.freeze()


def _print_version() -> int:
    try:
        sys.stdout.write(f"closte-bridge {__version__}\n")
        sys.stdout.flush()
    except OSError:
        # Nobody reads it: leave without a complaint, also from the interpreter's own last flush.
        sys.stdout = None
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
