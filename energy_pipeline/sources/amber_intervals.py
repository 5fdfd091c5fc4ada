"""Amber's prices and usage from JSON to rows: supplier's sign and cents, our interval_start.

Amber labels the end and sends a startTime one second late; both are turned round here, once.
Signs and GST are not touched here: `core` turns them round.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from energy_pipeline.sources.parsed import (
    INSTANT,
    Parsed,
    RowError,
    optional_count,
    optional_flag,
    optional_number,
    optional_text,
    parse_list,
    required_number,
    required_text,
    shown,
)

DURATIONS_MINUTES = (5, 15, 30)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_SECONDS = 86_400
NEM_OFFSET_SECONDS = 10 * 3_600  # UTC+10 all year: the market has no daylight saving
EARLIEST = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
LATEST = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())

PRICE_DTYPES = {
    "channel_type": "str",
    "interval_start": INSTANT,
    "duration_minutes": "int64",
    "price_class": "str",
    "nem_date": "object",
    "per_kwh": "float64",
    "spot_per_kwh": "float64",
    "renewables": "float64",
    "spike_status": "str",
    "descriptor": "str",
    "tariff_period": "str",
    "tariff_season": "str",
    "tariff_block": "Int64",
    "demand_window": "boolean",
    "range_min": "float64",
    "range_max": "float64",
    "advanced_low": "float64",
    "advanced_predicted": "float64",
    "advanced_high": "float64",
}
PRICE_COLUMNS = list(PRICE_DTYPES)
PRICE_KEY = ["channel_type", "interval_start", "duration_minutes"]

USAGE_DTYPES = {
    "channel_identifier": "str",
    "channel_type": "str",
    "interval_start": INSTANT,
    "duration_minutes": "int64",
    "nem_date": "object",
    "kwh": "float64",
    "per_kwh": "float64",
    "cost": "float64",
    "spot_per_kwh": "float64",
    "quality": "str",
    "renewables": "float64",
    "spike_status": "str",
    "descriptor": "str",
    "tariff_period": "str",
    "tariff_season": "str",
    "tariff_block": "Int64",
    "demand_window": "boolean",
}
USAGE_COLUMNS = list(USAGE_DTYPES)
USAGE_KEY = ["channel_identifier", "interval_start", "duration_minutes"]


def parse_prices(payload: Any) -> Parsed:
    """Read the answer of ``/prices`` or ``/prices/current``.

    Parameters
    ----------
    payload : Any
        Decoded JSON: a list of ActualInterval, CurrentInterval and ForecastInterval.

    Returns
    -------
    Parsed
        PRICE_COLUMNS, one row per channel type, interval and duration, in the order sent. Prices in
        c/kWh with the supplier's sign (feedIn: negative = the household earns). price_class is
        'actual', 'locked', 'estimate' or 'forecast'; a CurrentInterval counts as locked only where
        it says ``estimate: false``.

    Raises
    ------
    SourceUnavailable
        If the payload is not a list.
    """
    return parse_list(
        payload, what="Amber prices", read_row=_read_price, dtypes=PRICE_DTYPES, key=PRICE_KEY
    )


def parse_usage(payload: Any) -> Parsed:
    """Read the answer of ``/usage``.

    Parameters
    ----------
    payload : Any
        Decoded JSON: a list of Usage.

    Returns
    -------
    Parsed
        USAGE_COLUMNS, one row per channel, interval and duration, in the order sent.
        kwh >= 0: a negative one on feedIn is made positive, with a notice; on any other channel it
        is a reject.
        per_kwh [c/kWh] and cost [cents] keep the supplier's sign.

    Raises
    ------
    SourceUnavailable
        If the payload is not a list.
    """
    return parse_list(
        payload, what="Amber usage", read_row=_read_usage, dtypes=USAGE_DTYPES, key=USAGE_KEY
    )


def _read_price(row: dict[str, Any], notes: list[str]) -> tuple[Any, ...]:
    channel_type = required_text(row, "channelType")
    start, duration, nem_date = _interval(row)
    spread = _optional_object(row, "range", notes)
    advanced = _optional_object(row, "advancedPrice", notes)
    return (
        channel_type,
        start,
        duration,
        _price_class(row),
        nem_date,
        required_number(row, "perKwh"),
        _optional_price(row, "spotPerKwh"),
        optional_number(row, "renewables", notes),
        optional_text(row, "spikeStatus", notes),
        optional_text(row, "descriptor", notes),
        *_tariff(row, notes),
        optional_number(spread, "min", notes),
        optional_number(spread, "max", notes),
        optional_number(advanced, "low", notes),
        optional_number(advanced, "predicted", notes),
        optional_number(advanced, "high", notes),
    )


def _read_usage(row: dict[str, Any], notes: list[str]) -> tuple[Any, ...]:
    if row.get("type") != "Usage":
        raise RowError(f"type is {shown(row.get('type'))}, not 'Usage'")
    identifier = required_text(row, "channelIdentifier")
    channel_type = required_text(row, "channelType")
    start, duration, nem_date = _interval(row)
    kwh = required_number(row, "kwh")
    if kwh < 0:
        if channel_type != "feedIn":
            raise RowError(f"kwh is {kwh} on {channel_type}: nothing can be used backwards")
        notes.append(f"kwh is {kwh} on feedIn: taken as {-kwh}, exports are counted as positive")
        kwh = -kwh
    return (
        identifier,
        channel_type,
        start,
        duration,
        nem_date,
        kwh,
        required_number(row, "perKwh"),
        required_number(row, "cost"),
        _optional_price(row, "spotPerKwh"),
        optional_text(row, "quality", notes),
        optional_number(row, "renewables", notes),
        optional_text(row, "spikeStatus", notes),
        optional_text(row, "descriptor", notes),
        *_tariff(row, notes),
    )


def _interval(row: dict[str, Any]) -> tuple[int, int, date]:
    """Canonical start [Unix s], duration [min], NEM day; refuses a row that contradicts itself."""
    duration = row.get("duration")
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        raise RowError(f"duration is {'missing' if duration is None else shown(duration)}")
    if duration not in DURATIONS_MINUTES:
        raise RowError(f"duration is {shown(duration)}, not 5, 15 or 30 minutes")
    duration = int(duration)
    end = _unix_seconds(row, "endTime")
    start = end - 60 * duration
    if start != _unix_seconds(row, "startTime") // 60 * 60:
        raise RowError(
            f"startTime {shown(row['startTime'])}, endTime {shown(row['endTime'])} "
            f"and duration {duration} disagree"
        )
    if end % (60 * duration):
        raise RowError(
            f"endTime {shown(row['endTime'])} is not on the market's {duration}-minute grid"
        )
    if not EARLIEST <= start < LATEST:
        raise RowError(f"endTime {shown(row['endTime'])} is not in this century")
    nem_date, as_text = _nem_day((start + NEM_OFFSET_SECONDS) // DAY_SECONDS)
    sent = row.get("date")
    if sent is not None and sent != as_text:
        # On every real row at hand `date` is the NEM date of the start. A row that says otherwise
        # cannot be put on a day with certainty, and a day must hold its 288 intervals exactly.
        raise RowError(
            f"date {shown(sent)} and endTime {shown(row['endTime'])}, NEM day {as_text}, disagree"
        )
    return start, duration, nem_date


def _unix_seconds(row: dict[str, Any], key: str) -> int:
    text = row.get(key)
    if not isinstance(text, str):
        raise RowError(f"{key} is {'missing' if text is None else shown(text)}")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RowError(f"{key} is {shown(text)}, not an ISO 8601 time") from None
    if moment.tzinfo is None:
        raise RowError(f"{key} is {shown(text)}, a time without its offset from UTC")
    since = moment - EPOCH
    return since.days * DAY_SECONDS + since.seconds


@lru_cache(maxsize=512)
def _nem_day(days_since_1970: int) -> tuple[date, str]:
    day = date.fromordinal(EPOCH.toordinal() + days_since_1970)
    return day, day.isoformat()


def _price_class(row: dict[str, Any]) -> str:
    kind = row.get("type")
    if kind == "ActualInterval":
        return "actual"
    if kind == "ForecastInterval":
        return "forecast"
    if kind == "CurrentInterval":
        return "locked" if row.get("estimate") is False else "estimate"
    raise RowError(
        f"type is {shown(kind)}, not ActualInterval, CurrentInterval or ForecastInterval"
    )


def _optional_price(row: dict[str, Any], key: str) -> float:
    """Read a price that may be missing (NaN); a wrong one refuses the row: it is money."""
    return float("nan") if row.get(key) is None else required_number(row, key)


def _tariff(
    row: dict[str, Any], notes: list[str]
) -> tuple[str | None, str | None, int | None, bool | None]:
    """Period, season, block and demand window; feedIn rows come without."""
    tariff = _optional_object(row, "tariffInformation", notes)
    return (
        optional_text(tariff, "period", notes),
        optional_text(tariff, "season", notes),
        optional_count(tariff, "block", notes),
        optional_flag(tariff, "demandWindow", notes),
    )


def _optional_object(row: dict[str, Any], key: str, notes: list[str]) -> dict[str, Any]:
    value = row.get(key)
    if isinstance(value, dict):
        return value
    if value is not None:
        notes.append(f"{key} is {shown(value)}, not an object: taken as missing")
    return {}
