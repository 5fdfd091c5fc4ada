"""The energy and the money: pure functions. Nothing here knows Dagster, DuckDB or the clock."""
