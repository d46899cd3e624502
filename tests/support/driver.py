"""Commands in forks of a process that has already loaded the program; they can die at a chosen point."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.support.parts import REPOSITORY
from tests.support.running import LIMIT_SECONDS

if TYPE_CHECKING:
    from tests.support.fake_world import World


class Driver:
    """Runner of commands that can die at a chosen point."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.crash_driver"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        world: World,
        *argv: str,
        die_at: int | None = None,
        die_on: str | None = None,
        broken: str | None = None,
        words: str = "",
    ) -> dict[str, Any]:
        """Run a command to its end, or to the point with the number `die_at` or the name `die_on`.

        `broken` names a function that raises an exception with the text `words`.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        dying = {"die_at": die_at, "die_on": die_on}
        order = {"argv": [*argv], **dying, "env": world.environ, "break": broken, "words": words}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        assert select.select([self._process.stdout], [], [], LIMIT_SECONDS)[0], f"It does not end: {argv}"
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        """Close the input of the process, which ends it."""
        self._process.communicate()
