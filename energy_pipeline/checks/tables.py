"""Standing checks of whole tables: each is named by the sentence that is true when it passes."""

from collections.abc import Callable
from datetime import timedelta

import dagster as dg

from energy_pipeline.assets import amber, core, ingest, powerpal
from energy_pipeline.resources import WarehouseResource
from energy_pipeline.warehouse import read

LOWEST_PRICE_C, HIGHEST_PRICE_C = -110.0, 2300.0
"""Market floor with GST, and the cap of 2025-26 with GST, loss factor and network. [c/kWh]"""
NEWEST_PRICE_AGE = timedelta(hours=36)


@dg.asset_check(asset=amber.PRICES)
def newest_price_is_under_36_hours_old(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Looks at the data, not at the run: a back-fill of old days cannot make it pass."""
    with warehouse.read() as db:
        newest = read.newest_interval_start(db, "raw.amber_prices")
    fresh = newest is not None and ingest.now_utc() - newest < NEWEST_PRICE_AGE
    return dg.AssetCheckResult(
        passed=fresh,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"newest_interval": newest.isoformat() if newest else "none"},
    )


def _no_row_where(
    name: str, asset: dg.AssetKey, table: str, bad: str, says: str
) -> dg.AssetChecksDefinition:
    """Make a check that passes while no row of the table meets a condition."""

    def check(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        with warehouse.read() as db:
            found = read.count(db, table, bad)
            first = read.first_interval(db, table, bad) if found else None
        return dg.AssetCheckResult(
            passed=found == 0,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"rows": found, "first_interval": str(first or "none")},
        )

    make: Callable[[Callable[..., dg.AssetCheckResult]], dg.AssetChecksDefinition] = dg.asset_check(
        asset=asset, name=name, description=says
    )
    return make(check)


STANDING_CHECKS = [
    newest_price_is_under_36_hours_old,
    _no_row_where(
        "every_price_is_within_the_market_bounds",
        amber.PRICES,
        "raw.amber_prices",
        f"per_kwh NOT BETWEEN {LOWEST_PRICE_C} AND {HIGHEST_PRICE_C} "
        f"AND channel_type <> 'feedIn' "
        f"OR channel_type = 'feedIn' AND -per_kwh NOT BETWEEN {LOWEST_PRICE_C} "
        f"AND {HIGHEST_PRICE_C}",
        f"Prices lie between {LOWEST_PRICE_C:.0f} and {HIGHEST_PRICE_C:.0f} c/kWh.",
    ),
    _no_row_where(
        "no_interval_has_prices_of_two_lengths",
        amber.PRICES,
        "raw.amber_prices",
        "(site_id, channel_type, time_bucket(INTERVAL 30 MINUTE, interval_start)) IN ("
        "SELECT (site_id, channel_type, time_bucket(INTERVAL 30 MINUTE, interval_start)) "
        "FROM raw.amber_prices GROUP BY ALL HAVING count(DISTINCT duration_minutes) > 1)",
        "5- and 30-minute prices do not tell the same half hour twice.",
    ),
    _no_row_where(
        "every_price_is_on_the_grid",
        amber.PRICES,
        "raw.amber_prices",
        "epoch(interval_start) % (60 * duration_minutes) <> 0",
        "Every interval begins on a multiple of its own length.",
    ),
    _no_row_where(
        "every_usage_is_on_the_grid",
        amber.USAGE,
        "raw.amber_usage",
        "epoch(interval_start) % (60 * duration_minutes) <> 0",
        "Every interval begins on a multiple of its own length.",
    ),
    _no_row_where(
        "energy_is_never_negative",
        amber.USAGE,
        "raw.amber_usage",
        "kwh < 0",
        "Energy of every register is zero or more.",
    ),
    _no_row_where(
        "readings_are_never_negative",
        powerpal.USAGE,
        "raw.powerpal_usage",
        "pulses < 0 OR watt_hours < 0",
        "Pulses and watt-hours are zero or more.",
    ),
    _no_row_where(
        "no_interval_stands_twice",
        core.INTERVALS,
        "core.intervals",
        "(site_id, interval_start) IN (SELECT (site_id, interval_start) FROM core.intervals "
        "GROUP BY ALL HAVING count(*) > 1)",
        "Each site has each interval once.",
    ),
    _no_row_where(
        "what_is_unknown_has_a_reason",
        core.INTERVALS,
        "core.intervals",
        "import_c_per_kwh IS NULL AND price_reason IS NULL "
        "OR import_kwh IS NULL AND usage_reason IS NULL",
        "A missing price or energy says why it is missing.",
    ),
]
