"""Reading from the warehouse, for assets and checks. Pages read the published files instead."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import pandas as pd

NEM_OFFSET = timedelta(hours=10)
DERIVED_CORE, DERIVED_DAYS = "core_intervals", "out_days"
"""Sources under which the log notes what was derived, not fetched."""


@dataclass(frozen=True, slots=True)
class StoredSite:
    """What is known of the site without asking the supplier."""

    site_id: str
    network: str | None
    interval_length: int | None
    channel_types: frozenset[str]
    channel_identifiers: frozenset[str]


def site(db: duckdb.DuckDBPyConnection, site_id: str | None = None) -> StoredSite | None:
    """Return the stored site, the newest fetched where none is named; None before the first."""
    rows = db.execute(
        """
        SELECT site_id, network, interval_length, channels FROM raw.amber_sites
        WHERE $site IS NULL OR site_id = $site ORDER BY fetched_at DESC LIMIT 1
        """,
        {"site": site_id},
    ).fetchall()
    if not rows:
        return None
    found_id, network, length, channels = rows[0]
    listed = json.loads(channels)
    return StoredSite(
        found_id,
        network,
        length,
        frozenset(channel["type"] for channel in listed),
        frozenset(channel["identifier"] for channel in listed),
    )


def window(
    db: duckdb.DuckDBPyConnection, table: str, *, start: datetime, end: datetime, **equal: str
) -> pd.DataFrame:
    """Return the rows of a table whose interval begins in [start, end), ascending."""
    wanted = "".join(f" AND {column} = ?" for column in equal)
    return db.execute(
        f"SELECT * FROM {table} WHERE interval_start >= ? AND interval_start < ?{wanted} "
        "ORDER BY interval_start",
        [start, end, *equal.values()],
    ).fetch_df()


def pulses(db: duckdb.DuckDBPyConnection, *, start: datetime, end: datetime) -> pd.DataFrame:
    """Return the Powerpal buckets that begin in [start, end), each origin's once, ascending.

    An export that was imported before the device was configured, and again after, is stored under
    two devices: of the same bucket the one fetched last counts.
    """
    return db.execute(
        """
        SELECT * FROM raw.powerpal_usage WHERE interval_start >= ? AND interval_start < ?
        QUALIFY 1 = row_number() OVER (
            PARTITION BY origin, interval_start, duration_minutes
            ORDER BY fetched_at DESC, device_id)
        ORDER BY interval_start
        """,
        [start, end],
    ).fetch_df()


def asked_days(
    db: duckdb.DuckDBPyConnection,
    sources: tuple[str, ...],
    *,
    start: datetime,
    end: datetime,
    fetched_after: datetime | None = None,
) -> set[date]:
    """Return the NEM days within the window that one of the sources has been asked for."""
    rows = db.execute(
        """
        SELECT DISTINCT window_start, window_end FROM raw.ingest_log
        WHERE source = ANY($sources) AND window_end > $start AND window_start < $end
          AND ($after IS NULL OR fetched_at > $after)
        """,
        {"sources": list(sources), "start": start, "end": end, "after": fetched_after},
    ).fetchall()
    days: set[date] = set()
    for first, after in rows:
        day = (max(first, start) + NEM_OFFSET).date()
        while day <= (min(after, end) + NEM_OFFSET - timedelta(microseconds=1)).date():
            days.add(day)
            day += timedelta(days=1)
    return days


def underived_days(db: duckdb.DuckDBPyConnection, *, start: datetime, end: datetime) -> set[date]:
    """Return the NEM days in [start, end) with changes in `raw` newer than what was derived."""
    rows = db.execute(
        f"""
        WITH days AS (SELECT unnest(range($start, $end, INTERVAL 1 DAY)) AS day),
        known AS (
            SELECT day, max(fetched_at) FILTER (
                       source NOT IN ('{DERIVED_CORE}', '{DERIVED_DAYS}') AND changed_count > 0
                   ) AS changed_at,
                   max(fetched_at) FILTER (source = '{DERIVED_CORE}') AS core_at,
                   max(fetched_at) FILTER (source = '{DERIVED_DAYS}') AS days_at
            FROM days JOIN raw.ingest_log ON window_start <= day AND window_end > day
            GROUP BY day
        )
        SELECT day FROM known
        WHERE changed_at > core_at OR changed_at > days_at
              OR changed_at IS NOT NULL AND (core_at IS NULL OR days_at IS NULL)
        """,
        {"start": start, "end": end},
    ).fetchall()
    return {(day + NEM_OFFSET).date() for (day,) in rows}


def covered_minutes(
    db: duckdb.DuckDBPyConnection,
    table: str,
    register: str,
    *,
    start: datetime,
    end: datetime,
    **equal: str,
) -> dict[date, dict[str, int]]:
    """Return the minutes that rows cover, per NEM day and register (a column of the table)."""
    wanted = "".join(f" AND {column} = ?" for column in equal)
    rows = db.execute(
        f"""
        SELECT CAST((interval_start AT TIME ZONE 'UTC') + INTERVAL 10 HOUR AS DATE) AS nem_date,
               {register}, sum(duration_minutes)
        FROM {table} WHERE interval_start >= ? AND interval_start < ?{wanted}
        GROUP BY ALL ORDER BY ALL
        """,
        [start, end, *equal.values()],
    ).fetchall()
    covered: dict[date, dict[str, int]] = {}
    for day, name, minutes in rows:
        covered.setdefault(day, {})[name] = int(minutes)
    return covered


def newest_interval_start(
    db: duckdb.DuckDBPyConnection, table: str, where: str = "true"
) -> datetime | None:
    """Return the newest label in a table: the data itself, not the run that claims it."""
    rows = db.execute(f"SELECT max(interval_start) FROM {table} WHERE {where}").fetchall()
    newest: datetime | None = rows[0][0]
    return newest


def pulse_totals(db: duckdb.DuckDBPyConnection) -> tuple[float, float]:
    """Return the pulses, and the watt-hours, of all Powerpal readings that carry both."""
    rows = db.execute(
        """
        SELECT coalesce(sum(pulses), 0), coalesce(sum(watt_hours), 0) FROM raw.powerpal_usage
        WHERE origin = 'api' AND pulses IS NOT NULL AND watt_hours IS NOT NULL
        """
    ).fetchall()
    return float(rows[0][0]), float(rows[0][1])


def count(db: duckdb.DuckDBPyConnection, table: str, where: str) -> int:
    """Count the rows of a table for which a condition of our own holds."""
    return int(db.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchall()[0][0])


def first_interval(db: duckdb.DuckDBPyConnection, table: str, where: str) -> datetime | None:
    """Return the earliest interval for which a condition of our own holds."""
    rows = db.execute(f"SELECT min(interval_start) FROM {table} WHERE {where}").fetchall()
    earliest: datetime | None = rows[0][0]
    return earliest
