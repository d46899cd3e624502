"""Tests of the signal handlers: a second signal must never find the work of a handler half done."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.cli.commands.watch import _handle_signals
from closte_bridge.cli.interruption import end_on, ignore_signals
from closte_bridge.engine.loop import Signals
from closte_bridge.errors import Interrupted
from closte_bridge.flag import Flag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    monkeypatch.setattr(signal, "setitimer", lambda *_: (0.0, 0.0))
    # Other libraries run functions during garbage collection; the test must not interrupt those.
    gc.disable()
    yield
    gc.enable()
    for number, handler in before.items():
        signal.signal(number, handler)


def struck_at(line: int, first: Callable[[], None], second: Callable[[], None]) -> bool:
    """Run `first` and call `second` at the n-th executed line; return whether both ended.

    `line` is n. Lines in functions that `first` calls count too.
    """
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401 - the type that sys.settrace declares
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == line:
                sys.settrace(None)
                frame.f_trace = None
                second()
        return trace

    def strike() -> None:
        sys.settrace(trace)
        try:
            first()
        except Interrupted:
            pass
        finally:
            sys.settrace(None)

    # A handler that waits for itself would also block the tests.
    thread = threading.Thread(target=strike, daemon=True)
    thread.start()
    thread.join(5)
    return not thread.is_alive()


def handler_of(number: int) -> Callable[[], None]:
    handler = signal.getsignal(number)
    assert callable(handler)
    return lambda: handler(number, None)


@pytest.mark.parametrize("first", NUMBERS[:3])
@pytest.mark.parametrize("second", NUMBERS[:3])
def test_signal_handler_may_interrupt_a_handler(first: int, second: int) -> None:
    for line in range(1, 30):
        _handle_signals(Signals())
        assert struck_at(line, handler_of(first), handler_of(second)), f"line {line}"


def waits_for(flag: Flag) -> None:
    flag.wait(0.01)


@pytest.mark.parametrize("number", NUMBERS[:3])
def test_signal_handler_may_interrupt_a_waiting_flag(number: int) -> None:
    for line in range(1, 12):
        signals = Signals()
        _handle_signals(signals)
        asked = signals.reload if number == signal.SIGHUP else signals.stop
        assert struck_at(line, partial(waits_for, asked), handler_of(number)), f"line {line}"
        assert asked.is_set() or line > 5


def test_simultaneous_signals_are_one_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    end_on([signal.SIGTERM, signal.SIGINT])
    with pytest.raises(Interrupted):
        handler_of(signal.SIGTERM)()
    now += 0.5
    handler_of(signal.SIGINT)()
    # A signal more than a second later interrupts again.
    now += 1.0
    with pytest.raises(Interrupted):
        handler_of(signal.SIGINT)()


def test_interrupted_process_is_killed_by_an_alarm_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    armed: list[tuple[int, float]] = []
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: armed.append((which, seconds)))
    end_on([signal.SIGTERM])
    with pytest.raises(Interrupted):
        handler_of(signal.SIGTERM)()
    assert armed == [(signal.ITIMER_REAL, 8.0)]
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_signals_are_ignored_at_exit() -> None:
    end_on([signal.SIGTERM])
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    ignore_signals()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_setting_a_flag_ends_its_wait() -> None:
    flag = Flag()
    assert not flag.wait(0.0)
    timer = threading.Timer(0.05, flag.set)
    timer.start()
    assert flag.wait(30)
    flag.clear()
    assert not flag.is_set()
    timer.join()
