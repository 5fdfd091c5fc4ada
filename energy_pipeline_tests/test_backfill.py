"""Filling the history: in chunks, newest first, resumable after a kill at any moment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import dagster as dg
import pytest

from energy_pipeline import backfill
from energy_pipeline.backfill import (
    DERIVED,
    Chunk,
    default_start,
    derive,
    plan_chunks,
    run_backfill,
    settle_interrupted_runs,
)
from energy_pipeline.home import prepare_dagster_home
from energy_pipeline.settings import PROJECT_ROOT
from energy_pipeline_tests.homes import NOON, Home

LAST = date(2026, 10, 18)
AMBER = ("amber_prices", "amber_usage")
ALL = (*AMBER, "powerpal_usage")

# Fills the history as `energy backfill` does, at the test's instant, and is killed within a call.
KILLED = """
import os, signal, sys
from datetime import date, datetime
import dagster as dg
from energy_pipeline import backfill
from energy_pipeline.assets import ingest
from energy_pipeline.warehouse import write

now = datetime.fromisoformat(sys.argv[1])
ingest.now_utc = lambda: now
name, left = sys.argv[4], [int(sys.argv[5])]
whole = getattr(write, name)

def killed(*given, **named):
    result = whole(*given, **named)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(write, name, killed)
chunks = backfill.plan_chunks(
    settings=backfill.HomeResource().settings(), warehouse=backfill.WarehouseResource(),
    start=date.fromisoformat(sys.argv[2]), end=date.fromisoformat(sys.argv[3]), chunk_days=2,
    sources=["amber_prices", "amber_usage"], resume=True, now=now,
)
with dg.DagsterInstance.get() as instance:
    for _ in backfill.run_backfill(chunks, instance):
        pass
"""


def plan(
    home: Home,
    days: int,
    *,
    end: date = LAST,
    chunk_days: int = 7,
    sources: tuple[str, ...] = AMBER,
    resume: bool = True,
    now: datetime | None = None,
) -> list[Chunk]:
    return plan_chunks(
        settings=home.settings(),
        warehouse=home.warehouse,
        start=end - timedelta(days=days - 1),
        end=end,
        chunk_days=chunk_days,
        sources=sources,
        resume=resume,
        now=now or home.clock.now,
    )


def wanted(chunks: list[Chunk]) -> list[tuple[str, ...]]:
    return [chunk.sources for chunk in chunks]


def asked(home: Home) -> int:
    return sum("Date=" in request for request in home.suppliers.requests)


def assert_complete(home: Home, days: int) -> None:
    """Every NEM day is there once, in raw, core and out."""
    first = LAST - timedelta(days=days - 1)
    expected = [(first + timedelta(days=n), 288) for n in range(days)]
    for sql in (
        "SELECT nem_date, count(*) FROM raw.amber_prices WHERE channel_type = 'general' GROUP BY 1",
        "SELECT nem_date, count(*) FROM raw.amber_usage WHERE channel_type = 'feedIn' GROUP BY 1",
        "SELECT nem_date, count(cost_aud) FROM core.intervals GROUP BY 1",
    ):
        assert home.query(f"{sql} ORDER BY 1") == expected
    whole = home.query(
        "SELECT count(*) FROM out.days WHERE reason IS NULL AND local_date > ? AND local_date <= ?",
        first,
        LAST,
    )
    assert whole == [(days - 1,)]  # the first begins before what was fetched, on a summer clock


# The plan


def test_an_empty_home_wants_everything_newest_days_first(home: Home) -> None:
    chunks = plan(home, 16, sources=ALL)
    assert [(chunk.first, chunk.last, chunk.day_count) for chunk in chunks] == [
        (date(2026, 10, 12), date(2026, 10, 18), 7),
        (date(2026, 10, 5), date(2026, 10, 11), 7),
        (date(2026, 10, 3), date(2026, 10, 4), 2),
    ]
    assert wanted(chunks) == [ALL] * 3


def test_what_is_not_configured_is_not_wanted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERPAL_TOKEN", "")
    monkeypatch.setenv("POWERPAL_DEVICE_ID", "")
    assert wanted(plan(home, 7, sources=ALL)) == [AMBER]
    monkeypatch.setenv("AMBER_TOKEN", "")
    assert wanted(plan(home, 7, sources=ALL)) == [()]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sources": ("amber_price",)}, "'amber_price' is unknown; known: amber_prices, amber_us"),
        ({"days": 0}, "the first day 2026-10-19 is after the last day 2026-10-18"),
        ({"chunk_days": 0}, "--chunk-days must be at least 1, not 0"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(home: Home, given: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        plan(home, **{"days": 7, **given})


def test_the_history_begins_a_year_ago_unless_it_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_start(home.settings(), NOON) == date(2025, 10, 20)
    monkeypatch.setenv("BACKFILL_START", "2026-02-03")
    assert default_start(home.settings(), NOON) == date(2026, 2, 3)


def test_days_without_an_answer_are_asked_for_again_after_a_while_and_gone_ones_never(
    home: Home,
) -> None:
    old = LAST - timedelta(days=100)
    for end in (LAST, old):
        chunks = plan(home, 2, end=end, sources=("amber_usage",))
        assert wanted(chunks) == [("amber_usage",)]
        home.suppliers.fault("/usage", body=[])
        (step,) = run_backfill(chunks, home.instance, publish=False)
        assert (step.row_count, step.gap_days, step.failure) == (0, 0, None)
        home.suppliers.clear_faults()
        assert wanted(plan(home, 2, end=end, sources=("amber_usage",))) == [()]
    later = NOON + timedelta(hours=21)
    assert wanted(plan(home, 2, sources=("amber_usage",), now=later)) == [("amber_usage",)]
    assert wanted(plan(home, 2, end=old, sources=("amber_usage",), now=later)) == [()]


# The run


def test_three_weeks_are_filled_and_then_there_is_nothing_to_do(home: Home) -> None:
    steps = list(run_backfill(plan(home, 21, sources=ALL), home.instance))
    assert [(step.days_done, step.days_total, step.failure) for step in steps] == [
        (7, 21, None),
        (14, 21, None),
        (21, 21, None),
    ]
    assert steps[-1].row_count == 21 * 288 * 7
    assert steps[-1].gap_days == 0
    assert_complete(home, 21)
    assert home.live_path.exists()
    assert home.history_path.exists()
    before = asked(home)
    assert wanted(plan(home, 21, sources=ALL)) == [()] * 3
    assert list(run_backfill(plan(home, 21, sources=ALL), home.instance))[-1].days_done == 21
    assert asked(home) == before
    assert wanted(plan(home, 7, resume=False)) == [AMBER]
    home.write("DELETE FROM raw.amber_usage WHERE nem_date = '2026-10-06' AND kwh > 0.05")
    assert wanted(plan(home, 21, sources=ALL)) == [()] * 3  # asked for a moment ago
    later = NOON + timedelta(hours=21)
    assert wanted(plan(home, 21, sources=ALL, now=later)) == [(), ("amber_usage",), ()]


def test_a_chunk_that_fails_is_told_and_the_next_one_is_tried(home: Home) -> None:
    home.suppliers.fault("/prices", status=400, times=1)
    steps = list(run_backfill(plan(home, 4, chunk_days=2), home.instance, publish=False))
    assert steps[0].failure.startswith("Amber prices 2026-10-17 to 2026-10-18: HTTP 400")
    assert steps[1].failure is None
    assert wanted(plan(home, 4, chunk_days=2)) == [("amber_prices",), ()]


def test_a_supplier_that_is_down_does_not_keep_back_what_another_sent(home: Home) -> None:
    home.suppliers.fault("/powerpal", status=401)
    (step,) = run_backfill(plan(home, 3, sources=ALL), home.instance, publish=False)
    assert "POWERPAL_TOKEN" in step.failure
    assert_complete(home, 3)
    assert wanted(plan(home, 3, sources=ALL)) == [("powerpal_usage",)]


def test_an_error_that_nobody_foresaw_is_told_in_its_own_words(home: Home) -> None:
    (chunk,) = plan(home, 2)
    list(run_backfill([chunk], home.instance, publish=False))
    home.write("ALTER TABLE core.intervals RENAME COLUMN import_kwh TO imported")
    failure = derive(home.instance, chunk.first, chunk.last)
    assert failure is not None
    assert "import_kwh" in failure


def test_what_is_stored_but_not_derived_is_wanted(home: Home) -> None:
    list(run_backfill(plan(home, 2), home.instance, publish=False))
    home.clock.set(NOON + timedelta(days=4))  # the usage is billable now
    home.materialize(*(backfill.SOURCES[name] for name in AMBER), first=LAST)
    chunks = plan(home, 4, chunk_days=2)
    assert wanted(chunks) == [(DERIVED,), AMBER]
    before = asked(home)
    (step,) = run_backfill(chunks[:1], home.instance, publish=False)
    assert step.failure is None
    assert asked(home) == before
    assert wanted(plan(home, 2)) == [()]


@pytest.fixture
def stored_instance(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage as the home keeps it, which outlives a process."""
    monkeypatch.setenv("DAGSTER_HOME", str(home.settings().dagster_home))
    monkeypatch.delenv("DAGSTER_PG_URL", raising=False)
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(home.settings()))) as instance:
        yield instance


def test_a_killed_back_fill_goes_on_where_it_was_and_ends_complete(
    home: Home, stored_instance: dg.DagsterInstance
) -> None:
    first = LAST - timedelta(days=5)
    # The third window that is replaced: core of the second chunk, after all of its raw rows.
    given = [NOON.isoformat(), first.isoformat(), LAST.isoformat(), "replace_window", "3"]
    process = subprocess.run(
        [sys.executable, "-c", KILLED, *given],
        cwd=PROJECT_ROOT,
        env=dict(os.environ),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == -9, process.stderr.decode()[-2000:]
    before = asked(home)
    (run,) = stored_instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    assert settle_interrupted_runs(stored_instance, is_alive=lambda pid: True) == 0
    chunks = plan(home, 6, chunk_days=2)
    assert wanted(chunks) == [(), (DERIVED,), AMBER]
    # It settles the killed run first: its place in the pool would be waited for without end.
    assert {step.failure for step in run_backfill(chunks, stored_instance)} == {None}
    assert stored_instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
    for pool in ("warehouse", "amber"):
        claims = stored_instance.event_log_storage.get_concurrency_info(pool)
        assert claims.active_run_ids == set()
    assert asked(home) - before == 2
    assert wanted(plan(home, 6, chunk_days=2)) == [()] * 3
    assert_complete(home, 6)


def test_a_run_without_a_process_of_its_own_is_settled_too(
    stored_instance: dg.DagsterInstance,
) -> None:
    run = dg.DagsterRun(job_name="intraday", status=dg.DagsterRunStatus.STARTED)
    stored_instance.add_run(run)
    assert settle_interrupted_runs(stored_instance, own_only=True) == 0  # the code server's
    assert settle_interrupted_runs(stored_instance) == 1
    assert settle_interrupted_runs(stored_instance) == 0


def test_days_that_have_not_begun_are_refused(home: Home) -> None:
    with pytest.raises(ValueError, match="has not begun yet"):
        plan(home, 1, end=date(2030, 1, 1))


def test_days_that_lack_prices_are_counted(home: Home) -> None:
    home.suppliers.fault("/prices", body=[])
    chunks = plan(home, 2, sources=("amber_prices",))
    (step,) = run_backfill(chunks, home.instance, publish=False)
    assert (step.row_count, step.gap_days) == (0, 2)
