"""Publication: the files that pages, the JSON API and notebooks read."""

import dagster as dg

from energy_pipeline.assets import amber, core, ingest
from energy_pipeline.poller import live_facts
from energy_pipeline.resources import HomeResource, WarehouseResource
from energy_pipeline.warehouse import read
from energy_pipeline.warehouse.publish import publish_history, publish_live

LIVE = dg.AssetKey(["out", "live"])
HISTORY = dg.AssetKey(["serving", "history"])


@dg.asset(
    key=LIVE,
    deps=[amber.PRICES, core.DAYS],
    group_name="serving",
    pool="warehouse",
    kinds={"duckdb"},
    owners=["team:household"],
)
def live(
    context: dg.AssetExecutionContext, home: HomeResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """serving/live.duckdb: prices now and next, 48 hours, days, states; the poller's too."""
    with ingest.retried_if_transient(context), warehouse.write() as db:
        settings = home.settings()
        site = read.site(db, settings.amber_site_id)
        publish_live(
            db,
            settings.serving_dir / "live.duckdb",
            live_facts(settings, site.site_id if site else "", ingest.now_utc()),
        )
        newest = read.newest_interval_start(db, "raw.amber_prices")
    return dg.MaterializeResult(
        metadata={"newest_interval": newest.isoformat() if newest else "none"}
    )


@dg.asset(
    key=HISTORY,
    deps=[core.INTERVALS, core.DAYS],
    group_name="serving",
    pool="warehouse",
    kinds={"duckdb"},
    owners=["team:household"],
)
def history(
    context: dg.AssetExecutionContext, home: HomeResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """serving/history.duckdb: all of core and out."""
    with ingest.retried_if_transient(context), warehouse.write() as db:
        published = publish_history(
            db, home.settings().serving_dir / "history.duckdb", ingest.now_utc()
        )
    return dg.MaterializeResult(metadata={"dagster/row_count": published})
