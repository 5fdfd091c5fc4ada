"""Weather over the demo home: cloud and temperature, as hashed noise around the season.

Cloud is shared by the roof and by the wholesale market: a dull day is a dear day.
"""

import numpy as np

from energy_pipeline.demo.noise import Floats, Ints, smooth_normal

_HOUR = 3600
_YEAR_DAYS = 365.2425
_CLOUD_DAYS, _CLOUD_HOURS, _CLOUD_MINUTES, _HEAT_DAYS, _HEAT_HOURS = range(100, 105)


def regime_score(seed: int, epoch_seconds: Ints) -> Floats:
    """Standard normal of the weather of these days; high is dull and still."""
    return smooth_normal(seed, _CLOUD_DAYS, epoch_seconds, 40 * _HOUR)


def clear_fraction(seed: int, epoch_seconds: Ints) -> Floats:
    """Share of the clear-sky sunlight that reaches the roof, 0.08 to 1."""
    passing = smooth_normal(seed, _CLOUD_HOURS, epoch_seconds, 2 * _HOUR)
    flicker = smooth_normal(seed, _CLOUD_MINUTES, epoch_seconds, 420)
    score = 0.8 * regime_score(seed, epoch_seconds) + 0.5 * passing
    # Broken cloud flickers most; a clear and a fully grey sky are both steady.
    broken = np.clip(1.0 - np.abs(score - 0.6) / 1.2, 0.0, 1.0)
    return np.clip(1.04 - 0.36 * np.clip(score + 0.3, 0.0, None) + 0.2 * broken * flicker, 0.08, 1)


def temperature_c(seed: int, epoch_seconds: Ints) -> Floats:
    """Outdoor temperature. [degrees C]"""
    days = epoch_seconds / 86_400.0
    season = np.cos(2 * np.pi * (days - 24.0) / _YEAR_DAYS)  # hottest about 25 January
    hour = (epoch_seconds / _HOUR + 10.0) % 24.0
    daily = np.cos(2 * np.pi * (hour - 14.5) / 24.0)
    spell = smooth_normal(seed, _HEAT_DAYS, epoch_seconds, 60 * _HOUR)
    passing = smooth_normal(seed, _HEAT_HOURS, epoch_seconds, 5 * _HOUR)
    sunny = clear_fraction(seed, epoch_seconds // _HOUR * _HOUR)
    return 17.6 + 5.4 * season + (2.2 + 2.4 * sunny) * daily + 2.6 * spell + 0.7 * passing
