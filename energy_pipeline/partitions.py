"""What a day is: a NEM day, UTC+10 all year, 288 five-minute intervals, always."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import dagster as dg

NEM_TIMEZONE = "Australia/Brisbane"
FIRST_DAY = date(2023, 1, 1)
NEM_OFFSET = timedelta(hours=10)

# end_offset: the day that is still running has a partition too, for the intraday runs.
nem_day = dg.DailyPartitionsDefinition(
    start_date=FIRST_DAY.isoformat(), timezone=NEM_TIMEZONE, end_offset=1
)


def nem_date(instant: datetime) -> date:
    """Return the NEM day an instant belongs to."""
    return (instant.astimezone(UTC) + NEM_OFFSET).date()


def day_start(day: date) -> datetime:
    """Return the instant a NEM day begins, in UTC."""
    return datetime.combine(day, time(), tzinfo=UTC) - NEM_OFFSET
