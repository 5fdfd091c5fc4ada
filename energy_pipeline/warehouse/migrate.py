"""Bringing a warehouse to the schema of this software: `schema.sql`, then numbered steps.

A fresh file gets `schema.sql`, which always holds the newest schema. An older file gets the steps
`migrations/NNNN_<what>.sql` above its version, each in a transaction of its own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import resources
from importlib.resources.abc import Traversable

import duckdb

from energy_pipeline.warehouse.errors import WarehouseDamaged

_ROOM = resources.files("energy_pipeline.warehouse")
_STEP_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


def migrate(
    db: duckdb.DuckDBPyConnection,
    *,
    schema: Traversable = _ROOM / "schema.sql",
    steps_folder: Traversable = _ROOM / "migrations",
) -> int:
    """Create or migrate the tables; a warehouse that is up to date is left alone.

    Returns
    -------
    int
        The schema version the warehouse has now.

    Raises
    ------
    WarehouseDamaged
        When the warehouse was made by a newer version of the software.
    """
    steps = _steps(steps_folder)
    newest = max(steps, default=1)
    version = schema_version(db)
    if version > newest:
        raise WarehouseDamaged(
            f"the warehouse has schema version {version}, this software knows up to {newest}: "
            "install the newer version of the software again"
        )
    if version == 0:
        _apply(db, schema.read_text(encoding="utf-8"), newest)
    else:
        for number in range(version + 1, newest + 1):
            _apply(db, steps[number].read_text(encoding="utf-8"), number)
    if version != newest:
        # DuckDB has replayed logs with table changes wrongly before: leave none behind.
        db.execute("CHECKPOINT")
    return newest


def is_current(db: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the tables are of the version this software works with."""
    return schema_version(db) == max(_steps(_ROOM / "migrations"), default=1)


def schema_version(db: duckdb.DuckDBPyConnection) -> int:
    """Return the version of the tables in this warehouse; 0 for an empty file."""
    known = db.execute(
        "SELECT count(*) FROM information_schema.tables WHERE table_name = 'schema_version'"
    ).fetchall()
    if known[0][0] == 0:
        return 0
    return int(db.execute("SELECT max(version) FROM main.schema_version").fetchall()[0][0])


def _steps(folder: Traversable) -> dict[int, Traversable]:
    if not folder.is_dir():
        return {}
    steps = {}
    for step in folder.iterdir():
        if matched := _STEP_NAME.fullmatch(step.name):
            steps[int(matched[1])] = step
    if sorted(steps) != list(range(2, 2 + len(steps))):
        raise ValueError(
            f"migrations must be numbered 0002, 0003, ... without a hole: {sorted(steps)}"
        )
    return steps


def _apply(db: duckdb.DuckDBPyConnection, sql: str, version: int) -> None:
    db.execute("BEGIN")
    try:
        db.execute(sql)
        db.execute(
            "CREATE TABLE IF NOT EXISTS main.schema_version "
            "(version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)"
        )
        db.execute("INSERT INTO main.schema_version VALUES (?, ?)", [version, datetime.now(UTC)])
        db.execute("COMMIT")
    except duckdb.Error:
        db.execute("ROLLBACK")
        raise
