"""Work on many things at once, a few at a time, with the results coming back to the calling thread."""

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
"""Seconds after which the wish to stop is looked at again."""


@dataclass(frozen=True, slots=True)
class _Finished(Generic[Task, Result]):
    task: Task
    deliver: Callable[[], Result]
    """Returns what the work returned, or raises what it raised."""


class WorkerPool(Generic[Task, Result]):
    """Threads that call `work` for one task after the other.

    `should_stop` is asked from the calling thread; once it says so, `stopping` is set and no more tasks are
    taken, but the results of those in work still arrive.
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
        self._in_work = 0

    def run(self, tasks: Iterable[Task], on_result: Callable[[Task, Result], None]) -> None:
        """Work through `tasks`, which is iterated in this thread, never further than there are free workers.

        `on_result` is called in this thread as results arrive. What `tasks`, `on_result` or the work raises
        comes out at once, without waiting for what is in work: the threads are daemons.
        """
        source = iter(tasks)
        try:
            self._fill(source)
            while self._in_work:
                finished = self._next_result()
                self._in_work -= 1
                on_result(finished.task, finished.deliver())
                self._fill(source)
        except BaseException:
            self._stopping.set()
            self._dismiss()
            raise
        self._dismiss()
        for thread in self._threads:
            thread.join()

    def linger(self, seconds: float) -> None:
        """Let threads that are still at work end, after `run` raised: so many seconds at most."""
        end = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))

    def _fill(self, source: Iterable[Task]) -> None:
        while self._in_work < self._size and not self._must_stop():
            for task in source:
                self._hand_out(task)
                break
            else:
                return

    def _hand_out(self, task: Task) -> None:
        self._in_work += 1
        if len(self._threads) < self._in_work:
            thread = threading.Thread(target=self._serve, name="closte-worker", daemon=True)
            self._threads.append(thread)
            thread.start()

        def order() -> None:
            try:
                result = self._work(task)
            except BaseException as error:
                failure = error

                def fail() -> Result:
                    raise failure

                self._results.put(_Finished(task, fail))
            else:
                self._results.put(_Finished(task, lambda: result))

        self._todo.put(order)

    def _serve(self) -> None:
        while (order := self._todo.get()) is not None:
            order()

    def _dismiss(self) -> None:
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
