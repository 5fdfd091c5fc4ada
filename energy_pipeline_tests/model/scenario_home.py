"""A small made-up home for the tests of scenarios: weather, prices and use of a few days."""

from __future__ import annotations

import numpy as np
import pandas as pd

from energy_pipeline.model.scenario_data import ScenarioData

DOCUMENT = """
schema = "hes-scenario/1"
name = "Test home"

[household]
timezone = "Australia/Sydney"
latitude = -33.87
longitude = 151.21
export_limit_kw = 5.0

[plan]
kind = "delivered"
daily_aud = 1.0
"""

SOLAR = """
[solar]
kwp = 6.6
inverter_kw = 5.0
tilt_degrees = 22
azimuth_degrees = 0
price_aud = 7000
"""

BATTERY = """
[battery]
product = "tesla-powerwall-3"
"""

CAR = """
[ev]
vehicle = "tesla-model-y-long-range"
charger = "single-phase-7"
charging = "{charging}"

[[ev.trips]]
days = ["mon", "tue", "wed", "thu", "fri"]
depart = "08:00"
away_hours = 9.5
km = 60
"""

FINANCE = """
[finance]
installed = 2026-12-01
years = 20
discount_rate = 0.06
"""


def dispatch(strategy: str) -> str:
    """The table that names a strategy."""
    return f'[dispatch]\nstrategy = "{strategy}"\n'


def index_of(start: str, days: float) -> pd.DatetimeIndex:
    """5-minute intervals from a moment on."""
    return pd.date_range(start, periods=round(days * 288), freq="5min", name="interval_start")


def weather_of(index: pd.DatetimeIndex) -> pd.DataFrame:
    """Sun from 6 to 18 by NEM time, a little less each third day."""
    hour = (index.hour.to_numpy() + index.minute.to_numpy() / 60.0 + 10.0) % 24.0
    day = np.arange(len(index)) // 288
    height = np.clip(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0, None)
    bright = np.where(day % 3 == 2, 0.4, 1.0)
    return pd.DataFrame(
        {
            "ghi_w_m2": 850.0 * height * bright,
            "dni_w_m2": 750.0 * height**0.5 * bright**2,
            "dhi_w_m2": 120.0 * height,
            "temperature_c": 20.0,
        },
        index=index,
    )


def home(
    *, start: str = "2025-03-02T14:00Z", days: float = 14, seed: int = 1, gaps: int = 0
) -> ScenarioData:
    """A household with dear evenings, cheap noons, some spikes and some negative prices."""
    index = index_of(start, days)
    count = len(index)
    draw = np.random.default_rng(seed)
    hour = (np.arange(count) % 288) / 12.0
    level = np.repeat(draw.normal(0.0, 3.0, -(-count // 12)), 12)[:count]
    spot = 9.0 - 9.0 * np.exp(-((hour - 12.5) ** 2) / 8) + 16.0 * np.exp(-((hour - 18.5) ** 2) / 4)
    spot = spot + level + draw.normal(0.0, 1.0, count)
    spikes = draw.random(count) < 0.002
    spot[spikes] += draw.uniform(50.0, 900.0, spikes.sum())
    load = draw.gamma(2.0, 0.02, count) + 0.06 * np.exp(-((hour - 19.0) ** 2) / 5)
    if gaps:
        load[draw.integers(0, count, gaps)] = np.nan
    return ScenarioData(
        index=index,
        load_kwh=load,
        import_c_per_kwh=1.1 * (spot + 12.0),
        feed_in_c_per_kwh=spot,
        spot_aud_per_mwh=10.0 * spot,
        weather=weather_of(index),
    )
