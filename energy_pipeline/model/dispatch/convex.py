"""The exact optimum where every interval is convex, by merging slopes; a lower bound elsewhere.

The cost-to-go V is convex and piecewise linear in stored energy. One step back convolves it with
the interval's cost, which for convex functions is a merge of sorted slopes, and cuts it to the
bounds of the store. Where a piece of the interval lands is the energy level at which to charge or
discharge along it: these levels are the whole optimal policy. See docs/model-dispatch.md, part 3.
"""

from __future__ import annotations

import numpy as np

from energy_pipeline.model.dispatch.compiled import compiled
from energy_pipeline.model.dispatch.interval import (
    DRAIN,
    HIGH,
    LOW,
    MAX_PIECES,
    X_HIGH,
    Physics,
    pieces,
)
from energy_pipeline.model.dispatch.piecewise import (
    EDGE_KWH,
    ROUNDING_KWH,
    cost_down_to,
    leak_back,
    merge,
    pool,
    trim,
)
from energy_pipeline.model.dispatch.problem import FloatArray


@compiled
def levels_of(
    table: FloatArray,
    first: int,
    levels: FloatArray,
    end_edge: FloatArray,
    end_slope: FloatArray,
    physics: Physics,
) -> tuple[bool, FloatArray, FloatArray]:
    """Solve backwards: fill ``levels``, shape (n, MAX_PIECES), down to interval ``first``.

    ``end_edge`` (m + 1,) and ascending ``end_slope`` (m,) are the value function after the last
    interval. Intervals that are not convex enter by their lower convex envelope.
    Returns whether there are none of those, and the edges and slopes of the value of the energy
    that is in store in interval ``first`` after the leak.
    """
    all_convex = True
    count = end_slope.size
    half = 512 + 2 * count  # two functions side by side: one is read, the other written
    edge, slope = np.empty(2 * half), np.empty(2 * half)
    edge[: count + 1] = end_edge
    slope[:count] = end_slope
    head, base = 0, 0
    piece_kwh, piece_slope = np.empty(MAX_PIECES), np.empty(MAX_PIECES)
    for t in range(table.shape[0] - 1, first - 1, -1):
        pieces_count, convex = pieces(piece_kwh, piece_slope, table, t, physics)
        if not convex:
            all_convex = False
            pieces_count = pool(piece_kwh, piece_slope, pieces_count)
        if count + MAX_PIECES + 1 > half:
            wider_edge, wider_slope = np.empty(4 * half), np.empty(4 * half)
            wider_edge[: count + 1] = edge[head : head + count + 1]
            wider_slope[:count] = slope[head : head + count]
            edge, slope, half, head, base = wider_edge, wider_slope, 2 * half, 0, 0
        base = half - base
        count = merge(
            edge,
            slope,
            head,
            count,
            edge,
            slope,
            base,
            piece_kwh,
            piece_slope,
            0,
            pieces_count,
            table[t, DRAIN] - table[t, X_HIGH],
            levels,
            t,
        )
        head = base
        if t > first:
            leak_back(edge, slope, head, count, physics.keep_fraction)
            head, count = trim(edge, head, count, table[t - 1, LOW], table[t - 1, HIGH])
    return all_convex, edge[head : head + count + 1], slope[head : head + count]


@compiled
def follow(
    table: FloatArray,
    levels: FloatArray,
    initial_kwh: float,
    physics: Physics,
    stored_kwh: FloatArray,
    right_slope: FloatArray,
    left_slope: FloatArray,
) -> float:
    """Walk forwards along the levels.

    Fills ``stored_kwh`` (n,) with the energy at the END of each interval, and the marginal cost
    to the right and left of the path where the interval itself sets it (NaN where V does).
    Returns by how much the true cost exceeds that of the envelopes. [c]
    """
    piece_kwh, piece_slope = np.empty(MAX_PIECES), np.empty(MAX_PIECES)
    full_kwh, full_slope = np.empty(MAX_PIECES), np.empty(MAX_PIECES)
    excess_c = 0.0
    energy_kwh = initial_kwh
    for t in range(table.shape[0]):
        count, convex = pieces(piece_kwh, piece_slope, table, t, physics)
        if not convex:
            full_kwh[:], full_slope[:] = piece_kwh, piece_slope
            full_count = count
            count = pool(piece_kwh, piece_slope, count)
        kept_kwh = physics.keep_fraction * energy_kwh
        x = table[t, X_HIGH]
        right = left = np.nan
        for k in range(count):
            into_kwh = kept_kwh - levels[t, k]
            x -= min(max(into_kwh, 0.0), piece_kwh[k])
            if -EDGE_KWH <= into_kwh < piece_kwh[k] - EDGE_KWH:
                right = piece_slope[k]
            if EDGE_KWH < into_kwh <= piece_kwh[k] + EDGE_KWH:
                left = piece_slope[k]
        if abs(x) < ROUNDING_KWH:
            x = 0.0
        energy_kwh = min(max(kept_kwh + x - table[t, DRAIN], table[t, LOW]), table[t, HIGH])
        stored_kwh[t] = energy_kwh
        right_slope[t], left_slope[t] = right, left
        if not convex:
            down_kwh = table[t, X_HIGH] - (energy_kwh + table[t, DRAIN] - kept_kwh)
            excess_c += cost_down_to(full_kwh, full_slope, full_count, down_kwh)
            excess_c -= cost_down_to(piece_kwh, piece_slope, count, down_kwh)
    return excess_c


@compiled
def water_values(
    table: FloatArray,
    stored_kwh: FloatArray,
    right_slope: FloatArray,
    left_slope: FloatArray,
    keep_fraction: float,
    end_right: float,
    end_left: float,
) -> FloatArray:
    """Worth of one more kWh in store during each interval, shape (n,). [c/kWh]

    The slope of the merged function at the path: of the interval's own piece if one is marginal,
    else of V after it. To the right (one kWh more), or where the store can hold no more, to the
    left (the last kWh); NaN where it is free in neither direction.
    """
    value = np.empty(stored_kwh.size)
    right, left = end_right, end_left
    for t in range(stored_kwh.size - 1, -1, -1):
        if stored_kwh[t] >= table[t, HIGH] - EDGE_KWH:
            right = np.nan
        if stored_kwh[t] <= table[t, LOW] + EDGE_KWH:
            left = np.nan
        if not np.isnan(right_slope[t]):
            right = right_slope[t]
        if not np.isnan(left_slope[t]):
            left = left_slope[t]
        value[t] = -left if np.isnan(right) else -right
        right *= keep_fraction
        left *= keep_fraction
    return value
