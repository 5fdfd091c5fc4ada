"""Before anything else runs: the stores made or migrated by one process alone, the first price."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from energy_pipeline.backfill import settle_interrupted_runs
from energy_pipeline.home import prepare_dagster_home
from energy_pipeline.poller import LivePoller
from energy_pipeline.resources import HomeResource
from energy_pipeline.settings import Settings
from energy_pipeline.warehouse.connect import open_for_writing


def prepare_stores(settings: Settings, say: Callable[[str], None]) -> None:
    """Create or migrate Dagster's storage and the warehouse, settle what was interrupted.

    The first live price is asked for here, so that the fridge shows it before Dagster is up.
    """
    prepare_dagster_home(settings)
    settle_runs(say)
    with open_for_writing(settings.warehouse_path):
        pass
    if settings.has_amber:
        home = HomeResource()
        powerpal = home.powerpal() if settings.has_powerpal else None
        poller = LivePoller(settings, home.amber(), powerpal)
        poller.step()
        report = poller.report
        if report.state == "ok":
            say(f"first price: {report.import_c_per_kwh:.1f} c/kWh ({report.price_class})")
        else:
            say(f"no first price yet: {report.message}")


def settle_runs(say: Callable[[str], None]) -> None:
    """Mark runs as failed that were interrupted; see `settle_interrupted_runs`."""
    with dg.DagsterInstance.get() as instance:
        settled = settle_interrupted_runs(instance)
    if settled:
        say(f"{settled} interrupted runs were marked as failed")
