"""Plans that couple intervals: prices in steps, and charges on the highest demand of a month.

The dispatch sees prices interval by interval. Steps are met by running again at the prices the last
run reached; a demand charge by capping what is imported inside its windows, a cap per measurement
period, found by golden section for all periods at once. What is kept is what the bill says is
cheapest.
"""

import math
from dataclasses import replace
from typing import Final, get_args

import numpy as np

from energy_pipeline.model.bill import billed_kw, marginal_prices, measured_kw
from energy_pipeline.model.scenario import Strategy
from energy_pipeline.model.scenario_data import INTERVAL_HOURS, Floats
from energy_pipeline.model.scenario_meter import Home, Run
from energy_pipeline.model.tariff_calendar import IntArray
from energy_pipeline.model.tariff_compile import CompiledTariff
from energy_pipeline.model.tariff_demand import CompiledDemand

_SMALL_AUD: Final = 1e-6
_STEP_ROUNDS: Final = 4
_CAP_ROUNDS: Final = 9  # the bracket shrinks to 0.618 ** 9, 1.3 %
_GOLDEN: Final = (math.sqrt(5.0) - 1.0) / 2.0
_PLANNED: Final = ("forecast_plan", "perfect_foresight")


def best_run(home: Home) -> Run:
    """Run a home; where its plan couples intervals, the cheapest of several runs."""
    first = home.run(home.terms)
    plan = home.ground.plan
    steps = any(part.blocks is not None for part in plan.energy)
    strategy = home.scenario.dispatch.strategy
    stored = home.scenario.battery is not None or home.feeding is not None
    if not stored or strategy not in _PLANNED or not (steps or plan.demand):
        return first
    runs = [first]
    if steps:
        runs += _at_steps_reached(home, first)
    if strategy == "perfect_foresight":
        runs += [_as_rule(home, rule).run(home.terms) for rule in get_args(Strategy)[1:4]]
        for part in plan.demand:
            runs.append(_capped(home, part, min(runs, key=_cost_aud)))
    best = min(runs, key=_cost_aud)
    gap, said = first.gap_aud, first.bound_said
    if gap is not None and plan.demand:
        gap = max(_cost_aud(best) - (_cost_aud(first) - gap - _demand_aud(plan, first)), 0.0)
        said = "proven, but widely: at least the energy at its cheapest and the least demand"
    return replace(best, strategy=strategy, gap_aud=gap, bound_said=said)


def _cost_aud(run: Run) -> float:
    return run.cost_aud + run.wear_aud


def _as_rule(home: Home, rule: Strategy) -> Home:
    settings = replace(home.scenario.dispatch, strategy=rule)
    return replace(home, scenario=replace(home.scenario, dispatch=settings))


def _at_steps_reached(home: Home, first: Run) -> list[Run]:
    """Runs at the prices of the steps that the run before reached."""
    ground, runs = home.ground, [first]
    for _ in range(_STEP_ROUNDS):
        last = runs[-1]
        buy, sell = marginal_prices(
            ground.plan,
            np.where(ground.known, last.import_kwh, 0.0),
            np.where(ground.known, last.export_kwh, 0.0),
        )
        terms = replace(
            home.terms,
            import_c_per_kwh=np.where(
                ground.known, buy * ground.discount_factor, ground.import_c_per_kwh
            ),
            feed_in_c_per_kwh=np.where(ground.known, sell, ground.feed_in_c_per_kwh),
        )
        runs.append(home.run(terms))
        if abs(_cost_aud(runs[-1]) - _cost_aud(last)) < _SMALL_AUD:
            break
    return runs[1:]


def _capped(home: Home, part: CompiledDemand, base: Run) -> Run:
    """The run with the best cap on each period's demand; all periods are searched at once."""
    period = _period_of_interval(part, len(base.import_kwh))
    highest = _measured(part, base)
    low, high = np.zeros(part.groups), highest
    inner = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    runs = [_with_caps(home, part, caps) for caps in inner]
    costs = [_cost_by_period(run, part, period) for run in runs]
    for _ in range(_CAP_ROUNDS):
        left = costs[0] <= costs[1]
        high, low = np.where(left, inner[1], high), np.where(left, low, inner[0])
        kept = np.where(left, inner[0], inner[1])
        kept_cost = np.where(left, costs[0], costs[1])
        tried = np.where(left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        cost = _cost_by_period(_with_caps(home, part, tried), part, period)
        inner = [np.where(left, tried, kept), np.where(left, kept, tried)]
        costs = [np.where(left, cost, kept_cost), np.where(left, kept_cost, cost)]
    found = np.where(costs[0] <= costs[1], inner[0], inner[1])
    uncapped = _cost_by_period(base, part, period)
    caps = np.where(np.minimum(*costs) < uncapped, found, highest)
    return _with_caps(home, part, caps)


def _with_caps(home: Home, part: CompiledDemand, caps_kw: Floats) -> Run:
    """Import held to each period's cap inside the windows, as far as the storage can.

    The cap is on the mean of a half hour; inside it the limit follows what the house itself does.
    """
    count = len(home.load_kwh)
    lengths = np.diff(np.append(part.starts, count))
    net_kw = (home.load_kwh - home.solar_kwh) / INTERVAL_HOURS
    mean_kw = np.add.reduceat(net_kw, part.starts) / lengths
    caps = np.full(len(part.starts), np.inf)
    caps[part.chosen] = caps_kw[part.group]
    shaped = np.maximum(np.repeat(caps - mean_kw, lengths) + net_kw, 0.0)
    limit = np.minimum(home.ground.import_limit_kw, shaped)
    return home.run(replace(home.terms, import_limit_kw=limit))


def _period_of_interval(part: CompiledDemand, count: int) -> IntArray:
    """Measurement period each interval is nearest to, so that its energy is weighed with it."""
    first = part.starts[part.chosen]
    place = np.clip(np.searchsorted(first, np.arange(count), side="right") - 1, 0, None)
    return part.group[place] if len(first) else np.zeros(count, dtype=np.int64)


def _measured(part: CompiledDemand, run: Run) -> Floats:
    known = run.ground.known
    measured, _ = measured_kw(part, np.where(known, run.import_kwh, 0.0), known)
    return np.nan_to_num(measured, nan=0.0)


def _cost_by_period(run: Run, part: CompiledDemand, period: IntArray) -> Floats:
    """Energy and demand of each measurement period, at the plan's own prices. [AUD]"""
    ground = run.ground
    energy = (
        run.import_kwh * ground.import_c_per_kwh - run.export_kwh * ground.feed_in_c_per_kwh
    ) / 100.0
    energy = np.where(ground.known, energy, 0.0)
    cost: Floats = np.bincount(period, weights=energy, minlength=part.groups).astype(float)
    return cost + billed_kw(part, _measured(part, run)) * part.aud_per_kw()


def _demand_aud(plan: CompiledTariff, run: Run) -> float:
    """What of a run's demand charges better dispatch could at most have saved. [AUD]"""
    saved = 0.0
    for part in plan.demand:
        least = billed_kw(part, np.zeros(part.groups))
        saved += float(((billed_kw(part, _measured(part, run)) - least) * part.aud_per_kw()).sum())
    return saved
