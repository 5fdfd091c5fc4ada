"""What the house spends: per hour now, today so far, this month so far."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

# A reading older than this says nothing about what is switched on now.
LIVE_READING_MAX_AGE = timedelta(minutes=10)
METER_CLOCK_TOLERANCE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerReading:
    """Newest reading of a live source: mean import over the window that ended at measured_at."""

    source: str
    measured_at: datetime
    window_minutes: float
    import_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TypicalPower:
    """What the house usually draws in one half hour of the local clock."""

    is_weekend: bool
    half_hour_of_day: int
    import_kw: float
    day_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadNow:
    """What the house draws from the grid now. `reading` None: typical for this time of day."""

    import_kw: float
    reading: PowerReading | None


@dataclass(frozen=True, slots=True)
class LoadUnknown:
    """Nothing says what the house draws, and why."""

    reason: str


def load_now(
    readings: Iterable[PowerReading],
    typical: Iterable[TypicalPower],
    now: datetime,
    local_now: datetime,
) -> LoadNow | LoadUnknown:
    """Newest live reading of at most ten minutes; else the median of this half hour; else unknown.

    Parameters
    ----------
    readings : iterable of PowerReading
        Those measured more than two minutes ahead are left out: a clock is wrong.
    typical : iterable of TypicalPower
    now, local_now : datetime
        The same instant, in UTC and on the household's clock.
    """
    live = [
        reading
        for reading in readings
        if -METER_CLOCK_TOLERANCE <= now - reading.measured_at <= LIVE_READING_MAX_AGE
    ]
    if live:
        newest = max(live, key=lambda reading: reading.measured_at)
        return LoadNow(import_kw=newest.import_kw, reading=newest)
    key = (local_now.weekday() >= 5, local_now.hour * 2 + local_now.minute // 30)
    for row in typical:
        if (row.is_weekend, row.half_hour_of_day) == key:
            return LoadNow(import_kw=row.import_kw, reading=None)
    return LoadUnknown("No live meter, and no usage yet to say what is typical.")


def cost_aud_per_hour(import_kw: float, import_c_per_kwh: float) -> float:
    """What one hour at this load and price costs. [AUD/h]; negative: the household is paid."""
    return import_kw * import_c_per_kwh / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotal:
    """One local day, or several. Sums run over known intervals; None where nothing is known."""

    first_date: date
    last_date: date
    interval_count: int  # 5-minute intervals of the whole days
    priced_count: int
    used_count: int
    costed_count: int  # intervals that cost_aud covers
    import_kwh: float | None
    export_kwh: float | None
    import_cost_aud: float | None
    export_earning_aud: float | None
    cost_aud: float | None
    mean_import_c_per_kwh: float | None
    reason: str | None


def sum_days(days: Iterable[DayTotal]) -> DayTotal | None:
    """Add up days; None for no days. The mean price is weighted by the intervals that have one."""
    days = sorted(days, key=lambda day: day.first_date)
    if not days:
        return None
    priced = [
        (day.mean_import_c_per_kwh, day.priced_count)
        for day in days
        if day.mean_import_c_per_kwh is not None and day.priced_count > 0
    ]
    weight = sum(count for _, count in priced)
    with_gaps = [day for day in days if day.reason is not None]
    return DayTotal(
        first_date=days[0].first_date,
        last_date=days[-1].last_date,
        interval_count=sum(day.interval_count for day in days),
        priced_count=sum(day.priced_count for day in days),
        used_count=sum(day.used_count for day in days),
        costed_count=sum(day.costed_count for day in days if day.cost_aud is not None),
        import_kwh=_sum_known(day.import_kwh for day in days),
        export_kwh=_sum_known(day.export_kwh for day in days),
        import_cost_aud=_sum_known(day.import_cost_aud for day in days),
        export_earning_aud=_sum_known(day.export_earning_aud for day in days),
        cost_aud=_sum_known(day.cost_aud for day in days),
        mean_import_c_per_kwh=sum(mean * count for mean, count in priced) / weight
        if weight
        else None,
        reason=f"{len(with_gaps)} of {len(days)} days are incomplete. Latest: "
        f"{with_gaps[-1].reason}"
        if with_gaps
        else None,
    )


def _sum_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
