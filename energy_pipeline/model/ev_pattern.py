"""When a car is away and what it drives: from a stated week, a fitted one, or a charger's record.

All ways end in `ev.Usage`, arrays on the 5-minute grid. What the car itself recorded is in
`ev_history`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from energy_pipeline.model.ev import INTERVAL, Usage, Vehicle
from energy_pipeline.model.ev_grid import plug, refuse_times, spread, touched
from energy_pipeline.model.interval_index import check_index

_DAY_BEGINS_HOUR: Final = 4  # a car out past midnight is still on yesterday's trips
_SHORTEST_FIT: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One time at the plug, as a charger records it."""

    plug_in: datetime  # with a time zone
    plug_out: datetime
    energy_kwh: float  # into the battery

    def __post_init__(self) -> None:
        refuse_times("session", self.plug_in, self.plug_out)
        if not 0.0 <= self.energy_kwh < float("inf"):
            raise ValueError(
                f"energy_kwh of the session at {self.plug_in} is {self.energy_kwh}; 0 or more"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """One absence from the plug."""

    depart_hour: float  # local clock from the day's midnight; 24 and more on the days after
    away_hours: float  # by the same clock; five minutes at the least
    energy_kwh: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.depart_hour < float("inf"):
            raise ValueError(f"depart_hour is {self.depart_hour}; 0 or more")
        for name in ("away_hours", "energy_kwh"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; 0 or more")


DayPlan = tuple[Trip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyPattern:
    """What each weekday may look like, and how much it varies.

    `days` holds seven pools, Monday first: each day one plan of its pool is drawn, all alike. A
    stated week has one plan per day; a fitted one has every day that was seen.
    """

    timezone: str
    days: tuple[tuple[DayPlan, ...], ...]
    depart_spread_hours: float = 0.0  # standard deviations
    away_spread_hours: float = 0.0
    energy_spread_fraction: float = 0.0
    plug_in_probability: float = 1.0  # of a stay at home

    def __post_init__(self) -> None:
        ZoneInfo(self.timezone)
        if len(self.days) != 7 or not all(self.days):
            raise ValueError("days must hold seven pools, Monday first, of one plan or more each")
        for name in ("depart_spread_hours", "away_spread_hours", "energy_spread_fraction"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; 0 or more")
        if not 0.0 <= self.plug_in_probability <= 1.0:
            raise ValueError(f"plug_in_probability is {self.plug_in_probability}; in [0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """One absence in time."""

    start: pd.Timestamp
    end: pd.Timestamp
    energy_kwh: float


def usage_from_sessions(
    sessions: Sequence[Session], vehicle: Vehicle, *, index: pd.DatetimeIndex
) -> Usage:
    """Use as a charger recorded it: what a session charged was driven since the last one.

    Energy is spread evenly over the absence. What the first session charged was driven before the
    record begins and is not counted.

    Parameters
    ----------
    sessions : sequence of Session
        Of one car, in any order.
    vehicle : Vehicle
        Turns energy into distance.
    index : pd.DatetimeIndex
        interval_start wanted, UTC, shape (n,).

    Returns
    -------
    Usage
        shape (n,).

    Raises
    ------
    ValueError
        If sessions overlap.
    """
    check_index(index, step=INTERVAL, name="index")
    plugged, drain = np.zeros(len(index), dtype=bool), np.zeros(len(index))
    for session in sessions:
        plug(plugged, index, session.plug_in, session.plug_out)
    for absence in _between(sessions):
        spread(drain, index, absence.start, absence.end, absence.energy_kwh)
    plugged &= drain == 0.0  # two sessions that touch leave no time to drive but in theirs
    km = float(drain.sum()) / vehicle.consumption_kwh_per_km
    return Usage(index=index, plugged=plugged, drain_kwh=drain, km=km)


def usage_from_pattern(
    pattern: WeeklyPattern, vehicle: Vehicle, *, index: pd.DatetimeIndex, seed: int = 0
) -> Usage:
    """Use drawn from a week, with its variation; the same seed draws the same use.

    Energy is spread evenly over the absence. A trip that would begin before the last one ended
    begins then. Clock times are local: an hour that daylight saving skips moves to its end.

    Parameters
    ----------
    pattern : WeeklyPattern
    vehicle : Vehicle
        Turns energy into distance.
    index : pd.DatetimeIndex
        interval_start wanted, UTC, shape (n,).
    seed : int

    Returns
    -------
    Usage
        shape (n,).
    """
    check_index(index, step=INTERVAL, name="index")
    plugged, drain = np.ones(len(index), dtype=bool), np.zeros(len(index))
    draw = np.random.default_rng([seed, 1])
    stay_start = index[0]
    for absence in absences(pattern, start=index[0], end=index[-1] + INTERVAL, seed=seed):
        spread(drain, index, absence.start, absence.end, absence.energy_kwh)
        plugged[touched(index, absence.start, absence.end)] = False
        if draw.random() >= pattern.plug_in_probability:
            plugged[touched(index, stay_start, absence.start)] = False
        stay_start = max(stay_start, absence.end)
    if draw.random() >= pattern.plug_in_probability:
        plugged[touched(index, stay_start, index[-1] + INTERVAL)] = False
    km = float(drain.sum()) / vehicle.consumption_kwh_per_km
    return Usage(index=index, plugged=plugged, drain_kwh=drain, km=km)


def absences(
    pattern: WeeklyPattern, *, start: pd.Timestamp, end: pd.Timestamp, seed: int = 0
) -> Iterator[Absence]:
    """Absences drawn from a week that touch [start, end), in order and without overlap.

    A day begins at 4 in the morning; one that begins away draws no plan of its own, since the plan
    that took the car away knows when it returned.
    """
    zone = ZoneInfo(pattern.timezone)
    day = start.tz_convert(zone).date() - timedelta(days=1)
    last = end.tz_convert(zone).date()
    draw = np.random.default_rng([seed, 0])
    back = pd.Timestamp.min.tz_localize("UTC")
    while day <= last:
        if back <= _local(day, float(_DAY_BEGINS_HOUR), zone):
            pool = pattern.days[day.weekday()]
            for trip in pool[int(draw.integers(len(pool)))]:
                shift, stretch, thirst = draw.standard_normal(3)
                hour = max(0.0, trip.depart_hour + pattern.depart_spread_hours * shift)
                hours = trip.away_hours + pattern.away_spread_hours * stretch
                leaves = max(back, _local(day, hour, zone))
                back = max(_hours_after(leaves, hours, zone), leaves + INTERVAL)
                thirst = max(0.0, 1.0 + pattern.energy_spread_fraction * float(thirst))
                energy = trip.energy_kwh * thirst
                if back > start and leaves < end:
                    yield Absence(start=leaves, end=back, energy_kwh=energy)
        day += timedelta(days=1)


def fit_pattern(sessions: Sequence[Session], *, timezone: str) -> WeeklyPattern:
    """Learn a week from times at the plug: every observed day becomes a plan of its weekday.

    An absence is what lies between two sessions; its energy is what the later one charged. Days
    that begin away (at 4 in the morning) belong to the plan that took the car away.

    Parameters
    ----------
    sessions : sequence of Session
        Of one car, in any order, over two weeks or more.
    timezone : str
        Of the clock the driver lives by.

    Returns
    -------
    WeeklyPattern
        Without further variation: the days themselves vary.

    Raises
    ------
    ValueError
        If sessions overlap, or span less than two weeks.
    """
    zone = ZoneInfo(timezone)
    trips: dict[date, list[Absence]] = {}
    for absence in _between(sessions):
        trips.setdefault(_person_day(absence.start, zone), []).append(absence)
    if not trips or max(trips) - min(trips) < _SHORTEST_FIT:
        raise ValueError(f"{len(sessions)} sessions span less than two weeks; a week needs more")
    pools: list[list[DayPlan]] = [[] for _ in range(7)]
    day = min(trips)
    while day <= max(trips):
        plan_day, chain = day, [*trips.get(day, [])]
        day += timedelta(days=1)
        while chain and chain[-1].end > _local(day, float(_DAY_BEGINS_HOUR), zone):
            chain += trips.get(day, [])
            day += timedelta(days=1)
        midnight = _local(plan_day, 0.0, zone)
        pools[plan_day.weekday()].append(
            tuple(
                Trip(
                    depart_hour=_clock_hours(absence.start, midnight, zone),
                    away_hours=max(0.0, _clock_hours(absence.end, absence.start, zone)),
                    energy_kwh=absence.energy_kwh,
                )
                for absence in chain
            )
        )
    # A weekday that never began at home has nothing to draw: there the car stays.
    return WeeklyPattern(timezone=timezone, days=tuple(tuple(pool) or ((),) for pool in pools))


def _between(sessions: Sequence[Session]) -> Iterator[Absence]:
    """The absences between sessions, each with what the later session charged."""
    for before, after in pairwise(sorted(sessions, key=lambda session: session.plug_in)):
        if after.plug_in < before.plug_out:
            raise ValueError(f"the sessions at {before.plug_in} and {after.plug_in} overlap")
        yield Absence(
            start=pd.Timestamp(before.plug_out),
            end=pd.Timestamp(after.plug_in),
            energy_kwh=after.energy_kwh,
        )


def _person_day(moment: pd.Timestamp, zone: ZoneInfo) -> date:
    local: datetime = moment.tz_convert(zone).tz_localize(None).to_pydatetime()
    return (local - timedelta(hours=_DAY_BEGINS_HOUR)).date()


def _local(day: date, hour: float, zone: ZoneInfo) -> pd.Timestamp:
    """A clock time of a local day, in UTC; the first of two, and never one that was skipped."""
    wall = pd.Timestamp(day) + pd.Timedelta(hours=hour)
    return wall.tz_localize(zone, ambiguous=True, nonexistent="shift_forward").tz_convert("UTC")


def _hours_after(moment: pd.Timestamp, hours: float, zone: ZoneInfo) -> pd.Timestamp:
    """The moment the clock shows so many hours more, in UTC."""
    wall = moment.tz_convert(zone).tz_localize(None) + pd.Timedelta(hours=hours)
    return wall.tz_localize(zone, ambiguous=True, nonexistent="shift_forward").tz_convert("UTC")


def _clock_hours(moment: pd.Timestamp, since: pd.Timestamp, zone: ZoneInfo) -> float:
    """Hours the clock moved between two moments."""
    wall, start = (t.tz_convert(zone).tz_localize(None) for t in (moment, since))
    return float((wall - start) / pd.Timedelta(hours=1))
