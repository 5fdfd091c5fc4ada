"""From a supplier's list of objects to a table: good rows kept, bad rows counted and named.

Here: what every parser shares, namely the result, reading one field, building the table, and
duplicate keys. What the fields of one supplier mean belongs in that supplier's module.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from energy_pipeline.sources.errors import SourceUnavailable

INSTANT = "datetime64[us, UTC]"
MAX_COUNT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Reject:
    """One element that is not in the rows: its position in the answer (line in a file), and why."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One element that is in the rows, but not as sent: its position, and what was changed."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A supplier's answer as a table, and everything about it that was not in order."""

    rows: pd.DataFrame
    rejects: list[Reject]
    notices: list[Notice] = field(default_factory=list)


class RowError(ValueError):
    """This element cannot become a row; the text says why. Caught by `parse_list`."""


RowReader = Callable[[dict[str, Any], list[str]], tuple[Any, ...]]
"""From one object to the values of one row. Appends to its second argument what it changed;
raises RowError where the object cannot be used."""


def parse_list(
    payload: Any, *, what: str, read_row: RowReader, dtypes: Mapping[str, str], key: list[str]
) -> Parsed:
    """Read a JSON array of objects, whatever it holds.

    Parameters
    ----------
    payload : Any
        Decoded JSON.
    what : str
        Names the answer in an error.
    read_row : RowReader
        Gives the values of one row, in the order of `dtypes`.
    dtypes : Mapping[str, str]
        Columns in order. Instants are given as whole Unix seconds. [s]
    key : list[str]
        Columns that identify a row. Of rows with one key the last is kept.

    Returns
    -------
    Parsed
        Every element is a row, a reject, or an exact repetition of a row.

    Raises
    ------
    SourceUnavailable
        If the payload is not a list: the supplier answered with something else.
    """
    if not isinstance(payload, list):
        raise SourceUnavailable(
            f"{what}: expected a JSON list, found {shown(payload)}; try again later"
        )
    records: list[tuple[Any, ...]] = []
    positions: list[int] = []
    rejects: list[Reject] = []
    notices: list[Notice] = []
    notes: list[str] = []
    for index, element in enumerate(payload):
        try:
            if not isinstance(element, dict):
                raise RowError(f"expected an object, found {shown(element)}")
            record = read_row(element, notes)
        except RowError as exc:
            rejects.append(Reject(index, str(exc)))
        else:
            records.append(record)
            positions.append(index)
            notices.extend(Notice(index, note) for note in notes)
        notes.clear()
    columns = zip(*records, strict=True) if records else [()] * len(dtypes)
    rows, conflicts = keep_last(build_frame(columns, dtypes, index=positions), key)
    rejects = sorted([*rejects, *conflicts], key=lambda reject: reject.index)
    return Parsed(rows, rejects, notices)


def build_frame(
    columns: Any, dtypes: Mapping[str, str], index: Sequence[int] | pd.Index
) -> pd.DataFrame:
    """Build a table whose dtypes are the same for no row, one row and rows of missing values."""
    series = {}
    for (name, dtype), values in zip(dtypes.items(), columns, strict=True):
        if dtype == INSTANT:
            seconds = pd.Series(values, index=index, dtype="datetime64[s]")
            series[name] = seconds.dt.tz_localize("UTC").dt.as_unit("us")
        else:
            series[name] = pd.Series(values, index=index, dtype=dtype)
    return pd.DataFrame(series, columns=list(dtypes), index=index)


def keep_last(rows: pd.DataFrame, key: list[str]) -> tuple[pd.DataFrame, list[Reject]]:
    """Of rows with one key keep the last; report the others, exact repetitions apart.

    `rows` is indexed by position in the answer; the result is indexed from 0.
    """
    superseded = rows.duplicated(key, keep="last")
    if not superseded.any():
        return rows.reset_index(drop=True), []
    conflicting = rows.index[superseded & ~rows.duplicated(keep="last")]
    reason = (
        f"another row with the same {', '.join(key)} and other values follows; that one is kept"
    )
    kept = rows[~superseded].reset_index(drop=True)
    return kept, [Reject(int(position), reason) for position in conflicting]


def shown(value: Any) -> str:
    """Write a value for a message: short, whatever it is."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return f"a huge {type(value).__name__}"


def required_number(row: dict[str, Any], key: str) -> float:
    """Read a number without which the row says nothing.

    Raises
    ------
    RowError
        If it is missing, not a number, a boolean, infinite or not a number in the IEEE sense.
    """
    value = row.get(key)
    if value is None:
        raise RowError(f"{key} is missing")
    number = _finite(value)
    if number is None:
        raise RowError(f"{key} is {shown(value)}, not a finite number")
    return number


def optional_number(row: dict[str, Any], key: str, notes: list[str]) -> float:
    """Read a number that may be missing: NaN then, and NaN with a note if it is not a number."""
    value = row.get(key)
    if value is None:
        return math.nan
    number = _finite(value)
    if number is None:
        notes.append(f"{key} is {shown(value)}, not a finite number: taken as missing")
        return math.nan
    return number


def optional_count(row: dict[str, Any], key: str, notes: list[str]) -> int | None:
    """Read a count that may be missing: None then, and None with a note if it is not one."""
    value = row.get(key)
    if value is None:
        return None
    number = _finite(value)
    if number is None or not number.is_integer() or not 0 <= number <= MAX_COUNT:
        notes.append(f"{key} is {shown(value)}, not a whole number from 0: taken as missing")
        return None
    return int(number)


def optional_text(row: dict[str, Any], key: str, notes: list[str]) -> str | None:
    """Read a text that may be missing. Words never seen before are kept."""
    value = row.get(key)
    if value is None or isinstance(value, str):
        return value
    notes.append(f"{key} is {shown(value)}, not a text: taken as missing")
    return None


def required_text(row: dict[str, Any], key: str) -> str:
    """Read a text that identifies the row.

    Raises
    ------
    RowError
        If it is missing, empty or not a text.
    """
    value = row.get(key)
    if isinstance(value, str) and value:
        return value
    raise RowError(f"{key} is {'missing' if value is None else shown(value)}")


def optional_flag(row: dict[str, Any], key: str, notes: list[str]) -> bool | None:
    """Read a boolean that may be missing: None then, and None with a note if it is not one."""
    value = row.get(key)
    if value is None or isinstance(value, bool):
        return value
    notes.append(f"{key} is {shown(value)}, not true or false: taken as missing")
    return None


def _finite(value: Any) -> float | None:
    if type(value) is not float:
        if type(value) is not int:  # a bool is an int by inheritance, and no number
            return None
        try:
            value = float(value)
        except OverflowError:
            return None
    return value if math.isfinite(value) else None
