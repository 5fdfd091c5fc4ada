"""Amber as sent: prices and usage per NEM day, channel and interval."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg
import duckdb

from energy_pipeline.assets import ingest
from energy_pipeline.assets.ingest import Tally
from energy_pipeline.partitions import day_start, nem_day
from energy_pipeline.poller import store_site
from energy_pipeline.resources import HomeResource, WarehouseResource
from energy_pipeline.sources.amber import MAX_DAYS_PER_REQUEST, AmberApi, Answer, choose_site
from energy_pipeline.warehouse import read, write

PRICES = dg.AssetKey(["raw", "amber_prices"])
USAGE = dg.AssetKey(["raw", "amber_usage"])

DAYS_PER_RUN = 28
"""Days of one run. Requests are of seven days, each stored by itself: a longer run loses nothing
and saves the start of a process (a year of history in 14 runs rather than 53)."""

raw_asset = functools.partial(
    dg.asset,
    partitions_def=nem_day,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=DAYS_PER_RUN),
    kinds={"python", "duckdb"},
    owners=["team:household"],
)
"""What all raw assets share. Each supplier's pool has one place: its quota is one."""


@raw_asset(
    key=PRICES,
    group_name="amber",
    pool="amber",
    check_specs=[
        dg.AssetCheckSpec("every_begun_interval_has_a_price", asset=PRICES),
        dg.AssetCheckSpec("every_row_was_understood", asset=PRICES),
    ],
)
def amber_prices(
    context: dg.AssetExecutionContext, home: HomeResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """Price per interval and channel, as sent. [c/kWh incl. GST, feedIn negative = earned]"""
    days = ingest.partition_days(context, ingest.today())
    return _ingest(context, home, warehouse, AmberApi.prices, days, _PRICES)


@raw_asset(
    key=USAGE,
    group_name="amber",
    pool="amber",
    check_specs=[
        dg.AssetCheckSpec("every_interval_of_a_published_day_has_usage", asset=USAGE),
        dg.AssetCheckSpec("every_row_was_understood", asset=USAGE),
    ],
)
def amber_usage(
    context: dg.AssetExecutionContext, home: HomeResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """Metered energy per interval and register, a day late, as sent. [kWh, cost in c]"""
    # Amber knows nothing of the day that is running, and answers a future date with an error.
    days = ingest.partition_days(context, ingest.today() - timedelta(days=1))
    return _ingest(context, home, warehouse, AmberApi.usage, days, _USAGE)


@dataclass(frozen=True, slots=True)
class _Kind:
    source: str
    table: write.RevisedTable
    register: str  # column that tells registers apart
    completeness: str  # name of the check


_PRICES = _Kind(
    "amber_prices", write.AMBER_PRICES, "channel_type", "every_begun_interval_has_a_price"
)
_USAGE = _Kind(
    "amber_usage",
    write.AMBER_USAGE,
    "channel_identifier",
    "every_interval_of_a_published_day_has_usage",
)


def _ingest(
    context: dg.AssetExecutionContext,
    home: HomeResource,
    warehouse: WarehouseResource,
    fetch: Callable[[AmberApi, str, date, date], Answer],
    days: list[date],
    kind: _Kind,
) -> dg.MaterializeResult:
    tally = Tally()
    with ingest.retried_if_transient(context):
        amber = home.amber()
        site_id = _site_id(amber, home, warehouse)

        def ask(first: date, last: date) -> float:
            answer = fetch(amber, site_id, first, last)
            _keep(warehouse, kind, answer, site_id, first, last, tally)
            return amber.seconds_to_wait(answer)

        ingest.ask_in_windows(context, days, MAX_DAYS_PER_REQUEST, ask, tally)
        with warehouse.read() as db:
            newest = read.newest_interval_start(db, kind.table.name)
            short = _short_days(db, kind, days, site_id)
    complete = dg.AssetCheckResult(
        check_name=kind.completeness,
        passed=not short,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"incomplete_days": len(short), "first": "; ".join(short[:10]) or "none"},
    )
    return dg.MaterializeResult(
        metadata=tally.metadata(newest), check_results=[complete, tally.understood()]
    )


def _site_id(amber: AmberApi, home: HomeResource, warehouse: WarehouseResource) -> str:
    """The site; asked for once only, because `/sites` shares its quota with `/usage`."""
    wanted = home.settings().amber_site_id
    with warehouse.read() as db:
        known = read.site(db, wanted)
    if known is not None:
        return known.site_id
    site = choose_site(amber.sites(), wanted)
    with warehouse.write() as db:
        store_site(db, site, ingest.now_utc())
    return site.id


def _keep(
    warehouse: WarehouseResource,
    kind: _Kind,
    answer: Answer,
    site_id: str,
    first: date,
    last: date,
    tally: Tally,
) -> None:
    rows = answer.parsed.rows
    if kind is _PRICES:
        rows = rows[rows["price_class"] != "forecast"]
    fetched_at = ingest.now_utc()
    with warehouse.write() as db, write.transaction(db):
        changed = write.store_revisions(
            db, kind.table, rows, fetched_at=fetched_at, site_id=site_id
        )
        write.log_ingest(
            db,
            source=kind.source,
            start=day_start(first),
            end=day_start(last + timedelta(days=1)),
            fetched_at=fetched_at,
            row_count=len(rows),
            changed_count=changed,
            rejects=[f"element {r.index}: {r.reason}" for r in answer.parsed.rejects],
        )
    tally.add(answer.parsed, changed)
    tally.requests_left = None if answer.budget is None else answer.budget.remaining


def _short_days(
    db: duckdb.DuckDBPyConnection, kind: _Kind, days: list[date], site_id: str
) -> list[str]:
    """Say which days lack minutes of which register, against what has begun of them."""
    site = read.site(db, site_id)
    if not days or site is None:
        return []
    registers = site.channel_types if kind is _PRICES else site.channel_identifiers
    now = ingest.now_utc()
    start, end = day_start(days[0]), day_start(days[-1] + timedelta(days=1))
    covered = read.covered_minutes(
        db, kind.table.name, kind.register, start=start, end=end, site_id=site_id
    )
    short = []
    for day in days:
        expected = ingest.expected_minutes(day, now)
        found = dict.fromkeys(sorted(registers), 0) | covered.get(day, {})
        lacking = {name: m for name, m in found.items() if m < expected}
        if day not in covered and expected:
            short.append(f"{day}: nothing")
        elif lacking:
            parts = ", ".join(f"{name} {m} of {expected} min" for name, m in lacking.items())
            short.append(f"{day}: {parts}")
    return short
