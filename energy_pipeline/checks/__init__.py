"""Standing checks: sentences about whole tables that are true when they pass."""
