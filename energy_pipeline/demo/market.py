"""The wholesale market of the demo home: prices, what is forecast of them, and renewables.

A hidden score, standard normal and slow to change, says how dear an interval is for its hour and
season; a table of real quantiles turns the score into a price. Shape, not history: no interval of
the demo ever happened.
"""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np

from energy_pipeline.demo import nem_time
from energy_pipeline.demo.noise import Floats, Ints, normal, rounded, smooth_normal
from energy_pipeline.demo.weather import regime_score, weather_at

DEFAULT_SEED = 2024
TABLE_PATH = Path(__file__).with_name("price_quantiles.csv")
FLOOR_RRP = -1000.0  # market floor price [$/MWh]
# Market price cap from each date on. [$/MWh] Source: AEMC, schedule of reliability settings.
CAPS_RRP = ((date(2025, 7, 1), 20_300.0), (date(2024, 7, 1), 17_500.0), (date.min, 16_600.0))

_SCALES = (  # stream, scale in slots, share of the variance; measured on the real scores
    (200, 6, 0.10),
    (201, 24, 0.16),
    (202, 90, 0.24),
    (203, 1440, 0.10),
)
_JUMP_STREAM, _JUMP_SHARE = 204, 0.09
_REGIME_SHARE = 0.31
_ERROR_STREAM, _ISSUE_STREAM, _WIND_STREAM = 205, 206, 207
_WEEKEND_SCORE, _WEEKDAY_SCORE = -0.3, 0.12


@dataclass(frozen=True, slots=True)
class Forecast:
    """Prices foreseen for some slots. [$/MWh] All of shape (n,)."""

    rrp: Floats  # the market operator's
    low: Floats  # the retailer's own, with its band
    predicted: Floats
    high: Floats
    range_low: Floats  # what the market might do
    range_high: Floats


@lru_cache(maxsize=1)
def _quantiles() -> tuple[Floats, Floats]:
    """Scores (k,), and prices by season, hour and score (4, 24, k). [$/MWh]"""
    lines = TABLE_PATH.read_text(encoding="utf-8").splitlines()
    header, *rows = (line for line in lines if not line.startswith("#"))
    scores = np.array([float(name) for name in header.split(",")[2:]])
    table = np.array([[float(cell) for cell in row.split(",")[2:]] for row in rows])
    return scores, table.reshape(4, 24, len(scores))


def score(seed: int, slots: Ints) -> Floats:
    """How dear each slot is for its hour and season: standard normal, shape (n,)."""
    total: Floats = np.sqrt(_REGIME_SHARE) * regime_score(seed, slots * nem_time.SLOT_SECONDS)
    total += np.sqrt(_JUMP_SHARE) * normal(seed, _JUMP_STREAM, slots)
    for stream, scale, share in _SCALES:
        total += np.sqrt(share) * smooth_normal(seed, stream, slots, scale)
    weekday = (nem_time.nem_day_of_slot(slots) + 3) % 7  # 1970-01-01 was a Thursday
    total += np.where(weekday >= 5, _WEEKEND_SCORE, _WEEKDAY_SCORE)
    return total


def rrp_of_score(slots: Ints, scores: Floats) -> Floats:
    """Price of a score in the season and hour of its slot. [$/MWh] Two decimals, floor and cap."""
    known, table = _quantiles()
    seconds = slots * nem_time.SLOT_SECONDS + nem_time.NEM_OFFSET_SECONDS + 150
    hour = seconds / 3600.0 - 0.5  # rows of the table stand at the middle of their hour
    season = (seconds / 86_400.0 - 14.0) / (365.2425 / 4)  # and of their season: mid-January
    hour_row, season_row = np.floor(hour), np.floor(season)
    after_hour, after_season = hour - hour_row, season - season_row
    place = np.clip(np.searchsorted(known, scores, side="right") - 1, 0, len(known) - 2)
    along = np.clip((scores - known[place]) / (known[place + 1] - known[place]), 0.0, 1.0)
    price = np.zeros(slots.shape)
    for next_season in (0, 1):
        for next_hour in (0, 1):
            row = (
                (season_row + next_season).astype(np.int64) % 4,
                (hour_row + next_hour).astype(np.int64) % 24,
            )
            weight = after_season if next_season else 1.0 - after_season
            weight = weight * (after_hour if next_hour else 1.0 - after_hour)
            low, high = table[(*row, place)], table[(*row, place + 1)]
            price += weight * (low + along * (high - low))
    cap = _cap_rrp(slots)
    # Bids crowd at the two ends: what comes near the cap is the cap, and so with the floor.
    price = np.where(price > 0.75 * cap, cap, price)
    price = np.where(price < 0.75 * FLOOR_RRP, FLOOR_RRP, price)
    return rounded(np.clip(price, FLOOR_RRP, cap), 2)


def _cap_rrp(slots: Ints) -> Floats:
    days = nem_time.nem_day_of_slot(slots)
    caps = np.full(slots.shape, CAPS_RRP[-1][1])
    for since, cap in reversed(CAPS_RRP[:-1]):
        caps[days >= nem_time.nem_day_of_date(since)] = cap
    return caps


def rrp(seed: int, slots: Ints) -> Floats:
    """Wholesale price of each slot, as dispatched. [$/MWh without GST] Shape (n,)."""
    return rrp_of_score(slots, score(seed, slots))


def forecast(seed: int, slots: Ints, issued_slot: int) -> Forecast:
    """What was foreseen of `slots` at the start of `issued_slot`.

    The further ahead, the less the forecast knows of the score and the wider its band. Part of
    the error belongs to the hour foreseen, part to the issue, so a forecast improves in steps.
    """
    lead_hours = np.clip(slots - issued_slot, 0, None) * (nem_time.SLOT_SECONDS / 3600.0)
    skill = 0.985 - 0.45 * lead_hours / (lead_hours + 12.0)
    doubt = np.sqrt(1.0 - skill**2)
    error = 0.75 * smooth_normal(seed, _ERROR_STREAM, slots, 18)
    error += 0.66 * smooth_normal(seed, (_ISSUE_STREAM << 32) + issued_slot, slots, 18)
    truth = score(seed, slots)
    foreseen = skill * truth + 0.7 * doubt * error
    better = 0.6 * foreseen + 0.4 * (0.5 + 0.5 * skill) * truth
    return Forecast(
        rrp=rrp_of_score(slots, foreseen),
        low=rrp_of_score(slots, better - 0.1 - 0.8 * doubt),
        predicted=rrp_of_score(slots, better),
        high=rrp_of_score(slots, better + 0.1 + 0.8 * doubt),
        range_low=rrp_of_score(slots, foreseen - 0.2 - 1.2 * doubt),
        range_high=rrp_of_score(slots, foreseen + 0.2 + 1.2 * doubt),
    )


def last_forecast_slot(slot: int) -> int:
    """Last slot of which anything is foreseen: the trading day ends at 04:00 NEM time.

    From 12:30 on the next trading day is foreseen too, as in AEMO's pre-dispatch.
    """
    trading_day, minute = divmod(slot * 5 + 600 - 240, 1440)
    days = 2 if minute >= 8 * 60 + 30 else 1
    return ((trading_day + days) * 1440 + 240 - 600) // 5 - 1


def renewables_percent(seed: int, slots: Ints, *, region: int = 0) -> Floats:
    """Renewable share of the grid. [%] Shape (n,), two decimals; may exceed 100.

    `region` shifts sun and wind; 0 is New South Wales, whose dear hours are its dull ones.
    """
    seconds = slots * nem_time.SLOT_SECONDS
    hour = (seconds / 3600.0 + 10.0) % 24.0
    season = np.cos(2 * np.pi * (seconds / 86_400.0 + 14.0) / 365.2425)  # mid-December
    half_day_hours = 6.0 + 1.1 * season
    height = np.clip(np.cos(np.pi * (hour - 12.0) / (2 * half_day_hours)), 0.0, None)
    height = np.where(np.abs(hour - 12.0) < half_day_hours, height, 0.0)
    clear = weather_at(seed, seconds).clear_fraction
    sun = (62.0 + 9.0 * season) * height * (0.55 + 0.45 * clear)
    wind = 9.0 * smooth_normal(seed, _WIND_STREAM + region, slots, 96)
    calm = 5.0 * regime_score(seed, seconds)
    return rounded(np.clip(26.0 + 4.0 * region + sun + wind - calm, 2.0, None), 2)
