"""What is dispatched: one storage behind one meter, stated in arrays, and how it may end.

Only the statement and its refusals belong here; solving it is in ``exact``, ``rules`` and ``plan``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Real
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_SERIES = ("load_kwh", "solar_kwh", "import_c_per_kwh", "feed_in_c_per_kwh")
_PER_INTERVAL = (
    "min_energy_kwh",
    "max_energy_kwh",
    "charge_kw",
    "discharge_kw",
    "standby_kw",
    "drain_kwh",
    "import_limit_kw",
    "export_limit_kw",
)
_MAY_BE_INFINITE = ("import_limit_kw", "export_limit_kw")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCondition:
    """What is asked of, or paid for, the energy left after the last interval.

    Build it with ``free``, ``at_least``, ``fixed``, ``cyclic`` or ``valued``; the fields are what
    those five say, and may be combined.
    """

    minimum_kwh: float = 0.0
    maximum_kwh: float = math.inf
    as_at_start: bool = False  # ends with initial_energy_kwh, whatever that is
    value_steps: tuple[tuple[float, float], ...] = ()  # (up to kWh, c/kWh), ascending

    def __post_init__(self) -> None:
        if not 0.0 <= self.minimum_kwh < math.inf:
            raise ValueError(f"minimum_kwh must be finite and >= 0, got {self.minimum_kwh}")
        if not self.maximum_kwh >= self.minimum_kwh:
            raise ValueError(
                f"maximum_kwh must be >= minimum_kwh ({self.minimum_kwh}), got {self.maximum_kwh}"
            )
        previous_kwh = 0.0
        for upto_kwh, c_per_kwh in self.value_steps:
            if not upto_kwh > previous_kwh:
                raise ValueError(
                    f"value_steps must ascend in kWh from 0, got {upto_kwh} after {previous_kwh}"
                )
            if not math.isfinite(c_per_kwh):
                raise ValueError(f"value_steps must have finite c/kWh, got {c_per_kwh}")
            previous_kwh = upto_kwh

    @classmethod
    def free(cls) -> EndCondition:
        """Leave anything; what is left is worth nothing."""
        return cls()

    @classmethod
    def at_least(cls, energy_kwh: float) -> EndCondition:
        """Leave at least this much. [kWh]"""
        return cls(minimum_kwh=energy_kwh)

    @classmethod
    def fixed(cls, energy_kwh: float) -> EndCondition:
        """Leave exactly this much. [kWh]"""
        return cls(minimum_kwh=energy_kwh, maximum_kwh=energy_kwh)

    @classmethod
    def cyclic(cls) -> EndCondition:
        """Leave exactly what was there at the start."""
        return cls(as_at_start=True)

    @classmethod
    def valued(cls, value: float | Sequence[tuple[float, float]]) -> EndCondition:
        """Leave anything; what is left is worth money.

        Parameters
        ----------
        value : float or sequence of (float, float)
            One worth for every kWh left [c/kWh], or steps (up to kWh, c/kWh), ascending in kWh;
            energy beyond the last step is worth nothing. Any order of worths is allowed.
        """
        if isinstance(value, Real):
            return cls(value_steps=((math.inf, float(value)),))
        return cls(value_steps=tuple(cast("Sequence[tuple[float, float]]", value)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StorageProblem:
    """One storage, one meter, n intervals of equal length.

    Per interval, with every flow >= 0 and energy at the END of the interval::

        soc    = (1 - leak_fraction) * soc_before + charge_efficiency * charge
                 - discharge / discharge_efficiency - drain
        import - export = load + standby - (solar - curtailed) + charge - discharge

    never charging and discharging, nor importing and exporting, in one interval.
    Charge and discharge are seen from the AC side. Arrays are copied and made read-only.

    Parameters
    ----------
    load_kwh, solar_kwh : array_like, shape (n,)
        Used by the house and generated (AC). [kWh], >= 0
    import_c_per_kwh, feed_in_c_per_kwh : array_like, shape (n,)
        Price paid per kWh imported, and received per kWh exported; any sign. [c/kWh incl. GST]
    interval_hours : float
        Length of one interval. [h]
    capacity_kwh : float
        Usable capacity; 0 means no storage. [kWh]
    initial_energy_kwh : float
        Energy in store before the first interval, in [0, capacity_kwh]. [kWh]
    charge_kw, discharge_kw : float or array_like of shape (n,)
        AC power limits; 0 where an EV is unplugged. [kW]
    charge_efficiency, discharge_efficiency : float
        One-way, AC to store and store to AC. Fraction in (0, 1].
    min_energy_kwh, max_energy_kwh : float or array_like of shape (n,)
        Bounds at the END of each interval: a reserve, an EV's departure energy, a ceiling. [kWh]
        ``max_energy_kwh=None`` means the capacity.
    leak_fraction : float
        Share of the energy in store lost per interval. In [0, 1).
    standby_kw : float or array_like of shape (n,)
        AC load of the storage itself, on top of ``load_kwh``. [kW]
    drain_kwh : float or array_like of shape (n,)
        Energy taken out of the store for something else, as by driving. [kWh per interval]
    import_limit_kw, export_limit_kw : float or array_like of shape (n,)
        Limits of the connection; ``inf`` is none. [kW]
    curtailment : bool
        Whether solar may be turned down.
    grid_charge : bool
        If False the storage takes solar surplus only, and solar is then turned down only to avoid
        export, never in order to import more: import is never used to charge.
    grid_export : bool
        If False the storage serves the load only: it never discharges beyond load minus solar.
    wear_c_per_kwh : float
        Cost of ageing per kWh of AC throughput, counted on charge and on discharge. [c/kWh]
    end : EndCondition
        What is asked of the last interval.
    violation_c_per_kwh : float
        Price of a kWh by which a limit cannot be met (see Notes). [c/kWh]

    Notes
    -----
    No problem is infeasible. Energy bounds that cannot be reached are relaxed by the least possible
    amount (charging, or discharging, as fast as the limits allow); drain that the store cannot
    serve is reported as unserved. A house whose own load (or solar that may not be curtailed) goes
    beyond a connection limit breaks it at ``violation_c_per_kwh``; the storage relieves that where
    it can, and never adds to it. All of it is reported in `Violations`, apart from the bill.

    Raises
    ------
    ValueError
        Naming the argument, its value and what is allowed.
    """

    load_kwh: FloatArray
    solar_kwh: FloatArray
    import_c_per_kwh: FloatArray
    feed_in_c_per_kwh: FloatArray
    interval_hours: float
    capacity_kwh: float
    initial_energy_kwh: float = 0.0
    charge_kw: float | FloatArray
    discharge_kw: float | FloatArray
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    min_energy_kwh: float | FloatArray = 0.0
    max_energy_kwh: float | FloatArray | None = None
    leak_fraction: float = 0.0
    standby_kw: float | FloatArray = 0.0
    drain_kwh: float | FloatArray = 0.0
    import_limit_kw: float | FloatArray = math.inf
    export_limit_kw: float | FloatArray = math.inf
    curtailment: bool = True
    grid_charge: bool = True
    grid_export: bool = True
    wear_c_per_kwh: float = 0.0
    end: EndCondition = EndCondition()
    violation_c_per_kwh: float = 100_000.0

    def __post_init__(self) -> None:
        count = np.size(self.load_kwh)
        if count == 0:
            raise ValueError("load_kwh must have at least one interval, got none")
        for name in _SERIES:
            self._store(name, _array(name, getattr(self, name), count, scalar=False))
        self._check_scalars()
        if self.max_energy_kwh is None:
            object.__setattr__(self, "max_energy_kwh", self.capacity_kwh)
        for name in _PER_INTERVAL:
            self._store(name, _array(name, getattr(self, name), count, scalar=True))
        self._check_ranges()

    def _store(self, name: str, array: FloatArray) -> None:
        array.setflags(write=False)
        object.__setattr__(self, name, array)

    def _check_scalars(self) -> None:
        for field in fields(self):
            if field.name in (*_SERIES, *_PER_INTERVAL, "end"):
                continue
            value = getattr(self, field.name)
            if field.type == "bool":
                if not isinstance(value, bool | np.bool_):
                    raise ValueError(f"{field.name} must be True or False, got {value!r}")
                continue
            try:
                value = float(value)
            except (TypeError, ValueError) as exc:
                raise ValueError(f"{field.name} must be a number, got {value!r}") from exc
            if not math.isfinite(value):
                raise ValueError(f"{field.name} must be finite, got {value}")
            object.__setattr__(self, field.name, value)
        if self.interval_hours <= 0.0:
            raise ValueError(f"interval_hours must be > 0, got {self.interval_hours}")
        for name in ("charge_efficiency", "discharge_efficiency"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be in (0, 1], got {getattr(self, name)}")
        for name in ("capacity_kwh", "wear_c_per_kwh"):
            if getattr(self, name) < 0.0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")
        if not 0.0 <= self.leak_fraction < 1.0:
            raise ValueError(f"leak_fraction must be in [0, 1), got {self.leak_fraction}")
        if not 0.0 <= self.initial_energy_kwh <= self.capacity_kwh:
            raise ValueError(
                f"initial_energy_kwh must be in [0, capacity_kwh = {self.capacity_kwh}], "
                f"got {self.initial_energy_kwh}"
            )

    def _check_ranges(self) -> None:
        for name in ("load_kwh", "solar_kwh", *_PER_INTERVAL):
            lowest = getattr(self, name).min()
            if lowest < 0.0:
                raise ValueError(f"{name} must be >= 0, got {lowest}")
        low_kwh, high_kwh = np.asarray(self.min_energy_kwh), np.asarray(self.max_energy_kwh)
        highest = high_kwh.max()
        if highest > self.capacity_kwh:
            raise ValueError(
                f"max_energy_kwh must be <= capacity_kwh ({self.capacity_kwh}), got {highest}"
            )
        above = (low_kwh - high_kwh).max()
        if above > 0.0:
            raise ValueError(
                f"min_energy_kwh must be <= max_energy_kwh, got {above} kWh more in some interval"
            )
        for name in ("minimum_kwh", "maximum_kwh"):
            asked = getattr(self.end, name)
            if math.isfinite(asked) and asked > self.capacity_kwh:
                raise ValueError(
                    f"end.{name} must be <= capacity_kwh ({self.capacity_kwh}), got {asked}"
                )
        for name in ("import_c_per_kwh", "feed_in_c_per_kwh"):
            dearest = max(-getattr(self, name).min(), getattr(self, name).max())
            if dearest >= self.violation_c_per_kwh:
                raise ValueError(
                    f"violation_c_per_kwh must exceed every price; {name} reaches {dearest} c/kWh, "
                    f"got {self.violation_c_per_kwh} (are the prices in $/MWh?)"
                )

    @property
    def intervals(self) -> int:
        """How many intervals there are, n."""
        return self.load_kwh.size


def _array(name: str, value: object, count: int, *, scalar: bool) -> FloatArray:
    """A float64 copy of shape (count,), or (1,) for one number that holds throughout."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as exc:
        raise ValueError(f"{name} must hold numbers, got {value!r}") from exc
    if scalar and array.shape in ((), (1,)):
        array = array.reshape(1)
    elif array.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},) as load_kwh, got {array.shape}")
    allowed = ~np.isnan(array) if name in _MAY_BE_INFINITE else np.isfinite(array)
    if not allowed.all():
        where = int(np.argmin(allowed))
        raise ValueError(f"{name} must have no gaps, got {array[where]} at interval {where}")
    return array
