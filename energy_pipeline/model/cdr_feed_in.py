"""Feed-in tariffs of a Consumer Data Right plan: which of several apply, and their steps.

A plan lists every feed-in tariff a household might be on: alternatives side by side with parts of
one tariff. Parts cover different hours, or the balance beyond a capped part; anything that would
pay twice for the same kWh is an alternative.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from energy_pipeline.model.cdr_rates import Rate, rates_of_times, tiers_of, uncovered
from energy_pipeline.model.tariff import Clock, EnergyCharge
from energy_pipeline.model.tariff_document import Node, near
from energy_pipeline.model.tariff_week import week_grid


def read_feed_in(
    contract: Node, clock: Clock, notes: list[str], *, wanted: Sequence[str] | None, sign: float
) -> list[EnergyCharge]:
    """Export charges of the contract; no GST is added to a feed-in price.

    Parameters
    ----------
    wanted : sequence of str, optional
        Names to use. None: the first, and whatever does not overlap it.
    sign : float
        1 where a credit is stated as positive, -1 where it is negative.
    """
    wanted = [wanted] if isinstance(wanted, str) else wanted
    offered = _offered(contract, notes)
    names = [name for name, _ in offered]
    for name in wanted or ():
        if name not in names:
            raise contract.wrong(f"no feed-in tariff is named {name!r}{near(name, names)}")
    chosen: list[Rate] = []
    for name, node in offered:
        if wanted is not None and name not in wanted:
            notes.append(f"{node.path}: feed-in tariff {name!r} is not chosen")
            continue
        for rate in _rates(node, name, notes):
            _add(chosen, rate, notes)
    for rate in chosen:
        if rate.capped_kwh != math.inf:
            notes.append(f"{rate.path}: nothing is paid beyond {rate.capped_kwh:g} kWh")
    if chosen and (gap := uncovered(chosen)):
        notes.append(f"solarFeedInTariff: no feed-in is paid at some hours, such as {gap}")
    if any(tier.rate_aud_per_kwh * sign < 0.0 for rate in chosen for tier in rate.tiers):
        notes.append("a feed-in price is negative: it is a charge for exporting")
    return [_charge(rate, clock, sign) for rate in chosen]


def _offered(contract: Node, notes: list[str]) -> list[tuple[str, Node]]:
    offered = []
    for node in contract.each("solarFeedInTariff"):
        given = node.get("displayName")
        name = given.text() if given else "feed-in"
        for key, closed in (("payerType", "GOVERNMENT"), ("scheme", "PREMIUM")):
            if key in node and node.at(key).text() == closed:
                notes.append(f"{node.path}: {name!r} is a {closed.lower()} scheme, not applied")
                break
        else:
            offered.append((name, node))
    return offered


def _rates(node: Node, name: str, notes: list[str]) -> list[Rate]:
    if "tariffUType" in node:
        stated = node.at("tariffUType").choice(("singleTariff", "timeVaryingTariffs"))
        if stated not in node:
            raise node.wrong(f"tariffUType is {stated} but there is no {stated}")
    if single := node.get("singleTariff"):
        tiers, period = tiers_of(single, notes)
        return [Rate(name, tiers, period, (), "", single.path)]
    varying = node.at("timeVaryingTariffs")
    nodes = list(varying.items()) if isinstance(varying.value, list) else [varying]
    if not nodes:
        raise varying.wrong("is empty: there is no price")
    rates = rates_of_times(nodes, (), notes, times_key="timeVariations")
    return [replace(rate, name=f"{name}: {rate.kind or rate.name}") for rate in rates]


def _add(chosen: list[Rate], rate: Rate, notes: list[str]) -> None:
    """Keep a rate that pays for other hours, or for the kWh beyond a capped one."""
    grid = week_grid(rate.windows)
    for i, other in enumerate(chosen):
        if not (grid & week_grid(other.windows)).any():
            continue
        same_hours = (grid == week_grid(other.windows)).all()
        if same_hours and other.capped_kwh != math.inf and len(rate.tiers) == 1:
            chosen[i] = other.then(rate.tiers[0].rate_aud_per_kwh)
            return
        notes.append(
            f"{rate.path}: {rate.name!r} pays for hours that {other.name!r} pays for already, so "
            "it is taken as an alternative and left out; choose with feed_in"
        )
        return
    chosen.append(rate)


def _charge(rate: Rate, clock: Clock, sign: float) -> EnergyCharge:
    if rate.capped_kwh != math.inf:
        rate = rate.then(0.0)
    signed = tuple(
        replace(tier, rate_aud_per_kwh=tier.rate_aud_per_kwh * sign) for tier in rate.tiers
    )
    return EnergyCharge(
        name=f"feed-in {rate.name}",
        direction="export",
        price=replace(rate, tiers=signed).price(),
        gst="none",
        windows=rate.windows,
        clock=clock,
    )
