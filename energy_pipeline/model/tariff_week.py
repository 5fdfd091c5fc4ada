"""Windows laid out over a week plus one public holiday, to find gaps and double charges."""

import numpy as np

from energy_pipeline.model.tariff import MINUTES_PER_DAY, Season, Window
from energy_pipeline.model.tariff_calendar import BoolArray

SLOT_MINUTES = 5
SLOTS = MINUTES_PER_DAY // SLOT_MINUTES
HOLIDAY_ROW = 7
_ROWS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "holidays")


def week_grid(windows: tuple[Window, ...]) -> BoolArray:
    """Where any window lies: 7 weekdays and a public holiday by 288 slots. No window: everywhere.

    A holiday that a window bills by weekday is laid out as a Wednesday. Seasons are ignored.
    """
    grid = np.zeros((8, SLOTS), dtype=bool)
    if not windows:
        return ~grid
    for window in windows:
        first, last = window.start_minute // SLOT_MINUTES, -(-window.end_minute // SLOT_MINUTES)
        slots = np.zeros(SLOTS, dtype=bool)
        if window.start_minute < window.end_minute:
            slots[first:last] = True
        else:
            slots[first:] = True
            slots[:last] = True
        rows = sorted(window.days)
        on_holidays = {
            "as_weekday": 2 in window.days,
            "as_weekend": 6 in window.days,
            "only": True,
            "exclude": False,
            "include": True,
        }[window.holiday]
        if window.holiday == "only":
            rows = []
        if on_holidays:
            rows = [*rows, HOLIDAY_ROW]
        grid[rows] |= slots
    return grid


def grid_windows(
    grid: BoolArray, seasons: tuple[Season, ...], *, holidays_apart: bool
) -> tuple[Window, ...]:
    """Windows that cover exactly `grid`.

    With `holidays_apart` its last row is for public holidays and the others leave them out;
    without, holidays are billed by weekday and the last row is not read.
    """
    windows = []
    patterns: dict[bytes, list[int]] = {}
    for row in range(HOLIDAY_ROW):
        patterns.setdefault(grid[row].tobytes(), []).append(row)
    for rows in patterns.values():
        for start, end in _runs(grid[rows[0]]):
            windows.append(
                Window(
                    start_minute=start,
                    end_minute=end,
                    days=frozenset(rows),
                    holiday="exclude" if holidays_apart else "as_weekday",
                    seasons=seasons,
                )
            )
    for start, end in _runs(grid[HOLIDAY_ROW]) if holidays_apart else ():
        windows.append(
            Window(
                start_minute=start,
                end_minute=end,
                days=frozenset(),
                holiday="include",
                seasons=seasons,
            )
        )
    return tuple(windows)


def where_first(grid: BoolArray) -> str:
    """The first stretch of `grid` in words, such as ``Saturday 00:00-07:00``."""
    for row, name in enumerate(_ROWS):
        for start, end in _runs(grid[row]):
            return f"{name} {_clock(start)}-{_clock(end)}"
    return "nowhere"


def _runs(slots: BoolArray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], slots, [False]]).astype(np.int8)))
    return [
        (int(a) * SLOT_MINUTES, int(b) * SLOT_MINUTES)
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
