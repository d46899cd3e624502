"""Driver that runs commands of the program in forked children: at another time, on a full disk, or until killed.

    python -m tests.proof.driver [MUTANT]

With a mutant (`tests.proof.mutants`), closte-bridge lacks one of its safety rules. Each input line is a JSON array of
commands that run at the same time, `[{"argv": […], "env": {…}, "later": s, "jump": s, "kill_after": s or null,
"kill_when": path or null, "fsize": bytes or null, "dns_port": n or null, "patience": s or null,
"signals": [[s, number], …]}, …]`; each output line has the results in the same order:
`[{"status": …, "stdout": …, "stderr": …, "seconds": …}, …]`. A killed child has status -9; the driver kills a child
when the file `kill_when` appears. `later` moves both clocks, as passing time does; `jump` moves only the wall clock.
With `dns_port`, DNS queries go to loopback only. With `patience`, the client stops retrying after so many seconds, and
an answer may take a quarter of that. `signals` are sent at the given seconds after the start.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, NoReturn

# The driver loads every module that a command may import before the first fork.
import closte_bridge.checks.dns
import closte_bridge.cli.commands.adopt
import closte_bridge.cli.commands.domain
import closte_bridge.cli.commands.health
import closte_bridge.cli.commands.log
import closte_bridge.cli.commands.plan
import closte_bridge.cli.commands.sync
import closte_bridge.cli.commands.watch
import closte_bridge.cli.networks
import closte_bridge.closte.client
import closte_bridge.config.schema
import closte_bridge.engine.adopt
import closte_bridge.engine.records
import closte_bridge.engine.run
import closte_bridge.engine.sd_notify
import closte_bridge.engine.verify
from closte_bridge.checks.dns import NetworkBoundary
from closte_bridge.checks.wire import Endpoint
from closte_bridge.cli.main import run
from closte_bridge.domains import registered_domain
from closte_bridge.engine.clock import Clock
from closte_bridge.engine.engine import Engine
from tests.proof.mutants import mutate

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_SECONDS = 180.0


def _lead_here(order: dict[str, Any]) -> None:
    """Give closte-bridge in this process the clock and the DNS servers of the order."""
    later, jump, port = order["later"], order["jump"], order["dns_port"]
    clock = Clock(
        now=lambda: time.time() + later + jump,
        steady=lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + later,
    )
    edges = NetworkBoundary(authority=lambda address: Endpoint(address, port), public=lambda a: a.startswith("127."))

    def engine(settings: Any, environ: Mapping[str, str], **more: Any) -> Engine:  # noqa: ANN401 - like `Engine`
        return Engine(settings, environ, clock, edges=edges if port else None, **more)

    setattr(closte_bridge.cli.networks, "Engine", engine)  # noqa: B010 - a type checker need not follow this


def _be_hasty(patience: float) -> None:
    """Shorten the client's waits: an outage of two minutes would take too long here."""
    client = closte_bridge.closte.client.ClosteClient
    defaults = client.__init__.__kwdefaults__
    assert defaults is not None
    defaults.update(patience=patience, timeout=(5.0, patience / 4))


def _child(order: dict[str, Any], out: IO[str], err: IO[str]) -> NoReturn:
    status = 70
    try:
        os.environ.clear()
        os.environ.update(order["env"])
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, descriptor in ((0, nothing), (1, out.fileno()), (2, err.fileno())):
            os.dup2(descriptor, target)
        if order["fsize"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["fsize"], order["fsize"]))
        _lead_here(order)
        if order["patience"] is not None:
            _be_hasty(order["patience"])
        status = run(order["argv"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


@dataclass
class _Running:
    pid: int
    deadline: float
    out: IO[str]
    err: IO[str]
    began: float
    kill_when: str | None = None
    signals: list[tuple[float, int]] = field(default_factory=list)
    seconds: float = 0.0
    status: int | None = None

    def look(self, now: float) -> None:
        """Send due signals, kill the process if it is due, and record its end."""
        while self.signals and now >= self.began + self.signals[0][0]:
            os.kill(self.pid, self.signals.pop(0)[1])
        over = now >= self.deadline or (self.kill_when is not None and os.path.exists(self.kill_when))  # noqa: PTH110 - called 500 times a second
        if over:
            os.kill(self.pid, signal.SIGKILL)
        pid, status = os.waitpid(self.pid, 0 if over else os.WNOHANG)
        if pid:
            self.status = os.waitstatus_to_exitcode(status)
            self.seconds = now - self.began

    def answer(self) -> dict[str, object]:
        """Return the result of the process."""
        texts = []
        for file in (self.out, self.err):
            file.seek(0)
            texts.append(file.read())
            file.close()
        return {"status": self.status, "stdout": texts[0], "stderr": texts[1], "seconds": self.seconds}


def serve(orders: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Run the commands at the same time and return the result of each."""
    running = []
    for order in orders:
        out, err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `answer`
        began = time.monotonic()
        pid = os.fork()
        if not pid:
            _child(order, out, err)
        kill_after = order["kill_after"]
        deadline = began + (LIMIT_SECONDS if kill_after is None else kill_after)
        running.append(_Running(pid, deadline, out, err, began, order["kill_when"], order["signals"]))
    while any(one.status is None for one in running):
        for one in running:
            if one.status is None:
                one.look(time.monotonic())
        time.sleep(0.002)
    return [one.answer() for one in running]


def main() -> None:
    """Serve orders until the input ends."""
    # Each child would load this list again; the pause between repeats would only take time.
    registered_domain("example.com")
    setattr(closte_bridge.closte.client, "_FIRST_WAIT", 0.001)  # noqa: B010 - a type checker need not follow this
    for name in sys.argv[1:]:
        mutate(name)
    gc.freeze()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(serve(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
