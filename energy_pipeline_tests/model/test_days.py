"""A person's day: hand-worked sums, days of 23 and 25 hours, and what is said of gaps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from energy_pipeline.model.days import (
    SUMMED,
    interval_count,
    local_days_touched,
    local_midnight,
    summarise_days,
)

SYDNEY = ZoneInfo("Australia/Sydney")
BRISBANE = ZoneInfo("Australia/Brisbane")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
DAY = date(2026, 7, 1)  # 24 hours
LATER = datetime(2027, 1, 1, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def intervals(day: date = DAY, timezone: ZoneInfo = SYDNEY, **columns: Any) -> pd.DataFrame:
    """Rows of core.intervals that cover a local day; scalars hold for the whole day."""
    start, end = local_midnight(day, timezone), local_midnight(day + timedelta(days=1), timezone)
    index = pd.date_range(start, end, freq="5min", inclusive="left", unit="us")
    given = {
        "import_kwh": 0.1,
        "controlled_load_kwh": np.nan,
        "export_kwh": np.nan,
        "import_cost_aud": 0.02,
        "controlled_load_cost_aud": np.nan,
        "export_earning_aud": np.nan,
        "cost_aud": 0.02,
        "import_c_per_kwh": 20.0,
        "price_class": "actual",
        "import_quality": "billable",
        **columns,
    }
    return pd.DataFrame({"interval_start": index, **given})


def summary(rows: pd.DataFrame, day: date = DAY, now: datetime = LATER) -> dict[str, Any]:
    """The one row about a day, unknown as None."""
    (found,) = summarise_days(rows, [day], SYDNEY, now).to_dict("records")
    return {name: None if pd.isna(value) else value for name, value in found.items()}


@pytest.mark.parametrize(
    ("day", "timezone", "count"),
    [
        (DAY, SYDNEY, 288),
        (date(2026, 4, 5), SYDNEY, 300),
        (date(2026, 10, 4), SYDNEY, 276),
        (date(2026, 10, 4), ZoneInfo("Australia/Adelaide"), 276),
        (date(2026, 10, 4), BRISBANE, 288),
        (date(2026, 4, 5), LORD_HOWE, 294),
        (date(2026, 10, 4), LORD_HOWE, 282),
    ],
)
def test_a_local_day_has_as_many_intervals_as_its_clock_makes(
    day: date, timezone: ZoneInfo, count: int
) -> None:
    assert interval_count(day, timezone) == count
    assert len(intervals(day, timezone)) == count


@pytest.mark.parametrize("day", [DAY, date(2026, 4, 5), date(2026, 10, 4)])
def test_a_whole_day_adds_up_and_has_no_reason(day: date) -> None:
    found = summary(intervals(day), day)
    count = interval_count(day, SYDNEY)
    assert found["interval_count"] == found["priced_count"] == found["used_count"] == count
    assert found["costed_count"] == count
    assert found["import_kwh"] == pytest.approx(0.1 * count)
    assert found["cost_aud"] == pytest.approx(0.02 * count)
    assert (found["mean_import_c_per_kwh"], found["estimated_count"]) == (20.0, 0)
    assert found["reason"] is None


def test_a_day_worked_by_hand() -> None:
    rows = intervals()
    rows.loc[0, ["import_kwh", "import_cost_aud", "cost_aud", "import_c_per_kwh"]] = [
        *(1.1, 0.52),
        *(0.52, -40.0),
    ]
    rows.loc[1, "import_c_per_kwh"] = 90.0
    rows["export_kwh"] = 0.01
    rows["export_earning_aud"] = -0.001  # exporting cost money
    found = summary(rows)
    assert found["import_kwh"] == pytest.approx(1.1 + 287 * 0.1)
    assert found["import_cost_aud"] == pytest.approx(0.52 + 287 * 0.02)
    assert found["export_kwh"] == pytest.approx(2.88)
    assert found["export_earning_aud"] == pytest.approx(-0.288)
    assert found["min_import_c_per_kwh"] == -40.0
    assert found["max_import_c_per_kwh"] == 90.0
    assert found["mean_import_c_per_kwh"] == pytest.approx((286 * 20 - 40 + 90) / 288)
    assert found["controlled_load_kwh"] is None


def test_intervals_of_neighbouring_days_are_not_counted() -> None:
    days = [DAY + timedelta(days=n) for n in (-1, 0, 1)]
    rows = pd.concat([intervals(day) for day in days], ignore_index=True)
    assert summary(rows)["import_kwh"] == pytest.approx(28.8)
    assert summarise_days(rows, days, SYDNEY, LATER)["local_date"].tolist() == days


def test_a_gap_is_counted_in_words_and_the_rest_adds_up() -> None:
    rows = intervals()
    rows.loc[:2, ["import_kwh", "import_cost_aud", "cost_aud"]] = np.nan
    rows.loc[:0, "import_c_per_kwh"] = np.nan
    found = summary(rows)
    assert (found["priced_count"], found["used_count"], found["costed_count"]) == (287, 285, 285)
    assert found["import_kwh"] == pytest.approx(28.5)
    assert found["reason"] == "1 of 288 intervals without a price, 3 of 288 intervals without usage"


def test_a_day_that_is_running_says_so() -> None:
    begun = 100
    rows = intervals()
    rows.loc[begun:, ["import_kwh", "import_cost_aud", "cost_aud", "import_c_per_kwh"]] = np.nan
    now = rows.loc[begun, "interval_start"].to_pydatetime()
    found = summary(rows, now=now)
    assert found["import_kwh"] == pytest.approx(10.0)
    assert found["reason"].startswith("the day is still running: 188 of 288 intervals without a")
    assert summary(rows)["reason"].startswith("188 of 288")


def test_a_sum_over_far_fewer_intervals_than_the_usage_is_unknown() -> None:
    rows = intervals()
    rows.loc[144:, "cost_aud"] = np.nan
    found = summary(rows)
    assert found["cost_aud"] is None
    assert found["import_cost_aud"] == pytest.approx(5.76)
    assert found["costed_count"] == 144
    assert "not known for all of it" in found["reason"]


def test_what_may_still_change_is_counted() -> None:
    rows = intervals()
    rows.loc[0, "price_class"] = "locked"
    rows.loc[1, "import_quality"] = "estimated"
    rows.loc[2, ["import_kwh", "cost_aud"]] = np.nan  # unknown is not unsettled
    rows.loc[2, "price_class"] = "locked"
    assert summary(rows)["estimated_count"] == 2


@pytest.mark.parametrize("known", ["import_kwh", "import_c_per_kwh"])
def test_a_day_of_prices_or_of_usage_alone_is_there_without_its_cost(known: str) -> None:
    nothing = dict.fromkeys([*SUMMED, "import_c_per_kwh"], np.nan)
    rows = intervals(**{**nothing, known: 1.0})
    found = summary(rows)
    assert found["cost_aud"] is None
    assert found["import_kwh"] == (288.0 if known == "import_kwh" else None)
    assert found["reason"]


def test_a_day_of_which_nothing_is_known_is_left_out() -> None:
    rows = intervals(**dict.fromkeys([*SUMMED, "import_c_per_kwh"], np.nan))
    for table in (rows, rows.iloc[:0]):
        assert summarise_days(table, [DAY], SYDNEY, LATER).empty


@pytest.mark.parametrize(
    ("nem_day", "local"),
    [
        (date(2026, 7, 1), [date(2026, 7, 1)]),
        (date(2026, 12, 1), [date(2026, 12, 1), date(2026, 12, 2)]),
        (date(2026, 10, 4), [date(2026, 10, 4), date(2026, 10, 5)]),
    ],
)
def test_a_nem_day_touches_two_local_days_in_summer(nem_day: date, local: list[date]) -> None:
    start = datetime(nem_day.year, nem_day.month, nem_day.day, tzinfo=UTC) - timedelta(hours=10)
    assert local_days_touched(start, start + timedelta(days=1), SYDNEY) == local
    assert local_days_touched(start, start + FIVE, SYDNEY) == local[:1]
