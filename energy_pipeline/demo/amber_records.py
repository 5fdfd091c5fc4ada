"""Amber's price and usage records of the demo home, as JSON text.

Says what is known at an instant: actual prices of the past, the current price as an estimate and
then locked, forecasts to come, and metered usage from the day after. Records of the past never
change, so a NEM day is written once and kept.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from energy_pipeline.demo import household, market, nem_time, retail
from energy_pipeline.demo.noise import Floats, Ints, rounded, uniform

IDENTIFIERS = {retail.GENERAL: "E1", retail.CONTROLLED_LOAD: "E2", retail.FEED_IN: "B1"}

_LOCK_STREAM, _PUBLISH_STREAM, _REVISION_STREAM = 400, 401, 402
# When a price is locked in after its interval starts: points of the distribution that clients saw.
_LOCK_SHARES = (0.0, 0.5, 0.9, 0.95, 1.0)
_LOCK_SECONDS = (17.1, 22.5, 29.4, 30.2, 37.0)
_VOLATILE_C_PER_KWH = 25.0  # a wider range than this is shown
_HALF_HOUR = 6  # slots

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bands:
    """The retailer's forecast and the market's range. Shape (n,). [c/kWh with GST, spot]"""

    low: Floats
    predicted: Floats
    high: Floats
    range_low: Floats
    range_high: Floats


@dataclass(frozen=True, slots=True)
class PriceBlock:
    """Spot prices of a run of intervals of one length."""

    kind: str
    first_slots: Ints  # shape (n,)
    length: int  # slots in each interval
    spot: Floats  # shape (n,) [c/kWh with GST]
    bands: Bands | None = None  # of what is still foreseen
    estimate: bool | None = None  # of a current interval


def lock_delay_seconds(seed: int, slot: int) -> float:
    """How long after its start the price of a slot is locked in. [s] 17.1 to 37."""
    draw = uniform(seed, _LOCK_STREAM, np.array([slot]))[0]
    return float(np.interp(draw, _LOCK_SHARES, _LOCK_SECONDS))


def is_locked(seed: int, now: datetime) -> bool:
    """Whether the price of the interval that contains `now` is final."""
    slot = nem_time.slot_at(now)
    return now.timestamp() - slot * nem_time.SLOT_SECONDS >= lock_delay_seconds(seed, slot)


def published_at(seed: int, nem_day: int) -> datetime:
    """When the usage of a NEM day appears: between 09:00 and 15:30 NEM time of the next day."""
    draw = float(uniform(seed, _PUBLISH_STREAM, np.array([nem_day]))[0])
    midnight = (nem_time.first_slot(nem_day + 1)) * nem_time.SLOT_SECONDS
    return datetime.fromtimestamp(midnight, UTC) + timedelta(minutes=540 + int(390 * draw))


def usage_quality(seed: int, nem_day: int, now: datetime) -> str | None:
    """``estimated``, two days later ``billable``; None before it is published."""
    age = now - published_at(seed, nem_day)
    if age < timedelta(0):
        return None
    return "estimated" if age < timedelta(days=2) else "billable"


# Prices


@lru_cache(maxsize=256)
def actual_texts(seed: int, nem_day: int, channel: str, length: int) -> tuple[str, ...]:
    """The actual prices of a whole NEM day, one JSON object for each interval of `length` slots."""
    slots = nem_time.slots_of_day(nem_day)
    spot = _means(_day_spot(seed, nem_day), length)
    block = PriceBlock("ActualInterval", slots[::length], length, spot)
    return tuple(json.dumps(record) for record in price_records(seed, block, channel))


@lru_cache(maxsize=64)
def open_texts(
    seed: int, slot: int, locked: bool, channel: str, length: int
) -> tuple[tuple[int, str], ...]:
    """The current interval and all forecasts: (first slot, JSON object), in order of time."""
    found: list[tuple[int, str]] = []
    for block in open_blocks(seed, slot, locked, length):
        records = price_records(seed, block, channel)
        texts = (json.dumps(record) for record in records)
        found.extend(zip(block.first_slots.tolist(), texts, strict=True))
    return tuple(found)


def open_blocks(seed: int, slot: int, locked: bool, length: int) -> Iterator[PriceBlock]:
    """The current interval, then forecasts.

    On five minutes, forecasts are five-minute ones up to the last half-hour boundary within the
    hour, then half-hourly ones. A half-hour's current price blends what has passed with what is
    foreseen.
    """
    current = slot // length * length
    inside = np.arange(current, current + length, dtype=np.int64)
    # Each five minutes' estimate was issued at its own start; the locked price replaces it.
    known = inside < (slot + 1 if locked else slot)
    spot = np.where(known, _spot(seed, inside), _forecast_spot(seed, inside, slot))
    final = locked and slot == inside[-1]
    yield PriceBlock(
        "CurrentInterval",
        inside[:1],
        length,
        _means(spot, length),
        bands=None if final else _forecast_block(seed, inside, slot, length).bands,
        estimate=not final,
    )
    last = market.last_forecast_slot(slot)
    begin = current + length
    if length == 1:
        boundary = (slot + 12) // _HALF_HOUR * _HALF_HOUR
        near = np.arange(begin, boundary, dtype=np.int64)
        if near.size:
            yield _forecast_block(seed, near, slot, 1)
        begin = max(begin, boundary)
    far = np.arange(begin, last + 1, dtype=np.int64)
    issued = slot // _HALF_HOUR * _HALF_HOUR  # the long forecast is renewed every half hour
    yield _forecast_block(seed, far, issued, _HALF_HOUR)


@lru_cache(maxsize=1024)
def _day_spot(seed: int, nem_day: int) -> Floats:
    spot = _spot(seed, nem_time.slots_of_day(nem_day))
    spot.flags.writeable = False
    return spot


def _spot(seed: int, slots: Ints) -> Floats:
    return retail.spot_c_per_kwh(market.rrp(seed, slots))


def _forecast_spot(seed: int, slots: Ints, issued: int) -> Floats:
    return retail.spot_c_per_kwh(market.forecast(seed, slots, issued).rrp)


def _means(values: Floats, length: int) -> Floats:
    """Mean of every `length` slots, as precise as the API; a five-minute price is its own mean."""
    return rounded(values.reshape(-1, length).mean(axis=1), 5)


def _forecast_block(seed: int, slots: Ints, issued: int, length: int) -> PriceBlock:
    foreseen = market.forecast(seed, slots, issued)

    def spot(rrp: Floats) -> Floats:
        return _means(retail.spot_c_per_kwh(rrp), length)

    bands = Bands(
        low=spot(foreseen.low),
        predicted=spot(foreseen.predicted),
        high=spot(foreseen.high),
        range_low=spot(foreseen.range_low),
        range_high=spot(foreseen.range_high),
    )
    return PriceBlock("ForecastInterval", slots[::length], length, spot(foreseen.rrp), bands)


def price_records(seed: int, block: PriceBlock, channel: str) -> Iterator[Record]:
    """The intervals of a block on one channel, as the API's objects."""
    first = block.first_slots
    periods = retail.tariff_periods(first)
    price = retail.price_c_per_kwh(channel, block.spot, periods)
    words = retail.descriptors(channel, price, block.spot)
    tariffs = _tariffs(channel, periods)
    shares = renewables(seed, first, block.length)
    advanced = _advanced_prices(channel, block.bands, periods)
    for i, when in enumerate(times(first, block.length)):
        record: Record = {
            "type": block.kind,
            **when,
            "perKwh": float(price[i]),
            "renewables": float(shares[i]),
            "spotPerKwh": float(block.spot[i]),
            "channelType": channel,
            "spikeStatus": _spike_status(block, i),
        }
        if tariffs is not None:
            record["tariffInformation"] = tariffs[i]
        record["descriptor"] = words[i]
        if block.estimate is not None:
            record["estimate"] = block.estimate
        if block.bands is not None:
            low, high = float(block.bands.range_low[i]), float(block.bands.range_high[i])
            if high - low > _VOLATILE_C_PER_KWH:
                record["range"] = {"min": low, "max": high}
            record["advancedPrice"] = advanced[i]
        yield record


def _advanced_prices(
    channel: str, bands: Bands | None, periods: retail.TariffPeriods
) -> list[Record]:
    """All-in forecasts; on feed-in `low` is the lowest earning, so the highest number."""
    if bands is None:
        return []
    names = ("low", "predicted", "high")
    spots = (bands.low, bands.predicted, bands.high)
    prices = [retail.price_c_per_kwh(channel, spot, periods).tolist() for spot in spots]
    return [dict(zip(names, three, strict=True)) for three in zip(*prices, strict=True)]


def _spike_status(block: PriceBlock, i: int) -> str:
    if block.spot[i] >= retail.SPIKE_C_PER_KWH:
        return "spike"
    if block.bands is not None and block.bands.range_high[i] >= retail.SPIKE_C_PER_KWH:
        return "potential"
    return "none"


def renewables(seed: int, first: Ints, length: int, *, region: int = 0) -> Floats:
    """Renewable share of the grid in intervals of `length` slots. [%] Two decimals."""
    every = (first[:, None] + np.arange(length)).ravel()
    shares = market.renewables_percent(seed, every, region=region).reshape(-1, length)
    return rounded(shares.mean(axis=1), 2)


def _tariffs(channel: str, periods: retail.TariffPeriods) -> list[Record] | None:
    """`tariffInformation` of each interval; feed-in has none, controlled load no demand window."""
    if channel == retail.FEED_IN:
        return None
    found: list[Record] = []
    for period, season, demand in zip(
        periods.period.tolist(),
        periods.season.tolist(),
        periods.demand_window.tolist(),
        strict=True,
    ):
        tariff: Record = {"period": retail.PERIODS[period], "season": retail.SEASONS[season]}
        if channel == retail.GENERAL:
            tariff["demandWindow"] = demand
        found.append(tariff)
    return found


def times(first: Ints, length: int) -> Iterator[Record]:
    """Date and times of intervals: NEM date, start one second late, end in UTC and in NEM time."""
    starts = first * nem_time.SLOT_SECONDS
    ends = starts + length * nem_time.SLOT_SECONDS
    shift = nem_time.NEM_OFFSET_SECONDS
    for day, start, end, nem in zip(
        np.datetime_as_string((starts + shift).astype("datetime64[s]"), unit="D").tolist(),
        np.datetime_as_string((starts + 1).astype("datetime64[s]")).tolist(),
        np.datetime_as_string(ends.astype("datetime64[s]")).tolist(),
        np.datetime_as_string((ends + shift).astype("datetime64[s]")).tolist(),
        strict=True,
    ):
        yield {
            "date": day,
            "duration": length * 5,
            "startTime": start + "Z",
            "endTime": end + "Z",
            "nemTime": nem + "+10:00",
        }


# Usage


@lru_cache(maxsize=256)
def usage_texts(seed: int, nem_day: int, channel: str, quality: str) -> tuple[str, ...]:
    """The usage of a whole NEM day on one channel, one JSON object for each five minutes."""
    slots = nem_time.slots_of_day(nem_day)
    energy = metered_kwh(seed, nem_day, channel, quality)
    block = PriceBlock("Usage", slots, 1, _day_spot(seed, nem_day))
    texts = []
    for kwh, record in zip(energy.tolist(), price_records(seed, block, channel), strict=True):
        record["channelIdentifier"] = IDENTIFIERS[channel]
        record["quality"] = quality
        record["kwh"] = kwh
        # Plus zero: nothing used at a negative price costs 0.0, not -0.0.
        record["cost"] = round(kwh * record["perKwh"], 4) + 0.0
        texts.append(json.dumps(record))
    return tuple(texts)


def metered_kwh(seed: int, nem_day: int, channel: str, quality: str) -> Floats:
    """Energy on a channel, three decimals; the first estimate misses some intervals a little."""
    day = household.metered_day(seed, nem_day)
    true_kwh = {
        retail.GENERAL: day.import_kwh,
        retail.CONTROLLED_LOAD: day.controlled_load_kwh,
        retail.FEED_IN: day.export_kwh,
    }[channel]
    if quality == "billable":
        return true_kwh
    slots = nem_time.slots_of_day(nem_day)
    draw = uniform(seed, _REVISION_STREAM + retail.CHANNELS.index(channel), slots)
    off = np.where(draw < 0.12, 0.8 + 0.4 * (draw / 0.12), 1.0)
    return rounded(true_kwh * off, 3)


def usage_dates(first: date, last: date, today: date) -> Iterator[int]:
    """NEM days of a range of which usage is kept: 90 days back, and none before today is over."""
    oldest = max(first, today - timedelta(days=90), nem_time.FIRST_DATE)
    newest = min(last, today - timedelta(days=1))
    for number in range((newest - oldest).days + 1):
        yield nem_time.nem_day_of_date(oldest + timedelta(days=number))
