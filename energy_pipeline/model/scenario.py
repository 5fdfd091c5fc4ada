"""What a scenario is: a household, a plan, what is bought, how it is run and how it is paid for.

Frozen data and nothing else. Reading documents belongs in `scenario_toml`, the household's
intervals in `scenario_data`, running in `scenario_run`.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from energy_pipeline.model.battery import Battery
from energy_pipeline.model.ev import Bidirectional, Charger, Habits, Vehicle
from energy_pipeline.model.ev_pattern import WeeklyPattern
from energy_pipeline.model.figures import Figure
from energy_pipeline.model.irradiance import Site
from energy_pipeline.model.solar import SolarSystem
from energy_pipeline.model.tariff import Tariff

Strategy = Literal[
    "none",
    "self_consumption",
    "time_of_use",
    "price_threshold",
    "forecast_plan",
    "perfect_foresight",
]
Charging = Literal["immediate", "timer", "solar_only", "cheapest", "smart", "v2h", "v2g"]
SolarSource = Literal["weather", "synthetic", "measured"]
ForecastSource = Literal["archived", "model", "persistence"]
Missing = Literal["refuse", "report"]
Ageing = Literal["none", "ends", "middle", "every_year"]
BeforeCar = Literal["none", "immediate", "timer", "solar_only", "cheapest", "smart"]
Span = tuple[int, int]  # minutes after local midnight; a stop before the start wraps midnight

V2X: tuple[Charging, ...] = ("v2h", "v2g")


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """Where it is, what is there already, and what its connection allows."""

    timezone: str
    site: Site | None = None  # needed for weather
    existing_solar: SolarSystem | None = None
    existing_solar_source: SolarSource = "weather"  # of its estimate where it is not metered
    import_limit_kw: float = math.inf
    export_limit_kw: float = math.inf  # together with the plan's own
    missing: Missing = "refuse"
    least_coverage_fraction: float = 0.5  # of a month, to count towards the year


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Factors on what was measured: what if prices, use or sun had been higher?"""

    import_price: float = 1.0
    feed_in_price: float = 1.0
    load: float = 1.0
    solar: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SolarAsset:
    """Panels to buy."""

    system: SolarSystem
    source: SolarSource
    price_aud: float | None  # installed, before rebates; None: not stated
    inverter_replacement_year: int | None = None
    inverter_replacement_aud: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryAsset:
    """A battery to buy."""

    title: str
    battery: Battery
    figures: tuple[Figure, ...]  # what is known of one unit, with its sources
    units: int = 1
    price_aud: float | None = None
    warranty_years: float | None = None
    warranty_kwh: float | None = None
    warranty_end_fraction: float = 0.70
    replace_at_fraction: float | None = None  # None: never replaced
    grid_charge: bool = True
    grid_export: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CarAsset:
    """A car at home, and how it is charged. The car itself is owned already: it costs nothing."""

    title: str
    vehicle: Vehicle
    charger: Charger
    habits: Habits
    charging: Charging
    before: BeforeCar  # what the bill is compared with: the same car charged so; none: no car
    pattern: WeeklyPattern | None  # None: as recorded in the data
    initial_fraction: float
    seed: int = 0
    timer: Span = (0, 360)
    worth_c_per_kwh: float = 0.0
    bidirectional: Bidirectional | None = None
    price_aud: float = 0.0  # of the charger
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """How the storage is run, and the settings of every strategy that could run it."""

    strategy: Strategy = "forecast_plan"
    charge_spans: tuple[Span, ...] = ((600, 840),)
    discharge_spans: tuple[Span, ...] = ((960, 1260),)
    target_fraction: float = 1.0
    window_days: float = 1.0  # of trailing prices
    charge_below_fraction: float = 0.10  # quantile of trailing import prices
    discharge_above_fraction: float = 0.95  # quantile of trailing feed-in prices
    charge_below_c_per_kwh: float | None = None  # fixed thresholds instead
    discharge_above_c_per_kwh: float | None = None
    horizon_hours: float = 24.0
    replan_minutes: float = 5.0
    forecast: ForecastSource = "model"
    horizon_value_c_per_kwh: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrowing:
    """A loan for a part of the price after rebates."""

    fraction: float
    annual_rate: float
    years: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finance:
    """How the purchase is paid for and judged. Rates are nominal fractions per year."""

    installed: date
    years: int = 20
    discount_rate: float = 0.06
    price_escalation: float = 0.0
    opex_aud_per_year: float = 0.0
    opex_escalation: float = 0.0
    ageing: Ageing = "middle"
    federal_rebates: bool = True
    certificate_aud: float | None = None
    zone: int = 3  # of small-scale technology certificates
    state: str | None = None  # its battery programme, with conditions
    loan: Borrowing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One thing that is not known: a place in the document and how far it may be off."""

    name: str
    path: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One question, whole."""

    name: str
    household: Household
    tariff: Tariff
    dispatch: Dispatch
    description: str = ""
    levels: Levels = Levels()
    solar: SolarAsset | None = None
    battery: BatteryAsset | None = None
    car: CarAsset | None = None
    finance: Finance | None = None
    drivers: tuple[Driver, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, compare=False)  # as it was written

    @property
    def sha256(self) -> str:
        """Fingerprint of what the document says, however it is written down."""
        plain = {
            f.name: plainly(getattr(self, f.name))
            for f in dataclasses.fields(self)
            if f.name != "document"
        }
        text = json.dumps(plain, sort_keys=True, ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def plainly(value: Any) -> Any:
    """Data of this module as JSON holds it: dates as text, sets sorted, no infinities."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plainly(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plainly(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plainly(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(plainly(item) for item in value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else str(float(value))
    raise TypeError(f"{type(value).__name__} has no plain form")
