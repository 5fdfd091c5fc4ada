"""How sure is it? One thing at a time (tornado), and everything at once (Monte-Carlo).

What is uncertain stands in the document: ``[[uncertainty]]`` rows with a path and how far it may
be off. Every value is run through the whole scenario again, storage and all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from energy_pipeline.model.scenario import Driver, Finance, Levels, Scenario
from energy_pipeline.model.scenario_data import ScenarioData
from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_result import as_prepared, as_scenario
from energy_pipeline.model.scenario_sweep import many

SHOWN: Final = ("saving_aud", "npv_aud", "payback_years")
MOST_DRAWS: Final = 10_000
_QUANTILES: Final = (0.1, 0.5, 0.9)


def tornado(
    document: Scenario | Mapping[str, Any],
    data: ScenarioData | Prepared,
    *,
    workers: int | None = 1,
) -> pd.DataFrame:
    """Each driver at its low and its high value, all others as the document says.

    Returns
    -------
    pd.DataFrame
        By driver, widest NPV (without finance: saving) first: low, base, high, and low_*, base_*,
        high_* of saving_aud, npv_aud and payback_years. Payback is NaN where there is none.

    Raises
    ------
    ValueError
        If the document has no ``[[uncertainty]]``, or one of its values cannot be run.
    """
    scenario = _with_drivers(document)
    values: list[dict[str, float]] = [{}]
    for driver in scenario.drivers:
        values += [{driver.path: driver.low}, {driver.path: driver.high}]
    rows = _run(scenario, data, values, workers)
    table = []
    for i, driver in enumerate(scenario.drivers):
        row: dict[str, Any] = {
            "driver": driver.name,
            "low": driver.low,
            "base": base_value(scenario, driver),
            "high": driver.high,
        }
        for side, number in (("low", 1 + 2 * i), ("base", 0), ("high", 2 + 2 * i)):
            for name in SHOWN:
                row[f"{side}_{name}"] = rows.at[number, name]
        table.append(row)
    frame = pd.DataFrame(table).set_index("driver")
    by = "saving_aud" if scenario.finance is None else "npv_aud"
    width = (frame[f"high_{by}"] - frame[f"low_{by}"]).abs()
    return frame.loc[width.sort_values(ascending=False, kind="stable").index]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What the draws came to.

    Attributes
    ----------
    draws : pd.DataFrame
        One row per draw: the drivers' values, saving_aud, npv_aud, payback_years (NaN: never).
    quantiles : pd.DataFrame
        Rows 0.1, 0.5, 0.9; payback_years is infinite where so many draws never pay back.
    never_paid_back_fraction : float
    loss_fraction : float
        Of the draws with a negative NPV.
    statement : str
    """

    draws: pd.DataFrame
    quantiles: pd.DataFrame
    never_paid_back_fraction: float
    loss_fraction: float
    statement: str


def monte_carlo(
    document: Scenario | Mapping[str, Any],
    data: ScenarioData | Prepared,
    *,
    draws: int = 200,
    seed: int = 0,
    workers: int | None = 1,
) -> Band:
    """Draw all drivers together and run each draw.

    Drivers are independent, each triangular between low and high with its peak at the document's
    value. The same seed draws the same values, whatever the number of workers.

    Raises
    ------
    ValueError
        If the document has no ``[[uncertainty]]`` or no ``[finance]``, a base value lies outside
        its driver's range, or the number of draws is not in [1, 10000].
    """
    scenario = _with_drivers(document)
    if scenario.finance is None:
        raise ValueError("the payback band needs [finance]")
    if not 1 <= draws <= MOST_DRAWS:
        raise ValueError(f"draws is {draws}; it must be 1 to {MOST_DRAWS}")
    random = np.random.default_rng(seed)
    columns = {}
    for driver in scenario.drivers:
        base = base_value(scenario, driver)
        if not driver.low <= base <= driver.high:
            raise ValueError(
                f"{driver.path} is {base:g} in the document, outside {driver.low:g} to "
                f"{driver.high:g} of its uncertainty"
            )
        columns[driver.path] = random.triangular(driver.low, base, driver.high, draws)
    values = pd.DataFrame(columns)
    rows = _run(scenario, data, values.to_dict("records"), workers)
    found = pd.concat([values, rows[list(SHOWN)]], axis=1)
    payback = found["payback_years"].fillna(np.inf)
    quantiles = pd.DataFrame(
        {
            "saving_aud": found["saving_aud"].quantile(_QUANTILES),
            "npv_aud": found["npv_aud"].quantile(_QUANTILES),
            "payback_years": np.quantile(payback, _QUANTILES, method="higher"),
        },
        index=pd.Index(_QUANTILES, name="quantile"),
    )
    return Band(
        draws=found,
        quantiles=quantiles,
        never_paid_back_fraction=float(np.isinf(payback).mean()),
        loss_fraction=float((found["npv_aud"] < 0.0).mean()),
        statement=(
            f"{draws} draws (seed {seed}) of {len(columns)} drivers, independent and triangular; "
            "the weather and prices of the data's own year stand for every year"
        ),
    )


def base_value(scenario: Scenario, driver: Driver) -> float:
    """The document's value at a driver's path; where it says nothing, what then holds.

    Raises
    ------
    ValueError
        If nothing is known to hold.
    """
    value: Any = scenario.document
    for key in driver.path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None:
        table, _, key = driver.path.partition(".")
        usual = {"levels": Levels(), "finance": scenario.finance}.get(table)
        value = getattr(usual, key, None) if isinstance(usual, Levels | Finance) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"uncertainty of {driver.path}: the document states no number there")
    return float(value)


def _with_drivers(document: Scenario | Mapping[str, Any]) -> Scenario:
    scenario = as_scenario(document)
    if not scenario.drivers:
        raise ValueError("the document has no [[uncertainty]]: nothing to vary")
    return scenario


def _run(
    scenario: Scenario,
    data: ScenarioData | Prepared,
    values: list[dict[str, float]],
    workers: int | None,
) -> pd.DataFrame:
    rows = many(scenario, as_prepared(data), values, workers=workers)
    wrong = rows["error"] != ""
    if wrong.any():
        number = int(wrong.to_numpy().argmax())
        raise ValueError(f"{values[number]} cannot be run: {rows.at[number, 'error']}")
    for name in SHOWN:
        rows[name] = rows[name].astype(float)
    return rows
