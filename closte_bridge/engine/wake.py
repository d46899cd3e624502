"""Check wake-ups: signed requests of the shim that say that there is a new event.

A valid one touches the trigger file of its network, so any number of them waits as one mark. Nothing in a request
becomes a command, a path or a domain: it only selects the network by what identifies its secret.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from collections import Counter, deque
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.engine.loop import TRIGGER_FILE, touch
from closte_bridge.engine.web import shim_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from closte_bridge.config.model import Settings
    from closte_bridge.secret import Secret

LONGEST = 1024
"""Bytes of a body. The shim sends about 60."""
SKEW = 300.0
"""Accepted difference of the clocks, in seconds."""
# Signed requests of a network that are remembered against replays. More than about one a second are refused, and the
# pulse finds their events.
_MOST_NONCES = 600
# Seconds between two reads of all secrets, of which one may have been replaced.
_READ_AFTER = 10.0
_HEADER = re.compile(r"1 (\d{1,12}) ([0-9a-f]{32}) ([0-9a-f]{64}) ([0-9a-f]{16})")


class WakeResult(StrEnum):
    """What became of a request. All but the first two are refusals."""

    ACCEPTED = "accepted"
    TEST = "test"
    MALFORMED = "malformed"
    UNSIGNED = "unsigned"
    CLOCK = "clock"
    REPLAYED = "replayed"
    TOO_MANY = "too-many"


class WakeAnswer(NamedTuple):
    """The result for a request; `signature` proves to the shim that this listener knows its secret."""

    result: WakeResult
    status: int
    body: bytes
    signature: str = ""


_STATUS = {
    WakeResult.ACCEPTED: 202,
    WakeResult.TEST: 200,
    WakeResult.MALFORMED: 400,
    WakeResult.UNSIGNED: 401,
    WakeResult.CLOCK: 401,
    WakeResult.REPLAYED: 401,
    WakeResult.TOO_MANY: 429,
}


class _Network:
    """A network that may be woken: its secret, and the requests that were used."""

    def __init__(self, settings: Settings, secret: Secret) -> None:
        self.settings = settings
        self.secret = secret
        self._nonces: dict[str, float] = {}
        self._order: deque[str] = deque()

    @property
    def trigger(self) -> Path:
        return self.settings.state_dir / TRIGGER_FILE

    def sign(self, *lines: str) -> str:
        text = "\n".join(lines).encode()
        return hmac.new(self.secret.reveal().encode(), text, hashlib.sha256).hexdigest()

    def first_use(self, nonce: str, now: float) -> WakeResult | None:
        """Note a nonce; return the refusal if it is known, or if too many must be remembered."""
        # A request may be signed five minutes in the future, and stays valid for five more.
        while self._order and self._nonces[self._order[0]] < now - 2 * SKEW - 1:
            del self._nonces[self._order.popleft()]
        if nonce in self._nonces:
            return WakeResult.REPLAYED
        if len(self._order) >= _MOST_NONCES:
            return WakeResult.TOO_MANY
        self._nonces[nonce] = now
        self._order.append(nonce)
        return None


class WakeGate:
    """Checks the wake-ups of some networks, from several threads. `counts` are the results so far."""

    def __init__(self, networks: Sequence[Settings], *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._settings = [*networks]
        self._known: dict[str, _Network] = {}
        self._read_at: float | None = None
        self.counts: Counter[str] = Counter({result.value: 0 for result in WakeResult})

    def use(self, networks: Sequence[Settings]) -> None:
        """Serve these networks from now on."""
        with self._lock:
            self._settings = [*networks]
            self._read()

    def count(self, result: WakeResult) -> WakeAnswer:
        """Count a request and return the answer without a signature."""
        with self._lock:
            self.counts[result.value] += 1
        return WakeAnswer(result, _STATUS[result], json.dumps({"code": result.value}).encode())

    def check_header(self, header: str) -> WakeAnswer | None:
        """Return the refusal of a request with this header, whatever its body is; None to read the body."""
        found = _HEADER.fullmatch(header)
        if not found:
            return self.count(WakeResult.MALFORMED if header else WakeResult.UNSIGNED)
        return None if self._network(found[4]) else self.count(WakeResult.UNSIGNED)

    def check(self, header: str, body: bytes) -> WakeAnswer:
        """Return the answer to a request, and touch the trigger file of its network if it is valid."""
        found = _HEADER.fullmatch(header)
        network = self._network(found[4]) if found else None
        if not found or network is None or len(body) > LONGEST:
            return self.count(WakeResult.UNSIGNED)
        at, nonce, signature, _ = found.groups()
        address = network.settings.wake_url or ""
        expected = network.sign("closte-bridge 1 wake", address, at, nonce, hashlib.sha256(body).hexdigest())
        if not address or not hmac.compare_digest(expected, signature):
            return self.count(WakeResult.UNSIGNED)
        answer = self.count(self._signed(network, float(at), nonce, body))
        lines = ("closte-bridge 1 answer", nonce, str(answer.status), hashlib.sha256(answer.body).hexdigest())
        return answer._replace(signature=network.sign(*lines))

    def _signed(self, network: _Network, at: float, nonce: str, body: bytes) -> WakeResult:
        now = self._now()
        if abs(now - at) > SKEW:
            return WakeResult.CLOCK
        with self._lock:
            refusal = network.first_use(nonce, now)
        if refusal:
            return refusal
        document = _document(body)
        if document is None:
            return WakeResult.MALFORMED
        if document.get("test") is True:
            return WakeResult.TEST
        touch(network.trigger)
        return WakeResult.ACCEPTED

    def _network(self, key: str) -> _Network | None:
        with self._lock:
            if key not in self._known and (self._read_at is None or abs(self._now() - self._read_at) >= _READ_AFTER):
                self._read()
            return self._known.get(key)

    def _read(self) -> None:
        """Read the secrets of all networks; what is remembered of an unchanged one stays."""
        self._read_at = self._now()
        known: dict[str, _Network] = {}
        for settings in self._settings:
            if secret := shim_secret(settings.state_dir):
                key = secret.fingerprint()
                known[key] = self._known.get(key) or _Network(settings, secret)
                known[key].settings = settings
        self._known = known


def _document(body: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    valid = isinstance(found, dict) and type(found.get("newest")) is int and isinstance(found.get("network"), str)
    return found if valid else None
