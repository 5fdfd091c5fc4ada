"""What a retail electricity plan is: windows, charges, discounts; frozen data and nothing else.

A kWh is charged by **every** charge that matches it, so network + retail + adders add up. Rates
and amounts are AUD exactly as the document states them, and every charge says whether that figure
is before GST (``ex``), includes it (``inc``) or bears none (``none``). Reading documents belongs in
`tariff_toml` and `cdr`; turning a plan into arrays in `tariff_compile`; money in `bill`.
"""

import math
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Literal, get_args

Clock = Literal["local", "nem"]
Component = Literal["wholesale", "retail", "network", "environment", "market", "supply", "other"]
Direction = Literal["import", "export"]
DemandPeriod = Literal["day", "month", "tariff_period"]
DiscountBase = Literal["usage", "bill"]
FixedUnit = Literal["day", "week", "month", "year", "kw_installed_month"]
Gst = Literal["ex", "inc", "none"]
HolidayRule = Literal["as_weekday", "as_weekend", "only", "exclude", "include"]
Period = Literal["day", "month", "quarter", "year"]
Season = tuple[
    int, int
]  # first and last day as month * 100 + day, both included; may wrap New Year

EVERY_DAY = frozenset(range(7))
MINUTES_PER_DAY = 1440
GENERAL = "general"
CONTROLLED_LOAD = "controlled_load"


def require_choice(name: str, value: object, choices: object) -> None:
    """Raise ValueError unless `value` is one of the members of the Literal `choices`."""
    if value not in get_args(choices):
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(get_args(choices))}")


def require_finite(name: str, value: float) -> None:
    """Raise ValueError unless `value` is a finite number."""
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; it must be a finite number")


def gst_factor(gst: Gst, gst_fraction: float) -> float:
    """What turns a stated figure into one incl. GST."""
    return 1.0 + gst_fraction if gst == "ex" else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Times of the week and of the year, on the clock of the charge that uses it.

    A window that wraps midnight holds both ends of each **calendar** day it names: Friday 22:00 to
    07:00 is Friday 00:00-07:00 and Friday 22:00-24:00. Public holidays: ``as_weekday`` ignores
    them, ``as_weekend`` reads them as a Sunday, ``only`` and ``exclude`` keep or drop them among
    the named days, ``include`` adds them to the named days.
    """

    start_minute: int = 0  # after midnight, included
    end_minute: int = MINUTES_PER_DAY  # excluded; smaller than start_minute wraps midnight
    days: frozenset[int] = EVERY_DAY  # 0 is Monday
    holiday: HolidayRule = "as_weekday"
    seasons: tuple[Season, ...] = ()  # empty: the whole year

    def __post_init__(self) -> None:
        if not 0 <= self.start_minute < MINUTES_PER_DAY:
            raise ValueError(f"start_minute is {self.start_minute}; it must be in [0, 1440)")
        if not 0 < self.end_minute <= MINUTES_PER_DAY:
            raise ValueError(f"end_minute is {self.end_minute}; it must be in (0, 1440]")
        if self.start_minute == self.end_minute:
            raise ValueError("start_minute equals end_minute: the window is empty")
        if not self.days <= EVERY_DAY or not (self.days or self.holiday == "include"):
            raise ValueError(f"days is {set(self.days) or '{}'}; it must name days 0 to 6")
        require_choice("holiday", self.holiday, HolidayRule)
        for first, last in self.seasons:
            for mmdd in (first, last):
                if not (1 <= mmdd // 100 <= 12 and 1 <= mmdd % 100 <= 31):
                    raise ValueError(f"seasons holds {mmdd}; a day is written month * 100 + day")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatPrice:
    """The same rate for every kWh. Positive: paid on import, earned on export."""

    rate_aud_per_kwh: float

    def __post_init__(self) -> None:
        require_finite("rate_aud_per_kwh", self.rate_aud_per_kwh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One step of a block price; `up_to_kwh` is cumulative inside the period, inf for the last."""

    rate_aud_per_kwh: float
    up_to_kwh: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPrice:
    """Rates by cumulative kWh inside a calendar period.

    With `per_day` the tiers are stated per day and **pooled** over the period: 6.85 kWh a day
    with period month is 212.35 kWh in a month of 31 days.
    """

    tiers: tuple[Tier, ...]
    period: Period = "month"
    per_day: bool = False

    def __post_init__(self) -> None:
        require_choice("period", self.period, Period)
        if not self.tiers:
            raise ValueError("tiers is empty; a block price needs at least one tier")
        bounds = [0.0, *(tier.up_to_kwh for tier in self.tiers)]
        if any(not high > low for low, high in pairwise(bounds)):
            raise ValueError(
                f"tiers have up_to {bounds[1:]}: they are cumulative and must increase from 0"
            )
        if bounds[-1] != math.inf:
            raise ValueError("the last tier must have no up_to: every kWh needs a rate")
        for tier in self.tiers:
            require_finite("rate_aud_per_kwh", tier.rate_aud_per_kwh)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotPrice:
    """Regional reference price / 1000 x loss factor + adder. [AUD/kWh]"""

    region: str  # a column of regional reference prices [AUD/MWh]
    loss_factor: float = 1.0
    adder_aud_per_kwh: float = 0.0

    def __post_init__(self) -> None:
        require_finite("adder_aud_per_kwh", self.adder_aud_per_kwh)
        if not 0.5 <= self.loss_factor <= 2.0:
            raise ValueError(
                f"loss_factor is {self.loss_factor}; distribution x marginal loss factors are "
                "between 0.5 and 2"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPrice:
    """A price as delivered, such as a supplier's own 5-minute price. [c/kWh in the column]"""

    column: str


Price = FlatPrice | BlockPrice | SpotPrice | SeriesPrice


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyCharge:
    """A price on the kWh of one register. No window: at all times."""

    name: str
    direction: Direction
    price: Price
    gst: Gst
    windows: tuple[Window, ...] = ()
    channel: str = GENERAL
    component: Component = "retail"
    clock: Clock = "local"

    def __post_init__(self) -> None:
        require_choice("direction", self.direction, Direction)
        require_choice("gst", self.gst, Gst)
        require_choice("component", self.component, Component)
        require_choice("clock", self.clock, Clock)
        if self.direction == "export" and self.channel != GENERAL:
            raise ValueError(f"channel is {self.channel!r}; only 'general' exports")


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedCharge:
    """An amount by time, whatever is used; it accrues day by day over the days billed."""

    name: str
    amount_aud: float
    unit: FixedUnit
    gst: Gst
    seasons: tuple[Season, ...] = ()
    channel: str = GENERAL
    component: Component = "supply"

    def __post_init__(self) -> None:
        require_finite("amount_aud", self.amount_aud)
        require_choice("unit", self.unit, FixedUnit)
        require_choice("gst", self.gst, Gst)
        require_choice("component", self.component, Component)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandCharge:
    """A rate on the highest mean import power over clock half hours inside the windows.

    The maximum is taken over each `measured_over`; every day in season then owes
    ``rate x billed kW`` for `charged_per` day, or that day's share of the month or tariff period.
    Billed kW is ``max(measured, min_kw)``, at most `max_kw`; as a `band` it is only the part of
    the measured demand between the two.
    """

    name: str
    rate_aud_per_kw: float
    gst: Gst
    windows: tuple[Window, ...] = ()
    measured_over: DemandPeriod = "month"
    charged_per: DemandPeriod = "day"
    min_kw: float = 0.0
    max_kw: float = math.inf
    band: bool = False
    mean_minutes: int = 30
    component: Component = "network"
    clock: Clock = "local"

    def __post_init__(self) -> None:
        require_finite("rate_aud_per_kw", self.rate_aud_per_kw)
        require_finite("min_kw", self.min_kw)
        require_choice("gst", self.gst, Gst)
        require_choice("measured_over", self.measured_over, DemandPeriod)
        require_choice("charged_per", self.charged_per, DemandPeriod)
        require_choice("component", self.component, Component)
        require_choice("clock", self.clock, Clock)
        if not 0.0 <= self.min_kw < self.max_kw:
            raise ValueError(
                f"min_kw is {self.min_kw} and max_kw {self.max_kw}; need 0 <= min_kw < max_kw"
            )
        if self.mean_minutes not in (5, 15, 30, 60):
            raise ValueError(f"mean_minutes is {self.mean_minutes}; it must be 5, 15, 30 or 60")


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """A share off the import energy charges (``usage``), or off those, supply and demand too."""

    name: str
    fraction: float
    base: DiscountBase

    def __post_init__(self) -> None:
        require_choice("base", self.base, DiscountBase)
        if not 0.0 <= self.fraction <= 1.0:
            raise ValueError(f"fraction is {self.fraction}; it must be in [0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """One plan of one household."""

    name: str
    timezone: str  # of the bill: its days and months
    fixed: tuple[FixedCharge, ...] = ()
    energy: tuple[EnergyCharge, ...] = ()
    demand: tuple[DemandCharge, ...] = ()
    discounts: tuple[Discount, ...] = ()
    holidays: str | tuple[date, ...] = ()  # python-holidays code such as "AU-NSW", or dates
    gst_fraction: float = 0.10
    bill_interval_minutes: int = 5
    year_start_month: int = 1  # where quarters and years of block prices begin
    valid_from: date | None = None
    valid_to: date | None = None  # included
    export_limit_kw: float | str | None = None  # a column name when it varies
    feed_in_credit_never_negative: bool = False
    notes: tuple[str, ...] = ()  # what the document held and this plan does not

    def __post_init__(self) -> None:
        if not 0.0 <= self.gst_fraction < 1.0:
            raise ValueError(f"gst_fraction is {self.gst_fraction}; it must be in [0, 1)")
        if self.bill_interval_minutes not in (5, 15, 30, 60):
            raise ValueError(
                f"bill_interval_minutes is {self.bill_interval_minutes}; it must be 5, 15, 30 or 60"
            )
        if not 1 <= self.year_start_month <= 12:
            raise ValueError(f"year_start_month is {self.year_start_month}; it must be 1 to 12")
        if not (self.fixed or self.energy or self.demand):
            raise ValueError(f"the plan {self.name!r} has no charge at all")
        if isinstance(self.export_limit_kw, float) and not self.export_limit_kw >= 0.0:
            raise ValueError(f"export_limit_kw is {self.export_limit_kw}; it must be >= 0")
