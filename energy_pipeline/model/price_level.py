"""One word for a price: free, cheap, normal, expensive or spike.

The words come from the household's own price distribution (`PriceBands`), so that "cheap" means
cheap *here*. Where there is no distribution yet, the supplier's descriptor stands in. Colours and
shapes belong to the screen, not here.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class PriceLevel(StrEnum):
    """The word shown beside a price."""

    FREE = "free"
    CHEAP = "cheap"
    NORMAL = "normal"
    EXPENSIVE = "expensive"
    SPIKE = "spike"
    UNRATED = "unrated"  # a price, but nothing yet to compare it with


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBands:
    """The household's own price distribution. [c/kWh incl. GST]; None: not enough days yet."""

    cheap_below_c_per_kwh: float | None
    expensive_above_c_per_kwh: float | None
    spike_above_c_per_kwh: float


# A word, once shown, is left only when the price has moved this far beyond the band's edge:
# a twentieth of the distance between the edges, and never less than half a cent.
HYSTERESIS_FRACTION = 0.05
HYSTERESIS_MINIMUM_C_PER_KWH = 0.5

# Amber's own words, see `descriptor` in its public OpenAPI specification 2.0.0.
_DESCRIPTORS = {
    "extremelyLow": PriceLevel.CHEAP,
    "veryLow": PriceLevel.CHEAP,
    "low": PriceLevel.CHEAP,
    "neutral": PriceLevel.NORMAL,
    "high": PriceLevel.EXPENSIVE,
    "spike": PriceLevel.SPIKE,
}


def price_level(
    price_c_per_kwh: float,
    bands: PriceBands | None,
    spike_status: str | None,
    previous_level: PriceLevel | None = None,
    descriptor: str | None = None,
) -> PriceLevel:
    """Name the level of one price, sticking to the previous word near a band's edge.

    Parameters
    ----------
    price_c_per_kwh : float
        What a kWh from the grid costs. [c/kWh incl. GST]
    bands : PriceBands or None
        None, or edges of None, while the household has too few days.
    spike_status : str or None
        The supplier's: "spike" is always a spike; every other word is judged by the price.
    previous_level : PriceLevel or None
        Level of the interval before. Extremes are entered at the edge and left only beyond the
        margin, so that a price hovering at an edge does not make the word flap. Free is a fact
        (nothing to pay), so it has no margin.
    descriptor : str or None
        The supplier's word, used only where `bands` has no edges.

    Raises
    ------
    ValueError
        If the price is not a finite number.
    """
    if not math.isfinite(price_c_per_kwh):
        raise ValueError(f"price_c_per_kwh must be a finite number, not {price_c_per_kwh}")
    if price_c_per_kwh <= 0:
        return PriceLevel.FREE
    if spike_status == "spike":
        return PriceLevel.SPIKE
    if bands is None:
        return _DESCRIPTORS.get(descriptor or "", PriceLevel.UNRATED)

    cheap_below = bands.cheap_below_c_per_kwh
    expensive_above = bands.expensive_above_c_per_kwh
    margin = HYSTERESIS_MINIMUM_C_PER_KWH
    if cheap_below is not None and expensive_above is not None:
        margin = max(margin, HYSTERESIS_FRACTION * (expensive_above - cheap_below))

    spike_edge = bands.spike_above_c_per_kwh
    if price_c_per_kwh > spike_edge - (margin if previous_level == PriceLevel.SPIKE else 0.0):
        return PriceLevel.SPIKE
    if cheap_below is None or expensive_above is None:
        return _DESCRIPTORS.get(descriptor or "", PriceLevel.UNRATED)
    was_expensive = previous_level in (PriceLevel.EXPENSIVE, PriceLevel.SPIKE)
    if price_c_per_kwh > expensive_above - (margin if was_expensive else 0.0):
        return PriceLevel.EXPENSIVE
    was_cheap = previous_level in (PriceLevel.CHEAP, PriceLevel.FREE)
    if price_c_per_kwh < cheap_below + (margin if was_cheap else 0.0):
        return PriceLevel.CHEAP
    return PriceLevel.NORMAL


def price_levels(
    prices: Iterable[tuple[float | None, str | None, str | None]], bands: PriceBands | None
) -> list[PriceLevel | None]:
    """Levels of consecutive intervals, each judged with the one before in mind.

    The word now therefore depends on the data alone, not on when a screen was switched on.

    Parameters
    ----------
    prices : iterable of (price_c_per_kwh, spike_status, descriptor)
        In order of time. A price of None gives None, and the memory starts afresh.
    bands : PriceBands or None
    """
    levels: list[PriceLevel | None] = []
    previous: PriceLevel | None = None
    for price_c_per_kwh, spike_status, descriptor in prices:
        if price_c_per_kwh is None:
            previous = None
        else:
            previous = price_level(price_c_per_kwh, bands, spike_status, previous, descriptor)
        levels.append(previous)
    return levels
