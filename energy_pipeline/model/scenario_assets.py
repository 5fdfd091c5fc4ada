"""What a scenario may buy, read from its document: ``[solar]``, ``[battery]``, ``[ev]``.

Sizes, powers and efficiencies are held to what a home can have, so that a slip of a unit is
refused where it stands.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final, cast, get_args

from energy_pipeline.model import ev_catalogue
from energy_pipeline.model.battery import FIGURES, Product, catalogue, generic, product
from energy_pipeline.model.ev import Bidirectional, Charger, Habits, Vehicle
from energy_pipeline.model.ev_pattern import Trip, WeeklyPattern
from energy_pipeline.model.figures import Figure
from energy_pipeline.model.scenario import (
    V2X,
    BatteryAsset,
    BeforeCar,
    CarAsset,
    Charging,
    SolarAsset,
    SolarSource,
    Span,
)
from energy_pipeline.model.solar import DEFAULT_LOSSES, Array, SolarSystem
from energy_pipeline.model.tariff_document import Node
from energy_pipeline.model.tariff_toml import DAYS, clock_minutes

MOST_KW: Final = 100.0  # of one home: panels, battery, charger
MOST_KWH: Final = 200.0
MOST_AUD: Final = 1_000_000.0
USUAL_DC_PER_AC: Final = 1.32  # 6.6 kW of panels on 5 kW, the common Australian pair
_NAME: Final = re.compile(r"[\w][\w .,:;+&/()'%°·–—-]{0,99}")
_SOLAR_KEYS: Final = (
    "kwp", "tilt_degrees", "azimuth_degrees", "losses_fraction", "array", "inverter_kw",
    "inverter_efficiency", "degradation_per_year",
)  # fmt: skip


def name_of(node: Node) -> str:
    """A name that is safe to show anywhere: letters, digits and plain punctuation."""
    text = node.text()
    if not _NAME.fullmatch(text):
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        raise node.wrong(
            f"{shown!r} is no name: 1 to 100 letters, digits, spaces and . , : ; + & / ( ) ' % -"
        )
    return text


def number_in(
    node: Node, key: str, low: float, high: float, unit: str, usual: float | None = None
) -> float:
    """A number of a range; without `usual` it must be there."""
    if key not in node and usual is not None:
        return usual
    child = node.at(key)
    value = child.number()
    if not low <= value <= high:
        raise child.wrong(f"is {value:g}; it must lie between {low:g} and {high:g} ({unit})")
    return value


def whole_in(node: Node, key: str, low: int, high: int, unit: str, usual: int | None = None) -> int:
    """A whole number of a range."""
    if key in node:
        node.at(key).whole()
    return int(number_in(node, key, low, high, unit, usual))


def choice_or(node: Node, key: str, known: Iterable[str], usual: str) -> str:
    """One of some words, or the usual one."""
    child = node.get(key)
    return usual if child is None else child.choice(known)


def flag_or(node: Node, key: str, usual: bool) -> bool:
    """True or false, or the usual one."""
    child = node.get(key)
    return usual if child is None else child.flag()


def span_of(node: Node) -> Span:
    """Clock times ``{ from, to }``; a `to` before `from` wraps midnight."""
    node.only(("from", "to"))
    start, stop = clock_minutes(node.at("from")) % 1440, clock_minutes(node.at("to"))
    if start == stop % 1440:
        raise node.wrong("from and to are the same; a span must have a length below a day")
    for key, minutes in (("from", start), ("to", stop)):
        if minutes % 5:
            raise node.at(key).wrong("must fall on a whole 5 minutes")
    return start, stop


def solar_system(node: Node, more_keys: tuple[str, ...] = ()) -> SolarSystem | None:
    """Panels on one inverter; None where there are 0 kW of them."""
    node.only((*_SOLAR_KEYS, *more_keys))
    if "array" in node:
        if "kwp" in node:
            raise node.wrong("give kwp with one direction, or [[array]] with several, not both")
        arrays = [_array(row) for row in node.each("array")]
        if not arrays:
            raise node.at("array").wrong("names no array")
    else:
        arrays = [_array(Node({k: v for k, v in node.table().items() if k in _ARRAY_KEYS},
                              node.path))]  # fmt: skip
    kwp = sum(array.kwp for array in arrays)
    inverter = number_in(node, "inverter_kw", 0.1, MOST_KW, "kW", kwp / USUAL_DC_PER_AC)
    system = None
    if kwp > 0.0:
        system = node.make(
            SolarSystem,
            arrays=tuple(arrays),
            inverter_kw=inverter,
            inverter_efficiency=number_in(
                node, "inverter_efficiency", 0.5, 1.0, "a fraction, not a percentage", 0.96
            ),
            degradation_per_year=number_in(
                node, "degradation_per_year", 0.0, 0.2, "a fraction per year", 0.005
            ),
        )
    return system


_ARRAY_KEYS: Final = ("kwp", "tilt_degrees", "azimuth_degrees", "losses_fraction")


def _array(node: Node) -> Array:
    node.only(_ARRAY_KEYS)
    return Array(
        kwp=number_in(node, "kwp", 0.0, MOST_KW, "kW of panels"),
        tilt_degrees=number_in(node, "tilt_degrees", 0.0, 90.0, "0 is flat"),
        azimuth_degrees=number_in(
            node, "azimuth_degrees", 0.0, 360.0, "by compass: 0 north, 90 east"
        ),
        losses_fraction=number_in(
            node, "losses_fraction", 0.0, 0.99, "a fraction, not a percentage", DEFAULT_LOSSES
        ),
    )


def read_solar(node: Node) -> SolarAsset | None:
    """Read ``[solar]``; None where it has 0 kW."""
    system = solar_system(
        node,
        (
            "source", "price_aud", "price_aud_per_kwp", "inverter_replacement_year",
            "inverter_replacement_aud",
        ),
    )  # fmt: skip
    kwp = 0.0 if system is None else system.kwp
    price = _price(node, "price_aud_per_kwp", kwp)
    source = choice_or(node, "source", get_args(SolarSource), "weather")
    year = (
        whole_in(node, "inverter_replacement_year", 1, 40, "a year of its life")
        if "inverter_replacement_year" in node
        else None
    )
    replacement = number_in(node, "inverter_replacement_aud", 0.0, MOST_AUD, "AUD", 0.0)
    if (year is None) != ("inverter_replacement_aud" not in node):
        raise node.wrong("give inverter_replacement_year and inverter_replacement_aud together")
    if system is None:
        return None
    return SolarAsset(
        system=system,
        source=cast("SolarSource", source),
        price_aud=price,
        inverter_replacement_year=year,
        inverter_replacement_aud=replacement,
    )


def _price(node: Node, per_key: str, size: float) -> float | None:
    """A price, whole or per size; a price of exactly one of the two forms."""
    if "price_aud" in node and per_key in node:
        raise node.wrong(f"give price_aud or {per_key}, not both")
    if per_key in node:
        return number_in(node, per_key, 0.0, 20_000.0, "AUD per unit of size") * size
    if "price_aud" in node:
        return number_in(node, "price_aud", 0.0, MOST_AUD, "AUD")
    return None


def read_battery(node: Node) -> BatteryAsset | None:
    """Read ``[battery]``: a product of the catalogue, a generic size, or either with a quote.

    None where its capacity is 0.
    """
    node.only(
        (
            "product", "capacity_kwh", "units", "quote", "quote_date", "price_aud",
            "price_aud_per_kwh", "reserve_fraction", "wear_aud_per_kwh", "replace_at_fraction",
            "grid_charge", "grid_export",
        )
    )  # fmt: skip
    if ("product" in node) == ("capacity_kwh" in node):
        raise node.wrong("give product (of the catalogue) or capacity_kwh (a generic size)")
    if "capacity_kwh" in node and number_in(node, "capacity_kwh", 0.0, MOST_KWH, "kWh") == 0.0:
        return None
    listed = _product(node)
    units = whole_in(node, "units", 1, 20, "of the same battery", 1)
    one = node.make(
        listed.battery,
        reserve_fraction=number_in(node, "reserve_fraction", 0.0, 0.95, "a fraction", 0.0),
        wear_aud_per_kwh=number_in(node, "wear_aud_per_kwh", 0.0, 5.0, "AUD per kWh moved", 0.0),
    )
    stack = replace(
        one,
        capacity_kwh=one.capacity_kwh * units,
        charge_kw=one.charge_kw * units,
        discharge_kw=one.discharge_kw * units,
        standby_kw=one.standby_kw * units,
    )
    price = _price(node, "price_aud_per_kwh", stack.capacity_kwh)
    if price is None and not {"price_fixed_aud", "price_aud_per_kwh"} & set(listed.missing):
        price = listed.price_aud() * units
    figure = {name: found.value for name, found in listed.figures.items()}
    per_kwh = figure.get("warranty_kwh_per_kwh")
    replace_at = None
    if "replace_at_fraction" in node:
        replace_at = number_in(node, "replace_at_fraction", 0.2, 0.99, "of the new capacity")
    return BatteryAsset(
        title=listed.title if units == 1 else f"{units} x {listed.title}",
        battery=stack,
        figures=tuple(listed.figures.values()),
        units=units,
        price_aud=price,
        warranty_years=figure.get("warranty_years"),
        warranty_kwh=None if per_kwh is None else per_kwh * stack.capacity_kwh,
        warranty_end_fraction=figure.get("warranty_end_fraction", 0.70),
        replace_at_fraction=replace_at,
        grid_charge=flag_or(node, "grid_charge", True),
        grid_export=flag_or(node, "grid_export", True),
    )


def _product(node: Node) -> Product:
    if "product" in node:
        listed = product(node.at("product").choice(catalogue()))
    else:
        chosen = node.at("capacity_kwh")
        listed = chosen.make(generic, capacity_kwh=chosen.number())
    quote = node.get("quote")
    if quote is None:
        return listed
    quote.only(FIGURES)
    limits = {"_kwh": MOST_KWH, "_kw": MOST_KW, "_w": 1000.0, "_years": 50.0, "_aud": MOST_AUD}
    values = {}
    for name in quote.table():
        most = 1.0 if name.endswith(("efficiency", "fraction")) else next(
            (high for end, high in limits.items() if name.endswith(end)), 20_000.0
        )  # fmt: skip
        values[name] = number_in(quote, name, 0.0, most, "in the unit of its name")
    when = node.at("quote_date").day().isoformat() if "quote_date" in node else "not dated"
    return quote.make(listed.quoted, quote=values, date=when)


def read_car(node: Node, timezone: str) -> CarAsset:
    """Read ``[ev]``."""
    node.only(
        (
            "vehicle", "usable_kwh", "consumption_kwh_per_km", "ac_limit_kw", "v2x_status",
            "charger", "charger_kw", "charger_efficiency", "charger_price_aud", "charging",
            "before", "use", "trips", "spread", "seed", "initial_fraction", "habits", "timer",
            "worth_c_per_kwh", "bidirectional",
        )
    )  # fmt: skip
    car, title, figures = _vehicle(node)
    charger, more = _charger(node)
    charging = cast("Charging", node.at("charging").choice(get_args(Charging)))
    habits = _habits(node)
    bidirectional = None
    if charging in V2X:
        if car.v2x_status == "unsupported":
            raise node.at("charging").wrong(
                f"{charging} needs a car that can feed a house; set v2x_status = 'hypothetical' "
                "to ask what it would be worth"
            )
        bidirectional = _bidirectional(node, export=charging == "v2g")
        more += tuple(ev_catalogue.bidirectional_figures().values())
    elif "bidirectional" in node:
        raise node.at("bidirectional").wrong("is for charging = 'v2h' or 'v2g' only")
    use = choice_or(node, "use", ("trips", "recorded"), "trips")
    pattern = _pattern(node, car, timezone) if use == "trips" else None
    return node.make(
        CarAsset,
        title=title,
        vehicle=car,
        charger=charger,
        habits=habits,
        charging=charging,
        before=cast("BeforeCar", choice_or(node, "before", get_args(BeforeCar), "immediate")),
        pattern=pattern,
        initial_fraction=number_in(
            node, "initial_fraction", habits.floor_fraction, 1.0, "of the battery, above the floor",
            habits.limit_fraction,
        ),
        seed=whole_in(node, "seed", 0, 2**31 - 1, "any whole number", 0),
        timer=span_of(node.at("timer")) if "timer" in node else (0, 360),
        worth_c_per_kwh=number_in(node, "worth_c_per_kwh", 0.0, 1000.0, "c/kWh", 0.0),
        bidirectional=bidirectional,
        price_aud=number_in(node, "charger_price_aud", 0.0, MOST_AUD, "AUD", 0.0),
        figures=figures + more,
    )  # fmt: skip


def _vehicle(node: Node) -> tuple[Vehicle, str, tuple[Figure, ...]]:
    own = ("usable_kwh", "consumption_kwh_per_km", "ac_limit_kw", "v2x_status")
    figures: tuple[Figure, ...] = ()
    title = "Car as stated"
    if "vehicle" in node:
        listed = ev_catalogue.listed_vehicles()
        name = node.at("vehicle").choice(listed)
        car = ev_catalogue.vehicle(name)
        title = listed[name].title
        figures = tuple(listed[name].figures.values())
    else:
        car = Vehicle(
            usable_kwh=number_in(node, "usable_kwh", 1.0, MOST_KWH, "kWh"),
            consumption_kwh_per_km=number_in(
                node, "consumption_kwh_per_km", 0.05, 1.0, "kWh per km, such as 0.165"
            ),
        )
    given: dict[str, Any] = {}
    ranges = {"usable_kwh": (1.0, MOST_KWH), "consumption_kwh_per_km": (0.05, 1.0),
              "ac_limit_kw": (1.0, 50.0)}  # fmt: skip
    for key in own[:3]:
        if key in node:
            given[key] = number_in(node, key, *ranges[key], "in the unit of its name")
    if "v2x_status" in node:
        given["v2x_status"] = node.at("v2x_status").choice(
            ("supported", "hypothetical", "unsupported")
        )
    return replace(car, **given), title, figures


def _charger(node: Node) -> tuple[Charger, tuple[Figure, ...]]:
    figures: tuple[Figure, ...] = ()
    charger = Charger()
    if "charger" in node:
        listed = ev_catalogue.listed_chargers()
        name = node.at("charger").choice(listed)
        charger, figures = ev_catalogue.charger(name), tuple(listed[name].figures.values())
    if "charger_kw" in node:
        kw = number_in(node, "charger_kw", 1.0, 50.0, "kW")
        charger = replace(charger, power_kw=kw, minimum_kw=min(charger.minimum_kw, kw))
    if "charger_efficiency" in node:
        efficiency = number_in(node, "charger_efficiency", 0.5, 1.0, "a fraction, not a percentage")
        charger = replace(charger, efficiency=efficiency)
    return charger, figures


def _habits(node: Node) -> Habits:
    usual = ev_catalogue.default_habits()
    table = node.get("habits")
    if table is None:
        return usual
    keys = ("floor_fraction", "limit_fraction", "target_fraction", "public_aud_per_kwh")
    table.only(keys)
    ranges = dict.fromkeys(keys[:3], (0.0, 1.0)) | {keys[3]: (0.0, 10.0)}
    return table.make(
        Habits,
        **{key: number_in(table, key, *ranges[key], "in the unit of its name", getattr(usual, key))
           for key in keys},
    )  # fmt: skip


def _bidirectional(node: Node, *, export: bool) -> Bidirectional:
    usual = ev_catalogue.default_bidirectional(export=export)
    table = node.get("bidirectional")
    if table is None:
        return usual
    ranges = {
        "charge_kw": (1.0, 50.0), "discharge_kw": (0.5, 50.0), "charge_efficiency": (0.5, 1.0),
        "discharge_efficiency": (0.5, 1.0), "minimum_soc_fraction": (0.0, 0.99),
        "wear_aud_per_kwh": (0.0, 5.0), "standby_kw": (0.0, 1.0), "charger_aud": (0.0, MOST_AUD),
    }  # fmt: skip
    table.only(ranges)
    given = {
        key: number_in(table, key, *limits, "in the unit of its name", getattr(usual, key))
        for key, limits in ranges.items()
    }
    return table.make(Bidirectional, export=export, **given)


def _pattern(node: Node, car: Vehicle, timezone: str) -> WeeklyPattern:
    week: list[list[Trip]] = [[] for _ in DAYS]
    trips = node.at("trips").items()
    for trip in trips:
        trip.only(("days", "depart", "away_hours", "km", "kwh"))
        if ("km" in trip) == ("kwh" in trip):
            raise trip.wrong("give km or kwh of the trip, one of the two")
        if "km" in trip:
            kwh = number_in(trip, "km", 0.0, 2000.0, "km") * car.consumption_kwh_per_km
        else:
            kwh = number_in(trip, "kwh", 0.0, 400.0, "kWh")
        made = Trip(
            depart_hour=clock_minutes(trip.at("depart")) / 60.0,
            away_hours=number_in(trip, "away_hours", 0.1, 167.0, "hours"),
            energy_kwh=kwh,
        )
        for day in trip.at("days").items():
            week[DAYS.index(day.choice(DAYS))].append(made)
    spread = node.get("spread") or Node({}, f"{node.path}.spread")
    spread.only(("depart_hours", "away_hours", "energy_fraction", "plug_in_probability"))
    return node.make(
        WeeklyPattern,
        timezone=timezone,
        days=tuple((tuple(sorted(day, key=lambda t: t.depart_hour)),) for day in week),
        depart_spread_hours=number_in(spread, "depart_hours", 0.0, 6.0, "hours", 0.0),
        away_spread_hours=number_in(spread, "away_hours", 0.0, 6.0, "hours", 0.0),
        energy_spread_fraction=number_in(spread, "energy_fraction", 0.0, 1.0, "a fraction", 0.0),
        plug_in_probability=number_in(spread, "plug_in_probability", 0.0, 1.0, "a fraction", 1.0),
    )
