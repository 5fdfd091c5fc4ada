"""Before anything else runs: the stores made or migrated by one process alone, the first price."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import dagster as dg

from energy_pipeline.backfill import settle_interrupted_runs
from energy_pipeline.home import prepare_dagster_home
from energy_pipeline.poller import live_poller
from energy_pipeline.resources import HomeResource
from energy_pipeline.settings import Settings
from energy_pipeline.warehouse.connect import open_for_writing

DAGSTER_FILES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def prepare_stores(settings: Settings, say: Callable[[str], None]) -> None:
    """Create or migrate Dagster's storage and the warehouse, settle what was interrupted.

    The first live price is asked for here, so that the fridge shows it before Dagster is up.
    """
    logging.getLogger("energy").addHandler(logging.NullHandler())  # `say` says it
    storage = prepare_dagster_home(settings) / "storage"
    if any(_is_damaged(storage / name) for name in DAGSTER_FILES):
        aside = storage.with_suffix(".damaged")
        shutil.rmtree(aside, ignore_errors=True)
        storage.rename(aside)
        say(
            f"Dagster's record of its runs was damaged: moved to {aside}, a new one begun; "
            "prices and usage are not in it"
        )
    settle_runs(say)
    with open_for_writing(settings.warehouse_path):
        pass
    if settings.has_amber:
        poller = live_poller(HomeResource())
        poller.step()
        report = poller.report
        if report.state == "ok":
            say(f"first price: {report.import_c_per_kwh:.1f} c/kWh ({report.price_class})")
        else:
            say(f"no first price yet: {report.message}")


def settle_runs(say: Callable[[str], None]) -> None:
    """Mark runs as failed that were interrupted; see `settle_interrupted_runs`."""
    with dg.DagsterInstance.get() as instance:
        settled = settle_interrupted_runs(instance)
    if settled:
        say(f"{settled} interrupted runs were marked as failed")


def _is_damaged(path: Path) -> bool:
    """Whether a SQLite file is there and cannot be read, as a power cut may leave one."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)])
    except sqlite3.OperationalError:
        return False  # locked, or the disk is full: another's affair
    except sqlite3.DatabaseError:
        return True
