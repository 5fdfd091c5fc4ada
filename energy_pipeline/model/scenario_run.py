"""Running a scenario on its data: generation, car, storage, meter, bill.

One order for every strategy: the panels generate; a car that only charges takes its share by its
own rule; what is left is the problem of the storage.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from energy_pipeline.model.scenario import V2X, Scenario
from energy_pipeline.model.scenario_car import charge_only, feeding_car
from energy_pipeline.model.scenario_coupled import best_run
from energy_pipeline.model.scenario_ground import Ground, Prepared
from energy_pipeline.model.scenario_meter import Home, Run, State
from energy_pipeline.model.scenario_storage import Sight

ASSETS: Final = ("solar", "battery", "ev")


def simulate(
    prepared: Prepared,
    scenario: Scenario,
    *,
    year: int = 1,
    capacity_fraction: float = 1.0,
    state: State | None = None,
) -> Run:
    """Run a scenario over its data.

    Parameters
    ----------
    prepared : Prepared
        Of the data.
    scenario : Scenario
    year : int
        Of the panels' life; 1 is new.
    capacity_fraction : float
        Left of the battery's capacity.
    state : State, optional
        Of the run before, where a period is run in pieces.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If intervals are unknown and the scenario refuses that, or the data lack what it names.
    """
    state = State.fresh() if state is None else state
    kwp = 0.0 if scenario.solar is None else scenario.solar.system.kwp
    existing = scenario.household.existing_solar
    if existing is not None and (scenario.solar is None or scenario.solar.source != "measured"):
        kwp += existing.kwp
    ground = prepared.ground(scenario, installed_kw=kwp)
    solar = prepared.solar(scenario, ground, year=year)
    car = None
    load = ground.load_kwh
    feeding = None
    asset = scenario.car
    if asset is not None:
        usage = prepared.usage(asset)
        if asset.charging in V2X and scenario.dispatch.strategy == "none":
            asset = replace(asset, charging="immediate", bidirectional=None)
        if asset.charging in V2X:
            feeding = feeding_car(asset, usage, ground.known, start_kwh=state.car_kwh)
        else:
            car = charge_only(
                asset,
                usage,
                known=ground.known,
                surplus_kwh=np.maximum(solar - load, 0.0),
                import_c_per_kwh=ground.import_c_per_kwh,
                feed_in_c_per_kwh=ground.feed_in_c_per_kwh,
                timezone=scenario.household.timezone,
                start_kwh=state.car_kwh,
            )
            load = load + car.charge_kwh
    sight = Sight(
        index=ground.index,
        known=ground.known,
        timezone=scenario.household.timezone,
        import_before=state.import_before,
        feed_in_before=state.feed_in_before,
        archived=_archived(prepared, scenario, ground),
    )
    return best_run(
        Home(
            scenario=scenario,
            ground=ground,
            sight=sight,
            load_kwh=load,
            solar_kwh=solar,
            capacity_fraction=capacity_fraction,
            state=state,
            feeding=feeding,
            car=car,
        )
    )


def _archived(prepared: Prepared, scenario: Scenario, ground: Ground) -> dict[str, Any]:
    """Archived forecasts that still tell the truth: of energies only where nothing was changed."""
    found = dict(prepared.data.forecasts)
    levels = scenario.levels
    if scenario.car is not None or levels.load != 1.0:
        found.pop("load_kwh", None)
    if scenario.solar is not None or levels.solar != 1.0:
        found.pop("solar_kwh", None)
    if levels.import_price != 1.0:
        found.pop("import_c_per_kwh", None)
    if levels.feed_in_price != 1.0:
        found.pop("feed_in_c_per_kwh", None)
    return found


def without(scenario: Scenario, *assets: str) -> Scenario:
    """The scenario without some of its assets; a car falls back to how it was charged before."""
    changed = scenario
    if "solar" in assets:
        changed = replace(changed, solar=None)
    if "battery" in assets:
        changed = replace(changed, battery=None)
    if "ev" in assets and changed.car is not None:
        car = changed.car
        kept = None
        if car.before != "none":
            kept = replace(car, charging=car.before, bidirectional=None, price_aud=0.0)
        changed = replace(changed, car=kept)
    return changed


def assets_of(scenario: Scenario) -> tuple[str, ...]:
    """The assets the scenario adds to the household as it was."""
    held = {"solar": scenario.solar, "battery": scenario.battery, "ev": scenario.car}
    return tuple(name for name in ASSETS if held[name] is not None)
