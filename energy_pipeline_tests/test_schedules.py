"""Schedules and the sensor: which days a run is for, and that such a run does them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import dagster as dg
import pytest

from energy_pipeline import sensors
from energy_pipeline.checks.tables import STANDING_CHECKS
from energy_pipeline.definitions import defs
from energy_pipeline.resources import HomeResource
from energy_pipeline.schedules import (
    INTRADAY_DAYS,
    NIGHTLY_DAYS,
    RANGE_END,
    RANGE_START,
    intraday,
    intraday_derive,
    nightly,
    nightly_derive,
)
from energy_pipeline.sensors import live_price
from energy_pipeline_tests.homes import Home

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def days_of(schedule: dg.ScheduleDefinition, at: datetime) -> tuple[date, date]:
    context = dg.build_schedule_context(scheduled_execution_time=at)
    request = schedule(context)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key
    return tuple(date.fromisoformat(request.tags[tag]) for tag in (RANGE_START, RANGE_END))


@pytest.mark.parametrize(
    ("at", "today"),
    [
        ("2026-10-20T13:37:00Z", "2026-10-20"),  # 23:37 NEM, 00:37 of the 21st in Sydney
        ("2026-10-20T14:07:00Z", "2026-10-21"),  # just after NEM midnight
        ("2026-04-04T15:37:00Z", "2026-04-05"),  # 02:37 in Sydney, for the first time
        ("2026-04-04T16:37:00Z", "2026-04-05"),  # and for the second
        ("2026-10-03T16:07:00Z", "2026-10-04"),  # Sydney's clock jumps over this one
        ("2026-12-31T14:07:00Z", "2027-01-01"),
    ],
)
def test_the_intraday_run_is_for_yesterday_and_today_by_nem_time(at: str, today: str) -> None:
    last = date.fromisoformat(today)
    found = days_of(intraday, datetime.fromisoformat(at))
    assert found == days_of(intraday_derive, datetime.fromisoformat(at))
    assert found == (last - timedelta(days=INTRADAY_DAYS - 1), last)


@pytest.mark.parametrize("at", ["2026-10-03T18:20:00Z", "2026-04-04T18:20:00Z"])
def test_the_nightly_run_is_for_two_weeks_that_are_over(at: str) -> None:
    instant = datetime.fromisoformat(at)
    first, last = days_of(nightly, instant)
    assert (first, last) == days_of(nightly_derive, instant)
    assert last == (instant + timedelta(hours=10)).date() - timedelta(days=1)
    assert (last - first).days + 1 == NIGHTLY_DAYS == 14


def test_the_schedules_tick_by_nem_time_whatever_local_clocks_do() -> None:
    for schedule in defs.schedules:
        assert schedule.execution_timezone == "Australia/Brisbane"


def run(home: Home, schedule: dg.ScheduleDefinition) -> dg.ExecuteInProcessResult:
    """What the daemon does at a tick, in this process."""
    request = schedule(dg.build_schedule_context(scheduled_execution_time=home.clock.now))
    return defs.resolve_job_def(schedule.job_name).execute_in_process(
        instance=home.instance,
        tags=request.tags,
        run_config=QUIET,
        resources={"home": HomeResource(), "warehouse": home.warehouse},
        raise_on_error=False,
    )


def test_the_intraday_runs_with_their_tags_do_both_days_and_publish(home: Home) -> None:
    assert run(home, intraday).success
    assert run(home, intraday_derive).success
    assert home.query(
        "SELECT nem_date, count(*), count(import_c_per_kwh) FROM core.intervals "
        "GROUP BY 1 ORDER BY 1"
    ) == [
        (date(2026, 10, 19), 288, 288),
        (date(2026, 10, 20), 288, 145),
    ]
    assert home.live_path.exists()
    assert home.history_path.exists()


def test_a_supplier_that_is_down_does_not_keep_back_what_the_others_sent(home: Home) -> None:
    home.suppliers.fault("/powerpal", status=401)
    home.suppliers.fault("/usage", status=404)
    assert not run(home, intraday).success
    assert run(home, intraday_derive).success
    assert home.query("SELECT count(import_c_per_kwh) FROM core.intervals") == [(288 + 145,)]
    assert home.live_path.exists()


def test_the_nightly_run_makes_every_standing_check(home: Home) -> None:
    checked = run(home, nightly).get_asset_check_evaluations()
    names = {check.check_name for check in checked}
    assert {check.check_key.name for check in STANDING_CHECKS} <= names
    assert run(home, nightly_derive).success


# The sensor


@pytest.fixture
def sensed(home: Home) -> Iterator[Home]:
    """A home whose poller thread, if one was started, ends with the test."""
    yield home
    thread = sensors._running.pop(str(home.data_dir), None)
    if thread is not None:
        thread.stop()


def evaluate(
    home: Home, cursor: str | None = None
) -> tuple[dg.SensorResult | dg.SkipReason, dg.SensorEvaluationContext]:
    context = dg.build_sensor_context(
        instance=home.instance, cursor=cursor, resources={"home": HomeResource()}
    )
    return live_price(context), context


def wait_for_state(home: Home, state: str) -> None:
    deadline = time.monotonic() + 30
    while running(home).poller.report.state != state:
        assert time.monotonic() < deadline, running(home).poller.report
        time.sleep(0.02)


def running(home: Home):
    return sensors._running[str(home.data_dir)]


def test_without_a_key_there_is_no_live_price_and_nothing_runs(
    sensed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBER_TOKEN", "")
    result, _ = evaluate(sensed)
    assert result == dg.SkipReason("AMBER_TOKEN is not set: no live price")


def test_a_wrong_setting_is_told(sensed: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(dg.Failure, match="PORT is wrong"):
        evaluate(sensed)


def test_the_sensor_starts_one_poller_reports_what_it_does_and_starts_a_dead_one_anew(
    sensed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensed.suppliers.set_clock(offset_seconds=0)
    result, _ = evaluate(sensed)
    assert result == dg.SkipReason("the live poller has been started")
    wait_for_state(sensed, "ok")
    first = running(sensed)

    result, _ = evaluate(sensed)
    assert isinstance(result, dg.SensorResult)
    (event,) = result.asset_events
    assert event.asset_key == dg.AssetKey(["out", "live"])
    assert event.metadata["state"].value == "ok"
    assert event.metadata["price_class"].value in ("locked", "estimate")
    said, _ = evaluate(sensed, result.cursor)
    assert isinstance(said, dg.SkipReason)  # not again before half an hour
    assert running(sensed) is first

    monkeypatch.setenv("AMBER_TOKEN", "psk_revoked")
    result, _ = evaluate(sensed)
    assert result == dg.SkipReason("the live poller has been started")
    wait_for_state(sensed, "key_rejected")
    assert running(sensed) is not first
    first.stop()
    assert not first.alive

    running(sensed).stop()
    with pytest.raises(dg.Failure, match="had stopped and was started anew"):
        evaluate(sensed)
    assert running(sensed).alive
