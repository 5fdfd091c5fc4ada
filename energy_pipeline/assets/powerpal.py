"""Powerpal as sent: flashes of the meter's LED per bucket."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg

from energy_pipeline.assets import ingest
from energy_pipeline.assets.amber import raw_asset
from energy_pipeline.assets.ingest import Tally
from energy_pipeline.partitions import day_start, nem_date
from energy_pipeline.resources import HomeResource, WarehouseResource
from energy_pipeline.sources.parsed import Parsed
from energy_pipeline.sources.powerpal import MAX_READINGS_PER_REQUEST
from energy_pipeline.sources.powerpal_csv import read_powerpal_csv
from energy_pipeline.warehouse import read, write

USAGE = dg.AssetKey(["raw", "powerpal_usage"])
CSV_DEVICE = "csv"
"""Stands for the device of an export whose household has none configured."""


@raw_asset(
    key=USAGE,
    group_name="powerpal",
    pool="powerpal",
    check_specs=[
        dg.AssetCheckSpec("every_day_has_readings", asset=USAGE),
        dg.AssetCheckSpec("every_row_was_understood", asset=USAGE),
    ],
)
def powerpal_usage(
    context: dg.AssetExecutionContext, home: HomeResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """Pulses per clock-aligned bucket, as sent; nothing where no Powerpal is configured."""
    days = ingest.partition_days(context, ingest.today())
    tally = Tally()
    settings = home.settings()
    with ingest.retried_if_transient(context):
        if settings.has_powerpal:
            powerpal = home.powerpal()
            now = ingest.now_utc()
            device = powerpal.device()
            # A bucket is whole once the phone has synced past its end.
            synced = device.last_reading_at
            whole = min(now, synced + timedelta(minutes=1)) if synced is not None else now

            def ask(first: date, last: date) -> float:
                start, end = day_start(first), day_start(last + timedelta(days=1))
                parsed = powerpal.readings(
                    start, min(end, now), settings.powerpal_sample, complete_before=whole
                )
                changed = store_readings(
                    warehouse,
                    parsed,
                    device_id=powerpal.device_id,
                    origin="api",
                    days=(first, last),
                )
                tally.add(parsed, changed)
                return 0.0

            longest = MAX_READINGS_PER_REQUEST * settings.powerpal_sample // 1440
            ingest.ask_in_windows(context, days, max(1, longest), ask, tally)
        with warehouse.read() as db:
            newest = read.newest_interval_start(db, "raw.powerpal_usage")
            found = read.window(
                db,
                "raw.powerpal_usage",
                start=day_start(days[0]) if days else ingest.now_utc(),
                end=day_start(days[-1] + timedelta(days=1)) if days else ingest.now_utc(),
            )
    present = set((found["interval_start"] + timedelta(hours=10)).dt.date)
    absent = [str(day) for day in days if day not in present]
    return dg.MaterializeResult(
        metadata=tally.metadata(newest),
        check_results=[
            dg.AssetCheckResult(
                check_name="every_day_has_readings",
                passed=not absent or not settings.has_powerpal,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"empty_days": len(absent), "first": ", ".join(absent[:10]) or "none"},
            ),
            tally.understood(),
        ],
    )


def store_readings(
    warehouse: WarehouseResource,
    parsed: Parsed,
    *,
    device_id: str,
    origin: str,
    days: tuple[date, date] | None = None,
) -> int:
    """Store readings and the note of what was asked, in one transaction.

    Returns
    -------
    int
        Number of rows added or changed.
    """
    fetched_at = ingest.now_utc()
    with warehouse.write() as db, write.transaction(db):
        changed = write.store_revisions(
            db,
            write.POWERPAL_USAGE,
            parsed.rows,
            fetched_at=fetched_at,
            device_id=device_id,
            origin=origin,
        )
        if days is not None:
            write.log_ingest(
                db,
                source="powerpal_usage" if origin == "api" else "powerpal_csv",
                start=day_start(days[0]),
                end=day_start(days[1] + timedelta(days=1)),
                fetched_at=fetched_at,
                row_count=len(parsed.rows),
                changed_count=changed,
                rejects=[f"element {r.index}: {r.reason}" for r in parsed.rejects],
            )
    return changed


def import_csv(
    warehouse: WarehouseResource, path: Path, device_id: str | None
) -> tuple[Parsed, int]:
    """Store an export of the app.

    Returns
    -------
    tuple[Parsed, int]
        What the file held, and the number of rows added or changed.
    """
    parsed = read_powerpal_csv(path)
    days = sorted({nem_date(at.to_pydatetime()) for at in parsed.rows["interval_start"]})
    changed = store_readings(
        warehouse,
        parsed,
        device_id=device_id or CSV_DEVICE,
        origin="csv",
        days=(days[0], days[-1]) if days else None,
    )
    return parsed, changed
