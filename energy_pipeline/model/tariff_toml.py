"""Our own plan document, ``schema = "hes-tariff/1"``, in TOML or as the tables it parses to.

Every key is checked, so a misspelt one is an error that names the nearest right one, and either
the whole document is read or nothing is.
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast, get_args

from energy_pipeline.model.tariff import (
    EVERY_DAY,
    GENERAL,
    MINUTES_PER_DAY,
    BlockPrice,
    Clock,
    Component,
    DemandCharge,
    DemandPeriod,
    Direction,
    Discount,
    DiscountBase,
    EnergyCharge,
    FixedCharge,
    FixedUnit,
    FlatPrice,
    Gst,
    HolidayRule,
    Period,
    Price,
    Season,
    SeriesPrice,
    SpotPrice,
    Tariff,
    Tier,
    Window,
)
from energy_pipeline.model.tariff_calendar import check_timezone, holiday_dates
from energy_pipeline.model.tariff_document import Node

SCHEMA = "hes-tariff/1"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PERIODS: dict[str, Period] = {"P1D": "day", "P1M": "month", "P3M": "quarter", "P1Y": "year"}
MEASURES = {
    "half_hour_mean_kw": 30,
    "quarter_hour_mean_kw": 15,
    "five_minute_mean_kw": 5,
    "hour_mean_kw": 60,
}
RESETS: dict[str, DemandPeriod] = {"P1D": "day", "P1M": "month", "season": "tariff_period"}
DEMAND_UNITS: dict[str, DemandPeriod] = {
    "kw_day": "day",
    "kw_month": "month",
    "kw_season": "tariff_period",
}
_WINDOW_KEYS = ("from", "to", "days", "months", "dates", "holiday")
_CLOCK_TIME = re.compile(r"(\d{1,2}):(\d{2})")


def load_tariff(path: Path) -> Tariff:
    """Read a plan from a TOML file.

    Raises
    ------
    ValueError
        If it is not TOML, or anything in it is not understood; the message names the place.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ValueError(f"{path.name}: not a TOML document: {exc}") from exc
    try:
        return read_tariff(document)
    except ValueError as exc:
        raise ValueError(f"{path.name}: {exc}") from exc


def read_tariff(document: Mapping[str, Any]) -> Tariff:
    """Read a plan from the tables of a document.

    Raises
    ------
    ValueError
        If a key is unknown or missing, or a value is not understood.
    """
    root = Node(dict(document), "")
    root.only(
        (
            "schema", "name", "valid", "timezone", "clock", "holidays", "gst", "discount",
            "bill_interval_minutes", "bill_period", "year_start_month", "feedin_bill_floor",
            "fixed", "window", "energy", "demand", "export_limit", "notes",
        )
    )  # fmt: skip
    root.at("schema").choice((SCHEMA,))
    if (period := root.get("bill_period")) is not None:
        period.choice(("P1M",))
    clock = cast(Clock, _choice(root, "clock", get_args(Clock), "local"))
    windows = _windows(root)
    timezone = root.at("timezone")
    timezone.make(check_timezone, name=timezone.text())
    valid = root.get("valid")
    if valid is not None:
        valid.only(("from", "to"))
    return Node(None, "tariff").make(
        Tariff,
        name=root.at("name").text(),
        timezone=timezone.text(),
        fixed=tuple(_fixed(node) for node in root.each("fixed") if _enabled(node)),
        energy=tuple(
            _energy(node, windows, clock) for node in root.each("energy") if _enabled(node)
        ),
        demand=tuple(
            _demand(node, windows, clock) for node in root.each("demand") if _enabled(node)
        ),
        discounts=tuple(_discount(node) for node in root.each("discount") if _enabled(node)),
        holidays=_holidays(root),
        gst_fraction=_number(root, "gst", 0.10),
        bill_interval_minutes=int(_number(root, "bill_interval_minutes", 5)),
        year_start_month=int(_number(root, "year_start_month", 1)),
        valid_from=_day(valid, "from"),
        valid_to=_day(valid, "to"),
        export_limit_kw=_export_limit(root),
        feed_in_credit_never_negative=_flag(root, "feedin_bill_floor", False),
        notes=tuple(node.text() for node in root.each("notes")),
    )


def clock_minutes(node: Node) -> int:
    """Minutes after midnight of a time such as 07:30; 24:00 is the end of the day."""
    found = _CLOCK_TIME.fullmatch(node.text())
    minutes = int(found[1]) * 60 + int(found[2]) if found else -1
    if found is None or int(found[2]) > 59 or minutes > MINUTES_PER_DAY:
        raise node.wrong(f"{node.value!r} is not a time from 00:00 to 24:00")
    return minutes


def _windows(root: Node) -> dict[str, Window]:
    windows: dict[str, Window] = {}
    for node in root.each("window"):
        node.only(("name", *_WINDOW_KEYS))
        name = node.at("name").text()
        if name in windows:
            raise node.at("name").wrong(f"two windows are named {name!r}")
        windows[name] = _window(node)
    return windows


def _window(node: Node) -> Window:
    start_node, end_node = node.get("from"), node.get("to")
    start = clock_minutes(start_node) if start_node else 0
    end = clock_minutes(end_node) if end_node else MINUTES_PER_DAY
    days = [day.choice(DAYS) for day in node.each("days")]
    if "days" in node and not days:
        raise node.at("days").wrong("names no day")
    seasons: list[Season] = []
    for month in node.each("months"):
        number = month.whole()
        if not 1 <= number <= 12:
            raise month.wrong(f"must be a month from 1 to 12, not {number}")
        seasons.append((number * 100 + 1, number * 100 + 31))
    for dates in node.each("dates"):
        dates.only(("from", "to"))
        seasons.append((month_day(dates.at("from")), month_day(dates.at("to"))))
    holiday = _choice(node, "holiday", get_args(HolidayRule), "as_weekday")
    return node.make(
        Window,
        start_minute=start % MINUTES_PER_DAY,
        end_minute=end or MINUTES_PER_DAY,
        days=frozenset(DAYS.index(day) for day in days) if days else EVERY_DAY,
        holiday=cast(HolidayRule, holiday),
        seasons=_merged(seasons),
    )


def month_day(node: Node) -> int:
    """A day of the year written mm-dd, as month * 100 + day."""
    text = node.text()
    try:
        day = date.fromisoformat(f"2024-{text}")
    except ValueError as exc:
        raise node.wrong(f"must be a day written mm-dd, not {text!r}") from exc
    return day.month * 100 + day.day


def _merged(seasons: list[Season]) -> tuple[Season, ...]:
    """Join consecutive whole months, so that Nov, Dec, Jan is one season."""
    whole = {first // 100 for first, last in seasons if last - first == 30}
    parts = [s for s in seasons if s[1] - s[0] != 30]
    if len(whole) == 12:
        return ()
    for month in sorted(whole):
        if (month - 2) % 12 + 1 in whole:
            continue
        end = month
        while end % 12 + 1 in whole:
            end = end % 12 + 1
        parts.append((month * 100 + 1, end * 100 + 31))
    return tuple(parts)


def _charge_windows(node: Node, named: dict[str, Window]) -> tuple[Window, ...]:
    if "window" in node and "window_inline" in node:
        raise node.wrong("give window or window_inline, not both")
    inline = node.get("window_inline")
    if inline is not None:
        inline.only(_WINDOW_KEYS)
        return (_window(inline),)
    if "window" not in node:
        return ()
    chosen = node.at("window")
    names = list(chosen.items()) if isinstance(chosen.value, list) else [chosen]
    if not names:
        raise chosen.wrong("names no window")
    return tuple(named[name.choice(named)] for name in names)


def _energy(node: Node, windows: dict[str, Window], clock: Clock) -> EnergyCharge:
    node.only(
        (
            "name", "direction", "channel", "price", "gst", "window", "window_inline",
            "component", "clock", "enabled",
        )
    )  # fmt: skip
    price = _price(node.at("price"))
    usual = "wholesale" if isinstance(price, SpotPrice | SeriesPrice) else "retail"
    channel = node.get("channel")
    return node.make(
        EnergyCharge,
        name=node.at("name").text(),
        direction=cast(Direction, node.at("direction").choice(get_args(Direction))),
        price=price,
        gst=_gst(node),
        windows=_charge_windows(node, windows),
        channel=GENERAL if channel is None else channel.text(),
        component=cast(Component, _choice(node, "component", get_args(Component), usual)),
        clock=cast(Clock, _choice(node, "clock", get_args(Clock), clock)),
    )


def _price(node: Node) -> Price:
    kind = node.at("kind").choice(("flat", "blocks", "spot", "series"))
    if kind == "flat":
        node.only(("kind", "rate"))
        return node.make(FlatPrice, rate_aud_per_kwh=node.at("rate").number())
    if kind == "spot":
        node.only(("kind", "region", "loss_factor", "adder"))
        return node.make(
            SpotPrice,
            region=node.at("region").text(),
            loss_factor=_number(node, "loss_factor", 1.0),
            adder_aud_per_kwh=_number(node, "adder", 0.0),
        )
    if kind == "series":
        node.only(("kind", "column"))
        return node.make(SeriesPrice, column=node.at("column").text())
    node.only(("kind", "period", "per_day", "tiers"))
    tiers = []
    for tier in node.at("tiers").items():
        tier.only(("up_to", "rate"))
        tiers.append(
            Tier(
                rate_aud_per_kwh=tier.at("rate").number(),
                up_to_kwh=_number(tier, "up_to", float("inf")),
            )
        )
    return node.make(
        BlockPrice,
        tiers=tuple(tiers),
        period=PERIODS[node.at("period").choice(PERIODS)],
        per_day=_flag(node, "per_day", False),
    )


def _fixed(node: Node) -> FixedCharge:
    node.only(
        ("name", "amount", "unit", "gst", "dates", "months", "channel", "component", "enabled")
    )
    season = Node({k: v for k, v in node.table().items() if k in ("dates", "months")}, node.path)
    channel = node.get("channel")
    return node.make(
        FixedCharge,
        name=node.at("name").text(),
        amount_aud=node.at("amount").number(),
        unit=cast(FixedUnit, node.at("unit").choice(get_args(FixedUnit))),
        gst=_gst(node),
        seasons=_window(season).seasons,
        channel=GENERAL if channel is None else channel.text(),
        component=cast(Component, _choice(node, "component", get_args(Component), "supply")),
    )


def _demand(node: Node, windows: dict[str, Window], clock: Clock) -> DemandCharge:
    node.only(
        (
            "name", "window", "window_inline", "measure", "reset", "rate", "unit", "min_kw",
            "max_kw", "band", "gst", "component", "clock", "enabled",
        )
    )  # fmt: skip
    return node.make(
        DemandCharge,
        name=node.at("name").text(),
        rate_aud_per_kw=node.at("rate").number(),
        gst=_gst(node),
        windows=_charge_windows(node, windows),
        measured_over=RESETS[_choice(node, "reset", RESETS, "P1M")],
        charged_per=DEMAND_UNITS[node.at("unit").choice(DEMAND_UNITS)],
        min_kw=_number(node, "min_kw", 0.0),
        max_kw=_number(node, "max_kw", float("inf")),
        band=_flag(node, "band", False),
        mean_minutes=MEASURES[_choice(node, "measure", MEASURES, "half_hour_mean_kw")],
        component=cast(Component, _choice(node, "component", get_args(Component), "network")),
        clock=cast(Clock, _choice(node, "clock", get_args(Clock), clock)),
    )


def _discount(node: Node) -> Discount:
    node.only(("name", "fraction", "base", "enabled"))
    return node.make(
        Discount,
        name=node.at("name").text(),
        fraction=node.at("fraction").number(),
        base=cast(DiscountBase, node.at("base").choice(get_args(DiscountBase))),
    )


def _export_limit(root: Node) -> float | str | None:
    node = root.get("export_limit")
    if node is None:
        return None
    if node.at("kind").choice(("fixed", "series")) == "fixed":
        node.only(("kind", "kw"))
        return node.at("kw").number()
    node.only(("kind", "column"))
    return node.at("column").text()


def _holidays(root: Node) -> str | tuple[date, ...]:
    node = root.get("holidays")
    if node is None:
        return ()
    if isinstance(node.value, list):
        return tuple(day.day() for day in node.items())
    node.make(holiday_dates, holidays=node.text(), years=(2025,))
    return node.text()


def _gst(node: Node) -> Gst:
    return cast(Gst, node.at("gst").choice(get_args(Gst)))


def _enabled(node: Node) -> bool:
    return _flag(node, "enabled", True)


def _choice(node: Node, key: str, known: Any, default: str) -> str:
    child = node.get(key)
    return default if child is None else child.choice(known)


def _number(node: Node, key: str, default: float) -> float:
    child = node.get(key)
    return default if child is None else child.number()


def _flag(node: Node, key: str, default: bool) -> bool:
    child = node.get(key)
    return default if child is None else child.flag()


def _day(node: Node | None, key: str) -> date | None:
    child = None if node is None else node.get(key)
    return None if child is None else child.day()
