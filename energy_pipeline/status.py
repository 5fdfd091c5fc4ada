"""What is stored and how things are: `energy status` and `energy doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from energy_pipeline.settings import Settings, SettingsError, load_settings, missing
from energy_pipeline.sources.amber import amber_api, choose_site
from energy_pipeline.sources.errors import SourceError
from energy_pipeline.sources.powerpal import powerpal_api
from energy_pipeline.warehouse.connect import open_for_reading
from energy_pipeline.warehouse.errors import WarehouseBusy, WarehouseDamaged

STALE = timedelta(minutes=10)
TABLES = (
    "raw.amber_prices",
    "raw.amber_forecasts",
    "raw.amber_usage",
    "raw.powerpal_usage",
    "core.intervals",
)


def print_status(settings: Settings, console: Console) -> int:
    """Print rows, first and newest interval of each table, and the state of each source."""
    if not settings.warehouse_path.exists():
        console.print(f"{settings.warehouse_path}: nothing stored yet; `make run` starts the home")
        return 1
    table = Table("table", "rows", "first interval", "newest interval")
    states = Table("source", "state", "since", "last success", "message")
    try:
        with open_for_reading(settings.warehouse_path) as db:
            for name in TABLES:
                counted = db.execute(
                    f"SELECT count(*), min(interval_start), max(interval_start) FROM {name}"
                ).fetchall()[0]
                table.add_row(name, f"{counted[0]:,}", *(_when(at) for at in counted[1:]))
            for source, state, since, success, message in db.execute(
                "SELECT source, state, since, last_success_at, message FROM out.states ORDER BY 1"
            ).fetchall():
                states.add_row(source, state, _when(since), _when(success), escape(message or ""))
    except duckdb.Error as exc:
        raise WarehouseDamaged(
            f"{settings.warehouse_path} cannot be read: {exc}; restore a back-up, or move it away "
            "and fill a new one with `energy backfill`"
        ) from exc
    console.print(table, states)
    return 0


def print_doctor(console: Console) -> int:
    """Check everything that can be checked; say the cure of what is wrong."""
    wrong = 0
    for passed, sentence in _checks():
        wrong += passed is False
        mark = {True: "[green]ok[/green]  ", False: "[red]wrong[/red]", None: "[dim]-[/dim]   "}
        console.print(mark[passed], escape(sentence))
    return 1 if wrong else 0


def _checks() -> Iterator[tuple[bool | None, str]]:
    try:
        settings = load_settings()
    except SettingsError as exc:
        for line in str(exc).splitlines():
            yield False, line
        return
    yield True, "the settings can be read"
    yield from _amber(settings)
    yield from _powerpal(settings)
    yield _writable(settings.data_dir)
    yield _warehouse(settings)
    yield _live_file(settings.serving_dir / "live.duckdb")


def _amber(settings: Settings) -> Iterator[tuple[bool | None, str]]:
    if settings.amber_token is None:
        yield None, missing("AMBER_TOKEN")
        return
    api = amber_api(settings.amber_token.get_secret_value(), settings.amber_base_url)
    try:
        sites = api.sites()
        yield True, "Amber accepts the key"
        for site in sites:
            yield None, f"site {site.id}: {site.network}, {site.status}"
        site = choose_site(sites, settings.amber_site_id)
        yield True, f"the site is {site.id}"
        answer = api.current(site.id, next_intervals=1, previous_intervals=0)
    except SourceError as exc:
        yield False, str(exc)
        return
    left = answer.budget.remaining if answer.budget else "an unknown number of"
    yield True, f"Amber answers with prices; {left} requests are left of the quota"
    if answer.server_time is not None:
        skew = (datetime.now(UTC) - answer.server_time).total_seconds()
        yield abs(skew) < 30, f"the clock differs from Amber's by {skew:+.0f} s"


def _powerpal(settings: Settings) -> Iterator[tuple[bool | None, str]]:
    if settings.powerpal_token is None or settings.powerpal_device_id is None:
        yield None, missing("POWERPAL_TOKEN")
        return
    api = powerpal_api(
        settings.powerpal_token.get_secret_value(),
        settings.powerpal_device_id,
        settings.powerpal_base_url,
    )
    try:
        device = api.device()
    except SourceError as exc:
        yield False, str(exc)
        return
    yield True, f"Powerpal answers; newest reading {_when(device.last_reading_at)}"


def _writable(folder: Path) -> tuple[bool, str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as exc:
        return False, f"{folder} cannot be written: {exc.strerror}; free space or set DATA_DIR"
    return True, f"{folder} can be written"


def _warehouse(settings: Settings) -> tuple[bool | None, str]:
    path = settings.warehouse_path
    if not path.exists():
        return None, f"{path}: not made yet"
    try:
        with open_for_reading(path, timeout_seconds=10) as db:
            rows = db.execute("SELECT count(*) FROM core.intervals").fetchall()[0][0]
    except (WarehouseBusy, WarehouseDamaged, duckdb.Error) as exc:
        return False, str(exc)
    return True, f"the warehouse opens and holds {rows:,} intervals"


def _live_file(path: Path) -> tuple[bool | None, str]:
    if not path.exists():
        return None, f"{path}: not published yet"
    try:
        with duckdb.connect(str(path), read_only=True) as db:
            published = db.execute("SELECT published_at FROM site").fetchall()
    except duckdb.Error as exc:
        return False, f"{path} cannot be read: {exc}"
    if not published:
        return False, f"{path} names no site: Amber has not answered since it was made"
    age = datetime.now(UTC) - published[0][0]
    return age < STALE, f"the live file was published {age.total_seconds():.0f} s ago"


def _when(at: datetime | None) -> str:
    return "-" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
