"""The parts of a Consumer Data Right plan that say when and how much: days, times, rates, steps.

Schema: Consumer Data Standards, Energy, EnergyPlanDetailV3 (older spellings are read too).
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from energy_pipeline.model.tariff import (
    MINUTES_PER_DAY,
    BlockPrice,
    FlatPrice,
    HolidayRule,
    Period,
    Price,
    Season,
    Tier,
    Window,
)
from energy_pipeline.model.tariff_document import Node, near
from energy_pipeline.model.tariff_week import SLOT_MINUTES, grid_windows, week_grid, where_first

HOLIDAYS, BUSINESS_DAYS = "PUBLIC_HOLIDAYS", "BUSINESS_DAYS"
_DAYS = {
    "MON": 0, "TUE": 1, "WED": 2, "THU": 3, "FRI": 4, "SAT": 5, "SUN": 6,
    "MONDAY": 0, "TUESDAY": 1, "WEDNESDAY": 2, "THURSDAY": 3, "FRIDAY": 4, "SATURDAY": 5,
    "SUNDAY": 6,
}  # fmt: skip
_DAY_GROUPS = {
    BUSINESS_DAYS: frozenset(range(5)),
    "WEEKDAYS": frozenset(range(5)),
    "WEEKENDS": frozenset({5, 6}),
    "WEEKEND": frozenset({5, 6}),
    HOLIDAYS: frozenset(),
}
_TIME = re.compile(r"T?(\d{1,2}):?(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?")
_PERIODS: dict[str, Period] = {
    "P1D": "day", "P1M": "month", "P30D": "month", "P3M": "quarter", "P90D": "quarter",
    "P91D": "quarter", "P1Y": "year", "P12M": "year", "P365D": "year",
}  # fmt: skip
# Which of two overlapping times of use is the exception and which the rule.
_RANK = {"PEAK": 0, "SOLAR_SPONGE": 0, "SHOULDER": 1, "SHOULDER1": 1, "SHOULDER2": 1, "OFF_PEAK": 2}


@dataclass(frozen=True, slots=True)
class Rate:
    """One rate with its windows, before it becomes a charge."""

    name: str
    tiers: tuple[Tier, ...]  # the last may end: the document prices nothing beyond it
    period: Period  # over which the tiers count
    windows: tuple[Window, ...]
    kind: str  # PEAK, OFF_PEAK ...; empty for a single rate
    path: str

    @property
    def capped_kwh(self) -> float:
        """The volume beyond which the document prices nothing; inf when it prices all."""
        return self.tiers[-1].up_to_kwh

    def price(self) -> Price:
        """The price, the last tier without end."""
        endless = (*self.tiers[:-1], replace(self.tiers[-1], up_to_kwh=math.inf))
        if len({tier.rate_aud_per_kwh for tier in endless}) == 1:
            return FlatPrice(rate_aud_per_kwh=endless[0].rate_aud_per_kwh)
        return BlockPrice(tiers=endless, period=self.period)

    def then(self, rate_aud_per_kwh: float) -> "Rate":
        """The same rate with a price for every kWh beyond its cap."""
        return replace(self, tiers=(*self.tiers, Tier(rate_aud_per_kwh=rate_aud_per_kwh)))


def season(node: Node) -> tuple[Season, ...]:
    """Days of the year from startDate to endDate, both included; the whole year is no season.

    A period that ends on 28 February ends on the last day of February: the document states days
    of every year.
    """
    first = _month_day(node, "startDate", 101)
    last = _month_day(node, "endDate", 1231)
    last = 229 if last == 228 else last
    next_day = {1231: 101, 131: 201, 229: 301, 331: 401, 430: 501, 531: 601, 630: 701, 731: 801,
                831: 901, 930: 1001, 1031: 1101, 1130: 1201}.get(last, last + 1)  # fmt: skip
    return () if next_day == first else ((first, last),)


def _month_day(node: Node, key: str, default: int) -> int:
    child = node.get(key)
    if child is None:
        return default
    found = re.fullmatch(r"(?:\d{4}-)?(\d{2})-(\d{2})", child.text())
    if not found or not (1 <= int(found[1]) <= 12 and 1 <= int(found[2]) <= 31):
        raise child.wrong(f"must be a day written mm-dd, not {child.value!r}")
    return int(found[1]) * 100 + int(found[2])


def tiers_of(
    node: Node, notes: list[str], *, quota_gst_fraction: float | None = None
) -> tuple[tuple[Tier, ...], Period]:
    """The steps of a node with `rates` and `period`; volumes are cumulative caps in the period.

    With `quota_gst_fraction` the kWh beyond the quota cost generalUnitPrice, the one price of the
    schema that includes GST; it is taken back to a price before GST.
    """
    if "rates" not in node:
        if "amount" not in node:  # version 1 of feed-in tariffs has one amount
            raise node.wrong("rates is missing: there is no price")
        return (Tier(rate_aud_per_kwh=node.at("amount").number()),), "year"
    tiers: list[Tier] = []
    for rate in node.each("rates"):
        unit = rate.get("measureUnit")
        if unit is not None and unit.text() != "KWH":
            raise unit.wrong(f"{unit.value!r} is not supported for energy; only KWH")
        volume = rate.get("volume")
        if tiers and not tiers[-1].up_to_kwh < (math.inf if volume is None else volume.number()):
            raise rate.wrong(
                f"volume must be above the {tiers[-1].up_to_kwh:g} kWh of the step before: volumes "
                "are cumulative, and only the last may have none"
            )
        tiers.append(
            Tier(
                rate_aud_per_kwh=rate.at("unitPrice").number(),
                up_to_kwh=math.inf if volume is None else volume.number(),
            )
        )
    if not tiers:
        raise node.at("rates").wrong("is empty: there is no price")
    if not tiers[0].up_to_kwh > 0.0:
        raise node.at("rates").wrong(f"volume is {tiers[0].up_to_kwh:g}; it must be above 0")
    if quota_gst_fraction is not None and "generalUnitPrice" in node:
        if tiers[-1].up_to_kwh == math.inf:
            tiers.pop()
        beyond = node.at("generalUnitPrice").number() / (1.0 + quota_gst_fraction)
        tiers.append(Tier(rate_aud_per_kwh=beyond))
    if len(tiers) == 1 and tiers[0].up_to_kwh == math.inf:
        return tuple(tiers), "year"
    period = node.get("period")
    name = "P1Y" if period is None else period.text().upper()
    if name not in _PERIODS:
        raise (period or node).wrong(f"{name!r} is not one of {', '.join(_PERIODS)}")
    if period is None:
        notes.append(f"{node.path}: no period is given, so its steps count over a year")
    return tuple(tiers), _PERIODS[name]


def rates_of_times(
    nodes: Iterable[Node], seasons: tuple[Season, ...], notes: list[str], *, times_key: str
) -> list[Rate]:
    """Rates of a list of times of use, each with its windows; overlaps are settled by type."""
    nodes = list(nodes)
    slots = [list(node.at(times_key).items()) for node in nodes]
    rule = holiday_rules([slot for part in slots for slot in part])
    rates = []
    for node, times in zip(nodes, slots, strict=True):
        if not times:
            raise node.at(times_key).wrong("is empty: the rate applies at no time")
        tiers, period = tiers_of(node, notes)
        kind = node.get("type")
        name = node.get("displayName")
        rates.append(
            Rate(
                name=(name.text() if name else kind.text() if kind else "rate"),
                tiers=tiers,
                period=period,
                windows=tuple(window_of(slot, rule, seasons) for slot in times),
                kind=kind.text() if kind else "",
                path=node.path,
            )
        )
    return _without_overlaps(rates, seasons, notes)


def window_of(node: Node, rule: "HolidayRules", seasons: tuple[Season, ...]) -> Window:
    """Days, startTime and endTime of a node as a window; the end is exclusive, on 5 minutes."""
    days = _days(node)
    start, end = node.get("startTime"), node.get("endTime")
    first = 0 if start is None else int(_minutes(start) // SLOT_MINUTES) * SLOT_MINUTES
    last = MINUTES_PER_DAY
    if end is not None:
        last = math.ceil(_minutes(end) / SLOT_MINUTES) * SLOT_MINUTES
    first %= MINUTES_PER_DAY
    last = last or MINUTES_PER_DAY
    if first == last:
        raise node.wrong("startTime equals endTime: the window is empty")
    weekdays = frozenset[int]().union(
        *(_DAY_GROUPS.get(d) or {_DAYS[d]} for d in days - {HOLIDAYS})
    )
    return Window(
        start_minute=first,
        end_minute=last,
        days=weekdays,
        holiday=rule.of(days),
        seasons=seasons,
    )


@dataclass(frozen=True, slots=True)
class HolidayRules:
    """How a set of times of use treats public holidays."""

    named: bool  # some time names PUBLIC_HOLIDAYS: the others then leave them out
    business_days: bool  # some time names BUSINESS_DAYS: a holiday is then like a Sunday

    def of(self, days: frozenset[str]) -> HolidayRule:
        """The rule of one time of the set."""
        if HOLIDAYS in days:
            return "include"
        if self.named or BUSINESS_DAYS in days:
            return "exclude"
        return "as_weekend" if self.business_days else "as_weekday"


def holiday_rules(slots: list[Node]) -> HolidayRules:
    """The rules of the times `slots`, which are read together."""
    every = [_days(slot) for slot in slots]
    return HolidayRules(
        named=any(HOLIDAYS in days for days in every),
        business_days=any(BUSINESS_DAYS in days for days in every),
    )


def _days(node: Node) -> frozenset[str]:
    child = node.get("days")
    if child is None:
        return frozenset(("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"))
    if isinstance(child.value, dict):  # version 1: weekdays, weekend, saturday, sunday
        groups = {"weekdays": ("WEEKDAYS",), "weekend": ("WEEKENDS",), "saturday": ("SAT",),
                  "sunday": ("SUN",)}  # fmt: skip
        child.only(groups)
        names = [d for key, group in groups.items() if child.value.get(key) for d in group]
    else:
        names = [day.text().upper() for day in child.items()]
    known = {**_DAYS, **_DAY_GROUPS}
    for name in names:
        if name not in known:
            raise child.wrong(f"unknown day {name!r}{near(name, known)}")
    if not names:
        raise child.wrong("names no day: the window is empty, so its charge could never apply")
    return frozenset(names)


def _minutes(node: Node) -> float:
    text = node.text() if isinstance(node.value, str) else str(node.value)
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise node.wrong(f"must be a time such as 15:00, not {node.value!r}")
    minutes = int(found[1]) * 60 + int(found[2]) + int(found[3] or 0) / 60
    if int(found[2]) > 59 or minutes > MINUTES_PER_DAY:
        raise node.wrong(f"must be a time from 00:00 to 24:00, not {node.value!r}")
    return minutes


def _without_overlaps(
    rates: list[Rate], seasons: tuple[Season, ...], notes: list[str]
) -> list[Rate]:
    """Give every hour one rate: the peak before the shoulder before the off-peak."""
    grids = [week_grid(rate.windows) for rate in rates]
    apart = any(w.holiday != "as_weekday" for rate in rates for w in rate.windows)
    settled = list(rates)
    for i, rate in enumerate(rates):
        for j, other in enumerate(rates[:i]):
            both = grids[i] & grids[j]
            if not both.any():
                continue
            rank, other_rank = _RANK.get(rate.kind, 1), _RANK.get(other.kind, 1)
            if rank == other_rank and (rate.tiers, rate.period) != (other.tiers, other.period):
                raise ValueError(
                    f"{rate.path}: overlaps {other.path} ({where_first(both)}) at another rate, "
                    "and neither is the exception to the other"
                )
            loser = i if rank >= other_rank else j
            winner = j if loser == i else i
            grids[loser] = grids[loser] & ~grids[winner]
            notes.append(
                f"{rates[loser].path}: overlaps {rates[winner].path} ({where_first(both)}); "
                f"{rates[winner].kind or rates[winner].name} applies there"
            )
            settled[loser] = replace(
                settled[loser],
                windows=grid_windows(grids[loser], seasons, holidays_apart=apart),
            )
    return [rate for rate, grid in zip(settled, grids, strict=True) if grid.any()]


def uncovered(rates: list[Rate]) -> str | None:
    """The first hour of the week that no rate covers, in words; None when all are covered."""
    covered = np.zeros_like(week_grid(()))
    for rate in rates:
        covered |= week_grid(rate.windows)
    return None if covered.all() else where_first(~covered)
