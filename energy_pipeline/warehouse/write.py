"""Writing to the warehouse: whole or not at all, and the same when done twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisedTable:
    """A raw table whose old values are kept when the supplier changes them."""

    name: str
    revisions: str
    key: tuple[str, ...]
    watched: tuple[str, ...]  # a change of one of these is a revision
    rank_sql: str = "0"  # a row of lower rank never replaces one of higher rank


_PRICE_RANK = "CASE {row}.price_class WHEN 'actual' THEN 3 WHEN 'locked' THEN 2 ELSE 1 END"

AMBER_PRICES = RevisedTable(
    name="raw.amber_prices",
    revisions="raw.amber_price_revisions",
    key=("site_id", "channel_type", "interval_start", "duration_minutes"),
    watched=(
        *("per_kwh", "spot_per_kwh", "renewables", "spike_status", "descriptor"),
        *("tariff_period", "tariff_season", "tariff_block", "demand_window"),
    ),
    rank_sql=_PRICE_RANK,
)
AMBER_USAGE = RevisedTable(
    name="raw.amber_usage",
    revisions="raw.amber_usage_revisions",
    key=("site_id", "channel_identifier", "interval_start", "duration_minutes"),
    watched=(
        *("channel_type", "kwh", "per_kwh", "cost", "quality", "spot_per_kwh", "renewables"),
        *("tariff_period", "tariff_season", "tariff_block", "demand_window"),
    ),
)
POWERPAL_USAGE = RevisedTable(
    name="raw.powerpal_usage",
    revisions="raw.powerpal_usage_revisions",
    key=("device_id", "origin", "interval_start", "duration_minutes"),
    watched=("pulses", "watt_hours", "cost_aud", "is_peak", "sample_count"),
)


@contextmanager
def transaction(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what the block wrote, or nothing of it, whatever ends the block."""
    db.execute("BEGIN")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


@contextmanager
def _registered(db: duckdb.DuckDBPyConnection, incoming: pd.DataFrame) -> Iterator[None]:
    """Let SQL read a frame as `incoming`.

    After an error nothing is taken back: that would fail in the aborted transaction, and hide why.
    """
    db.register("incoming", incoming)
    yield
    db.unregister("incoming")


def store_revisions(
    db: duckdb.DuckDBPyConnection,
    table: RevisedTable,
    rows: pd.DataFrame,
    *,
    fetched_at: datetime,
    **constants: str,
) -> int:
    """Add what is new, replace what the supplier changed, keep what it replaced as a revision.

    Rows that are stored already with the same values are left alone, so a second run writes
    nothing. Call within a `transaction`.

    Parameters
    ----------
    rows : pd.DataFrame
        Columns of the table, without `fetched_at` and without the constants; each key once.
    constants
        Columns that are the same in every row, such as site_id.

    Returns
    -------
    int
        Number of rows added or changed.

    Raises
    ------
    duckdb.Error
        If a key stands twice among the rows; nothing of them is written then.
    """
    if rows.empty:
        return 0
    incoming = rows.assign(**constants, fetched_at=pd.Timestamp(fetched_at))
    columns = ", ".join(incoming.columns)
    same_key = " AND ".join(f"old.{c} = new.{c}" for c in table.key)
    old_values = ", ".join(f"old.{c}" for c in table.watched)
    new_values = ", ".join(f"new.{c}" for c in table.watched)
    differs = f"(({old_values}) IS DISTINCT FROM ({new_values}))"
    old_rank, new_rank = table.rank_sql.format(row="old"), table.rank_sql.format(row="new")
    assignments = ", ".join(f"{c} = new.{c}" for c in incoming.columns if c not in table.key)
    with _registered(db, incoming):
        db.execute(f"CREATE OR REPLACE TEMP TABLE new_rows AS SELECT {columns} FROM incoming")
    db.execute(
        f"""
        INSERT INTO {table.revisions}
        SELECT old.*, $now FROM {table.name} old JOIN new_rows new ON {same_key}
        WHERE {new_rank} >= {old_rank} AND {differs}
        """,
        {"now": fetched_at},
    )
    changed = db.execute(
        f"""
        MERGE INTO {table.name} AS old USING new_rows AS new ON ({same_key})
        WHEN MATCHED AND {new_rank} >= {old_rank} AND ({differs} OR {new_rank} > {old_rank})
            THEN UPDATE SET {assignments}
        WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({", ".join(f"new.{c}" for c in incoming)})
        """
    ).fetchall()
    db.execute("DROP TABLE new_rows")
    return int(changed[0][0])


def store_forecasts(
    db: duckdb.DuckDBPyConnection, rows: pd.DataFrame, *, site_id: str, issued_at: datetime
) -> int:
    """Keep forecasts as issued: a row is written when it differs from the newest one known.

    What was known at time t is therefore the newest row per interval with issued_at <= t.

    Returns
    -------
    int
        Number of rows added.
    """
    if rows.empty:
        return 0
    values = [
        *("per_kwh", "spot_per_kwh", "renewables", "spike_status", "descriptor", "demand_window"),
        *("range_min", "range_max", "advanced_low", "advanced_predicted", "advanced_high"),
    ]
    key = ["channel_type", "interval_start", "duration_minutes"]
    incoming = rows[key + values]
    columns = ", ".join(key + values)
    with _registered(db, incoming):
        added = db.execute(
            f"""
            INSERT INTO raw.amber_forecasts (site_id, issued_at, {columns})
            WITH known AS (
                SELECT channel_type, interval_start, duration_minutes,
                       {", ".join(f"arg_max_null({c}, issued_at) AS {c}" for c in values)}
                FROM raw.amber_forecasts
                WHERE site_id = $site AND interval_start >= $first AND issued_at <= $now
                GROUP BY ALL
            )
            SELECT $site, $now, {", ".join(f"new.{c}" for c in key + values)}
            FROM incoming new LEFT JOIN known old USING ({", ".join(key)})
            WHERE old.channel_type IS NULL OR ({", ".join(f"old.{c}" for c in values)})
                  IS DISTINCT FROM ({", ".join(f"new.{c}" for c in values)})
            """,
            {
                "site": site_id,
                "now": issued_at,
                "first": incoming["interval_start"].min().to_pydatetime(),
            },
        ).fetchall()
    return int(added[0][0])


def replace_window(
    db: duckdb.DuckDBPyConnection,
    table: str,
    rows: pd.DataFrame,
    *,
    site_id: str,
    column: str,
    start: object,
    end: object,
) -> int:
    """Replace a site's rows with start <= `column` < end. Call within a `transaction`.

    Returns
    -------
    int
        Number of rows written.
    """
    db.execute(
        f"DELETE FROM {table} WHERE site_id = ? AND {column} >= ? AND {column} < ?",
        [site_id, start, end],
    )
    if rows.empty:
        return 0
    incoming = rows.assign(site_id=site_id)
    columns = ", ".join(incoming.columns)
    with _registered(db, incoming):
        db.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM incoming")
    return len(incoming)


def store_site(db: duckdb.DuckDBPyConnection, row: dict[str, object], fetched_at: datetime) -> None:
    """Remember what the supplier says of the site; written only where it changed."""
    names = list(row)
    db.execute(
        f"""
        INSERT INTO raw.amber_sites ({", ".join(names)}, fetched_at)
        VALUES ({", ".join("?" for _ in names)}, ?)
        ON CONFLICT (site_id) DO UPDATE SET
            {", ".join(f"{n} = excluded.{n}" for n in names if n != "site_id")},
            fetched_at = excluded.fetched_at
        """,
        [*row.values(), fetched_at],
    )


def log_ingest(
    db: duckdb.DuckDBPyConnection,
    *,
    source: str,
    start: datetime,
    end: datetime,
    fetched_at: datetime,
    row_count: int,
    changed_count: int,
    rejects: Sequence[str],
) -> None:
    """Note what was asked of a supplier and what came: the record that outlives Dagster's."""
    db.execute(
        "INSERT INTO raw.ingest_log VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(source, start, end, fetched_at, row_count, changed_count, len(rejects)),
            "; ".join(rejects[:5]) or None,
        ],
    )


def set_state(
    db: duckdb.DuckDBPyConnection, source: str, state: str, now: datetime, message: str | None
) -> None:
    """Note how a source is doing; `since` moves only when the state changes."""
    db.execute(
        """
        INSERT INTO out.states VALUES ($source, $state, $now, $success, $message)
        ON CONFLICT (source) DO UPDATE SET
            since = if(states.state = excluded.state, states.since, excluded.since),
            state = excluded.state,
            last_success_at = coalesce(excluded.last_success_at, states.last_success_at),
            message = excluded.message
        """,
        {
            "source": source,
            "state": state,
            "now": now,
            "success": now if state == "ok" else None,
            "message": message,
        },
    )
