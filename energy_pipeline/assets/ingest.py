"""What every raw asset does: ask window by window, count what came, retry only what may pass."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from energy_pipeline.partitions import day_start, nem_date
from energy_pipeline.settings import SettingsError
from energy_pipeline.sources.errors import (
    SourceRejected,
    SourceThrottled,
    SourceUnavailable,
    WindowTooLarge,
)
from energy_pipeline.sources.parsed import Parsed
from energy_pipeline.warehouse.errors import WarehouseBusy, WarehouseDamaged

log = logging.getLogger("energy.ingest")

MAX_RETRIES = 3
FIRST_RETRY_SECONDS = 15.0
LONGEST_WAIT_SECONDS = 900.0
"""A quota that resets later than this is an error to be seen, not to be slept through. [s]"""


@dataclass(slots=True)
class Tally:
    """What a raw asset did, added up over its windows."""

    row_count: int = 0
    changed_count: int = 0
    rejects: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    requests_left: int | None = None
    waited_seconds: float = 0.0

    def add(self, parsed: Parsed, changed: int) -> None:
        """Count one answer."""
        self.row_count += len(parsed.rows)
        self.changed_count += changed
        self.rejects += [f"element {r.index}: {r.reason}" for r in parsed.rejects]
        self.notices += [f"element {n.index}: {n.reason}" for n in parsed.notices]

    def metadata(self, newest: datetime | None) -> dict[str, Any]:
        """Say it in Dagster's words."""
        return {
            "dagster/row_count": dg.MetadataValue.int(self.row_count),
            "changed_rows": dg.MetadataValue.int(self.changed_count),
            "rejected_rows": dg.MetadataValue.int(len(self.rejects)),
            "newest_interval": dg.MetadataValue.text(newest.isoformat() if newest else "none"),
            "rate_limit_left": dg.MetadataValue.text(
                "not told" if self.requests_left is None else str(self.requests_left)
            ),
            "waited_seconds": dg.MetadataValue.float(round(self.waited_seconds, 1)),
        }

    def understood(self) -> dg.AssetCheckResult:
        """Report the check `every_row_was_understood`."""
        return dg.AssetCheckResult(
            check_name="every_row_was_understood",
            passed=not self.rejects,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "rejected": len(self.rejects),
                "first": "; ".join(self.rejects[:10]) or "none",
                "changed_on_reading": "; ".join(self.notices[:10]) or "none",
            },
        )


def partition_days(context: dg.AssetExecutionContext, today: date) -> list[date]:
    """Return the NEM days this run is for, ascending; days that have not begun are left out."""
    days = sorted(date.fromisoformat(key) for key in context.partition_keys)
    return [day for day in days if day <= today]


def windows(days: list[date], longest: int) -> list[tuple[date, date]]:
    """Cut days into unbroken windows (first, last) of at most `longest` days."""
    result: list[tuple[date, date]] = []
    for day in days:
        if result and day == result[-1][1] + timedelta(days=1):
            first, last = result[-1]
            if (last - first).days + 1 < longest:
                result[-1] = (first, day)
                continue
        result.append((day, day))
    return result


def ask_in_windows(
    context: dg.AssetExecutionContext,
    days: list[date],
    longest: int,
    ask: Callable[[date, date], float],
    tally: Tally,
) -> None:
    """Ask for the days window by window, halving what is too large and waiting out the quota.

    Parameters
    ----------
    ask
        Fetches and stores the days first..last; returns how long to pause after it. [s]
    """
    for first, last in windows(days, longest):
        pause = _asked_in_halves(context, first, last, ask, tally)
        if pause > 0 and last != days[-1]:
            _wait(context, pause, tally)


def _asked_in_halves(
    context: dg.AssetExecutionContext,
    first: date,
    last: date,
    ask: Callable[[date, date], float],
    tally: Tally,
) -> float:
    try:
        return _asked(context, first, last, ask, tally)
    except WindowTooLarge:
        if first == last:
            raise
    context.log.warning(f"{first} to {last} is too large for one request: halved")
    middle = first + (last - first) // 2
    pause = _asked_in_halves(context, first, middle, ask, tally)
    if pause > 0:
        _wait(context, pause, tally)
    return _asked_in_halves(context, middle + timedelta(days=1), last, ask, tally)


def _asked(
    context: dg.AssetExecutionContext,
    first: date,
    last: date,
    ask: Callable[[date, date], float],
    tally: Tally,
) -> float:
    while True:
        try:
            return ask(first, last)
        except SourceThrottled as exc:
            if tally.waited_seconds + exc.retry_after_seconds > LONGEST_WAIT_SECONDS:
                raise
            _wait(context, exc.retry_after_seconds, tally)


def _wait(context: dg.AssetExecutionContext, seconds: float, tally: Tally) -> None:
    _say(context, f"the supplier's quota is used up: waiting {seconds:.0f} s for the next")
    tally.waited_seconds += seconds
    time.sleep(seconds)


def _say(context: dg.AssetExecutionContext, sentence: str) -> None:
    """Tell both who reads the run in Dagster and who waits at a terminal."""
    context.log.warning(sentence)
    log.warning(sentence)


@contextmanager
def retried_if_transient(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Turn our errors into Dagster's: transient ones are retried, permanent ones never."""
    try:
        yield
    except (SourceRejected, SettingsError, WarehouseDamaged) as exc:
        raise dg.Failure(str(exc), allow_retries=False) from None
    except (SourceUnavailable, WarehouseBusy) as exc:
        if context.retry_number >= MAX_RETRIES:
            raise dg.Failure(f"given up after {MAX_RETRIES} retries: {exc}") from None
        wait = FIRST_RETRY_SECONDS * 2**context.retry_number
        _say(context, f"{exc}; next attempt in {wait:.0f} s")
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=wait) from None


def expected_minutes(day: date, now: datetime) -> int:
    """Minutes of a NEM day that lie in intervals that have begun."""
    end = min(day_start(day + timedelta(days=1)), _next_boundary(now))
    return max(0, int((end - day_start(day)).total_seconds() // 60))


def _next_boundary(now: datetime) -> datetime:
    seconds = int(now.timestamp()) // 300 * 300 + 300
    return datetime.fromtimestamp(seconds, UTC)


def now_utc() -> datetime:
    """The instant this run speaks of."""
    return datetime.now(UTC)


def today() -> date:
    """The NEM day that is running."""
    return nem_date(now_utc())
