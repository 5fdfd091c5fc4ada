"""A bill: what the energy of each interval costs under a plan, line by line and month by month.

Amounts are float64 sums of AUD, positive when the household pays, and nothing is rounded before
`round_aud`. A missing interval is refused or counted, never billed as zero.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from energy_pipeline.model.tariff import GENERAL, Gst, Tariff
from energy_pipeline.model.tariff_calendar import BoolArray, FloatArray, IntArray, sum_by
from energy_pipeline.model.tariff_compile import (
    CompiledEnergy,
    CompiledTariff,
    compile_tariff,
)
from energy_pipeline.model.tariff_demand import CompiledDemand

Energies: TypeAlias = npt.ArrayLike
Gaps = Literal["refuse", "report"]
LineKind = Literal["import", "export", "demand", "fixed", "discount", "adjustment"]


def round_aud(amount_aud: float) -> Decimal:
    """To the cent, half up, after dropping the binary tail beyond 1e-9 AUD: once, at the end."""
    exact = Decimal(repr(round(amount_aud, 9)))
    return exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


@dataclass(frozen=True, eq=False, slots=True)
class BillLine:
    """One charge over the months of the bill; every array has shape (months,)."""

    name: str
    component: str
    kind: LineKind
    channel: str
    unit: str  # of quantity: kWh, kW, day, month ...
    quantity: FloatArray
    ex_gst_aud: FloatArray
    gst_aud: FloatArray

    @property
    def amount_aud(self) -> FloatArray:
        """Incl. GST, by month."""
        return self.ex_gst_aud + self.gst_aud


@dataclass(frozen=True, eq=False, slots=True)
class Bill:
    """Lines by month, with how much of every month the data cover.

    `expected_intervals` are those of the whole local month, `covered_intervals` those between the
    first and the last interval given, `known_intervals` those with every energy and price known.
    """

    tariff: Tariff
    months: tuple[str, ...]
    lines: tuple[BillLine, ...]
    expected_intervals: IntArray
    covered_intervals: IntArray
    known_intervals: IntArray
    notes: tuple[str, ...]

    @property
    def total_aud(self) -> float:
        """What is to pay, incl. GST, for the intervals known; not rounded."""
        return float(sum(line.amount_aud.sum() for line in self.lines))

    @property
    def gst_aud(self) -> float:
        """The GST inside the total."""
        return float(sum(line.gst_aud.sum() for line in self.lines))

    @property
    def energy_only_ex_gst_aud(self) -> float:
        """Energy charges less feed-in, before GST, without network charges and supply."""
        return float(
            sum(
                line.ex_gst_aud.sum()
                for line in self.lines
                if line.kind in ("import", "export") and line.component != "network"
            )
        )

    @property
    def coverage_fraction(self) -> float:
        """Known intervals / intervals of all the local months touched."""
        return float(self.known_intervals.sum() / self.expected_intervals.sum())

    def items(self) -> pd.DataFrame:
        """One row per charge and month: quantity, amounts before, of and with GST."""
        frames = [
            pd.DataFrame(
                {
                    "month": self.months,
                    "line": line.name,
                    "component": line.component,
                    "kind": line.kind,
                    "channel": line.channel,
                    "quantity": line.quantity,
                    "unit": line.unit,
                    "ex_gst_aud": line.ex_gst_aud,
                    "gst_aud": line.gst_aud,
                    "amount_aud": line.amount_aud,
                }
            )
            for line in self.lines
        ]
        return pd.concat(frames, ignore_index=True)

    def by_month(self) -> pd.DataFrame:
        """One row per local month: amounts, and beside them the coverage they rest on."""
        frame = pd.DataFrame({"month": self.months})
        for name in ("ex_gst_aud", "gst_aud", "amount_aud"):
            frame[name] = sum(getattr(line, name) for line in self.lines)
        for kind in dict.fromkeys(line.kind for line in self.lines):
            frame[f"{kind}_aud"] = sum(line.amount_aud for line in self.lines if line.kind == kind)
        frame["expected_intervals"] = self.expected_intervals
        frame["covered_intervals"] = self.covered_intervals
        frame["known_intervals"] = self.known_intervals
        frame["coverage_fraction"] = self.known_intervals / self.expected_intervals
        return frame.set_index("month")

    def by_year(self) -> pd.DataFrame:
        """`by_month` summed over the calendar years it touches; nothing is scaled up."""
        months = self.by_month().drop(columns="coverage_fraction")
        years = months.groupby(months.index.str[:4]).sum().rename_axis("year")
        years["months"] = months.groupby(months.index.str[:4]).size()
        years["coverage_fraction"] = years["known_intervals"] / years["expected_intervals"]
        return years

    def by_line(self) -> pd.DataFrame:
        """One row per charge over the whole bill."""
        return pd.DataFrame(
            {
                "line": [line.name for line in self.lines],
                "component": [line.component for line in self.lines],
                "kind": [line.kind for line in self.lines],
                "quantity": [
                    np.nan if line.unit == "kW" else line.quantity.sum() for line in self.lines
                ],
                "unit": [line.unit for line in self.lines],
                "ex_gst_aud": [line.ex_gst_aud.sum() for line in self.lines],
                "gst_aud": [line.gst_aud.sum() for line in self.lines],
                "amount_aud": [line.amount_aud.sum() for line in self.lines],
            }
        )


def bill(
    plan: CompiledTariff,
    import_kwh: Energies,
    export_kwh: Energies | None = None,
    *,
    controlled_load_kwh: Energies | None = None,
    more_channels_kwh: dict[str, Energies] | None = None,
    gaps: Gaps = "refuse",
) -> Bill:
    """Bill the energy of every interval.

    Parameters
    ----------
    plan : CompiledTariff
        From `compile_tariff`, on the index of the energies.
    import_kwh, export_kwh : array_like or pd.Series
        General channel, both >= 0, NaN where unknown. [kWh], shape (n,). A series must have the
        plan's index. `export_kwh` may be left out by a household that cannot export.
    controlled_load_kwh : array_like, optional
        Left out: there is no such circuit, and its charges are left out too.
    more_channels_kwh : dict of str to array_like, optional
        Any further channel the plan names, such as ``controlled_load_2``.
    gaps : {"refuse", "report"}
        ``refuse``: an unknown interval is an error. ``report``: it is left out of every energy
        line and counted as not known; fixed charges run on; a demand is the maximum of the half
        hours that are known in full, and the notes say how many are not.

    Raises
    ------
    ValueError
        If an energy is negative, infinite or of another shape or index, or anything is unknown
        and `gaps` is ``refuse``.
    """
    n = len(plan.index)
    registers = {("import", GENERAL): _energy("import_kwh", import_kwh, plan)}
    if export_kwh is not None:
        registers["export", GENERAL] = _energy("export_kwh", export_kwh, plan)
    channels = dict(more_channels_kwh or {})
    if controlled_load_kwh is not None:
        channels["controlled_load"] = controlled_load_kwh
    for channel, kwh in channels.items():
        registers["import", channel] = _energy(f"{channel}_kwh", kwh, plan)
    known = np.ones(n, dtype=bool) if plan.price_known is None else plan.price_known.copy()
    for kwh in registers.values():
        known &= ~np.isnan(kwh)
    if not known.all():
        if gaps == "refuse":
            first = plan.index[int(np.argmin(known))]
            raise ValueError(
                f"{n - int(known.sum())} of {n} intervals have an unknown energy or price, the "
                f"first at {first}; fill them, or bill with gaps='report'"
            )
        registers = {key: np.where(known, kwh, 0.0) for key, kwh in registers.items()}
    notes = list(plan.notes)
    lines: list[BillLine] = []
    g = plan.tariff.gst_fraction
    for part in plan.energy:
        key = (part.charge.direction, part.charge.channel)
        if key not in registers:
            notes.append(f"{part.charge.name}: no {key[1]} {key[0]} data, so it is not charged")
            continue
        lines.append(_energy_line(part, registers[key], plan, known, g))
    for demand in plan.demand:
        lines.append(_demand_line(demand, registers["import", GENERAL], plan, known, notes, g))
    for fixed in plan.fixed:
        charge = fixed.charge
        if ("import", charge.channel) not in registers:
            continue
        amount = fixed.quantity * charge.amount_aud
        ex_gst, gst = _split_gst(amount, charge.gst, g)
        unit = charge.unit.replace("kw_installed_month", "kW month")
        lines.append(
            BillLine(
                charge.name, charge.component, "fixed", charge.channel, unit,
                fixed.quantity, ex_gst, gst,
            )
        )  # fmt: skip
    lines += _discounts(plan, lines)
    lines += _feed_in_floor(plan, lines)
    return Bill(
        tariff=plan.tariff,
        months=plan.months,
        lines=tuple(lines),
        expected_intervals=plan.expected_intervals,
        covered_intervals=np.diff(np.append(plan.month_starts, n)),
        known_intervals=np.add.reduceat(known, plan.month_starts, dtype=np.int64),
        notes=tuple(dict.fromkeys(notes)),
    )


def bill_frame(
    tariff: Tariff,
    energies: pd.DataFrame,
    *,
    series: dict[str, pd.Series] | None = None,
    installed_kw: float | None = None,
    gaps: Gaps = "refuse",
) -> Bill:
    """`compile_tariff` and `bill` in one step, for a frame with one ``<register>_kwh`` per column.

    Columns: import_kwh, and if the household has them export_kwh and ``<channel>_kwh``.
    """
    plan = compile_tariff(
        tariff, pd.DatetimeIndex(energies.index), series=series, installed_kw=installed_kw
    )
    if "import_kwh" not in energies:
        raise ValueError(f"energies needs a column import_kwh; it has {list(energies.columns)}")
    channels = {
        str(name).removesuffix("_kwh"): energies[name]
        for name in energies.columns
        if name not in ("import_kwh", "export_kwh")
    }
    return bill(
        plan,
        energies["import_kwh"],
        energies.get("export_kwh"),
        more_channels_kwh=channels,
        gaps=gaps,
    )


def marginal_prices(
    plan: CompiledTariff, import_kwh: Energies, export_kwh: Energies
) -> tuple[FloatArray, FloatArray]:
    """Import and export prices at the tier each interval has reached. [c/kWh incl. GST], (n,).

    Equal to the plan's own arrays when it has no block price. The tier is the one the **last**
    kWh of the interval falls in.
    """
    n = len(plan.index)
    used = {"import": np.asarray(import_kwh, float), "export": np.asarray(export_kwh, float)}
    prices = {"import": plan.import_c_per_kwh.copy(), "export": plan.export_c_per_kwh.copy()}
    for part in plan.energy:
        if part.blocks is None or part.charge.channel != GENERAL:
            continue
        blocks = part.blocks
        mask = np.ones(n, dtype=bool) if part.mask is None else part.mask
        kwh = np.where(mask, used[part.charge.direction], 0.0)
        lengths = np.diff(np.append(blocks.segment_starts, n))
        period = np.repeat(blocks.segment_period, lengths)
        total = np.cumsum(kwh)
        first = np.searchsorted(period, np.arange(len(blocks.bounds_kwh)))
        reached = total - (total[first] - kwh[first])[period]
        tier = (reached[:, None] > blocks.bounds_kwh[period]).sum(axis=1)
        step = blocks.rates_aud_per_kwh[tier] - blocks.rates_aud_per_kwh[0]
        prices[part.charge.direction] += np.where(mask, step, 0.0) * 100.0 * part.with_gst
    return prices["import"], prices["export"]


def _energy(name: str, values: Energies, plan: CompiledTariff) -> FloatArray:
    if isinstance(values, pd.Series) and not values.index.equals(plan.index):
        raise ValueError(f"{name} must have the index the plan was compiled on")
    kwh = np.asarray(values, dtype=float)
    if kwh.shape != plan.index.shape:
        raise ValueError(f"{name} has shape {kwh.shape}; the plan has {plan.index.shape}")
    if not kwh.size or np.isinf(kwh).any():
        raise ValueError(f"{name} holds an infinite value")
    lowest = np.fmin.reduce(kwh)
    if lowest < 0.0:
        raise ValueError(f"{name} holds {lowest} kWh; an energy is never negative")
    return kwh


def _split_gst(amount_aud: FloatArray, gst: Gst, fraction: float) -> tuple[FloatArray, FloatArray]:
    """Amounts before GST, and the GST on them."""
    if gst == "ex":
        return amount_aud, amount_aud * fraction
    if gst == "inc":
        ex_gst = amount_aud / (1.0 + fraction)
        return ex_gst, amount_aud - ex_gst
    return amount_aud, np.zeros_like(amount_aud)


def _energy_line(
    part: CompiledEnergy, kwh: FloatArray, plan: CompiledTariff, known: BoolArray, g: float
) -> BillLine:
    charge = part.charge
    used = kwh if part.mask is None else kwh * part.mask
    quantity: FloatArray
    amount: FloatArray
    if part.blocks is not None:
        segment_kwh = np.add.reduceat(used, part.blocks.segment_starts)
        tier_kwh = part.blocks.tier_kwh(segment_kwh)
        months = len(plan.months)
        where = part.blocks.segment_month
        quantity = sum_by(where, segment_kwh, months)
        amount = sum_by(where, tier_kwh @ part.blocks.rates_aud_per_kwh, months)
    else:
        quantity = np.add.reduceat(used, plan.month_starts)
        if isinstance(part.rate_aud_per_kwh, np.ndarray):
            each = used * part.rate_aud_per_kwh
            if plan.price_known is not None:
                each = np.where(known, each, 0.0)
            amount = np.add.reduceat(each, plan.month_starts)
        else:
            amount = quantity * part.rate_aud_per_kwh
    if charge.direction == "export":
        amount = -amount
    ex_gst, gst = _split_gst(amount, charge.gst, g)
    return BillLine(
        charge.name, charge.component, charge.direction, charge.channel, "kWh",
        quantity, ex_gst, gst,
    )  # fmt: skip


def measured_kw(
    part: CompiledDemand, import_kwh: FloatArray, known: BoolArray
) -> tuple[FloatArray, IntArray]:
    """Highest mean power of each measurement period, and its half hours that are not known.

    A period without any half hour inside the windows measures 0; one whose half hours are all
    unknown is NaN. Shapes (groups,).
    """
    kw = np.add.reduceat(import_kwh, part.starts)[part.chosen] * (60.0 / part.charge.mean_minutes)
    whole = np.minimum.reduceat(known, part.starts) & part.complete
    usable = whole[part.chosen]
    measured = np.zeros(part.groups)
    unknown = np.bincount(part.group[~usable], minlength=part.groups)
    if len(part.chosen):
        groups, first = np.unique(part.group, return_index=True)
        highest = np.maximum.reduceat(np.where(usable, kw, -np.inf), first)
        measured[groups] = np.where(np.isinf(highest), np.nan, highest)
    return measured, unknown


def billed_kw(part: CompiledDemand, measured: FloatArray) -> FloatArray:
    """What the charge makes of the measured demand: its minimum, maximum or band."""
    charge = part.charge
    if charge.band:
        return np.clip(measured, charge.min_kw, charge.max_kw) - charge.min_kw
    has_window = np.zeros(part.groups, dtype=bool)
    has_window[part.group] = True
    return np.where(has_window, np.clip(measured, charge.min_kw, charge.max_kw), 0.0)


def _demand_line(
    part: CompiledDemand,
    import_kwh: FloatArray,
    plan: CompiledTariff,
    known: BoolArray,
    notes: list[str],
    g: float,
) -> BillLine:
    measured, unknown = measured_kw(part, import_kwh, known)
    if unknown.any():
        notes.append(
            f"{part.charge.name}: {int(unknown.sum())} of {len(part.chosen)} demand intervals are "
            "not known in full, so the demand may be higher"
        )
    kw = billed_kw(part, np.nan_to_num(measured, nan=part.charge.min_kw))
    months = len(plan.months)
    day_kw = part.share * kw[part.share_group]
    amount = sum_by(part.share_month, day_kw, months) * part.charge.rate_aud_per_kw
    highest = np.zeros(months)
    np.maximum.at(highest, part.share_month, kw[part.share_group])
    ex_gst, gst = _split_gst(amount, part.charge.gst, g)
    return BillLine(
        part.charge.name, part.charge.component, "demand", GENERAL, "kW", highest, ex_gst, gst
    )


def _discounts(plan: CompiledTariff, lines: list[BillLine]) -> list[BillLine]:
    found = []
    for discount in plan.tariff.discounts:
        kinds = ("import",) if discount.base == "usage" else ("import", "demand", "fixed")
        base = [line for line in lines if line.kind in kinds]
        zero = np.zeros(len(plan.months))
        found.append(
            BillLine(
                discount.name, "other", "discount", GENERAL, "AUD",
                sum((line.amount_aud for line in base), zero),
                -discount.fraction * sum((line.ex_gst_aud for line in base), zero),
                -discount.fraction * sum((line.gst_aud for line in base), zero),
            )
        )  # fmt: skip
    return found


def _feed_in_floor(plan: CompiledTariff, lines: list[BillLine]) -> list[BillLine]:
    if not plan.tariff.feed_in_credit_never_negative:
        return []
    zero = np.zeros(len(plan.months))
    exports = [line for line in lines if line.kind == "export"]
    total = sum((line.amount_aud for line in exports), zero)
    relief = -np.maximum(total, 0.0)
    return [
        BillLine(
            "feed-in never below zero", "retail", "adjustment", GENERAL, "AUD", total, relief, zero
        )
    ]
