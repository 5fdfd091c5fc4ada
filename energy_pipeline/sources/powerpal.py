"""Powerpal's cloud: flashes of the meter's LED, counted minute by minute.

Pulses are the truth. watt_hours are rounded by the supplier to whole Wh in each minute, and
cost_aud follows the tariff typed into its app: neither belongs in a bill.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import pandas as pd
import requests

from energy_pipeline.sources.errors import SourceUnavailable
from energy_pipeline.sources.parsed import (
    INSTANT,
    MAX_COUNT,
    Notice,
    Parsed,
    Reject,
    RowError,
    optional_count,
    optional_flag,
    optional_number,
    parse_list,
    required_number,
    shown,
)
from energy_pipeline.sources.transport import (
    DEFAULT_LIMITS,
    Limits,
    Reply,
    Request,
    get_json,
    keyed_session,
    plain_key,
)

BASE_URL = "https://readings.powerpal.net"
MAX_READINGS_PER_REQUEST = 50_000
LATEST = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
NEW_KEY = "copy the API key of the device (a UUID) from the Powerpal app into POWERPAL_TOKEN"
SERIAL = "copy the serial number of the device (8 hex digits) into POWERPAL_DEVICE_ID"
KEY_CURES = {
    401: f"Powerpal refused the key; {NEW_KEY}",
    403: f"Powerpal refused the device, whose key this is not; {SERIAL}",
}

READING_DTYPES = {
    "interval_start": INSTANT,
    "duration_minutes": "int64",
    "pulses": "Int64",
    "watt_hours": "float64",
    "cost_aud": "float64",
    "is_peak": "boolean",
    "sample_count": "Int64",
}
READING_COLUMNS = list(READING_DTYPES)
READING_KEY = ["interval_start", "duration_minutes"]


@dataclass(frozen=True, slots=True)
class Device:
    """What the cloud knows of the device. Pulses per kWh are printed on the meter."""

    serial_number: str
    first_reading_at: datetime | None  # UTC
    last_reading_at: datetime | None
    last_reading_watt_hours: float | None  # of the last minute
    total_watt_hours: float | None
    available_days: int | None


@dataclass(frozen=True, slots=True)
class PowerpalApi:
    """Where Powerpal is, whose readings, and a session that carries the key.

    Errors: see `transport.get_json`. `powerpal_api` makes one.
    """

    base_url: str
    http: requests.Session
    device_id: str
    limits: Limits = DEFAULT_LIMITS
    sleep: Callable[[float], None] = time.sleep

    def device(self) -> Device:
        """Ask for the newest reading and the extent of the history."""
        return parse_device(self._get("device", {}, "Powerpal device").payload)

    def readings(
        self,
        start: datetime,
        end: datetime,
        sample_minutes: int,
        *,
        complete_before: datetime | None = None,
    ) -> Parsed:
        """Readings of the buckets that start in [start, end), aligned to the clock in UTC.

        Parameters
        ----------
        start, end : datetime
            With time zone. Buckets labelled in the half-open range are asked for, whole.
        sample_minutes : int
            Length of a bucket. [min]
        complete_before : datetime, optional
            Buckets that end later are still open and left out. A bucket can be cut short by a phone
            that has not synced yet, so give the end of the device's last reading if that is earlier
            than now. The default is the supplier's clock.

        Returns
        -------
        Parsed
            READING_COLUMNS, ascending. A bucket without a reading is missing, not zero. Positions
            of rejects count on over the requests that a long range takes.

        Raises
        ------
        ValueError
            If a time has no zone, or sample_minutes is not positive.
        """
        windows = _windows(start, end, sample_minutes)
        if complete_before is not None and complete_before.tzinfo is None:
            raise ValueError("complete_before must have a time zone")
        bucket = timedelta(minutes=sample_minutes)
        frames: list[pd.DataFrame] = []
        rejects: list[Reject] = []
        notices: list[Notice] = []
        position = 0
        for first, after in windows:
            reply = self._readings_within(first, after, sample_minutes)
            part = parse_readings(reply.payload, sample_minutes)
            closed = complete_before or reply.server_time or datetime.now(UTC)
            begins = part.rows["interval_start"]
            frames.append(
                part.rows[(begins >= first) & (begins < after) & (begins + bucket <= closed)]
            )
            rejects += [Reject(position + bad.index, bad.reason) for bad in part.rejects]
            notices += [Notice(position + odd.index, odd.reason) for odd in part.notices]
            position += len(reply.payload)
        rows = pd.concat(frames) if frames else parse_readings([], sample_minutes).rows
        return Parsed(rows.sort_values("interval_start", ignore_index=True), rejects, notices)

    def _readings_within(self, first: datetime, after: datetime, sample_minutes: int) -> Reply:
        # Both ends are inclusive on the wire, and minutes are selected before they are put into
        # buckets: the last minute is the end, so that the last bucket is whole.
        query = {
            "start": int(first.timestamp()),
            "end": int(after.timestamp()) - 60,
            "sample": sample_minutes,
        }
        what = f"Powerpal readings {first:%Y-%m-%d %H:%M} to {after:%Y-%m-%d %H:%M} UTC"
        return self._get("meter_reading", query, what)

    def _get(self, kind: str, params: Mapping[str, str | int], what: str) -> Reply:
        url = f"{self.base_url.rstrip('/')}/api/v1/{kind}/{quote(self.device_id, safe='')}"
        request = Request(what, url, params, KEY_CURES)
        return get_json(self.http, request, limits=self.limits, sleep=self.sleep)


def powerpal_api(
    token: str, device_id: str, base_url: str = BASE_URL, *, limits: Limits = DEFAULT_LIMITS
) -> PowerpalApi:
    """Open a session with the device's key, bare as Powerpal wants it.

    Key and serial number are lower-cased: in upper case Powerpal calls them incorrect.

    Raises
    ------
    KeyRejected
        If one of them is empty or cannot be what it should be.
    """
    key = plain_key(token, variable="POWERPAL_TOKEN", cure=NEW_KEY).lower()
    serial = plain_key(device_id, variable="POWERPAL_DEVICE_ID", cure=SERIAL).lower()
    return PowerpalApi(base_url, keyed_session(key), serial, limits)


def parse_readings(payload: Any, sample_minutes: int) -> Parsed:
    """Read the answer of ``/meter_reading``.

    Parameters
    ----------
    payload : Any
        Decoded JSON: a list of readings.
    sample_minutes : int
        Length of the buckets that were asked for. [min]

    Returns
    -------
    Parsed
        READING_COLUMNS, in the order sent. interval_start is the supplier's label, taken as the
        start of the bucket. cost_aud in dollars, with the app's daily charge spread over it.

    Raises
    ------
    SourceUnavailable
        If the payload is not a list.
    """
    return parse_list(
        payload,
        what="Powerpal readings",
        read_row=partial(_read_reading, sample_minutes),
        dtypes=READING_DTYPES,
        key=READING_KEY,
    )


def parse_device(payload: Any) -> Device:
    """Read the answer of ``/device``; what is missing or unreadable there is None.

    Raises
    ------
    SourceUnavailable
        If the payload is not an object with a serial number.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("serial_number"), str):
        raise SourceUnavailable(
            "Powerpal device: expected a JSON object with serial_number, found "
            f"{shown(payload)}; try again later"
        )
    return Device(
        serial_number=payload["serial_number"],
        first_reading_at=_instant(payload, "first_reading_timestamp"),
        last_reading_at=_instant(payload, "last_reading_timestamp"),
        last_reading_watt_hours=_known(payload, "last_reading_watt_hours"),
        total_watt_hours=_known(payload, "total_watt_hours"),
        available_days=optional_count(payload, "available_days", []),
    )


def _read_reading(sample_minutes: int, row: dict[str, Any], notes: list[str]) -> tuple[Any, ...]:
    timestamp = required_number(row, "timestamp")
    if timestamp % 60 or not 0 < timestamp < LATEST:
        raise RowError(
            f"timestamp is {shown(row['timestamp'])}, not a whole minute in Unix seconds"
        )
    pulses = row.get("pulses")
    if pulses is not None:
        pulses = _not_negative(row, "pulses")
        if not pulses.is_integer() or pulses > MAX_COUNT:
            raise RowError(f"pulses is {shown(row['pulses'])}, not a count")
        pulses = int(pulses)
    watt_hours = row.get("watt_hours")
    if watt_hours is not None:
        watt_hours = _not_negative(row, "watt_hours")
    if pulses is None and watt_hours is None:
        raise RowError("pulses and watt_hours are both missing")
    return (
        int(timestamp),
        sample_minutes,
        pulses,
        watt_hours,
        optional_number(row, "cost", notes),
        optional_flag(row, "is_peak", notes),
        optional_count(row, "samples", notes),
    )


def _not_negative(row: dict[str, Any], key: str) -> float:
    number = required_number(row, key)
    if number < 0:
        raise RowError(f"{key} is {shown(row[key])}, less than 0")
    return number


def _windows(
    start: datetime, end: datetime, sample_minutes: int
) -> list[tuple[datetime, datetime]]:
    """Cut [start, end) at clock-aligned buckets, so that each piece fits one request."""
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("start and end must have a time zone")
    if sample_minutes < 1:
        raise ValueError(f"sample_minutes must be at least 1, not {sample_minutes}")
    bucket = 60 * sample_minutes
    first, after = (int(-(-moment.timestamp() // bucket)) * bucket for moment in (start, end))
    step = bucket * MAX_READINGS_PER_REQUEST
    return [
        (datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(min(at + step, after), UTC))
        for at in range(first, after, step)
    ]


def _instant(payload: dict[str, Any], key: str) -> datetime | None:
    seconds = optional_number(payload, key, [])
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < LATEST else None


def _known(payload: dict[str, Any], key: str) -> float | None:
    number = optional_number(payload, key, [])
    return None if math.isnan(number) else number
