"""The exact optimum with everything known in advance: no strategy can save more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from energy_pipeline.model.dispatch.convex import follow, levels_of, water_values
from energy_pipeline.model.dispatch.interval import (
    HIGH,
    LOW,
    MAX_PIECES,
    Site,
    site_of,
    table_of,
)
from energy_pipeline.model.dispatch.nonconvex import solve
from energy_pipeline.model.dispatch.piecewise import pool, rise, slopes_beside
from energy_pipeline.model.dispatch.problem import FloatArray, StorageProblem
from energy_pipeline.model.dispatch.settlement import DispatchResult, end_value_c, settle


def end_function(problem: StorageProblem, table: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cost of what is left, on its allowed range: edges [kWh], shape (m + 1,), and slopes (m,)."""
    low_kwh, high_kwh = table[-1, LOW], table[-1, HIGH]
    edges, slopes = [low_kwh], []
    for upto_kwh, c_per_kwh in (*problem.end.value_steps, (np.inf, 0.0)):
        upto_kwh = min(upto_kwh, high_kwh)
        if upto_kwh > edges[-1]:
            edges.append(upto_kwh)
            slopes.append(-c_per_kwh)
    return np.array(edges), np.array(slopes)


def lower_hull(edge: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The lower convex envelope of a piecewise-linear function."""
    lengths, hull_slope = np.diff(edge), slope.copy()
    kept = pool(lengths, hull_slope, slope.size)
    hull_edge = np.concatenate((edge[:1], edge[0] + np.cumsum(lengths[:kept])))
    return hull_edge, hull_slope[:kept].copy()


def _water_value(
    site: Site,
    table: FloatArray,
    stored_kwh: FloatArray,
    right: FloatArray,
    left: FloatArray,
    end_edge: FloatArray,
    end_slope: FloatArray,
) -> FloatArray:
    """Worth of stored energy along the path, from its marginal costs. [c/kWh]"""
    end_left, end_right = slopes_beside(end_edge, end_slope, stored_kwh[-1])
    return water_values(
        table, stored_kwh, right, left, site.physics.keep_fraction, end_right, end_left
    )


def dispatch_perfect_foresight(
    problem: StorageProblem, *, tolerance_fraction: float = 1e-7
) -> DispatchResult:
    """Find the cheapest schedule there is.

    First by the convex recursion, whose lower bound and feasible schedule meet unless prices make
    an interval non-convex; where they differ by more than the tolerance, by the recursion that
    needs no convexity.

    Parameters
    ----------
    problem : StorageProblem
        n intervals.
    tolerance_fraction : float
        The gap that is left alone, as a fraction of the objective (or of 1 AUD, if that is more).
        The water value is then that of the convex envelopes; with 0 it is exact as well.

    Returns
    -------
    DispatchResult
        Arrays of shape (n,), with the proven lower bound.

    Raises
    ------
    ValueError
        If the tolerance is negative or not a number.

    References
    ----------
    .. [1] L. Wolsey, H. Yaman, "Convex hull results for the warehouse problem", Discrete
       Optimization, 2018 (the problem, and its history from Cahn, Bellman and Dreyfus).
    .. [2] J. Cruise et al., "Control of energy storage with market impact: Lagrangian approach
       and horizons", Operations Research 67(1), 2019.
    """
    if not tolerance_fraction >= 0.0:
        raise ValueError(f"tolerance_fraction must be >= 0, got {tolerance_fraction}")
    site = site_of(problem)
    table = table_of(site)
    count = problem.intervals
    end_edge, end_slope = end_function(problem, table)
    physics = site.physics
    stored_kwh, right, left = np.empty(count), np.empty(count), np.empty(count)
    levels = np.empty((count, MAX_PIECES))
    hull_edge, hull_slope = lower_hull(end_edge, end_slope)
    all_convex, _, _ = levels_of(table, 0, levels, hull_edge, hull_slope, physics)
    all_convex = all_convex and hull_slope.size == end_slope.size
    excess_c = follow(table, levels, site.initial_kwh, physics, stored_kwh, right, left)
    excess_c += rise(end_edge, end_slope, 0, end_slope.size, stored_kwh[-1])
    excess_c -= rise(hull_edge, hull_slope, 0, hull_slope.size, stored_kwh[-1])
    result = settle(
        problem,
        site,
        table,
        stored_kwh,
        water_value_c_per_kwh=_water_value(
            site, table, stored_kwh, right, left, end_edge, end_slope
        ),
        status="optimal: the convex recursion's schedule meets its lower bound",
        excess_c=excess_c,
    )
    allowed_c = tolerance_fraction * 100.0 * max(abs(result.objective_aud), 1.0)
    if all_convex or excess_c < allowed_c:
        return result
    optimum_c = solve(
        table,
        site.initial_kwh,
        end_edge,
        end_slope,
        physics,
        stored_kwh,
        right,
        left,
    )
    result = settle(
        problem,
        site,
        table,
        stored_kwh,
        water_value_c_per_kwh=_water_value(
            site, table, stored_kwh, right, left, end_edge, end_slope
        ),
        status="optimal: by the recursion that needs no convexity",
    )
    bound_aud = (optimum_c - end_value_c(problem.end, float(end_edge[0]))) / 100.0
    gap_aud = max(result.objective_aud - bound_aud, 0.0)
    return replace(result, lower_bound_aud=result.objective_aud - gap_aud, gap_aud=gap_aud)
