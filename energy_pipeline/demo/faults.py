"""Faults on command: which requests go wrong, how, and how often."""

import fnmatch
import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong on matching paths.

    `path_pattern` is a shell pattern (``*/usage``); without ``*``, ``?`` or ``[`` it fits every
    path that contains it. Where neither `status` nor `body` is given, the true answer is sent,
    late, cut short or by a wrong clock.
    """

    path_pattern: str
    status: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    truncate: bool = False  # half of the body, then the connection is closed
    clock_skew_seconds: float = 0.0  # of the Date header and of what is `now`
    times: int | None = None  # None: until cleared

    def __post_init__(self) -> None:
        if not self.path_pattern:
            raise ValueError("path_pattern must not be empty; '*' fits every path")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError(f"status must be 200 to 599, not {self.status}")
        if self.delay_seconds < 0:
            raise ValueError(f"delay_seconds must not be negative: {self.delay_seconds}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"times must be at least 1, or None for ever: {self.times}")

    def fits(self, path: str) -> bool:
        """Whether a request to `path` (without its query) goes wrong."""
        if any(mark in self.path_pattern for mark in "*?["):
            return fnmatch.fnmatchcase(path, self.path_pattern)
        return self.path_pattern in path


class FaultBook:
    """The faults now in force, the oldest first. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._faults: dict[int, Fault] = {}

    def add(self, fault: Fault) -> int:
        """Put a fault in force; the answer is its number."""
        with self._lock:
            number = next(self._numbers)
            self._faults[number] = fault
            return number

    def clear(self) -> None:
        """End every fault."""
        with self._lock:
            self._faults.clear()

    def take(self, path: str) -> Fault | None:
        """The oldest fault that fits, counted once; None where all is well."""
        with self._lock:
            for number, fault in self._faults.items():
                if not fault.fits(path):
                    continue
                if fault.times == 1:
                    del self._faults[number]
                elif fault.times is not None:
                    self._faults[number] = replace(fault, times=fault.times - 1)
                return fault
            return None
