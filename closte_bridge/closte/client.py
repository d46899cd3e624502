"""Closte API client with rate limiting, retries, timeouts, size limits and key redaction."""

from __future__ import annotations

import math
import random
import threading
import time
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from closte_bridge.closte.listing import read_listing
from closte_bridge.closte.rate_limit import DEFAULT_RATE, LONGEST_PAUSE, Patience, RateLimiter
from closte_bridge.closte.redact import Redactor
from closte_bridge.closte.responses import INVALID_DOMAIN, ResponseVerdict, decode, error_text, interpret, succeeded
from closte_bridge.closte.shape import shape_of
from closte_bridge.closte.transport import HttpReply, Transport
from closte_bridge.errors import ConfigError
from closte_bridge.flag import Flag
from closte_bridge.hosting import (
    Action,
    Completeness,
    ConnectionState,
    ConnectionTest,
    Listing,
    Outcome,
    OutcomeKind,
    Stats,
)
from closte_bridge.worker_pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from closte_bridge.secret import Secret

LIST_LIMIT = 32 * 1024 * 1024
ANSWER_LIMIT = 64 * 1024
"""Maximum size of a response in bytes, both compressed and uncompressed."""

DEFAULT_CONCURRENCY = 4
_PATHS: dict[Action, str] = {Action.ADD: "/adddomainalias", Action.REMOVE: "/deletedomainalias"}
_STOPPED = "Not sent: the run was stopped."
_OUT_OF_TIME = "Not sent: the time limit of the run was reached."
_FIRST_WAIT = 0.25
_LONGEST_WAIT = 8.0

PATIENCE = 120.0
"""Seconds without a usable response after which a run ends. The next run does the rest."""

# Shares of the patience. A list that hangs leaves time for changes, and a list after changes gets a minimum.
_FOR_A_LIST, _AT_LEAST = 5 / 8, 1 / 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Answer(Generic[T]):
    """The result of all attempts. `reached` is False if no HTTP response arrived."""

    value: T
    again: bool
    attempts: int
    reached: bool
    retry_after: float | None


class ClosteClient:
    """Client for the API of one application. A context manager; thread-safe.

    `timeout` holds the seconds for a connection and for a whole response. `concurrency` limits the requests that `run`
    sends in parallel, `rate_limit` is in requests per second, and `retries` limits the repeats of one request.
    `longest_pause` is the longest `Retry-After`, in seconds, that the client waits for. `patience` limits the seconds
    without a usable response. `ca_bundle` is a PEM file with the roots to trust instead of the usual ones. `sleep` and
    `clock` are for tests.

    Raises only ConfigError, if the URL, the key or the bundle cannot be used. No method raises for an API failure.
    """

    def __init__(  # noqa: PLR0913 - options by keyword, each with a default
        self,
        api_url: str,
        key: Secret,
        *,
        timeout: tuple[float, float] = (5.0, 45.0),
        concurrency: int = DEFAULT_CONCURRENCY,
        rate_limit: float = DEFAULT_RATE,
        retries: int = 4,
        longest_pause: float = LONGEST_PAUSE,
        patience: float = PATIENCE,
        ca_bundle: Path | None = None,
        sleep: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not key.reveal().strip():
            hint = "Copy the API key again from Closte's dashboard."
            raise ConfigError("The API key is empty.", code="key-empty", hint=hint)
        if concurrency < 1 or not rate_limit > 0 or retries < 0:
            raise ConfigError(
                "`concurrency` and `rate_limit` must be positive; retries must not be negative.",
                code="config-invalid",
                hint="Set `concurrency` and `rate_limit` in the config.",
            )
        self._transport = Transport(api_url, timeout=timeout, pool_size=concurrency, ca_bundle=ca_bundle)
        self._key = key
        self._clean = Redactor(key)
        self._concurrency = concurrency
        self._retries = retries
        self._sleep = sleep
        self._clock = clock
        self._stopping = Flag()
        self._patience = Patience(patience, clock=clock)
        self._pacer = RateLimiter(rate_limit, wait=self._pause, longest_pause=longest_pause, clock=clock)
        self._stats = Stats()
        self._lock = threading.Lock()

    def __enter__(self) -> ClosteClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections and send nothing more: an abandoned request for a list is not repeated."""
        self._stopping.set()
        self._transport.close()

    def record_shapes(self) -> list[dict[str, Any]]:
        """Return a list that gets the shape of each answer from now on: `request`, `status` and `shape`."""
        shapes: list[dict[str, Any]] = []

        def record(request: str, reply: HttpReply) -> None:
            shape = shape_of(reply.body, lambda name: self._clean(name) == name)
            shapes.append({"request": request, "status": reply.status, "shape": shape})

        self._transport.on_reply = record
        return shapes

    @property
    def stats(self) -> Stats:
        """A copy of the counters."""
        with self._lock:
            return replace(self._stats, slowed=self._pacer.slowed, seconds=self._patience.spent)

    def list_aliases(self) -> Listing:
        """Return Closte's list and its completeness."""

        def send(within: float) -> HttpReply:
            return self._transport.get("/getdomains", {"apikey": self._key.reveal()}, LIST_LIMIT, within)

        listing = self._ask(send, self._read_list, self._for_one(_FOR_A_LIST)).value
        return self._with_key_tested(listing) if listing.key_rejected else listing

    def _with_key_tested(self, listing: Listing) -> Listing:
        """Return `listing` with `key_rejected` only if Closte also rejects the key for a change."""
        test = self.test_connection()
        if test.sent and not test.ok:
            return listing
        tested = "Closte accepts the API key for changes" if test.ok else "The API key could not be tested"
        reason = f"{listing.reason} {tested}: a firewall may block the request for the list."
        return replace(listing, key_rejected=False, reason=reason)

    def test_connection(self) -> ConnectionTest:
        """Test the connection with a request to add the empty domain. With a valid key, the response is known.

        Nothing changes on Closte. Ultimate Multisite tests its connection in the same way.
        """
        answer = self._ask(lambda within: self._post(Action.ADD, "", within), self._read_test, self._for_one(1.0))
        return replace(answer.value, sent=answer.attempts > 0)

    def run(
        self,
        changes: Iterable[tuple[Action, str]],
        on_outcome: Callable[[Action, str, Outcome], None],
        should_stop: Callable[[], bool] = lambda: False,
        *,
        begin_within: float = math.inf,
    ) -> str:
        """Make the changes, at most `concurrency` in parallel, and report each outcome as it arrives.

        The calling thread iterates `changes` and calls both functions. It takes a change just before sending it. Once
        `should_stop` returns True, it takes no more, and requests in flight end without further repeats. Nothing is
        sent or repeated later than `begin_within` seconds from now: the basis of the changes may be outdated by then.

        Returns the reason for an early end (a sentence), or an empty string. It ends early if `should_stop` returns
        True, if Closte asks for a pause that is too long to wait for, or without a usable response for too long.
        """
        self._stopping.clear()
        streak, why, asked = 0, "", False
        begin_by = self._clock() + begin_within

        def to_begin() -> float:
            return begin_by - self._clock()

        def on_result(change: tuple[Action, str], answer: _Answer[Outcome]) -> None:
            nonlocal streak
            if answer.value.attempts:
                # Treat gateway errors like timeouts: retrying each would take hours.
                streak = streak + 1 if answer.again or not answer.reached else 0
            on_outcome(*change, answer.value)

        def over() -> bool:
            # Keep the first reason: a request in flight may still succeed.
            nonlocal why, asked
            why = why or self._why_over(streak, to_begin())
            asked = asked or should_stop()
            return bool(why) or asked or to_begin() <= 0

        workers = WorkerPool[tuple[Action, str], _Answer[Outcome]](
            lambda change: self._change(*change, to_begin=to_begin),
            size=self._concurrency,
            should_stop=over,
            stopping=self._stopping,
        )
        workers.run(changes, on_result)
        # The worker pool has stopped: the flag must not block later calls.
        self._stopping.clear()
        return why or ("The run was stopped." if asked else "")

    def _why_over(self, streak: int, to_begin: float) -> str:
        """Return why to send nothing more, or "". `streak` counts changes in a row without a usable response."""
        left = self._patience.left
        if (pause := self._pacer.closed_for) > 0 or (pause := self._pacer.held_for) > max(0.0, min(left, to_begin)):
            return f"Closte is rate-limiting requests (retry after {pause:.0f} s)."
        if streak >= max(5, 2 * self._concurrency):
            return f"Closte was unreachable or returned unusable responses {streak} times in a row."
        if left <= 0:
            return f"Closte returned no usable response for {self._patience.seconds:.0f} s."
        return ""

    def _for_one(self, share: float) -> Callable[[], float]:
        """Return a function for the seconds left of a call that may use at most this share of the patience."""
        patience = self._patience
        end = self._clock() + max(_AT_LEAST * patience.seconds, min(share * patience.seconds, patience.left))
        return lambda: end - self._clock()

    def _post(self, action: Action, domain: str, within: float) -> HttpReply:
        form = {
            "apikey": self._key.reveal(),
            "domain": domain,
            "wildcard": "1" if domain.startswith("*.") else "0",
        }
        return self._transport.post(_PATHS[action], form, ANSWER_LIMIT, within)

    def _change(
        self, action: Action, domain: str, to_begin: Callable[[], float] = lambda: math.inf
    ) -> _Answer[Outcome]:
        in_doubt = False

        def assess(reply: HttpReply) -> tuple[ResponseVerdict, bool]:
            nonlocal in_doubt
            verdict = self._classify(action, domain, reply)
            unlikely = verdict.kind is OutcomeKind.FAILED or (
                verdict.kind is OutcomeKind.REFUSED and action is Action.REMOVE
            )
            if verdict.kind is OutcomeKind.UNCLEAR:
                in_doubt = True
            elif in_doubt and unlikely:
                # An earlier attempt may have made the change, and this error may mean "already done".
                verdict = replace(verdict, kind=OutcomeKind.UNCLEAR)
            return verdict, verdict.again

        def send(within: float) -> HttpReply:
            return self._post(action, domain, within)

        answer = self._ask(send, assess, lambda: self._patience.left, to_begin)
        verdict = answer.value
        # A rejected key counts even after unclear attempts: it concerns all other domains too.
        in_doubt = in_doubt and verdict.kind is OutcomeKind.KEY_REJECTED
        outcome = Outcome(verdict.kind, verdict.message, answer.attempts, answer.retry_after, in_doubt)
        return _Answer(outcome, answer.again, answer.attempts, answer.reached, answer.retry_after)

    def _classify(self, action: Action, domain: str, reply: HttpReply) -> ResponseVerdict:
        if reply.trouble:
            kind = OutcomeKind.UNCLEAR if reply.sent else OutcomeKind.FAILED
            return ResponseVerdict(kind, self._clean(reply.trouble), reply.again)
        return interpret(action, domain, reply.status, reply.body, self._clean)

    def _read_list(self, reply: HttpReply) -> tuple[Listing, bool]:
        document = None if reply.trouble else decode(reply.body)
        if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES and document is not None:
            listing = read_listing(document, self._clean)
            if reply.status == HTTPStatus.PARTIAL_CONTENT and listing.state is Completeness.COMPLETE:
                reason = "Closte returned only a part of it (HTTP 206)"
                listing = replace(listing, state=Completeness.PARTIAL, reason=reason)
            if listing.state is not Completeness.UNREADABLE:
                return listing, False
            # Classify errors with the same rules as for changes.
            rejected = self._classify(Action.ADD, "", reply).kind is OutcomeKind.KEY_REJECTED
            return replace(listing, key_rejected=rejected), False
        verdict = self._classify(Action.ADD, "", reply)
        rejected = verdict.kind is OutcomeKind.KEY_REJECTED
        return Listing(Completeness.UNREADABLE, verdict.message, key_rejected=rejected), verdict.again

    def _read_test(self, reply: HttpReply) -> tuple[ConnectionTest, bool]:
        document = None if reply.trouble else decode(reply.body)
        if document is not None and succeeded(document) is False:
            error = error_text(document)
            if error.strip() == INVALID_DOMAIN:
                return ConnectionTest(ConnectionState.OK, "Closte accepted the API key."), False
        verdict = self._classify(Action.ADD, "", reply)
        if verdict.kind is OutcomeKind.KEY_REJECTED:
            return ConnectionTest(ConnectionState.KEY_REJECTED, verdict.message), False
        if reply.trouble or verdict.kind is OutcomeKind.UNCLEAR or verdict.again:
            return ConnectionTest(ConnectionState.UNREACHABLE, verdict.message), verdict.again
        advice = "This is not the response to a valid API key. Check the API key and `api_url`."
        return ConnectionTest(ConnectionState.UNEXPECTED, f"{verdict.message} {advice}"), False

    def _ask(
        self,
        send: Callable[[float], HttpReply],
        assess: Callable[[HttpReply], tuple[T, bool]],
        left: Callable[[], float],
        to_begin: Callable[[], float] = lambda: math.inf,
    ) -> _Answer[T]:
        """Send a request at the rate limit. Repeat it with growing, random pauses if that may help and time is `left`.

        No attempt begins once no time is left `to_begin`.
        """
        last: _Answer[T] | None = None

        def to_wait() -> float:
            return min(left(), to_begin())

        with self._patience.call():
            while last is None or (last.again and last.attempts <= self._retries and not self._stopping.is_set()):
                if last is not None:
                    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (last.attempts - 1))
                    self._pause(max(0.0, min(random.uniform(0, longest), to_wait())))  # noqa: S311 - no secret
                wave = self._pacer.acquire(to_wait()) if not self._stopping.is_set() else None
                within = left()
                if wave is None or to_wait() <= 0:
                    return replace(last, again=False) if last is not None else self._unsent(assess)
                reply = self._sent(send, within, wave, repeat=last is not None)
                value, again = assess(reply)
                if not again and not reply.trouble:
                    self._patience.start_over()
                closed = self._pacer.closed_for
                attempts, reached = (last.attempts, last.reached) if last is not None else (0, False)
                last = _Answer(
                    value, again and not closed, attempts + 1, reached or not reply.trouble, closed or reply.retry_after
                )
        return last

    def _unsent(self, assess: Callable[[HttpReply], tuple[T, bool]]) -> _Answer[T]:
        pause = self._pacer.closed_for or None
        trouble = _STOPPED if self._stopping.is_set() else _OUT_OF_TIME
        trouble = f"Not sent: Closte is rate-limiting requests (retry after {pause:.0f} s)." if pause else trouble
        value, _ = assess(HttpReply(trouble=trouble, sent=False))
        return _Answer(value, again=False, attempts=0, reached=False, retry_after=pause)

    def _sent(self, send: Callable[[float], HttpReply], within: float, wave: int, *, repeat: bool) -> HttpReply:
        with self._lock:
            self._stats.calls += 1
            self._stats.retries += repeat
        reply = send(within)
        if reply.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            self._pacer.slow_down(wave, reply.retry_after)
        elif not reply.trouble:
            self._pacer.speed_up()
        return reply

    def _pause(self, seconds: float) -> bool:
        """Sleep, and return whether the run must stop. A stop also ends the sleep."""
        if self._sleep is None:
            return self._stopping.wait(seconds) if seconds > 0 else self._stopping.is_set()
        self._sleep(seconds)
        return self._stopping.is_set()
