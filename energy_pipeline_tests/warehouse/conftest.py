"""A warehouse of each test's own, open to write, and rows as the suppliers' clients make them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from energy_pipeline.warehouse.connect import open_for_writing

NOW = datetime(2026, 10, 20, 2, 0, tzinfo=UTC)


@pytest.fixture
def instants() -> list[datetime]:
    """Instants to label with, a minute apart."""
    return [NOW + timedelta(minutes=n) for n in range(4)]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_for_writing(tmp_path / "warehouse.duckdb") as connection:
        yield connection
