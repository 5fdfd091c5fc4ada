"""What the house spends."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from energy_pipeline.model.live_cost import (
    DayTotal,
    LoadUnknown,
    PowerReading,
    TypicalPower,
    cost_aud_per_hour,
    load_now,
    sum_days,
)

NOW = datetime(2026, 11, 24, 3, 6, tzinfo=UTC)
LOCAL = NOW.astimezone(ZoneInfo("Australia/Sydney"))  # Tuesday 14:06
TYPICAL = [
    TypicalPower(is_weekend=weekend, half_hour_of_day=half, import_kw=half / 10, day_count=9)
    for weekend in (False, True)
    for half in range(48)
]


def reading(age, kw=1.5, source="powerpal"):
    return PowerReading(source=source, measured_at=NOW - age, window_minutes=1, import_kw=kw)


def day(n, **more):
    values = {
        "interval_count": 288,
        "priced_count": 288,
        "used_count": 288,
        "costed_count": 288,
        "import_kwh": 10.0,
        "export_kwh": None,
        "import_cost_aud": 2.0,
        "export_earning_aud": None,
        "cost_aud": 2.0,
        "mean_import_c_per_kwh": 20.0,
        "reason": None,
    }
    return DayTotal(first_date=date(2026, 11, n), last_date=date(2026, 11, n), **(values | more))


def test_the_newest_live_reading_counts():
    found = load_now(
        [reading(timedelta(minutes=3), 1.0), reading(timedelta(minutes=1), 2.0, "emon")],
        TYPICAL,
        NOW,
        LOCAL,
    )
    assert (found.import_kw, found.reading.source) == (2.0, "emon")


@pytest.mark.parametrize("age", [timedelta(minutes=11), timedelta(minutes=-3)])
def test_without_a_live_reading_the_typical_half_hour_stands_in(age):
    found = load_now([reading(age)], TYPICAL, NOW, LOCAL)
    assert (found.import_kw, found.reading) == (2.8, None)  # 14:00 is half hour 28


def test_weekends_have_a_typical_load_of_their_own():
    weekend = [row for row in TYPICAL if row.is_weekend]
    assert isinstance(load_now([], weekend, NOW, LOCAL), LoadUnknown)
    saturday = LOCAL + timedelta(days=4)
    assert load_now([], weekend, NOW + timedelta(days=4), saturday).import_kw == 2.8


def test_an_hour_costs_load_times_price():
    assert cost_aud_per_hour(1.74, 24.2) == pytest.approx(0.42108)
    assert cost_aud_per_hour(2.0, -10.0) == pytest.approx(-0.2)


def test_days_add_up_and_gaps_stay_gaps():
    total = sum_days(
        [
            day(3, import_kwh=None, cost_aud=None, used_count=0, reason="No meter."),
            day(1),
            day(2, priced_count=96, mean_import_c_per_kwh=40.0),
        ]
    )
    assert (total.first_date, total.last_date) == (date(2026, 11, 1), date(2026, 11, 3))
    assert (total.import_kwh, total.cost_aud, total.export_kwh) == (20.0, 4.0, None)
    assert total.used_count == 576
    # (288 x 20 + 96 x 40 + 288 x 20) / 672
    assert total.mean_import_c_per_kwh == pytest.approx(15360 / 672)
    assert total.reason == "1 of 3 days are incomplete. Latest: No meter."


def test_no_days_have_no_total():
    assert sum_days([]) is None
