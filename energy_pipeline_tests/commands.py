"""Fixtures of the commands: `energy` run in this process, and suppliers whose clock is true."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SECRETS = ("psk_canary-4c1f0a", "11111111-2222-4333-8444-canary555555")
HOUSEHOLD = (
    "AMBER_TOKEN",
    "AMBER_SITE_ID",
    "AMBER_BASE_URL",
    "POWERPAL_TOKEN",
    "POWERPAL_DEVICE_ID",
    "POWERPAL_BASE_URL",
    "POWERPAL_SAMPLE",
    "HOME_TIMEZONE",
    "BACKFILL_START",
    "SUPABASE_DB_URL",
    "DAGSTER_PG_URL",
    "DEMO",
    "HOST",
)


@dataclass(frozen=True)
class Said:
    """What a command returned and wrote."""

    code: int
    out: str
    err: str


class Energy:
    """Runs commands on a data folder of its own; no setting of this checkout is read.

    Every run is held to three promises: exit code 0, 1, 2 or 130, no traceback, no secret told.
    """

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> None:
        self.data_dir = folder / "data"
        self._patch, self._capture = patch, capture

    def __call__(self, *call: str, **variables: str) -> Said:
        from energy_pipeline import cli

        with self._patch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            try:
                code = cli.main(call)
            except SystemExit as exc:  # argparse
                code = int(exc.code or 0)
        out, err = self._capture.readouterr()
        assert code in (0, 1, 2, 130)
        assert "Traceback" not in out + err
        for secret in SECRETS:
            assert secret not in out + err
        return Said(code, out, err)

    def environment(self, variables: dict[str, str]) -> dict[str, str]:
        """The environment of a process that is to do the same."""
        return os.environ | variables

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        from energy_pipeline.warehouse.connect import open_for_reading

        with open_for_reading(self.data_dir / "warehouse.duckdb") as db:
            return db.execute(sql).fetchall()

    def rows(self, table: str) -> int:
        return int(self.query(f"SELECT count(*) FROM {table}")[0][0])


@dataclass(frozen=True)
class SuppliersNow:
    """Amber and Powerpal of the demo home at the true time, and how to reach them."""

    server: Any
    variables: dict[str, str]


@pytest.fixture
def energy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Energy:
    from energy_pipeline import resources, settings
    from energy_pipeline.assets import ingest

    for name in HOUSEHOLD:
        monkeypatch.delenv(name, raising=False)
    files = (tmp_path / ".env.local",)
    monkeypatch.setattr(resources, "ENV_FILES", files)
    monkeypatch.setattr(settings.load_settings, "__defaults__", (files,))
    monkeypatch.setattr(ingest, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", "")  # set by a command: put back afterwards
    return Energy(tmp_path, monkeypatch, capsys)


@pytest.fixture
def suppliers_now() -> Iterator[SuppliersNow]:
    from energy_pipeline.demo import server

    with server.DemoServer(throttle=False) as running:
        yield SuppliersNow(
            running,
            {
                "AMBER_TOKEN": server.DEMO_AMBER_TOKEN,
                "AMBER_SITE_ID": server.DEMO_SITE_ID,
                "AMBER_BASE_URL": running.amber_url,
                "POWERPAL_DEVICE_ID": server.DEMO_POWERPAL_DEVICE_ID,
                "POWERPAL_TOKEN": server.DEMO_POWERPAL_TOKEN,
                "POWERPAL_BASE_URL": running.powerpal_url,
            },
        )
