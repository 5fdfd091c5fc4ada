"""The 5-minute grid: prices and energies of several suppliers brought to one row per interval.

What is decided here: which of two overlapping rows holds, how a half-hour row reaches six
intervals, which source of energy is believed, where signs are turned round (here, and nowhere
else), and what is said where something is unknown. Nothing is filled with zero.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pandas as pd

GRID_MINUTES = 5
GRID = pd.Timedelta(minutes=GRID_MINUTES)
NEM_OFFSET = pd.Timedelta(hours=10)
"""NEM time is UTC+10 all year: 288 intervals every day."""

METER_CONSTANTS = (400.0, 500.0, 640.0, 800.0, 1000.0, 1600.0, 2000.0, 3200.0, 4000.0, 10000.0)
"""Pulses per kWh printed on household meters. [1/kWh]"""

FUTURE = "in the future"
NOT_FETCHED = "not fetched yet"
NOT_PUBLISHED = "not published yet"
NOT_SENT = "the supplier sent nothing for it"
PARTIAL = "only a part of it was measured"
NO_GENERATION_METER = "the solar generation is not metered"
NO_CONTROLLED_LOAD = "the controlled load is not known"

CENTS_PER_DOLLAR = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What has been asked of the suppliers: the difference between a gap and a day not fetched."""

    price_days: Collection[date]  # NEM days
    usage_days: Collection[date]
    now: datetime


def align_intervals(
    *,
    start: datetime,
    end: datetime,
    prices: pd.DataFrame,
    usage: pd.DataFrame,
    pulses: pd.DataFrame,
    channel_types: Collection[str],
    asked: Asked,
    pulses_per_kwh: float | None,
) -> pd.DataFrame:
    """Bring everything known of a window to the 5-minute grid.

    Parameters
    ----------
    start, end : datetime
        Half-open, UTC, on the grid.
    prices : pd.DataFrame
        As the supplier sent them: channel_type, interval_start, duration_minutes, price_class,
        per_kwh [c/kWh; feedIn: negative = the household earns], spot_per_kwh, renewables,
        tariff_period, demand_window, spike_status.
    usage : pd.DataFrame
        channel_identifier, channel_type, interval_start, duration_minutes, kwh, per_kwh, quality.
    pulses : pd.DataFrame
        Powerpal buckets: origin (api, csv), interval_start, duration_minutes, pulses, watt_hours,
        sample_count. One row per origin, start and duration.
    channel_types : Collection[str]
        Channels the site has: general, controlledLoad, feedIn.
    asked : Asked
        What was asked, for the reasons.
    pulses_per_kwh : float or None
        Meter constant. None: use watt_hours as the supplier rounded them.

    Returns
    -------
    pd.DataFrame
        One row per interval in [start, end), columns of `core.intervals` but site_id.

    Raises
    ------
    ValueError
        If start or end is off the grid.
    """
    index = pd.date_range(start, end, freq=GRID, inclusive="left", tz="UTC", unit="us")
    if pd.Timestamp(start).floor(GRID) != start or pd.Timestamp(end).floor(GRID) != end:
        raise ValueError(f"start and end must be on the 5-minute grid, not {start} and {end}")
    grid = pd.DataFrame(index=index.rename("interval_start"))
    grid["nem_date"] = (index + NEM_OFFSET).date
    _add_prices(grid, prices)
    _add_energy(grid, usage, pulses, pulses_per_kwh)
    _add_costs(grid, channel_types)
    _add_reasons(grid, asked)
    _add_load(grid, channel_types)
    return grid.drop(columns=[c for c in grid if str(c).startswith("_")]).reset_index()


def spread_over_grid(rows: pd.DataFrame, *, energy: tuple[str, ...] = ()) -> pd.DataFrame:
    """Repeat each row on every 5-minute interval it covers; `energy` columns are shared out evenly.

    A row of 1 minute is not spread: minutes are added up to the grid elsewhere.
    """
    if rows.empty:
        return rows
    counts = (rows["duration_minutes"] // GRID_MINUTES).to_numpy(dtype=np.int64)
    spread = rows.loc[rows.index.repeat(counts)].reset_index(drop=True)
    ends = np.cumsum(counts)
    step = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
    spread["interval_start"] = spread["interval_start"] + pd.to_timedelta(
        step * GRID_MINUTES, unit="min"
    )
    for column in energy:
        spread[column] = spread[column] / np.repeat(counts, counts)
    return spread


def without_overlap(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Drop a longer row wherever a shorter one lies within its span: they tell the same energy.

    A 30-minute row and the six 5-minute rows of the same span must never be added up, and a half
    hour with only some of its 5-minute rows keeps its gap rather than a mixture.
    """
    if rows.empty or rows["duration_minutes"].nunique() == 1:
        return rows
    half_hour = rows["interval_start"].dt.floor("30min")
    shortest = (
        rows["duration_minutes"].groupby([*(rows[k] for k in keys), half_hour]).transform("min")
    )
    return rows[rows["duration_minutes"] == shortest]


def meter_constant(pulses: float, watt_hours: float) -> float | None:
    """Find the meter's pulses per kWh from the totals of readings that carry both.

    Watt-hours are rounded to whole Wh, so only a long sum tells the ratio; it must come within
    1 % of a constant that meters are made with.

    Returns
    -------
    float or None
        [1/kWh]; None where the readings do not tell.
    """
    if watt_hours < 1000.0 or pulses <= 0:
        return None
    ratio = 1000.0 * pulses / watt_hours
    nearest = min(METER_CONSTANTS, key=lambda constant: abs(constant / ratio - 1))
    return nearest if abs(ratio / nearest - 1) <= 0.01 else None


def _add_prices(grid: pd.DataFrame, prices: pd.DataFrame) -> None:
    rows = spread_over_grid(without_overlap(prices, ["channel_type"]))

    def channel(name: str) -> pd.DataFrame:
        return rows[rows["channel_type"] == name].set_index("interval_start").reindex(grid.index)

    general, feed_in = channel("general"), channel("feedIn")
    grid["import_c_per_kwh"] = general["per_kwh"].astype(float)
    grid["controlled_load_c_per_kwh"] = channel("controlledLoad")["per_kwh"].astype(float)
    # The supplier's feed-in price is what one pays: turned round here, once. (+ 0.0: no -0.0)
    grid["feed_in_c_per_kwh"] = -feed_in["per_kwh"].astype(float) + 0.0
    grid["spot_c_per_kwh"] = general["spot_per_kwh"].astype(float)
    grid["price_class"] = general["price_class"]
    grid["price_duration_minutes"] = general["duration_minutes"].astype("Int64")
    grid["renewables_percent"] = general["renewables"].astype(float)
    for column in ("tariff_period", "demand_window", "spike_status"):
        grid[column] = general[column]


def _add_energy(
    grid: pd.DataFrame, usage: pd.DataFrame, pulses: pd.DataFrame, pulses_per_kwh: float | None
) -> None:
    amber = _amber_energy(usage)

    def channel(name: str) -> pd.DataFrame:
        return amber[amber["channel_type"] == name].set_index("interval_start").reindex(grid.index)

    general, feed_in = channel("general"), channel("feedIn")
    grid["controlled_load_kwh"] = channel("controlledLoad")["kwh"].astype(float)
    grid["_controlled_load_c"] = channel("controlledLoad")["cost_c"].astype(float)
    grid["export_kwh"] = feed_in["kwh"].astype(float)
    grid["_export_c"] = -feed_in["cost_c"].astype(float) + 0.0
    grid["export_source"] = pd.Series("amber", index=grid.index).where(feed_in["kwh"].notna())
    measured = _pulse_energy(pulses, pulses_per_kwh)
    api = measured[measured["origin"] == "api"].set_index("interval_start").reindex(grid.index)
    csv = measured[measured["origin"] == "csv"].set_index("interval_start").reindex(grid.index)
    billable = general["quality"] == "billable"
    none = pd.Series(np.nan, index=grid.index)
    # Best first: what is billed, what was measured, what the retailer estimates.
    candidates = [
        ("amber", general["kwh"].where(billable), general["quality"], general),
        ("powerpal", api["kwh"], api["quality"], api),
        ("powerpal_csv", csv["kwh"], csv["quality"], csv),
        ("amber", general["kwh"].where(~billable), general["quality"], general),
    ]
    grid["import_kwh"] = none
    grid["import_source"] = pd.Series(None, index=grid.index, dtype="object")
    grid["import_quality"] = pd.Series(None, index=grid.index, dtype="object")
    grid["usage_duration_minutes"] = pd.Series(pd.NA, index=grid.index, dtype="Int64")
    for source, kwh, quality, rows in candidates:
        take = grid["import_kwh"].isna() & kwh.notna()
        grid.loc[take, "import_kwh"] = kwh[take].astype(float)
        grid.loc[take, "import_source"] = source
        grid.loc[take, "import_quality"] = quality[take].fillna("unknown")
        grid.loc[take, "usage_duration_minutes"] = rows["duration_minutes"][take].astype("Int64")
    grid["_import_c"] = general["cost_c"].astype(float).where(grid["import_source"] == "amber")
    grid["_partial"] = grid["import_kwh"].isna() & (
        general["partial"].eq(True) | api["partial"].eq(True) | csv["partial"].eq(True)
    )


def _amber_energy(usage: pd.DataFrame) -> pd.DataFrame:
    """One row per channel type and interval; the registers of one type are added up."""
    rows = without_overlap(usage, ["channel_identifier"])
    rows = rows.assign(cost_c=rows["kwh"] * rows["per_kwh"])
    rows = spread_over_grid(rows, energy=("kwh", "cost_c"))
    if rows.empty:
        return rows.reindex(
            columns=[
                "channel_type",
                "interval_start",
                "kwh",
                "cost_c",
                "quality",
                "duration_minutes",
                "partial",
            ]
        )
    day = (rows["interval_start"] + NEM_OFFSET).dt.floor("D")
    estimated = rows["quality"] != "billable"
    together = (
        rows.assign(_day=day, _estimated=estimated)
        .groupby(["channel_type", "interval_start"], as_index=False)
        .agg(
            kwh=("kwh", "sum"),
            cost_c=("cost_c", "sum"),
            quality=("quality", "first"),
            duration_minutes=("duration_minutes", "max"),
            count=("channel_identifier", "size"),
            day=("_day", "first"),
            any_estimated=("_estimated", "any"),
        )
    )
    # A register missing from the sum makes the sum wrong, not small. Expected are as many as ever
    # count at once on the day: a new meter's register follows the old one's, it does not join it.
    at_once = together.groupby(["channel_type", "day"])["count"].transform("max")
    together["partial"] = together["count"] != at_once
    together.loc[together["partial"], ["kwh", "cost_c"]] = np.nan
    together["quality"] = together["quality"].where(~together["any_estimated"], "estimated")
    return together


def _pulse_energy(pulses: pd.DataFrame, pulses_per_kwh: float | None) -> pd.DataFrame:
    """Energy of each grid interval per origin, from buckets of 1, 5, 15 or 30 minutes."""
    columns = ["origin", "interval_start", "kwh", "quality", "duration_minutes", "partial"]
    if pulses.empty:
        return pd.DataFrame(columns=columns)
    rows = without_overlap_minutes(pulses)
    counted = rows["pulses"].astype(float) / (pulses_per_kwh or np.nan)
    rounded = rows["watt_hours"].astype(float) / 1000.0
    rows = rows.assign(
        kwh=counted.fillna(rounded),
        quality=np.where(counted.notna(), "measured", "rounded"),
        minutes=rows["sample_count"].astype(float).fillna(rows["duration_minutes"].astype(float)),
    )
    # Pulses of a meter whose constant is unknown, without watt-hours, tell no energy.
    rows.loc[rows["kwh"].isna(), "minutes"] = 0.0
    rows.loc[rows["origin"] == "csv", "quality"] = "measured"
    wide = rows[rows["duration_minutes"] >= GRID_MINUTES]
    wide = wide.assign(partial=wide["minutes"] < wide["duration_minutes"])
    wide = spread_over_grid(wide, energy=("kwh",))
    minutes = rows[rows["duration_minutes"] < GRID_MINUTES]
    narrow = (
        minutes.assign(interval_start=minutes["interval_start"].dt.floor(GRID))
        .groupby(["origin", "interval_start"], as_index=False)
        .agg(kwh=("kwh", "sum"), quality=("quality", "first"), minutes=("minutes", "sum"))
    )
    narrow["duration_minutes"] = GRID_MINUTES
    narrow["partial"] = narrow["minutes"] < GRID_MINUTES
    parts = [part[columns] for part in (wide, narrow) if not part.empty]
    # Where a bucket and the sum of its minutes both exist, the whole one holds.
    both = pd.concat(parts, ignore_index=True).sort_values("partial", kind="stable")
    both = both.drop_duplicates(["origin", "interval_start"]).copy()
    both["partial"] = both["partial"].astype(bool)
    both.loc[both["partial"], "kwh"] = np.nan
    return both


def without_overlap_minutes(pulses: pd.DataFrame) -> pd.DataFrame:
    """Of buckets of 5 minutes and more keep the shortest per half hour; single minutes stay."""
    minutes = pulses["duration_minutes"] < GRID_MINUTES
    return pd.concat([without_overlap(pulses[~minutes], ["origin"]), pulses[minutes]])


def _add_costs(grid: pd.DataFrame, channel_types: Collection[str]) -> None:
    # The price that came with the usage is the one billed; without it, the price of the interval.
    priced = {
        "import": grid["import_kwh"] * grid["import_c_per_kwh"],
        "controlled_load": grid["controlled_load_kwh"] * grid["controlled_load_c_per_kwh"],
        "export": grid["export_kwh"] * grid["feed_in_c_per_kwh"],
    }
    names = {
        "import": "import_cost_aud",
        "controlled_load": "controlled_load_cost_aud",
        "export": "export_earning_aud",
    }
    for part, name in names.items():
        grid[name] = grid[f"_{part}_c"].fillna(priced[part]) / CENTS_PER_DOLLAR
    cost = grid["import_cost_aud"].copy()
    if "controlledLoad" in channel_types:
        cost = cost + grid["controlled_load_cost_aud"]
    if "feedIn" in channel_types:
        cost = cost - grid["export_earning_aud"]
    grid["cost_aud"] = cost


def _add_reasons(grid: pd.DataFrame, asked: Asked) -> None:
    future = grid.index >= pd.Timestamp(asked.now)
    for name, value, days in (
        ("price_reason", "import_c_per_kwh", asked.price_days),
        ("usage_reason", "import_kwh", asked.usage_days),
    ):
        fetched = grid["nem_date"].isin(list(days))
        text = np.where(future, FUTURE, np.where(fetched, NOT_SENT, NOT_FETCHED))
        reason = pd.Series(text, index=grid.index, dtype="object")
        if name == "usage_reason":
            # Usage comes a day late: of the day that is running nobody could have it.
            running = grid["nem_date"] == (pd.Timestamp(asked.now) + NEM_OFFSET).date()
            reason[running & ~future & ~fetched] = NOT_PUBLISHED
            reason[grid["_partial"]] = PARTIAL
        grid[name] = reason.where(grid[value].isna(), None)


def _add_load(grid: pd.DataFrame, channel_types: Collection[str]) -> None:
    """The house's own use: all of the import, unless a solar system feeds behind the meter."""
    grid["solar_kwh"] = np.nan
    if "feedIn" in channel_types:
        grid["load_kwh"] = np.nan
        known = grid["import_kwh"].notna()
        grid["load_reason"] = pd.Series(None, index=grid.index, dtype="object")
        grid.loc[known, "load_reason"] = NO_GENERATION_METER
        return
    load = grid["import_kwh"]
    if "controlledLoad" in channel_types:
        load = load + grid["controlled_load_kwh"]
    grid["load_kwh"] = load
    unknown = grid["import_kwh"].notna() & load.isna()
    grid["load_reason"] = pd.Series(NO_CONTROLLED_LOAD, index=grid.index).where(unknown, None)
