"""Ours: one row per interval, with the source and quality of all that is in it; a person's days."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import duckdb
import pandas as pd

from energy_pipeline.assets import amber, ingest, powerpal
from energy_pipeline.model.days import local_days_touched, local_midnight, summarise_days
from energy_pipeline.model.intervals import Asked, align_intervals, meter_constant
from energy_pipeline.partitions import day_start, nem_day
from energy_pipeline.resources import HomeResource, WarehouseResource
from energy_pipeline.warehouse import read, write

INTERVALS = dg.AssetKey(["core", "intervals"])
DAYS = dg.AssetKey(["out", "days"])
INTERVALS_PER_DAY = 288
DAYS_AT_A_TIME = 31  # bounds the memory of a run over years
COST_TOLERANCE_C = 1e-4


@dg.asset(
    key=INTERVALS,
    deps=[amber.PRICES, amber.USAGE, powerpal.USAGE],
    group_name="core",
    partitions_def=nem_day,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="warehouse",
    kinds={"python", "duckdb"},
    owners=["team:household"],
    check_specs=[
        dg.AssetCheckSpec("every_nem_day_has_288_intervals", asset=INTERVALS, blocking=True),
        dg.AssetCheckSpec("costs_equal_the_suppliers_own", asset=INTERVALS),
    ],
)
def intervals(
    context: dg.AssetExecutionContext, home: HomeResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """Prices and energies on the 5-minute grid; signs are turned round here, once."""
    now = ingest.now_utc()
    days = ingest.partition_days(context, ingest.today())
    settings = home.settings()
    rows = priced = used = 0
    worst_c = 0.0
    with ingest.retried_if_transient(context):
        with warehouse.read() as db:
            site = read.site(db, settings.amber_site_id)
        if site is None:
            raise dg.Failure(
                "no site is known yet: materialise raw/amber_prices first", allow_retries=False
            )
        for first, last in ingest.windows(days, DAYS_AT_A_TIME):
            start, end = day_start(first), day_start(last + timedelta(days=1))
            with warehouse.read() as db:
                prices = read.window(
                    db, "raw.amber_prices", start=start, end=end, site_id=site.site_id
                )
                usage = read.window(
                    db, "raw.amber_usage", start=start, end=end, site_id=site.site_id
                )
                pulses = read.pulses(db, start=start, end=end)
                asked = Asked(
                    price_days=read.asked_days(db, ("amber_prices",), start=start, end=end),
                    usage_days=read.asked_days(
                        db, ("amber_usage", "powerpal_usage"), start=start, end=end
                    ),
                    now=now,
                )
                constant = settings.powerpal_pulses_per_kwh or meter_constant(
                    *read.pulse_totals(db)
                )
            grid = align_intervals(
                start=start,
                end=end,
                prices=prices,
                usage=usage,
                pulses=pulses,
                channel_types=site.channel_types,
                asked=asked,
                pulses_per_kwh=constant,
            )
            worst_c = max(worst_c, _worst_cost_difference_c(usage))
            with warehouse.write() as db, write.transaction(db):
                rows += write.replace_window(
                    db,
                    "core.intervals",
                    grid,
                    site_id=site.site_id,
                    column="interval_start",
                    start=start,
                    end=end,
                )
                _log_derived(db, read.DERIVED_CORE, first, last, now, len(grid))
            priced += int(grid["import_c_per_kwh"].notna().sum())
            used += int(grid["import_kwh"].notna().sum())
    expected = INTERVALS_PER_DAY * len(days)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "priced_intervals": priced,
            "intervals_with_usage": used,
            "days": len(days),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="every_nem_day_has_288_intervals",
                passed=rows == expected,
                metadata={"expected": expected, "written": rows},
            ),
            dg.AssetCheckResult(
                check_name="costs_equal_the_suppliers_own",
                passed=worst_c <= COST_TOLERANCE_C,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"worst_difference_c": worst_c},
            ),
        ],
    )


@dg.asset(
    key=DAYS,
    deps=[
        dg.AssetDep(
            INTERVALS,
            # A local day begins up to an hour before its NEM day, in summer.
            partition_mapping=dg.TimeWindowPartitionMapping(
                start_offset=-1, allow_nonexistent_upstream_partitions=True
            ),
        )
    ],
    group_name="core",
    partitions_def=nem_day,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="warehouse",
    kinds={"python", "duckdb"},
    owners=["team:household"],
)
def days(
    context: dg.AssetExecutionContext, home: HomeResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """Every local day that the partition touches: energy and money with their coverage."""
    now = ingest.now_utc()
    settings = home.settings()
    timezone = ZoneInfo(settings.home_timezone)
    written = 0
    newest: date | None = None
    with ingest.retried_if_transient(context):
        with warehouse.read() as db:
            site = read.site(db, settings.amber_site_id)
        if site is None:
            raise dg.Failure(
                "no site is known yet: materialise core/intervals first", allow_retries=False
            )
        partition_days = ingest.partition_days(context, ingest.today())
        for first, last in ingest.windows(partition_days, DAYS_AT_A_TIME):
            local = local_days_touched(
                day_start(first), day_start(last + timedelta(days=1)), timezone
            )
            after = local[-1] + timedelta(days=1)
            start, end = local_midnight(local[0], timezone), local_midnight(after, timezone)
            with warehouse.read() as db:
                known = read.window(
                    db, "core.intervals", start=start, end=end, site_id=site.site_id
                )
            summary = summarise_days(known, local, timezone, now)
            with warehouse.write() as db, write.transaction(db):
                written += write.replace_window(
                    db,
                    "out.days",
                    summary,
                    site_id=site.site_id,
                    column="local_date",
                    start=local[0],
                    end=after,
                )
                _log_derived(db, read.DERIVED_DAYS, first, last, now, len(summary))
            newest = after - timedelta(days=1)
    return dg.MaterializeResult(metadata={"dagster/row_count": written, "newest_day": str(newest)})


def _log_derived(
    db: duckdb.DuckDBPyConnection, source: str, first: date, last: date, now: datetime, rows: int
) -> None:
    """Note that the days were derived from what was stored before `now`."""
    write.log_ingest(
        db,
        source=source,
        start=day_start(first),
        end=day_start(last + timedelta(days=1)),
        fetched_at=now,
        row_count=rows,
        changed_count=rows,
        rejects=[],
    )


def _worst_cost_difference_c(usage: pd.DataFrame) -> float:
    """Largest difference between the supplier's cost and kWh x price of the same row. [c]"""
    if usage.empty:
        return 0.0
    return float((usage["cost"] - usage["kwh"] * usage["per_kwh"]).abs().max())
