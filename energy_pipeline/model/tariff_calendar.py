"""What day, month, weekday and holiday each interval falls in, on the bill's clock or NEM time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays as public_holidays
import numpy as np
import numpy.typing as npt
import pandas as pd

from energy_pipeline.model.tariff import MINUTES_PER_DAY, Season, Window

NEM_TIMEZONE = "Australia/Brisbane"  # UTC+10 all year
INTERVAL_MINUTES = (5, 15, 30, 60)
_EPOCH = date(1970, 1, 1)

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]


def check_timezone(name: str) -> None:
    """Raise ValueError unless `name` is a time zone of the IANA database."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError(
            f"timezone is {name!r}; it must be an IANA name such as 'Australia/Sydney'"
        ) from exc


def holiday_dates(holidays: str | tuple[date, ...], years: Iterable[int]) -> frozenset[date]:
    """Public holidays of `years`: the dates given, or those of a code such as ``AU-NSW``.

    Raises
    ------
    ValueError
        If the `holidays` package does not know the code.
    """
    return frozenset(holidays) if not isinstance(holidays, str) else _named(holidays, tuple(years))


@cache
def _named(code: str, years: tuple[int, ...]) -> frozenset[date]:
    country, _, region = code.partition("-")
    try:
        known = public_holidays.country_holidays(country, subdiv=region or None, years=years)
    except NotImplementedError as exc:
        raise ValueError(
            f"holidays is {code!r}; it must be a code such as 'AU-NSW', or a list of dates"
        ) from exc
    return frozenset(known)


def in_seasons(mmdd: IntArray, seasons: tuple[Season, ...]) -> BoolArray:
    """Whether each day, as month * 100 + day, lies in any season; no season is the whole year."""
    if not seasons:
        return np.ones(mmdd.shape, dtype=bool)
    inside = np.zeros(mmdd.shape, dtype=bool)
    for first, last in seasons:
        if first <= last:
            inside |= (mmdd >= first) & (mmdd <= last)
        else:
            inside |= (mmdd >= first) | (mmdd <= last)
    return inside


@dataclass(frozen=True, eq=False, slots=True)
class Calendar:
    """The local date and time at which each interval starts. All arrays have shape (n,)."""

    timezone: str
    minute: IntArray  # after midnight
    day: IntArray  # days since 1970-01-01
    month: IntArray  # months since 1970-01
    mmdd: IntArray  # month * 100 + day of month
    holiday_days: IntArray  # the days since 1970-01-01 that are public holidays

    @classmethod
    def of(
        cls, index: pd.DatetimeIndex, timezone: str, holidays: str | tuple[date, ...]
    ) -> "Calendar":
        """Read `index` (UTC) on the clock of `timezone`."""
        check_timezone(timezone)
        wall = index.tz_convert(timezone).tz_localize(None).to_numpy()
        minutes = wall.astype("datetime64[m]").astype(np.int64)
        months = wall.astype("datetime64[M]").astype(np.int64)
        day = minutes // MINUTES_PER_DAY
        first_of_month = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        years = range(1970 + int(months[0]) // 12, 1971 + int(months[-1]) // 12)
        dates = sorted((d - _EPOCH).days for d in holiday_dates(holidays, years))
        return cls(
            timezone=timezone,
            minute=minutes % MINUTES_PER_DAY,
            day=day,
            month=months,
            mmdd=(months % 12 + 1) * 100 + day - first_of_month + 1,
            holiday_days=np.array(dates, dtype=np.int64),
        )

    def mask(self, window: Window) -> BoolArray:
        """Which intervals start inside `window`. Shape (n,)."""
        times = np.zeros(MINUTES_PER_DAY, dtype=bool)
        if window.start_minute < window.end_minute:
            times[window.start_minute : window.end_minute] = True
        else:
            times[window.start_minute :] = True
            times[: window.end_minute] = True
        first = int(self.day[0])
        days = np.arange(first, int(self.day[-1]) + 1, dtype=np.int64)
        inside: BoolArray = times[self.minute] & self._named_days(window, days)[self.day - first]
        if window.seasons:
            inside &= in_seasons(self.mmdd, window.seasons)
        return inside

    def _named_days(self, window: Window, days: IntArray) -> BoolArray:
        weekday = (days + 3) % 7  # 1970-01-01 was a Thursday
        named: BoolArray = np.isin(weekday, sorted(window.days))
        if window.holiday == "as_weekday":
            return named
        holiday = np.isin(days, self.holiday_days)
        if window.holiday == "as_weekend":
            named[holiday] = 6 in window.days
        elif window.holiday == "only":
            named &= holiday
        elif window.holiday == "exclude":
            named &= ~holiday
        else:
            named |= holiday
        return named


def intervals_per_day(
    first_day: int, last_day: int, timezone: str, interval_minutes: int
) -> FloatArray:
    """Intervals in each local day first..last (days since 1970-01-01, both included).

    288 of 5 minutes, or 276 and 300 when the clock changes.
    """
    wall = pd.DatetimeIndex(np.arange(first_day, last_day + 2).astype("datetime64[D]"))
    midnight = wall.tz_localize(
        timezone, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="shift_forward"
    )
    seconds = midnight.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[s]")
    count: FloatArray = np.diff(seconds.astype(np.int64)) / (60.0 * interval_minutes)
    return count


def sum_by(group: IntArray, values: FloatArray, groups: int) -> FloatArray:
    """Sum of `values` in each of `groups` groups. Shape (groups,)."""
    return np.bincount(group, values, minlength=groups).astype(float)


@dataclass(frozen=True, eq=False, slots=True)
class BillDays:
    """The local days of the index, and how much of each the index holds."""

    first_day: int
    mmdd: IntArray
    month_column: IntArray
    share: FloatArray  # of the day that the index holds
    days_in_month: FloatArray
    days_in_year: FloatArray
    month_intervals: IntArray  # of each whole month, shape (m,)

    @classmethod
    def of(cls, calendar: Calendar, month_ids: IntArray, minutes: int) -> "BillDays":
        first = int(calendar.day[0])
        held = np.bincount(calendar.day - first)
        day = first + np.arange(len(held), dtype=np.int64)
        dates = day.astype("datetime64[D]")
        months = dates.astype("datetime64[M]")
        years = dates.astype("datetime64[Y]")
        month_first = first_day_of(months)
        bounds = month_ids.astype("datetime64[M]")
        whole = [
            intervals_per_day(int(a), int(b) - 1, calendar.timezone, minutes).sum()
            for a, b in zip(first_day_of(bounds), first_day_of(bounds + 1), strict=True)
        ]
        return cls(
            first_day=first,
            mmdd=(months.astype(np.int64) % 12 + 1) * 100 + day - month_first + 1,
            month_column=np.searchsorted(month_ids, months.astype(np.int64)),
            share=held / intervals_per_day(first, int(day[-1]), calendar.timezone, minutes),
            days_in_month=(first_day_of(months + 1) - month_first).astype(float),
            days_in_year=(first_day_of(years + 1) - first_day_of(years)).astype(float),
            month_intervals=np.rint(whole).astype(np.int64),
        )


def first_day_of(dates: np.ndarray) -> IntArray:
    """First day of each month or year, in days since 1970-01-01."""
    days: IntArray = dates.astype("datetime64[D]").astype(np.int64)
    return days


def interval_minutes_of(index: pd.DatetimeIndex) -> int:
    if not isinstance(index, pd.DatetimeIndex) or str(index.tz) != "UTC":
        raise ValueError("index must be a DatetimeIndex of interval_start in UTC")
    if len(index) < 2:
        raise ValueError(f"index has {len(index)} intervals; a bill needs two or more")
    minutes = index.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64) / 60.0
    steps = np.diff(minutes)
    step = int(steps[0])
    if step not in INTERVAL_MINUTES or not (steps == step).all() or minutes[0] % step:
        raise ValueError(
            "index must be evenly spaced by 5, 15, 30 or 60 minutes on the clock, without missing "
            "rows: keep a missing interval as a row of NaN"
        )
    return step


def clock_groups(index: pd.DatetimeIndex, minutes: int) -> tuple[IntArray, IntArray, BoolArray]:
    """Starts of the clock groups of `minutes`, each interval's group, and which are whole."""
    step = interval_minutes_of(index)
    clock = index.tz_localize(None).to_numpy().astype("datetime64[m]").astype(np.int64) // minutes
    group = clock - clock[0]
    starts = np.searchsorted(group, np.arange(int(group[-1]) + 1))
    whole = np.diff(np.append(starts, len(index))) == minutes // step
    return starts.astype(np.int64), group, whole


def windows_mask(
    calendar: Calendar, windows: tuple[Window, ...], name: str, step: int
) -> BoolArray | None:
    if not windows:
        return None
    for window in windows:
        for minute in (window.start_minute, window.end_minute):
            if minute % step:
                raise ValueError(
                    f"{name!r} has a window edge at {minute // 60:02d}:{minute % 60:02d}, inside "
                    f"an interval of {step} minutes; use shorter intervals"
                )
    mask = calendar.mask(windows[0])
    for window in windows[1:]:
        mask |= calendar.mask(window)
    return mask
