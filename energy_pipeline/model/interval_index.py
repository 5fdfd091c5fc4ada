"""The index every series of the model has: interval_start, UTC, even, on whole steps."""

from typing import Final

import numpy as np
import pandas as pd

_UTC: Final = ("UTC", "Etc/UTC")


def check_index(index: pd.Index, *, step: pd.Timedelta, name: str) -> None:
    """Refuse an index that is not UTC, ascending, even and on whole steps.

    Raises
    ------
    ValueError
        Naming what was passed and what is wrong with it.
    """
    if not isinstance(index, pd.DatetimeIndex) or str(index.tz) not in _UTC:
        raise ValueError(f"{name} must be indexed by interval_start in UTC, not {index.dtype}")
    if len(index) == 0:
        raise ValueError(f"{name} has no intervals")
    starts = index.as_unit("ns").asi8
    length = step.as_unit("ns").value
    odd = np.flatnonzero(np.diff(starts) != length)
    if odd.size:
        raise ValueError(
            f"{name} must step by {step} without gaps or repeats; it breaks after {index[odd[0]]}"
        )
    if starts[0] % length:
        raise ValueError(f"{name} must start on a whole {step}, not at {index[0]}")
