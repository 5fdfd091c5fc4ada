"""Sensors: what is watched all the time."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from energy_pipeline.assets import serving
from energy_pipeline.poller import PollerThread, live_poller
from energy_pipeline.resources import HomeResource
from energy_pipeline.settings import SettingsError

REPORT_EVERY = timedelta(minutes=30)

_running: dict[str, PollerThread] = {}
"""The one poller thread of this process, by data folder."""


@dg.sensor(
    name="live_price",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    asset_selection=dg.AssetSelection.assets(serving.LIVE),
    description="Keeps the live price flowing, and reports it as materialisations of out/live.",
)
def live_price(
    context: dg.SensorEvaluationContext, home: HomeResource
) -> dg.SensorResult | dg.SkipReason:
    """Start the poller in this process, keep it alive, tell Dagster what it does.

    Every 30 minutes, and whenever its state changes, one materialisation is reported: one every
    5 minutes would fill Dagster's storage, which never forgets them.
    """
    try:
        settings = home.settings()
        if settings.amber_token is None:
            return dg.SkipReason("AMBER_TOKEN is not set: no live price")
        thread = _running.get(str(settings.data_dir))
        if thread is not None and thread.alive and thread.poller.settings != settings:
            thread.ask_to_stop()  # a new key, say; the next thread waits for the lock of this one
            thread = None
        died = thread is not None and not thread.alive
        if thread is None or died:
            _running[str(settings.data_dir)] = PollerThread(
                live_poller(home), settings.data_dir / "live-poller.lock"
            )
            _running[str(settings.data_dir)].start()
            if thread is not None and died:
                raise dg.Failure(
                    f"the live poller had stopped and was started anew: {thread.error}"
                )
            return dg.SkipReason("the live poller has been started")
    except SettingsError as exc:
        raise dg.Failure(str(exc)) from None
    report = thread.poller.report
    said_at, _, said_state = (context.cursor or "").partition(" ")
    now = datetime.now(UTC)
    due = not said_at or now - datetime.fromisoformat(said_at) >= REPORT_EVERY
    if report.state == said_state and not due:
        return dg.SkipReason(f"{report.state}: price of {report.interval_start}")
    told = {
        "state": report.state,
        "message": report.message,
        "interval_start": report.interval_start and report.interval_start.isoformat(),
        "price_class": report.price_class,
        "import_c_per_kwh": report.import_c_per_kwh,
        "rate_limit_left": report.requests_left,
    }
    event = dg.AssetMaterialization(
        asset_key=serving.LIVE,
        metadata={name: value for name, value in told.items() if value is not None},
    )
    return dg.SensorResult(asset_events=[event], cursor=f"{now.isoformat()} {report.state}")
