"""When things run. The live price has no schedule: see the sensor `live_price`."""

import functools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage

from energy_pipeline.assets import amber, core, powerpal, serving
from energy_pipeline.checks.tables import STANDING_CHECKS
from energy_pipeline.partitions import NEM_TIMEZONE, nem_date

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
INTRADAY_DAYS = 2
KEEP_RUNS = timedelta(days=30)
NIGHTLY_DAYS = 14
"""Usage becomes final, and late meters sync, within days: the last two weeks are read again."""

RAW = dg.AssetSelection.assets(amber.PRICES, amber.USAGE, powerpal.USAGE)
DERIVED = dg.AssetSelection.assets(core.INTERVALS, core.DAYS, serving.LIVE, serving.HISTORY)
STANDING = dg.AssetSelection.checks(*STANDING_CHECKS)

# What is derived has a run of its own, minutes later: a step whose upstream failed in the same run
# is skipped, so that one supplier that is down would keep back what the others sent.
intraday_job = dg.define_asset_job(
    "intraday",
    selection=RAW - STANDING,
    description="Yesterday and today once more: actual prices, new usage.",
)
nightly_job = dg.define_asset_job(
    "nightly",
    selection=RAW | STANDING,
    description="The last two weeks once more: what suppliers revised; and all standing checks.",
)
derive_job = dg.define_asset_job(
    "derive",
    selection=DERIVED - STANDING,
    description="Intervals and days from whatever is stored, then published.",
)


def range_tags(first: date, last: date) -> dict[str, str]:
    """Tags that make one run materialise the NEM days first..last."""
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}


def _yesterday_and_today(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Yesterday and today in one run."""
    today = nem_date(context.scheduled_execution_time)
    return dg.RunRequest(
        run_key=context.scheduled_execution_time.isoformat(),
        tags=range_tags(today - timedelta(days=INTRADAY_DAYS - 1), today),
    )


def _two_weeks(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    yesterday = nem_date(context.scheduled_execution_time) - timedelta(days=1)
    return dg.RunRequest(
        run_key=context.scheduled_execution_time.isoformat(),
        tags=range_tags(yesterday - timedelta(days=NIGHTLY_DAYS - 1), yesterday),
    )


by_nem_time = functools.partial(
    dg.schedule,
    execution_timezone=NEM_TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@by_nem_time(job=intraday_job, cron_schedule="7,37 * * * *")
def intraday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every half hour."""
    return _yesterday_and_today(context)


@by_nem_time(job=derive_job, cron_schedule="11,41 * * * *")
def intraday_derive(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Four minutes after `intraday`: its retries take two."""
    return _yesterday_and_today(context)


@by_nem_time(job=nightly_job, cron_schedule="20 4 * * *")
def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """At 04:20 NEM time, when a day is over everywhere."""
    return _two_weeks(context)


@by_nem_time(job=derive_job, cron_schedule="50 4 * * *")
def nightly_derive(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Half an hour after `nightly`: it may wait for a quota."""
    return _two_weeks(context)


@dg.op
def forget_old_runs(context: dg.OpExecutionContext) -> int:
    """Delete Dagster's finished runs and their events after 30 days: it has no setting for it."""
    finished = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.SUCCESS,
            dg.DagsterRunStatus.FAILURE,
            dg.DagsterRunStatus.CANCELED,
        ],
        created_before=datetime.now(UTC) - KEEP_RUNS,
    )
    records = context.instance.get_run_records(finished)
    for record in records:
        run_id = record.dagster_run.run_id
        context.instance.delete_run(run_id)
        _delete_run_file(context.instance, run_id)
    context.log.info(f"{len(records)} runs older than {KEEP_RUNS.days} days forgotten")
    return len(records)


def _delete_run_file(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete the file with a run's events, which Dagster's SQLite storage leaves behind."""
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        for ending in ("", "-wal", "-shm"):
            Path(storage.path_for_shard(run_id) + ending).unlink(missing_ok=True)


@dg.job(description="Keep Dagster's own storage small.")
def tidy() -> None:
    """Weekly."""
    forget_old_runs()


weekly = dg.ScheduleDefinition(
    name="weekly",
    job=tidy,
    cron_schedule="40 3 * * 0",
    execution_timezone=NEM_TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
