"""Run a job on each of the selected networks, a few at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from closte_bridge.cli.result import Message, Problem, secondary_problems
from closte_bridge.engine.engine import Engine
from closte_bridge.errors import BridgeError, ExitCode, first_that_applies, unexpected
from closte_bridge.flag import Flag
from closte_bridge.wordpress.process import end_all
from closte_bridge.worker_pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from closte_bridge.cli.context import App
    from closte_bridge.config.model import Settings

# Each network has its own `wp`, which needs most of the memory and time.
_CONCURRENT = 4
# Seconds for the other networks to end after an interruption.
_END_WITHIN = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NetworkResult(Generic[T]):
    """Result of a job for one network: a value, or the error that stopped it."""

    engine: Engine
    value: T | None = None
    error: BridgeError | None = None


def on_each(app: App, job: Callable[[Engine], T], stopping: Flag | None = None) -> list[NetworkResult[T]]:
    """Run `job` with the engine of each selected network; an error of one network does not stop the others.

    With a single network, its error is raised. An interruption sets `stopping`, so that running jobs can end early, and
    starts no other job.
    """
    engines = [engine_of(app, settings) for settings in app.settings()]
    if len(engines) == 1:
        return [NetworkResult(engines[0], job(engines[0]))]

    def run(engine: Engine) -> NetworkResult[T]:
        try:
            return NetworkResult(engine, job(engine))
        except BridgeError as error:
            return NetworkResult(engine, error=error)
        except Exception as failure:
            app.console.debug_origin(failure)
            return NetworkResult(engine, error=unexpected(failure))

    outcomes: dict[str, NetworkResult[T]] = {}
    workers = WorkerPool[Engine, NetworkResult[T]](
        run, size=_CONCURRENT, should_stop=lambda: False, stopping=stopping or Flag()
    )
    try:
        workers.run(engines, lambda engine, outcome: outcomes.update({engine.settings.name: outcome}))
    except BaseException:
        # Only this thread is interrupted. The others end soon, or with the process.
        end_all()
        workers.linger(_END_WITHIN)
        raise
    return [outcomes[engine.settings.name] for engine in engines]


def engine_of(app: App, settings: Settings) -> Engine:
    """Return a network's engine with the environment of this call and the pre-started `wp`."""
    return Engine(settings, app.environ, head=app.head, waits=app.waits)


def total_cost(outcomes: Sequence[NetworkResult[T]]) -> dict[str, float]:
    """Return the total cost of the networks."""
    total: dict[str, float] = {}
    for outcome in outcomes:
        for name, figure in outcome.engine.cost.as_data().items():
            total[name] = round(total.get(name, 0) + figure, 3)
    return total


def cost_messages(outcomes: Sequence[NetworkResult[T]]) -> tuple[Message, ...]:
    """Return the cost lines at the end of a run."""
    several = len(outcomes) > 1
    return tuple(
        Message("log", f"{o.engine.settings.name}: {o.engine.cost.sentence()}" if several else o.engine.cost.sentence())
        for o in outcomes
    )


def problems(outcomes: Sequence[NetworkResult[T]]) -> tuple[Problem, ...]:
    """Return the errors that stopped a network, each with the network's name."""
    return tuple(
        Problem(code=o.error.code, message=f"{o.engine.settings.name}: {o.error.message}", hint=o.error.hint)
        for o in outcomes
        if o.error
    )


def warnings(outcomes: Sequence[NetworkResult[T]]) -> tuple[Problem, ...]:
    """Return the secondary errors of stopped networks, each with the network's name."""
    return tuple(
        replace(problem, message=f"{o.engine.settings.name}: {problem.message}")
        for o in outcomes
        if o.error
        for problem in secondary_problems(o.error)
    )


def exit_code(outcomes: Sequence[NetworkResult[T]], of: Callable[[T], ExitCode]) -> ExitCode:
    """Combine exit codes; "locked" has the lowest precedence except for OK."""
    codes = {o.error.exit_code for o in outcomes if o.error}
    codes |= {of(o.value) for o in outcomes if o.value is not None}
    return first_that_applies(codes - {ExitCode.LOCKED, ExitCode.OK} or codes)
