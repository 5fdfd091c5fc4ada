"""Use of a car from what it recorded: drives and charges, home told by place.

Parsing a supplier's files belongs to `sources`; a week that is stated or fitted to `ev_pattern`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from energy_pipeline.model.ev import INTERVAL, Bools, Floats, Usage
from energy_pipeline.model.ev_grid import plug, refuse_times, spread, touched
from energy_pipeline.model.interval_index import check_index

_EARTH_RADIUS_M: Final = 6_371_000.0


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
        refuse_times("drive", self.start, self.end)
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
        refuse_times("charge", self.start, self.end)
        if not 0.0 <= self.added_kwh < float("inf"):
            raise ValueError(
                f"added_kwh of the charge at {self.start} is {self.added_kwh}; 0 or more"
            )


class Plugging(Enum):
    """What is assumed of a stay at home; no supplier records the plug itself."""

    WHEN_CHARGED = "plugged from arrival to departure in stays that have a charge"
    WHEN_HOME = "plugged whenever at home"


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
    check_index(index, step=INTERVAL, name="index")
    ordered = sorted(drives, key=lambda drive: drive.start)
    plugged, drain = np.zeros(len(index), dtype=bool), np.zeros(len(index))
    km = 0.0
    for drive in ordered:
        km += drive.km * spread(drain, index, drive.start, drive.end, drive.energy_kwh)
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
            plug(plugged, index, pd.Timestamp(arrival.end), pd.Timestamp(departure.start))
    plugged &= drain == 0.0  # a drive recorded without duration
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
        driving[touched(index, drive.start, drive.end)] = True
    accrued = np.cumsum(np.where(driving, 0.0, per_day / (pd.Timedelta(days=1) / INTERVAL)))
    leaving = np.flatnonzero(~plugged & np.concatenate(([True], plugged[:-1])))
    # A car that leaves the plug owes what it used standing since it last left.
    drain[leaving] += np.diff(accrued[leaving], prepend=0.0)
