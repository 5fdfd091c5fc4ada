"""What every schedule must obey, whoever made it."""

from __future__ import annotations

import numpy as np
import pytest

from energy_pipeline.model.dispatch.problem import StorageProblem
from energy_pipeline.model.dispatch.settlement import DispatchResult

TOLERANCE_KWH = 1e-9


def series(problem: StorageProblem, name: str) -> np.ndarray:
    """A parameter of the problem, one value per interval."""
    return np.broadcast_to(getattr(problem, name), (problem.intervals,))


def assert_physical(problem: StorageProblem, result: DispatchResult) -> None:
    """Energy is conserved, no limit is passed unreported, and the money is that of the flows."""
    flows = (
        result.import_kwh,
        result.export_kwh,
        result.charge_kwh,
        result.discharge_kwh,
        result.curtailed_kwh,
        result.soc_kwh,
    )
    for flow in flows:
        assert flow.shape == (problem.intervals,)
        assert (flow >= -TOLERANCE_KWH).all()
    hours = problem.interval_hours
    load_kwh = problem.load_kwh + series(problem, "standby_kw") * hours
    supply_kwh = result.import_kwh + problem.solar_kwh + result.discharge_kwh
    use_kwh = load_kwh + result.charge_kwh + result.curtailed_kwh + result.export_kwh
    np.testing.assert_allclose(supply_kwh, use_kwh, rtol=0, atol=TOLERANCE_KWH)
    before_kwh = np.concatenate(([problem.initial_energy_kwh], result.soc_kwh[:-1]))
    unserved_kwh = (
        result.soc_kwh
        - (1.0 - problem.leak_fraction) * before_kwh
        - problem.charge_efficiency * result.charge_kwh
        + result.discharge_kwh / problem.discharge_efficiency
        + series(problem, "drain_kwh")
    )
    assert (unserved_kwh >= -TOLERANCE_KWH).all()
    assert unserved_kwh.sum() == pytest.approx(result.violations.unserved_kwh, abs=1e-8)
    assert not ((result.charge_kwh > TOLERANCE_KWH) & (result.discharge_kwh > TOLERANCE_KWH)).any()
    assert not ((result.import_kwh > TOLERANCE_KWH) & (result.export_kwh > TOLERANCE_KWH)).any()
    assert (result.soc_kwh <= problem.capacity_kwh + TOLERANCE_KWH).all()
    _assert_within_limits(problem, result, load_kwh)
    bill_c = np.dot(result.import_kwh, problem.import_c_per_kwh)
    bill_c -= np.dot(result.export_kwh, problem.feed_in_c_per_kwh)
    assert result.bill_aud == pytest.approx(bill_c / 100.0, rel=1e-9, abs=1e-9)
    throughput_kwh = result.charge_kwh.sum() + result.discharge_kwh.sum()
    wear_aud = problem.wear_c_per_kwh * throughput_kwh / 100.0
    assert result.wear_aud == pytest.approx(wear_aud, rel=1e-9, abs=1e-9)
    assert result.lower_bound_aud <= result.objective_aud


def _assert_within_limits(
    problem: StorageProblem, result: DispatchResult, load_kwh: np.ndarray
) -> None:
    """Power, energy and connection limits hold, but for what is reported."""
    hours, misses = problem.interval_hours, result.violations
    charge_cap_kwh = series(problem, "charge_kw") * hours
    discharge_cap_kwh = series(problem, "discharge_kw") * hours
    net_kwh = load_kwh - problem.solar_kwh
    if not problem.grid_charge:
        charge_cap_kwh = np.minimum(charge_cap_kwh, np.maximum(-net_kwh, 0.0))
        charging = result.charge_kwh > TOLERANCE_KWH
        assert (result.import_kwh[charging] <= TOLERANCE_KWH).all()
    if not problem.grid_export:
        discharge_cap_kwh = np.minimum(discharge_cap_kwh, np.maximum(net_kwh, 0.0))
    assert (result.charge_kwh <= charge_cap_kwh + TOLERANCE_KWH).all()
    assert (result.discharge_kwh <= discharge_cap_kwh + TOLERANCE_KWH).all()
    most_curtailed_kwh = problem.solar_kwh if problem.curtailment else 0.0
    assert (result.curtailed_kwh <= most_curtailed_kwh + TOLERANCE_KWH).all()
    import_cap_kwh = series(problem, "import_limit_kw") * hours
    export_cap_kwh = series(problem, "export_limit_kw") * hours
    import_over_kwh = np.maximum(result.import_kwh - import_cap_kwh, 0.0)
    export_over_kwh = np.maximum(result.export_kwh - export_cap_kwh, 0.0)
    assert import_over_kwh.sum() == pytest.approx(misses.import_over_kwh, abs=1e-8)
    assert export_over_kwh.sum() == pytest.approx(misses.export_over_kwh, abs=1e-8)
    short_kwh = (series(problem, "min_energy_kwh") - result.soc_kwh).max()
    over_kwh = (result.soc_kwh - series(problem, "max_energy_kwh")).max()
    assert max(short_kwh, 0.0) == pytest.approx(misses.energy_short_kwh, abs=1e-8)
    assert max(over_kwh, 0.0) == pytest.approx(misses.energy_over_kwh, abs=1e-8)
