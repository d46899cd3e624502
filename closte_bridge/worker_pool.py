"""Bounded worker pool that delivers results to the calling thread."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from closte_bridge.flag import Flag

Task = TypeVar("Task")
Result = TypeVar("Result")

_POLL = 0.2
"""Seconds between two checks of the stop request."""


class WorkerPool(Generic[Task, Result]):
    """Threads that call `work` for one task after the other.

    The calling thread calls `should_stop`. Once it returns True, the pool sets `stopping` and takes no more tasks. The
    results of tasks in progress still arrive. The threads are daemons, unlike those of `concurrent.futures`: the
    interpreter does not wait for them at its exit.
    """

    def __init__(
        self, work: Callable[[Task], Result], *, size: int, should_stop: Callable[[], bool], stopping: Flag
    ) -> None:
        self._work = work
        self._size = size
        self._should_stop = should_stop
        self._stopping = stopping
        self._todo: SimpleQueue[tuple[Task] | None] = SimpleQueue()
        self._ended: SimpleQueue[tuple[Task, Result] | BaseException] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._active = 0

    def run(self, tasks: Iterable[Task], on_result: Callable[[Task, Result], None]) -> None:
        """Process `tasks`, which this thread iterates only as far as workers are free.

        `on_result` is called in this thread as results arrive. An exception from `tasks`, `on_result` or the work is
        raised immediately, without waiting for tasks in progress.
        """
        source = iter(tasks)
        try:
            self._fill(source)
            while self._active:
                ended = self._next()
                self._active -= 1
                if isinstance(ended, BaseException):
                    raise ended
                on_result(*ended)
                self._fill(source)
        except BaseException:
            self._stopping.set()
            raise
        finally:
            for _ in self._threads:
                self._todo.put(None)
        for thread in self._threads:
            thread.join()

    def linger(self, seconds: float) -> None:
        """Wait at most `seconds` for the threads that are still at work after `run` raised."""
        end = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))

    def _fill(self, source: Iterator[Task]) -> None:
        while self._active < self._size and not self._must_stop():
            try:
                task = next(source)
            except StopIteration:
                return
            self._active += 1
            self._todo.put((task,))
            if len(self._threads) < self._active:
                self._threads.append(threading.Thread(target=self._serve, name="worker", daemon=True))
                self._threads[-1].start()

    def _serve(self) -> None:
        while (given := self._todo.get()) is not None:
            try:
                self._ended.put((*given, self._work(*given)))
            except BaseException as error:
                self._ended.put(error)

    def _next(self) -> tuple[Task, Result] | BaseException:
        while True:
            try:
                return self._ended.get(timeout=_POLL)
            except Empty:
                self._must_stop()

    def _must_stop(self) -> bool:
        if not self._stopping.is_set() and self._should_stop():
            self._stopping.set()
        return self._stopping.is_set()
