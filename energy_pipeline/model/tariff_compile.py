"""A plan on one index: prices per interval for dispatch, and what a bill needs to be quick.

Compile once for a plan and an index, then bill or dispatch thousands of times: every window, month,
half hour and tier boundary is worked out here and kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from energy_pipeline.model.tariff import (
    GENERAL,
    BlockPrice,
    Clock,
    EnergyCharge,
    FixedCharge,
    FlatPrice,
    SpotPrice,
    Tariff,
    gst_factor,
)
from energy_pipeline.model.tariff_calendar import (
    NEM_TIMEZONE,
    BillDays,
    BoolArray,
    Calendar,
    FloatArray,
    IntArray,
    clock_groups,
    first_day_of,
    in_seasons,
    interval_minutes_of,
    sum_by,
    windows_mask,
)
from energy_pipeline.model.tariff_demand import CompiledDemand, compile_demand

PERIOD_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """Tiers of one block price, period by period."""

    segment_starts: IntArray  # where a period or a month begins, shape (s,)
    segment_period: IntArray  # period of each segment, shape (s,)
    segment_month: IntArray  # month column of each segment, shape (s,)
    bounds_kwh: FloatArray  # cumulative upper bounds, shape (periods, tiers)
    rates_aud_per_kwh: FloatArray  # as stated, shape (tiers,)

    def tier_kwh(self, used_kwh: FloatArray) -> FloatArray:
        """Split the kWh of each segment over the tiers. Shape (s,) to (s, tiers)."""
        after = np.cumsum(used_kwh)
        first = np.searchsorted(self.segment_period, self.segment_period)
        after = after - (after[first] - used_kwh[first])  # restart in every period
        before = after - used_kwh
        upper = self.bounds_kwh[self.segment_period]
        lower = np.concatenate([np.zeros((len(upper), 1)), upper[:, :-1]], axis=1)
        return np.clip(after[:, None], lower, upper) - np.clip(before[:, None], lower, upper)


@dataclass(frozen=True, eq=False, slots=True)
class CompiledEnergy:
    """One energy charge: where it applies, and its rate there."""

    charge: EnergyCharge
    mask: BoolArray | None  # shape (n,); None: always
    rate_aud_per_kwh: float | FloatArray  # as stated; the first tier of a block price
    blocks: Blocks | None
    with_gst: float

    def c_per_kwh(self, n: int) -> FloatArray:
        """The rate incl. GST in each interval, 0 outside the windows. [c/kWh], shape (n,)."""
        rate = np.full(n, 1.0) * self.rate_aud_per_kwh * (100.0 * self.with_gst)
        return rate if self.mask is None else np.where(self.mask, rate, 0.0)


@dataclass(frozen=True, eq=False, slots=True)
class CompiledFixed:
    """One fixed charge, whose amount does not depend on energy."""

    charge: FixedCharge
    quantity: FloatArray  # in units of the charge, by month, shape (m,)


@dataclass(frozen=True, eq=False, slots=True)
class CompiledTariff:
    """A plan on one index.

    `import_c_per_kwh` and `export_c_per_kwh` are incl. GST with block prices at their **first**
    tier; `demand` and the entries of `energy` with `blocks` are the couplings between intervals
    that no array of prices can say. `bill.marginal_prices` gives the prices at the tier reached.
    """

    tariff: Tariff
    index: pd.DatetimeIndex  # interval_start, UTC, shape (n,)
    interval_minutes: int
    months: tuple[str, ...]  # local months "2025-07", shape (m,)
    month_starts: IntArray  # first interval of each month, shape (m,)
    expected_intervals: IntArray  # of each whole local month, shape (m,)
    price_known: BoolArray | None  # None: no charge depends on a series; shape (n,)
    energy: tuple[CompiledEnergy, ...]
    demand: tuple[CompiledDemand, ...]
    fixed: tuple[CompiledFixed, ...]
    import_c_per_kwh: FloatArray  # general channel, shape (n,); NaN where a price is unknown
    export_c_per_kwh: FloatArray  # positive: the household is paid
    export_limit_kw: FloatArray  # inf where there is none
    notes: tuple[str, ...]


def compile_tariff(
    tariff: Tariff,
    index: pd.DatetimeIndex,
    *,
    series: Mapping[str, pd.Series] | None = None,
    installed_kw: float | None = None,
) -> CompiledTariff:
    """Turn a plan into arrays over `index`.

    Parameters
    ----------
    tariff : Tariff
        The plan.
    index : pd.DatetimeIndex
        interval_start: UTC, ascending, evenly spaced by 5, 15, 30 or 60 minutes. Shape (n,).
    series : mapping of str to pd.Series, optional
        What the plan names: regional reference prices by region [AUD/MWh], prices as delivered
        [c/kWh, in the charge's own GST], export limits [kW]. NaN or absent: unknown.
    installed_kw : float, optional
        For fixed charges per kW installed. [kW]

    Raises
    ------
    ValueError
        If the index is not as above, a series is missing, a window does not fall on interval
        boundaries, or the intervals are longer than the mean a demand charge is measured over.
    """
    minutes = interval_minutes_of(index)
    calendars: dict[Clock, Calendar] = {
        "local": Calendar.of(index, tariff.timezone, tariff.holidays)
    }
    clocks = {charge.clock for charge in tariff.energy} | {charge.clock for charge in tariff.demand}
    if "nem" in clocks:
        calendars["nem"] = Calendar.of(index, NEM_TIMEZONE, tariff.holidays)
    bill_calendar = calendars["local"]
    month_ids, month_starts = np.unique(bill_calendar.month, return_index=True)
    days = BillDays.of(bill_calendar, month_ids, minutes)
    inputs = _Inputs(index=index, series=series or {}, mean_minutes=tariff.bill_interval_minutes)
    energy = tuple(
        _compile_energy(charge, calendars[charge.clock], month_starts, inputs, tariff)
        for charge in tariff.energy
    )
    demand = tuple(
        compile_demand(
            charge, calendars[charge.clock], bill_calendar, days, index, tariff.gst_fraction
        )
        for charge in tariff.demand
    )
    priced = {"import": np.zeros(len(index)), "export": np.zeros(len(index))}
    unknown = np.zeros(len(index), dtype=bool)
    for part in energy:
        if part.charge.channel == GENERAL:
            priced[part.charge.direction] += part.c_per_kwh(len(index))
        if isinstance(part.rate_aud_per_kwh, np.ndarray):
            lacking = np.isnan(part.rate_aud_per_kwh)
            unknown |= lacking if part.mask is None else lacking & part.mask
    return CompiledTariff(
        tariff=tariff,
        index=index,
        interval_minutes=minutes,
        months=tuple(str(month) for month in month_ids.astype("datetime64[M]")),
        month_starts=month_starts.astype(np.int64),
        expected_intervals=days.month_intervals,
        price_known=~unknown if unknown.any() else None,
        energy=energy,
        demand=demand,
        fixed=tuple(_compile_fixed(charge, days, installed_kw) for charge in tariff.fixed),
        import_c_per_kwh=priced["import"],
        export_c_per_kwh=priced["export"],
        export_limit_kw=_export_limit(tariff, inputs),
        notes=(
            *tariff.notes,
            *_validity_notes(tariff, bill_calendar),
            *_cut_period_notes(tariff, bill_calendar),
        ),
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Inputs:
    index: pd.DatetimeIndex
    series: Mapping[str, pd.Series]
    mean_minutes: int

    def column(self, name: str, wanted_by: str) -> FloatArray:
        """The named series on the index."""
        if name not in self.series:
            raise ValueError(
                f"{wanted_by} needs the series {name!r}; given: {', '.join(self.series) or 'none'}"
            )
        values: FloatArray = self.series[name].reindex(self.index).to_numpy(dtype=float)
        return values

    def price(self, name: str, wanted_by: str) -> FloatArray:
        """The named price, averaged over each billing interval."""
        values = self.column(name, wanted_by)
        minutes = interval_minutes_of(self.index)
        if self.mean_minutes <= minutes:
            return values
        starts, group, _ = clock_groups(self.index, self.mean_minutes)
        sums = np.add.reduceat(values, starts)
        counts = np.diff(np.append(starts, len(values)))
        mean: FloatArray = (sums / counts)[group]
        return mean


def _compile_energy(
    charge: EnergyCharge,
    calendar: Calendar,
    month_starts: IntArray,
    inputs: _Inputs,
    tariff: Tariff,
) -> CompiledEnergy:
    price = charge.price
    blocks = None
    rate: float | FloatArray
    if isinstance(price, FlatPrice):
        rate = price.rate_aud_per_kwh
    elif isinstance(price, SpotPrice):
        spot = inputs.price(price.region, f"the spot price of {charge.name!r}")
        rate = spot / 1000.0 * price.loss_factor + price.adder_aud_per_kwh
    elif isinstance(price, BlockPrice):
        blocks = _compile_blocks(price, calendar, month_starts, tariff.year_start_month)
        rate = price.tiers[0].rate_aud_per_kwh
    else:
        rate = inputs.price(price.column, f"the price of {charge.name!r}") / 100.0
    return CompiledEnergy(
        charge=charge,
        mask=windows_mask(calendar, charge.windows, charge.name, interval_minutes_of(inputs.index)),
        rate_aud_per_kwh=rate,
        blocks=blocks,
        with_gst=gst_factor(charge.gst, tariff.gst_fraction),
    )


def _compile_blocks(
    price: BlockPrice, calendar: Calendar, month_starts: IntArray, year_start_month: int
) -> Blocks:
    since_start = calendar.month - (year_start_month - 1)
    if price.period == "day":
        period_id = calendar.day
    else:
        period_id = since_start // PERIOD_MONTHS[price.period]
    _, period_starts, period = np.unique(period_id, return_index=True, return_inverse=True)
    segment_starts = np.union1d(period_starts, month_starts)
    days = np.ones(len(period_starts))
    if price.per_day and price.period != "day":
        length = PERIOD_MONTHS[price.period]
        first = period_id[period_starts] * length + (year_start_month - 1)
        months = first.astype("datetime64[M]")
        days = (first_day_of(months + length) - first_day_of(months)).astype(float)
    bounds = np.array([tier.up_to_kwh for tier in price.tiers])
    return Blocks(
        segment_starts=segment_starts.astype(np.int64),
        segment_period=period[segment_starts],
        segment_month=np.searchsorted(month_starts, segment_starts, side="right") - 1,
        bounds_kwh=days[:, None] * bounds[None, :],
        rates_aud_per_kwh=np.array([tier.rate_aud_per_kwh for tier in price.tiers]),
    )


def _compile_fixed(
    charge: FixedCharge, days: BillDays, installed_kw: float | None
) -> CompiledFixed:
    if charge.unit == "kw_installed_month" and installed_kw is None:
        raise ValueError(f"{charge.name!r} is per kW installed: give installed_kw")
    per_unit: dict[str, FloatArray | float] = {
        "day": 1.0,
        "week": 7.0,
        "month": days.days_in_month,
        "year": days.days_in_year,
        "kw_installed_month": days.days_in_month / (installed_kw or 1.0),
    }
    amount = in_seasons(days.mmdd, charge.seasons) * days.share / per_unit[charge.unit]
    if installed_kw == 0.0 and charge.unit == "kw_installed_month":
        amount = np.zeros(len(days.mmdd))
    return CompiledFixed(
        charge=charge, quantity=sum_by(days.month_column, amount, int(days.month_column[-1]) + 1)
    )


def _export_limit(tariff: Tariff, inputs: _Inputs) -> FloatArray:
    limit = tariff.export_limit_kw
    if isinstance(limit, str):
        return inputs.column(limit, "the export limit")
    return np.full(len(inputs.index), np.inf if limit is None else limit)


def _validity_notes(tariff: Tariff, calendar: Calendar) -> list[str]:
    notes = []
    first, last = (np.datetime64(int(calendar.day[i]), "D").item() for i in (0, -1))
    if tariff.valid_from is not None and first < tariff.valid_from:
        notes.append(f"prices are valid from {tariff.valid_from}; days from {first} use them too")
    if tariff.valid_to is not None and last > tariff.valid_to:
        notes.append(f"prices are valid to {tariff.valid_to}; days to {last} use them too")
    return notes


def _cut_period_notes(tariff: Tariff, calendar: Calendar) -> list[str]:
    """Steps whose first period begins before the data, so that what it used by then is unknown."""
    notes = []
    for charge in tariff.energy:
        price = charge.price
        if not isinstance(price, BlockPrice) or price.period == "day":
            continue
        since_start = int(calendar.month[0]) - (tariff.year_start_month - 1)
        if since_start % PERIOD_MONTHS[price.period] or int(calendar.mmdd[0]) % 100 != 1:
            notes.append(
                f"{charge.name}: its first {price.period} begins before the data; its steps are "
                "counted from the first interval given"
            )
    return notes
