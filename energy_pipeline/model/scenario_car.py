"""The car of a scenario: when it charges, and what it gives back."""

from dataclasses import dataclass
from datetime import time
from typing import Final

import numpy as np

from energy_pipeline.model.dispatch.settlement import DispatchResult
from energy_pipeline.model.ev import CarStorage, Usage, car_storage
from energy_pipeline.model.ev_strategies import (
    Charging,
    charge_cheapest,
    charge_from_surplus,
    charge_immediately,
    charge_in_window,
    charge_smart,
    timer_window,
)
from energy_pipeline.model.scenario import CarAsset
from energy_pipeline.model.scenario_data import Bools, Floats

_ROUNDING_KWH: Final = 1e-9
FORESIGHT: Final = {
    "cheapest": "the charger knows the prices until departure",
    "smart": "the charger knows prices and solar surplus until departure",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CarRun:
    """What the car did. Arrays of shape (n,), AC unless said otherwise. [kWh]"""

    charge_kwh: Floats
    discharge_kwh: Floats
    soc_kwh: Floats  # in the battery at the END of the interval
    public_kwh: Floats  # into the battery, at public chargers
    shortfall_kwh: float  # missing at departures, summed
    public_aud_per_kwh: float
    km: float

    def public_aud(self, known: Bools) -> float:
        """Paid at public chargers in known intervals."""
        return float(self.public_kwh[known].sum()) * self.public_aud_per_kwh


def held_still(usage: Usage, known: Bools) -> Usage:
    """The use with time standing still in unknown intervals: no plug, no drive."""
    if known.all():
        return usage
    drain = np.where(known, usage.drain_kwh, 0.0)
    whole = float(usage.drain_kwh.sum())
    share = float(drain.sum()) / whole if whole > 0.0 else float(known.mean())
    return Usage(
        index=usage.index, plugged=usage.plugged & known, drain_kwh=drain, km=usage.km * share
    )


def charge_only(
    asset: CarAsset,
    usage: Usage,
    *,
    known: Bools,
    surplus_kwh: Floats,
    import_c_per_kwh: Floats,
    feed_in_c_per_kwh: Floats,
    timezone: str,
    start_kwh: float | None,
) -> CarRun:
    """Charge by the scenario's rule; the car takes solar surplus before a battery does.

    Parameters
    ----------
    surplus_kwh : array, shape (n,)
        Generation beyond the house's own use. [kWh]
    start_kwh : float, optional
        In the battery at the start; as the scenario says without it. [kWh]
    """
    usage = held_still(usage, known)
    if start_kwh is None:
        start_kwh = asset.initial_fraction * asset.vehicle.usable_kwh
    given = (usage, asset.vehicle, asset.charger, asset.habits)
    match asset.charging:
        case "immediate":
            done = charge_immediately(*given, initial_kwh=start_kwh)
        case "timer":
            start, stop = (time(m // 60 % 24, m % 60) for m in asset.timer)
            allowed = timer_window(usage.index, start=start, stop=stop, timezone=timezone)
            done = charge_in_window(*given, initial_kwh=start_kwh, allowed=allowed)
        case "solar_only":
            done = charge_from_surplus(*given, initial_kwh=start_kwh, surplus_kwh=surplus_kwh)
        case "cheapest":
            done = charge_cheapest(
                *given,
                initial_kwh=start_kwh,
                import_c_per_kwh=import_c_per_kwh,
                worth_c_per_kwh=asset.worth_c_per_kwh,
            )
        case "smart":
            done = charge_smart(
                *given,
                initial_kwh=start_kwh,
                surplus_kwh=surplus_kwh,
                import_c_per_kwh=import_c_per_kwh,
                feed_in_c_per_kwh=np.maximum(feed_in_c_per_kwh, 0.0),  # else it is turned down
                worth_c_per_kwh=asset.worth_c_per_kwh,
            )
        case "v2h" | "v2g":
            raise ValueError(f"{asset.charging} is a storage, not a way to charge only")
    return _from_charging(asset, usage, done)


def _from_charging(asset: CarAsset, usage: Usage, done: Charging) -> CarRun:
    return CarRun(
        charge_kwh=done.charge_kwh,
        discharge_kwh=np.zeros(len(done.charge_kwh)),
        soc_kwh=done.soc_kwh,
        public_kwh=_no_dust(done.public_kwh),
        shortfall_kwh=float(_no_dust(done.shortfall_kwh).sum()),
        public_aud_per_kwh=asset.habits.public_aud_per_kwh,
        km=usage.km,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeedingCar:
    """A car that feeds the house: a storage behind the meter, above the driver's floor."""

    store: CarStorage
    start_kwh: float  # above the floor
    floor_kwh: float
    km: float
    public_aud_per_kwh: float

    def run(self, result: DispatchResult) -> CarRun:
        """What the dispatched car did; drain its battery could not serve was bought in public."""
        store = self.store
        before = np.concatenate(([self.start_kwh], result.soc_kwh[:-1]))
        served = (
            before
            - result.soc_kwh
            + store.charge_efficiency * result.charge_kwh
            - result.discharge_kwh / store.discharge_efficiency
        )
        public = store.drain_kwh - served
        return CarRun(
            charge_kwh=result.charge_kwh,
            discharge_kwh=result.discharge_kwh,
            soc_kwh=result.soc_kwh + self.floor_kwh,
            public_kwh=_no_dust(public),
            shortfall_kwh=result.violations.energy_short_kwh,
            public_aud_per_kwh=self.public_aud_per_kwh,
            km=self.km,
        )


def feeding_car(
    asset: CarAsset, usage: Usage, known: Bools, *, start_kwh: float | None
) -> FeedingCar:
    """The car as a storage behind the meter.

    Raises
    ------
    ValueError
        If the scenario has no bidirectional charger.
    """
    if asset.bidirectional is None:
        raise ValueError(f"charging {asset.charging!r} needs a bidirectional charger")
    usage = held_still(usage, known)
    store = car_storage(usage, asset.vehicle, asset.bidirectional, asset.habits)
    floor = asset.habits.floor_fraction * asset.vehicle.usable_kwh
    if start_kwh is None:
        start_kwh = asset.initial_fraction * asset.vehicle.usable_kwh
    return FeedingCar(
        store=store,
        start_kwh=min(max(start_kwh - floor, 0.0), store.capacity_kwh),
        floor_kwh=floor,
        km=usage.km,
        public_aud_per_kwh=asset.habits.public_aud_per_kwh,
    )


def _no_dust(kwh: Floats) -> Floats:
    """Without what rounding left."""
    return np.where(kwh > _ROUNDING_KWH, kwh, 0.0)
