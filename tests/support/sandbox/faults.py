"""Deterministic fault selection from a seeded random generator."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from closte_bridge.sandbox.api import Call


class FaultKind(Enum):
    """Kind of a fault, or of an unusual response."""

    SLOW = "slow"
    ERROR_500 = "error500"
    TOO_MANY = "429"
    UNAVAILABLE = "503"
    RESET = "reset"
    """Nothing is done, and the connection is reset."""
    LOST = "lost"
    """The change is made, then the connection is reset."""
    GARBAGE = "garbage"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    """The change is made, and the response breaks off in the middle."""
    DRIP = "drip"
    """The change is made, and the response comes byte by byte."""
    HUGE = "huge"
    REDIRECT = "redirect"
    UNKNOWN_ERROR = "unknown-error"
    LIST_HIDDEN = "list-hidden"
    LIST_PAGED = "list-truncated"
    """The list is truncated, and the response contains its full length."""
    LIST_SHRUNK = "list-shrunk"
    """A part of the list is missing without any notice."""
    LIST_NO_OWN = "list-no-own"
    LIST_EMPTY = "list-empty"
    LIST_STRINGS = "list-strings"
    LIST_OBJECTS = "list-objects"
    LIST_DICT = "list-dict"
    LIST_NESTED = "list-nested"
    LIST_UNKNOWN = "list-unknown"
    MIXED = "mixed"
    """Each time, a random fault that fits the call."""

    @property
    def only_lists(self) -> bool:
        """Return whether the fault makes sense only for the list."""
        return self.value.startswith("list-")


# Excluded from "mixed": the plain format is no fault, and a huge response takes seconds.
_NOT_MIXED = frozenset({FaultKind.MIXED, FaultKind.LIST_STRINGS, FaultKind.HUGE})


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and its conditions.

    `probability` is from 0 to 1, `times` limits how often it occurs (None: no limit), `domain` is the only domain that
    it affects (empty: all domains).
    """

    kind: FaultKind
    probability: float = 1.0
    times: int | None = None
    domain: str = ""

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `KIND[:PROBABILITY[:TIMES]][@DOMAIN]`. Raises ConfigError."""
        spec, _, domain = text.partition("@")
        kind, *numbers = spec.split(":")
        try:
            probability = float(numbers[0]) if numbers and numbers[0] else 1.0
            times = int(numbers[1]) if numbers[1:] else None
            fault = cls(FaultKind(kind), probability, times, domain.lower())
        except ValueError:
            fault = None
        if fault is None or not 0 <= fault.probability <= 1 or numbers[2:] or (times is not None and times < 0):
            known = ", ".join(sorted(kind.value for kind in FaultKind))
            raise ConfigError(
                f'The fault "{text}" does not have the form KIND[:PROBABILITY[:TIMES]][@DOMAIN].',
                code="usage",
                hint=f"Use a probability from 0 to 1 and one of these kinds: {known}.",
            )
        return fault

    def __str__(self) -> str:
        times = f":{self.times}" if self.times is not None else ""
        domain = f"@{self.domain}" if self.domain else ""
        return f"{self.kind.value}:{self.probability:g}{times}{domain}"

    def fits(self, call: Call, domain: str) -> bool:
        """Return whether the fault can affect this call."""
        if self.times == 0 or (self.domain and self.domain != domain):
            return False
        return call == "list" or not self.kind.only_lists


class FaultPicker:
    """Selects faults. The same seed, faults and calls give the same selection. Not thread-safe."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int | None = None) -> None:
        self._faults = list(faults)
        self._random = random.Random(seed)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that may still occur."""
        return tuple(self._faults)

    def pick(self, call: Call, domain: str = "") -> FaultKind | None:
        """Return the fault for this call: the first one, in the given order, that occurs."""
        for at, fault in enumerate(self._faults):
            if not fault.fits(call, domain) or self._random.random() >= fault.probability:
                continue
            if fault.times is not None:
                self._faults[at] = replace(fault, times=fault.times - 1)
            return self._mixed(call) if fault.kind is FaultKind.MIXED else fault.kind
        return None

    def sample(self, names: list[str], fraction: float) -> list[str]:
        """Return `names` without a random `fraction` of them, at least one, in the same order."""
        missing = set(self._random.sample(range(len(names)), min(len(names), max(1, int(len(names) * fraction)))))
        return [name for at, name in enumerate(names) if at not in missing]

    def _mixed(self, call: Call) -> FaultKind:
        kinds = [kind for kind in FaultKind if kind not in _NOT_MIXED and (call == "list" or not kind.only_lists)]
        return self._random.choice(kinds)
