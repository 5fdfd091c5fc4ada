"""The retail tariff of the demo home: from the wholesale price to the price on each channel.

All in cents per kWh with the supplier's signs. Import prices carry GST; feed-in does not, and is
negative where the household earns. Network, tariffs and adders are invented, of common size.
"""

from dataclasses import dataclass

import numpy as np

from energy_pipeline.demo import nem_time
from energy_pipeline.demo.noise import Floats, Ints, rounded

GENERAL, CONTROLLED_LOAD, FEED_IN = "general", "controlledLoad", "feedIn"
CHANNELS = (GENERAL, CONTROLLED_LOAD, FEED_IN)  # the order in which the supplier lists them
PERIODS = ("offPeak", "solarSponge", "peak")
SEASONS = ("default", "summer", "winter")

GST = 1.1
LOSS_FACTOR = 1.0539
SPIKE_C_PER_KWH = 330.0  # spot; $3,000/MWh

# Network, market and environmental charges with GST, by season (rows) and period (columns).
_GENERAL_ADDERS = np.array([[15.62, 8.14, 19.87], [15.62, 8.14, 31.46], [15.62, 8.14, 31.46]])
_CONTROLLED_LOAD_ADDERS = np.array([[9.35, 7.48, 13.2]] * 3)
_EXPORT_COMPONENTS = np.array([0.0, -1.56, 3.47])  # by period, without GST

_DESCRIPTORS = np.array(["extremelyLow", "veryLow", "low", "neutral", "high"])
_IMPORT_STEPS = np.array([15.0, 24.0, 32.0, 42.0])
_EARNING_STEPS = np.array([2.0, 7.0, 12.0, 19.0])


@dataclass(frozen=True, slots=True)
class TariffPeriods:
    """Tariff period, season and demand window of some slots. All of shape (n,)."""

    period: Ints  # index into PERIODS
    season: Ints  # index into SEASONS
    demand_window: np.ndarray


def tariff_periods(slots: Ints) -> TariffPeriods:
    """Periods by the Sydney clock: solar sponge 10:00-15:00, peak 16:00-21:00, every day."""
    seconds = slots * nem_time.SLOT_SECONDS
    hour, month = nem_time.local_hour(seconds), nem_time.local_month(seconds)
    period = np.where((hour >= 10) & (hour < 15), 1, np.where((hour >= 16) & (hour < 21), 2, 0))
    season = np.where((month >= 11) | (month <= 3), 1, np.where((month >= 6) & (month <= 8), 2, 0))
    return TariffPeriods(period, season, (period == 2) & (season > 0))


def spot_c_per_kwh(rrp: Floats) -> Floats:
    """Wholesale price with GST, five decimals. [c/kWh]"""
    return rounded(rrp / 10.0 * GST, 5)


def price_c_per_kwh(channel: str, spot: Floats, periods: TariffPeriods) -> Floats:
    """Price on a channel, five decimals, supplier's sign. [c/kWh]"""
    if channel == FEED_IN:
        price = -(LOSS_FACTOR * spot / GST + _EXPORT_COMPONENTS[periods.period])
    else:
        adders = _GENERAL_ADDERS if channel == GENERAL else _CONTROLLED_LOAD_ADDERS
        price = LOSS_FACTOR * spot + adders[periods.season, periods.period]
    return rounded(price, 5)


def descriptors(channel: str, price: Floats, spot: Floats) -> list[str]:
    """The supplier's word for each price; on feed-in the word follows the earnings."""
    steps, value = (_EARNING_STEPS, -price) if channel == FEED_IN else (_IMPORT_STEPS, price)
    words = _DESCRIPTORS[np.searchsorted(steps, value, side="right")]
    return [
        "spike" if high else str(w) for w, high in zip(words, spot >= SPIKE_C_PER_KWH, strict=True)
    ]
