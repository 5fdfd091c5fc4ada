"""Rebates on solar and batteries, from the dated figures of ``rebates.toml``.

Certificates are counted in decimal arithmetic: 9.3 x 10 kWh is 93, not 92.99.
"""

import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from functools import cache
from importlib import resources
from typing import Any

LAST_DEEMED_YEAR = 2030


@dataclass(frozen=True, slots=True)
class Rebate:
    """What one programme pays for one installation."""

    name: str
    amount_aud: float
    certificates: int | None  # None: not paid in certificates
    certificates_unrounded: float | None
    reason: str  # how the amount came about, or why it is nothing
    source: str


@cache
def figures() -> dict[str, Any]:
    """The dated figures, as the file holds them."""
    text = resources.files("energy_pipeline.model").joinpath("rebates.toml").read_text("utf-8")
    return tomllib.loads(text)


def battery_rebate(
    usable_kwh: float,
    *,
    installed: date,
    nominal_kwh: float | None = None,
    certificate_aud: float | None = None,
) -> Rebate:
    """Federal certificates for a home battery.

    ``floor(factor(date) x sum over the tiers of share x kWh in the tier)``, on usable capacity up
    to 50 kWh, for batteries of 5 to 100 kWh nominal.

    Parameters
    ----------
    nominal_kwh : float, optional
        Decides whether the size is eligible; taken as the usable size when left out.
    certificate_aud : float, optional
        Price of one certificate after the agent's fee.

    Raises
    ------
    ValueError
        If a size or the price is not positive.
    """
    table = figures()["battery"]
    _positive("usable_kwh", usable_kwh)
    nominal = usable_kwh if nominal_kwh is None else nominal_kwh
    _positive("nominal_kwh", nominal)
    least, most = table["nominal_kwh"]
    factor = _at(table["factor"], installed)
    tiers = _at(table["tiers"], installed)
    why_not = ""
    if factor is None or tiers is None or installed > table["ends"]:
        why_not = f"the programme runs from {table['factor'][0]['from']} to {table['ends']}"
    elif not least <= nominal <= most:
        why_not = f"{nominal:g} kWh nominal; eligible are {least:g} to {most:g} kWh"
    if why_not or factor is None or tiers is None:
        return Rebate(table["name"], 0.0, 0, 0.0, why_not, table["source"])
    kwh, low = Decimal(0), Decimal(0)
    for part in tiers["parts"]:
        high = _decimal(part["up_to_kwh"])
        kwh += max(min(_decimal(usable_kwh), high) - low, Decimal(0)) * _decimal(part["share"])
        low = high
    per_kwh = factor["certificates_per_kwh"]
    return _in_certificates(
        table,
        _decimal(per_kwh) * kwh,
        certificate_aud,
        f"{per_kwh:g} certificates x {float(kwh):g} kWh counted of {usable_kwh:g} kWh usable",
    )


def solar_rebate(
    dc_kw: float, *, zone: int, installed: date, certificate_aud: float | None = None
) -> Rebate:
    """Certificates for solar: ``floor(kW x zone rating x years to the end of 2030)``.

    Raises
    ------
    ValueError
        If the size or the price is not positive, or the zone is not 1 to 4.
    """
    table = figures()["solar"]
    _positive("dc_kw", dc_kw)
    ratings = table["zone_rating"]
    if str(zone) not in ratings:
        raise ValueError(f"zone is {zone}; it must be one of {', '.join(ratings)}")
    years = min(LAST_DEEMED_YEAR + 1 - installed.year, table["longest_deeming_years"])
    why_not = ""
    if not table["from"] <= installed <= table["ends"]:
        why_not = f"the programme runs from {table['from']} to {table['ends']}"
    elif dc_kw > table["largest_kw"]:
        why_not = f"{dc_kw:g} kW; eligible are systems up to {table['largest_kw']:g} kW"
    if why_not:
        return Rebate(table["name"], 0.0, 0, 0.0, why_not, table["source"])
    rating = ratings[str(zone)]
    return _in_certificates(
        table,
        _decimal(dc_kw) * _decimal(rating) * years,
        certificate_aud,
        f"{dc_kw:g} kW x {rating:g} (zone {zone}) x {years} years",
    )


def state_rebates(state: str, *, usable_kwh: float, installed: date) -> list[Rebate]:
    """What the state offers for a battery; every one has a condition, stated in its reason."""
    _positive("usable_kwh", usable_kwh)
    found = []
    for offer in figures()["state"]:
        least, most = offer["usable_kwh"]
        if offer["state"] != state.upper() or installed < offer["from"] or usable_kwh < least:
            continue
        amount = offer.get("flat_aud", 0.0)
        amount += offer.get("aud_per_usable_kwh", 0.0) * min(usable_kwh, most)
        found.append(
            Rebate(offer["name"], amount, None, None, f"if {offer['condition']}", offer["source"])
        )
    return found


def _in_certificates(
    table: dict[str, Any], count: Decimal, certificate_aud: float | None, reason: str
) -> Rebate:
    price = figures()["certificate"]["price_aud"] if certificate_aud is None else certificate_aud
    _positive("certificate_aud", price)
    whole = int(count.to_integral_value(rounding=ROUND_FLOOR))
    return Rebate(
        name=table["name"],
        amount_aud=whole * price,
        certificates=whole,
        certificates_unrounded=float(count),
        reason=f"{reason}, at {price:g} AUD each",
        source=table["source"],
    )


def _at(rows: list[dict[str, Any]], day: date) -> dict[str, Any] | None:
    """The row in force on a day."""
    in_force = [row for row in rows if row["from"] <= day]
    return in_force[-1] if in_force else None


def _decimal(value: float) -> Decimal:
    return Decimal(repr(float(value)))


def _positive(name: str, value: float) -> None:
    if not 0.0 < value < float("inf"):
        raise ValueError(f"{name} is {value}; it must be positive")
