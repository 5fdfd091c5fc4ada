"""Fees, discounts and free text of a Consumer Data Right plan: what is billed or only said.

A fee or discount is billed only when it recurs without any act of the household; everything else
is named in the notes, so that nobody thinks it was counted.
"""

import re

from energy_pipeline.model.tariff import Discount, FixedCharge, FixedUnit, Gst
from energy_pipeline.model.tariff_document import Node

_TERMS: dict[str, tuple[float, FixedUnit]] = {
    "DAILY": (1.0, "day"),
    "WEEKLY": (1.0, "week"),
    "MONTHLY": (1.0, "month"),
    "BIANNUAL": (2.0, "year"),
    "ANNUAL": (1.0, "year"),
}
_WITH_GST = re.compile(r"inc[a-z.]*\W*(?:of\W*)?gst|gst\W*inc", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SHOWN = 160  # characters of free text kept in a note


def read_fees(contract: Node, notes: list[str]) -> list[FixedCharge]:
    """Membership fees that recur; every other fee is named in `notes`."""
    charges = []
    for fee in contract.each("fees"):
        kind, term = (str(fee.table().get(key) or "OTHER") for key in ("type", "term"))
        if (kind == "MEMBERSHIP" or term in _TERMS) and "amount" in fee:
            if fee.at("amount").number() == 0.0:
                continue
            if kind == "MEMBERSHIP" and term in _TERMS:
                times, unit = _TERMS[term]
                charges.append(
                    FixedCharge(
                        name="membership fee",
                        amount_aud=fee.at("amount").number() * times,
                        unit=unit,
                        gst=_fee_gst(fee, notes),
                    )
                )
                continue
        if kind == "MEMBERSHIP" or term in _TERMS:
            notes.append(f"{fee.path}: {kind} fee ({term}) is not in the bill{_words(fee)}")
    return charges


def _fee_gst(fee: Node, notes: list[str]) -> Gst:
    """The standard does not say; the description often does."""
    amount = fee.at("amount").number()
    text = str(fee.table().get("description") or "")
    with_gst = bool(_WITH_GST.search(text))
    numbers = [float(found) for found in _NUMBER.findall(text)]
    if with_gst and not any(abs(number - amount * 1.1) < 0.006 for number in numbers):
        return "inc"
    if not with_gst:
        notes.append(f"{fee.path}: says nothing of GST, so 10 % is added, as to every other charge")
    return "ex"


def read_discounts(contract: Node, notes: list[str]) -> list[Discount]:
    """Guaranteed percentages; discounts that depend on something are named in `notes`."""
    found = []
    for node in contract.each("discounts"):
        name = node.at("displayName").text() if "displayName" in node else "discount"
        method = node.at("methodUType").choice(
            ("percentOfBill", "percentOfUse", "fixedAmount", "percentOverThreshold")
        )
        guaranteed = node.at("type").text() == "GUARANTEED"
        if not guaranteed or method not in ("percentOfBill", "percentOfUse"):
            why = method if guaranteed else "conditional"
            notes.append(f"{node.path}: discount {name!r} ({why}) is not in the bill{_words(node)}")
            continue
        rate = node.at(method).at("rate")
        found.append(
            rate.make(
                Discount,
                name=name,
                fraction=rate.number(),
                base="bill" if method == "percentOfBill" else "usage",
            )
        )
        if "endDate" in node:
            notes.append(f"{node.path}: discount {name!r} ends {node.at('endDate').text()}")
    return found


def say_what_is_not_billed(contract: Node, notes: list[str]) -> None:
    """Name incentives, green power and eligibility: their conditions are free text."""
    for node in contract.each("incentives"):
        name = node.table().get("displayName") or "incentive"
        notes.append(f"{node.path}: incentive {name!r} is not in the bill{_words(node)}")
    if contract.each("greenPowerCharges"):
        notes.append("green power is optional and not in the bill")
    for node in contract.each("eligibility"):
        text = node.table().get("information") or node.table().get("type") or "see the plan"
        notes.append(f"{node.path}: eligibility: {str(text)[:_SHOWN]}")


def _words(node: Node) -> str:
    text = str(node.table().get("description") or "").strip()
    return f": {text[:_SHOWN]}" if text else ""
