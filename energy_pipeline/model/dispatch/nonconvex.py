"""The exact optimum where intervals are not convex: negative prices, or feed-in above import.

The same recursion as in ``convex``, with V any continuous piecewise-linear function. V and the
interval's cost are cut into convex runs; each pair of runs is merged by slopes, and the lowest of
the results is kept. While V and the interval are convex this is the merge of ``convex`` itself.
Value functions are kept at check-points and recomputed block by block on the way forward.
See docs/model-dispatch.md, part 4.
"""

from __future__ import annotations

import numpy as np

from energy_pipeline.model.dispatch.compiled import compiled
from energy_pipeline.model.dispatch.convex import follow
from energy_pipeline.model.dispatch.interval import (
    BUY,
    DRAIN,
    EXPORT_CAP,
    HIGH,
    IMPORT_CAP,
    LOW,
    MAX_PIECES,
    SELL,
    X_HIGH,
    Physics,
    meter_cost,
    pieces,
)
from energy_pipeline.model.dispatch.piecewise import (
    EDGE_KWH,
    ROUNDING_KWH,
    SAME_C,
    grown,
    join,
    keep_lowest,
    leak_back,
    merge,
    rise,
    run_end,
    slopes_beside,
    trim,
)
from energy_pipeline.model.dispatch.problem import BoolArray, FloatArray, IntArray
from energy_pipeline.model.dispatch.settlement import settle_interval

BLOCK = 256  # intervals between check-points
MOST_KEPT = 4_000_000  # points of value functions kept at once, 64 MB; the rest is recomputed


@compiled
def convolve(
    edge: FloatArray,
    slope: FloatArray,
    head: int,
    count: int,
    piece_kwh: FloatArray,
    piece_slope: FloatArray,
    pieces_count: int,
    shift_kwh: float,
) -> tuple[FloatArray, FloatArray, int]:
    """Convolve V with an interval, neither of them convex; new edges, slopes and count."""
    stop = head + count
    size = (MAX_PIECES + 2) * (count + 2)  # each of V's runs may gain every piece
    best_edge, best_slope, best_count, best_c = np.empty(size), np.empty(size), -1, 0.0
    run_edge, run_slope = np.empty(size), np.empty(size)
    other_edge, other_slope = np.empty(size), np.empty(size)
    levels = np.empty((1, MAX_PIECES))  # not wanted here
    piece = 0
    before_c = 0.0  # the interval's cost down to the run
    while True:
        piece_end = run_end(piece_slope, piece, pieces_count)
        run_count, run_c, value_c = 0, before_c, before_c
        run_edge[0] = edge[head] + shift_kwh
        j = head
        while True:
            j_end = run_end(slope, j, stop)
            other_count = merge(
                edge,
                slope,
                j,
                j_end - j,
                other_edge,
                other_slope,
                0,
                piece_kwh,
                piece_slope,
                piece,
                piece_end,
                shift_kwh,
                levels,
                0,
            )
            run_count, run_c = join(
                run_edge, run_slope, run_count, run_c, other_edge, other_slope, other_count, value_c
            )
            value_c += rise(edge, slope, j, j_end, np.inf)
            j = j_end
            if j >= stop:
                break
        if best_count < 0:
            best_edge, run_edge = run_edge, best_edge
            best_slope, run_slope = run_slope, best_slope
            best_count, best_c = run_count, run_c
        else:
            best_edge, best_slope, best_count, best_c = keep_lowest(
                best_edge,
                best_slope,
                best_count,
                best_c,
                run_edge,
                run_slope,
                run_count,
                before_c,
            )
        for k in range(piece, piece_end):
            before_c += piece_slope[k] * piece_kwh[k]
            shift_kwh += piece_kwh[k]
        piece = piece_end
        if piece >= pieces_count:
            return best_edge, best_slope, best_count


@compiled
def backward(
    table: FloatArray,
    first: int,
    stop: int,
    edge: FloatArray,
    slope: FloatArray,
    physics: Physics,
    levels: FloatArray,
    by_levels: BoolArray,
    room: float,
) -> tuple[FloatArray, FloatArray, IntArray, IntArray, FloatArray, FloatArray, float]:
    """Recurse from V after interval stop - 1 down to V before interval ``first``.

    Fills ``levels`` and ``by_levels`` (whether the levels hold the policy of an interval). Returns
    the edges and slopes of V after the intervals whose policy the levels do not hold, while there
    is ``room``, and at check-points: concatenated, where each begins (-1: not kept), its segments.
    Then V before ``first``, and the change of its value at its left edge. [c]
    """
    head, count = 0, slope.size
    edge, slope = grown(edge, count + 2), grown(slope, count + 2)
    spare_edge, spare_slope = np.empty(512), np.empty(512)
    kept_edge, kept_slope, kept = np.empty(4096), np.empty(4096), 0
    begins = np.full(stop - first, -1, np.int64)
    counts = np.zeros(stop - first, np.int64)
    piece_kwh, piece_slope = np.empty(MAX_PIECES), np.empty(MAX_PIECES)
    base_c = 0.0
    smooth = run_end(slope, head, head + count) >= head + count
    for t in range(stop - 1, first - 1, -1):
        pieces_count, convex = pieces(piece_kwh, piece_slope, table, t, physics)
        by_levels[t] = pieces_count == 0 or (smooth and convex)
        if (t + 1) % BLOCK == 0 or (not by_levels[t] and kept < room):
            kept_edge = grown(kept_edge, kept + count + 1)
            kept_slope = grown(kept_slope, kept + count + 1)
            kept_edge[kept : kept + count + 1] = edge[head : head + count + 1]
            kept_slope[kept : kept + count] = slope[head : head + count]
            begins[t - first], counts[t - first] = kept, count
            kept += count + 1
        charge_kwh, discharge_kwh, metered_kwh, _ = settle_interval(
            table, t, table[t, X_HIGH], physics
        )
        base_c += physics.wear * (charge_kwh + discharge_kwh) + meter_cost(
            metered_kwh,
            table[t, BUY],
            table[t, SELL],
            table[t, IMPORT_CAP],
            table[t, EXPORT_CAP],
            physics.penalty,
        )
        shift_kwh = table[t, DRAIN] - table[t, X_HIGH]
        if by_levels[t]:
            need = count + MAX_PIECES + 1
            spare_edge, spare_slope = grown(spare_edge, need), grown(spare_slope, need)
            count = merge(
                edge,
                slope,
                head,
                count,
                spare_edge,
                spare_slope,
                0,
                piece_kwh,
                piece_slope,
                0,
                pieces_count,
                shift_kwh,
                levels,
                t,
            )
            edge, spare_edge = spare_edge, edge
            slope, spare_slope = spare_slope, slope
        else:
            edge, slope, count = convolve(
                edge, slope, head, count, piece_kwh, piece_slope, pieces_count, shift_kwh
            )
        head = 0
        if t > 0:
            leak_back(edge, slope, head, count, physics.keep_fraction)
            base_c += rise(edge, slope, 0, count, table[t - 1, LOW])
            head, count = trim(edge, head, count, table[t - 1, LOW], table[t - 1, HIGH])
        if not smooth or not by_levels[t]:
            smooth = run_end(slope, head, head + count) >= head + count
    return (
        kept_edge,
        kept_slope,
        begins,
        counts,
        edge[head : head + count + 1].copy(),
        slope[head : head + count].copy(),
        base_c,
    )


@compiled
def best_move(
    base_kwh: float,
    x_high: float,
    edge: FloatArray,
    slope: FloatArray,
    piece_kwh: FloatArray,
    piece_slope: FloatArray,
    pieces_count: int,
) -> tuple[float, float, float]:
    """The cheapest change of stored energy in an interval, given V (edge, slope) after it.

    ``base_kwh`` is what would be in store after no change. Both costs are piecewise linear, so the
    best is at a kink of either: all are visited from the fullest down; of equals, the least change.
    Returns the change, and the marginal cost to the right and left (NaN at an end). [kWh, c/kWh]
    """
    here_kwh = min(max(base_kwh + x_high, edge[0]), edge[-1])
    down_kwh = base_kwh + x_high - here_kwh
    k = 0
    while k < pieces_count - 1 and down_kwh >= piece_kwh[k]:
        down_kwh -= piece_kwh[k]
        k += 1
    left_in_piece = max(piece_kwh[k] - max(down_kwh, 0.0), 0.0) if pieces_count > 0 else 0.0
    j = slope.size - 1
    while j > 0 and edge[j] >= here_kwh:
        j -= 1
    best_x, best_c, cost_c = here_kwh - base_kwh, 0.0, 0.0
    while k < pieces_count and j >= 0:
        step_kwh = min(left_in_piece, max(here_kwh - edge[j], 0.0))
        cost_c += (piece_slope[k] - slope[j]) * step_kwh
        here_kwh -= step_kwh
        left_in_piece -= step_kwh
        if here_kwh <= edge[j]:
            j -= 1
        if left_in_piece <= 0.0:
            k += 1
            left_in_piece = piece_kwh[k] if k < pieces_count else 0.0
        x = here_kwh - base_kwh
        if cost_c < best_c - SAME_C or (cost_c <= best_c + SAME_C and abs(x) < abs(best_x)):
            best_x, best_c = x, min(cost_c, best_c)
    left, right = slopes_beside(edge, slope, base_kwh + best_x)
    start_kwh = x_high - best_x  # how far down the pieces
    for k in range(pieces_count):
        if -EDGE_KWH <= start_kwh < piece_kwh[k] - EDGE_KWH:
            right = np.fmin(right, piece_slope[k])
        if EDGE_KWH < start_kwh <= piece_kwh[k] + EDGE_KWH:
            left = np.fmax(left, piece_slope[k])
        start_kwh -= piece_kwh[k]
    return best_x, right, left


@compiled
def solve(
    table: FloatArray,
    initial_kwh: float,
    end_edge: FloatArray,
    end_slope: FloatArray,
    physics: Physics,
    stored_kwh: FloatArray,
    right_slope: FloatArray,
    left_slope: FloatArray,
) -> float:
    """Fill the best path and its marginal costs; its cost, less V at the end's left edge. [c]"""
    count = table.shape[0]
    levels = np.empty((count, MAX_PIECES))
    by_levels = np.zeros(count, np.bool_)
    all_edge, all_slope, all_begins, all_counts, edge, slope, base_c = backward(
        table,
        0,
        count,
        end_edge,
        end_slope,
        physics,
        levels,
        by_levels,
        float(MOST_KEPT),
    )
    optimum_c = base_c + rise(edge, slope, 0, slope.size, physics.keep_fraction * initial_kwh)
    piece_kwh, piece_slope = np.empty(MAX_PIECES), np.empty(MAX_PIECES)
    energy_kwh = initial_kwh
    for first in range(0, count, BLOCK):
        stop = min(first + BLOCK, count)
        kept_edge, kept_slope = all_edge, all_slope
        begins, counts = all_begins[first:stop], all_counts[first:stop]
        if ((begins < 0) & ~by_levels[first:stop]).any():
            edge, slope = end_edge, end_slope
            if stop < count:
                begin, size = all_begins[stop - 1], all_counts[stop - 1]
                edge = all_edge[begin : begin + size + 1]
                slope = all_slope[begin : begin + size]
            kept_edge, kept_slope, begins, counts, _, _, _ = backward(
                table, first, stop, edge, slope, physics, levels, by_levels, np.inf
            )
        t = first
        while t < stop:
            until = t
            while until < stop and by_levels[until]:
                until += 1
            if until > t:
                follow(
                    table[t:until],
                    levels[t:until],
                    energy_kwh,
                    physics,
                    stored_kwh[t:until],
                    right_slope[t:until],
                    left_slope[t:until],
                )
                energy_kwh = stored_kwh[until - 1]
                t = until
                continue
            pieces_count, _ = pieces(piece_kwh, piece_slope, table, t, physics)
            begin, size = begins[t - first], counts[t - first]
            kept_kwh = physics.keep_fraction * energy_kwh
            x, right_slope[t], left_slope[t] = best_move(
                kept_kwh - table[t, DRAIN],
                table[t, X_HIGH],
                kept_edge[begin : begin + size + 1],
                kept_slope[begin : begin + size],
                piece_kwh,
                piece_slope,
                pieces_count,
            )
            if abs(x) < ROUNDING_KWH:
                x = 0.0
            energy_kwh = min(max(kept_kwh + x - table[t, DRAIN], table[t, LOW]), table[t, HIGH])
            stored_kwh[t] = energy_kwh
            t += 1
    return optimum_c
