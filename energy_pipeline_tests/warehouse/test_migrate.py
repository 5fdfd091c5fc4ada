"""Migrations: a fresh and a migrated warehouse are the same, and a failed step undoes itself."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import duckdb
import pytest

from energy_pipeline.warehouse.connect import open_for_reading, open_for_writing
from energy_pipeline.warehouse.errors import WarehouseDamaged
from energy_pipeline.warehouse.migrate import migrate, schema_version

FIRST = "CREATE TABLE price (interval_start TIMESTAMPTZ PRIMARY KEY, c_per_kwh DOUBLE);"
SECOND = "ALTER TABLE price ADD COLUMN quality VARCHAR; UPDATE price SET quality = 'unknown';"
THIRD = "CREATE TABLE day (local_date DATE PRIMARY KEY);"
NEWEST = """
CREATE TABLE price (interval_start TIMESTAMPTZ PRIMARY KEY, c_per_kwh DOUBLE, quality VARCHAR);
CREATE TABLE day (local_date DATE PRIMARY KEY);
"""


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "schema.sql"
    path.write_text(FIRST)
    return path


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    return folder


def shape(db: duckdb.DuckDBPyConnection) -> list[tuple]:
    """Every table, column, type and constraint."""
    columns = """
        SELECT table_schema, table_name, column_name, ordinal_position, data_type, is_nullable
        FROM information_schema.columns WHERE table_name <> 'schema_version' ORDER BY ALL
    """
    constraints = """
        SELECT schema_name, table_name, constraint_type, constraint_text FROM duckdb_constraints()
        WHERE table_name <> 'schema_version' ORDER BY ALL
    """
    return db.execute(columns).fetchall() + db.execute(constraints).fetchall()


def test_a_migrated_warehouse_has_the_shape_of_a_fresh_one_and_its_data(
    schema: Path, steps: Path
) -> None:
    old = duckdb.connect()
    assert migrate(old, schema=schema, steps_folder=steps) == 1
    old.execute("INSERT INTO price VALUES ('2026-10-20 00:00Z', 24.2)")
    (steps / "0002_add_quality.sql").write_text(SECOND)
    (steps / "0003_add_days.sql").write_text(THIRD)
    schema.write_text(NEWEST)
    fresh = duckdb.connect()
    for db in (old, fresh):
        assert migrate(db, schema=schema, steps_folder=steps) == 3
        assert schema_version(db) == 3
    assert shape(old) == shape(fresh)
    assert old.execute("SELECT c_per_kwh, quality FROM price").fetchall() == [(24.2, "unknown")]


def test_the_real_schema_is_of_the_version_that_the_real_steps_lead_to(
    db: duckdb.DuckDBPyConnection,
) -> None:
    folder = resources.files("energy_pipeline.warehouse") / "migrations"
    steps = [step.name for step in folder.iterdir()] if folder.is_dir() else []
    assert schema_version(db) == 1 + len(steps)


def test_a_warehouse_that_is_up_to_date_is_left_alone(schema: Path, steps: Path) -> None:
    db = duckdb.connect()
    migrate(db, schema=schema, steps_folder=steps)
    before = db.execute("SELECT * FROM schema_version").fetchall()
    assert migrate(db, schema=schema, steps_folder=steps) == 1
    assert db.execute("SELECT * FROM schema_version").fetchall() == before


def test_a_step_that_fails_halfway_leaves_the_version_before_it(schema: Path, steps: Path) -> None:
    db = duckdb.connect()
    migrate(db, schema=schema, steps_folder=steps)
    db.execute("INSERT INTO price VALUES ('2026-10-20 00:00Z', 24.2)")
    before = shape(db)
    (steps / "0002_add_quality.sql").write_text(SECOND + "INSERT INTO nowhere VALUES (1);")
    with pytest.raises(duckdb.CatalogException, match="nowhere"):
        migrate(db, schema=schema, steps_folder=steps)
    assert (schema_version(db), shape(db)) == (1, before)
    (steps / "0002_add_quality.sql").write_text(SECOND)
    assert migrate(db, schema=schema, steps_folder=steps) == 2
    assert db.execute("SELECT c_per_kwh, quality FROM price").fetchall() == [(24.2, "unknown")]


def test_a_hole_in_the_numbers_is_refused(schema: Path, steps: Path) -> None:
    (steps / "0003_add_days.sql").write_text(THIRD)
    with pytest.raises(ValueError, match=r"without a hole: \[3\]"):
        migrate(duckdb.connect(), schema=schema, steps_folder=steps)


@pytest.mark.parametrize("opened", [open_for_writing, open_for_reading])
def test_a_warehouse_of_newer_software_is_refused_with_a_sentence(tmp_path: Path, opened) -> None:
    path = tmp_path / "warehouse.duckdb"
    with open_for_writing(path) as db:
        db.execute("INSERT INTO schema_version VALUES (99, now())")
    says = r"schema version 99.*install the newer version"
    with pytest.raises(WarehouseDamaged, match=says), opened(path):
        pass


def test_a_reader_finds_an_older_warehouse_migrated(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(path)).close()  # version 0: nothing in it
    with open_for_reading(path) as db:
        assert db.execute("SELECT count(*) FROM raw.amber_prices").fetchall() == [(0,)]
