"""Entry point of `closte-bridge` and `python -m closte_bridge`."""

from __future__ import annotations

import gc
import os
import sys

from closte_bridge import __version__

# These commands read WordPress first: `wp` is started before the rest of the program is loaded.
EARLY = ("plan", "sync")


def main() -> int:
    """Run the command in `sys.argv` and return the exit code."""
    head = None
    try:
        if sys.argv[1:] == ["--version"] and sys.stdout is not None:
            # Fast path for scripts: print the version before importing anything.
            return _print_version()
        # Collect rarely: modules and the objects of a large network live long, and scanning them takes longer than
        # planning.
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
        # Skip the collection at the interpreter's exit.
        gc.freeze()


def _print_version() -> int:
    try:
        sys.stdout.write(f"closte-bridge {__version__}\n")
        sys.stdout.flush()
    except OSError:
        # The output pipe is closed: exit silently, including the interpreter's final flush.
        sys.stdout = None
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
