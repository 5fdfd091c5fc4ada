"""The storage problem stated once more, as a mixed-integer programme for HiGHS.

Written from the definition in `StorageProblem`, sharing nothing with the engine: binaries say which
way the store and the meter flow. Bounds that cannot be met are missed least, in order of time,
before money counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
from scipy.sparse import csr_array

from energy_pipeline.model.dispatch.problem import StorageProblem

NAMES = ("imp", "exp", "chg", "dis", "cur", "soc", "iov", "xov", "uns", "sho", "ove", "bgr", "bst")


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """Objective (as `DispatchResult.objective_aud`), and the misses of the bounds. [AUD, kWh]"""

    objective_aud: float
    unserved_kwh: float
    short_kwh: np.ndarray
    over_kwh: np.ndarray


class _Rows:
    def __init__(self) -> None:
        self.entries: list[tuple[int, int, float]] = []
        self.low: list[float] = []
        self.high: list[float] = []

    def add(self, terms: dict[int, float], low: float, high: float) -> None:
        row = len(self.low)
        self.entries += [(row, column, value) for column, value in terms.items()]
        self.low.append(low)
        self.high.append(high)


def _solve(cost, lower, upper, integer, rows: _Rows) -> np.ndarray:
    row, column, value = map(np.array, zip(*rows.entries, strict=True))
    matrix = csr_array((value, (row, column)), shape=(len(rows.low), len(cost)))
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(cost), len(rows.low)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
    lp.row_lower_, lp.row_upper_ = np.array(rows.low), np.array(rows.high)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = matrix.indptr
    lp.a_matrix_.index_ = matrix.indices
    lp.a_matrix_.value_ = matrix.data
    if integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(i)] for i in integer]
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    for option in ("mip_rel_gap", "mip_abs_gap"):
        solver.setOptionValue(option, 0.0)
    for option in (
        "mip_feasibility_tolerance",
        "primal_feasibility_tolerance",
        "dual_feasibility_tolerance",
    ):
        solver.setOptionValue(option, 1e-9)
    solver.passModel(lp)
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise RuntimeError(f"HiGHS says {solver.modelStatusToString(status)}")
    return np.array(solver.getSolution().col_value)


def optimum(problem: StorageProblem, *, relaxed: bool = False) -> Optimum:
    """Solve to proven optimality; ``relaxed`` drops the binaries (a plain LP)."""
    n, hours = problem.intervals, problem.interval_hours

    def series(value) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, dtype=float), (n,)).copy()

    steps = problem.end.value_steps
    value_columns = len(steps)
    width = len(NAMES) * n + 2 * value_columns
    col = {name: np.arange(n) + k * n for k, name in enumerate(NAMES)}
    fill = len(NAMES) * n + np.arange(value_columns)
    full = fill + value_columns
    load = problem.load_kwh + series(problem.standby_kw) * hours
    solar = problem.solar_kwh
    net = load - solar
    most = 1.0 + load.max() + solar.max() + 2.0 * problem.capacity_kwh
    most += hours * max(series(problem.charge_kw).max(), series(problem.discharge_kw).max())
    import_cap = np.minimum(series(problem.import_limit_kw) * hours, most)
    export_cap = np.minimum(series(problem.export_limit_kw) * hours, most)
    charge = series(problem.charge_kw) * hours
    discharge = series(problem.discharge_kw) * hours
    if not problem.grid_charge:
        charge = np.minimum(charge, np.maximum(-net, 0.0))
    if not problem.grid_export:
        discharge = np.minimum(discharge, np.maximum(net, 0.0))
    import_most = np.maximum(import_cap, net)
    export_most = export_cap if problem.curtailment else np.maximum(export_cap, -net)
    low, high = series(problem.min_energy_kwh), series(problem.max_energy_kwh)
    end = problem.end
    end_low, end_high = end.minimum_kwh, end.maximum_kwh
    if end.as_at_start:
        end_low = max(end_low, problem.initial_energy_kwh)
        end_high = min(end_high, problem.initial_energy_kwh)
    low[-1] = min(max(low[-1], end_low), high[-1])
    high[-1] = max(min(high[-1], end_high), low[-1])
    drain = series(problem.drain_kwh)
    keep = 1.0 - problem.leak_fraction

    lower, upper = np.zeros(width), np.full(width, np.inf)
    upper[col["imp"]], upper[col["exp"]] = import_most, export_most
    upper[col["chg"]], upper[col["dis"]] = charge, discharge
    upper[col["cur"]] = solar if problem.curtailment else 0.0
    upper[col["soc"]] = problem.capacity_kwh
    upper[col["uns"]] = drain
    upper[col["bgr"]] = upper[col["bst"]] = 1.0
    rows = _Rows()
    for t in range(n):
        i = {name: int(columns[t]) for name, columns in col.items()}
        rows.add(
            {i["imp"]: 1, i["exp"]: -1, i["cur"]: -1, i["chg"]: -1, i["dis"]: 1}, net[t], net[t]
        )
        path = {
            i["soc"]: 1.0,
            i["chg"]: -problem.charge_efficiency,
            i["dis"]: 1.0 / problem.discharge_efficiency,
            i["uns"]: -1.0,
        }
        before = -drain[t]
        if t == 0:
            before += keep * problem.initial_energy_kwh
        else:
            path[int(col["soc"][t - 1])] = -keep
        rows.add(path, before, before)
        rows.add({i["soc"]: 1, i["sho"]: 1}, low[t], np.inf)
        rows.add({i["soc"]: 1, i["ove"]: -1}, -np.inf, high[t])
        rows.add({i["imp"]: 1, i["iov"]: -1}, -np.inf, import_cap[t])
        rows.add({i["exp"]: 1, i["xov"]: -1}, -np.inf, export_cap[t])
        if relaxed:
            continue
        rows.add({i["imp"]: 1, i["bgr"]: -import_most[t]}, -np.inf, 0.0)
        rows.add({i["exp"]: 1, i["bgr"]: export_most[t]}, -np.inf, export_most[t])
        rows.add({i["chg"]: 1, i["bst"]: -charge[t]}, -np.inf, 0.0)
        rows.add({i["dis"]: 1, i["bst"]: discharge[t]}, -np.inf, discharge[t])
        if not problem.grid_charge and problem.curtailment:
            rows.add({i["cur"]: 1, i["bgr"]: solar[t]}, -np.inf, solar[t])
    integer = np.zeros(width, dtype=bool)
    if not relaxed:
        integer[col["bgr"]] = integer[col["bst"]] = True

    cost = np.zeros(width)
    cost[col["imp"]], cost[col["exp"]] = problem.import_c_per_kwh, -problem.feed_in_c_per_kwh
    cost[col["chg"]] = cost[col["dis"]] = problem.wear_c_per_kwh
    cost[col["iov"]] = cost[col["xov"]] = problem.violation_c_per_kwh
    previous = 0.0
    total = {int(col["soc"][-1]): -1.0}
    for k, (upto, value) in enumerate(steps):  # step k fills only when step k - 1 is full
        size = min(upto, problem.capacity_kwh + 1.0) - previous
        previous += max(size, 0.0)
        upper[fill[k]] = max(size, 0.0)
        upper[full[k]] = 1.0
        integer[full[k]] = not relaxed
        cost[fill[k]] = -value
        rows.add({int(fill[k]): 1, int(full[k]): -max(size, 0.0)}, 0.0, np.inf)
        if k:
            rows.add({int(fill[k]): 1, int(full[k - 1]): -max(size, 0.0)}, -np.inf, 0.0)
        total[int(fill[k])] = 1.0
    if steps:
        slack_allowed = steps[-1][0] < problem.capacity_kwh
        if slack_allowed:  # energy beyond the last step is worth nothing, once all steps are full
            beyond = problem.capacity_kwh
            rows.add({**total}, -beyond, 0.0)
            rows.add({**total, int(full[-1]): beyond}, 0.0, np.inf)
        else:
            rows.add(total, 0.0, 0.0)
    missed = ("uns", "sho", "ove")
    first = np.zeros(width)
    for name in missed:
        first[col[name]] = 1.0
    least = _solve(first, lower, upper, integer, rows)
    if first @ least < 1e-7:
        for name in missed:
            upper[col[name]] = 0.0
    else:  # bounds in conflict: the earlier one first, drain before a bound
        for t in range(n):
            first[:] = 0.0
            first[col["uns"][t]] = 1000.0
            first[col["sho"][t]] = first[col["ove"][t]] = 1.0
            least = _solve(first, lower, upper, integer, rows)
            for name in missed:
                miss = least[col[name][t]]
                upper[col[name][t]] = max(miss, 0.0) + 1e-7
    misses = {name: upper[col[name]] for name in missed}
    best = _solve(cost, lower, upper, integer, rows)
    return Optimum(
        objective_aud=float(cost @ best) / 100.0,
        unserved_kwh=float(misses["uns"].sum()),
        short_kwh=misses["sho"],
        over_kwh=misses["ove"],
    )
