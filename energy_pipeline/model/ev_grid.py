"""Moments and energies on the 5-minute grid of a car's use.

A car counts as plugged in an interval only if it is for the whole of it.
"""

from datetime import datetime

import numpy as np
import pandas as pd

from energy_pipeline.model.ev import INTERVAL, Bools, Floats


def touched(index: pd.DatetimeIndex, start: datetime, end: datetime) -> slice:
    """Intervals that overlap [start, end)."""
    first, last = _positions(index, start, end)
    return slice(max(0, int(np.floor(first))), max(0, int(np.ceil(last))))


def plug(plugged: Bools, index: pd.DatetimeIndex, start: datetime, end: datetime) -> None:
    """Mark the intervals that lie wholly in [start, end)."""
    first, last = _positions(index, start, end)
    plugged[max(0, int(np.ceil(first))) : max(0, int(np.floor(last)))] = True


def spread(
    drain: Floats, index: pd.DatetimeIndex, start: datetime, end: datetime, energy_kwh: float
) -> float:
    """Add energy evenly over [start, end); return the share that fell into the index."""
    first, last = _positions(index, start, end)
    if last <= first:
        last = first + 1e-6
    low, high = max(0, int(np.floor(first))), min(len(drain), int(np.ceil(last)))
    if high <= low:
        return 0.0
    edges = np.clip(np.arange(low, high + 1), first, last)
    shares = np.diff(edges) / (last - first)
    drain[low:high] += energy_kwh * shares
    return float(shares.sum())


def _positions(index: pd.DatetimeIndex, start: datetime, end: datetime) -> tuple[float, float]:
    """Where two moments lie, in intervals from the first."""
    first, step = index[0].timestamp(), INTERVAL.total_seconds()
    return (start.timestamp() - first) / step, (end.timestamp() - first) / step


def refuse_times(what: str, start: datetime, end: datetime) -> None:
    """Refuse a record without a time zone, or that ends before it starts."""
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError(f"the {what} at {start} has no time zone")
    if end < start:
        raise ValueError(f"the {what} at {start} ends before it starts, at {end}")
