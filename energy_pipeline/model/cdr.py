"""Import of a plan in the Consumer Data Right form, EnergyPlanDetailV3 JSON.

Every retailer of the national energy framework publishes its plans in this form. What the form
says without a number (incentives, eligibility, event fees) is listed in the notes of the plan and
never guessed into a price. What it cannot say at all (wholesale prices, loss factors, two-way
network tariffs, export limits) comes from an ``x-extension`` block, see `cdr_extension`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from energy_pipeline.model.cdr_demand import read_demand
from energy_pipeline.model.cdr_extension import Extension, read_extension
from energy_pipeline.model.cdr_feed_in import read_feed_in
from energy_pipeline.model.cdr_rates import (
    Rate,
    rates_of_times,
    season,
    tiers_of,
    uncovered,
)
from energy_pipeline.model.cdr_terms import read_discounts, read_fees, say_what_is_not_billed
from energy_pipeline.model.tariff import (
    CONTROLLED_LOAD,
    EVERY_DAY,
    GENERAL,
    Clock,
    Component,
    DemandCharge,
    EnergyCharge,
    FixedCharge,
    Season,
    Tariff,
    Window,
)
from energy_pipeline.model.tariff_calendar import NEM_TIMEZONE, check_timezone
from energy_pipeline.model.tariff_document import Node, near

FeedInSign = Literal["credit_positive", "credit_negative"]

# Distributor, as it is named in plans and in any letter case: time zone, public holidays.
_NSW, _VIC = ("Australia/Sydney", "AU-NSW"), ("Australia/Melbourne", "AU-VIC")
_QLD, _SA = ("Australia/Brisbane", "AU-QLD"), ("Australia/Adelaide", "AU-SA")
DISTRIBUTORS = {
    "ausgrid": _NSW, "endeavour": _NSW, "endeavour energy": _NSW, "essential energy": _NSW,
    "essential": _NSW, "evoenergy": ("Australia/Sydney", "AU-ACT"), "actewagl": (
        "Australia/Sydney", "AU-ACT"),
    "energex": _QLD, "ergon": _QLD, "ergon energy": _QLD,
    "sa power networks": _SA, "sapn": _SA,
    "tasnetworks": ("Australia/Hobart", "AU-TAS"),
    "citipower": _VIC, "powercor": _VIC, "powercor australia": _VIC, "jemena": _VIC,
    "united energy": _VIC, "united": _VIC, "ausnet": _VIC, "ausnet services": _VIC,
    "ausnet services (electricity)": _VIC, "ausnet electricity services": _VIC,
}  # fmt: skip
_COMPONENTS: dict[str, Component] = {
    "ENVIRONMENTAL": "environment", "REGULATED": "retail", "NETWORK": "network",
    "METERING": "supply", "RETAIL_SERVICE": "retail", "RCTI": "other", "OTHER": "retail",
}  # fmt: skip
GST = 0.10


@dataclass
class _Parts:
    """What has been read so far."""

    fixed: list[FixedCharge] = field(default_factory=list)
    energy: list[EnergyCharge] = field(default_factory=list)
    demand: list[DemandCharge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def load_cdr(path: Path, **choices: Any) -> Tariff:
    """Read a plan from a JSON file; `choices` as for `read_cdr`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as exc:
        raise ValueError(f"{path.name}: not a JSON document: {exc}") from exc
    try:
        return read_cdr(document, **choices)
    except ValueError as exc:
        raise ValueError(f"{path.name}: {exc}") from exc


def read_cdr(
    document: Mapping[str, Any],
    *,
    timezone: str | None = None,
    holidays: str | tuple[date, ...] | None = None,
    feed_in: Sequence[str] | None = None,
    feed_in_sign: FeedInSign = "credit_positive",
    extension: Mapping[str, Any] | None = None,
) -> Tariff:
    """Read a plan: the response of ``/energy/plans/{planId}``, or the ``data`` inside it.

    Parameters
    ----------
    timezone, holidays : optional
        Where the household is; read from the distributor when it is known.
    feed_in : sequence of str, optional
        Names of the feed-in tariffs to use when the plan offers several; otherwise the first,
        with whatever does not overlap it. The notes list those left out.
    feed_in_sign : {"credit_positive", "credit_negative"}
        Plans published for comparison state a credit as positive. Account data do not agree with
        one another, so their sign must be given.
    extension : mapping, optional
        The ``x-extension`` block, when it is not in the document.

    Raises
    ------
    ValueError
        If the document is not such a plan, or a price, time, day or period in it is not
        understood. The message begins with the path.

    References
    ----------
    .. [1] Consumer Data Standards, Energy APIs 1.36.0, EnergyPlanDetailV3.
    """
    root = Node(document, "")
    data = root.get("data") or root
    if "plans" in data:
        raise data.at("plans").wrong("is a list of plans; give the detail of one plan")
    contract = _contract(data)
    parts = _Parts()
    block = extension if extension is not None else data.table().get("x-extension")
    extra = read_extension(Node(block, "x-extension")) if block is not None else Extension()
    estimate = _estimate_word(data, contract)
    if estimate and not extra.wholesale:
        raise contract.wrong(
            f"this is a wholesale plan ({estimate}): its flat rate is only an estimate; add an "
            "x-extension.wholesale block with the region and loss factors, or read it as a plan "
            "of our own form"
        )
    if fuel := data.get("fuelType"):
        if fuel.text() == "DUAL":
            parts.notes.append("fuelType is DUAL: only the electricity contract is read")
        elif fuel.text() != "ELECTRICITY":
            raise fuel.wrong(f"is {fuel.value!r}; only electricity plans are read")
    clock = _clock(contract, parts.notes)
    zone, days_off = _place(data, contract, clock, timezone, holidays, extra)
    for node in contract.at("tariffPeriod").items():
        _tariff_period(node, clock, contract, parts, drop_energy=bool(estimate))
    if not any(charge.direction == "import" for charge in parts.energy) and not extra.wholesale:
        if not parts.demand:
            raise contract.at("tariffPeriod").wrong("holds no energy rate and no demand charge")
        parts.notes.append("the plan has demand charges only: no energy rate is charged")
    _every_day_has_a_rate(contract, parts)
    _controlled_load(contract, clock, parts)
    if estimate:
        parts.notes.append("feed-in and flat rates of the estimate are replaced by the spot price")
    else:
        sign = 1.0 if feed_in_sign == "credit_positive" else -1.0
        parts.energy += read_feed_in(contract, clock, parts.notes, wanted=feed_in, sign=sign)
    parts.fixed += read_fees(contract, parts.notes)
    discounts = read_discounts(contract, parts.notes)
    say_what_is_not_billed(contract, parts.notes)
    if _by_weekday(parts):
        parts.notes.append(
            "public holidays are billed by their weekday: the plan does not mention them"
        )
    name = data.get("displayName") or data.get("planId")
    return Node(None, "plan").make(
        Tariff,
        name=name.text() if name else "unnamed plan",
        timezone=zone,
        fixed=tuple(parts.fixed),
        energy=(*parts.energy, *extra.energy),
        demand=tuple(parts.demand),
        discounts=tuple(discounts),
        holidays=days_off,
        bill_interval_minutes=extra.interval_minutes,
        valid_from=_date(data, "effectiveFrom", zone),
        valid_to=_date(data, "effectiveTo", zone),
        export_limit_kw=extra.export_limit_kw,
        notes=tuple(dict.fromkeys(parts.notes)),
    )


def _contract(data: Node) -> Node:
    if "electricityContract" not in data:
        held = "gasContract" if "gasContract" in data else None
        raise data.wrong(
            "only gas is in this plan" if held else
            f"electricityContract is missing{near('electricityContract', data.table())}"
        )  # fmt: skip
    return data.at("electricityContract")


def _estimate_word(data: Node, contract: Node) -> str:
    """Why the plan is taken for wholesale with an estimated flat rate; empty if it is not."""
    for key in ("brand", "brandName"):
        brand = str(data.table().get(key) or "")
        if brand.strip().lower().startswith("amber"):
            return f"{key} is {brand!r}"
    periods = contract.each("tariffPeriod")
    rates = [node.at("singleRate") for node in periods if "singleRate" in node]
    for node in (data, *periods, *rates):
        name = node.table().get("displayName")
        if isinstance(name, str) and "estimate" in name.lower():
            return f"{node.path}.displayName is {name[:60]!r}"
    return ""


def _clock(node: Node, notes: list[str]) -> Clock:
    zone = node.get("timeZone")
    if zone is None:
        notes.append("timeZone is absent: times are read as AEST (UTC+10), as the standard says")
        return "nem"
    return "local" if zone.choice(("LOCAL", "AEST")) == "LOCAL" else "nem"


def _place(
    data: Node,
    contract: Node,
    clock: Clock,
    timezone: str | None,
    holidays: str | tuple[date, ...] | None,
    extra: Extension,
) -> tuple[str, str | tuple[date, ...]]:
    geography = data.get("geography")
    names = [n.text() for n in geography.each("distributors")] if geography else []
    places = {DISTRIBUTORS[name.lower()] for name in names if name.lower() in DISTRIBUTORS}
    if timezone is not None:
        check_timezone(timezone)
        zone = timezone
    elif len({place[0] for place in places}) == 1:
        zone = next(iter(places))[0]
    elif clock == "nem" and not any("timeZone" in p for p in contract.each("tariffPeriod")):
        zone = NEM_TIMEZONE
    else:
        found = f"distributors {names}" if names else "no distributor"
        raise data.wrong(
            f"times are LOCAL but {found} does not say where; give timezone, such as "
            "'Australia/Sydney'"
        )
    regions = {place[1] for place in places}
    usual = next(iter(regions)) if len(regions) == 1 else ()
    return zone, holidays if holidays is not None else extra.holidays or usual


def _tariff_period(
    node: Node, contract_clock: Clock, contract: Node, parts: _Parts, *, drop_energy: bool
) -> None:
    clock = _clock(node, []) if "timeZone" in node else contract_clock
    component = _component(node, parts.notes)
    name = node.get("displayName")
    title = name.text() if name else "tariff"
    seasons = season(node)
    _supply(node, title, seasons, parts)
    kinds = ("singleRate", "timeOfUseRates", "demandCharges")
    if "rateBlockUType" in node:
        stated = node.at("rateBlockUType").choice(kinds)
        if stated not in node:
            raise node.wrong(f"rateBlockUType is {stated} but there is no {stated}")
    if not any(kind in node for kind in kinds):
        raise node.wrong(f"none of {', '.join(kinds)} is there")
    if drop_energy and component != "network":
        parts.notes.append(f"{node.path}: the estimated rate {title!r} is left out")
    else:
        for rate in _import_rates(node, seasons, contract, parts.notes):
            parts.energy.append(
                _charge(node, rate, f"{title}: {rate.name}", component, clock, GENERAL)
            )
    parts.demand += read_demand(node, title, seasons, component, clock, parts.notes)


def _component(node: Node, notes: list[str]) -> Component:
    kind = node.get("type")
    if kind is None:
        return "retail"
    if kind.text() not in _COMPONENTS:
        notes.append(f"{kind.path}: unknown type {kind.value!r}, read as OTHER")
        return "retail"
    return _COMPONENTS[kind.text()]


def _import_rates(
    node: Node, seasons: tuple[Season, ...], contract: Node, notes: list[str]
) -> list[Rate]:
    rates = []
    if single := node.get("singleRate"):
        model = contract.get("pricingModel")
        quota = model is not None and model.text() in ("QUOTA", "QUOTA_CONT_LOAD")
        rates.append(_single(single, seasons, notes, quota_gst_fraction=GST if quota else None))
    if "timeOfUseRates" in node:
        nodes = node.each("timeOfUseRates")
        if not nodes:
            raise node.at("timeOfUseRates").wrong("is empty: there is no rate")
        times = rates_of_times(nodes, seasons, notes, times_key="timeOfUse")
        if gap := uncovered(times):
            raise node.at("timeOfUseRates").wrong(
                f"no rate covers {gap}; energy then would cost nothing"
            )
        rates += times
    for rate in rates:
        if rate.capped_kwh != math.inf:
            notes.append(
                f"{rate.path}: no rate beyond {rate.capped_kwh:g} kWh; the last one goes on"
            )
    return rates


def _single(
    node: Node,
    seasons: tuple[Season, ...],
    notes: list[str],
    *,
    quota_gst_fraction: float | None = None,
) -> Rate:
    tiers, period = tiers_of(node, notes, quota_gst_fraction=quota_gst_fraction)
    name = node.get("displayName")
    windows = (Window(seasons=seasons),) if seasons else ()
    return Rate(name.text() if name else "Anytime", tiers, period, windows, "", node.path)


def _charge(
    node: Node, rate: Rate, name: str, component: Component, clock: Clock, channel: str
) -> EnergyCharge:
    return node.make(
        EnergyCharge,
        name=name,
        direction="import",
        price=rate.price(),
        gst="ex",
        windows=rate.windows,
        channel=channel,
        component=component,
        clock=clock,
    )


def _supply(
    node: Node, title: str, seasons: tuple[Season, ...], parts: _Parts, channel: str = GENERAL
) -> bool:
    """Add the daily supply charge of a node, and say whether there is one."""
    amount = None
    for key in ("dailySupplyCharge", "dailySupplyCharges", "dailyCharge"):
        amount = amount or node.get(key)
    bands = node.each("bandedDailySupplyCharges")
    if amount is None and len(bands) == 1:
        amount = bands[0].at("unitPrice")
    elif amount is None and bands:
        raise node.at("bandedDailySupplyCharges").wrong(
            f"has {len(bands)} bands and does not say which one this household pays"
        )
    if amount is None:
        return False
    if amount.number() != 0.0:
        parts.fixed.append(
            FixedCharge(
                name=f"{title}: daily supply",
                amount_aud=amount.number(),
                unit="day",
                gst="ex",
                seasons=seasons,
                channel=channel,
            )
        )
    return True


def _every_day_has_a_rate(contract: Node, parts: _Parts) -> None:
    """Energy rates by season must cover the year; where two cover a day, they add up."""
    periods = [
        node for node in contract.each("tariffPeriod") if "singleRate" in node
        or "timeOfUseRates" in node
    ]  # fmt: skip
    if not periods or not any(c.direction == "import" for c in parts.energy):
        return
    days = [m * 100 + d for m in range(1, 13) for d in range(1, 32) if d <= _LONGEST[m - 1]]
    covered = dict.fromkeys(days, 0)
    for node in periods:
        for first, last in season(node) or ((101, 1231),):
            for day in days:
                wraps = first > last
                inside = (day >= first or day <= last) if wraps else first <= day <= last
                covered[day] += inside
    bare = [day for day, count in covered.items() if not count]
    if bare:
        raise contract.at("tariffPeriod").wrong(
            f"no energy rate covers {bare[0] // 100:02d}-{bare[0] % 100:02d} and "
            f"{len(bare) - 1} more days; energy then would cost nothing"
        )
    if max(covered.values()) > 1:
        parts.notes.append(
            "several tariff periods hold energy rates for the same days: they add up"
        )


def _controlled_load(contract: Node, clock: Clock, parts: _Parts) -> None:
    """Each entry is a circuit of its own: controlled_load, controlled_load_2, ..."""
    nodes = contract.each("controlledLoad")
    for number, node in enumerate(nodes, start=1):
        channel = CONTROLLED_LOAD if number == 1 else f"{CONTROLLED_LOAD}_{number}"
        name = node.get("displayName")
        title = name.text() if name else channel
        seasons = season(node)
        rates: list[Rate] = []
        if single := node.get("singleRate") or (node if "rates" in node else None):
            rates.append(_single(single, seasons, parts.notes))
        for place in (node, single, *node.each("timeOfUseRates")):
            if place is not None and _supply(place, title, seasons, parts, channel):
                break  # one circuit has one supply charge, however often it is written
        if "timeOfUseRates" in node:
            times = node.each("timeOfUseRates")
            rates += rates_of_times(times, seasons, parts.notes, times_key="timeOfUse")
        if not rates:
            raise node.wrong("none of singleRate, timeOfUseRates is there")
        if gap := uncovered(rates):
            parts.notes.append(
                f"{node.path}: the circuit has no rate at {gap}; it is taken to be off then"
            )
        parts.energy += [
            _charge(node, rate, f"{title}: {rate.name}", "retail", clock, channel) for rate in rates
        ]
    if len(nodes) > 1:
        parts.notes.append(
            f"the plan has {len(nodes)} controlled loads; the first bills controlled_load_kwh, "
            "the others controlled_load_2_kwh and so on"
        )


def _by_weekday(parts: _Parts) -> bool:
    """Whether weekdays differ and public holidays are nowhere mentioned."""
    windows = [window for charge in parts.energy for window in charge.windows]
    windows += [window for charge in parts.demand for window in charge.windows]
    apart = any(window.holiday != "as_weekday" for window in windows)
    return not apart and any(window.days != EVERY_DAY for window in windows)


def _date(data: Node, key: str, zone: str) -> date | None:
    """The local day of an instant such as 2026-03-31T13:00:00Z, or of a date."""
    child = data.get(key)
    if child is None:
        return None
    try:
        moment = datetime.fromisoformat(child.text())
    except ValueError as exc:
        raise child.wrong(f"must be a date such as 2025-07-01, not {child.value!r}") from exc
    return (moment.astimezone(ZoneInfo(zone)) if moment.tzinfo else moment).date()


_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
