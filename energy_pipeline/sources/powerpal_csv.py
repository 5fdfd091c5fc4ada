"""The CSV file that the Powerpal app exports: one line per minute, in two layouts.

The layout of 2021 has no datetime_local. That column is never read: it names the repeated hour in
April twice. Files are read, not fetched: the export link is signed and lives about a day.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from energy_pipeline.sources.errors import SourceRejected
from energy_pipeline.sources.parsed import Notice, Parsed, Reject, build_frame, keep_last, shown
from energy_pipeline.sources.powerpal import READING_DTYPES, READING_KEY

EXPECTED_HEADER = "datetime_utc,datetime_local,watt_hours,cost_dollars,is_peak"
NEEDED_COLUMNS = ("datetime_utc", "watt_hours", "cost_dollars")
HEAD_BYTES = 4_096  # enough to tell what kind of file it is
LONGEST_LINE = 4_096  # characters; a real one has about 70
FLAGS = {"true": True, "false": False}
OTHER_KINDS = (
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\xff\xfe", "UTF-16 text; save it as 'CSV UTF-8'"),
    (b"\xfe\xff", "UTF-16 text; save it as 'CSV UTF-8'"),
    (b"%PDF", "a PDF; export it as CSV"),
)


def read_powerpal_csv(path: Path) -> Parsed:
    """Read one exported file.

    Parameters
    ----------
    path : Path
        UTF-8, with or without byte order mark, any line ends. Columns are found by name; extra ones
        are ignored. A file with a header alone is a valid answer.

    Returns
    -------
    Parsed
        READING_COLUMNS in the order of the file, duration 1 minute, pulses and sample_count
        missing. Positions of rejects are line numbers; the header is line 1. Minutes that
        overlapping exports repeat stand once.

    Raises
    ------
    SourceRejected
        If the file cannot be read, is not CSV, or lacks a needed column.
    """
    path = Path(path)
    try:
        with path.open("rb") as binary:
            _refuse_other_kinds(path, binary.read(HEAD_BYTES))
        with path.open(encoding="utf-8-sig", errors="replace", newline=None) as text:
            return _read_table(path, text)
    except OSError as exc:
        raise SourceRejected(
            f"{path}: cannot be read ({exc.strerror}); check the file name and its permissions"
        ) from exc


def _refuse_other_kinds(path: Path, head: bytes) -> None:
    for magic, kind in OTHER_KINDS:
        if head.startswith(magic):
            raise SourceRejected(f"{path}: expected the Powerpal app's CSV export, found {kind}")
    if b"\0" in head.split(b"\n", 1)[0]:  # further down it is a broken line, as after a power cut
        raise SourceRejected(
            f"{path}: expected the Powerpal app's CSV export, found a binary file or UTF-16 text; "
            "export it again, or save it as 'CSV UTF-8'"
        )
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<":
        raise SourceRejected(
            f"{path}: expected the Powerpal app's CSV export, found a web page; "
            "the export link may have expired: export it again"
        )
    if not start:
        raise SourceRejected(
            f"{path}: the file is empty; expected line 1 to be {EXPECTED_HEADER!r}: export it again"
        )


def _read_table(path: Path, text: TextIO) -> Parsed:
    lines = _lines(text)
    number, header = next(lines, (1, None))
    names = [name.strip() for name in header or []]
    missing = [name for name in NEEDED_COLUMNS if names.count(name) != 1]
    if missing:
        raise SourceRejected(
            f"{path}, line {number}: found {shown(','.join(names))}, expected "
            f"{EXPECTED_HEADER!r} (datetime_local and is_peak may be absent); "
            f"{', '.join(missing)} must stand there once: export it again from the Powerpal app"
        )
    numbers: list[int] = []
    table: list[list[str]] = []
    rejects: list[Reject] = []
    for number, fields in lines:
        if fields is None:
            rejects.append(Reject(number, f"line {number} is broken or far too long"))
        elif len(fields) != len(names):
            reason = f"line {number} has {len(fields)} fields, the header has {len(names)}"
            rejects.append(Reject(number, reason))
        else:
            numbers.append(number)
            table.append(fields)
    sent = pd.DataFrame(table, columns=range(len(names)), index=numbers, dtype="str")
    sent = sent.rename(columns=dict(enumerate(names)))
    return _checked(sent, rejects)


def _lines(text: TextIO) -> Iterator[tuple[int, list[str] | None]]:
    """Line numbers and fields; None for a line that cannot be split. Blank lines are passed over.

    A line is read up to LONGEST_LINE characters and the rest of it dropped, so that a file without
    line ends does not fill the memory.
    """
    number = 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        cut = len(line) == LONGEST_LINE and not line.endswith("\n")
        while cut and (rest := text.readline(LONGEST_LINE)) and not rest.endswith("\n"):
            pass
        line = line.rstrip("\n")
        if not line.strip():
            continue
        if cut:
            yield number, None
        elif '"' in line:
            try:
                yield number, next(csv.reader([line], strict=True))
            except csv.Error:
                yield number, None
        else:
            yield number, line.split(",")


def _checked(sent: pd.DataFrame, rejects: list[Reject]) -> Parsed:
    """Turn columns of text into READING_COLUMNS; `sent` is indexed by line number."""
    stamp = sent["datetime_utc"].str.strip()
    begins = pd.to_datetime(stamp, format="%Y-%m-%d %H:%M:%S", errors="coerce", utc=True)
    watt_hours = pd.to_numeric(sent["watt_hours"], errors="coerce").astype(float)
    cost = pd.to_numeric(sent["cost_dollars"], errors="coerce").astype(float)
    cost_sent = sent["cost_dollars"].str.strip() != ""
    peak = sent["is_peak"].str.strip().str.lower() if "is_peak" in sent else None

    bad_time = ~(begins.dt.second.eq(0) & begins.dt.year.between(2000, 2099))
    bad_energy = ~(np.isfinite(watt_hours) & (watt_hours >= 0))
    bad_cost = cost_sent & ~np.isfinite(cost)
    for bad, name, wanted in (
        (bad_time, "datetime_utc", "a whole minute such as 2024-07-27 00:01:00"),
        (bad_energy & ~bad_time, "watt_hours", "a number from 0"),
        (bad_cost & ~bad_energy & ~bad_time, "cost_dollars", "a number"),
    ):
        rejects += [
            Reject(int(line), f"line {line}: {name} is {shown(value)}, not {wanted}")
            for line, value in sent.loc[bad, name].items()
        ]
    good = ~(bad_time | bad_energy | bad_cost)
    lines = sent.index[good]
    flags = pd.Series(pd.NA, index=sent.index) if peak is None else peak.map(FLAGS)
    nothing = pd.Series(pd.NA, index=lines)
    columns = (
        begins[good].dt.tz_localize(None),
        pd.Series(1, index=lines),
        nothing,
        watt_hours[good],
        cost[good],
        flags[good],
        nothing,
    )
    notices = (
        []
        if peak is None
        else [
            Notice(int(line), f"line {line}: is_peak is {shown(value)}: taken as missing")
            for line, value in peak[good & flags.isna() & (peak != "")].items()
        ]
    )
    rows, conflicts = keep_last(build_frame(columns, READING_DTYPES, index=lines), READING_KEY)
    rejects = sorted([*rejects, *conflicts], key=lambda reject: reject.index)
    return Parsed(rows, rejects, notices)
