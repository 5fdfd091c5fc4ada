"""A home of a test's own: suppliers on a local port, a warehouse in tmp_path, a stopped clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from energy_pipeline.backfill import ASSETS
from energy_pipeline.demo.server import DemoServer
from energy_pipeline.resources import HomeResource, WarehouseResource
from energy_pipeline.schedules import range_tags
from energy_pipeline.settings import Settings, load_settings
from energy_pipeline.warehouse.connect import open_for_writing

# 12:00:50 NEM time: yesterday's usage of the demo home is published, the price is locked.
NOON = datetime(2026, 10, 20, 2, 0, 50, tzinfo=UTC)


class Clock:
    """What time it is in a test; `set` moves our clock and the suppliers' together."""

    def __init__(self, suppliers: DemoServer) -> None:
        self.now = NOON
        self._suppliers = suppliers

    def __call__(self) -> datetime:
        return self.now

    def set(self, now: datetime) -> None:
        self.now = now
        self._suppliers.set_clock(now=now)


@dataclass(frozen=True)
class Home:
    """One household: its environment is set, nothing is stored yet."""

    suppliers: DemoServer
    clock: Clock
    instance: dg.DagsterInstance
    env_file: Path
    data_dir: Path

    def settings(self) -> Settings:
        return load_settings((self.env_file,))

    @property
    def warehouse(self) -> WarehouseResource:
        return WarehouseResource(
            database=str(self.data_dir / "warehouse.duckdb"), timeout_seconds=20
        )

    @property
    def live_path(self) -> Path:
        return self.data_dir / "serving" / "live.duckdb"

    @property
    def history_path(self) -> Path:
        return self.data_dir / "serving" / "history.duckdb"

    def materialize(
        self, *keys: dg.AssetKey, first: date | None = None, last: date | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run assets in this process, over the NEM days first..last where they have partitions."""
        return dg.materialize(
            ASSETS,
            selection=dg.AssetSelection.assets(*keys),
            instance=self.instance,
            resources={"home": HomeResource(), "warehouse": self.warehouse},
            tags={} if first is None else range_tags(first, last or first),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )

    def query(self, sql: str, *values: Any) -> list[tuple]:
        """What the warehouse holds."""
        with self.warehouse.read() as db:
            return db.execute(sql, list(values)).fetchall()

    def write(self, sql: str) -> None:
        """Change the warehouse behind everybody's back."""
        with open_for_writing(self.warehouse.path) as db:
            db.execute(sql)


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """Check results of a run by name; of checks that several assets have, the last."""
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """What a failed run says."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    return str(data.user_failure_data.description if data.user_failure_data else data.error)


def retries_of(result: dg.ExecuteInProcessResult) -> int:
    """How often a step of the run was tried again."""
    return sum(event.is_step_up_for_retry for event in result.all_events)
