"""Piecewise-linear functions of stored energy, as the recursions keep them.

Edges [kWh], ascending, one more than segments, and the segments' slopes [c/kWh]; a convex function
is one whose slopes ascend. An interval's cost comes in pieces instead: lengths and slopes.
"""

from __future__ import annotations

import numpy as np

from energy_pipeline.model.dispatch.compiled import compiled
from energy_pipeline.model.dispatch.problem import FloatArray

ROUNDING_KWH = 1e-12  # shorter than this is nothing
EDGE_KWH = 1e-9  # closer than this to an edge is on it, for marginal values only
SAME_C = 1e-10  # values closer than this are equal


@compiled
def pool(length: FloatArray, slope: FloatArray, count: int) -> int:
    """Replace the pieces by their lower convex envelope (pooling adjacent violators); the count."""
    kept = 0
    for k in range(count):
        run_kwh, run_slope = length[k], slope[k]
        while kept > 0 and slope[kept - 1] > run_slope:
            kept -= 1
            total_kwh = length[kept] + run_kwh
            run_slope = (slope[kept] * length[kept] + run_slope * run_kwh) / total_kwh
            run_kwh = total_kwh
        length[kept], slope[kept] = run_kwh, run_slope
        kept += 1
    return kept


@compiled
def cost_down_to(length: FloatArray, slope: FloatArray, count: int, down_kwh: float) -> float:
    """F(x_high - down_kwh) - F(x_high), by the pieces. [c]"""
    total_c = 0.0
    for k in range(count):
        step_kwh = min(length[k], down_kwh)
        if step_kwh <= 0.0:
            break
        total_c += slope[k] * step_kwh
        down_kwh -= step_kwh
    return total_c


@compiled
def merge(
    edge: FloatArray,
    slope: FloatArray,
    head: int,
    count: int,
    new_edge: FloatArray,
    new_slope: FloatArray,
    new_head: int,
    piece_kwh: FloatArray,
    piece_slope: FloatArray,
    first_piece: int,
    last_piece: int,
    shift_kwh: float,
    levels: FloatArray,
    t: int,
) -> int:
    """Convolve V with an interval (or a convex run of its pieces).

    V has ``count`` segments from index ``head`` of edge and (ascending) slope. The result is
    written from index ``new_head``, and to ``levels[t]`` where each piece begins.
    Returns how many segments there are now.
    """
    one = np.uintp(1)  # unsigned: no test for indices from the end
    source, stop, target = np.uintp(head), np.uintp(head + count), np.uintp(new_head)
    for k in range(first_piece, last_piece):
        value = piece_slope[k]
        while source < stop and slope[source] < value:
            new_slope[target] = slope[source]
            new_edge[target] = edge[source] + shift_kwh
            source += one
            target += one
        begin_kwh = edge[source] + shift_kwh
        levels[t, k] = begin_kwh
        new_slope[target] = value
        new_edge[target] = begin_kwh
        target += one
        shift_kwh += piece_kwh[k]
        if source < stop and slope[source] == value:  # one segment instead of two alike
            source += one
    while source < stop:
        new_slope[target] = slope[source]
        new_edge[target] = edge[source] + shift_kwh
        source += one
        target += one
    new_edge[target] = edge[stop] + shift_kwh
    return int(np.int64(target)) - new_head


@compiled
def trim(
    edge: FloatArray, head: int, count: int, low_kwh: float, high_kwh: float
) -> tuple[int, int]:
    """Cut V to [low, high]; the first segment's index and how many segments are left."""
    one = np.uintp(1)  # unsigned: no test for indices from the end
    first, last = np.uintp(head), np.uintp(head + count)
    while first < last and edge[first + one] <= low_kwh:
        first += one
    while last > first and edge[last - one] >= high_kwh:
        last -= one
    edge[first] = max(edge[first], low_kwh)
    edge[last] = max(min(edge[last], high_kwh), edge[first])
    return int(np.int64(first)), int(np.int64(last - first))


@compiled
def leak_back(
    edge: FloatArray, slope: FloatArray, head: int, count: int, keep_fraction: float
) -> None:
    """Restate V of the energy after the leak as a function of the energy before it."""
    if keep_fraction != 1.0:
        before = 1.0 / keep_fraction
        for j in range(head, head + count):
            edge[j] *= before
            slope[j] *= keep_fraction
        edge[head + count] *= before


@compiled
def slopes_beside(edge: FloatArray, slope: FloatArray, kwh: float) -> tuple[float, float]:
    """Slopes just left and just right of a point; NaN where the function has ended. [c/kWh]"""
    left = right = np.nan
    for j in range(slope.size):
        if edge[j] < kwh - EDGE_KWH:
            left = slope[j]
        if edge[j] <= kwh + EDGE_KWH < edge[j + 1]:
            right = slope[j]
    return left, right


@compiled
def grown(array: FloatArray, size: int) -> FloatArray:
    """The array with room for ``size``: itself, or a copy twice as large as needed."""
    if array.size >= size:
        return array
    bigger = np.empty(2 * size)
    bigger[: array.size] = array
    return bigger


@compiled
def run_end(slope: FloatArray, start: int, stop: int) -> int:
    """Index after the ascending run of slopes that begins at ``start``."""
    j = start + 1
    while j < stop and slope[j] >= slope[j - 1]:
        j += 1
    return min(j, stop)


@compiled
def rise(edge: FloatArray, slope: FloatArray, start: int, stop: int, to_kwh: float) -> float:
    """Change of value along the segments start..stop, as far as ``to_kwh``. [c]"""
    total_c = 0.0
    for j in range(start, stop):
        if edge[j] >= to_kwh:
            break
        total_c += slope[j] * (min(edge[j + 1], to_kwh) - edge[j])
    return total_c


@compiled
def emit(edge: FloatArray, slope: FloatArray, count: int, value: float, to_kwh: float) -> int:
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
def keep_lowest(
    edge: FloatArray,
    slope: FloatArray,
    count: int,
    end_c: float,
    other_edge: FloatArray,
    other_slope: FloatArray,
    other_count: int,
    other_c: float,
) -> tuple[FloatArray, FloatArray, int, float]:
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
def join(
    edge: FloatArray,
    slope: FloatArray,
    count: int,
    end_c: float,
    other_edge: FloatArray,
    other_slope: FloatArray,
    other_count: int,
    other_c: float,
) -> tuple[int, float]:
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
