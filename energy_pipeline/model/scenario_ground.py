"""What a run stands on: the household's arrays on one index, its plan and its panels.

Made once from the data and kept, so that a thousand sizes share them. Where anything is unknown the
whole interval is: the storage stands still there, nothing is billed, and the coverage says so. The
arrays of such an interval hold the same time of the day before, which nothing of the result sees.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from energy_pipeline.model.ev import Usage
from energy_pipeline.model.ev_pattern import usage_from_pattern
from energy_pipeline.model.irradiance import five_minute_weather
from energy_pipeline.model.scenario import CarAsset, Scenario, SolarSource
from energy_pipeline.model.scenario_data import Bools, Floats, HouseLoad, ScenarioData, house_load
from energy_pipeline.model.scenario_plan import at_levels
from energy_pipeline.model.solar import SolarSystem, ac_kwh, unit_yields
from energy_pipeline.model.solar_measured import scale_measured
from energy_pipeline.model.solar_reference import synthetic_weather
from energy_pipeline.model.tariff import CONTROLLED_LOAD
from energy_pipeline.model.tariff_compile import CompiledTariff, compile_tariff

DAY: Final = 288
_SHOWN_MONTHS: Final = 6
_MOST_KEPT: Final = {"ground": 4, "units": 24, "usage": 4, "sky": 2}  # large ones
_MANY: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """The household before anything is bought. Arrays of shape (n,)."""

    index: pd.DatetimeIndex
    known: Bools
    house: HouseLoad
    load_kwh: Floats  # without gaps, as the module says
    solar_kwh: Floats  # of the panels that stand already
    controlled_load_kwh: Floats | None
    plan: CompiledTariff
    import_c_per_kwh: Floats  # after the plan's discounts
    feed_in_c_per_kwh: Floats
    discount_factor: float  # of the import price
    import_limit_kw: float
    export_limit_kw: Floats
    notes: tuple[str, ...]


class Prepared:
    """Data, and all that was worked out from them so far."""

    def __init__(self, data: ScenarioData) -> None:
        self.data = data
        self._kept: dict[str, dict[tuple[Hashable, ...], Any]] = {}

    @property
    def sha256(self) -> str:
        """Fingerprint of the data."""
        return str(self.once(("sha256",), lambda: self.data.sha256))

    def ground(self, scenario: Scenario, *, installed_kw: float) -> Ground:
        """The household of a scenario.

        Raises
        ------
        ValueError
            If the use cannot be told, a price the plan names is not in the data, or intervals are
            unknown and the scenario refuses that.
        """
        per_kw = any(charge.unit == "kw_installed_month" for charge in scenario.tariff.fixed)
        key = (
            "ground",
            scenario.household,
            scenario.tariff,
            scenario.levels,
            installed_kw if per_kw else 0.0,
        )
        ground: Ground = self.once(key, lambda: _ground(self, scenario, installed_kw))
        return ground

    def modelled(
        self, scenario: Scenario, system: SolarSystem, source: SolarSource, *, year: int = 1
    ) -> Floats:
        """Output of panels under the data's weather, or under an invented one. [kWh], (n,)"""
        site = scenario.household.site
        if site is None:
            raise ValueError("household has no latitude and longitude; panels cannot be modelled")
        directions = tuple((a.tilt_degrees, a.azimuth_degrees) for a in system.arrays)
        weather = self._weather(scenario, source)
        units = self.once(
            ("units", site, source, directions), lambda: unit_yields(weather, site, system)
        )
        generated: Floats = ac_kwh(units, system, year=year).to_numpy()
        return generated

    def solar(self, scenario: Scenario, ground: Ground, *, year: int = 1) -> Floats:
        """All generation once the scenario's panels stand, in a year of their life. [kWh], (n,)

        Measured panels are scaled to the wanted size, which includes what stands already; modelled
        ones are added to it.
        """
        asset = scenario.solar
        if asset is None:
            return ground.solar_kwh
        level = scenario.levels.solar
        if asset.source != "measured":
            modelled = self.modelled(scenario, asset.system, asset.source, year=year)
            return ground.solar_kwh + level * modelled
        existing = scenario.household.existing_solar
        if existing is None or ground.house.solar_kwh is None:
            raise ValueError("solar.source is 'measured', but the data have no solar_kwh to scale")
        same = [(a.tilt_degrees, a.azimuth_degrees) for a in existing.arrays] == [
            (a.tilt_degrees, a.azimuth_degrees) for a in asset.system.arrays
        ]
        both = None
        if not same:
            both = (
                pd.Series(self.modelled(scenario, existing, "weather"), ground.index),
                pd.Series(self.modelled(scenario, asset.system, "weather"), ground.index),
            )
        scaled = scale_measured(
            pd.Series(ground.solar_kwh, ground.index),
            measured=existing,
            wanted=asset.system,
            modelled=both,
        )
        faded = (1.0 - asset.system.degradation_per_year) ** (year - 1)
        turned: Floats = scaled.solar_kwh.to_numpy() * faded
        return turned

    def solar_label(self, scenario: Scenario) -> str | None:
        """What is said of an invented sky; None where it was measured."""
        household, asset = scenario.household, scenario.solar
        estimated = household.existing_solar is not None and self.data.solar_kwh is None
        invented = (asset is not None and asset.source == "synthetic") or (
            estimated and household.existing_solar_source == "synthetic"
        )
        return self._invented(scenario)[1] if invented else None

    def usage(self, car: CarAsset) -> Usage:
        """When the car is plugged in, and what it drives.

        Raises
        ------
        ValueError
            If the scenario wants what the car recorded and the data have nothing of it.
        """
        if car.pattern is not None:
            pattern, vehicle, seed = car.pattern, car.vehicle, car.seed
            usage: Usage = self.once(
                ("usage", pattern, vehicle, seed),
                lambda: usage_from_pattern(pattern, vehicle, index=self.data.index, seed=seed),
            )
            return usage
        if self.data.usage is None:
            raise ValueError(
                "ev.use is 'recorded', but the data have no usage of the car; give ev.trips"
            )
        return self.data.usage

    def _weather(self, scenario: Scenario, source: SolarSource) -> pd.DataFrame:
        if source == "synthetic":
            return self._invented(scenario)[0]
        if self.data.weather is None:
            raise ValueError(
                "solar.source is 'weather', but the data have no weather; add it, or set "
                "source = 'synthetic' to use an invented sky with the published yield"
            )
        return self.data.weather

    def _invented(self, scenario: Scenario) -> tuple[pd.DataFrame, str]:
        site = scenario.household.site
        if site is None:
            raise ValueError("household has no latitude and longitude; there is no sky to invent")

        def invent() -> tuple[pd.DataFrame, str]:
            index = self.data.index
            first, last = index[0].floor("h"), index[-1].floor("h") + pd.Timedelta(hours=1)
            hours = pd.date_range(first, last, freq="h", name="interval_start")
            sky = synthetic_weather(site, hours)
            weather = five_minute_weather(sky.hourly, site, flicker_seed=0)
            return weather.reindex(index), sky.label

        sky: tuple[pd.DataFrame, str] = self.once(("sky", site), invent)
        return sky

    def once(self, key: tuple[Hashable, ...], work: Callable[[], Any]) -> Any:
        """What `work` gives, worked out once per key; of a kind (its first word) the last ones."""
        kept = self._kept.setdefault(str(key[0]), {})
        if key not in kept:
            while len(kept) >= _MOST_KEPT.get(str(key[0]), _MANY):
                kept.pop(next(iter(kept)))
            kept[key] = work()
        return kept[key]


def _ground(prepared: Prepared, scenario: Scenario, installed_kw: float) -> Ground:
    data, household, levels = prepared.data, scenario.household, scenario.levels
    estimate = None
    if data.solar_kwh is None and data.load_kwh is None and household.existing_solar is not None:
        estimate = prepared.modelled(
            scenario, household.existing_solar, household.existing_solar_source
        )
    house = house_load(data, modelled_solar_kwh=estimate)
    tariff, series = at_levels(scenario.tariff, data.price_series(), levels)
    plan = compile_tariff(tariff, data.index, series=series, installed_kw=installed_kw)
    charged = {c.channel for c in tariff.energy}
    controlled = data.controlled_load_kwh if CONTROLLED_LOAD in charged else None
    notes = list(plan.notes)
    if data.controlled_load_kwh is not None and controlled is None:
        notes.append("the plan has no price for controlled load: its energy is in no bill here")
    solar = np.zeros(len(data.index)) if house.solar_kwh is None else house.solar_kwh
    known = np.isfinite(house.load_kwh) & np.isfinite(solar)
    known &= np.isfinite(plan.import_c_per_kwh) & np.isfinite(plan.export_c_per_kwh)
    known &= ~np.isnan(plan.export_limit_kw)
    if plan.price_known is not None:
        known &= plan.price_known
    if controlled is not None:
        known &= np.isfinite(controlled)
    _judge_gaps(data.index, known, scenario)
    discount = 1.0 - sum(each.fraction for each in tariff.discounts)
    return Ground(
        index=data.index,
        known=known,
        house=house,
        load_kwh=levels.load * without_gaps(house.load_kwh),
        solar_kwh=levels.solar * without_gaps(solar),
        controlled_load_kwh=controlled,
        plan=plan,
        import_c_per_kwh=discount * without_gaps(plan.import_c_per_kwh),
        feed_in_c_per_kwh=without_gaps(plan.export_c_per_kwh),
        discount_factor=discount,
        import_limit_kw=household.import_limit_kw,
        export_limit_kw=np.minimum(
            np.nan_to_num(plan.export_limit_kw, nan=0.0, posinf=np.inf), household.export_limit_kw
        ),
        notes=tuple(notes),
    )


def _judge_gaps(index: pd.DatetimeIndex, known: Bools, scenario: Scenario) -> None:
    if known.all():
        return
    if not known.any():
        raise ValueError(
            "no interval has its load, its prices and its generation all known: nothing can be run"
        )
    if scenario.household.missing == "report":
        return
    gaps = index[~known]
    months = gaps.tz_convert(scenario.household.timezone).strftime("%Y-%m").value_counts(sort=False)
    said = [f"{month}: {count}" for month, count in months.items()]
    more = f" and {len(said) - _SHOWN_MONTHS} more months" if len(said) > _SHOWN_MONTHS else ""
    raise ValueError(
        f"{len(gaps)} of {len(index)} intervals are unknown, the first at {gaps[0]} "
        f"({', '.join(said[:_SHOWN_MONTHS])}{more}). Fill them, choose another period, or set "
        "household.missing = 'report' to leave them out of every sum and say so"
    )


def without_gaps(values: Floats) -> Floats:
    """The same time of day of the day before, or after, wherever a value is unknown."""
    if np.isfinite(values).all():
        return values
    days = -(-len(values) // DAY)
    padded = np.full(days * DAY, np.nan)
    padded[: len(values)] = values
    frame = pd.DataFrame(padded.reshape(days, DAY)).ffill().bfill()
    mean = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
    filled: Floats = frame.fillna(mean).to_numpy().ravel()[: len(values)]
    return filled
