"""The parts of a result document: tables as JSON holds them, and the words that go with them."""

import math
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import pandas as pd

from energy_pipeline.model.scenario import V2X, Scenario
from energy_pipeline.model.scenario_car import FORESIGHT
from energy_pipeline.model.scenario_data import Floats
from energy_pipeline.model.scenario_finance import Money
from energy_pipeline.model.scenario_flows import (
    car_costs,
    flow_table,
    flows_kwh,
    shares,
    stored_c_per_kwh,
)
from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_meter import Run
from energy_pipeline.model.scenario_year import Yearly

_PACKAGES: Final = ("numpy", "pandas", "pvlib", "numba")


def software() -> dict[str, str]:
    """Versions of this package and of those its numbers come through."""
    found = {"energy-pipeline": version("energy-pipeline"), "python": platform.python_version()}
    return found | {name: version(name) for name in _PACKAGES}


def period(run: Run) -> dict[str, Any]:
    """What the data span."""
    index = run.ground.index
    return {
        "start": index[0].isoformat(),
        "end": (index[-1] + (index[1] - index[0] if len(index) > 1 else pd.Timedelta("5min")))
        .isoformat(),
        "intervals": len(index),
        "known_intervals": int(run.ground.known.sum()),
    }  # fmt: skip


def coverage(run: Run) -> list[dict[str, Any]]:
    """Intervals of each local month: in it, in the data, known."""
    bill = run.bill
    return [
        {
            "month": month,
            "expected_intervals": int(expected),
            "covered_intervals": int(covered),
            "known_intervals": int(known),
            "known_fraction": float(known / expected),
        }
        for month, expected, covered, known in zip(
            bill.months,
            bill.expected_intervals,
            bill.covered_intervals,
            bill.known_intervals,
            strict=True,
        )
    ]


def assumptions(scenario: Scenario) -> list[dict[str, Any]]:
    """Every catalogue figure the scenario uses, with its source, and whether that was read."""
    rows = []
    held = (("battery", scenario.battery), ("ev", scenario.car))
    for asset, thing in held:
        for figure in () if thing is None else thing.figures:
            rows.append(
                {
                    "asset": asset,
                    "figure": figure.name,
                    "value": figure.value,
                    "source": figure.source,
                    "date": figure.date,
                    "verified": figure.verified,
                }
            )
    return rows


def labels(prepared: Prepared, scenario: Scenario, run: Run) -> list[str]:
    """What has to be said wherever a number of this result is shown."""
    said = []
    sky = prepared.solar_label(scenario)
    if sky is not None:
        said.append(f"solar is {sky}")
    if run.ground.house.estimated:
        said.append("the use of the house is an estimate")
    gaps = int((~run.ground.known).sum())
    if gaps:
        said.append(f"{gaps} intervals are unknown and in no sum; storage stands still in them")
    car = scenario.car
    if car is not None and car.charging in V2X:
        status = car.vehicle.v2x_status
        word = "HYPOTHETICAL: " if status == "hypothetical" else ""
        said.append(f"{word}a {car.title} that feeds the house ({car.charging}) is {status}")
    if car is not None and car.charging in FORESIGHT:
        said.append(f"the car: {FORESIGHT[car.charging]}")
    strategy = scenario.dispatch.strategy
    storage = scenario.battery is not None or (car is not None and car.charging in V2X)
    if storage and strategy == "perfect_foresight":
        said.append("upper bound: the storage knew every price and all use in advance")
    if storage and strategy == "forecast_plan":
        said.append(f"the plan saw forecasts only: {_forecast_said(scenario, prepared)}")
    if run.ground.plan.demand and storage and strategy != "perfect_foresight":
        said.append("the demand charge is billed, but this strategy does not steer by it")
    unverified = sorted({str(row["asset"]) for row in assumptions(scenario) if not row["verified"]})
    if unverified:
        said.append(f"figures without a read source: {', '.join(unverified)} (see assumptions)")
    return said


def _forecast_said(scenario: Scenario, prepared: Prepared) -> str:
    source = scenario.dispatch.forecast
    if source == "archived":
        return f"as issued, of {', '.join(sorted(prepared.data.forecasts))}; else the day before"
    if source == "model":
        return "of a plain statistical model, from past values alone"
    return "the same time of the day before"


def dispatch(run: Run) -> dict[str, Any]:
    """How the storage was run, and what is proven."""
    missed = run.violations
    return {
        "strategy": run.strategy,
        "status": run.status,
        "gap_aud": run.gap_aud,
        "gap_said": run.bound_said,
        "wear_aud": run.wear_aud,
        "limits_missed": {
            "import_over_kwh": missed.import_over_kwh,
            "export_over_kwh": missed.export_over_kwh,
            "energy_short_kwh": missed.energy_short_kwh,
            "unserved_kwh": missed.unserved_kwh,
        },
        "battery_kwh_at_end": run.state.battery_kwh,
    }


def bill_lines(before: Run, after: Run) -> pd.DataFrame:
    """Both bills line by line over the period. [AUD incl. GST]"""
    keys = ["line", "component", "kind"]
    frames = []
    for name, run in (("before_aud", before), ("after_aud", after)):
        lines = run.bill.by_line()[[*keys, "amount_aud"]].rename(columns={"amount_aud": name})
        if run.public_aud:
            row = ["public charging", "other", "import", run.public_aud]
            lines.loc[len(lines)] = row
        frames.append(lines.groupby(keys, sort=False, as_index=False).sum())
    both = frames[0].merge(frames[1], on=keys, how="outer", sort=False).fillna(0.0)
    both["change_aud"] = both["after_aud"] - both["before_aud"]
    return both.set_index("line")


def bill(before: Run, after: Run, lines: pd.DataFrame) -> dict[str, Any]:
    """Both bills over the period, by line and by component. [AUD incl. GST]"""
    money = ["before_aud", "after_aud", "change_aud"]
    by_component = lines.groupby("component", sort=True)[money].sum()
    return {
        "before_aud": before.cost_aud,
        "after_aud": after.cost_aud,
        "saving_aud": before.cost_aud - after.cost_aud,
        "lines": lines.reset_index().to_dict("records"),
        "components": by_component.reset_index().to_dict("records"),
        "notes": list(dict.fromkeys((*after.bill.notes, *after.ground.notes))),
    }


def yearly(years: tuple[Yearly, Yearly] | None, why_not: str) -> dict[str, Any]:
    """A year of 365 days, before and after, and how it was made."""
    if years is None:
        return {"before_aud": None, "after_aud": None, "saving_aud": None, "statement": why_not}
    before, after = years
    return {
        "before_aud": before.cost_aud,
        "after_aud": after.cost_aud,
        "saving_aud": before.cost_aud - after.cost_aud,
        "statement": after.statement,
    }


def energy(scenario: Scenario, before: Run, after: Run) -> dict[str, Any]:
    """Sums over the known intervals of the period, and where every kWh went. [kWh]"""
    known = after.ground.known
    flows = flows_kwh(after, standby_kw=standby_kw(scenario))

    def total(values: Floats) -> float:
        return float(values[known].sum())

    return {
        "before": {"import_kwh": total(before.import_kwh), "export_kwh": total(before.export_kwh)},
        "after": {
            "load_kwh": total(after.load_kwh),
            "solar_kwh": total(after.solar_kwh),
            "curtailed_kwh": total(after.curtailed_kwh),
            "import_kwh": total(after.import_kwh),
            "export_kwh": total(after.export_kwh),
            "charge_kwh": total(after.charge_kwh),
            "discharge_kwh": total(after.discharge_kwh),
            **shares(after),
        },
        "flows_kwh": flow_table(flows).to_dict("index"),
        "stored_c_per_kwh": stored_c_per_kwh(after, flows),
    }


def standby_kw(scenario: Scenario) -> float:
    """What the battery itself draws; nothing where it is not run. [kW]"""
    if scenario.battery is None or scenario.dispatch.strategy == "none":
        return 0.0
    return scenario.battery.battery.standby_kw


def car(scenario: Scenario, before: Run, after: Run) -> dict[str, Any] | None:
    """What driving cost by source, before and after; None without a car."""
    if after.car is None:
        return None
    found: dict[str, Any] = {
        "km": after.car.km,
        "charge_kwh": float(after.car.charge_kwh.sum()),
        "discharge_kwh": float(after.car.discharge_kwh.sum()),
        "shortfall_kwh": after.car.shortfall_kwh,
        "soc_kwh_at_end": float(after.car.soc_kwh[-1]),
    }
    bought = {"before": (before, 0.0), "after": (after, standby_kw(scenario))}
    for name, (run, standby) in bought.items():
        costs = car_costs(run, flows_kwh(run, standby_kw=standby))
        found[name] = None if costs is None else costs.to_dict("index")
    return found


def summary_row(years: Mapping[str, Any], finance: Mapping[str, Any] | None) -> dict[str, Any]:
    """The figures of a result a table of many shows."""
    row = {name: years[name] for name in ("before_aud", "after_aud", "saving_aud")}
    names = ("net_price_aud", "payback_years", "discounted_payback_years", "npv_aud",
             "irr_fraction", "irr_said", "roi_fraction", "lcoe_aud_per_kwh",
             "lcos_aud_per_kwh")  # fmt: skip
    return row | {name: None if finance is None else finance[name] for name in names}


def finance(found: Money) -> dict[str, Any]:
    """The purchase, as the result document tells it."""
    appraisal = found.appraisal
    spent = found.outlay
    loan = found.purchase.loan
    return {
        "prices_aud": dict(spent.prices_aud),
        "capex_aud": spent.capex_aud,
        "rebates": [
            {
                "asset": asset,
                "name": rebate.name,
                "amount_aud": rebate.amount_aud,
                "certificates": rebate.certificates,
                "reason": rebate.reason,
                "source": rebate.source,
            }
            for asset, rebate in spent.rebates
        ],
        "rebates_aud": spent.rebates_aud,
        "net_price_aud": spent.capex_aud - spent.rebates_aud,
        "loan": None
        if loan is None
        else {"principal_aud": loan.principal_aud, "payment_aud": loan.payment_aud,
              "payments": loan.periods, "annual_rate": loan.annual_rate},
        "savings_aud": list(found.savings_aud),
        "simulated_years": list(found.simulated_years),
        "battery_capacity_fraction": list(found.capacity_fraction),
        "npv_aud": appraisal.npv_aud,
        "payback_years": appraisal.payback_years,
        "discounted_payback_years": appraisal.discounted_payback_years,
        "roi_fraction": appraisal.roi_fraction,
        "annualised_roi_fraction": appraisal.annualised_roi_fraction,
        "irr_fraction": appraisal.irr.rate_fraction,
        "irr_said": appraisal.irr.reason,
        "irr_rates": list(appraisal.irr.rates),
        "mirr_fraction": appraisal.mirr_fraction,
        "lcoe_aud_per_kwh": found.lcoe_aud_per_kwh,
        "lcos_aud_per_kwh": found.lcos_aud_per_kwh,
        "statement": found.statement,
        "notes": list(spent.notes),
    }  # fmt: skip


def intervals(scenario: Scenario, run: Run) -> pd.DataFrame:
    """Flows, storage and prices per interval; NaN where the interval is unknown."""
    columns = {
        "load_kwh": run.load_kwh,
        "solar_kwh": run.solar_kwh,
        "curtailed_kwh": run.curtailed_kwh,
        "import_kwh": run.import_kwh,
        "export_kwh": run.export_kwh,
        "import_c_per_kwh": run.ground.import_c_per_kwh,
        "feed_in_c_per_kwh": run.ground.feed_in_c_per_kwh,
    }
    if scenario.battery is not None:
        columns |= {
            "charge_kwh": run.charge_kwh,
            "discharge_kwh": run.discharge_kwh,
            "battery_kwh": run.battery_kwh,
        }
    if run.car is not None:
        columns |= {
            "car_charge_kwh": run.car.charge_kwh,
            "car_discharge_kwh": run.car.discharge_kwh,
            "car_kwh": run.car.soc_kwh,
        }
    frame = pd.DataFrame(columns, index=run.ground.index.rename("interval_start"))
    frame.loc[~run.ground.known] = np.nan
    return frame


def as_json(value: Any) -> Any:
    """Plain numbers, texts, lists and tables; what is not a number is null."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
