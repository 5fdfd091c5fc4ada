"""A person's day: local midnight to local midnight, 276, 288 or 300 intervals.

Sums run over what is known; the counts beside them say how much that is. A sum that covers far
fewer intervals than the day has usage for would mislead, and is unknown instead.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

SUMMED = (
    "import_kwh",
    "controlled_load_kwh",
    "export_kwh",
    "import_cost_aud",
    "controlled_load_cost_aud",
    "export_earning_aud",
    "cost_aud",
)
LEAST_COVERED_FRACTION = 0.9
"""A sum is given when it covers this share of the intervals with usage."""


def local_midnight(day: date, timezone: ZoneInfo) -> datetime:
    """The instant a local day begins, as UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=timezone).astimezone(ZoneInfo("UTC"))


def local_days_touched(start: datetime, end: datetime, timezone: ZoneInfo) -> list[date]:
    """Local days that share at least an instant with the half-open window."""
    first = start.astimezone(timezone).date()
    last = (end - timedelta(microseconds=1)).astimezone(timezone).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def interval_count(day: date, timezone: ZoneInfo) -> int:
    """5-minute intervals of a local day."""
    seconds = (
        local_midnight(day + timedelta(days=1), timezone) - local_midnight(day, timezone)
    ).total_seconds()
    return round(seconds / 300)


def summarise_days(
    intervals: pd.DataFrame, days: list[date], timezone: ZoneInfo, now: datetime
) -> pd.DataFrame:
    """Add up whole local days.

    Parameters
    ----------
    intervals : pd.DataFrame
        Rows of `core.intervals` that cover the days as far as known.
    days : list[date]
        Local days wanted; a day of which nothing is known is left out.
    timezone : ZoneInfo
        Of the household's clock.
    now : datetime
        Tells a day that is still running from one with gaps.

    Returns
    -------
    pd.DataFrame
        Columns of `out.days` but site_id. A sum is NaN where less of it is known than
        LEAST_COVERED_FRACTION of the intervals with usage.
    """
    local = intervals.assign(local_date=intervals["interval_start"].dt.tz_convert(timezone).dt.date)
    local = local[local["local_date"].isin(days)]
    final = (local["price_class"] == "actual") & (
        (local["import_quality"] != "estimated") & local["import_kwh"].notna()
    )
    known = local["import_c_per_kwh"].notna() & local["import_kwh"].notna()
    local = local.assign(_unsettled=known & ~final)
    grouped = local.groupby("local_date", sort=True)
    result = grouped[list(SUMMED)].sum(min_count=1)
    result["priced_count"] = grouped["import_c_per_kwh"].count()
    result["used_count"] = grouped["import_kwh"].count()
    enough = grouped[list(SUMMED)].count().ge(LEAST_COVERED_FRACTION * result["used_count"], axis=0)
    result[list(SUMMED)] = result[list(SUMMED)].where(enough)
    result["costed_count"] = grouped["cost_aud"].count()
    result["estimated_count"] = grouped["_unsettled"].sum()
    result["mean_import_c_per_kwh"] = grouped["import_c_per_kwh"].mean()
    result["min_import_c_per_kwh"] = grouped["import_c_per_kwh"].min()
    result["max_import_c_per_kwh"] = grouped["import_c_per_kwh"].max()
    result = result[(result["priced_count"] > 0) | (result["used_count"] > 0)].reset_index()
    result["interval_count"] = [interval_count(day, timezone) for day in result["local_date"]]
    result["reason"] = [_reason(row, timezone, now) for row in result.to_dict("records")]
    return result


def _reason(day: dict[str, object], timezone: ZoneInfo, now: datetime) -> str | None:
    expected = int(str(day["interval_count"]))
    missing = [
        f"{expected - int(str(day[column]))} of {expected} intervals without {what}"
        for column, what in (("priced_count", "a price"), ("used_count", "usage"))
        if int(str(day[column])) < expected
    ]
    if int(str(day["costed_count"])) < int(str(day["used_count"])):
        missing.append("controlled load, export or their prices not known for all of it yet")
    if not missing:
        return None
    day_date = day["local_date"]
    running = isinstance(day_date, date) and day_date == now.astimezone(timezone).date()
    return ("the day is still running: " if running else "") + ", ".join(missing)
