"""From a scenario and data to one result that says what it rests on, and results side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pandas as pd

from energy_pipeline.model import scenario_tables as tables
from energy_pipeline.model.cash_flow import appraise
from energy_pipeline.model.marginal_value import MarginalValue, marginal_values
from energy_pipeline.model.scenario import Scenario, plainly
from energy_pipeline.model.scenario_data import ScenarioData
from energy_pipeline.model.scenario_finance import Money, money, year_figures
from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_meter import Run
from energy_pipeline.model.scenario_run import ASSETS, assets_of, simulate, without
from energy_pipeline.model.scenario_toml import read_scenario
from energy_pipeline.model.scenario_year import year_scale, yearly

SCHEMA: Final = "hes-scenario-result/1"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """What a scenario came to.

    Attributes
    ----------
    document : dict
        Everything, as JSON holds it: numbers, texts, lists, tables; unknown is null.
    intervals : pd.DataFrame
        Flows of the scenario per interval_start; NaN where the interval is unknown.
    bill_lines : pd.DataFrame
        before_aud, after_aud and change_aud by line, over the period.
    cash_flow : pd.DataFrame or None
        As `cash_flow.cash_flow_table`; None without finance.
    """

    scenario: Scenario
    document: dict[str, Any]
    intervals: pd.DataFrame
    bill_lines: pd.DataFrame
    cash_flow: pd.DataFrame | None
    before: Run
    after: Run
    money: Money | None

    @property
    def summary(self) -> dict[str, Any]:
        """One row of figures, for a table of many scenarios."""
        return tables.summary_row(self.document["yearly"], self.document["finance"])


def as_prepared(data: ScenarioData | Prepared) -> Prepared:
    """Data with what was worked out from them; give a `Prepared` to share that between runs."""
    return data if isinstance(data, Prepared) else Prepared(data)


def as_scenario(document: Scenario | Mapping[str, Any]) -> Scenario:
    """A scenario, read from its tables where it is not one yet."""
    return document if isinstance(document, Scenario) else read_scenario(document)


def before_of(scenario: Scenario) -> Scenario:
    """The household as it was: nothing bought, the car charged as before."""
    was = without(scenario, *ASSETS)
    return replace(was, dispatch=replace(was.dispatch, strategy="none"))


def run_scenario(
    document: Scenario | Mapping[str, Any],
    data: ScenarioData | Prepared,
    *,
    marginal: bool = False,
) -> Result:
    """Run a scenario: before, after, a year of each, the purchase.

    Parameters
    ----------
    document : Scenario or mapping
        From `scenario_toml.load_scenario`, or the tables of a document.
    data : ScenarioData or Prepared
        The household's intervals.
    marginal : bool
        Value each asset alone, added last and by its fair share too: one run per subset.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If the document is wrong, the data lack what it names, or intervals are unknown and the
        scenario refuses that.
    """
    scenario, prepared = as_scenario(document), as_prepared(data)
    before, after = simulate(prepared, before_of(scenario)), simulate(prepared, scenario)
    least = scenario.household.least_coverage_fraction
    why_no_year, years, found = "", None, None
    try:
        scale = year_scale(after.bill, least_coverage_fraction=least)
    except ValueError as exc:
        why_no_year = str(exc)
    else:
        years = (
            yearly(before, scale, least_coverage_fraction=least),
            yearly(after, scale, least_coverage_fraction=least),
        )
        if scenario.finance is not None:
            found = money(prepared, scenario, before_aud=years[0].cost_aud)
    lines = tables.bill_lines(before, after)
    values = value_of_assets(scenario, prepared) if marginal and years is not None else None
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "name": scenario.name,
        "description": scenario.description,
        "software": tables.software(),
        "scenario": dict(scenario.document),
        "scenario_sha256": scenario.sha256,
        "data_sha256": prepared.sha256,
        "period": tables.period(after),
        "coverage": tables.coverage(after),
        "assumptions": tables.assumptions(scenario),
        "labels": tables.labels(prepared, scenario, after),
        "load": {
            "method": after.ground.house.method,
            "estimated": after.ground.house.estimated,
            "statement": after.ground.house.statement,
        },
        "dispatch": tables.dispatch(after),
        "bill": tables.bill(before, after, lines),
        "yearly": tables.yearly(years, why_no_year),
        "energy": tables.energy(scenario, before, after),
        "car": tables.car(scenario, before, after),
        "finance": None if found is None else tables.finance(found),
        "marginal_value": None if values is None else [plainly(value) for value in values],
    }
    return Result(
        scenario=scenario,
        document=tables.as_json(told),
        intervals=tables.intervals(scenario, after),
        bill_lines=lines,
        cash_flow=None if found is None else found.appraisal.table,
        before=before,
        after=after,
        money=found,
    )


def value_of_assets(
    document: Scenario | Mapping[str, Any], data: ScenarioData | Prepared
) -> list[MarginalValue]:
    """Yearly saving of each asset alone, added last, and by Shapley's share. [AUD per year]

    Raises
    ------
    ValueError
        If nothing is bought, or there is too little data for a year.
    """
    scenario, prepared = as_scenario(document), as_prepared(data)
    assets = assets_of(scenario)
    if not assets:
        raise ValueError("the scenario buys nothing: give [solar], [battery] or [ev]")

    def cost(chosen: frozenset[str]) -> float:
        owned = without(scenario, *(asset for asset in assets if asset not in chosen))
        return year_figures(prepared, owned).cost_aud

    return marginal_values(assets, cost)


def compare(results: Sequence[Result]) -> pd.DataFrame:
    """Results side by side, cheapest purchase first, each step judged against the one before.

    Returns
    -------
    pd.DataFrame
        By name: yearly cost, saving, net price, payback, NPV, IRR with its words; and
        ``step_*``: what the step from the row before costs, saves, and how soon it pays back.

    Raises
    ------
    ValueError
        If the results rest on different data or on different households before.
    """
    if not results:
        raise ValueError("results is empty; give one or more")
    for key, what in (("data_sha256", "data"), ("period", "periods")):
        if any(result.document[key] != results[0].document[key] for result in results):
            raise ValueError(f"the results rest on different {what}; run them on the same")
    ordered = sorted(results, key=lambda r: (_net_aud(r), r.scenario.name))
    rows = []
    for last, result in zip([None, *ordered[:-1]], ordered, strict=True):
        row = {"name": result.scenario.name, **result.summary}
        row |= _step(last, result) if last is not None else dict.fromkeys(_STEP_KEYS)
        rows.append(row)
    return pd.DataFrame(rows).set_index("name")


_STEP_KEYS: Final = ("step_price_aud", "step_saving_aud", "step_payback_years", "step_npv_aud",
                     "step_irr", "step_irr_said")  # fmt: skip


def _net_aud(result: Result) -> float:
    if result.money is None:
        return 0.0
    return result.money.outlay.capex_aud - result.money.outlay.rebates_aud


def _step(last: Result, result: Result) -> dict[str, Any]:
    """What is added between two packages: its flows are the difference of theirs."""
    old, new = last.money, result.money
    finance = result.scenario.finance
    if old is None or new is None or finance is None or last.scenario.finance is None:
        return dict.fromkeys(_STEP_KEYS)
    if old.purchase.years != new.purchase.years:
        return dict.fromkeys(_STEP_KEYS)
    flows = new.appraisal.table["before_loan_aud"] - old.appraisal.table["before_loan_aud"]
    price = -float(flows.iloc[0])
    step = appraise(
        replace(new.purchase, capex_aud=max(price, 0.0), rebate_aud=0.0, loan=None,
                opex_aud_per_year=0.0, replacements_aud={}),
        flows.iloc[1:].tolist(),
        discount_rate=finance.discount_rate,
    )  # fmt: skip
    return {
        "step_price_aud": price,
        "step_saving_aud": new.savings_aud[0] - old.savings_aud[0],
        "step_payback_years": step.payback_years,
        "step_npv_aud": step.npv_aud,
        "step_irr": step.irr.rate_fraction,
        "step_irr_said": step.irr.reason,
    }
