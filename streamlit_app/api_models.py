"""The shapes of the API's answers: what OpenAPI documents, and nothing else."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from energy_pipeline.model.live_price import PriceClass


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(_Model):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Freshness(_Model):
    fetched_at: datetime | None = Field(description="when the supplier last answered")
    age_seconds: float | None = Field(description="left out of the ETag")
    stale: bool = Field(description="true: there is no price that may be shown as current")
    stale_reason: str | None


class Interval(_Model):
    start: datetime
    end: datetime = Field(description="exclusive")
    duration_minutes: int


Level = Literal["free", "cheap", "normal", "expensive", "spike", "unrated"]


class ConfirmedPrice(_Model):
    interval: Interval
    import_c_per_kwh: float


class Price(_Model):
    """What a kWh costs now, GST included."""

    site: str
    timezone: str
    now: datetime
    interval: Interval | None
    import_c_per_kwh: float | None
    import_c_per_kwh_reason: str | None
    feed_in_c_per_kwh: float | None = Field(description="positive: the household is paid")
    feed_in_c_per_kwh_reason: str | None
    price_class: PriceClass | None
    confirmed: bool
    level: Level | None
    level_until: datetime | None
    spot_c_per_kwh: float | None
    renewables_percent: float | None
    spike_status: str | None
    descriptor: str | None
    demand_window: bool | None
    last_confirmed: ConfirmedPrice | None
    freshness: Freshness


class Cost(_Model):
    """What an hour costs at the load and price of now."""

    site: str
    now: datetime
    cost_aud_per_hour: float | None = Field(description="negative: the household is paid")
    cost_aud_per_hour_reason: str | None
    import_kw: float | None
    import_kw_reason: str | None
    import_kw_source: str | None = Field(description="a live meter's name, or typical")
    measured_at: datetime | None
    measured_age_seconds: float | None = Field(description="left out of the ETag")
    import_c_per_kwh: float | None
    freshness: Freshness


class Total(_Model):
    """Sums over the intervals that are known; the counts say how many those are."""

    first_date: date
    last_date: date
    import_kwh: float | None
    export_kwh: float | None
    import_cost_aud: float | None = Field(description="energy only, GST included")
    export_earning_aud: float | None
    cost_aud: float | None
    mean_import_c_per_kwh: float | None = Field(description="weighted by time")
    elapsed_count: int = Field(description="5-minute intervals that are over")
    priced_count: int
    used_count: int
    costed_count: int = Field(description="Intervals that cost_aud covers")
    coverage_fraction: float | None = Field(description="used_count / elapsed_count, at most 1")
    reason: str | None = Field(description="why something is missing; null when complete")


class Totals(_Model):
    site: str
    timezone: str
    now: datetime
    today: Total | None
    today_reason: str | None
    month_to_date: Total | None
    month_to_date_reason: str | None


class ForecastInterval(_Model):
    interval: Interval
    price_class: PriceClass
    import_c_per_kwh: float | None
    import_low_c_per_kwh: float | None
    import_high_c_per_kwh: float | None
    feed_in_c_per_kwh: float | None
    level: Level | None


class Recommendation(_Model):
    """The cheapest start within 12 hours of a run of constant power."""

    appliance: str
    duration_hours: float
    energy_kwh: float
    start: datetime | None
    start_reason: str | None
    mean_c_per_kwh: float | None
    mean_from_now_c_per_kwh: float | None
    saving_aud: float | None = Field(description="against starting now")


class Forecast(_Model):
    """The running interval and those after it."""

    site: str
    timezone: str
    now: datetime
    intervals: list[ForecastInterval]
    intervals_reason: str | None
    best_start: Recommendation
    freshness: Freshness


class Health(_Model):
    status: Literal["ok", "stale", "no_data"]
    reason: str | None
    boot: str = Field(description="new at each start of the server")
    version: str
    now: datetime
    data_age_s: float | None = Field(description="since the supplier last answered")
    page_age_s: float = Field(description="since a browser last asked for a page; or the start")
