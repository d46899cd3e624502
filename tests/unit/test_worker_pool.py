from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from closte_bridge.flag import Flag
from closte_bridge.worker_pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def workers(work: Callable[[int], int], size: int = 2, stopping: Flag | None = None) -> WorkerPool[int, int]:
    return WorkerPool(work, size=size, should_stop=lambda: False, stopping=stopping or Flag())


def test_delivers_every_result_with_its_task() -> None:
    seen: dict[int, int] = {}
    workers(lambda number: number * 2).run(range(50), lambda task, result: seen.update({task: result}))
    assert seen == {number: number * 2 for number in range(50)}


def test_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    workers(lambda number: number, size=8).run(range(50), lambda *_: None)
    assert threading.active_count() == before


def test_without_tasks_starts_no_thread() -> None:
    before = threading.active_count()
    workers(lambda number: number).run([], lambda *_: None)
    assert threading.active_count() == before


def test_worker_exception_is_raised_in_the_calling_thread() -> None:
    def work(number: int) -> int:
        raise LookupError(number)

    stopping = Flag()
    with pytest.raises(LookupError):
        workers(work, stopping=stopping).run(range(5), lambda *_: None)
    assert stopping.is_set()


def test_task_source_exception_does_not_wait_for_running_work() -> None:
    over = threading.Event()

    def tasks() -> Iterator[int]:
        yield 1
        raise LookupError

    def work(number: int) -> int:
        over.wait(30)
        return number

    with pytest.raises(LookupError):
        workers(work).run(tasks(), lambda *_: None)
    # If `run` had waited, only this event could have ended the work.
    assert not over.is_set()
    over.set()


def test_interruption_stops_the_other_workers() -> None:
    stopping = Flag()

    def on_result(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workers(lambda number: number, stopping=stopping).run(range(5), on_result)
    assert stopping.is_set()
