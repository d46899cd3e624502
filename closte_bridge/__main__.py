"""Where the process starts: `closte-bridge`, or `python -m closte_bridge`."""

from __future__ import annotations

import sys

from closte_bridge import __version__


def main() -> int:
    """Run the command in `sys.argv` and return the exit code."""
    try:
        if sys.argv[1:] == ["--version"] and sys.stdout is not None:
            # Asked for by scripts, often: answered before anything else is imported.
            return _print_version()
        from closte_bridge.cli.main import run  # noqa: PLC0415 - see above

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


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
