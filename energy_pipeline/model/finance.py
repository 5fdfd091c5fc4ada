"""What an investment is worth: NPV, payback, returns, loans and the price of a levelised kWh.

Flow k falls at the end of period k, flow 0 is today and is not discounted; money out is negative.
Nominal AUD. The internal rate of return is in `irr`, tables of flows are made in `cash_flow`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


def nominal_rate(real_rate: float, inflation: float) -> float:
    """Nominal discount rate of a real one: ``(1 + real)(1 + inflation) - 1``."""
    return (1.0 + real_rate) * (1.0 + inflation) - 1.0


def npv_aud(rate: float, flows_aud: Sequence[float]) -> float:
    """Net present value; Excel's ``NPV(rate, flows[1:]) + flows[0]``.

    Raises
    ------
    ValueError
        If the rate is not above -1 or a flow is not finite.
    """
    flows = _flows(flows_aud)
    _check_rate("rate", rate)
    return float(math.fsum(flows / (1.0 + rate) ** np.arange(len(flows))))


def payback_years(flows_aud: Sequence[float], *, rate: float = 0.0) -> float | None:
    """First time the running sum of (discounted) flows reaches 0, linear inside a period.

    None if it never does within the flows given; later costs can undo it, so read it beside NPV.
    """
    flows = _flows(flows_aud)
    _check_rate("rate", rate)
    discounted = flows / (1.0 + rate) ** np.arange(len(flows))
    running = 0.0
    for k, flow in enumerate(discounted):
        if running + flow >= 0.0:
            return 0.0 if k == 0 else k - 1 + float(-running / flow)
        running += flow
    return None


def roi_fraction(flows_aud: Sequence[float]) -> float | None:
    """Sum of all flows / the investment of period 0; None without an investment."""
    flows = _flows(flows_aud)
    return float(math.fsum(flows) / -flows[0]) if flows[0] < 0.0 else None


def annualised_roi_fraction(flows_aud: Sequence[float]) -> float | None:
    """``(1 + ROI) ** (1 / n) - 1`` over the n periods after the first; None below -100 %."""
    roi = roi_fraction(flows_aud)
    periods = len(flows_aud) - 1
    if roi is None or roi < -1.0 or periods < 1:
        return None
    return float((1.0 + roi) ** (1.0 / periods) - 1.0)


def mirr_fraction(
    flows_aud: Sequence[float], *, finance_rate: float, reinvest_rate: float
) -> float | None:
    """Modified internal rate: costs financed, income reinvested. None without both signs."""
    flows = _flows(flows_aud)
    _check_rate("finance_rate", finance_rate)
    _check_rate("reinvest_rate", reinvest_rate)
    periods = len(flows) - 1
    spent = -npv_aud(finance_rate, np.minimum(flows, 0.0).tolist())
    earned = npv_aud(reinvest_rate, np.maximum(flows, 0.0).tolist())
    if spent <= 0.0 or earned <= 0.0:
        return None
    grown = earned * (1.0 + reinvest_rate) ** periods
    return float((grown / spent) ** (1.0 / periods) - 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """Equal payments at the end of each period."""

    principal_aud: float
    annual_rate: float  # nominal; a period's rate is this / periods_per_year
    years: float
    periods_per_year: int = 12

    def __post_init__(self) -> None:
        if not (math.isfinite(self.principal_aud) and self.principal_aud >= 0.0):
            raise ValueError(f"principal_aud is {self.principal_aud}; it must be >= 0")
        if not (math.isfinite(self.annual_rate) and self.annual_rate >= 0.0):
            raise ValueError(f"annual_rate is {self.annual_rate}; it must be >= 0")
        if self.periods_per_year < 1:
            raise ValueError(f"periods_per_year is {self.periods_per_year}; it must be >= 1")
        if self.periods < 1 or abs(self.years * self.periods_per_year - self.periods) > 1e-9:
            raise ValueError(
                f"years is {self.years}; years x {self.periods_per_year} must be a whole number "
                "of payments, at least one"
            )

    @property
    def periods(self) -> int:
        """How many payments."""
        return round(self.years * self.periods_per_year)

    @property
    def payment_aud(self) -> float:
        """Each payment: ``P i / (1 - (1 + i) ** -n)``, or P / n without interest."""
        i = self.annual_rate / self.periods_per_year
        if i == 0.0:
            return self.principal_aud / self.periods
        return self.principal_aud * i / -math.expm1(-self.periods * math.log1p(i))

    def schedule(self) -> pd.DataFrame:
        """One row per payment: payment_aud, interest_aud, principal_aud, balance_aud after it."""
        i = self.annual_rate / self.periods_per_year
        balance, rows = self.principal_aud, []
        for _ in range(self.periods):
            interest = balance * i
            balance -= self.payment_aud - interest
            rows.append((self.payment_aud, interest, self.payment_aud - interest, balance))
        columns = ["payment_aud", "interest_aud", "principal_aud", "balance_aud"]
        frame = pd.DataFrame(rows, columns=columns)
        frame.index = pd.RangeIndex(1, self.periods + 1, name="payment")
        return frame


def levelised_cost_aud_per_kwh(
    *,
    capex_aud: float,
    energy_year1_kwh: float,
    years: int,
    rate: float,
    degradation: float = 0.0,
    opex_aud_per_year: float = 0.0,
    charging_cost_aud_per_kwh: float = 0.0,
    charging_efficiency: float = 1.0,
) -> float:
    """PV(costs) / PV(energy), in AUD per kWh.

    For storage the energy is what is **discharged**, and each kWh of it costs
    ``charging_cost / charging_efficiency`` more.

    Raises
    ------
    ValueError
        If no energy is left to divide by, or an argument is outside its range.
    """
    _check_rate("rate", rate)
    if years < 1:
        raise ValueError(f"years is {years}; it must be at least 1")
    if not 0.0 <= degradation < 1.0:
        raise ValueError(f"degradation is {degradation}; it must be in [0, 1)")
    if not 0.0 < charging_efficiency <= 1.0:
        raise ValueError(f"charging_efficiency is {charging_efficiency}; it must be in (0, 1]")
    if not energy_year1_kwh > 0.0:
        raise ValueError(f"energy_year1_kwh is {energy_year1_kwh}; it must be > 0")
    year = np.arange(1, years + 1)
    discount = (1.0 + rate) ** -year
    energy_kwh = energy_year1_kwh * (1.0 - degradation) ** (year - 1)
    cost_aud = opex_aud_per_year + energy_kwh * charging_cost_aud_per_kwh / charging_efficiency
    return float((capex_aud + math.fsum(cost_aud * discount)) / math.fsum(energy_kwh * discount))


def capital_recovery_factor(rate: float, years: int) -> float:
    """The equal yearly payment per AUD of capital."""
    return Loan(principal_aud=1.0, annual_rate=rate, years=years, periods_per_year=1).payment_aud


def _flows(flows_aud: Sequence[float]) -> np.ndarray:
    flows = np.asarray(flows_aud, dtype=float)
    if flows.ndim != 1 or not len(flows) or not np.isfinite(flows).all():
        raise ValueError("flows_aud must be a list of at least one flow, all of them finite")
    return flows


def _check_rate(name: str, rate: float) -> None:
    if not (math.isfinite(rate) and rate > -1.0):
        raise ValueError(f"{name} is {rate}; it must be above -1")
