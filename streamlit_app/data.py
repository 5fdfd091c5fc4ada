"""The one door to the data: what the pages and the API know, read from the published files.

Only this module opens DuckDB, looks at the clock, or reads the environment. A published file is
swapped in whole by a rename, so it is opened, read and closed at once, and read again only when
its stat has changed. What cannot be read becomes a sentence (`NoData`), never an exception.

The environment: ENERGY_SERVING_DIR, the folder of the files (default ./data/serving);
ENERGY_CLOCK_OFFSET_SECONDS, added to the clock; ENERGY_CLOCK_FROZEN_AT (ISO 8601 with offset), a
clock that stands still. NOTIFY_SOCKET is systemd's.
"""

import logging
import math
import os
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb

from energy_pipeline.model.live_cost import DayTotal, PowerReading, TypicalPower
from energy_pipeline.model.live_price import (
    PriceClass,
    PriceInterval,
    PriceSpan,
    price_spans,
)
from energy_pipeline.model.price_level import PriceBands, PriceLevel, price_levels

LIVE_SCHEMA_VERSION = 1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    published_at: datetime
    software_version: str
    site_id: str
    network: str | None
    timezone: str
    interval_minutes: int
    has_feed_in: bool
    is_demo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """How one source is doing, in words for people."""

    source: str
    state: str
    since: datetime | None
    last_success_at: datetime | None
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All of live.duckdb at one publication. `levels` belongs to `spans`, one by one."""

    site: Site
    spans: tuple[PriceSpan, ...]
    levels: tuple[PriceLevel | None, ...]
    power: tuple[PowerReading, ...]
    typical: tuple[TypicalPower, ...]
    days: tuple[DayTotal, ...]
    bands: PriceBands | None
    states: tuple[SourceState, ...]

    def local(self, instant: datetime) -> datetime:
        """The instant on the household's clock."""
        return instant.astimezone(ZoneInfo(self.site.timezone))

    def state_of(self, source: str) -> SourceState | None:
        return next((state for state in self.states if state.source == source), None)

    @property
    def last_price_answer(self) -> datetime | None:
        """When the price supplier last answered, as the pipeline wrote it down."""
        amber = self.state_of("amber")
        return amber.last_success_at if amber else None


class NoDataKind(StrEnum):
    MISSING = "missing"
    UNREADABLE = "unreadable"
    OLDER = "older"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class NoData:
    """Nothing to show, and why, in one sentence for people."""

    kind: NoDataKind
    sentence: str


# --- the clock, the process -------------------------------------------------------------------

BOOT_ID = uuid.uuid4().hex
_started = time.monotonic()
_last_page_run: float | None = None


def now() -> datetime:
    """The time that the app goes by. [UTC]"""
    frozen = os.environ.get("ENERGY_CLOCK_FROZEN_AT")
    if frozen:
        return datetime.fromisoformat(frozen).astimezone(UTC)
    offset_seconds = float(os.environ.get("ENERGY_CLOCK_OFFSET_SECONDS") or 0)
    return datetime.now(UTC) + timedelta(seconds=offset_seconds)


def page_ran() -> None:
    """Note that a live browser has just asked for the page again."""
    global _last_page_run
    _last_page_run = time.monotonic()


def page_age_seconds() -> float:
    """Seconds since a page last ran; since the start of the process before the first. [s]"""
    return time.monotonic() - (_started if _last_page_run is None else _last_page_run)


@lru_cache(maxsize=1)
def software_version() -> str:
    try:
        return version("energy-pipeline")
    except PackageNotFoundError:
        return "unknown"


def notify_socket() -> str | None:
    """Where the service manager listens, if there is one."""
    return os.environ.get("NOTIFY_SOCKET")


def serving_dir() -> Path:
    return Path(os.environ.get("ENERGY_SERVING_DIR") or "data/serving")


# --- live.duckdb ------------------------------------------------------------------------------

FileKey = tuple[int, int, int]

_lock = threading.Lock()
_cached: tuple[Path, FileKey, Snapshot | NoData] | None = None


def snapshot() -> Snapshot | NoData:
    """What live.duckdb says, read again only when the file is another one.

    DuckDB keeps one instance per path in a process, so a second connection to the same path would
    see the file before the swap. One lock over open, read and close rules that out. The stat is
    taken before opening: a swap in between leaves newer content under an older key, and the next
    call reads once more.
    """
    global _cached
    path = serving_dir() / "live.duckdb"
    with _lock:
        key = _file_key(path)
        if key is None:
            _cached = None
            return NoData(NoDataKind.MISSING, _FIRST_START)
        if _cached is not None and _cached[:2] == (path, key):
            return _cached[2]
        loaded = _load(path)
        _cached = (path, key, loaded)
        return loaded


def _file_key(path: Path) -> FileKey | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


_FIRST_START = "No data yet. The first price comes a few minutes after the first start."


def _load(path: Path) -> Snapshot | NoData:
    try:
        with duckdb.connect(path, read_only=True, config={"threads": 1}) as db:
            found = db.execute("SELECT schema_version FROM site").fetchall()
            if not found:
                return _no_site_yet(db)
            schema_version = found[0][0]
            if schema_version == LIVE_SCHEMA_VERSION:
                return _read(db)
    except (duckdb.CatalogException, duckdb.BinderException):
        schema_version = 0  # a table or column that every file of this version has
    except (duckdb.Error, UnicodeDecodeError) as error:
        _log.warning("%s cannot be read: %s", path, error)
        return NoData(
            NoDataKind.UNREADABLE,
            "The data file cannot be read. The next update, within five minutes, replaces it.",
        )
    except (ValueError, ZoneInfoNotFoundError) as error:
        _log.warning("%s holds values that make no sense: %s", path, error)
        return NoData(
            NoDataKind.UNREADABLE, "The data file holds values that make no sense. See the log."
        )
    if schema_version > LIVE_SCHEMA_VERSION:
        return NoData(
            NoDataKind.NEWER, "The data is from a newer version. Restart or update this screen."
        )
    return NoData(NoDataKind.OLDER, "The data is from an older version. Wait for its next update.")


def _no_site_yet(db: duckdb.DuckDBPyConnection) -> NoData:
    """Before the supplier has named the site, the states alone can say what is the matter."""
    told = db.execute(
        "SELECT message FROM states WHERE message IS NOT NULL"
        " ORDER BY state <> 'key_rejected', state <> 'down', source"
    ).fetchone()
    return NoData(NoDataKind.MISSING, told[0] if told else _FIRST_START)


def _read(db: duckdb.DuckDBPyConnection) -> Snapshot:
    def rows(query: str) -> list[tuple]:
        return db.execute(query).fetchall()

    def instant(epoch_us: int) -> datetime:
        return datetime.fromtimestamp(epoch_us / 1e6, UTC)

    def maybe(epoch_us: int | None) -> datetime | None:
        return None if epoch_us is None else instant(epoch_us)

    (site_row,) = rows(
        "SELECT epoch_us(published_at), software_version, site_id, network, timezone,"
        " interval_minutes, has_feed_in, is_demo FROM site"
    )
    site = Site(
        published_at=instant(site_row[0]),
        software_version=site_row[1],
        site_id=site_row[2],
        network=site_row[3],
        timezone=ZoneInfo(site_row[4]).key,
        interval_minutes=site_row[5],
        has_feed_in=site_row[6],
        is_demo=site_row[7],
    )
    prices = [
        PriceInterval(
            interval_start=instant(row[0]),
            duration_minutes=row[1],
            price_class=_price_class(row[2]),
            import_c_per_kwh=_finite(row[3]),
            feed_in_c_per_kwh=_finite(row[4]),
            import_low_c_per_kwh=_finite(row[5]),
            import_high_c_per_kwh=_finite(row[6]),
            spot_c_per_kwh=_finite(row[7]),
            renewables_percent=_finite(row[8]),
            spike_status=row[9],
            descriptor=row[10],
            demand_window=row[11],
            fetched_at=instant(row[12]),
        )
        for row in rows(
            "SELECT epoch_us(interval_start), duration_minutes, price_class, import_c_per_kwh,"
            " feed_in_c_per_kwh, import_low_c_per_kwh, import_high_c_per_kwh, spot_c_per_kwh,"
            " renewables_percent, spike_status, descriptor, demand_window, epoch_us(fetched_at)"
            " FROM prices"
        )
    ]
    bands = None
    for row in rows(
        "SELECT cheap_below_c_per_kwh, expensive_above_c_per_kwh, spike_above_c_per_kwh,"
        " to_end - from_start >= INTERVAL 1 DAY FROM price_bands"
    ):
        # Less than a day of prices is no distribution of its own to call a price cheap by.
        bands = PriceBands(
            cheap_below_c_per_kwh=row[0] if row[3] else None,
            expensive_above_c_per_kwh=row[1] if row[3] else None,
            spike_above_c_per_kwh=row[2],
        )
    spans = price_spans(prices)
    levels = price_levels(
        (
            (span.price.import_c_per_kwh, span.price.spike_status, span.price.descriptor)
            for span in spans
        ),
        bands,
    )
    return Snapshot(
        site=site,
        spans=spans,
        levels=tuple(levels),
        bands=bands,
        power=tuple(
            PowerReading(
                source=row[0], measured_at=instant(row[1]), window_minutes=row[2], import_kw=row[3]
            )
            for row in rows(
                "SELECT source, epoch_us(measured_at), window_minutes, import_kw FROM power"
            )
        ),
        typical=tuple(
            TypicalPower(
                is_weekend=row[0], half_hour_of_day=row[1], import_kw=row[2], day_count=row[3]
            )
            for row in rows(
                "SELECT is_weekend, half_hour_of_day, import_kw, day_count FROM typical"
            )
        ),
        days=tuple(
            _day_total(row) for row in rows(_DAY_COLUMNS + " FROM days ORDER BY local_date")
        ),
        states=tuple(
            SourceState(
                source=row[0],
                state=row[1],
                since=maybe(row[2]),
                last_success_at=maybe(row[3]),
                message=row[4],
            )
            for row in rows(
                "SELECT source, state, epoch_us(since), epoch_us(last_success_at), message"
                " FROM states ORDER BY source"
            )
        ),
    )


def _price_class(word: str) -> PriceClass:
    for known in get_args(PriceClass):
        if word == known:
            return cast("PriceClass", known)
    raise ValueError(f"price_class must be one of {get_args(PriceClass)}, not {word!r}")


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


_DAY_COLUMNS = (
    "SELECT local_date, interval_count, priced_count, used_count, costed_count, import_kwh,"
    " export_kwh, import_cost_aud, export_earning_aud, cost_aud, mean_import_c_per_kwh, reason"
)


def _day_total(row: tuple) -> DayTotal:
    return DayTotal(
        first_date=row[0],
        last_date=row[0],
        interval_count=row[1],
        priced_count=row[2],
        used_count=row[3],
        costed_count=row[4],
        import_kwh=row[5],
        export_kwh=row[6],
        import_cost_aud=row[7],
        export_earning_aud=row[8],
        cost_aud=row[9],
        mean_import_c_per_kwh=row[10],
        reason=row[11],
    )


# --- history.duckdb ---------------------------------------------------------------------------

_history_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class History:
    """The household's days so far, ascending."""

    days: tuple[DayTotal, ...]


def history() -> History | NoData:
    """Every local day of the newest site in history.duckdb.

    Unlike the live file, this one is read anew on each call: people open its page now and then.
    """
    path = serving_dir() / "history.duckdb"
    if not path.exists():
        return NoData(NoDataKind.MISSING, "No history has been published yet.")
    try:
        with _history_lock, duckdb.connect(path, read_only=True) as db:
            rows = db.execute(
                f"{_DAY_COLUMNS} FROM out.days WHERE site_id ="
                " (SELECT site_id FROM out.days ORDER BY local_date DESC, site_id LIMIT 1)"
                " ORDER BY local_date"
            ).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return NoData(NoDataKind.OLDER, "The published history holds no days yet.")
    except (duckdb.Error, UnicodeDecodeError):
        return NoData(NoDataKind.UNREADABLE, "The published history cannot be read.")
    if not rows:
        return NoData(NoDataKind.MISSING, "The published history holds no days yet.")
    return History(tuple(_day_total(row) for row in rows))
