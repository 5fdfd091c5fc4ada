"""Powerpal's HTTP: the device, and its readings of the demo home's general meter."""

import hmac
from datetime import datetime
from functools import lru_cache

import numpy as np

from energy_pipeline.demo import nem_time
from energy_pipeline.demo.household import MINUTES_PER_DAY, PULSES_PER_KWH, metered_day
from energy_pipeline.demo.noise import Ints
from energy_pipeline.demo.routing import Home, Reply, Request, Route, json_reply, message

PREFIX = "/powerpal"
DEMO_POWERPAL_DEVICE_ID = "0000de50"
DEMO_POWERPAL_TOKEN = "00000000-0000-4000-8000-0000000de500"
MAX_READINGS = 50_000
MAX_SAMPLE_MINUTES = 31 * MINUTES_PER_DAY

# The tariff typed into the app: it has nothing to do with Amber's prices.
_PEAK_AUD_PER_KWH, _OFF_PEAK_AUD_PER_KWH = 0.3817, 0.1837
_FIXED_AUD_PER_MINUTE = 1.254 / MINUTES_PER_DAY
_FIRST_MINUTE = nem_time.first_slot(nem_time.FIRST_NEM_DAY) * 5


def routes(home: Home) -> tuple[Route, ...]:
    """What Powerpal answers."""

    def device(request: Request) -> Reply:
        newest = newest_minute(request.now)
        if newest < _FIRST_MINUTE:
            return _refusal(request) or message(404, "No readings yet")
        return _refusal(request) or json_reply(_device(home.seed, newest))

    def readings(request: Request) -> Reply:
        return _refusal(request) or _readings(home.seed, request)

    return (
        Route("/api/v1/device/{serial}", device),
        Route("/api/v1/meter_reading/{serial}", readings),
    )


def newest_minute(now: datetime) -> int:
    """The last whole minute that has reached the cloud, in minutes since the epoch."""
    return int(now.timestamp() // 60) - 1


def _refusal(request: Request) -> Reply | None:
    if not hmac.compare_digest(
        (request.authorization or "").encode(), DEMO_POWERPAL_TOKEN.encode()
    ):
        return message(401, "Unauthorized")
    if request.path["serial"] != DEMO_POWERPAL_DEVICE_ID:
        return message(403, "Forbidden")
    return None


def pulses_between(seed: int, first: int, last: int) -> Ints:
    """Pulses of the minutes first..last (both inclusive, minutes since the epoch)."""
    days = range(nem_time.nem_day_of_slot(first // 5), nem_time.nem_day_of_slot(last // 5) + 1)
    begin = nem_time.first_slot(days[0]) * 5
    whole = np.concatenate([metered_day(seed, day).pulses for day in days])
    return whole[first - begin : last - begin + 1]


def _is_peak(minutes: Ints) -> np.ndarray:
    hour = nem_time.local_hour(minutes * 60)
    return (hour >= 14) & (hour < 20)


@lru_cache(maxsize=8192)
def _day_totals(seed: int, nem_day: int) -> tuple[int, int]:
    """Pulses of a whole NEM day, and those of them at the peak price."""
    first = nem_time.first_slot(nem_day) * 5
    pulses = metered_day(seed, nem_day).pulses
    peak = _is_peak(np.arange(first, first + MINUTES_PER_DAY, dtype=np.int64))
    return int(pulses.sum()), int(pulses[peak].sum())


def _device(seed: int, newest: int) -> dict[str, object]:
    today = nem_time.nem_day_of_slot(newest // 5)
    totals = [_day_totals(seed, day) for day in range(nem_time.FIRST_NEM_DAY, today)]
    begin = nem_time.first_slot(today) * 5
    pulses = pulses_between(seed, begin, newest)
    peak = _is_peak(np.arange(begin, newest + 1, dtype=np.int64))
    total = sum(day[0] for day in totals) + int(pulses.sum())
    at_peak = sum(day[1] for day in totals) + int(pulses[peak].sum())
    count = newest - _FIRST_MINUTE + 1
    usage_aud = (
        at_peak * _PEAK_AUD_PER_KWH + (total - at_peak) * _OFF_PEAK_AUD_PER_KWH
    ) / PULSES_PER_KWH
    (last,) = _reading_rows(np.array([newest]), pulses[-1:], 1)
    return {
        "serial_number": DEMO_POWERPAL_DEVICE_ID,
        "total_meter_reading_count": count,
        "total_watt_hours": round(total * 1000 / PULSES_PER_KWH),
        "total_cost": round(usage_aud + count * _FIXED_AUD_PER_MINUTE, 5),
        "first_reading_timestamp": _FIRST_MINUTE * 60,
        "last_reading_timestamp": newest * 60,
        "last_reading_watt_hours": last["watt_hours"],
        "last_reading_cost": last["cost"],
        "available_days": -(-count // MINUTES_PER_DAY),
    }


def _readings(seed: int, request: Request) -> Reply:
    try:
        newest = newest_minute(request.now)
        start = int(request.query.get("start", _FIRST_MINUTE * 60))
        end = int(request.query.get("end", newest * 60))
        sample = int(request.query.get("sample", 1))
    except ValueError:
        return message(400, "start, end and sample must be whole numbers")
    if not 1 <= sample <= MAX_SAMPLE_MINUTES:
        return message(400, f"sample must be 1 to {MAX_SAMPLE_MINUTES} minutes")
    aligned = -(-start // 60)
    aligned += max(_FIRST_MINUTE - aligned, 0) // sample * sample
    first, last = max(aligned, _FIRST_MINUTE), min(end // 60, newest)
    if last < first:
        return json_reply([])
    labels = np.arange(aligned, last + 1, sample, dtype=np.int64)
    if len(labels) > MAX_READINGS:
        return message(400, f"More than {MAX_READINGS} readings requested")
    starts = np.clip(labels - first, 0, None)
    pulses = np.add.reduceat(pulses_between(seed, first, last), starts)
    return json_reply(_reading_rows(labels, pulses, sample))


def _reading_rows(labels: Ints, pulses: Ints, sample: int) -> list[dict[str, object]]:
    """One row for each bucket: its first minute, its pulses, and its cost at that minute's price.

    Watt-hours are whole, rounded half up. The last bucket may still be open, and says `sample`
    all the same.
    """
    fixed = _FIXED_AUD_PER_MINUTE * sample
    rows: list[dict[str, object]] = []
    for label, count, peak in zip(
        labels.tolist(), pulses.tolist(), _is_peak(labels).tolist(), strict=True
    ):
        watt_hours = (count * 2000 + PULSES_PER_KWH) // (2 * PULSES_PER_KWH)
        price = _PEAK_AUD_PER_KWH if peak else _OFF_PEAK_AUD_PER_KWH
        usage = round(watt_hours * price / 1000, 7)
        rows.append(
            {
                "timestamp": label * 60,
                "pulses": count,
                "watt_hours": watt_hours,
                "cost": round(usage + fixed, 10),
                "usage_cost": usage,
                "fixed_cost": round(fixed, 8),
                "cost_per_kwh": price,
                "is_peak": peak,
                "is_final": False,
                "samples": sample,
            }
        )
    return rows
