"""When a car is away and what it drives: from its history, or from a stated or fitted week.

All ways end in `ev.Usage`, arrays on the 5-minute grid. A car counts as plugged in an interval
only if it is for the whole of it. Parsing a supplier's files belongs to `sources`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from energy_pipeline.model.ev import INTERVAL, Bools, Floats, Usage, Vehicle

_EARTH_RADIUS_M: Final = 6_371_000.0
_DAY_BEGINS_HOUR: Final = 4  # a car out past midnight is still on yesterday's trips
_SHORTEST_FIT: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A circle on the map."""

    latitude: float
    longitude: float
    radius_m: float = 100.0

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether a point lies in the circle."""
        lat1, lon1, lat2, lon2 = np.radians([self.latitude, self.longitude, latitude, longitude])
        half = np.sin((lat2 - lat1) / 2) ** 2 + (
            np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
        )
        return bool(2 * _EARTH_RADIUS_M * np.arcsin(np.sqrt(half)) <= self.radius_m)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """One drive, as the car recorded it."""

    start: datetime  # with a time zone
    end: datetime
    start_latitude: float
    start_longitude: float
    end_latitude: float
    end_longitude: float
    energy_kwh: float  # out of the battery
    km: float

    def __post_init__(self) -> None:
        _refuse_times("drive", self.start, self.end)
        for name in ("energy_kwh", "km"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(
                    f"{name} of the drive at {self.start} is {getattr(self, name)}; 0 or more"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One charging, as the car recorded it."""

    start: datetime  # with a time zone
    end: datetime
    latitude: float
    longitude: float
    added_kwh: float  # into the battery
    used_kwh: float | None = None  # AC, where it is known

    def __post_init__(self) -> None:
        _refuse_times("charge", self.start, self.end)
        if not 0.0 <= self.added_kwh < float("inf"):
            raise ValueError(
                f"added_kwh of the charge at {self.start} is {self.added_kwh}; 0 or more"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One time at the plug, as a charger records it."""

    plug_in: datetime  # with a time zone
    plug_out: datetime
    energy_kwh: float  # into the battery

    def __post_init__(self) -> None:
        _refuse_times("session", self.plug_in, self.plug_out)
        if not 0.0 <= self.energy_kwh < float("inf"):
            raise ValueError(
                f"energy_kwh of the session at {self.plug_in} is {self.energy_kwh}; 0 or more"
            )


class Plugging(Enum):
    """What is assumed of a stay at home; no supplier records the plug itself."""

    WHEN_CHARGED = "plugged from arrival to departure in stays that have a charge"
    WHEN_HOME = "plugged whenever at home"


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
    """One absence in time. [UTC]"""

    start: pd.Timestamp
    end: pd.Timestamp
    energy_kwh: float


def usage_from_history(
    drives: Sequence[Drive],
    charges: Sequence[Charge],
    *,
    home: Place,
    index: pd.DatetimeIndex,
    plugging: Plugging = Plugging.WHEN_CHARGED,
    parked_kwh_per_day: float = 0.0,
) -> Usage:
    """Use as the car recorded it: home told by place, energy spread over each drive.

    A stay at home lasts from a drive that ends there to the next drive, if that starts there.
    Before the first and after the last drive nothing is known: the car does not count as plugged.

    Parameters
    ----------
    drives, charges : sequences
        In any order.
    home : Place
    index : pd.DatetimeIndex
        interval_start wanted, UTC, shape (n,); drives outside it are cut off.
    plugging : Plugging
    parked_kwh_per_day : float
        Used while standing (sentry, air conditioning), as from `parked_kwh_per_day`. It is booked
        when the car next leaves the plug. [kWh/day]

    Returns
    -------
    Usage
        shape (n,).

    Raises
    ------
    ValueError
        If two drives overlap, or parked_kwh_per_day is negative.
    """
    if not parked_kwh_per_day >= 0.0:
        raise ValueError(f"parked_kwh_per_day is {parked_kwh_per_day}; 0 or more")
    ordered = sorted(drives, key=lambda drive: drive.start)
    count = len(index)
    plugged = np.zeros(count, dtype=bool)
    drain = np.zeros(count)
    km = 0.0
    for drive in ordered:
        km += drive.km * _spread(drain, index, drive.start, drive.end, drive.energy_kwh)
    at_home = sorted(
        (c for c in charges if home.holds(c.latitude, c.longitude)), key=lambda c: c.start
    )
    charge_starts = np.array([c.start.timestamp() for c in at_home])
    charge_ends = np.array([c.end.timestamp() for c in at_home])
    for arrival, departure in pairwise(ordered):
        if departure.start < arrival.end:
            raise ValueError(f"the drives at {arrival.start} and {departure.start} overlap")
        ends_home = home.holds(arrival.end_latitude, arrival.end_longitude)
        if not (ends_home and home.holds(departure.start_latitude, departure.start_longitude)):
            continue
        start, stop = arrival.end.timestamp(), departure.start.timestamp()
        charged = ((charge_starts < stop) & (charge_ends > start)).any()
        if plugging is Plugging.WHEN_HOME or charged:
            _plug(plugged, index, pd.Timestamp(arrival.end), pd.Timestamp(departure.start))
    if parked_kwh_per_day > 0.0:
        _book_parked(drain, plugged, ordered, index, parked_kwh_per_day)
    return Usage(index=index, plugged=plugged, drain_kwh=drain, km=km)


def home_charging_efficiency(charges: Sequence[Charge], *, home: Place) -> float | None:
    """Energy added over energy used at home; None where no charge states both. [fraction]"""
    known = [
        (c.added_kwh, c.used_kwh)
        for c in charges
        if c.used_kwh is not None and c.used_kwh > 0.0 and home.holds(c.latitude, c.longitude)
    ]
    if not known:
        return None
    return sum(added for added, _ in known) / sum(used for _, used in known)


def parked_kwh_per_day(drives: Sequence[Drive], charges: Sequence[Charge]) -> float:
    """Energy added that no drive used, per day; over a month and more the battery's level is small.

    Raises
    ------
    ValueError
        Without drives and charges over 30 days or more.
    """
    if not drives or not charges:
        raise ValueError("drives and charges must both be there to tell parked use")
    first = min(*(d.start for d in drives), *(c.start for c in charges))
    last = max(*(d.end for d in drives), *(c.end for c in charges))
    days = (last - first) / timedelta(days=1)
    if days < 30.0:
        raise ValueError(f"drives and charges span {days:.1f} days; parked use needs 30 or more")
    added = sum(charge.added_kwh for charge in charges)
    return max(0.0, added - sum(drive.energy_kwh for drive in drives)) / days


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
    plugged = np.ones(len(index), dtype=bool)
    drain = np.zeros(len(index))
    draw = np.random.default_rng([seed, 1])
    stay_start = index[0]
    for absence in absences(pattern, start=index[0], end=index[-1] + INTERVAL, seed=seed):
        _spread(drain, index, absence.start, absence.end, absence.energy_kwh)
        plugged[_touched(index, absence.start, absence.end)] = False
        if draw.random() >= pattern.plug_in_probability:
            plugged[_touched(index, stay_start, absence.start)] = False
        stay_start = max(stay_start, absence.end)
    if draw.random() >= pattern.plug_in_probability:
        plugged[_touched(index, stay_start, index[-1] + INTERVAL)] = False
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
    ordered = sorted(sessions, key=lambda session: session.plug_in)
    if not ordered or ordered[-1].plug_out - ordered[0].plug_out < _SHORTEST_FIT:
        raise ValueError(f"{len(ordered)} sessions span less than two weeks; a week needs more")
    trips: dict[date, list[tuple[pd.Timestamp, pd.Timestamp, float]]] = {}
    for before, after in pairwise(ordered):
        leaves, returns = pd.Timestamp(before.plug_out), pd.Timestamp(after.plug_in)
        if returns < leaves:
            raise ValueError(f"the sessions at {before.plug_in} and {after.plug_in} overlap")
        trips.setdefault(_person_day(leaves, zone), []).append((leaves, returns, after.energy_kwh))
    pools: list[list[DayPlan]] = [[] for _ in range(7)]
    day = _person_day(pd.Timestamp(ordered[0].plug_out), zone)
    last = _person_day(pd.Timestamp(ordered[-1].plug_out), zone)
    while day < last:
        plan_day, chain = day, [*trips.get(day, [])]
        day += timedelta(days=1)
        while chain and chain[-1][1] > _local(day, float(_DAY_BEGINS_HOUR), zone):
            chain += trips.get(day, [])
            day += timedelta(days=1)
        midnight = _local(plan_day, 0.0, zone)
        pools[plan_day.weekday()].append(
            tuple(
                Trip(
                    depart_hour=_clock_hours(leaves, midnight, zone),
                    away_hours=max(0.0, _clock_hours(returns, leaves, zone)),
                    energy_kwh=energy,
                )
                for leaves, returns, energy in chain
            )
        )
    # A weekday that never began at home has nothing to draw: there the car stays.
    return WeeklyPattern(timezone=timezone, days=tuple(tuple(pool) or ((),) for pool in pools))


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


def _touched(index: pd.DatetimeIndex, start: datetime, end: datetime) -> slice:
    """Intervals that overlap [start, end)."""
    first, last = _positions(index, start, end)
    return slice(max(0, int(np.floor(first))), max(0, int(np.ceil(last))))


def _plug(plugged: Bools, index: pd.DatetimeIndex, start: datetime, end: datetime) -> None:
    """Mark the intervals that lie wholly in [start, end)."""
    first, last = _positions(index, start, end)
    plugged[max(0, int(np.ceil(first))) : max(0, int(np.floor(last)))] = True


def _spread(
    drain: Floats, index: pd.DatetimeIndex, start: datetime, end: datetime, energy_kwh: float
) -> float:
    """Add energy evenly over [start, end); return the share that fell into the index."""
    first, last = _positions(index, start, end)
    if last <= first:
        last = first + 1e-6
    low, high = max(0, int(np.floor(first))), min(len(drain), int(np.ceil(last)))
    if high <= low:
        return 0.0
    edges = np.clip(np.arange(low, high + 1), first, last)
    shares = np.diff(edges) / (last - first)
    drain[low:high] += energy_kwh * shares
    return float(shares.sum())


def _positions(index: pd.DatetimeIndex, start: datetime, end: datetime) -> tuple[float, float]:
    """Where two moments lie, in intervals from the first."""
    first, step = index[0].timestamp(), INTERVAL.total_seconds()
    return (start.timestamp() - first) / step, (end.timestamp() - first) / step


def _book_parked(
    drain: Floats,
    plugged: Bools,
    drives: Sequence[Drive],
    index: pd.DatetimeIndex,
    per_day: float,
) -> None:
    """Accrue parked use over time, and take it in the first unplugged interval of each absence."""
    driving = np.zeros(len(index), dtype=bool)
    for drive in drives:
        driving[_touched(index, drive.start, drive.end)] = True
    accrued = np.cumsum(np.where(driving, 0.0, per_day / (pd.Timedelta(days=1) / INTERVAL)))
    leaving = np.flatnonzero(~plugged & np.concatenate(([True], plugged[:-1])))
    # A car that leaves the plug owes what it used standing since it last left.
    drain[leaving] += np.diff(accrued[leaving], prepend=0.0)


def _refuse_times(what: str, start: datetime, end: datetime) -> None:
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError(f"the {what} at {start} has no time zone")
    if end < start:
        raise ValueError(f"the {what} at {start} ends before it starts, at {end}")
