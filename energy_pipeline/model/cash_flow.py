"""The flows of a purchase year by year, and everything the money page says about it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from energy_pipeline.model.finance import (
    Loan,
    annualised_roi_fraction,
    mirr_fraction,
    npv_aud,
    payback_years,
    roi_fraction,
)
from energy_pipeline.model.irr import InternalRate, irr


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What is bought, with whose money, and what it will cost to keep."""

    capex_aud: float  # installed price before rebates
    years: int  # of life counted; nothing is left at the end
    rebate_aud: float = 0.0
    loan: Loan | None = None  # pays part of the price net of rebates
    opex_aud_per_year: float = 0.0  # in prices of today
    opex_escalation: float = 0.0  # per year
    replacements_aud: Mapping[int, float] = field(default_factory=dict)  # year: nominal price

    def __post_init__(self) -> None:
        for name in ("capex_aud", "rebate_aud", "opex_aud_per_year"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} is {value}; it must be >= 0")
        if self.years < 1:
            raise ValueError(f"years is {self.years}; it must be at least 1")
        if self.rebate_aud > self.capex_aud:
            raise ValueError(
                f"rebate_aud is {self.rebate_aud}, more than the price {self.capex_aud}"
            )
        if self.loan and self.loan.principal_aud > self.capex_aud - self.rebate_aud + 1e-9:
            raise ValueError(
                f"loan.principal_aud is {self.loan.principal_aud}, more than the price after "
                f"rebates {self.capex_aud - self.rebate_aud}"
            )
        if not (math.isfinite(self.opex_escalation) and self.opex_escalation > -1.0):
            raise ValueError(f"opex_escalation is {self.opex_escalation}; it must be above -1")
        for year, price in self.replacements_aud.items():
            if not 1 <= year <= self.years or not math.isfinite(price):
                raise ValueError(
                    f"replacements_aud has {price} in year {year}; years run 1 to {self.years}"
                )


def escalated_savings_aud(
    savings_year1_aud: float, years: int, *, escalation: float = 0.0, degradation: float = 0.0
) -> list[float]:
    """Savings that grow with prices and shrink with the equipment, year 1 to `years`.

    ``S1 ((1 + escalation)(1 - degradation)) ** (y - 1)``: the shortcut for when the years are not
    simulated one by one.
    """
    step = (1.0 + escalation) * (1.0 - degradation)
    return [savings_year1_aud * step**k for k in range(years)]


def cash_flow_table(purchase: Purchase, savings_aud: Sequence[float]) -> pd.DataFrame:
    """Flows of every year, 0 (today) to `purchase.years`.

    Parameters
    ----------
    savings_aud : sequence of float
        Saving on the bill in years 1, 2, ...; length `purchase.years`. [AUD nominal]

    Returns
    -------
    pd.DataFrame
        savings_aud, opex_aud, replacement_aud, purchase_aud, loan_aud (each as a flow: money out
        is negative), net_aud, cumulative_aud, and before_loan_aud, the flow as if paid in cash.

    Raises
    ------
    ValueError
        If there is not one finite saving per year.
    """
    if len(savings_aud) != purchase.years or not np.isfinite(savings_aud).all():
        raise ValueError(
            f"savings_aud has {len(savings_aud)} values; need {purchase.years}, all finite"
        )
    year = np.arange(purchase.years + 1)
    table = pd.DataFrame(index=pd.Index(year, name="year"))
    table["savings_aud"] = [0.0, *savings_aud]
    opex = purchase.opex_aud_per_year * (1.0 + purchase.opex_escalation) ** (year - 1.0)
    table["opex_aud"] = np.where(year > 0, -opex, 0.0)
    table["replacement_aud"] = [-purchase.replacements_aud.get(int(k), 0.0) for k in year]
    table["purchase_aud"] = np.where(year == 0, purchase.rebate_aud - purchase.capex_aud, 0.0)
    table["loan_aud"] = _loan_flows(purchase)
    parts = ["savings_aud", "opex_aud", "replacement_aud", "purchase_aud"]
    table["before_loan_aud"] = table[parts].sum(axis=1)
    table["net_aud"] = table["before_loan_aud"] + table["loan_aud"]
    table["cumulative_aud"] = table["net_aud"].cumsum()
    return table


def _loan_flows(purchase: Purchase) -> np.ndarray:
    flows = np.zeros(purchase.years + 1)
    loan = purchase.loan
    if loan is None:
        return flows
    flows[0] = loan.principal_aud
    due = -(-np.arange(1, loan.periods + 1) // loan.periods_per_year)  # year each payment falls in
    if due[-1] > purchase.years:
        raise ValueError(
            f"the loan runs {loan.years} years, beyond the {purchase.years} years counted"
        )
    flows -= np.bincount(due, minlength=len(flows)) * loan.payment_aud
    return flows


@dataclass(frozen=True, slots=True)
class Appraisal:
    """Every figure of one investment. Payback and returns are of the purchase as if in cash."""

    npv_aud: float  # of the flows with the loan
    payback_years: float | None
    discounted_payback_years: float | None
    roi_fraction: float | None
    annualised_roi_fraction: float | None
    irr: InternalRate
    mirr_fraction: float | None
    table: pd.DataFrame


def appraise(
    purchase: Purchase, savings_aud: Sequence[float], *, discount_rate: float
) -> Appraisal:
    """Appraise a purchase at one nominal discount rate.

    A loan changes NPV; payback, ROI, IRR and MIRR judge the equipment itself, paid in cash, so
    that a loan without deposit does not make them infinite.
    """
    table = cash_flow_table(purchase, savings_aud)
    cash = table["before_loan_aud"].tolist()
    return Appraisal(
        npv_aud=npv_aud(discount_rate, table["net_aud"].tolist()),
        payback_years=payback_years(cash),
        discounted_payback_years=payback_years(cash, rate=discount_rate),
        roi_fraction=roi_fraction(cash),
        annualised_roi_fraction=annualised_roi_fraction(cash),
        irr=irr(cash),
        mirr_fraction=mirr_fraction(cash, finance_rate=discount_rate, reinvest_rate=discount_rate),
        table=table,
    )
