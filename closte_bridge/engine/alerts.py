"""After a run: the problems that stand, the metrics file, and the command that people set to be told of problems.

Neither can fail a run: what goes wrong here is reported beside its result.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from closte_bridge.engine.problems import note, open_problems
from closte_bridge.errors import BridgeError
from closte_bridge.ledger.store import Ledger
from closte_bridge.wordpress.process import close_pipes, end, environment_of_children

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from closte_bridge.config.model import Settings
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.run import RunReport

# The same problems are told again after a day, others at the earliest after five minutes.
_SAME_AGAIN = 86_400.0
_AT_MOST_EVERY = 300.0
_PATIENCE = 30.0


def after_run(
    engine: Engine,
    report: RunReport | None,
    exit_code: int,
    problems: Sequence[dict[str, Any]],
    *,
    lasting: Collection[str] = (),
    whole: bool = True,
) -> list[BridgeError]:
    """Write the metrics and tell of problems, as the config says; return what went wrong with that.

    `problems` are those of the run as they stand in the JSON envelope, `lasting` the codes of those that need a
    person. A run that was not `whole` saw to some names alone: it knows nothing of the others, so it writes no metrics,
    and tells only of problems that nobody knows yet.
    """
    settings = engine.settings
    metrics_wanted = whole and settings.metrics_file is not None
    if not whole and not settings.on_problem:
        return []
    failed_changes: list[BridgeError] = []
    # If it cannot be read, the metrics of before must not go on saying that all is well.
    ledger, meta = _opened(settings, failed_changes)
    try:
        # Whoever runs without the config that the ledger knows has nothing to write there.
        if whole and ledger is not None and not engine.lacks_config(meta.get("config_path")):
            note(ledger, lasting, engine.clock.now())
    except BridgeError as error:
        failed_changes.append(error)
    try:
        if metrics_wanted:
            _write_metrics(engine, report, exit_code, meta, ledger)
    except BridgeError as error:
        failed_changes.append(error)
    try:
        if settings.on_problem and ledger is not None:
            _tell(engine, ledger, meta, problems, whole=whole)
    except BridgeError as error:
        failed_changes.append(error)
    finally:
        if ledger is not None:
            ledger.close()
    return failed_changes


def _opened(settings: Settings, failed_changes: list[BridgeError]) -> tuple[Ledger | None, dict[str, str]]:
    ledger: Ledger | None = None
    try:
        ledger = Ledger.open(settings.state_dir, create=False)
        return ledger, ledger.meta() if ledger else {}
    except BridgeError as error:
        failed_changes.append(error)
        if ledger is not None:
            ledger.close()
        return None, {}


def _write_metrics(
    engine: Engine, report: RunReport | None, exit_code: int, meta: dict[str, str], ledger: Ledger | None
) -> None:
    from closte_bridge.engine import metrics  # noqa: PLC0415 - only where a file is wanted

    path = metrics.metrics_path(engine.settings)
    assert path is not None  # noqa: S101 - looked at by the caller
    # Without checks, what was seen once says nothing of today.
    looks = metrics.check_counts(ledger, engine.clock.now()) if ledger and engine.settings.checks else None
    problems = open_problems(ledger) if ledger else {}
    metrics.write(path, metrics.render(report, engine.cost, engine.settings, meta, exit_code, looks, problems))


def _tell(
    engine: Engine, ledger: Ledger, meta: dict[str, str], problems: Sequence[dict[str, Any]], *, whole: bool
) -> None:
    """Run the command when there is news: other problems than last time, the same for a day, or none any more.

    Of a run that was not `whole`, only problems that were not told are news.
    """
    now = engine.clock.now()
    codes = {str(problem["code"]) for problem in problems}
    before, at = set(meta.get("notified", "").split()), float(meta.get("notified_at", "0"))
    if not whole:
        if codes <= before:
            return
        codes |= before
    waited = abs(now - at)
    if waited < (_SAME_AGAIN if codes == before else _AT_MOST_EVERY) or not (codes or before):
        return
    with ledger.transaction():
        ledger.set_meta(notified_at=repr(now))
    status = "problem" if problems else "resolved"
    document = {"version": 1, "network": engine.settings.name, "status": status, "problems": list(problems)}
    _run(engine.settings.on_problem, json.dumps(document).encode())
    # Only now: nobody has heard of it when the command fails.
    with ledger.transaction():
        ledger.set_meta(notified=" ".join(sorted(codes)))


def _run(argv: Sequence[str], text: bytes) -> None:
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment_of_children(),
        )
    except OSError as error:
        raise _failed(f"could not be started ({error.strerror})") from None
    try:
        process.communicate(text, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        end(process)
        close_pipes(process)
        raise _failed(f"was ended after {_PATIENCE:.0f} s") from None
    if process.returncode != 0:
        raise _failed(f"ended with {process.returncode}")


def _failed(what: str) -> BridgeError:
    return BridgeError(
        f"The command of `on_problem` {what}.",
        code="on-problem",
        hint="Run it by hand with a JSON object on standard input.",
    )
