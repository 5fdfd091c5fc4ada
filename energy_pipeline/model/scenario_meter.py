"""What stands behind one meter: a battery, a car that feeds the house, how they are dispatched.

Battery and feeding car couple through the meter only. They are dispatched in turn, the battery
first, each given the other, as long as that lowers the cost: close to the best, with no proof.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from energy_pipeline.model.bill import Bill, bill
from energy_pipeline.model.dispatch.problem import EndCondition, StorageProblem
from energy_pipeline.model.dispatch.rules import dispatch_none
from energy_pipeline.model.dispatch.settlement import DispatchResult, Violations
from energy_pipeline.model.scenario import Scenario
from energy_pipeline.model.scenario_car import CarRun, FeedingCar
from energy_pipeline.model.scenario_data import INTERVAL_HOURS, Bools, Floats
from energy_pipeline.model.scenario_ground import Ground
from energy_pipeline.model.scenario_storage import Sight, run_strategy, window_intervals

_TURNS: Final = 6  # of battery and car, each given the other
_SMALL_AUD: Final = 1e-6
_ROUNDING_KWH: Final = 1e-9


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
    gap_aud : float or None
        Proven: no schedule of the storage costs less by more than this. None: nothing is proven.
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """What dispatch pays and may take, interval by interval; a plan's couplings bend it."""

    import_c_per_kwh: Floats
    feed_in_c_per_kwh: Floats
    import_limit_kw: float | Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Home:
    """One scenario on its ground: what is behind the meter, and how it is dispatched and billed."""

    scenario: Scenario
    ground: Ground
    sight: Sight
    load_kwh: Floats
    solar_kwh: Floats
    capacity_fraction: float
    state: State
    feeding: FeedingCar | None

    car: CarRun | None  # that only charges: its load is in load_kwh

    def run(self, terms: Terms) -> Run:
        """Dispatch on these terms, settle and bill."""
        battery = self._battery(terms, None)
        if self.feeding is None:
            return self._settled(battery, battery, self.car, 0)
        battery, flows, turns = self._in_turn(self.feeding, battery, terms)
        return self._settled(flows, battery, self.feeding.run(flows), turns)

    @property
    def terms(self) -> Terms:
        """What the plan says of each interval on its own."""
        return Terms(
            import_c_per_kwh=self.ground.import_c_per_kwh,
            feed_in_c_per_kwh=self.ground.feed_in_c_per_kwh,
            import_limit_kw=self.ground.import_limit_kw,
        )

    def _in_turn(
        self, feeding: FeedingCar, battery: DispatchResult, terms: Terms
    ) -> tuple[DispatchResult, DispatchResult, int]:
        """Battery and car, each given the other: both results (the car's has the meter), turns."""
        car = self._car_given(feeding, battery, terms)
        best = battery, car, 1
        if self.scenario.battery is None or self.scenario.dispatch.strategy != "perfect_foresight":
            return best
        cost = car.objective_aud + battery.wear_aud
        for turn in range(2, _TURNS + 1):
            battery = self._battery(terms, car.charge_kwh - car.discharge_kwh)
            car = self._car_given(feeding, battery, terms)
            now = car.objective_aud + battery.wear_aud
            if now >= cost - _SMALL_AUD:
                break
            cost, best = now, (battery, car, turn)
        return best

    def _car_given(
        self, feeding: FeedingCar, battery: DispatchResult, terms: Terms
    ) -> DispatchResult:
        store: dict[str, Any] = dict(feeding.store.fields)
        net = battery.charge_kwh - battery.discharge_kwh + self._standby_kwh()
        problem = StorageProblem(
            initial_energy_kwh=feeding.start_kwh,
            end=EndCondition.at_least(feeding.start_kwh),
            **self._meter(terms, net, store),
        )
        return run_strategy(problem, self.scenario.dispatch, self.sight)

    def _standby_kwh(self) -> float:
        battery = self.scenario.battery
        if battery is None or self.scenario.dispatch.strategy == "none":
            return 0.0
        return battery.battery.standby_kw * INTERVAL_HOURS

    def _battery(self, terms: Terms, car_net_kwh: Floats | None) -> DispatchResult:
        """The battery dispatched, given the net use of a feeding car."""
        asset = self.scenario.battery
        if asset is None:
            bare = {"capacity_kwh": 0.0, "charge_kw": 0.0, "discharge_kw": 0.0}
            return dispatch_none(StorageProblem(**self._meter(terms, car_net_kwh, bare)))
        aged = asset.battery.aged(self.capacity_fraction)
        store: dict[str, Any] = dict(aged.fields)
        if not self.ground.known.all():
            for name in ("charge_kw", "discharge_kw"):
                store[name] = np.where(self.ground.known, store[name], 0.0)
        initial = self.state.battery_kwh
        initial = aged.reserve_kwh if initial is None else min(initial, aged.capacity_kwh)
        problem = StorageProblem(
            initial_energy_kwh=initial,
            grid_charge=asset.grid_charge,
            grid_export=asset.grid_export,
            **self._meter(terms, car_net_kwh, store),
        )
        return run_strategy(problem, self.scenario.dispatch, self.sight)

    def _meter(
        self, terms: Terms, other_kwh: Floats | None, store: dict[str, Any]
    ) -> dict[str, Any]:
        """A storage behind this meter, given the net use of the other one.

        What the other exports counts as generation, and what this one may export beside it is
        what the connection leaves.
        """
        load, solar, limit = self.load_kwh, self.solar_kwh, self.ground.export_limit_kw
        if other_kwh is not None:
            net = load + other_kwh
            load, exported = np.maximum(net, 0.0), np.maximum(-net, 0.0)
            solar = solar + exported
            room_kw = np.maximum(limit + (load - exported) / INTERVAL_HOURS, 0.0)
            store = store | {"discharge_kw": np.minimum(store["discharge_kw"], room_kw)}
        return {
            "load_kwh": load,
            "solar_kwh": solar,
            "import_c_per_kwh": terms.import_c_per_kwh,
            "feed_in_c_per_kwh": terms.feed_in_c_per_kwh,
            "import_limit_kw": terms.import_limit_kw,
            "export_limit_kw": limit,
            "interval_hours": INTERVAL_HOURS,
            **store,
        }

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
            violations=self._violations(flows, imported),
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

    def _violations(self, flows: DispatchResult, imported: Floats) -> Violations:
        """What was missed of the connection itself, not of a cap the search for demand set."""
        missed = flows.violations
        over_kwh = imported - self.ground.import_limit_kw * INTERVAL_HOURS
        over = float(np.maximum(over_kwh, 0.0)[over_kwh > _ROUNDING_KWH].sum())
        if over == missed.import_over_kwh:
            return missed
        whole = replace(missed, import_over_kwh=over)
        share = _misses_kwh(whole) / _misses_kwh(missed)
        return replace(whole, notional_aud=missed.notional_aud * share)

    def _bound(
        self, flows: DispatchResult, car: CarRun | None, turns: int
    ) -> tuple[float | None, str]:
        """How far the storage's schedule may be from the best, and why that is known or not."""
        if self.scenario.battery is None and self.feeding is None:
            return None, "nothing is dispatched: there is no storage"
        if self.scenario.dispatch.strategy != "perfect_foresight":
            return None, "no bound: only perfect foresight proves one"
        plan = self.ground.plan
        if any(part.blocks is not None for part in plan.energy):
            return None, "unknown: steps of the plan are met by repetition, which proves nothing"
        if plan.tariff.feed_in_credit_never_negative:
            return None, "unknown: the dispatch does not see that a month's feed-in is floored"
        if self.feeding is not None and self.scenario.battery is not None:
            return None, f"unknown: battery and car were dispatched in {turns} turns, battery first"
        if car is not None and self.feeding is None:
            return flows.gap_aud, "proven for the storage, given when the car charges"
        return flows.gap_aud, "proven: no schedule costs less by more than this"


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


def _misses_kwh(missed: Violations) -> float:
    names = (name for name in missed.__dataclass_fields__ if name.endswith("_kwh"))
    return float(sum(getattr(missed, name) for name in names))


def _where(known: Bools, values: Floats) -> Floats:
    return values if known.all() else np.where(known, values, np.nan)


def _tail(before: Floats, prices: Floats, count: int) -> Floats:
    return np.concatenate((before, prices))[-count:]
