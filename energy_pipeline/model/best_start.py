"""When to start an appliance so that its run costs least."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise

# One interval of price: start, end (half-open), c/kWh or None where it is unknown.
PricedInterval = tuple[datetime, datetime, float | None]

# Two starts whose mean prices differ by less than this are the same to a household; the earlier
# one is named, so that the answer does not wander between equals.
INDIFFERENCE_C_PER_KWH = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class BestStart:
    """The cheapest run, and the run that would start now, for comparison."""

    start: datetime
    end: datetime
    mean_c_per_kwh: float
    mean_from_now_c_per_kwh: float | None  # None: prices of a run from now are not all known

    def saving_aud(self, energy_kwh: float) -> float | None:
        """What waiting saves for a run that uses `energy_kwh`, against starting now. [AUD]"""
        if self.mean_from_now_c_per_kwh is None:
            return None
        return (self.mean_from_now_c_per_kwh - self.mean_c_per_kwh) * energy_kwh / 100


@dataclass(frozen=True, slots=True)
class NoStart:
    """No run can be priced, and why."""

    reason: str


def best_start(
    intervals: Sequence[PricedInterval], duration_hours: float, now: datetime, latest: datetime
) -> BestStart | NoStart:
    """Find the cheapest start of a constant-power appliance between `now` and `latest`.

    The mean price of a run is piecewise linear in its start, so its minimum lies at `now`, at
    `latest`, or where the run's start or end meets an edge of an interval: only those are tried.
    Only runs whose every minute has a known price count. Of equals the earliest wins.

    Parameters
    ----------
    intervals : sequence of (start, end, c_per_kwh)
        Ascending, without overlaps; of any mix of durations; gaps are unknown prices. [c/kWh]
    duration_hours : float
        Length of the run. [h], > 0
    now, latest : datetime
        Earliest and latest start of the run.

    Returns
    -------
    BestStart, or NoStart with the reason in words.

    Raises
    ------
    ValueError
        If duration_hours is not positive, `latest` is before `now`, or intervals overlap.
    """
    if not duration_hours > 0:
        raise ValueError(f"duration_hours must be above 0, not {duration_hours}")
    if latest < now:
        raise ValueError(f"latest ({latest}) must not be before now ({now})")
    for (_, end, _), (start, _, _) in pairwise(intervals):
        if start < end:
            raise ValueError(f"intervals must ascend without overlaps: {start} is before {end}")

    run = timedelta(hours=duration_hours)
    means = {
        start: mean
        for stretch in _known_stretches(intervals)
        for start in _candidates(stretch, run, now, latest)
        if (mean := stretch.mean_c_per_kwh(start, start + run)) is not None
    }
    if not means:
        known_until = max((end for _, end, price in intervals if price is not None), default=now)
        known_hours = max((known_until - now).total_seconds() / 3600, 0.0)
        return NoStart(
            f"Prices are known for the next {known_hours:.1f} hours, "
            f"with no unbroken {duration_hours:g} hours among them."
        )
    cheapest = min(means.values())
    start = min(at for at, mean in means.items() if mean <= cheapest + INDIFFERENCE_C_PER_KWH)
    return BestStart(
        start=start,
        end=start + run,
        mean_c_per_kwh=means[start],
        mean_from_now_c_per_kwh=means.get(now),
    )


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Adjoining intervals with known prices, and the integral of price over time at each edge."""

    edges: list[datetime]  # n + 1
    prices: list[float]  # n, c/kWh
    integral: list[float]  # n + 1, c/kWh times seconds

    def mean_c_per_kwh(self, start: datetime, end: datetime) -> float | None:
        if start < self.edges[0] or end > self.edges[-1]:
            return None
        return (self._integral_to(end) - self._integral_to(start)) / (end - start).total_seconds()

    def _integral_to(self, instant: datetime) -> float:
        index = min(bisect_right(self.edges, instant), len(self.prices)) - 1
        seconds = (instant - self.edges[index]).total_seconds()
        return self.integral[index] + self.prices[index] * seconds


def _known_stretches(intervals: Sequence[PricedInterval]) -> list[_Stretch]:
    groups: list[list[tuple[datetime, datetime, float]]] = []
    for start, end, price in intervals:
        if price is None:
            continue
        if not groups or groups[-1][-1][1] != start:
            groups.append([])
        groups[-1].append((start, end, price))
    return [
        _Stretch(
            edges=[group[0][0], *(end for _, end, _ in group)],
            prices=[price for _, _, price in group],
            integral=list(
                accumulate(
                    (price * (end - start).total_seconds() for start, end, price in group),
                    initial=0.0,
                )
            ),
        )
        for group in groups
    ]


def _candidates(
    stretch: _Stretch, run: timedelta, now: datetime, latest: datetime
) -> set[datetime]:
    tried = {now, latest, *stretch.edges, *(edge - run for edge in stretch.edges)}
    return {start for start in tried if now <= start <= latest}
