"""Standing checks: each passes on good data, and fails on data made bad."""

from __future__ import annotations

from datetime import date, timedelta

import dagster as dg
import pytest

from energy_pipeline.assets import amber, core, powerpal
from energy_pipeline.backfill import ASSETS
from energy_pipeline.checks.tables import STANDING_CHECKS
from energy_pipeline.resources import HomeResource
from energy_pipeline_tests.homes import NOON, Home

DAY = date(2026, 10, 19)
CHECKS = {check.check_key.name for check in STANDING_CHECKS}
AT = "TIMESTAMPTZ '2026-10-19 00:00:00Z'"

# What the tables themselves refuse is put into a table that is made anew without constraints.
LOOSE = "CREATE TABLE loose AS SELECT * FROM {0}; DROP TABLE {0}; CREATE TABLE {0} AS FROM loose;"
MADE_BAD = {
    "every_price_is_within_the_market_bounds": [
        f"UPDATE raw.amber_prices SET per_kwh = {c} WHERE interval_start = {AT} "
        f"AND channel_type = '{channel}'"
        for c, channel in ((2301, "general"), (-111, "general"), (-2301, "feedIn"), (111, "feedIn"))
    ],
    "no_interval_has_prices_of_two_lengths": [
        "INSERT INTO raw.amber_prices SELECT * REPLACE (30 AS duration_minutes) "
        f"FROM raw.amber_prices WHERE interval_start = {AT}"
    ],
    "every_price_is_on_the_grid": [
        "UPDATE raw.amber_prices SET interval_start = interval_start + INTERVAL 1 SECOND "
        f"WHERE interval_start = {AT}"
    ],
    "every_usage_is_on_the_grid": [
        f"UPDATE raw.amber_usage SET duration_minutes = 30 WHERE interval_start = {AT} "
        "+ INTERVAL 5 MINUTE"
    ],
    "energy_is_never_negative": [
        f"UPDATE raw.amber_usage SET kwh = -0.1 WHERE interval_start = {AT}"
    ],
    "readings_are_never_negative": [
        LOOSE.format("raw.powerpal_usage")
        + f"UPDATE raw.powerpal_usage SET {column} = -1 WHERE interval_start = {AT}"
        for column in ("pulses", "watt_hours")
    ],
    "no_interval_stands_twice": [
        LOOSE.format("core.intervals")
        + f"INSERT INTO core.intervals SELECT * FROM core.intervals WHERE interval_start = {AT}"
    ],
    "what_is_unknown_has_a_reason": [
        f"UPDATE core.intervals SET {value} = NULL WHERE interval_start = {AT}"
        for value in ("import_c_per_kwh", "import_kwh")
    ],
}


def failing(home: Home, *names: str) -> dict[str, dg.AssetCheckEvaluation]:
    """Those of the named checks that do not pass now; of all, where none is named."""
    wanted = set(names) or CHECKS
    selected = [check for check in STANDING_CHECKS if check.check_key.name in wanted]
    result = dg.materialize(
        [*ASSETS, *STANDING_CHECKS],
        selection=dg.AssetSelection.checks(*selected),
        instance=home.instance,
        resources={"home": HomeResource(), "warehouse": home.warehouse},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    evaluations = result.get_asset_check_evaluations()
    assert {check.check_name for check in evaluations} == wanted
    return {check.check_name: check for check in evaluations if not check.passed}


@pytest.fixture
def filled(home: Home) -> Home:
    """A home with one good day of everything."""
    keys = (amber.PRICES, amber.USAGE, powerpal.USAGE, core.INTERVALS)
    assert home.materialize(*keys, first=DAY).success
    return home


def test_each_check_passes_on_good_data_and_fails_on_bad(filled: Home) -> None:
    assert failing(filled) == {}
    good = filled.warehouse.path.read_bytes()
    for name, cases in MADE_BAD.items():
        for sql in cases:
            filled.write(sql)
            found = failing(filled, name)
            assert set(found) == {name}, sql
            assert found[name].severity == dg.AssetCheckSeverity.WARN
            assert found[name].metadata["rows"].value >= 1
            assert found[name].metadata["first_interval"].value.startswith("2026-10-19 00:0")
            filled.warehouse.path.write_bytes(good)


def test_a_newest_price_of_more_than_36_hours_ago_is_seen(filled: Home) -> None:
    filled.clock.set(NOON + timedelta(days=3))
    check = failing(filled)["newest_price_is_under_36_hours_old"]
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["newest_interval"].value == "2026-10-19T13:55:00+00:00"


def test_every_check_but_that_of_age_has_been_made_to_fail() -> None:
    assert CHECKS - set(MADE_BAD) == {"newest_price_is_under_36_hours_old"}
