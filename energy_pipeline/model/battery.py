"""Home batteries: the catalogue, what dispatch needs of one, its price and its wear.

Every figure carries its source; one without says so wherever it is shown. How a battery fades with
use is in `battery_fade`; deciding when it charges is in `dispatch`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import numpy as np

from energy_pipeline.model.figures import (
    Figure,
    quoted_figure,
    read_catalogue,
    read_figure,
    refuse_unknown,
)

Coupling = Literal["ac", "dc"]

# What a product needs before it can be dispatched; the rest has a meaning when absent.
_NEEDED: Final = ("capacity_kwh", "charge_kw", "discharge_kw", "round_trip_efficiency")
FIGURES: Final = (
    *_NEEDED,
    "standby_w",
    "warranty_years",
    "warranty_kwh_per_kwh",
    "warranty_end_fraction",
    "price_fixed_aud",
    "price_aud_per_kwh",
)
_GENERIC: Final = "generic-"
_BETWEEN: Final = "assumption: between the generic sizes of the catalogue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """What dispatch needs, seen from the AC terminals."""

    capacity_kwh: float  # usable
    charge_kw: float  # AC limit into the battery
    discharge_kw: float  # AC limit out of it
    charge_efficiency: float  # one way, AC to store
    discharge_efficiency: float  # one way, store to AC
    standby_kw: float = 0.0  # AC load of the battery itself, always
    reserve_fraction: float = 0.0  # of capacity, kept for a blackout
    wear_aud_per_kwh: float = 0.0  # per AC kWh moved, in and out alike

    def __post_init__(self) -> None:
        for name in ("capacity_kwh", "charge_kw", "discharge_kw"):
            if not 0.0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("charge_efficiency", "discharge_efficiency"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}; a fraction in (0, 1]")
        for name in ("standby_kw", "wear_aud_per_kwh"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if not 0.0 <= self.reserve_fraction < 1.0:
            raise ValueError(f"reserve_fraction is {self.reserve_fraction}; a fraction in [0, 1)")

    @property
    def round_trip_efficiency(self) -> float:
        """AC to AC. [fraction]"""
        return self.charge_efficiency * self.discharge_efficiency

    @property
    def reserve_kwh(self) -> float:
        return self.reserve_fraction * self.capacity_kwh

    @property
    def fields(self) -> Mapping[str, float]:
        """The battery by the names ``dispatch.problem.StorageProblem`` takes."""
        return {
            "capacity_kwh": self.capacity_kwh,
            "charge_kw": self.charge_kw,
            "discharge_kw": self.discharge_kw,
            "charge_efficiency": self.charge_efficiency,
            "discharge_efficiency": self.discharge_efficiency,
            "min_energy_kwh": self.reserve_kwh,
            "standby_kw": self.standby_kw,
            "wear_c_per_kwh": 100.0 * self.wear_aud_per_kwh,
        }

    def aged(self, capacity_fraction: float) -> "Battery":
        """The battery with this share of its capacity left, as from `battery_fade`."""
        if not 0.0 < capacity_fraction <= 1.0:
            raise ValueError(f"capacity_fraction is {capacity_fraction}; a fraction in (0, 1]")
        return replace(self, capacity_kwh=self.capacity_kwh * capacity_fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A battery of the catalogue; a figure nobody published is absent from `figures`."""

    name: str
    title: str
    coupling: Coupling
    figures: Mapping[str, Figure]

    def value(self, figure: str) -> float:
        """A figure's value.

        Raises
        ------
        ValueError
            If it is no figure of a battery, or if no source gives it for this one.
        """
        refuse_unknown("figure", figure, FIGURES)
        if figure not in self.figures:
            raise ValueError(f"{figure} of {self.title} is not published; enter it from your quote")
        return self.figures[figure].value

    @property
    def missing(self) -> tuple[str, ...]:
        """Figures no source gives, those dispatch needs first."""
        return tuple(name for name in FIGURES if name not in self.figures)

    @property
    def unverified(self) -> tuple[Figure, ...]:
        return tuple(figure for figure in self.figures.values() if not figure.verified)

    def quoted(self, quote: Mapping[str, float], *, date: str) -> "Product":
        """The product with figures of a quote, each labelled as such.

        Parameters
        ----------
        quote : mapping of figure name to value
            In the unit of the name.
        date : str
            Of the quote, ISO.

        Raises
        ------
        ValueError
            For a name that is no figure, or a value out of range.
        """
        figures = dict(self.figures)
        for name, value in quote.items():
            refuse_unknown("figure", name, FIGURES)
            figures[name] = quoted_figure(name, value, date=date)
        return Product(name=self.name, title=self.title, coupling=self.coupling, figures=figures)

    def battery(self, *, reserve_fraction: float = 0.0, wear_aud_per_kwh: float = 0.0) -> Battery:
        """What dispatch needs; the round-trip loss is split evenly between the two ways.

        Raises
        ------
        ValueError
            Listing the figures that are not published and must come from a quote.
        """
        absent = [name for name in _NEEDED if name not in self.figures]
        if absent:
            raise ValueError(
                f"{self.title} has no published {', '.join(absent)}; enter them from your quote"
            )
        one_way = self.value("round_trip_efficiency") ** 0.5
        standby = self.figures.get("standby_w")
        return Battery(
            capacity_kwh=self.value("capacity_kwh"),
            charge_kw=self.value("charge_kw"),
            discharge_kw=self.value("discharge_kw"),
            charge_efficiency=one_way,
            discharge_efficiency=one_way,
            standby_kw=standby.value / 1000.0 if standby else 0.0,
            reserve_fraction=reserve_fraction,
            wear_aud_per_kwh=wear_aud_per_kwh,
        )

    def price_aud(self) -> float:
        """Price before rebates: fixed plus per usable kWh. [AUD]"""
        fixed = self.value("price_fixed_aud")
        return fixed + self.value("price_aud_per_kwh") * self.value("capacity_kwh")

    def warranty_kwh(self) -> float:
        """Energy the warranty lets the battery deliver. [kWh]"""
        return self.value("warranty_kwh_per_kwh") * self.value("capacity_kwh")


@dataclass(frozen=True, slots=True, kw_only=True)
class WearCost:
    """What moving a kWh costs the battery, read both ways. [AUD per AC kWh moved, in or out]"""

    throughput_bound: float  # each kWh uses up warranted energy
    calendar_bound: float  # the years run out first: moving energy costs nothing
    binding: Literal["throughput", "calendar"]

    @property
    def aud_per_kwh(self) -> float:
        """The reading that applies."""
        return self.throughput_bound if self.binding == "throughput" else self.calendar_bound


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Product]:
    """All products by name, as ``batteries.toml`` lists them."""
    return {row["name"]: _product(row) for row in read_catalogue("batteries.toml")["battery"]}


def product(name: str) -> Product:
    """The product of that name.

    Raises
    ------
    ValueError
        Listing near names where there is none.
    """
    refuse_unknown("battery", name, tuple(catalogue()))
    return catalogue()[name]


def generic(capacity_kwh: float) -> Product:
    """A battery of any size, between the generic ones of the catalogue, for sizing.

    Raises
    ------
    ValueError
        Outside the smallest and the largest generic size.
    """
    listed = sorted(
        (p for name, p in catalogue().items() if name.startswith(_GENERIC)),
        key=lambda p: p.value("capacity_kwh"),
    )
    sizes = [p.value("capacity_kwh") for p in listed]
    if not sizes[0] <= capacity_kwh <= sizes[-1]:
        raise ValueError(
            f"capacity_kwh is {capacity_kwh}; generic sizes go from {sizes[0]:g} to {sizes[-1]:g}"
        )
    figures = {
        name: replace(
            figure,
            value=float(np.interp(capacity_kwh, sizes, [p.value(name) for p in listed])),
            source="chosen size" if name == "capacity_kwh" else _BETWEEN,
            verified=name == "capacity_kwh",
        )
        for name, figure in listed[0].figures.items()
    }
    title = f"Generic {capacity_kwh:g} kWh"
    return Product(
        name=f"{_GENERIC}{capacity_kwh:g}",
        title=title,
        coupling=listed[0].coupling,
        figures=figures,
    )


def wear_cost(
    product: Product, *, delivered_kwh_per_year: float, replacement_aud_per_kwh: float | None = None
) -> WearCost:
    """Price the wear of a kWh both ways, and say which binds at this use.

    Parameters
    ----------
    product : Product
        With a warranty in years and in kWh.
    delivered_kwh_per_year : float
        Energy the battery delivers in a year. [kWh]
    replacement_aud_per_kwh : float, optional
        Price of its successor per usable kWh; today's price without it. [AUD/kWh]

    Returns
    -------
    WearCost
        Throughput-bound: replacement / (2 x warranted kWh per usable kWh), since every kWh is
        moved in and out once.

    Raises
    ------
    ValueError
        If the product has no warranty in kWh or no price, or an argument is negative.
    """
    if not delivered_kwh_per_year >= 0.0:
        raise ValueError(
            f"delivered_kwh_per_year is {delivered_kwh_per_year}; it must be 0 or more"
        )
    if replacement_aud_per_kwh is None:
        replacement_aud_per_kwh = product.price_aud() / product.value("capacity_kwh")
    if not replacement_aud_per_kwh >= 0.0:
        raise ValueError(
            f"replacement_aud_per_kwh is {replacement_aud_per_kwh}; it must be 0 or more"
        )
    per_kwh = replacement_aud_per_kwh / (2.0 * product.value("warranty_kwh_per_kwh"))
    worn_out = delivered_kwh_per_year * product.value("warranty_years") > product.warranty_kwh()
    return WearCost(
        throughput_bound=per_kwh,
        calendar_bound=0.0,
        binding="throughput" if worn_out else "calendar",
    )


def _product(row: Mapping[str, Any]) -> Product:
    refuse_unknown("coupling", row["coupling"], get_args(Coupling))
    names = {"name", "title", "coupling"}
    for key in row.keys() - names:
        refuse_unknown(f"figure of {row['name']}", key, FIGURES)
    figures = {name: read_figure(name, row[name]) for name in FIGURES if name in row}
    return Product(name=row["name"], title=row["title"], coupling=row["coupling"], figures=figures)
