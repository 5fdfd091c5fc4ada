"""One client per supplier: request in, rows out, typed errors. Knows HTTP, not Dagster."""
