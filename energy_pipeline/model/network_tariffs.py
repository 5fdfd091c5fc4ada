"""Network energy rates of the distributors, read from the `aemo-to-tariff` package.

The package answers every question, also those it has no figure for: an unknown network or code, an
hour no period covers, a month before its first price list, all get a straight line through the
spot price or the first rate of a table. So this module asks only for names on a closed list, only
inside the price years the package holds, and checks each answer for the marks of a guess. It takes
no daily fee (0 or 100 c where the package has none) and no demand charge (hours fixed in its code,
units that differ by network): those are entered by hand from the distributor's price list.
"""

import importlib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from energy_pipeline.model.tariff import BlockPrice, EnergyCharge, FlatPrice, Tier, Window
from energy_pipeline.model.tariff_document import near
from energy_pipeline.model.tariff_week import SLOTS, grid_windows

FIRST_DAY, LAST_DAY = date(2025, 7, 1), date(2027, 6, 30)  # of the price lists in the package
_HALF_HOURS = 48
# A Wednesday, a Saturday and a Sunday stand for the days of the week.
_DAY_KINDS = {2: range(5), 5: range(5, 6), 6: range(6, 7)}
_MODULES = {"sa power networks": "sapower"}


@dataclass(frozen=True, slots=True)
class _Known:
    title: str
    demand: bool = False
    from_year: int = 2025  # first price year (1 July) that has it
    until_year: int = 2026


# Residential codes for which the package's table of periods and its own answers agree in every half
# hour. Networks whose rates the package does not say to be before or with GST are left out.
_KNOWN: dict[str, dict[str, _Known]] = {
    "ausgrid": {
        "EA010": _Known("Residential flat"),
        "EA025": _Known("Residential time of use"),
        "EA111": _Known("Residential demand (introductory)", demand=True),
        "EA116": _Known("Residential demand", demand=True),
    },
    "endeavour": {
        "N70": _Known("Residential flat"),
        "N71": _Known("Residential seasonal time of use"),
        "N73": _Known("Residential demand transitional", demand=True),
    },
    "energex": {
        "8400": _Known("Residential flat"),
        "6900": _Known("Residential time of use"),
        "3900": _Known("Residential time of use demand", demand=True),
        "3700": _Known("Residential demand", demand=True, until_year=2025),
        "96200": _Known("Residential two-way trial, import side", from_year=2026),
    },
    "ergon": {
        "ERTOUET1": _Known("Residential time of use, east"),
        "WRTOUET1": _Known("Residential time of use, west"),
        # Its first price list in the package is in AUD where every other one is in cents.
        "MRTOUET4": _Known("Residential time of use, Mount Isa", from_year=2026),
    },
    "essential": {
        "BLNN2AU": _Known("Residential anytime"),
        "BLNT3AU": _Known("Residential time of use, basic meter"),
        "BLNT3AL": _Known("Residential time of use, interval meter"),
        "BLNRSS2": _Known("Residential sun soaker"),
        "BLND1AR": _Known("Residential demand", demand=True),
    },
    "sa power networks": {
        "RSR": _Known("Residential single rate"),
        "RTOU": _Known("Residential time of use"),
        "RPRO": _Known("Residential prosumer", demand=True),
        "RELE": _Known("Residential electrify"),
    },
}


@dataclass(frozen=True, slots=True)
class NetworkTariff:
    """Energy charges of one network tariff in one price year, and what has to be added by hand."""

    network: str
    code: str
    title: str
    timezone: str
    valid_from: date
    valid_to: date
    energy: tuple[EnergyCharge, ...]
    missing: tuple[str, ...]


def known_network_tariffs() -> list[tuple[str, str, str]]:
    """Network, code and title of every tariff that can be asked for."""
    return [
        (network, code, known.title)
        for network, codes in _KNOWN.items()
        for code, known in codes.items()
    ]


def network_tariff(network: str, code: str, *, on: date) -> NetworkTariff:
    """Energy rates of a network tariff in the price year (July to June) that holds `on`.

    Parameters
    ----------
    network, code : str
        As in `known_network_tariffs`, in any letter case.

    Raises
    ------
    ValueError
        If the name is not on the list (the near ones are named), the package has no price list
        for that year, or it would have to guess a rate.
    """
    name = network.strip().lower()
    if name not in _KNOWN:
        raise ValueError(f"network {network!r} is not known{near(name, _KNOWN)}")
    codes = _KNOWN[name]
    key = code.strip().upper()
    if key not in codes:
        raise ValueError(f"{name} tariff {code!r} is not known{near(key, codes)}")
    if not FIRST_DAY <= on <= LAST_DAY:
        raise ValueError(f"network prices are known from {FIRST_DAY} to {LAST_DAY}, not on {on}")
    known = codes[key]
    first_year = on.year if on.month >= 7 else on.year - 1
    if not known.from_year <= first_year <= known.until_year:
        raise ValueError(f"{name} tariff {key} has no prices from July {first_year}")
    module = importlib.import_module(f"aemo_to_tariff.{_MODULES.get(name, name)}")
    rates = _sampled_rates(module, key, first_year)
    missing = ["the daily network charge"]
    if known.demand:
        missing.append("the demand charge")
    return NetworkTariff(
        network=name,
        code=key,
        title=known.title,
        timezone=module.time_zone(),
        valid_from=date(first_year, 7, 1),
        valid_to=date(first_year + 1, 6, 30),
        energy=_charges(f"{name} {key}", rates),
        missing=tuple(missing),
    )


def ausgrid_export_tariff() -> tuple[EnergyCharge, ...]:
    """EA029, the two-way tariff of Ausgrid for the price year 2025-26, without GST.

    The package charges the first kWh exported; the tariff charges only what a month exports
    between 10:00 and 15:00 beyond 6.85 kWh x its days. Figures: Ausgrid price list 2025-26.
    """
    charge = BlockPrice(
        tiers=(
            Tier(up_to_kwh=6.85, rate_aud_per_kwh=0.0),
            Tier(rate_aud_per_kwh=-0.012320),
        ),
        period="month",
        per_day=True,
    )
    sides: tuple[tuple[str, BlockPrice | FlatPrice, Window], ...] = (
        ("charge", charge, Window(start_minute=10 * 60, end_minute=15 * 60)),
        (
            "reward",
            FlatPrice(rate_aud_per_kwh=0.038551),
            Window(start_minute=16 * 60, end_minute=21 * 60),
        ),
    )
    return tuple(
        EnergyCharge(
            name=f"ausgrid EA029 {side}",
            direction="export",
            price=price,
            gst="none",
            windows=(window,),
            component="network",
        )
        for side, price, window in sides
    )


def _sampled_rates(module: ModuleType, code: str, first_year: int) -> npt.NDArray[np.float64]:
    """c/kWh incl. GST by month, kind of day and half hour. Shape (12, 3, 48)."""
    zone = ZoneInfo(module.time_zone())
    rates = np.empty((12, len(_DAY_KINDS), _HALF_HOURS))
    for month in range(1, 13):
        first = date(first_year if month >= 7 else first_year + 1, month, 8)
        for kind, weekday in enumerate(_DAY_KINDS):
            day = first + timedelta(days=(weekday - first.weekday()) % 7)
            periods = module.get_periods(code, datetime.combine(day, time(12), zone))
            _check_hours(periods, code)
            for half_hour in range(_HALF_HOURS):
                # The package names the end of an interval; the middle of the half hour is safe.
                # A local time, because it reads month and weekday off whatever clock it is given.
                moment = datetime.combine(day, time(half_hour // 2, half_hour % 2 * 30 + 15), zone)
                rate = module.convert(moment, code, 0.0)
                slope = module.convert(moment, code, 1000.0) - rate
                if abs(slope - 100.0) > 1e-9 or not _covered(periods, moment.time()):
                    raise ValueError(
                        f"{code} has no rate at {moment:%a %H:%M} in month {month}: "
                        "aemo-to-tariff would guess one"
                    )
                rates[month - 1, kind, half_hour] = round(rate, 9)
    return rates


def _check_hours(periods: list[tuple[Any, ...]], code: str) -> None:
    """Refuse hours that sampling by half hours would miss."""
    for edge in (edge for period in periods for edge in period[1:3]):
        if edge is not None and edge.minute not in (0, 30, 59):
            raise ValueError(f"{code} has a period edge at {edge}, not on a half hour")


def _covered(periods: list[tuple[Any, ...]], at: time) -> bool:
    for period in periods:
        start, end = period[1], period[2]
        if start is None or (start <= at < end) or (start > end and (at >= start or at < end)):
            return True
    return False


def _charges(name: str, rates: npt.NDArray[np.float64]) -> tuple[EnergyCharge, ...]:
    """One charge per distinct rate, with windows that share months where they can."""
    months_by_pattern: dict[bytes, list[int]] = {}
    for month in range(12):
        months_by_pattern.setdefault(rates[month].tobytes(), []).append(month + 1)
    windows: dict[float, list[Window]] = {}
    for months in months_by_pattern.values():
        seasons = () if len(months) == 12 else tuple((m * 100 + 1, m * 100 + 31) for m in months)
        pattern = rates[months[0] - 1]
        for rate in np.unique(pattern):
            grid = np.zeros((8, SLOTS), dtype=bool)
            for kind, rows in enumerate(_DAY_KINDS.values()):
                slots = np.repeat(pattern[kind] == rate, SLOTS // _HALF_HOURS)
                grid[list(rows)] = slots
            windows.setdefault(float(rate), []).extend(
                grid_windows(grid, seasons, holidays_apart=False)
            )
    return tuple(
        EnergyCharge(
            name=f"{name} {rate:.3f} c/kWh",
            direction="import",
            price=FlatPrice(rate_aud_per_kwh=rate / 100.0),
            gst="inc",
            windows=tuple(parts),
            component="network",
        )
        for rate, parts in sorted(windows.items(), reverse=True)
    )
