"""The one `Definitions`: what there is, when it runs, what it is handed. Start here."""

from __future__ import annotations

import dagster as dg

from energy_pipeline import schedules, sensors
from energy_pipeline.assets import amber, core, powerpal, serving
from energy_pipeline.checks.tables import STANDING_CHECKS
from energy_pipeline.resources import HomeResource, WarehouseResource

defs = dg.Definitions(
    assets=[
        amber.amber_prices,
        amber.amber_usage,
        powerpal.powerpal_usage,
        core.intervals,
        core.days,
        serving.live,
        serving.history,
    ],
    asset_checks=STANDING_CHECKS,
    jobs=[schedules.intraday_job, schedules.nightly_job, schedules.derive_job, schedules.tidy],
    schedules=[
        schedules.intraday,
        schedules.intraday_derive,
        schedules.nightly,
        schedules.nightly_derive,
        schedules.weekly,
    ],
    sensors=[sensors.live_price],
    resources={
        "home": HomeResource(),
        "warehouse": WarehouseResource(),
    },
    # One process a run: a third of the processor time of a process a step (measured).
    executor=dg.in_process_executor,
)
