"""A fake `crontab`, and a `systemctl` without a manager, so that no test schedules anything on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.running import write_script

if TYPE_CHECKING:
    from pathlib import Path

# Works with a PATH that contains nothing else.
_CRONTAB = """
case $1 in
    -l) [ -e {table} ] || {{ echo "no crontab for the user" >&2; exit 1; }}; exec /bin/cat {table} ;;
    -r) exec /bin/rm {table} ;;
    -) exec /bin/cat >{table} ;;
esac
"""


def write_schedulers(folder: Path) -> Path:
    """Write the programs to the new folder `folder`, for the start of PATH. The table is `folder`/table."""
    folder.mkdir()
    write_script(folder / "crontab", _CRONTAB.format(table=f"'{folder / 'table'}'"))
    write_script(folder / "systemctl", "exit 1")
    return folder
