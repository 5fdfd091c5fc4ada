"""Publishing: readers see all of it or none, and exactly what the warehouse knows."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from energy_pipeline.warehouse import publish
from energy_pipeline.warehouse.publish import (
    LiveFacts,
    PowerReading,
    publish_history,
    publish_live,
)
from energy_pipeline.warehouse.write import (
    AMBER_PRICES,
    set_state,
    store_forecasts,
    store_revisions,
    store_site,
    transaction,
)
from energy_pipeline_tests.amber_rows import feed_in, price, prices
from streamlit_app import data

NOW = datetime(2026, 10, 20, 2, 7, 30, tzinfo=UTC)  # 13:07:30 in Sydney, in the half hour of 02:00
T = datetime(2026, 10, 20, 2, 5, tzinfo=UTC)  # the current interval
FIVE = timedelta(minutes=5)
SITE = "01S"


class Publisher:
    """A warehouse with a site, and its live file."""

    def __init__(self, db: duckdb.DuckDBPyConnection, target: Path) -> None:
        self.db, self.target = db, target

    def add_site(self, **more: Any) -> None:
        channels = [{"identifier": "E1", "type": "general"}, {"identifier": "B1", "type": "feedIn"}]
        row = {"site_id": SITE, "network": "Ausgrid", "status": "active", "interval_length": 5}
        store_site(self.db, {**row, "channels": json.dumps(channels), **more}, NOW)

    def know(self, *records: dict[str, Any], at: datetime = NOW) -> None:
        with transaction(self.db):
            store_revisions(self.db, AMBER_PRICES, prices(*records), fetched_at=at, site_id=SITE)

    def foretell(self, *records: dict[str, Any], at: datetime = NOW) -> None:
        with transaction(self.db):
            store_forecasts(self.db, prices(*records), site_id=SITE, issued_at=at)

    def use(self, start: datetime, kwh: float | None, count: int = 1) -> None:
        """Rows of core.intervals with this energy."""
        self.db.execute(
            """
            INSERT INTO core.intervals (site_id, interval_start, nem_date, import_kwh,
                                        import_source, import_quality)
            SELECT ?, CAST(? AS TIMESTAMPTZ) + to_minutes(CAST(5 * n AS INTEGER)),
                   '2026-10-20', ?, 'amber', 'billable'
            FROM range(?) r(n)
            """,
            [SITE, start, kwh, count],
        )

    def publish(
        self, now: datetime = NOW, power: PowerReading | None = None, site: str = SITE
    ) -> None:
        facts = LiveFacts(site_id=site, timezone="Australia/Sydney", is_demo=False, now=now)
        publish_live(self.db, self.target, facts, power)

    def read(self, sql: str) -> list[tuple]:
        with duckdb.connect(str(self.target), read_only=True) as db:
            db.execute("SET TimeZone = 'UTC'")
            return db.execute(sql).fetchall()


@pytest.fixture
def live(
    db: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Publisher:
    folder = tmp_path / "serv'ing"
    monkeypatch.setenv("ENERGY_SERVING_DIR", str(folder))
    monkeypatch.setenv("ENERGY_CLOCK_FROZEN_AT", NOW.isoformat())
    return Publisher(db, folder / "live.duckdb")


PRICES = """
SELECT interval_start, duration_minutes, price_class, import_c_per_kwh FROM prices ORDER BY 1
"""


def test_an_empty_warehouse_publishes_and_the_page_says_that_nothing_is_there(
    live: Publisher,
) -> None:
    live.publish(site="")
    for table in ("site", "prices", "usage", "power", "typical", "days", "states"):
        assert live.read(f"SELECT count(*) FROM {table}") == [(0,)]
    assert live.read("SELECT interval_count, cheap_below_c_per_kwh FROM price_bands") == [(0, None)]
    found = data.snapshot()
    assert isinstance(found, data.NoData)
    assert found.kind is data.NoDataKind.MISSING


def test_before_the_site_is_known_the_page_says_what_is_the_matter(live: Publisher) -> None:
    set_state(live.db, "amber", "key_rejected", NOW, "Amber refused the key; make a new one")
    live.publish(site="")
    found = data.snapshot()
    assert isinstance(found, data.NoData)
    assert found.sentence == "Amber refused the key; make a new one"


def test_the_app_reads_what_is_published(live: Publisher) -> None:
    live.add_site()
    live.know(price(T, 24.2, "locked"), feed_in(price(T, -6.5, "locked")))
    live.foretell(price(T + FIVE, 30.0, "forecast"))
    set_state(live.db, "amber", "ok", NOW, None)
    live.publish(power=PowerReading("powerpal", NOW, 1.0, 1.74))
    found = data.snapshot()
    assert isinstance(found, data.Snapshot)
    assert [span.price.import_c_per_kwh for span in found.spans] == [24.2, 30.0]
    assert found.spans[0].price.feed_in_c_per_kwh == 6.5
    assert (found.site.site_id, found.site.has_feed_in, found.site.is_demo) == (SITE, True, False)
    assert found.site.published_at == found.last_price_answer == NOW
    assert found.power[0].import_kw == 1.74


def test_the_app_and_the_publisher_mean_the_same_version() -> None:
    assert publish.LIVE_SCHEMA_VERSION == data.LIVE_SCHEMA_VERSION


# Prices


def test_a_half_hour_forecast_gives_way_to_the_five_minutes_of_its_half_hour(
    live: Publisher,
) -> None:
    live.add_site()
    earlier = NOW - timedelta(hours=2)
    half_hour = T - FIVE
    live.foretell(
        price(half_hour, 50.0, "forecast", minutes=30),
        price(half_hour + 6 * FIVE, 51.0, "forecast", minutes=30),
        at=earlier,
    )
    live.know(price(half_hour, 20.0), price(T, 21.0, "locked"))
    live.foretell(*(price(T + n * FIVE, 30.0 + n, "forecast") for n in range(1, 5)))
    live.publish()
    rows = live.read(PRICES)
    assert [(row[1], row[2], row[3]) for row in rows] == [
        (5, "actual", 20.0),
        (5, "locked", 21.0),
        *((5, "forecast", 30.0 + n) for n in range(1, 5)),
        (30, "forecast", 51.0),
    ]
    ends = [row[0] + timedelta(minutes=row[1]) for row in rows]
    assert ends[:-1] == [row[0] for row in rows[1:]]  # no gap, nothing twice


def test_a_price_that_is_known_holds_against_a_forecast_of_it(live: Publisher) -> None:
    live.add_site()
    live.know(price(T, 24.2, "estimate"), at=NOW - timedelta(minutes=1))
    live.foretell(price(T, 99.0, "forecast"), at=NOW)
    live.publish()
    assert live.read(PRICES) == [(T, 5, "estimate", 24.2)]


def test_a_forecast_stands_in_for_a_current_price_that_never_came(live: Publisher) -> None:
    live.add_site()
    live.foretell(price(T, 33.0, "forecast"), price(T - FIVE, 32.0, "forecast"))
    live.publish()
    assert live.read(PRICES) == [(T, 5, "forecast", 33.0)]  # the interval before is over


def test_a_forecast_is_the_suppliers_own_prediction_with_its_range(live: Publisher) -> None:
    live.add_site()
    advanced = {"low": 18.0, "predicted": 22.0, "high": 31.0}
    live.foretell(price(T + FIVE, 20.0, "forecast", advancedPrice=advanced))
    earning = {"low": -3.0, "predicted": -5.0, "high": -9.0}
    live.foretell(feed_in(price(T + FIVE, -4.0, "forecast", advancedPrice=earning)))
    columns = "import_c_per_kwh, import_low_c_per_kwh, import_high_c_per_kwh, feed_in_c_per_kwh"
    live.publish()
    assert live.read(f"SELECT {columns} FROM prices") == [(22.0, 18.0, 31.0, 5.0)]
    live.foretell(price(T + FIVE, 20.0, "forecast"), at=NOW + timedelta(seconds=5))
    live.publish(now=NOW + timedelta(seconds=5))
    assert live.read(f"SELECT {columns} FROM prices") == [(20.0, None, None, 5.0)]


def test_forecasts_that_are_too_old_or_issued_by_a_wrong_clock_are_left_out(
    live: Publisher,
) -> None:
    live.add_site()
    live.foretell(price(T + FIVE, 20.0, "forecast"), at=NOW - timedelta(days=3))
    live.foretell(price(T + 2 * FIVE, 20.0, "forecast"), at=NOW + timedelta(days=300))
    live.publish()
    assert live.read(PRICES) == []


@pytest.mark.parametrize(("sent", "paid"), [(-6.5, 6.5), (0.0, 0.0), (2.5, -2.5), (None, None)])
def test_the_feed_in_price_is_what_the_household_is_paid(
    live: Publisher, sent: float | None, paid: float | None
) -> None:
    live.add_site()
    live.know(price(T, 20.0), *([] if sent is None else [feed_in(price(T, sent))]))
    live.publish()
    ((found,),) = live.read("SELECT feed_in_c_per_kwh FROM prices")
    assert found == paid
    assert found is None or math.copysign(1, found) == (1 if paid >= 0 else -1)


def test_two_days_back_are_published_and_no_more(live: Publisher) -> None:
    live.add_site()
    live.know(*(price(T - timedelta(hours=h), 20.0) for h in (0, 47, 49)))
    live.publish()
    assert [row[0] for row in live.read(PRICES)] == [T - timedelta(hours=47), T]


def test_the_bands_are_the_households_own_prices_of_thirty_days(live: Publisher) -> None:
    live.add_site()
    live.know(*(price(T - n * FIVE, float(n)) for n in range(1, 102)))
    live.know(price(T - timedelta(days=31), 5000.0), feed_in(price(T - FIVE, -5000.0)))
    live.publish()
    row = live.read("SELECT * REPLACE (from_start::VARCHAR AS from_start) FROM price_bands")[0]
    assert row[:4] == (31.0, 76.0, 100.0, 101)
    assert row[5] == T


# Usage, days, states


def test_usage_of_two_days_is_published_with_what_is_unknown(live: Publisher) -> None:
    live.add_site()
    live.use(T - timedelta(hours=49), 0.5)
    live.use(T - FIVE, 0.25)
    live.use(T, None)
    live.use(T + FIVE, None)  # has not begun
    live.publish()
    assert live.read("SELECT interval_start, import_kwh FROM usage ORDER BY 1") == [
        (T - FIVE, 0.25),
        (T, None),
    ]


def test_typical_power_is_the_median_of_whole_half_hours_by_the_local_clock(
    live: Publisher,
) -> None:
    live.add_site()
    monday = datetime(2026, 10, 19, 2, 0, tzinfo=UTC)  # 13:00 in Sydney
    for weeks, kwh in ((0, 0.1), (1, 0.2), (2, 0.6)):
        live.use(monday - timedelta(weeks=weeks), kwh, count=6)
    live.use(monday - timedelta(days=1), 0.3, count=6)  # a Sunday
    live.use(monday - timedelta(weeks=5), 9.0, count=6)  # too long ago
    live.use(monday - timedelta(days=3), 9.0, count=5)  # not a whole half hour
    live.publish()
    columns = "is_weekend, half_hour_of_day, import_kw, day_count"
    assert live.read(f"SELECT {columns} FROM typical ORDER BY 1") == [
        (False, 26, pytest.approx(2.4), 3),
        (True, 26, pytest.approx(3.6), 1),
    ]


def test_sixty_two_local_days_are_published(live: Publisher) -> None:
    live.add_site()
    live.db.execute(
        """
        INSERT INTO out.days (site_id, local_date, interval_count, priced_count, used_count,
                              costed_count, estimated_count, reason)
        SELECT ?, DATE '2026-10-20' - CAST(n AS INTEGER), 288, 288, 200, 200, 0, 'why'
        FROM range(80) r(n)
        """,
        [SITE],
    )
    live.publish()
    columns = "count(*), min(local_date), max(local_date), min(reason)"
    (found,) = live.read(f"SELECT {columns} FROM days")
    assert found == (62, date(2026, 8, 20), date(2026, 10, 20), "why")


def test_each_state_says_since_when_and_how_new_its_data_is(live: Publisher) -> None:
    live.add_site()
    live.know(price(T, 24.2, "locked"))
    set_state(live.db, "amber", "ok", NOW, None)
    set_state(live.db, "powerpal", "down", NOW, "no answer")
    live.publish()
    columns = "source, state, since, last_success_at, newest_interval_start, message"
    assert live.read(f"SELECT {columns} FROM states ORDER BY 1") == [
        ("amber", "ok", NOW, NOW, T, None),
        ("powerpal", "down", NOW, None, None, "no answer"),
    ]


def test_a_power_reading_is_carried_over_until_it_is_a_day_old(live: Publisher) -> None:
    live.add_site()
    live.publish(power=PowerReading("powerpal", NOW, 1.0, 1.74))
    live.publish(power=PowerReading("shelly", NOW, 1.0, 0.5))
    live.publish(now=NOW + timedelta(hours=23))
    sql = "SELECT source, measured_at, import_kw FROM power ORDER BY 1"
    assert live.read(sql) == [("powerpal", NOW, 1.74), ("shelly", NOW, 0.5)]
    later = NOW + timedelta(hours=23, minutes=30)
    live.publish(now=later, power=PowerReading("shelly", later, 1.0, 0.7))
    live.publish(now=NOW + timedelta(hours=25))
    assert live.read(sql) == [("shelly", later, 0.7)]


# The files

READER = """
import sys, time
import duckdb
end = time.monotonic() + 30
print("reading", flush=True)
seen = set()
while "stop" not in seen and time.monotonic() < end:
    with duckdb.connect(sys.argv[1], read_only=True) as db:
        query = "SELECT count(*), min(import_kwh), max(import_kwh) FROM usage"
        (rows,) = db.execute(query).fetchall()
        (name,) = db.execute("SELECT network FROM site").fetchone()
    assert rows[0] == 288 and rows[1] == rows[2] == float(name.split()[-1]), (rows, name)
    seen.add(name.split()[0])
print(len(seen))
"""


def test_a_reader_that_never_rests_sees_one_whole_publication_after_another(
    live: Publisher,
) -> None:
    def publish_number(number: int, word: str) -> None:
        live.add_site(network=f"{word} {number}")
        live.db.execute("DELETE FROM core.intervals")
        live.use(T - timedelta(hours=24), float(number), count=288)
        live.publish()

    publish_number(0, "0")
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(live.target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout.readline() == "reading\n"
    for number in range(1, 8):
        publish_number(number, str(number))
    publish_number(8, "stop")
    out, errors = reader.communicate(timeout=60)
    assert (reader.returncode, errors) == (0, "")
    assert int(out) > 1


def test_what_killed_publishers_left_behind_is_removed(live: Publisher) -> None:
    live.target.parent.mkdir()
    for name in ("live.duckdb.new-1", "live.duckdb.new-1.wal", "history.duckdb.new-2"):
        (live.target.parent / name).write_bytes(b"half a file")
    live.publish()
    assert sorted(path.name for path in live.target.parent.iterdir()) == [
        "history.duckdb.new-2",
        "live.duckdb",
    ]


def test_a_publication_that_fails_leaves_the_one_before(live: Publisher) -> None:
    live.add_site()
    live.publish()
    set_state(live.db, "amber", "no such state", NOW, None)
    with pytest.raises(duckdb.ConstraintException):
        live.publish(now=NOW + FIVE)
    assert live.read("SELECT published_at FROM site") == [(NOW,)]
    assert [path.name for path in live.target.parent.iterdir()] == ["live.duckdb"]
    set_state(live.db, "amber", "ok", NOW, None)
    live.publish(now=NOW + FIVE)
    assert live.read("SELECT published_at FROM site") == [(NOW + FIVE,)]


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_a_damaged_live_file_is_replaced(live: Publisher, content: bytes) -> None:
    live.target.parent.mkdir()
    live.target.write_bytes(content)
    live.add_site()
    live.publish()
    assert live.read("SELECT site_id FROM site") == [(SITE,)]


def test_the_history_holds_every_interval_and_day_of_the_warehouse(
    live: Publisher,
) -> None:
    live.use(datetime(2026, 10, 19, 13, 0, tzinfo=UTC), 0.1, count=288)
    live.db.execute(
        "INSERT INTO out.days (site_id, local_date, interval_count, priced_count, used_count,"
        " costed_count, estimated_count) VALUES (?, '2026-10-20', 288, 0, 288, 0, 0)",
        [SITE],
    )
    target = live.target.with_name("history.duckdb")
    assert publish_history(live.db, target, NOW) == 288
    with duckdb.connect(str(target), read_only=True) as history:
        for table in ("core.intervals", "out.days"):
            order = f"SELECT * FROM {table} ORDER BY ALL"
            assert history.execute(order).fetchall() == live.db.execute(order).fetchall()
        assert history.execute("SELECT schema_version FROM publication").fetchall() == [
            (publish.HISTORY_SCHEMA_VERSION,)
        ]
    found = data.history()
    assert isinstance(found, data.History)
    assert [day.first_date for day in found.days] == [date(2026, 10, 20)]


def test_an_empty_history_publishes(live: Publisher) -> None:
    assert publish_history(live.db, live.target.with_name("history.duckdb"), NOW) == 0
    found = data.history()
    assert isinstance(found, data.NoData)
    assert found.kind is data.NoDataKind.MISSING
