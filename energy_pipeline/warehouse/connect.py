"""Opening DuckDB: one writer at a time, always closed, errors that say whether to try again."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from energy_pipeline.warehouse.errors import WarehouseBusy, WarehouseDamaged
from energy_pipeline.warehouse.migrate import is_current, migrate

BLOCK_SIZE = 16384
"""Bytes. 15 times fewer bytes written per 5-minute ingest than DuckDB's 262,144 (measured)."""

MEMORY_LIMIT = "512MB"
_POLL_SECONDS = 0.02


@contextmanager
def open_for_writing(
    path: Path, *, timeout_seconds: float = 60.0
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse to write: alone, waiting for whoever has it, closed whatever happens.

    A DuckDB writer shuts out every other process, readers too, and DuckDB fails at once where one
    would rather wait: a lock file beside the warehouse makes the others wait. Keep the block
    short: fetch and compute outside. The tables are created or migrated first, where needed.

    Raises
    ------
    WarehouseBusy
        When the file could not be had within `timeout_seconds`.
    WarehouseDamaged
        When the file is no DuckDB database of a version this software reads.
    """
    with _opened(path, fcntl.LOCK_EX, timeout_seconds, read_only=False) as db:
        migrate(db)
        yield db


@contextmanager
def open_for_reading(
    path: Path, *, timeout_seconds: float = 60.0
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse to read, beside other readers; see `open_for_writing`."""
    # A killed writer leaves a write-ahead log that only a writing connection may fold in.
    if path.exists() and not path.with_name(path.name + ".wal").exists():
        with _opened(path, fcntl.LOCK_SH, timeout_seconds, read_only=True) as db:
            if is_current(db):
                yield db
                return
    with open_for_writing(path, timeout_seconds=timeout_seconds) as db:
        yield db


@contextmanager
def _opened(
    path: Path, lock_kind: int, timeout_seconds: float, *, read_only: bool
) -> Iterator[duckdb.DuckDBPyConnection]:
    deadline = time.monotonic() + timeout_seconds
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(lock, lock_kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise WarehouseBusy(
                        f"{path} has been in use by another process for {timeout_seconds:.0f} s; "
                        "it will be tried again"
                    ) from None
                time.sleep(_POLL_SECONDS)
        db = _connect(path, deadline, read_only=read_only)
        try:
            yield db
        finally:
            db.close()
    finally:
        os.close(lock)


def _connect(path: Path, deadline: float, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    while True:
        try:
            db = duckdb.connect(
                str(path),
                read_only=read_only,
                config={"default_block_size": BLOCK_SIZE, "memory_limit": MEMORY_LIMIT},
            )
        except duckdb.Error as exc:
            # A process that ignores our lock file, such as somebody's DuckDB shell. The path is
            # in the message too, hence the whole phrase.
            if "could not set lock" not in str(exc).lower():
                raise WarehouseDamaged(
                    f"{path} cannot be opened: {exc} If it may be read and is damaged, restore a "
                    "back-up, or move it away and fill a new one with `energy backfill`"
                ) from exc
            if time.monotonic() > deadline:
                raise WarehouseBusy(f"{path} is open in another program: {exc}") from exc
            time.sleep(10 * _POLL_SECONDS)
        else:
            db.execute("SET TimeZone = 'UTC'")
            return db
