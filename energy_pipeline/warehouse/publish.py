"""Publishing: small files beside the warehouse that readers open without ever waiting.

A file is written beside its target and swapped in by one rename: a reader sees all of it or none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import metadata, resources
from pathlib import Path

import duckdb

from energy_pipeline.warehouse.connect import BLOCK_SIZE

LIVE_SCHEMA_VERSION = 1
HISTORY_SCHEMA_VERSION = 1
HISTORY_TABLES = ("core.intervals", "out.days")
SPIKE_ABOVE_C_PER_KWH = 100.0
"""From here a price is a spike whatever the household is used to. [c/kWh]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFacts:
    """What the live file says that the warehouse does not know."""

    site_id: str
    timezone: str
    is_demo: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class PowerReading:
    """What a live meter measured last."""

    source: str
    measured_at: datetime  # end of the window
    window_minutes: float
    import_kw: float


def publish_live(
    db: duckdb.DuckDBPyConnection,
    target: Path,
    facts: LiveFacts,
    power: PowerReading | None = None,
) -> None:
    """Write what the fridge shows: prices now and next, the last 48 hours, the days, the states.

    Without a new reading the power of the file before is carried over: it is not stored anywhere
    else, so that a reading a minute costs the card nothing.
    """
    schema = (resources.files("energy_pipeline.warehouse") / "live_schema.sql").read_text("utf-8")
    readings = _power_before(target)
    if power is not None:
        readings[power.source] = power
    with _swapped_in(db, target) as fresh:
        home = db.execute("SELECT current_database()").fetchall()[0][0]
        db.execute(f"USE {fresh}")
        try:
            db.execute(schema)
        finally:
            db.execute(f'USE "{home}"')
        values = {
            "site": facts.site_id,
            "now": facts.now,
            "timezone": facts.timezone,
            "demo": facts.is_demo,
            "schema_version": LIVE_SCHEMA_VERSION,
            "software": metadata.version("energy-pipeline"),
            "spike": SPIKE_ABOVE_C_PER_KWH,
        }
        for statement in _LIVE_STATEMENTS:
            sql = statement.format(fresh=fresh)
            db.execute(sql, {name: v for name, v in values.items() if f"${name}" in sql})
        for reading in readings.values():
            if facts.now - reading.measured_at < timedelta(days=1):
                db.execute(
                    f"INSERT INTO {fresh}.power VALUES (?, ?, ?, ?)",
                    [
                        reading.source,
                        reading.measured_at,
                        reading.window_minutes,
                        reading.import_kw,
                    ],
                )


def publish_history(db: duckdb.DuckDBPyConnection, target: Path, now: datetime) -> int:
    """Write all of `core` and `out` that pages and notebooks read.

    Returns
    -------
    int
        Number of intervals published.
    """
    with _swapped_in(db, target) as fresh:
        db.execute(f"CREATE SCHEMA {fresh}.core; CREATE SCHEMA {fresh}.out")
        for table in HISTORY_TABLES:
            order = "site_id, local_date" if table == "out.days" else "site_id, interval_start"
            db.execute(f"CREATE TABLE {fresh}.{table} AS SELECT * FROM {table} ORDER BY {order}")
        db.execute(
            f"CREATE TABLE {fresh}.publication AS SELECT ? AS schema_version, ? AS published_at",
            [HISTORY_SCHEMA_VERSION, now],
        )
        counted = db.execute(f"SELECT count(*) FROM {fresh}.core.intervals").fetchall()
    return int(counted[0][0])


@contextmanager
def _swapped_in(db: duckdb.DuckDBPyConnection, target: Path) -> Iterator[str]:
    """Attach an empty file under a name of its own; rename it onto the target when all is well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for left_over in target.parent.glob(f"{target.name}.new-*"):
        # Whoever publishes holds the warehouse, so a file in the making is from a killed process.
        left_over.unlink(missing_ok=True)
    fresh = target.with_name(f"{target.name}.new-{os.getpid()}")
    db.execute(f"ATTACH '{_quoted(fresh)}' AS fresh (BLOCK_SIZE {BLOCK_SIZE})")
    try:
        yield "fresh"
        db.execute("CHECKPOINT fresh")
    except BaseException:
        db.execute("DETACH fresh")
        fresh.unlink(missing_ok=True)
        raise
    db.execute("DETACH fresh")
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    fresh.replace(target)


def _power_before(target: Path) -> dict[str, PowerReading]:
    if not target.exists():
        return {}
    try:
        with duckdb.connect(str(target), read_only=True) as before:
            rows = before.execute(
                "SELECT source, measured_at, window_minutes, import_kw FROM power"
            ).fetchall()
    except duckdb.Error:
        return {}  # made by another version, or damaged: it is replaced now
    return {row[0]: PowerReading(*row) for row in rows}


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


# A longer row gives way where a shorter one lies in its half hour: they tell the same span.
_LIVE_STATEMENTS = (
    """
    INSERT INTO {fresh}.site BY NAME
    SELECT $schema_version AS schema_version, $now AS published_at, $software AS software_version,
           site_id, network, $timezone AS timezone,
           coalesce(interval_length, 5) AS interval_minutes,
           contains(channels, '"feedIn"') AS has_feed_in, $demo AS is_demo
    FROM raw.amber_sites WHERE site_id = $site
    """,
    """
    INSERT INTO {fresh}.prices BY NAME
    WITH issued AS (
        SELECT channel_type, interval_start, duration_minutes, max(issued_at) AS issued_at,
               arg_max(coalesce(advanced_predicted, per_kwh), issued_at) AS per_kwh,
               arg_max_null(advanced_low, issued_at) AS low,
               arg_max_null(advanced_high, issued_at) AS high,
               arg_max_null(spot_per_kwh, issued_at) AS spot,
               arg_max_null(renewables, issued_at) AS renewables,
               arg_max_null(spike_status, issued_at) AS spike_status,
               arg_max_null(descriptor, issued_at) AS descriptor,
               arg_max_null(demand_window, issued_at) AS demand_window
        FROM raw.amber_forecasts
        WHERE site_id = $site AND interval_start > $now - INTERVAL 30 MINUTE
          AND issued_at BETWEEN $now - INTERVAL 2 DAY AND $now
        GROUP BY ALL
    ), told AS (
        SELECT channel_type, interval_start, duration_minutes, price_class, per_kwh,
               NULL::DOUBLE AS low, NULL::DOUBLE AS high, spot_per_kwh AS spot, renewables,
               spike_status, descriptor, demand_window, fetched_at
        FROM raw.amber_prices
        WHERE site_id = $site AND interval_start >= $now - INTERVAL 48 HOUR
        UNION ALL BY NAME
        SELECT channel_type, interval_start, duration_minutes, 'forecast' AS price_class, per_kwh,
               low, high, spot, renewables, spike_status, descriptor, demand_window,
               issued_at AS fetched_at
        FROM issued
        WHERE interval_start + to_minutes(duration_minutes) > $now
    ), shortest AS (
        SELECT * FROM told QUALIFY duration_minutes = min(duration_minutes) OVER (
            PARTITION BY channel_type, time_bucket(INTERVAL 30 MINUTE, interval_start))
    ), best AS (
        SELECT * FROM shortest QUALIFY 1 = row_number() OVER (
            PARTITION BY channel_type, interval_start, duration_minutes
            ORDER BY price_class = 'forecast', fetched_at DESC)
    )
    SELECT g.interval_start, g.duration_minutes, g.price_class, g.per_kwh AS import_c_per_kwh,
           -f.per_kwh + 0.0 AS feed_in_c_per_kwh, g.low AS import_low_c_per_kwh,
           g.high AS import_high_c_per_kwh, g.spot AS spot_c_per_kwh,
           g.renewables AS renewables_percent, g.spike_status, g.descriptor, g.demand_window,
           g.fetched_at
    FROM best g LEFT JOIN best f
      ON f.channel_type = 'feedIn' AND f.interval_start = g.interval_start
     AND f.duration_minutes = g.duration_minutes
    WHERE g.channel_type = 'general'
    ORDER BY ALL
    """,
    """
    INSERT INTO {fresh}.usage BY NAME
    SELECT interval_start, import_kwh, export_kwh, import_source AS source,
           import_quality AS quality
    FROM core.intervals
    WHERE site_id = $site AND interval_start >= $now - INTERVAL 48 HOUR AND interval_start <= $now
    ORDER BY interval_start
    """,
    """
    INSERT INTO {fresh}.typical BY NAME
    WITH local AS (
        SELECT interval_start AT TIME ZONE $timezone AS clock, import_kwh FROM core.intervals
        WHERE site_id = $site AND import_kwh IS NOT NULL
          AND interval_start >= $now - INTERVAL 28 DAY AND interval_start < $now
    ), half_hours AS (
        SELECT isodow(clock) >= 6 AS is_weekend, CAST(clock AS DATE) AS day,
               CAST(hour(clock) * 2 + minute(clock) // 30 AS INTEGER) AS half_hour_of_day,
               avg(import_kwh) * 12 AS import_kw
        FROM local GROUP BY ALL HAVING count(*) >= 6
    )
    SELECT is_weekend, half_hour_of_day, median(import_kw) AS import_kw, count(*) AS day_count
    FROM half_hours GROUP BY ALL
    """,
    """
    INSERT INTO {fresh}.days BY NAME
    SELECT local_date, interval_count, priced_count, used_count, costed_count,
           import_kwh, export_kwh,
           import_cost_aud, export_earning_aud, cost_aud, mean_import_c_per_kwh, reason
    FROM out.days
    WHERE site_id = $site AND local_date > CAST($now AT TIME ZONE $timezone AS DATE) - 62
    """,
    """
    INSERT INTO {fresh}.price_bands BY NAME
    SELECT quantile_cont(per_kwh, 0.30) AS cheap_below_c_per_kwh,
           quantile_cont(per_kwh, 0.75) AS expensive_above_c_per_kwh,
           $spike AS spike_above_c_per_kwh, CAST(count(*) AS INTEGER) AS interval_count,
           min(interval_start) AS from_start,
           max(interval_start + to_minutes(duration_minutes)) AS to_end
    FROM raw.amber_prices, range(duration_minutes // 5)  -- a half hour weighs six times
    WHERE site_id = $site AND channel_type = 'general'
      AND interval_start >= $now - INTERVAL 30 DAY AND interval_start < $now
    """,
    """
    INSERT INTO {fresh}.states BY NAME
    SELECT source, state, since, last_success_at, CASE source
             WHEN 'amber' THEN (SELECT max(interval_start) FROM raw.amber_prices
                                WHERE site_id = $site)
             WHEN 'powerpal' THEN (SELECT max(interval_start) FROM raw.powerpal_usage)
           END AS newest_interval_start, message
    FROM out.states
    """,
)
