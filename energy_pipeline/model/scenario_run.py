"""Running a scenario on its data: generation, car, battery, meter, bill.

One order for every strategy: the panels generate; a car that only charges takes its share by its
own rule; what is left is the problem of the storage. A car that feeds the house is a second
storage behind the same meter: the two are dispatched in turn, the battery first, each given the
other, as long as that lowers the cost.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from energy_pipeline.model.bill import Bill, bill, marginal_prices
from energy_pipeline.model.dispatch.problem import EndCondition, StorageProblem
from energy_pipeline.model.dispatch.rules import dispatch_none
from energy_pipeline.model.dispatch.settlement import DispatchResult, Violations
from energy_pipeline.model.scenario import V2X, Scenario
from energy_pipeline.model.scenario_car import CarRun, FeedingCar, charge_only, feeding_car
from energy_pipeline.model.scenario_data import INTERVAL_HOURS, Bools, Floats
from energy_pipeline.model.scenario_ground import Ground, Prepared
from energy_pipeline.model.scenario_storage import Sight, run_strategy, window_intervals

ASSETS: Final = ("solar", "battery", "ev")
_TURNS: Final = 6  # of battery and car, each given the other
_SMALL_AUD: Final = 1e-6
_TIER_ROUNDS: Final = 4  # of a plan with steps, each at the prices the last one reached


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """What a day hands to the next: energy in store, and the prices a threshold remembers."""

    battery_kwh: float | None = None  # None: the battery's reserve
    car_kwh: float | None = None  # None: as the scenario says
    import_before: Floats
    feed_in_before: Floats

    @classmethod
    def fresh(cls) -> "State":
        """Nothing remembered."""
        return cls(import_before=np.empty(0), feed_in_before=np.empty(0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What happened. Arrays of shape (n,); energies of unknown intervals are NaN in the bill only.

    Attributes
    ----------
    bound_aud : float or None
        Proven: no schedule of the storage costs less on this plan. None: nothing is proven.
    bound_said : str
        What is proven, or why nothing is.
    """

    ground: Ground
    strategy: str
    status: str
    load_kwh: Floats
    solar_kwh: Floats
    curtailed_kwh: Floats
    import_kwh: Floats
    export_kwh: Floats
    charge_kwh: Floats  # of the battery, AC
    discharge_kwh: Floats
    battery_kwh: Floats  # in store at the END of the interval
    car: CarRun | None
    bill: Bill
    wear_aud: float
    gap_aud: float | None
    bound_said: str
    violations: Violations
    state: State

    @property
    def public_aud(self) -> float:
        """Bought at public chargers, in known intervals."""
        return 0.0 if self.car is None else self.car.public_aud(self.ground.known)

    @property
    def cost_aud(self) -> float:
        """The bill and public charging, over the known intervals."""
        return self.bill.total_aud + self.public_aud


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
    home = _Home(
        scenario=scenario, ground=ground, sight=sight, load_kwh=load, solar_kwh=solar,
        capacity_fraction=capacity_fraction, state=state, feeding=feeding,
    )  # fmt: skip
    return home.cheapest_of_tiers(car)


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Home:
    """One run of one scenario: its problem, and the ways to solve it."""

    scenario: Scenario
    ground: Ground
    sight: Sight
    load_kwh: Floats
    solar_kwh: Floats
    capacity_fraction: float
    state: State
    feeding: FeedingCar | None

    def cheapest_of_tiers(self, car: CarRun | None) -> Run:
        """Run at the first tiers' prices; where the plan has steps, again at those reached."""
        ground = self.ground
        best = self.run(car, ground.import_c_per_kwh, ground.feed_in_c_per_kwh)
        blocks = any(part.blocks is not None for part in ground.plan.energy)
        if not blocks or self.scenario.dispatch.strategy not in (
            "forecast_plan",
            "perfect_foresight",
        ):
            return best
        last = best
        for _ in range(_TIER_ROUNDS):
            metered = (np.where(ground.known, a, 0.0) for a in (last.import_kwh, last.export_kwh))
            buy, sell = marginal_prices(ground.plan, *metered)
            buy = np.where(ground.known, buy, ground.import_c_per_kwh)
            sell = np.where(ground.known, sell, ground.feed_in_c_per_kwh)
            last = self.run(car, buy, sell)
            if last.cost_aud >= best.cost_aud - _SMALL_AUD:
                break
            best = last
        return best

    def run(self, car: CarRun | None, buy: Floats, sell: Floats) -> Run:
        """Dispatch at these prices, settle and bill."""
        battery = self._battery(buy, sell, None)
        if self.feeding is None:
            return self._settled(battery, battery, car, 0)
        battery, flows, turns = self._in_turn(self.feeding, battery, buy, sell)
        return self._settled(flows, battery, self.feeding.run(flows), turns)

    def _in_turn(
        self, feeding: FeedingCar, battery: DispatchResult, buy: Floats, sell: Floats
    ) -> tuple[DispatchResult, DispatchResult, int]:
        """Battery and car, each given the other: both results (the car's has the meter), turns."""
        car = self._car_given(feeding, battery, buy, sell)
        best = battery, car, 1
        if self.scenario.battery is None or self.scenario.dispatch.strategy != "perfect_foresight":
            return best
        cost = car.objective_aud + battery.wear_aud
        for turn in range(2, _TURNS + 1):
            battery = self._battery(buy, sell, car.charge_kwh - car.discharge_kwh)
            car = self._car_given(feeding, battery, buy, sell)
            now = car.objective_aud + battery.wear_aud
            if now >= cost - _SMALL_AUD:
                break
            cost, best = now, (battery, car, turn)
        return best

    def _car_given(
        self, feeding: FeedingCar, battery: DispatchResult, buy: Floats, sell: Floats
    ) -> DispatchResult:
        net = battery.charge_kwh - battery.discharge_kwh + self._standby_kwh()
        load, solar = _shifted(self.load_kwh, self.solar_kwh, net)
        store: dict[str, Any] = dict(feeding.store.fields)
        problem = StorageProblem(
            load_kwh=load,
            solar_kwh=solar,
            initial_energy_kwh=feeding.start_kwh,
            end=EndCondition.at_least(feeding.start_kwh),
            **self._meter(buy, sell),
            **store,
        )
        return run_strategy(problem, self.scenario.dispatch, self.sight)

    def _standby_kwh(self) -> float:
        battery = self.scenario.battery
        if battery is None or self.scenario.dispatch.strategy == "none":
            return 0.0
        return battery.battery.standby_kw * INTERVAL_HOURS

    def _meter(self, buy: Floats, sell: Floats) -> dict[str, Any]:
        """What every storage behind this meter shares."""
        return {
            "import_c_per_kwh": buy,
            "feed_in_c_per_kwh": sell,
            "interval_hours": INTERVAL_HOURS,
            "import_limit_kw": self.ground.import_limit_kw,
            "export_limit_kw": self.ground.export_limit_kw,
        }

    def _battery(self, buy: Floats, sell: Floats, car_net_kwh: Floats | None) -> DispatchResult:
        """The battery dispatched, with the net use of a feeding car added to the house."""
        load, solar = self.load_kwh, self.solar_kwh
        if car_net_kwh is not None:
            load, solar = _shifted(load, solar, car_net_kwh)
        asset = self.scenario.battery
        if asset is None:
            bare: dict[str, Any] = {"capacity_kwh": 0.0, "charge_kw": 0.0, "discharge_kw": 0.0}
            return dispatch_none(
                StorageProblem(load_kwh=load, solar_kwh=solar, **self._meter(buy, sell), **bare)
            )
        aged = asset.battery.aged(self.capacity_fraction)
        fields: dict[str, Any] = dict(aged.fields)
        if not self.ground.known.all():
            for name in ("charge_kw", "discharge_kw"):
                fields[name] = np.where(self.ground.known, fields[name], 0.0)
        initial = self.state.battery_kwh
        initial = aged.reserve_kwh if initial is None else min(initial, aged.capacity_kwh)
        problem = StorageProblem(
            load_kwh=load,
            solar_kwh=solar,
            initial_energy_kwh=initial,
            grid_charge=asset.grid_charge,
            grid_export=asset.grid_export,
            **self._meter(buy, sell),
            **fields,
        )
        return run_strategy(problem, self.scenario.dispatch, self.sight)

    def _settled(
        self, flows: DispatchResult, battery: DispatchResult, car: CarRun | None, turns: int
    ) -> Run:
        ground, settings = self.ground, self.scenario.dispatch
        curtailed, imported, exported = _no_energy_burnt(flows, self.solar_kwh)
        billed = bill(
            ground.plan,
            _where(ground.known, imported),
            _where(ground.known, exported),
            controlled_load_kwh=ground.controlled_load_kwh,
            gaps="report",
        )
        gap, said = self._bound(flows, car, turns)
        seen = window_intervals(settings)
        stored = battery.soc_kwh
        return Run(
            ground=ground,
            strategy=settings.strategy,
            status=battery.status if self.scenario.battery is not None else "no battery",
            load_kwh=ground.load_kwh,
            solar_kwh=self.solar_kwh,
            curtailed_kwh=curtailed,
            import_kwh=imported,
            export_kwh=exported,
            charge_kwh=battery.charge_kwh,
            discharge_kwh=battery.discharge_kwh,
            battery_kwh=stored,
            car=car,
            bill=billed,
            wear_aud=battery.wear_aud + (flows.wear_aud if flows is not battery else 0.0),
            gap_aud=gap,
            bound_said=said,
            violations=flows.violations,
            state=State(
                battery_kwh=None if self.scenario.battery is None else float(stored[-1]),
                car_kwh=None if car is None else float(car.soc_kwh[-1]),
                import_before=_tail(
                    self.state.import_before, ground.import_c_per_kwh[ground.known], seen
                ),
                feed_in_before=_tail(
                    self.state.feed_in_before, ground.feed_in_c_per_kwh[ground.known], seen
                ),
            ),
        )

    def _bound(
        self, flows: DispatchResult, car: CarRun | None, turns: int
    ) -> tuple[float | None, str]:
        """How far the storage's schedule may be from the best, and why that is known or not."""
        if self.scenario.battery is None and self.feeding is None:
            return None, "nothing is dispatched: there is no storage"
        if self.scenario.dispatch.strategy != "perfect_foresight":
            return None, "no bound: only perfect foresight proves one"
        plan = self.ground.plan
        if plan.demand:
            return None, "unknown: the dispatch does not see the demand charge"
        if any(part.blocks is not None for part in plan.energy):
            return None, "unknown: steps of the plan are met by repetition, which proves nothing"
        if self.feeding is not None and self.scenario.battery is not None:
            return None, f"unknown: battery and car were dispatched in {turns} turns, battery first"
        if car is not None and self.feeding is None:
            return flows.gap_aud, "proven for the storage, given when the car charges"
        return flows.gap_aud, "proven: no schedule costs less by more than this"


def _shifted(load_kwh: Floats, solar_kwh: Floats, net_kwh: Floats | float) -> tuple[Floats, Floats]:
    """The house with another storage's net use added; what that exports counts as generation."""
    load = load_kwh + net_kwh
    return np.maximum(load, 0.0), solar_kwh + np.maximum(-load, 0.0)


def _no_energy_burnt(flows: DispatchResult, solar_kwh: Floats) -> tuple[Floats, Floats, Floats]:
    """Curtailed, import and export, where more was curtailed than the panels gave.

    A storage given the other's export as generation could turn it down; what it turned down is
    metered here instead.
    """
    over = np.maximum(flows.curtailed_kwh - solar_kwh, 0.0)
    if not over.any():
        return flows.curtailed_kwh, flows.import_kwh, flows.export_kwh
    less_import = np.minimum(over, flows.import_kwh)
    return (
        flows.curtailed_kwh - over,
        flows.import_kwh - less_import,
        flows.export_kwh + over - less_import,
    )


def _where(known: Bools, values: Floats) -> Floats:
    return values if known.all() else np.where(known, values, np.nan)


def _tail(before: Floats, prices: Floats, count: int) -> Floats:
    return np.concatenate((before, prices))[-count:]


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
