"""The exact optimum where intervals are not convex: negative prices, or feed-in above import.

The same recursion as in ``convex``, with V any continuous piecewise-linear function. V and the
interval's cost are cut into convex runs; each pair of runs is merged by slopes, and the lowest of
the results is kept. While V and the interval are convex this is the merge of ``convex`` itself.
Value functions are kept at check-points and recomputed block by block on the way forward.
See docs/model-dispatch.md, section 4.
"""

from __future__ import annotations

import numpy as np

from energy_pipeline.model.dispatch.compiled import compiled
from energy_pipeline.model.dispatch.convex import follow, leak_back, merge, trim
from energy_pipeline.model.dispatch.interval import (
    BUY,
    DRAIN,
    EXPORT_CAP,
    HIGH,
    IMPORT_CAP,
    LOW,
    MAX_PIECES,
    ROUNDING_KWH,
    SELL,
    X_HIGH,
    meter_cost,
    pieces,
)
from energy_pipeline.model.dispatch.settlement import settle_interval

BLOCK = 256  # intervals between check-points
MOST_KEPT = 4_000_000  # points of value functions kept at once, 64 MB; the rest is recomputed
SAME_C = 1e-10  # values closer than this are equal


@compiled
def grown(array, size):  # type: ignore[no-untyped-def]
    """The array with room for ``size``: itself, or a copy twice as large as needed."""
    if array.size >= size:
        return array
    bigger = np.empty(2 * size)
    bigger[: array.size] = array
    return bigger


@compiled
def run_end(slope, start, stop):  # type: ignore[no-untyped-def]
    """Index after the ascending run of slopes that begins at ``start``."""
    j = start + 1
    while j < stop and slope[j] >= slope[j - 1]:
        j += 1
    return min(j, stop)


@compiled
def rise(edge, slope, start, stop, to_kwh):  # type: ignore[no-untyped-def]
    """Change of value along the segments start..stop, as far as ``to_kwh``. [c]"""
    total_c = 0.0
    for j in range(start, stop):
        if edge[j] >= to_kwh:
            break
        total_c += slope[j] * (min(edge[j + 1], to_kwh) - edge[j])
    return total_c


@compiled
def emit(edge, slope, count, value, to_kwh):  # type: ignore[no-untyped-def]
    """Lengthen a function to ``to_kwh`` along one slope; its segment count."""
    if to_kwh - edge[count] <= ROUNDING_KWH:
        return count
    if count > 0 and slope[count - 1] == value:
        edge[count] = to_kwh
        return count
    slope[count] = value
    edge[count + 1] = to_kwh
    return count + 1


@compiled
def keep_lowest(edge, slope, count, end_c, other_edge, other_slope, other_count, other_c):  # type: ignore[no-untyped-def]
    """Lower envelope of a function and another that begins, and ends, not before it.

    ``end_c`` is the function's value at its end, ``other_c`` the other's at its start.
    Returns the envelope's edges, slopes, count and value at its end. Only the overlap is visited.
    """
    start_kwh = other_edge[0]
    first = count
    here_c = end_c
    while first > 0 and edge[first] > start_kwh:
        first -= 1
        here_c -= slope[first] * (edge[first + 1] - edge[first])
    tail = count - first
    tail_edge, tail_slope = edge[first : count + 1].copy(), slope[first:count].copy()
    need = first + 2 * (tail + other_count) + 4
    edge, slope = grown(edge, need), grown(slope, need)
    count = first
    here_kwh = min(max(start_kwh, tail_edge[0]), tail_edge[tail])
    a = b = 0
    if tail > 0:
        here_c += tail_slope[0] * (here_kwh - tail_edge[0])
        count = emit(edge, slope, count, tail_slope[0], here_kwh)
    on_other = here_c - other_c > SAME_C
    while a < tail and b < other_count:
        next_kwh = min(tail_edge[a + 1], other_edge[b + 1])
        step_kwh = max(next_kwh - here_kwh, 0.0)
        next_c = here_c + tail_slope[a] * step_kwh
        other_next_c = other_c + other_slope[b] * step_kwh
        above_c, next_above_c = here_c - other_c, next_c - other_next_c
        if on_other:
            above_c, next_above_c = -above_c, -next_above_c
        if next_above_c > SAME_C:
            share = min(max(-above_c / (next_above_c - above_c), 0.0), 1.0)
            cross_kwh = here_kwh + share * step_kwh
            value = other_slope[b] if on_other else tail_slope[a]
            count = emit(edge, slope, count, value, cross_kwh)
            on_other = not on_other
        value = other_slope[b] if on_other else tail_slope[a]
        count = emit(edge, slope, count, value, next_kwh)
        here_kwh, here_c, other_c = next_kwh, next_c, other_next_c
        if tail_edge[a + 1] <= next_kwh:
            a += 1
        if other_edge[b + 1] <= next_kwh:
            b += 1
    end_c = other_c if b < other_count or on_other else here_c
    for j in range(b, other_count):
        count = emit(edge, slope, count, other_slope[j], other_edge[j + 1])
        end_c += other_slope[j] * (other_edge[j + 1] - max(here_kwh, other_edge[j]))
    return edge, slope, count, end_c


@compiled
def join(edge, slope, count, end_c, other_edge, other_slope, other_count, other_c):  # type: ignore[no-untyped-def]
    """As `keep_lowest`, where the other is the better one from some point on, and only there.

    So it is for V's convex runs in turn, each convolved with one convex function: the best move
    grows with the energy (Monge). The point is sought from the end backwards, so that every
    segment is dropped at most once. The arrays must have room for both; returns count and value.
    """
    here_kwh, here_c = edge[count], end_c
    b = 0
    while b < other_count - 1 and other_edge[b + 1] <= here_kwh:
        other_c += other_slope[b] * (other_edge[b + 1] - other_edge[b])
        b += 1
    if other_count > 0:
        other_c += other_slope[b] * max(here_kwh - other_edge[b], 0.0)
    while count > 0 and b >= 0 and here_c - other_c > SAME_C:
        back_kwh = max(edge[count - 1], other_edge[b])
        step_kwh = max(here_kwh - back_kwh, 0.0)
        back_c = here_c - slope[count - 1] * step_kwh
        other_back_c = other_c - other_slope[b] * step_kwh
        if back_c - other_back_c <= SAME_C:
            above_c, back_above_c = here_c - other_c, min(back_c - other_back_c, 0.0)
            share = above_c / (above_c - back_above_c)
            here_kwh -= share * step_kwh
            other_c -= share * step_kwh * other_slope[b]
            break
        here_kwh, here_c, other_c = back_kwh, back_c, other_back_c
        if edge[count - 1] >= back_kwh:
            count -= 1
        elif other_edge[b] >= back_kwh:
            b -= 1
    b = max(b, 0)
    edge[count] = here_kwh
    if count > 0 and here_kwh - edge[count - 1] <= ROUNDING_KWH:
        count -= 1
    for j in range(b, other_count):
        other_c += other_slope[j] * max(other_edge[j + 1] - max(here_kwh, other_edge[j]), 0.0)
        count = emit(edge, slope, count, other_slope[j], other_edge[j + 1])
    return count, other_c


@compiled
def convolve(edge, slope, head, count, piece_kwh, piece_slope, pieces_count, shift_kwh):  # type: ignore[no-untyped-def]
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
    table,
    first,
    stop,
    edge,
    slope,
    physics,
    levels,
    by_levels,
    room,
):  # type: ignore[no-untyped-def]
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
def best_move(kept_kwh, table, t, edge, slope, count, piece_kwh, piece_slope, pieces_count):  # type: ignore[no-untyped-def]
    """The cheapest change of stored energy in an interval, given V (edge, slope) after it.

    ``kept_kwh`` is in store after the leak. Both costs are piecewise linear, so the best is at a
    kink of either: all are visited from the fullest down; of equals, the least movement.
    Returns the change, and the marginal cost to the right and left (NaN at an end). [kWh, c/kWh]
    """
    base_kwh = kept_kwh - table[t, DRAIN]
    here_kwh = min(max(base_kwh + table[t, X_HIGH], edge[0]), edge[count])
    k, left_in_piece = 0, 0.0
    if pieces_count > 0:
        left_in_piece = piece_kwh[0]
        down_kwh = base_kwh + table[t, X_HIGH] - here_kwh
        while down_kwh >= left_in_piece and k < pieces_count - 1:
            down_kwh -= left_in_piece
            k += 1
            left_in_piece = piece_kwh[k]
        left_in_piece -= min(max(down_kwh, 0.0), left_in_piece)
    j = count - 1
    while j > 0 and edge[j] >= here_kwh:
        j -= 1
    best_x, best_c, cost_c = here_kwh - base_kwh, 0.0, 0.0
    best_k, best_left, best_j = k, left_in_piece, j
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
            best_k, best_left, best_j = k, left_in_piece, j
    right = left = np.nan
    if best_k < pieces_count:
        right = piece_slope[best_k]
        if best_left < piece_kwh[best_k]:
            left = piece_slope[best_k]
    if np.isnan(left) and best_k > 0:
        left = piece_slope[best_k - 1]
    at_kwh = base_kwh + best_x
    j = best_j if best_j >= 0 else 0
    while j < count - 1 and edge[j + 1] <= at_kwh + ROUNDING_KWH:
        j += 1
    if count > 0 and at_kwh < edge[count] - ROUNDING_KWH:
        right = slope[j] if np.isnan(right) else min(right, slope[j])
    if count > 0 and at_kwh > edge[0] + ROUNDING_KWH:
        below = j if at_kwh > edge[j] + ROUNDING_KWH else j - 1
        left = slope[below] if np.isnan(left) else max(left, slope[below])
    return best_x, right, left


@compiled
def solve(
    table,
    initial_kwh,
    end_edge,
    end_slope,
    physics,
    stored_kwh,
    right_slope,
    left_slope,
):  # type: ignore[no-untyped-def]
    """Fill the optimal path and its marginal costs; the optimum, less V at the end's left edge. [c]"""
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
                kept_kwh,
                table,
                t,
                kept_edge[begin : begin + size + 1],
                kept_slope[begin : begin + size],
                size,
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
