"""From the months there are to a year of 365 days, for money and for energy, with the reason said.

The rule is that of `bill_summary.annualise`; here it is a weight per month, so that a thousand
scenarios of one period share it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from energy_pipeline.model.bill import Bill
from energy_pipeline.model.bill_summary import DAYS_PER_YEAR, annualise
from energy_pipeline.model.scenario_data import Floats
from energy_pipeline.model.scenario_meter import Run
from energy_pipeline.model.tariff_calendar import sum_by


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class YearScale:
    """A factor for each month of a bill: amounts times factors, summed, are a year's."""

    by_energy: Floats  # (m,), for what follows the intervals known
    by_time: Floats  # (m,), for what follows the days covered

    def bill_aud(self, bill: Bill) -> float:
        """A year of the bill, incl. GST. [AUD]"""
        total = 0.0
        for line in bill.lines:
            scale = self.by_time if line.kind in ("fixed", "demand") else self.by_energy
            total += float(line.amount_aud @ scale)
        return total

    def total(self, bill: Bill, values: Floats) -> float:
        """A year of something counted per interval, 0 where unknown. Shape (n,)."""
        starts = _month_starts(bill)
        return float(np.add.reduceat(values, starts) @ self.by_energy)


def year_scale(bill: Bill, *, least_coverage_fraction: float) -> YearScale:
    """Factors of a bill's months.

    Raises
    ------
    ValueError
        If no month reaches the coverage.
    """
    known = bill.known_intervals / bill.expected_intervals
    covered = bill.covered_intervals / bill.expected_intervals
    usable = known >= least_coverage_fraction
    if not usable.any():
        raise ValueError(
            f"no month has {least_coverage_fraction:.0%} of its intervals known (best "
            f"{known.max():.0%}): too little to make a year of"
        )
    days = np.array([pd.Period(month, "M").days_in_month for month in bill.months], dtype=float)
    calendar = np.array([int(month[5:]) - 1 for month in bill.months])
    seen = sum_by(calendar[usable], np.ones(int(usable.sum())), 12)
    mean_days = sum_by(calendar[usable], days[usable], 12)[seen > 0] / seen[seen > 0]
    share = np.where(usable, 1.0 / np.maximum(seen[calendar], 1.0), 0.0)
    share *= DAYS_PER_YEAR / float(mean_days.sum())
    return YearScale(
        by_energy=np.where(usable, share / np.where(usable, known, 1.0), 0.0),
        by_time=np.where(usable, share / np.where(usable, covered, 1.0), 0.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Yearly:
    """What a run costs in a year of 365 days, and how that was made. [AUD]"""

    bill_aud: float
    public_aud: float
    statement: str

    @property
    def cost_aud(self) -> float:
        """Bill and public charging."""
        return self.bill_aud + self.public_aud


def yearly_aud(run: Run, scale: YearScale) -> float:
    """Bill and public charging of a year. [AUD]"""
    return scale.bill_aud(run.bill) + _public_aud(run, scale)


def yearly(run: Run, scale: YearScale, *, least_coverage_fraction: float) -> Yearly:
    """A year's cost with the sentence that says what was scaled and assumed."""
    stated = annualise(run.bill, least_coverage_fraction=least_coverage_fraction)
    return Yearly(
        bill_aud=scale.bill_aud(run.bill),
        public_aud=_public_aud(run, scale),
        statement=stated.statement,
    )


def _public_aud(run: Run, scale: YearScale) -> float:
    if run.car is None or not run.car.public_kwh.any():
        return 0.0
    known = np.where(run.ground.known, run.car.public_kwh, 0.0)
    return scale.total(run.bill, known) * run.car.public_aud_per_kwh


def _month_starts(bill: Bill) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(bill.covered_intervals)[:-1]))
