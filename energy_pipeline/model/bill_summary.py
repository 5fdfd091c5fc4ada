"""What is said of a bill beyond its lines: the wholesale baseline, and a year from what there is.

Nothing here is done by `bill` on its own: a year is only ever an explicit request, and says in
words what it assumed.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from energy_pipeline.model.bill import Bill, Energies
from energy_pipeline.model.tariff_calendar import BoolArray, FloatArray

DAYS_PER_YEAR = 365.0


def wholesale_baseline(
    index: pd.DatetimeIndex,
    import_kwh: Energies,
    export_kwh: Energies,
    spot_aud_per_mwh: Energies,
    *,
    loss_factor: float = 1.0,
) -> FloatArray:
    """Energy alone at the wholesale price: no network, no supply, no GST. [AUD], shape (n,).

    ``(import - export) x RRP / 1000 x loss_factor`` in every interval, NaN where anything is
    unknown; sum it with the care gaps deserve.

    Raises
    ------
    ValueError
        If the arrays do not have the shape of `index`.
    """
    arrays = [np.asarray(a, float) for a in (import_kwh, export_kwh, spot_aud_per_mwh)]
    if any(a.shape != index.shape for a in arrays):
        raise ValueError(
            f"import_kwh, export_kwh and spot_aud_per_mwh must have shape {index.shape}"
        )
    imported, exported, spot = arrays
    cost: FloatArray = (imported - exported) * spot / 1000.0 * loss_factor
    return cost


@dataclass(frozen=True, slots=True)
class AnnualBill:
    """A year scaled from the months there are, and how."""

    amount_aud: float  # incl. GST
    statement: str  # what was scaled and what was assumed
    months: pd.DataFrame  # amount_aud, coverage_fraction, scaled_aud by month


def annualise(bill: Bill, *, least_coverage_fraction: float = 0.5) -> AnnualBill:
    """Scale a bill to a year of 365 days, saying what was done.

    Energy and discount lines are scaled by expected / known intervals of their month, fixed and
    demand lines by expected / covered intervals. A calendar month seen more than once counts with
    its mean; one never seen is taken to cost, per day, as much as the months seen.

    Raises
    ------
    ValueError
        If no month reaches `least_coverage_fraction`.
    """
    known = bill.known_intervals / bill.expected_intervals
    covered = bill.covered_intervals / bill.expected_intervals
    usable = known >= least_coverage_fraction
    if not usable.any():
        raise ValueError(
            f"no month has {least_coverage_fraction:.0%} of its intervals known (best "
            f"{known.max():.0%}): too little to make a year of"
        )
    scaled = np.zeros(len(bill.months))
    amount = np.zeros(len(bill.months))
    for line in bill.lines:
        held = covered if line.kind in ("fixed", "demand") else known
        scaled[usable] += line.amount_aud[usable] / held[usable]
        amount += line.amount_aud
    days = np.array([pd.Period(month, "M").days_in_month for month in bill.months])
    frame = pd.DataFrame(
        {
            "amount_aud": amount,
            "coverage_fraction": known,
            "scaled_aud": np.where(usable, scaled, np.nan),
        },
        index=pd.Index(bill.months, name="month"),
    )
    seen = frame[usable].assign(days=days[usable])
    by_calendar_month = seen.groupby(seen.index.str[5:])[["scaled_aud", "days"]].mean()
    aud_per_day = by_calendar_month["scaled_aud"].sum() / by_calendar_month["days"].sum()
    year_aud = float(aud_per_day * DAYS_PER_YEAR)
    return AnnualBill(
        amount_aud=year_aud,
        statement=_statement(bill, usable, known, len(by_calendar_month)),
        months=frame,
    )


def _statement(bill: Bill, usable: BoolArray, known: FloatArray, calendar_months: int) -> str:
    part = int(((known < 1.0) & usable).sum())
    dropped = [month for month, use in zip(bill.months, usable, strict=True) if not use]
    said = [f"Scaled to 365 days from {calendar_months} of 12 calendar months"]
    if part:
        said.append(f"{part} incomplete months were scaled up to whole ones")
    if dropped:
        said.append(f"left out for lack of data: {', '.join(dropped)}")
    if calendar_months < 12:
        missing = 12 - calendar_months
        said.append(
            f"the {missing} calendar months not seen are assumed to cost as much per day as the "
            "others, which ignores the seasons"
        )
    return "; ".join(said) + "."
