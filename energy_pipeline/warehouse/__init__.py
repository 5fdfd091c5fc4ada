"""DuckDB and all SQL: connect, migrate, write, read, publish."""
