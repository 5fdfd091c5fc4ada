"""An electric car at home: the car, its charger, its use, and what feeding the house would take.

How use is recorded is in `ev_history`, how it is stated or fitted in `ev_pattern`; when the car
charges is in `ev_strategies`, what that costs in `ev_cost`. Energy is in the battery unless a name
says AC.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from energy_pipeline.model.interval_index import check_index

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

INTERVAL: Final = pd.Timedelta(minutes=5)
INTERVAL_HOURS: Final = 5 / 60
V2xStatus = Literal["supported", "hypothetical", "unsupported"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """A car's battery and thirst."""

    usable_kwh: float
    consumption_kwh_per_km: float
    ac_limit_kw: float = 11.0  # its on-board charger
    v2x_status: V2xStatus = "unsupported"

    def __post_init__(self) -> None:
        _refuse_not_positive(self, "usable_kwh", "consumption_kwh_per_km", "ac_limit_kw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charger:
    """A wall box: it runs between its minimum and its power, or not at all."""

    power_kw: float = 7.4  # AC
    minimum_kw: float = 1.4  # AC; below it charging cannot run
    efficiency: float = 0.90  # AC to battery

    def __post_init__(self) -> None:
        _refuse_not_positive(self, "power_kw")
        if not 0.0 <= self.minimum_kw <= self.power_kw:
            raise ValueError(
                f"minimum_kw is {self.minimum_kw}; it must lie between 0 and power_kw "
                f"({self.power_kw})"
            )
        _refuse_not_fraction(self, "efficiency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the driver asks of the battery."""

    floor_fraction: float = 0.10  # never driven below; public charging keeps it there
    limit_fraction: float = 0.80  # daily charging stops here, unless the next trip needs more
    target_fraction: float = 0.0  # wanted at every departure, even if the trip needs less
    public_aud_per_kwh: float = 0.52  # per kWh into the battery

    def __post_init__(self) -> None:
        if not 0.0 <= self.floor_fraction < self.limit_fraction <= 1.0:
            raise ValueError(
                f"floor_fraction is {self.floor_fraction} and limit_fraction "
                f"{self.limit_fraction}; they must satisfy 0 <= floor < limit <= 1"
            )
        if not 0.0 <= self.target_fraction <= self.limit_fraction:
            raise ValueError(
                f"target_fraction is {self.target_fraction}; it must lie between 0 and "
                f"limit_fraction ({self.limit_fraction})"
            )
        if not self.public_aud_per_kwh >= 0.0:
            raise ValueError(
                f"public_aud_per_kwh is {self.public_aud_per_kwh}; it must be 0 or more"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One plugged stretch and the trip after it. [interval numbers; stop is not plugged]"""

    start: int
    stop: int
    next_start: int  # where the next stretch begins, or the end of the range
    departs: bool  # False where the range ends while plugged
    trip_kwh: float  # driven between stop and next_start


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Usage:
    """When the car is plugged in at home, and what driving takes, per 5 minutes.

    Attributes
    ----------
    index : pd.DatetimeIndex
        interval_start, UTC, shape (n,).
    plugged : array of bool, shape (n,)
        Plugged in throughout the interval.
    drain_kwh : array, shape (n,)
        Taken from the battery by driving; 0 while plugged. [kWh]
    km : float
        Distance driven.
    """

    index: pd.DatetimeIndex
    plugged: Bools
    drain_kwh: Floats
    km: float

    def __post_init__(self) -> None:
        check_index(self.index, step=INTERVAL, name="index")
        for name in ("plugged", "drain_kwh"):
            if len(getattr(self, name)) != len(self.index):
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} values for {len(self.index)} intervals"
                )
        bad = ~(self.drain_kwh >= 0.0)
        if bad.any():
            raise ValueError(
                f"drain_kwh is {self.drain_kwh[bad][0]} at {self.index[bad][0]}; 0 or more"
            )
        both = self.plugged & (self.drain_kwh > 0.0)
        if both.any():
            raise ValueError(f"drain_kwh must be 0 while plugged; see {self.index[both][0]}")
        if not self.km >= 0.0:
            raise ValueError(f"km is {self.km}; it must be 0 or more")

    def stays(self) -> Iterator[Stay]:
        """Plugged stretches in order, each with the trip that follows it."""
        count = len(self.plugged)
        edges = np.flatnonzero(np.diff(np.concatenate(([0], self.plugged, [0]))))
        starts, stops = edges[::2].tolist(), edges[1::2].tolist()
        driven = np.concatenate(([0.0], np.cumsum(self.drain_kwh)))
        for start, stop, after in zip(starts, stops, [*starts[1:], count], strict=True):
            yield Stay(
                start=start,
                stop=stop,
                next_start=after,
                departs=stop < count,
                trip_kwh=float(driven[after] - driven[stop]),
            )

    def needed_kwh(self, vehicle: Vehicle, habits: Habits) -> Floats:
        """Energy wanted in the battery at the END of each interval, 0 where none is. (n,) [kWh]

        Set in the last plugged interval before each departure: the trip that follows above the
        floor, or the driver's target if that is more, and never more than the battery holds.
        """
        needed = np.zeros(len(self.plugged))
        for stay in self.stays():
            if stay.departs:
                needed[stay.stop - 1] = departure_kwh(stay, vehicle, habits)
        return needed


def departure_kwh(stay: Stay, vehicle: Vehicle, habits: Habits) -> float:
    """Energy wanted in the battery when a stay ends. [kWh]"""
    trip = habits.floor_fraction * vehicle.usable_kwh + stay.trip_kwh
    return min(vehicle.usable_kwh, max(trip, habits.target_fraction * vehicle.usable_kwh))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bidirectional:
    """What feeding the house (V2H) or the grid (V2G) from a car would take.

    One limit per direction holds for the SUM of the flows through the device: solar plus grid into
    the car, house plus export out of it.
    """

    charge_kw: float = 7.4  # AC, all flows in together
    discharge_kw: float = 7.4  # AC, all flows out together
    charge_efficiency: float = 0.92
    discharge_efficiency: float = 0.92
    minimum_soc_fraction: float = 0.30  # kept for driving; recharged to on arrival
    export: bool = False  # False: V2H, the house only. True: V2G, up to the site's limit
    wear_aud_per_kwh: float = 0.0  # per AC kWh moved, in and out alike
    standby_kw: float = 0.0
    charger_aud: float = 10_000.0  # installed

    def __post_init__(self) -> None:
        _refuse_not_positive(self, "charge_kw", "discharge_kw")
        _refuse_not_fraction(self, "charge_efficiency", "discharge_efficiency")
        if not 0.0 <= self.minimum_soc_fraction < 1.0:
            raise ValueError(
                f"minimum_soc_fraction is {self.minimum_soc_fraction}; a fraction in [0, 1)"
            )
        for name in ("wear_aud_per_kwh", "standby_kw", "charger_aud"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CarStorage:
    """A car as a storage for dispatch: its energy above the driver's floor.

    Energy the drain asks for and the store does not hold is bought at public chargers. The names
    are those of ``dispatch.problem.StorageProblem``.
    """

    capacity_kwh: float
    charge_kw: Floats  # (n,), 0 while away
    discharge_kw: Floats  # (n,), 0 while away and without V2H
    charge_efficiency: float
    discharge_efficiency: float
    min_energy_kwh: Floats  # (n,), at the END of each interval
    max_energy_kwh: Floats  # (n,)
    drain_kwh: Floats  # (n,)
    standby_kw: float
    grid_export: bool
    wear_c_per_kwh: float
    v2x_status: V2xStatus | None  # None where the car only charges

    @property
    def fields(self) -> Mapping[str, float | bool | Floats]:
        """All but the status, by the names `StorageProblem` takes."""
        return {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name != "v2x_status"
        }


def car_storage(
    usage: Usage,
    vehicle: Vehicle,
    device: Charger | Bidirectional,
    habits: Habits,
) -> CarStorage:
    """State a car as a storage problem: a charger makes it charge only, a bidirectional one V2X.

    Parameters
    ----------
    usage : Usage
        shape (n,).
    vehicle, device, habits
        The lower of the car's AC limit and the charger's power holds; a bidirectional charger
        has its own limits.

    Returns
    -------
    CarStorage
        min_energy_kwh is the departure's need, and with V2X the minimum state of charge while
        plugged; max_energy_kwh is the daily limit, raised where a trip needs more.

    Raises
    ------
    ValueError
        If V2X is asked of a car that does not support it even hypothetically.
    """
    floor = habits.floor_fraction * vehicle.usable_kwh
    lowest, highest = np.zeros(len(usage.plugged)), np.full(len(usage.plugged), vehicle.usable_kwh)
    limit = habits.limit_fraction * vehicle.usable_kwh
    for stay in usage.stays():
        wanted = departure_kwh(stay, vehicle, habits) if stay.departs else 0.0
        highest[stay.start : stay.stop] = max(limit, wanted)
        if isinstance(device, Bidirectional):
            kept = device.minimum_soc_fraction * vehicle.usable_kwh
            lowest[stay.start : stay.stop] = min(kept, max(limit, wanted))
        if stay.departs:
            lowest[stay.stop - 1] = max(lowest[stay.stop - 1], wanted)
    plugged = usage.plugged.astype(float)
    capacity = vehicle.usable_kwh - floor
    lowest, highest = (lowest - floor).clip(min=0.0), highest - floor
    if isinstance(device, Charger):
        return CarStorage(
            capacity_kwh=capacity,
            charge_kw=plugged * min(device.power_kw, vehicle.ac_limit_kw),
            discharge_kw=plugged * 0.0,
            charge_efficiency=device.efficiency,
            discharge_efficiency=1.0,
            min_energy_kwh=lowest,
            max_energy_kwh=highest,
            drain_kwh=usage.drain_kwh,
            standby_kw=0.0,
            grid_export=False,
            wear_c_per_kwh=0.0,
            v2x_status=None,
        )
    if vehicle.v2x_status == "unsupported":
        raise ValueError(
            "v2x_status is 'unsupported': this car cannot feed a house; set 'hypothetical' to ask "
            "what it would be worth"
        )
    return CarStorage(
        capacity_kwh=capacity,
        charge_kw=plugged * device.charge_kw,
        discharge_kw=plugged * device.discharge_kw,
        charge_efficiency=device.charge_efficiency,
        discharge_efficiency=device.discharge_efficiency,
        min_energy_kwh=lowest,
        max_energy_kwh=highest,
        drain_kwh=usage.drain_kwh,
        standby_kw=device.standby_kw,
        grid_export=device.export,
        wear_c_per_kwh=100.0 * device.wear_aud_per_kwh,
        v2x_status=vehicle.v2x_status,
    )


def _refuse_not_positive(thing: object, *names: str) -> None:
    for name in names:
        value = getattr(thing, name)
        if not 0.0 < value < float("inf"):
            raise ValueError(f"{name} is {value}; it must be above 0")


def _refuse_not_fraction(thing: object, *names: str) -> None:
    for name in names:
        value = getattr(thing, name)
        if not 0.0 < value <= 1.0:
            raise ValueError(f"{name} is {value}; a fraction in (0, 1]")
