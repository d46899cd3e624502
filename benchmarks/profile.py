"""Run `closte-bridge` with the given arguments and write the time of each part to a file.

The time of a part excludes other parts that it calls. Work in other threads counts only as the wait of the main thread.
"""

from __future__ import annotations

import functools
import json
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# The parts of a run: module, class if any, function.
PARTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "importing": (("builtins", "", "__import__"),),
    "waiting for wp": (("closte_bridge.wordpress.wp", "WpCall", "_wait"),),
    "checking and parsing its answer": (
        ("closte_bridge.wordpress.wp", "", "extract"),
        ("closte_bridge.wordpress.wp", "", "parse"),
        ("closte_bridge.wordpress.snapshot", "", "decode"),
    ),
    "waiting for Closte's list": (("closte_bridge.engine.observe", "BackgroundJob", "result"),),
    "planning": (
        ("closte_bridge.planning.desired", "", "desired"),
        ("closte_bridge.planning.completeness", "", "assess_list"),
        ("closte_bridge.planning.authority", "", "decide_authority"),
        ("closte_bridge.planning.plan", "", "make_plan"),
    ),
    "the ledger": (
        ("closte_bridge.ledger.store", "Ledger", "open"),
        ("closte_bridge.ledger.store", "Ledger", "state"),
        ("closte_bridge.ledger.store", "Ledger", "query"),
        ("closte_bridge.ledger.store", "Ledger", "write"),
    ),
}


class Clock:
    """Adds up the time of parts, excluding other parts inside them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0)
        self._here = threading.local()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a timer."""

        @functools.wraps(function)
        def wrapper(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - any function's
            outer = getattr(self._here, "inside", None)
            self._here.inside = 0.0
            began = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                took = time.perf_counter() - began
                if threading.current_thread() is threading.main_thread():
                    self.seconds[part] += took - self._here.inside
                self._here.inside = None if outer is None else outer + took

        return wrapper


def watch_all(clock: Clock) -> None:
    """Add a timer to each function of `PARTS`. Raises AttributeError or KeyError if one does not exist."""
    for part, places in PARTS.items():
        for module_name, owner_name, name in places:
            module = import_module(module_name)
            owner = getattr(module, owner_name) if owner_name else module
            raw = owner.__dict__[name] if owner_name else getattr(owner, name)
            if isinstance(raw, classmethod):
                setattr(owner, name, classmethod(clock.timed(part, raw.__func__)))
            else:
                setattr(owner, name, clock.timed(part, raw))


def main() -> int:
    """Run with `FILE ARGUMENTS…`; return the exit code."""
    target = Path(sys.argv.pop(1))
    sys.argv[0] = "closte-bridge"
    from closte_bridge.__main__ import main as bridge  # noqa: PLC0415 - like the installed script

    clock = Clock()
    watch_all(clock)
    began = time.perf_counter()
    status = bridge()
    clock.seconds["everything else"] = time.perf_counter() - began - sum(clock.seconds.values())
    target.write_text(json.dumps(clock.seconds), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
