"""Run a sandbox in a process of its own, for measurements."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from tests.support.sandbox.server import Sandbox, SandboxOptions


def main() -> None:
    """Serve until SIGTERM. The first line of the output is the URL."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--app-domain", required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    given = parser.parse_args()
    # Wait for the signal in the main thread only: the threads of the server inherit the mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with Sandbox(given.app_domain, state=given.state, behaviour=SandboxOptions(latency=given.latency)) as sandbox:
        print(sandbox.url, flush=True)  # noqa: T201 - the result
        signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main()
