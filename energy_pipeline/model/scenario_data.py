"""The household's intervals as a scenario takes them, and what the house itself used.

Gaps stay gaps: NaN in, NaN out, counted by month. Whether they are refused is the scenario's own
decision.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from energy_pipeline.model.dispatch.plan import IssuedForecast
from energy_pipeline.model.ev import Usage
from energy_pipeline.model.interval_index import check_index

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STEP: Final = pd.Timedelta(minutes=5)
INTERVAL_HOURS: Final = 5 / 60
ENERGIES: Final = (
    "import_kwh", "export_kwh", "load_kwh", "solar_kwh", "controlled_load_kwh",
)  # fmt: skip
PRICES: Final = (
    "import_c_per_kwh", "feed_in_c_per_kwh", "controlled_load_c_per_kwh", "spot_aud_per_mwh",
)  # fmt: skip
FORECASTS: Final = ("load_kwh", "solar_kwh", "import_c_per_kwh", "feed_in_c_per_kwh")
METER_ROUNDING_KWH: Final = 0.01  # by which two meters may disagree in 5 minutes
_MOST_KWH: Final = 100.0  # in 5 minutes: 1,200 kW


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScenarioData:
    """What was measured, on the 5-minute grid; None where nothing was, NaN where it is unknown.

    Attributes
    ----------
    index : pd.DatetimeIndex
        interval_start, UTC, even, shape (n,).
    import_kwh, export_kwh : array, shape (n,), or None
        At the general meter. [kWh], >= 0
    load_kwh : array or None
        Used by the whole house, controlled load included. [kWh]
    solar_kwh : array or None
        AC output of the panels that stand already. [kWh]
    controlled_load_kwh : array or None
        Its own circuit and meter. [kWh]
    import_c_per_kwh, feed_in_c_per_kwh, controlled_load_c_per_kwh : array or None
        As paid, incl. GST; a positive feed-in is paid to the household. [c/kWh]
    spot_aud_per_mwh : array or None
        Regional reference price, before GST. [AUD/MWh]
    series : mapping of str to array
        What else a plan document names, shape (n,).
    weather : pd.DataFrame or None
        5-minute weather of the same index, as in `irradiance`.
    usage : Usage or None
        Of the car, as recorded.
    forecasts : mapping of str to IssuedForecast
        As they were issued: load_kwh (general circuit), solar_kwh, import_c_per_kwh,
        feed_in_c_per_kwh.
    """

    index: pd.DatetimeIndex
    import_kwh: Floats | None = None
    export_kwh: Floats | None = None
    load_kwh: Floats | None = None
    solar_kwh: Floats | None = None
    controlled_load_kwh: Floats | None = None
    import_c_per_kwh: Floats | None = None
    feed_in_c_per_kwh: Floats | None = None
    controlled_load_c_per_kwh: Floats | None = None
    spot_aud_per_mwh: Floats | None = None
    series: Mapping[str, Floats] = field(default_factory=dict)
    weather: pd.DataFrame | None = None
    usage: Usage | None = None
    forecasts: Mapping[str, IssuedForecast] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_index(self.index, step=STEP, name="index")
        for name in (*ENERGIES, *PRICES):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._checked(name, getattr(self, name)))
        series = {name: self._checked(name, array) for name, array in self.series.items()}
        object.__setattr__(self, "series", series)
        if self.weather is not None and not self.weather.index.equals(self.index):
            raise ValueError("weather must have the index of the data, at 5 minutes")
        if self.usage is not None and not self.usage.index.equals(self.index):
            raise ValueError("usage must have the index of the data")
        unknown = set(self.forecasts) - set(FORECASTS)
        if unknown:
            raise ValueError(f"forecasts holds {sorted(unknown)}; it may hold {list(FORECASTS)}")

    def _checked(self, name: str, values: object) -> Floats:
        array = np.array(values, dtype=np.float64)
        if array.shape != self.index.shape:
            raise ValueError(f"{name} has shape {array.shape} for {len(self.index)} intervals")
        if np.isinf(array).any():
            raise ValueError(f"{name} is infinite at {self.index[int(np.isinf(array).argmax())]}")
        if name in ENERGIES:
            wrong = (array < 0.0) | (array > _MOST_KWH)
            if wrong.any():
                at = int(wrong.argmax())
                raise ValueError(
                    f"{name} is {array[at]:g} at {self.index[at]}; kWh in 5 minutes lie between 0 "
                    f"and {_MOST_KWH:g} (is it in Wh?)"
                )
        array.setflags(write=False)
        return array

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        series: Collection[str] = (),
        weather: pd.DataFrame | None = None,
        usage: Usage | None = None,
        forecasts: Mapping[str, IssuedForecast] | None = None,
    ) -> "ScenarioData":
        """Take the columns this class names; rows absent between first and last become gaps.

        A column of which nothing is known counts as absent.

        Parameters
        ----------
        frame : pd.DataFrame
            Indexed by interval_start (UTC), or with it as a column; ascending, no repeats.
        series : collection of str
            Further columns that the plan names.
        weather, usage, forecasts
            As of the class; weather is brought to the index.

        Raises
        ------
        ValueError
            If the index is not so, off the 5-minute grid, nothing is in it, or a series is not.
        """
        if "interval_start" in frame.columns:
            frame = frame.set_index("interval_start")
        if not isinstance(frame.index, pd.DatetimeIndex) or frame.index.tz is None:
            raise ValueError("the frame must be indexed by interval_start with a time zone (UTC)")
        if frame.empty:
            raise ValueError("the frame has no interval")
        if not frame.index.is_monotonic_increasing or not frame.index.is_unique:
            raise ValueError("interval_start must ascend without repeats")
        start = frame.index.tz_convert("UTC").as_unit("us")
        off = start != start.floor(STEP)
        if off.any():
            raise ValueError(f"interval_start {start[off][0]} is off the 5-minute grid")
        index = pd.date_range(start[0], start[-1], freq=STEP, name="interval_start", unit="us")
        absent = [name for name in series if name not in frame]
        if absent:
            raise ValueError(f"the frame has no column {absent[0]!r}; it has {list(frame)}")
        wanted = [name for name in (*ENERGIES, *PRICES) if name in frame]
        whole = frame.set_axis(start)[[*wanted, *series]].astype(float).reindex(index)
        known: dict[str, Any] = {
            name: whole[name].to_numpy() for name in wanted if whole[name].notna().any()
        }
        return cls(
            index=index,
            **known,
            series={name: whole[name].to_numpy() for name in series},
            weather=None if weather is None else weather.reindex(index),
            usage=usage,
            forecasts=forecasts or {},
        )

    def between(self, first: int, last: int) -> "ScenarioData":
        """Intervals first to last (excluded), forecasts left out."""
        taken: dict[str, Any] = {}
        for name in (*ENERGIES, *PRICES):
            array = getattr(self, name)
            taken[name] = None if array is None else array[first:last]
        usage = self.usage
        if usage is not None:
            drain = usage.drain_kwh[first:last]
            total = float(usage.drain_kwh.sum())
            share = float(drain.sum()) / total if total > 0.0 else (last - first) / len(self.index)
            usage = Usage(
                index=self.index[first:last],
                plugged=usage.plugged[first:last],
                drain_kwh=drain,
                km=usage.km * share,
            )
        return ScenarioData(
            index=self.index[first:last],
            **taken,
            series={name: array[first:last] for name, array in self.series.items()},
            weather=None if self.weather is None else self.weather.iloc[first:last],
            usage=usage,
        )

    def price_series(self) -> dict[str, pd.Series]:
        """Every series a plan may name, on the index."""
        named = {n: getattr(self, n) for n in PRICES if getattr(self, n) is not None}
        return {n: pd.Series(a, self.index) for n, a in (named | dict(self.series)).items()}

    @property
    def sha256(self) -> str:
        """Fingerprint of every array, alike on any machine; all gaps are one NaN, -0.0 is 0.0."""
        digest = hashlib.sha256()

        def add(name: str, array: npt.NDArray[np.generic]) -> None:
            kind = "<i8" if array.dtype.kind in "iub" else "<f8"
            plain = np.ascontiguousarray(array, dtype=kind)
            if kind == "<f8":
                plain = np.where(np.isnan(plain), np.nan, plain + 0.0).astype("<f8")
            digest.update(f"{name}:{kind}:{plain.shape};".encode())
            digest.update(plain.tobytes())

        add("interval_start", self.index.as_unit("s").asi8)
        for name in (*ENERGIES, *PRICES):
            if getattr(self, name) is not None:
                add(name, getattr(self, name))
        for name in sorted(self.series):
            add(f"series {name}", self.series[name])
        if self.weather is not None:
            for name in sorted(self.weather.columns):
                add(f"weather {name}", self.weather[name].to_numpy(dtype=float))
        if self.usage is not None:
            add("plugged", self.usage.plugged)
            add("drain_kwh", self.usage.drain_kwh)
            add("km", np.array([self.usage.km]))
        for name in sorted(self.forecasts):
            for part in fields(IssuedForecast):
                add(f"forecast {name} {part.name}", getattr(self.forecasts[name], part.name))
        return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HouseLoad:
    """What the general circuit of the house used, and how that is known."""

    load_kwh: Floats  # (n,), NaN where unknown
    solar_kwh: Floats | None  # of the panels that stand already; None without any
    method: str
    statement: str
    estimated: bool


def house_load(data: ScenarioData, *, modelled_solar_kwh: Floats | None = None) -> HouseLoad:
    """Work out the house's own use from whatever is metered, or refuse to.

    Parameters
    ----------
    data : ScenarioData
        n intervals.
    modelled_solar_kwh : array, shape (n,), optional
        Output modelled for panels that stand but are not metered. [kWh]

    Returns
    -------
    HouseLoad
        Metered use, or import + solar - export, or import alone where nothing is ever exported;
        with unmetered panels an estimate that says so.

    Raises
    ------
    ValueError
        If nothing tells the load, with what would.
    """
    solar = data.solar_kwh
    if data.load_kwh is not None:
        load = data.load_kwh
        if data.controlled_load_kwh is not None:
            load = load - data.controlled_load_kwh
        load, said = _no_negative(load)
        return HouseLoad(load_kwh=load, solar_kwh=solar, method="metered",
                         statement=f"Use as metered.{said}", estimated=False)  # fmt: skip
    imported, exported = data.import_kwh, data.export_kwh
    if imported is None:
        raise ValueError("the data have neither load_kwh nor import_kwh: nothing tells the use")
    exports = exported is not None and bool((np.nan_to_num(exported) > 0.0).any())
    if solar is not None:
        if exported is None:
            raise ValueError(
                "the data have solar_kwh and import_kwh but no export_kwh: the use is import + "
                "solar - export; add export_kwh, zero where nothing was exported"
            )
        load, said = _no_negative(imported + solar - exported)
        return HouseLoad(load_kwh=load, solar_kwh=solar, method="balance",
                         statement=f"Use = import + solar - export, all metered.{said}",
                         estimated=False)  # fmt: skip
    if modelled_solar_kwh is not None:
        out = np.zeros_like(imported) if exported is None else exported
        generated = np.maximum(modelled_solar_kwh, out)
        raised = float(np.nansum(generated - modelled_solar_kwh))
        return HouseLoad(
            load_kwh=imported + generated - out,
            solar_kwh=np.where(np.isnan(out), np.nan, generated),
            method="estimate",
            statement=(
                "ESTIMATE: the panels are not metered. Generation is modelled, raised by "
                f"{raised:.0f} kWh where more was exported than modelled; use = import + "
                "generation - export."
            ),
            estimated=True,
        )
    if exports:
        raise ValueError(
            "the data have export_kwh above 0, so panels feed behind the meter, but no solar_kwh: "
            "import alone is not the use. Add the inverter's solar_kwh, or state "
            "household.existing_solar to have it estimated"
        )
    return HouseLoad(
        load_kwh=imported,
        solar_kwh=None,
        method="import",
        statement="Use = import: nothing is exported and no panels are stated.",
        estimated=False,
    )


def _no_negative(load_kwh: Floats) -> tuple[Floats, str]:
    """Rounding of meters is 0; more than that is unknown, not 0."""
    wrong = load_kwh < -METER_ROUNDING_KWH
    cleaned = np.where(wrong, np.nan, np.maximum(load_kwh, 0.0))
    if not wrong.any():
        return cleaned, ""
    return cleaned, (
        f" In {int(wrong.sum())} intervals the meters contradict each other by more than "
        f"{METER_ROUNDING_KWH} kWh (by {-float(np.nanmin(load_kwh)):.3f} at most): unknown there."
    )
