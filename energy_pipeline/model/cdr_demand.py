"""Demand charges of a Consumer Data Right plan."""

import math
from dataclasses import replace

from energy_pipeline.model.cdr_rates import holiday_rules, window_of
from energy_pipeline.model.tariff import Clock, Component, DemandCharge, DemandPeriod, Season
from energy_pipeline.model.tariff_document import Node

_DEMAND_PERIODS: dict[str, DemandPeriod] = {
    "DAY": "day", "MONTH": "month", "TARIFF_PERIOD": "tariff_period",
}  # fmt: skip


def read_demand(
    node: Node,
    title: str,
    seasons: tuple[Season, ...],
    component: Component,
    clock: Clock,
    notes: list[str],
) -> list[DemandCharge]:
    """Demand charges of one tariff period; stepped ones are each charged on their own step."""
    if "demandCharges" not in node:
        return []
    nodes = node.each("demandCharges")
    if not nodes:
        raise node.at("demandCharges").wrong("is empty: there is no charge")
    rules = holiday_rules(nodes)
    read = []
    for charge in nodes:
        unit = charge.get("measureUnit")
        if unit is None or unit.text() in ("KWH", "KVA"):
            given = "absent" if unit is None else unit.text()
            notes.append(f"{charge.path}.measureUnit is {given}: demand is read in kW")
        else:
            unit.choice(("KW",))
        least, most = _optional(charge, "minDemand", 0.0), _optional(charge, "maxDemand", 0.0)
        name = charge.get("displayName")
        read.append(
            charge.make(
                DemandCharge,
                name=f"{title}: {name.text() if name else 'demand'}",
                rate_aud_per_kw=charge.at("amount").number(),
                gst="ex",
                windows=(window_of(charge, rules, seasons),),
                measured_over=_DEMAND_PERIODS[
                    charge.at("measurementPeriod").choice(_DEMAND_PERIODS)
                ],
                charged_per=_DEMAND_PERIODS[charge.at("chargePeriod").choice(_DEMAND_PERIODS)],
                min_kw=least,
                max_kw=most or math.inf,  # 0 is written where there is no maximum
                component="network" if component == "retail" else component,
                clock=clock,
            )
        )
    return [replace(charge, band=True) if _is_step(charge, read) else charge for charge in read]


def _is_step(charge: DemandCharge, others: list[DemandCharge]) -> bool:
    """Whether its minimum or maximum is the maximum or minimum of another one."""
    return any(
        other.windows == charge.windows
        and (charge.max_kw == other.min_kw or charge.min_kw == other.max_kw)
        for other in others
        if other is not charge
    )


def _optional(node: Node, key: str, default: float) -> float:
    child = node.get(key)
    return default if child is None else child.number()
