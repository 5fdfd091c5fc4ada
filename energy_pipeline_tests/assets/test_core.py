"""From raw to what people read: whole days, the changes of the clocks, revisions, secrets."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta

import duckdb
import pytest

from energy_pipeline.assets import amber, core, powerpal, serving
from energy_pipeline.backfill import ASSETS
from energy_pipeline_tests.homes import NOON, Home, checks_of, failure_of
from streamlit_app import data

RAW = (amber.PRICES, amber.USAGE, powerpal.USAGE)
DERIVED = (core.INTERVALS, core.DAYS)
PUBLISHED = (serving.LIVE, serving.HISTORY)
LAST = date(2026, 10, 19)


@pytest.mark.parametrize(
    ("change", "counts"),
    [(date(2026, 4, 5), [288, 300, 288]), (date(2026, 10, 4), [288, 276, 288])],
)
def test_the_days_around_a_change_of_the_clocks_are_whole(
    home: Home, change: date, counts: list[int]
) -> None:
    home.clock.set(datetime.combine(change, NOON.timetz()) + timedelta(days=7))
    first, last = change - timedelta(days=3), change + timedelta(days=3)
    result = home.materialize(amber.PRICES, amber.USAGE, *DERIVED, first=first, last=last)
    checks = checks_of(result)
    assert checks["every_nem_day_has_288_intervals"].passed
    assert checks["costs_equal_the_suppliers_own"].passed
    nem_days = home.query(
        "SELECT nem_date, count(*), count(import_kwh), count(cost_aud), count(import_c_per_kwh) "
        "FROM core.intervals GROUP BY 1 ORDER BY 1"
    )
    assert nem_days == [(first + timedelta(days=n), 288, 288, 288, 288) for n in range(7)]
    days = home.query(
        "SELECT interval_count, priced_count, used_count, reason FROM out.days "
        "WHERE local_date BETWEEN ? AND ? ORDER BY local_date",
        change - timedelta(days=1),
        change + timedelta(days=1),
    )
    assert days == [(n, n, n, None) for n in counts]


def test_what_is_derived_agrees_with_the_supplier_and_a_second_run_changes_nothing(
    home: Home,
) -> None:
    first = LAST - timedelta(days=1)
    home.clock.set(NOON + timedelta(days=5))  # all of it is billable
    assert home.materialize(*RAW, *DERIVED, first=first, last=LAST).success
    tables = ("core.intervals", "out.days")
    before = [home.query(f"SELECT * FROM {table} ORDER BY ALL") for table in tables]
    home.clock.set(NOON + timedelta(days=5, minutes=1))
    assert home.materialize(*RAW, *DERIVED, first=first, last=LAST).success
    assert [home.query(f"SELECT * FROM {table} ORDER BY ALL") for table in tables] == before
    ((core_c, raw_c),) = home.query(
        "SELECT (SELECT 100 * sum(cost_aud) FROM core.intervals), (SELECT sum(cost) "
        "FROM raw.amber_usage)"
    )
    assert core_c == pytest.approx(raw_c, abs=2 * 864 * 5e-5)
    assert home.query(
        "SELECT count(*) FROM core.intervals WHERE feed_in_c_per_kwh <> "
        "-(SELECT per_kwh FROM raw.amber_prices p WHERE p.channel_type = 'feedIn' "
        "AND p.interval_start = core.intervals.interval_start)"
    ) == [(0,)]


def test_of_a_running_day_the_powerpal_tells_what_was_used_until_now(home: Home) -> None:
    today = LAST + timedelta(days=1)
    assert home.materialize(*RAW, *DERIVED, first=today).success
    rows = home.query(
        "SELECT import_source, usage_reason, count(*) FROM core.intervals GROUP BY ALL ORDER BY 3"
    )
    assert rows == [
        (None, "the supplier sent nothing for it", 1),
        (None, "in the future", 143),
        ("powerpal", None, 144),
    ]
    (day,) = home.query(
        "SELECT used_count, cost_aud, reason FROM out.days WHERE local_date = ?", today
    )
    assert day[0] == 144
    assert day[1] is None  # the controlled load comes tomorrow
    assert day[2].startswith("the day is still running: ")


def test_usage_that_is_revised_moves_the_interval_and_the_day(home: Home) -> None:
    home.materialize(amber.PRICES, amber.USAGE, *DERIVED, first=LAST)
    sql = "SELECT sum(import_kwh), any_value(import_quality) FROM core.intervals"
    before = (
        home.query(sql),
        home.query("SELECT sum(import_kwh), sum(estimated_count) FROM out.days"),
    )
    home.clock.set(NOON + timedelta(days=5))
    home.materialize(amber.USAGE, *DERIVED, first=LAST)
    after = (
        home.query(sql),
        home.query("SELECT sum(import_kwh), sum(estimated_count) FROM out.days"),
    )
    assert before[0][0][1] == "estimated"
    assert after[0][0][1] == "billable"
    assert before[0][0][0] != after[0][0][0]
    assert before[1][0][0] != after[1][0][0]
    assert (before[1][0][1], after[1][0][1]) == (288, 0)


def test_without_usage_the_prices_stand_and_the_usage_says_why_it_is_missing(home: Home) -> None:
    home.suppliers.fault("/usage", body=[])
    assert home.materialize(amber.PRICES, amber.USAGE, *DERIVED, first=LAST).success
    rows = home.query(
        "SELECT DISTINCT import_kwh, cost_aud, usage_reason, price_reason FROM core.intervals"
    )
    assert rows == [(None, None, "the supplier sent nothing for it", None)]
    assert home.query("SELECT DISTINCT import_kwh, cost_aud FROM out.days") == [(None, None)]


def test_before_a_site_is_known_nothing_is_derived_and_the_cure_is_told(home: Home) -> None:
    for key in DERIVED:
        assert failure_of(home.materialize(key, first=LAST)).startswith("no site is known yet")


def test_what_is_published_is_what_the_pages_read(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.materialize(*RAW, *DERIVED, *PUBLISHED, first=LAST, last=NOON.date()).success
    monkeypatch.setenv("ENERGY_SERVING_DIR", str(home.live_path.parent))
    snapshot, history = data.snapshot(), data.history()
    assert isinstance(snapshot, data.Snapshot)
    assert isinstance(history, data.History)
    assert snapshot.site.is_demo
    assert snapshot.site.published_at == NOON
    assert [day.first_date for day in history.days] == [LAST, LAST + timedelta(days=1)]
    with duckdb.connect(str(home.history_path), read_only=True) as published:
        found = published.execute("SELECT * FROM core.intervals ORDER BY ALL").fetchall()
    assert found == home.query("SELECT * FROM core.intervals ORDER BY ALL")


def test_publishing_waits_for_nothing_but_the_warehouse(home: Home) -> None:
    assert home.materialize(*PUBLISHED).success  # an empty home too
    assert home.live_path.exists()
    assert home.history_path.exists()


def test_a_damaged_warehouse_fails_at_once_and_is_named(home: Home) -> None:
    home.data_dir.mkdir()
    home.warehouse.path.write_bytes(b"garbage" * 1000)
    for key in (amber.PRICES, core.INTERVALS, serving.LIVE):
        text = failure_of(home.materialize(key, first=None if key == serving.LIVE else LAST))
        assert "warehouse.duckdb cannot be opened" in text


def test_no_secret_reaches_an_event_a_log_or_the_terminal(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    canaries = ("psk_canary_7f3a", "11111111-2222-4333-8444-canary000000")
    monkeypatch.setenv("AMBER_TOKEN", canaries[0])
    monkeypatch.setenv("POWERPAL_TOKEN", canaries[1])
    home.suppliers.fault("/powerpal", status=500, body=f"no such key: {canaries[1]}")
    runs = [home.materialize(*RAW, *DERIVED, first=LAST)]  # both refused
    home.suppliers.fault("/amber", status=400, body=f"no such key: Bearer {canaries[0]}")
    runs.append(home.materialize(*RAW, first=LAST))
    home.suppliers.stop()
    runs.append(home.materialize(*RAW, first=LAST))
    assert not any(run.success for run in runs)
    events = [str(record) for run in runs for record in home.instance.all_logs(run.run_id)]
    assert len(events) > 20
    captured = capfd.readouterr()
    for canary in canaries:
        assert not [event for event in events if canary in event]
        assert canary not in caplog.text + captured.out + captured.err


def test_every_asset_is_named_as_its_table_and_its_function() -> None:
    for asset in ASSETS:
        assert asset.op.name == "__".join(asset.key.path)
