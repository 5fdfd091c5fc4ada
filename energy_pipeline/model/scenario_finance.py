"""The purchase of a scenario: prices, rebates, ageing equipment, savings year by year.

The first year is the year of the data. Later ones are simulated again with older panels and a
smaller battery, at some ages or at all of them; in between the saving follows the curve they make.
Prices then rise together, so the saving of a year is multiplied by their rise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.polynomial import Polynomial

from energy_pipeline.model.battery_fade import warranty_line
from energy_pipeline.model.cash_flow import Appraisal, Purchase, appraise
from energy_pipeline.model.finance import Loan, levelised_cost_aud_per_kwh
from energy_pipeline.model.rebates import Rebate, battery_rebate, solar_rebate, state_rebates
from energy_pipeline.model.scenario import Ageing, Finance, Scenario
from energy_pipeline.model.scenario_flows import flows_kwh, stored_c_per_kwh
from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_run import simulate
from energy_pipeline.model.scenario_year import year_scale, yearly_aud

_LEAST_CAPACITY: Final = 0.05  # below this share the warranty line means nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlay:
    """What is bought, and what others pay of it. [AUD]"""

    prices_aud: Mapping[str, float]  # by asset
    rebates: tuple[tuple[str, Rebate], ...]  # asset, rebate
    notes: tuple[str, ...]

    @property
    def capex_aud(self) -> float:
        return sum(self.prices_aud.values())

    def rebate_aud(self, asset: str) -> float:
        """Rebates of one asset, at most its price."""
        paid = sum(rebate.amount_aud for name, rebate in self.rebates if name == asset)
        return min(paid, self.prices_aud[asset])

    def net_aud(self, asset: str) -> float:
        """Price less rebates."""
        return self.prices_aud[asset] - self.rebate_aud(asset)

    @property
    def rebates_aud(self) -> float:
        return sum(self.rebate_aud(asset) for asset in self.prices_aud)


@dataclass(frozen=True, slots=True, kw_only=True)
class YearFigures:
    """A year of 365 days of one scenario, at one age of its equipment."""

    cost_aud: float  # bill and public charging
    added_solar_kwh: float  # by the new panels, turned down or not
    discharged_kwh: float  # by the battery
    stored_aud_per_kwh: float  # what that energy cost, NaN without any; first year only


def year_figures(
    prepared: Prepared, scenario: Scenario, *, year: int = 1, capacity_fraction: float = 1.0
) -> YearFigures:
    """Run a scenario at an age and scale it to a year; runs that differ in money alone are shared.

    Raises
    ------
    ValueError
        As `simulate`, or if no month has the coverage the scenario asks for.
    """
    bare = _without_money(scenario)
    key = ("figures", bare, year, capacity_fraction)
    found: YearFigures = prepared.once(
        key, lambda: _run_year(prepared, bare, year, capacity_fraction)
    )
    return found


def _run_year(
    prepared: Prepared, scenario: Scenario, year: int, capacity_fraction: float
) -> YearFigures:
    run = simulate(prepared, scenario, year=year, capacity_fraction=capacity_fraction)
    least = scenario.household.least_coverage_fraction
    scale = year_scale(run.bill, least_coverage_fraction=least)
    known = run.ground.known
    stored = float("nan")
    if scenario.battery is not None and year == 1:
        stored = stored_c_per_kwh(run, flows_kwh(run)) / 100.0
    added = np.where(known, run.solar_kwh - run.ground.solar_kwh, 0.0)
    return YearFigures(
        cost_aud=yearly_aud(run, scale),
        added_solar_kwh=scale.total(run.bill, added),
        discharged_kwh=scale.total(run.bill, np.where(known, run.discharge_kwh, 0.0)),
        stored_aud_per_kwh=stored,
    )


def _without_money(scenario: Scenario) -> Scenario:
    """What of a scenario moves energy."""
    solar, battery, car = scenario.solar, scenario.battery, scenario.car
    if solar is not None:
        solar = replace(
            solar, price_aud=None, inverter_replacement_year=None, inverter_replacement_aud=0.0
        )
    if battery is not None:
        battery = replace(
            battery,
            title="",
            figures=(),
            price_aud=None,
            warranty_years=None,
            warranty_kwh=None,
            replace_at_fraction=None,
        )
    if car is not None:
        car = replace(car, title="", figures=(), price_aud=0.0)
    return replace(
        scenario,
        name="",
        description="",
        finance=None,
        drivers=(),
        document={},
        solar=solar,
        battery=battery,
        car=car,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Everything the finance of a scenario says."""

    outlay: Outlay
    purchase: Purchase
    appraisal: Appraisal
    savings_aud: tuple[float, ...]  # years 1, 2, ...
    simulated_years: tuple[int, ...]
    capacity_fraction: tuple[float, ...]  # of the battery, by year
    lcoe_aud_per_kwh: float | None  # of the new panels
    lcos_aud_per_kwh: float | None  # of the battery
    statement: str


def outlay(scenario: Scenario, finance: Finance) -> Outlay:
    """Prices and rebates at the date of installation."""
    prices: dict[str, float] = {}
    rebates: list[tuple[str, Rebate]] = []
    notes: list[str] = []
    solar, battery, car = scenario.solar, scenario.battery, scenario.car
    if solar is not None:
        prices["solar"] = solar.price_aud or 0.0
        kw = solar.system.kwp
        existing = scenario.household.existing_solar
        if solar.source == "measured" and existing is not None:
            kw -= existing.kwp
        if finance.federal_rebates and kw > 0.0:
            rebates.append(
                (
                    "solar",
                    solar_rebate(
                        kw,
                        zone=finance.zone,
                        installed=finance.installed,
                        certificate_aud=finance.certificate_aud,
                    ),
                )
            )
    if battery is not None:
        prices["battery"] = battery.price_aud or 0.0
        usable = battery.battery.capacity_kwh
        if finance.federal_rebates:
            offer = battery_rebate(
                usable, installed=finance.installed, certificate_aud=finance.certificate_aud
            )
            rebates.append(("battery", offer))
        if finance.state is not None:
            offers = state_rebates(finance.state, usable_kwh=usable, installed=finance.installed)
            rebates += [("battery", offer) for offer in offers]
    if car is not None:
        device = car.bidirectional
        prices["ev"] = car.price_aud if device is None else device.charger_aud + car.price_aud
    found = Outlay(prices_aud=prices, rebates=tuple(rebates), notes=())
    for asset, price in prices.items():
        paid = sum(rebate.amount_aud for name, rebate in rebates if name == asset)
        if paid > price:
            notes.append(f"rebates of {paid:.0f} AUD exceed the price of {asset}; cut to it")
    return Outlay(prices_aud=found.prices_aud, rebates=found.rebates, notes=tuple(notes))


def capacity_by_year(
    scenario: Scenario, years: int, *, delivered_kwh_per_year: float
) -> tuple[list[float], list[int]]:
    """Capacity left at the start of each year, and the years in which the battery is replaced."""
    asset, finance = scenario.battery, scenario.finance
    ageless = finance is not None and finance.ageing == "none"
    if asset is None or asset.warranty_years is None or ageless:
        return [1.0] * years, []
    left, replaced, age = [], [], 0
    for year in range(1, years + 1):
        share = warranty_line(
            age,
            delivered_kwh_per_year * age,
            warranty_years=asset.warranty_years,
            warranty_kwh=asset.warranty_kwh or float("inf"),
            end_fraction=asset.warranty_end_fraction,
        )
        if asset.replace_at_fraction is not None and share < asset.replace_at_fraction:
            replaced.append(year)
            share, age = 1.0, 0
        left.append(max(share, _LEAST_CAPACITY))
        age += 1
    return left, replaced


def years_to_simulate(years: int, replaced: list[int], ageing: Ageing) -> list[int]:
    """Ages that are run again: ends (and middles) of the stretches between replacements."""
    if ageing == "none":
        return [1]
    if ageing == "every_year":
        return list(range(1, years + 1))
    edges = [1, *replaced, years + 1]
    chosen: set[int] = set()
    for first, after in pairwise(edges):
        chosen |= {first, after - 1}
        if ageing == "middle":
            chosen.add((first + after - 1) // 2)
    return sorted(chosen)


def money(prepared: Prepared, scenario: Scenario, *, before_aud: float) -> Money:
    """Appraise the purchase of a scenario.

    Parameters
    ----------
    before_aud : float
        Yearly cost without the purchase.

    Raises
    ------
    ValueError
        If the scenario has no ``[finance]``, or too little data for a year.
    """
    finance = scenario.finance
    if finance is None:
        raise ValueError("the scenario has no [finance]")
    first = year_figures(prepared, scenario)
    capacity, replaced = capacity_by_year(
        scenario, finance.years, delivered_kwh_per_year=first.discharged_kwh
    )
    ages = scenario.solar is not None or min(capacity) < 1.0
    chosen = years_to_simulate(finance.years, replaced, finance.ageing if ages else "none")
    saved = [
        before_aud
        - year_figures(prepared, scenario, year=year, capacity_fraction=capacity[year - 1]).cost_aud
        for year in chosen
    ]
    rise = 1.0 + finance.price_escalation
    savings = [
        saving * rise**y
        for y, saving in enumerate(_between(chosen, saved, replaced, finance.years))
    ]
    spent = outlay(scenario, finance)
    purchase = _purchase(scenario, finance, spent, replaced)
    return Money(
        outlay=spent,
        purchase=purchase,
        appraisal=appraise(purchase, savings, discount_rate=finance.discount_rate),
        savings_aud=tuple(savings),
        simulated_years=tuple(chosen),
        capacity_fraction=tuple(capacity),
        lcoe_aud_per_kwh=_lcoe(scenario, finance, spent, first),
        lcos_aud_per_kwh=_lcos(scenario, finance, spent, first, capacity),
        statement=_statement(scenario, finance, chosen, replaced),
    )


def _between(chosen: list[int], saved: list[float], replaced: list[int], years: int) -> list[float]:
    """Savings of every year from those simulated: a parabola, or a line, between replacements."""
    known = dict(zip(chosen, saved, strict=True))
    found: list[float] = []
    for first, after in pairwise([1, *replaced, years + 1]):
        here = [year for year in chosen if first <= year < after] or [1]
        fit = Polynomial.fit(here, [known[year] for year in here], deg=min(len(here) - 1, 2))
        found += [known.get(year, float(fit(year))) for year in range(first, after)]
    return found


def _purchase(scenario: Scenario, finance: Finance, spent: Outlay, replaced: list[int]) -> Purchase:
    replacements: dict[int, float] = {}
    if scenario.battery is not None:
        for year in replaced:
            replacements[year] = scenario.battery.price_aud or 0.0
    solar = scenario.solar
    if solar is not None and solar.inverter_replacement_year is not None:
        year = solar.inverter_replacement_year
        replacements[year] = replacements.get(year, 0.0) + solar.inverter_replacement_aud
    loan = None
    if finance.loan is not None:
        loan = Loan(
            principal_aud=finance.loan.fraction * (spent.capex_aud - spent.rebates_aud),
            annual_rate=finance.loan.annual_rate,
            years=finance.loan.years,
        )
    return Purchase(
        capex_aud=spent.capex_aud,
        years=finance.years,
        rebate_aud=spent.rebates_aud,
        loan=loan,
        opex_aud_per_year=finance.opex_aud_per_year,
        opex_escalation=finance.opex_escalation,
        replacements_aud=replacements,
    )


def _lcoe(scenario: Scenario, finance: Finance, spent: Outlay, first: YearFigures) -> float | None:
    """Price of a kWh the new panels generate, turned down or not."""
    if scenario.solar is None or first.added_solar_kwh <= 0.0:
        return None
    return levelised_cost_aud_per_kwh(
        capex_aud=spent.net_aud("solar"),
        energy_year1_kwh=first.added_solar_kwh,
        years=finance.years,
        rate=finance.discount_rate,
        degradation=scenario.solar.system.degradation_per_year,
    )


def _lcos(
    scenario: Scenario, finance: Finance, spent: Outlay, first: YearFigures, capacity: list[float]
) -> float | None:
    """Price of a kWh the battery gives back, what it was charged with included."""
    if scenario.battery is None or first.discharged_kwh <= 0.0:
        return None
    fade = 1.0 - (capacity[-1] / capacity[0]) ** (1.0 / max(finance.years - 1, 1))
    return levelised_cost_aud_per_kwh(
        capex_aud=spent.net_aud("battery"),
        energy_year1_kwh=first.discharged_kwh,
        years=finance.years,
        rate=finance.discount_rate,
        degradation=min(max(fade, 0.0), 0.99),
        charging_cost_aud_per_kwh=first.stored_aud_per_kwh,
    )


def _statement(scenario: Scenario, finance: Finance, chosen: list[int], replaced: list[int]) -> str:
    said = [f"{finance.years} years from {finance.installed}, nominal, nothing left at the end"]
    if len(chosen) == 1:
        said.append("every year saves as the first")
    elif len(chosen) == finance.years:
        said.append("every year simulated with its age")
    else:
        years = ", ".join(str(year) for year in chosen)
        said.append(f"years {years} simulated with their age, the others in between")
    battery = scenario.battery
    if battery is not None and battery.warranty_years is None:
        said.append("the battery does not fade: its warranty is not published")
    elif battery is not None and finance.ageing != "none":
        said.append("the battery fades along its warranty line")
    if replaced:
        said.append(f"battery replaced in year {', '.join(str(y) for y in replaced)}")
    if finance.price_escalation:
        said.append(f"all prices rise by {finance.price_escalation:.2%} a year")
    else:
        said.append("prices stay as they are")
    return "; ".join(said) + "."
