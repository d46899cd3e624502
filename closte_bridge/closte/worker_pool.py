"""Bounded worker pool that delivers results to the calling thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from closte_bridge.flag import Flag

Task = TypeVar("Task")
Result = TypeVar("Result")

_POLL = 0.2
"""Seconds between two checks of the stop request."""


@dataclass(frozen=True, slots=True)
class _Finished(Generic[Task, Result]):
    task: Task
    deliver: Callable[[], Result]
    """Returns the result of the work, or raises its exception."""


class WorkerPool(Generic[Task, Result]):
    """Threads that call `work` for one task after the other.

    The calling thread calls `should_stop`. Once it returns True, the pool sets `stopping` and takes no more tasks. The
    results of tasks in progress still arrive.
    """

    def __init__(
        self,
        work: Callable[[Task], Result],
        *,
        size: int,
        should_stop: Callable[[], bool],
        stopping: Flag,
    ) -> None:
        self._work = work
        self._size = size
        self._should_stop = should_stop
        self._stopping = stopping
        self._todo: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._results: SimpleQueue[_Finished[Task, Result]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._active = 0

    def run(self, tasks: Iterable[Task], on_result: Callable[[Task, Result], None]) -> None:
        """Process `tasks`, which this thread iterates only as far as workers are free.

        `on_result` is called in this thread as results arrive. An exception from `tasks`, `on_result` or the work is
        raised immediately, without waiting for tasks in progress: the threads are daemons.
        """
        source = iter(tasks)
        try:
            self._fill(source)
            while self._active:
                finished = self._next_result()
                self._active -= 1
                on_result(finished.task, finished.deliver())
                self._fill(source)
        except BaseException:
            self._stopping.set()
            self._end_threads()
            raise
        self._end_threads()
        for thread in self._threads:
            thread.join()

    def linger(self, seconds: float) -> None:
        """Wait at most `seconds` for the threads that are still at work after `run` raised."""
        end = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))

    def _fill(self, source: Iterable[Task]) -> None:
        while self._active < self._size and not self._must_stop():
            for task in source:
                self._submit(task)
                break
            else:
                return

    def _submit(self, task: Task) -> None:
        self._active += 1
        if len(self._threads) < self._active:
            thread = threading.Thread(target=self._serve, name="closte-worker", daemon=True)
            self._threads.append(thread)
            thread.start()

        def job() -> None:
            try:
                result = self._work(task)
            except BaseException as error:
                failure = error

                def fail() -> Result:
                    raise failure

                self._results.put(_Finished(task, fail))
            else:
                self._results.put(_Finished(task, lambda: result))

        self._todo.put(job)

    def _serve(self) -> None:
        while (job := self._todo.get()) is not None:
            job()

    def _end_threads(self) -> None:
        for _ in self._threads:
            self._todo.put(None)

    def _next_result(self) -> _Finished[Task, Result]:
        while True:
            try:
                return self._results.get(timeout=_POLL)
            except Empty:
                self._must_stop()

    def _must_stop(self) -> bool:
        if not self._stopping.is_set() and self._should_stop():
            self._stopping.set()
        return self._stopping.is_set()
