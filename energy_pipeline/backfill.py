"""Filling the history: the assets materialised in this process, newest days first, resumable.

What is complete is read from the data, never from what was asked before: a kill at any moment
loses at most the request under way.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg

from energy_pipeline.assets import amber, core, powerpal, serving
from energy_pipeline.partitions import day_start, nem_date
from energy_pipeline.resources import HomeResource, WarehouseResource
from energy_pipeline.schedules import range_tags
from energy_pipeline.settings import Settings
from energy_pipeline.warehouse import read

SOURCES = {
    "amber_prices": amber.PRICES,
    "amber_usage": amber.USAGE,
    "powerpal_usage": powerpal.USAGE,
}
TABLES = {
    "amber_prices": ("raw.amber_prices", "channel_type"),
    "amber_usage": ("raw.amber_usage", "channel_identifier"),
    "powerpal_usage": ("raw.powerpal_usage", "origin"),
}
DERIVED = "core"
"""Stands among the sources of a chunk whose rows are stored but not yet derived from."""
ASK_AGAIN_AFTER = timedelta(hours=20)
USAGE_DEPTH = timedelta(days=95)
"""Amber keeps usage for about 90 days: once asked, an older day is not asked for again."""
PUBLISH_EVERY_CHUNKS = 4
PROCESS_TAG = "energy/pid"
MINUTES_PER_DAY = 1440

ASSETS: list[Any] = [
    amber.amber_prices,
    amber.amber_usage,
    powerpal.powerpal_usage,
    core.intervals,
    core.days,
    serving.live,
    serving.history,
]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Days that are materialised in one run, and what of them is still wanted."""

    first: date
    last: date
    sources: tuple[str, ...]  # empty: complete

    @property
    def day_count(self) -> int:
        """Number of days, first and last included."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a back-fill is."""

    chunk: Chunk
    days_done: int
    days_total: int
    row_count: int
    gap_days: int  # without all their prices
    failure: str | None


def plan_chunks(
    *,
    settings: Settings,
    warehouse: WarehouseResource,
    start: date,
    end: date,
    chunk_days: int,
    sources: Sequence[str],
    resume: bool,
    now: datetime,
) -> list[Chunk]:
    """Cut the days start..end into chunks, newest first, and see what each still lacks.

    Raises
    ------
    ValueError
        If start is after end, chunk_days is not positive, or a source is unknown.
    """
    if start > end:
        raise ValueError(f"the first day {start} is after the last day {end}")
    if start > nem_date(now):
        raise ValueError(f"the first day {start} has not begun yet; today is {nem_date(now)}")
    if chunk_days < 1:
        raise ValueError(f"--chunk-days must be at least 1, not {chunk_days}")
    for source in sources:
        if source not in SOURCES:
            raise ValueError(f"--source {source!r} is unknown; known: {', '.join(SOURCES)}")
    wanted = [
        source
        for source in sources
        if (settings.has_powerpal if source == "powerpal_usage" else settings.has_amber)
    ]
    chunks = []
    with warehouse.read() as db:
        last = end
        while last >= start:
            first = max(start, last - timedelta(days=chunk_days - 1))
            lacking = tuple(
                source
                for source in wanted
                if not resume or _lacking_days(db, source, first, last, now)
            )
            start_of, end_of = day_start(first), day_start(last + timedelta(days=1))
            if not lacking and read.underived_days(db, start=start_of, end=end_of):
                lacking = (DERIVED,)
            chunks.append(Chunk(first, last, lacking))
            last = first - timedelta(days=1)
    return chunks


def _lacking_days(db: Any, source: str, first: date, last: date, now: datetime) -> list[date]:
    table, register = TABLES[source]
    start, end = day_start(first), day_start(last + timedelta(days=1))
    covered = read.covered_minutes(db, table, register, start=start, end=end)
    asked_ever = read.asked_days(db, (source,), start=start, end=end)
    asked_lately = read.asked_days(
        db, (source,), start=start, end=end, fetched_after=now - ASK_AGAIN_AFTER
    )
    lacking = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        minutes = covered.get(day, {})
        if minutes and min(minutes.values()) >= MINUTES_PER_DAY:
            continue
        if source == "amber_usage":
            gone = day_start(day) < now - USAGE_DEPTH and day in asked_ever
            if gone or day >= nem_date(now):  # kept no longer, or not published before tomorrow
                continue
        if day in asked_lately or day > nem_date(now):
            continue
        lacking.append(day)
    return lacking


def run_backfill(
    chunks: Sequence[Chunk], instance: dg.DagsterInstance, *, publish: bool = True
) -> Iterator[Progress]:
    """Materialise chunk after chunk; a chunk that fails is reported and the next one is tried."""
    settle_interrupted_runs(instance, own_only=True)
    total = sum(chunk.day_count for chunk in chunks)
    done = rows = gaps = 0
    worked = 0
    for chunk in chunks:
        failure = None
        if chunk.sources:
            wanted = [SOURCES[source] for source in chunk.sources if source != DERIVED]
            if wanted:
                result = _materialize(wanted, instance, range_tags(chunk.first, chunk.last))
                failure = _first_failure(result)
                rows += _row_count(result)
                gaps += _gap_days(result)
            # A run of its own: a supplier that is down must not keep back what another one sent.
            not_derived = derive(instance, chunk.first, chunk.last, publish=False)
            failure = failure or not_derived
            worked += 1
        done += chunk.day_count
        if publish and chunk.sources and worked % PUBLISH_EVERY_CHUNKS == 1:
            _materialize([serving.LIVE, serving.HISTORY], instance, {})
        yield Progress(chunk, done, total, rows, gaps, failure)
    if publish and worked:
        failure = _first_failure(_materialize([serving.LIVE, serving.HISTORY], instance, {}))
        if failure is not None:
            yield Progress(chunks[-1], done, total, rows, gaps, f"not published: {failure}")


def derive(
    instance: dg.DagsterInstance, first: date, last: date, *, publish: bool = True
) -> str | None:
    """Rebuild core and days of the days first..last; return why it failed, if it did."""
    result = _materialize([core.INTERVALS, core.DAYS], instance, range_tags(first, last))
    failure = _first_failure(result)
    if publish and failure is None:
        failure = _first_failure(_materialize([serving.LIVE, serving.HISTORY], instance, {}))
    return failure


def settle_interrupted_runs(
    instance: dg.DagsterInstance,
    is_alive: Callable[[int], bool] | None = None,
    *,
    own_only: bool = False,
) -> int:
    """Mark runs as failed whose process is gone, and give back the pool places they held.

    A killed process cannot say that it ended; its place in the pool `warehouse` would stay taken.

    Parameters
    ----------
    own_only
        Look only at runs of back-fills, which name their process. Without it every other run
        counts as gone too: for when no code server runs, whose runs are gone with it.
    """
    alive = is_alive or _is_alive
    unfinished = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        ]
    )
    settled = 0
    for run in instance.get_runs(unfinished):
        pid = run.tags.get(PROCESS_TAG)
        if alive(int(pid)) if pid is not None else own_only:
            continue
        instance.report_run_failed(run, "its process is gone: it was killed, or the power was cut")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        settled += 1
    return settled


def default_start(settings: Settings, now: datetime) -> date:
    """Return the first day wanted: as configured, else a year back."""
    return settings.backfill_start or nem_date(now) - timedelta(days=365)


def _is_alive(pid: int) -> bool:
    if pid == os.getpid():
        return False  # an earlier process that had our number
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _materialize(
    keys: list[dg.AssetKey], instance: dg.DagsterInstance, tags: dict[str, str]
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets(*keys),
        instance=instance,
        resources={"home": HomeResource(), "warehouse": WarehouseResource()},
        # The daemon must not start this run again: it belongs to this process.
        tags={**tags, PROCESS_TAG: str(os.getpid()), "dagster/max_retries": "0"},
        # The terminal shows progress and what `energy.ingest` says; Dagster's log is in its UI.
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )


def _first_failure(result: dg.ExecuteInProcessResult) -> str | None:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return str(data.user_failure_data.description)
            error = data.error
            while error is not None and error.cause is not None:
                error = error.cause  # the outer ones say only that a step failed
            return str(error.message if error else event.message).strip()
    return None if result.success else "the run failed; see the Dagster UI"


def _row_count(result: dg.ExecuteInProcessResult) -> int:
    """Rows received from suppliers; each is told once per run, though on every partition."""
    counts = {}
    for event in result.get_asset_materialization_events():
        key = event.asset_key
        if key in SOURCES.values():
            metadata = event.materialization.metadata
            counts[key] = int(str(metadata["dagster/row_count"].value))
    return sum(counts.values())


def _gap_days(result: dg.ExecuteInProcessResult) -> int:
    """Days without all their prices. Usage has a depth and a delay: lacking it is no surprise."""
    return sum(
        int(str(check.metadata["incomplete_days"].value))
        for check in result.get_asset_check_evaluations()
        if check.asset_key == amber.PRICES and "incomplete_days" in check.metadata
    )
