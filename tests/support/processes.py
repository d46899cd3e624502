"""Processes of the machine."""

from __future__ import annotations

from pathlib import Path


def ended(pid: int) -> bool:
    """Tell whether a process has ended; one that only its parent has not looked after is."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
