"""docs/data-dictionary.md tells every table and column there is, and none that is not."""

import re
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import duckdb
import pytest

from energy_pipeline.warehouse.migrate import migrate
from energy_pipeline.warehouse.publish import publish_history

PAGE = Path(__file__).resolve().parent.parent / "docs" / "data-dictionary.md"
HEADING = re.compile(r"### ([\w.]+)")
INHERITED = re.compile(r"Columns of `([\w.]+)`, and:")
ROW = re.compile(r"\| `(\w+)` \| (\w+) \|(?: [^|]*\|){4}")
TYPE_NAMES = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}

Columns = list[tuple[str, str]]


def told() -> dict[str, Columns]:
    """Column names and types of each table, as the page has them."""
    tables: dict[str, Columns] = {}
    columns: Columns = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            columns = []
            if heading := HEADING.fullmatch(line):
                tables[heading[1]] = columns
        elif inherited := INHERITED.fullmatch(line):
            columns += tables[inherited[1]]
        elif row := ROW.fullmatch(line):
            columns.append((row[1], row[2]))
    return tables


def found(db: duckdb.DuckDBPyConnection, rename: str | None = None) -> dict[str, Columns]:
    """Column names and types of each table of an open file."""
    tables: dict[str, Columns] = {}
    for schema, table, column, kind in db.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE NOT internal AND database_name = current_database() "
        "ORDER BY schema_name, table_name, column_index"
    ).fetchall():
        name = f"{rename or schema}.{table}"
        tables.setdefault(name, []).append((column, TYPE_NAMES.get(kind, kind)))
    return tables


@pytest.fixture
def warehouse():
    with duckdb.connect() as db:
        migrate(db)
        yield db


def in_layers(tables: dict[str, Columns], *layers: str) -> dict[str, Columns]:
    return {name: cols for name, cols in tables.items() if name.split(".")[0] in layers}


def test_every_column_of_the_warehouse_is_told_and_no_other(warehouse):
    assert found(warehouse) == in_layers(told(), "raw", "core", "out", "main")


def test_every_column_of_the_live_file_is_told_and_no_other():
    schema = resources.files("energy_pipeline.warehouse") / "live_schema.sql"
    with duckdb.connect() as db:
        db.execute(schema.read_text(encoding="utf-8"))
        assert found(db, rename="live") == in_layers(told(), "live")


def test_every_column_of_the_history_file_is_told_and_no_other(warehouse, tmp_path):
    path = tmp_path / "history.duckdb"
    publish_history(warehouse, path, datetime(2026, 3, 1, tzinfo=UTC))
    with duckdb.connect(str(path), read_only=True) as db:
        tables = found(db)
    publication = tables.pop("main.publication")
    assert {"history.publication": publication} == in_layers(told(), "history")
    page = told()
    assert tables == {name: page[name] for name in tables}
    assert set(tables) == {"core.intervals", "out.days"}


def test_no_table_is_told_outside_the_known_files():
    known = in_layers(told(), "raw", "core", "out", "main", "live", "history")
    assert told() == known
