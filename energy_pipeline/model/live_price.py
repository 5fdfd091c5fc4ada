"""What power costs now and next, from price rows of mixed class and duration.

Holds the one rule for which row counts at a moment, and the one rule for when a price is too old
to be called current. The clock is an argument.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal

GRID = timedelta(minutes=5)  # settlement, and the beat at which a supplier has something new
MISSED_INTERVALS_UNTIL_STALE = 2
CLOCK_TOLERANCE = timedelta(minutes=2)

PriceClass = Literal["actual", "locked", "estimate", "forecast"]
_CLASS_RANK: dict[PriceClass, int] = {"forecast": 0, "estimate": 1, "locked": 2, "actual": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceInterval:
    """One price row. Half-open [interval_start, interval_end), UTC; prices in c/kWh incl. GST."""

    interval_start: datetime
    duration_minutes: int
    price_class: PriceClass
    import_c_per_kwh: float | None
    feed_in_c_per_kwh: float | None  # positive: the household is paid
    fetched_at: datetime
    import_low_c_per_kwh: float | None = None
    import_high_c_per_kwh: float | None = None
    spot_c_per_kwh: float | None = None
    renewables_percent: float | None = None
    spike_status: str | None = None
    descriptor: str | None = None
    demand_window: bool | None = None

    @property
    def interval_end(self) -> datetime:
        return self.interval_start + timedelta(minutes=self.duration_minutes)

    @property
    def is_confirmed(self) -> bool:
        return self.price_class in ("actual", "locked")

    @property
    def is_observed(self) -> bool:
        """Said by the supplier about its own interval, not foretold before it began."""
        return self.price_class != "forecast"


@dataclass(frozen=True, slots=True)
class PriceSpan:
    """The part [start, end) of an interval for which that row is the one that counts."""

    start: datetime
    end: datetime
    price: PriceInterval


def floor_to_grid(instant: datetime) -> datetime:
    """Start of the 5-minute interval that holds `instant`."""
    seconds = int(instant.timestamp())
    return datetime.fromtimestamp(seconds - seconds % int(GRID.total_seconds()), UTC)


def price_spans(prices: Iterable[PriceInterval]) -> tuple[PriceSpan, ...]:
    """Turn overlapping rows into one ascending sequence without overlaps; gaps stay gaps.

    Where rows overlap, the higher class counts (actual > locked > estimate > forecast), then the
    shorter duration, then the later fetch. A row without a price counts only where no other does.
    """

    def rank(price: PriceInterval) -> tuple[bool, int, int, datetime]:
        known = price.import_c_per_kwh is not None
        return known, _CLASS_RANK[price.price_class], -price.duration_minutes, price.fetched_at

    slots: dict[datetime, PriceInterval] = {}
    for price in sorted(prices, key=rank):  # the better row is painted over the worse
        first = floor_to_grid(price.interval_start)
        for step in range(price.duration_minutes // 5):
            slots[first + step * GRID] = price
    spans: list[PriceSpan] = []
    for start in sorted(slots):
        price = slots[start]
        if spans and spans[-1].price is price and spans[-1].end == start:
            spans[-1] = replace(spans[-1], end=start + GRID)
        else:
            spans.append(PriceSpan(start, start + GRID, price))
    return tuple(spans)


class PriceStatus(StrEnum):
    """How far the price now can be trusted."""

    CONFIRMED = "confirmed"
    ESTIMATE = "estimate"
    FORECAST = "forecast"  # the supplier has not yet spoken of this interval
    STALE = "stale"
    CLOCK_WRONG = "clock_wrong"
    NONE = "none"  # no price was ever read


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePrice:
    """The price now, or why there is none. `span` is None unless it may be shown as current."""

    status: PriceStatus
    span: PriceSpan | None
    missed_intervals: int
    newest_fetch: datetime | None
    no_price_since: datetime | None  # when stale: the last fetch, or the end of the last price
    last_confirmed: PriceInterval | None  # newest confirmed price of an earlier interval

    @property
    def is_stale(self) -> bool:
        return self.span is None


def live_price(
    spans: Sequence[PriceSpan], now: datetime, last_answer: datetime | None = None
) -> LivePrice:
    """Pick the price that counts at `now`, and say how far it can be trusted.

    A price is stale when two whole 5-minute intervals have passed in which the supplier said
    nothing (no fetch, or fetches that hold no observed price). Until then an earlier forecast of
    the running interval is shown, named as forecast. A newest fetch that lies more than two
    minutes ahead of `now` means that the clock, and so the choice of interval, cannot be trusted.

    Parameters
    ----------
    spans : sequence of PriceSpan
        From `price_spans`: ascending, without overlaps.
    now : datetime
        Timezone-aware.
    last_answer : datetime or None
        When the supplier last answered, where that is known apart from the rows: an answer that
        repeats an unchanged price leaves no younger row.
    """
    fetches = [span.price.fetched_at for span in spans]
    if fetches and last_answer is not None:
        fetches.append(last_answer)
    newest_fetch = max(fetches, default=None)
    past = [span for span in spans if span.start <= now and span.price.import_c_per_kwh is not None]
    current = past[-1] if past and now < past[-1].end else None
    last_confirmed = next(
        (span.price for span in reversed(past) if span is not current and span.price.is_confirmed),
        None,
    )
    missed = 0
    if newest_fetch is not None:
        missed = (floor_to_grid(now) - floor_to_grid(newest_fetch)) // GRID - 1
    newest_observed = next((span for span in reversed(past) if span.price.is_observed), None)
    if newest_observed is not None:
        missed = max(missed, (floor_to_grid(now) - newest_observed.end) // GRID)
    missed = max(missed, 0)
    since = newest_fetch
    if since is not None and newest_observed is not None:
        since = min(since, newest_observed.end)

    if newest_fetch is None:
        status = PriceStatus.NONE
    elif newest_fetch > now + CLOCK_TOLERANCE:
        status = PriceStatus.CLOCK_WRONG
    elif current is None or missed >= MISSED_INTERVALS_UNTIL_STALE:
        status = PriceStatus.STALE
    elif current.price.is_confirmed:
        status = PriceStatus.CONFIRMED
    else:
        status = PriceStatus(current.price.price_class)
    trusted = status in (PriceStatus.CONFIRMED, PriceStatus.ESTIMATE, PriceStatus.FORECAST)
    return LivePrice(
        status=status,
        span=current if trusted else None,
        missed_intervals=missed,
        newest_fetch=newest_fetch,
        no_price_since=since if status is PriceStatus.STALE else None,
        last_confirmed=last_confirmed,
    )
