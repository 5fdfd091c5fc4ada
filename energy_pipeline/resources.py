"""What assets are handed: the settings of the home, its suppliers, and the warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field

from energy_pipeline.settings import ENV_FILES, Settings, SettingsError, load_settings, missing
from energy_pipeline.sources.amber import AmberApi, amber_api
from energy_pipeline.sources.powerpal import PowerpalApi, powerpal_api
from energy_pipeline.sources.transport import DEFAULT_LIMITS, Limits
from energy_pipeline.warehouse.connect import open_for_reading, open_for_writing


class HomeResource(dg.ConfigurableResource):
    """The household's settings, read where they are used: no secret is in Dagster's configuration.

    `env_files` names the files, in rising precedence; the environment wins over all.
    """

    env_files: list[str] = Field(default_factory=lambda: [str(path) for path in ENV_FILES])

    def settings(self) -> Settings:
        """Read the settings; SettingsError names what is wrong."""
        return load_settings(tuple(Path(name) for name in self.env_files))

    def amber(self, limits: Limits = DEFAULT_LIMITS) -> AmberApi:
        """Open Amber with the household's key."""
        settings = self.settings()
        if settings.amber_token is None:
            raise SettingsError(missing("AMBER_TOKEN"))
        return amber_api(
            settings.amber_token.get_secret_value(), settings.amber_base_url, limits=limits
        )

    def powerpal(self, limits: Limits = DEFAULT_LIMITS) -> PowerpalApi:
        """Open Powerpal with the device's key."""
        settings = self.settings()
        if settings.powerpal_token is None or settings.powerpal_device_id is None:
            raise SettingsError(missing("POWERPAL_TOKEN"))
        return powerpal_api(
            settings.powerpal_token.get_secret_value(),
            settings.powerpal_device_id,
            settings.powerpal_base_url,
            limits=limits,
        )


class WarehouseResource(DuckDBResource):
    """The DuckDB warehouse. Connections wait for their turn and always close, errors included.

    `database` is its path; empty, the one of the settings. `dagster_duckdb` leaves a connection
    open when the block raises, and fails where another process has the file: hence our own.
    """

    database: str = ""
    timeout_seconds: float = 120.0

    @property
    def path(self) -> Path:
        """Where the warehouse is."""
        return Path(self.database) if self.database else load_settings().warehouse_path

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open to write, alone. Keep the block short."""
        with open_for_writing(self.path, timeout_seconds=self.timeout_seconds) as db:
            yield db

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open to read."""
        with open_for_reading(self.path, timeout_seconds=self.timeout_seconds) as db:
            yield db

    @contextmanager
    def get_connection(self) -> Iterator[Any]:
        """Open to write: the name `dagster_duckdb` gives it."""
        with self.write() as db:
            yield db
