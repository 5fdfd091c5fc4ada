"""Demand charges on one index: half hours, measurement periods, and what each day owes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from energy_pipeline.model.tariff import DemandCharge, Season, Window, gst_factor
from energy_pipeline.model.tariff_calendar import (
    BillDays,
    BoolArray,
    Calendar,
    FloatArray,
    IntArray,
    clock_groups,
    in_seasons,
    interval_minutes_of,
    sum_by,
    windows_mask,
)


@dataclass(frozen=True, eq=False, slots=True)
class CompiledDemand:
    """One demand charge: which half hours count, in which group, and what a kW of it costs."""

    charge: DemandCharge
    starts: IntArray  # first interval of every half hour of the index, shape (h,)
    complete: BoolArray  # whether the index holds the half hour whole, shape (h,)
    chosen: IntArray  # half hours inside the windows, shape (c,)
    group: IntArray  # measurement period of each chosen half hour, ascending, shape (c,)
    share_group: IntArray  # shape (d,): a day of the season ...
    share_month: IntArray  # ... its month column ...
    share: FloatArray  # ... and how many of `charged_per` it is worth
    groups: int
    with_gst: float

    def aud_per_kw(self) -> FloatArray:
        """What one more billed kW costs in each measurement period, incl. GST. Shape (groups,)."""
        days = sum_by(self.share_group, self.share, self.groups)
        return days * (self.charge.rate_aud_per_kw * self.with_gst)


def compile_demand(
    charge: DemandCharge,
    calendar: Calendar,
    bill_calendar: Calendar,
    days: BillDays,
    index: pd.DatetimeIndex,
    gst_fraction: float,
) -> CompiledDemand:
    step = interval_minutes_of(index)
    if step > charge.mean_minutes:
        raise ValueError(
            f"{charge.name!r} is measured over {charge.mean_minutes} minutes; "
            f"intervals of {step} minutes are too long for it"
        )
    starts, _, complete = clock_groups(index, charge.mean_minutes)
    mask = windows_mask(calendar, charge.windows, charge.name, step)
    inside = np.ones(len(starts), dtype=bool) if mask is None else mask[starts]
    seasons = _seasons_of(charge.windows)
    in_season = in_seasons(days.mmdd, seasons)
    group_of_day = _measurement_groups(charge, days, seasons)
    day_at = bill_calendar.day[starts] - days.first_day
    inside &= in_season[day_at]
    chosen = np.flatnonzero(inside)
    if charge.charged_per == "day":
        worth = days.share
    elif charge.charged_per == "month":
        worth = days.share / days.days_in_month
    else:
        worth = days.share / _season_days(days, seasons)
    billed = np.flatnonzero(in_season)
    return CompiledDemand(
        charge=charge,
        starts=starts,
        complete=complete,
        chosen=chosen.astype(np.int64),
        group=group_of_day[day_at[chosen]],
        share_group=group_of_day[billed],
        share_month=days.month_column[billed],
        share=worth[billed],
        groups=int(group_of_day.max()) + 1,
        with_gst=gst_factor(charge.gst, gst_fraction),
    )


def _seasons_of(windows: tuple[Window, ...]) -> tuple[Season, ...]:
    """The days that owe the charge: the whole year as soon as one window has no season."""
    if any(not window.seasons for window in windows):
        return ()
    return tuple(sorted({season for window in windows for season in window.seasons}))


def _season_years(days: BillDays, seasons: tuple[Season, ...]) -> IntArray:
    """Numbers each occurrence of a season: the year it begins in x 16 + which season."""
    date = (days.first_day + np.arange(len(days.mmdd))).astype("datetime64[D]")
    year = date.astype("datetime64[Y]").astype(np.int64)
    number = year * 16
    for which, (first, last) in enumerate(seasons):
        inside = in_seasons(days.mmdd, ((first, last),))
        wrapped = inside & (first > last) & (days.mmdd <= last)
        number = np.where(inside, (year - wrapped) * 16 + which, number)
    return number


def _measurement_groups(
    charge: DemandCharge, days: BillDays, seasons: tuple[Season, ...]
) -> IntArray:
    if charge.measured_over == "day":
        return np.arange(len(days.mmdd), dtype=np.int64)
    if charge.measured_over == "month":
        return days.month_column
    number = _season_years(days, seasons)
    changes = np.concatenate([[0], np.cumsum(np.diff(number) != 0)])
    return changes.astype(np.int64)


def _season_days(days: BillDays, seasons: tuple[Season, ...]) -> FloatArray:
    """Days in the whole occurrence of the season that each day belongs to."""
    length = days.days_in_year.copy()
    years = (days.first_day + np.arange(len(days.mmdd))).astype("datetime64[D]")
    year = years.astype("datetime64[Y]").astype(np.int64) + 1970
    for first, last in seasons:
        inside = in_seasons(days.mmdd, ((first, last),))
        begin = year - (inside & (first > last) & (days.mmdd <= last))
        for y in np.unique(begin[inside]):
            start = np.datetime64(f"{y}-{first // 100:02d}-01") + (first % 100 - 1)
            end_year = y + (first > last)
            end_month = np.datetime64(f"{end_year}-{last // 100:02d}", "M")
            end = min(
                end_month.astype("datetime64[D]") + (last % 100 - 1),
                (end_month + 1).astype("datetime64[D]") - 1,
            )
            length[inside & (begin == y)] = float((end - start).astype(int) + 1)
    return length
