"""Weather over the demo home: cloud and temperature, as hashed noise around the season.

Cloud is shared by the roof and by the wholesale market: a dull day is a dear day.
"""

from dataclasses import dataclass

import numpy as np

from energy_pipeline.demo.noise import Floats, Ints, smooth_normal

_HOUR = 3600
_YEAR_DAYS = 365.2425
_CLOUD_DAYS, _CLOUD_HOURS, _CLOUD_MINUTES, _HEAT_DAYS, _HEAT_HOURS = range(100, 105)


def regime_score(seed: int, epoch_seconds: Ints) -> Floats:
    """Standard normal of the weather of these days; high is dull and still."""
    return smooth_normal(seed, _CLOUD_DAYS, epoch_seconds, 40 * _HOUR)


@dataclass(frozen=True, slots=True)
class Weather:
    """Weather at some instants. Arrays of shape (n,)."""

    clear_fraction: Floats  # of the clear-sky sunlight, what reaches the roof; 0.08 to 1
    temperature_c: Floats  # outdoors [degrees C]


def weather_at(seed: int, epoch_seconds: Ints) -> Weather:
    """Cloud and temperature, the days clear and warm or dull and mild in spells."""
    regime = regime_score(seed, epoch_seconds)
    passing = smooth_normal(seed, _CLOUD_HOURS, epoch_seconds, 2 * _HOUR)
    flicker = smooth_normal(seed, _CLOUD_MINUTES, epoch_seconds, 420)
    score = 0.8 * regime + 0.5 * passing
    # Broken cloud flickers most; a clear and a fully grey sky are both steady.
    broken = np.clip(1.0 - np.abs(score - 0.6) / 1.2, 0.0, 1.0)
    thick = np.clip(score + 0.5, 0.0, None)
    clear = np.clip(1.04 - 0.36 * thick + 0.2 * broken * flicker, 0.08, 1.0)

    season = np.cos(2 * np.pi * (epoch_seconds / 86_400.0 - 24.0) / _YEAR_DAYS)  # 25 January
    hour = (epoch_seconds / _HOUR + 10.0) % 24.0
    swing = 4.0 - 0.8 * np.clip(regime, -2.0, 2.0)  # clear days are hotter, clear nights colder
    spell = smooth_normal(seed, _HEAT_DAYS, epoch_seconds, 60 * _HOUR)
    drift = smooth_normal(seed, _HEAT_HOURS, epoch_seconds, 5 * _HOUR)
    daily = swing * np.cos(2 * np.pi * (hour - 14.5) / 24.0)
    return Weather(clear, 17.6 + 5.4 * season + daily + 2.6 * spell + 0.7 * drift)
