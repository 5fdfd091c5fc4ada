"""Many scenarios at once: grids of sizes, prices and rates over several processors.

The result does not depend on how many processes share the work, nor on the order they finish in,
and what a lost process had in hand is done again.
"""

import itertools
import math
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Final, TypeVar

import pandas as pd

from energy_pipeline.model.irr import InternalRate
from energy_pipeline.model.scenario import Scenario
from energy_pipeline.model.scenario_data import ScenarioData
from energy_pipeline.model.scenario_finance import Money, money, year_figures
from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_result import as_prepared, as_scenario, before_of
from energy_pipeline.model.scenario_toml import read_scenario, with_values

MOST_SCENARIOS: Final = 100_000
_BATCHES_PER_WORKER: Final = 8
_POOLS: Final = 3  # after so many lost pools a scenario is tried in a process of its own

Task = TypeVar("Task")
Done = TypeVar("Done")

# What a worker process holds; set once by `_begin`.
_worker_data: list[Prepared] = []


def process_pool(**settings: Any) -> Executor:
    """Processes started afresh, which is safe where threads run already."""
    return ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"), **settings)


def grid(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination, the last axis running fastest.

    Raises
    ------
    ValueError
        If an axis is empty or there are too many combinations.
    """
    empty = [path for path, values in axes.items() if not len(values)]
    if empty or not axes:
        raise ValueError(f"axes needs one path or more with values; empty: {empty or 'all'}")
    count = math.prod(len(values) for values in axes.values())
    if count > MOST_SCENARIOS:
        raise ValueError(f"the grid has {count:,} scenarios; at most {MOST_SCENARIOS:,} are run")
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def sweep(
    document: Scenario | Mapping[str, Any],
    data: ScenarioData | Prepared,
    axes: Mapping[str, Sequence[Any]],
    *,
    workers: int | None = None,
    on_row: Callable[[int, dict[str, Any]], None] | None = None,
    pool: Callable[..., Executor] = process_pool,
) -> pd.DataFrame:
    """Run a document with every combination of other values.

    Parameters
    ----------
    document, data
        As `scenario_result.run_scenario` takes them.
    axes : mapping of path to values
        Such as ``{"solar.kwp": [0, 5, 10], "battery.capacity_kwh": [0, 10, 20]}``.
    workers : int, optional
        Processes; as many as there are processors without it. 1: this process.
    on_row : callable, optional
        Told (number in the grid, row) as each is done, in any order, to keep what is there.
    pool : callable
        Makes a ``concurrent.futures`` executor of processes from max_workers, initializer and
        initargs.

    Returns
    -------
    pd.DataFrame
        One row per combination, in the order of `grid`: a column per path, then the yearly cost
        before and after, the saving, and the figures of the purchase where there is [finance].
        ``error`` says why a row has no figures, else it is empty.

    Raises
    ------
    ValueError
        If the grid is empty or too large, or **no** combination can be read. A combination that
        is wrong on its own gives a row with its error.
    """
    scenario = as_scenario(document)
    combinations = grid(axes)
    rows = _map_scenarios(
        scenario, as_prepared(data), combinations, workers=workers, on_row=on_row, pool=pool
    )
    found = pd.DataFrame([{**combination, **row} for combination, row in
                          zip(combinations, rows, strict=True)])  # fmt: skip
    if (found["error"] != "").all():
        raise ValueError(
            f"no scenario of the grid could be run; the first says: {found['error'][0]}"
        )
    return found


def run_values(
    prepared: Prepared, document: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """The figures of the document with other values at some paths, or why there are none."""
    try:
        scenario = read_scenario({**with_values(document, values), "uncertainty": []})
        return {**figures_row(prepared, scenario), "error": ""}
    except ValueError as exc:
        return {**dict.fromkeys(FIGURES), "error": str(exc)}


FIGURES: Final = (
    "before_aud", "after_aud", "saving_aud", "net_price_aud", "payback_years",
    "discounted_payback_years", "npv_aud", "irr_fraction", "irr_said", "roi_fraction",
    "lcoe_aud_per_kwh", "lcos_aud_per_kwh",
)  # fmt: skip


def figures_row(prepared: Prepared, scenario: Scenario) -> dict[str, Any]:
    """Yearly costs and the purchase of one scenario, without anything else of a result."""
    before = year_figures(prepared, before_of(scenario)).cost_aud
    after = year_figures(prepared, scenario).cost_aud
    row: dict[str, Any] = dict.fromkeys(FIGURES)
    row |= {"before_aud": before, "after_aud": after, "saving_aud": before - after}
    if scenario.finance is not None:
        row |= _money_row(money(prepared, scenario, before_aud=before))
    return row


def _money_row(found: Money) -> dict[str, Any]:
    appraisal, spent = found.appraisal, found.outlay
    rate: InternalRate = appraisal.irr
    return {
        "net_price_aud": spent.capex_aud - spent.rebates_aud,
        "payback_years": appraisal.payback_years,
        "discounted_payback_years": appraisal.discounted_payback_years,
        "npv_aud": appraisal.npv_aud,
        "irr_fraction": rate.rate_fraction,
        "irr_said": rate.reason,
        "roi_fraction": appraisal.roi_fraction,
        "lcoe_aud_per_kwh": found.lcoe_aud_per_kwh,
        "lcos_aud_per_kwh": found.lcos_aud_per_kwh,
    }


def _map_scenarios(
    scenario: Scenario,
    prepared: Prepared,
    combinations: Sequence[Mapping[str, Any]],
    *,
    workers: int | None,
    on_row: Callable[[int, dict[str, Any]], None] | None,
    pool: Callable[..., Executor],
) -> list[dict[str, Any]]:
    """A row per combination, here or in processes that each hold the data."""
    count = workers or os.cpu_count() or 1
    document = scenario.document
    if count == 1 or len(combinations) == 1:
        rows = []
        for number, values in enumerate(combinations):
            rows.append(run_values(prepared, document, values))
            if on_row is not None:
                on_row(number, rows[-1])
        return rows

    def started(processes: int) -> Executor:
        return pool(max_workers=processes, initializer=_begin, initargs=(prepared.data,))

    size = max(1, len(combinations) // (count * _BATCHES_PER_WORKER))
    numbered = list(enumerate(combinations))
    batches = [numbered[i : i + size] for i in range(0, len(numbered), size)]
    told: dict[int, dict[str, Any]] = {}

    def hear(rows: list[tuple[int, dict[str, Any]]]) -> None:
        for number, row in rows:
            told[number] = row
            if on_row is not None:
                on_row(number, row)

    lost = gather(partial(_run_batch, document), batches, started, workers=count, on_done=hear)
    for batch in lost:
        reason = "its process was lost again and again (out of memory?)"
        hear([(number, {**dict.fromkeys(FIGURES), "error": reason}) for number, _ in batch])
    return [told[number] for number in range(len(combinations))]


def gather(
    function: Callable[[Task], Done],
    tasks: Sequence[Task],
    pool: Callable[[int], Executor],
    *,
    workers: int,
    on_done: Callable[[Done], None],
) -> list[Task]:
    """Do every task in pools of processes; a lost pool is made anew for what was not done.

    Parameters
    ----------
    function : callable
        Of one task; raises nothing for a task that is merely wrong.
    pool : callable
        Makes an executor of so many processes.
    on_done : callable
        Told each outcome once, as it comes.

    Returns
    -------
    list
        Tasks whose process was lost every time, alone at last.
    """
    left = dict(enumerate(tasks))
    for _ in range(_POOLS):
        if not left:
            return []
        _drain(function, left, pool(workers), on_done)
    lost = []
    for number in list(left):
        alone = {number: left[number]}
        _drain(function, alone, pool(1), on_done)
        lost += list(alone.values())
    return lost


def _drain(
    function: Callable[[Task], Done],
    left: dict[int, Task],
    executor: Executor,
    on_done: Callable[[Done], None],
) -> None:
    """Do what is left, taking out what got done, until all is or the pool breaks."""
    with executor:
        futures: dict[Future[Done], int] = {}
        try:
            for number, task in left.items():
                futures[executor.submit(function, task)] = number
        except BrokenProcessPool:
            pass  # what was handed over before is collected below; the rest stays left
        for future in as_completed(futures):
            try:
                outcome = future.result()
            except BrokenProcessPool:
                continue
            on_done(outcome)
            del left[futures[future]]


def _begin(data: ScenarioData) -> None:
    """In a new process: hold the data."""
    _worker_data[:] = [Prepared(data)]


def _run_batch(
    document: Mapping[str, Any], batch: Sequence[tuple[int, Mapping[str, Any]]]
) -> list[tuple[int, dict[str, Any]]]:
    """In a worker: the rows of some combinations."""
    return [(number, run_values(_worker_data[0], document, values)) for number, values in batch]


def many(
    document: Scenario | Mapping[str, Any],
    data: ScenarioData | Prepared,
    values: Sequence[Mapping[str, Any]],
    *,
    workers: int | None = None,
) -> pd.DataFrame:
    """As `sweep`, for a list of combinations instead of a grid."""
    rows = _map_scenarios(
        as_scenario(document),
        as_prepared(data),
        values,
        workers=workers,
        on_row=None,
        pool=process_pool,
    )
    return pd.DataFrame(rows)
