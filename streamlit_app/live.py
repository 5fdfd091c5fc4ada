"""What one snapshot says at one moment: the facts that the fridge page and the API both tell.

No words for people beyond reasons, no HTML, no JSON.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from energy_pipeline.model.best_start import BestStart, NoStart, best_start
from energy_pipeline.model.live_cost import (
    DayTotal,
    LoadNow,
    LoadUnknown,
    cost_aud_per_hour,
    load_now,
    sum_days,
)
from energy_pipeline.model.live_price import (
    GRID,
    LivePrice,
    PriceSpan,
    PriceStatus,
    floor_to_grid,
    live_price,
)
from energy_pipeline.model.price_level import PriceLevel
from streamlit_app import words
from streamlit_app.data import Snapshot, SourceState

START_WITHIN = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """A run of constant power."""

    name: str
    duration_hours: float
    energy_kwh: float


# A normal programme of a full-size dishwasher.
DISHWASHER = Appliance(name="Dishwasher", duration_hours=2.0, energy_kwh=1.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Everything known at `now`. What is None is unknown; `price.status` says why."""

    snapshot: Snapshot
    now: datetime
    price: LivePrice
    level: PriceLevel | None
    level_until: datetime | None  # end of the known stretch with this level
    next_level: PriceLevel | None  # level after that; None where nothing is known
    load: LoadNow | LoadUnknown
    cost_aud_per_hour: float | None
    coming: tuple[tuple[PriceSpan, PriceLevel | None], ...]  # now and later
    appliance: Appliance
    best: BestStart | NoStart
    today: DayTotal | None
    today_elapsed_count: int  # 5-minute intervals of today that are over
    month: DayTotal | None
    month_elapsed_count: int

    @property
    def local_now(self) -> datetime:
        return self.snapshot.local(self.now)

    @property
    def no_price_reason(self) -> str | None:
        """Why there is no current price, in one sentence; None when there is one."""
        if self.price.status is PriceStatus.NONE:
            return "Waiting for the first price."
        if self.price.status is PriceStatus.CLOCK_WRONG and self.price.newest_fetch is not None:
            fetched = self.snapshot.local(self.price.newest_fetch)
            return (
                f"The clock is wrong: it says {words.clock(self.local_now)}, but the newest price"
                f" was fetched at {words.clock_and_day(fetched, self.local_now)}."
            )
        if self.price.status is PriceStatus.STALE and self.price.no_price_since is not None:
            since = self.snapshot.local(self.price.no_price_since)
            return f"No new price since {words.clock_and_day(since, self.local_now)}."
        return None

    @property
    def troubles(self) -> tuple[SourceState, ...]:
        """Sources with something to say, the gravest first; one that is well may have a remark."""
        order = ("key_rejected", "down", "throttled", "stale", "ok")
        ill = [s for s in self.snapshot.states if s.state in order and s.message]
        return tuple(sorted(ill, key=lambda state: (order.index(state.state), state.source)))


def live(snapshot: Snapshot, now: datetime) -> Live:
    """Look at a snapshot at `now`. [UTC]"""
    price = live_price(snapshot.spans, now, snapshot.last_price_answer)
    coming: tuple[tuple[PriceSpan, PriceLevel | None], ...] = ()
    if not price.is_stale:
        rated = zip(snapshot.spans, snapshot.levels, strict=True)
        coming = tuple((span, level) for span, level in rated if span.end > now)
    level = coming[0][1] if coming else None
    level_until, next_level = _until(coming)

    local_now = snapshot.local(now)
    load = load_now(snapshot.power, snapshot.typical, now, local_now)
    cost = None
    if isinstance(load, LoadNow) and price.span is not None:
        import_c_per_kwh = price.span.price.import_c_per_kwh
        if import_c_per_kwh is not None:
            cost = cost_aud_per_hour(load.import_kw, import_c_per_kwh)

    # A person starts a machine on a whole five minutes; the run from now starts with this one.
    start_now = max(floor_to_grid(now), coming[0][0].start) if coming else now
    best = best_start(
        [(span.start, span.end, span.price.import_c_per_kwh) for span, _ in coming],
        DISHWASHER.duration_hours,
        start_now,
        start_now + START_WITHIN,
    )
    midnight = local_now.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    elapsed = max((now - midnight) // GRID, 0)
    days = [day for day in snapshot.days if day.first_date <= local_now.date()]
    today = next((day for day in days if day.first_date == local_now.date()), None)
    this_month = local_now.date().replace(day=1)
    so_far = [
        replace(day, interval_count=elapsed) if day is today else day
        for day in days
        if day.first_date >= this_month
    ]
    month = sum_days(so_far)
    return Live(
        snapshot=snapshot,
        now=now,
        price=price,
        level=level,
        level_until=level_until,
        next_level=next_level,
        load=load,
        cost_aud_per_hour=cost,
        coming=coming,
        appliance=DISHWASHER,
        best=best,
        today=today,
        today_elapsed_count=elapsed,
        month=month,
        month_elapsed_count=month.interval_count if month else 0,
    )


def _until(
    coming: tuple[tuple[PriceSpan, PriceLevel | None], ...],
) -> tuple[datetime | None, PriceLevel | None]:
    """Where the level of the first span ends, and what follows without a gap."""
    until = None
    for span, level in coming:
        if until is not None and (span.start != until or level is None):
            return until, None
        if level is not coming[0][1]:
            return until, level
        until = span.end
    return until, None
