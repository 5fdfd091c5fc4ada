"""Amber's records with values of a test's choice, read by the real parsers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from energy_pipeline.sources.amber_intervals import parse_prices, parse_usage
from energy_pipeline.sources.parsed import Parsed

KINDS = {
    "actual": {"type": "ActualInterval"},
    "locked": {"type": "CurrentInterval", "estimate": False},
    "estimate": {"type": "CurrentInterval", "estimate": True},
    "forecast": {"type": "ForecastInterval"},
}


def record(start: datetime, minutes: int, **fields: Any) -> dict[str, Any]:
    """What prices and usage share; the start is a second late, as Amber sends it."""
    end = start + timedelta(minutes=minutes)
    return {
        "duration": minutes,
        "date": (start + timedelta(hours=10)).date().isoformat(),
        "startTime": (start + timedelta(seconds=1)).astimezone(UTC).isoformat(),
        "endTime": end.astimezone(UTC).isoformat(),
        "spotPerKwh": 8.5,
        "renewables": 40.0,
        "channelType": "general",
        "spikeStatus": "none",
        "descriptor": "neutral",
        **fields,
    }


def price(
    start: datetime, c: float, kind: str = "actual", *, minutes: int = 5, **fields: Any
) -> dict[str, Any]:
    return record(start, minutes, perKwh=c, **KINDS[kind], **fields)


def usage(
    start: datetime,
    kwh: float,
    c: float = 20.0,
    *,
    minutes: int = 5,
    quality: str = "billable",
    **fields: Any,
) -> dict[str, Any]:
    given = {"channelIdentifier": "E1", "cost": round(kwh * c, 4), **fields}
    return record(start, minutes, type="Usage", kwh=kwh, perKwh=c, quality=quality, **given)


def feed_in(row: dict[str, Any]) -> dict[str, Any]:
    """The same record on the feed-in channel."""
    register = {"channelIdentifier": "B1"} if "kwh" in row else {}
    return row | {"channelType": "feedIn"} | register


def prices(*records: dict[str, Any]) -> pd.DataFrame:
    return understood(parse_prices(list(records)))


def usages(*records: dict[str, Any]) -> pd.DataFrame:
    return understood(parse_usage(list(records)))


def understood(parsed: Parsed) -> pd.DataFrame:
    assert parsed.rejects == []
    return parsed.rows
