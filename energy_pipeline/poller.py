"""The live price: asked for in Dagster's long-lived code server, stored, and published at once.

A Dagster run costs seconds of processor time and about ten seconds of waiting, every five minutes;
a thread of the process that is there anyway costs milliseconds and misses nothing. The sensor
`live_price` starts it, keeps it alive and reports to Dagster what it did.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from energy_pipeline.model.poll_plan import INTERVAL, interval_start, next_poll
from energy_pipeline.resources import HomeResource
from energy_pipeline.settings import Settings
from energy_pipeline.sources.amber import AmberApi, Answer, Site, choose_site
from energy_pipeline.sources.errors import (
    KeyRejected,
    SourceError,
    SourceRejected,
    SourceThrottled,
)
from energy_pipeline.sources.powerpal import PowerpalApi
from energy_pipeline.sources.transport import LIVE_LIMITS
from energy_pipeline.warehouse import read, write
from energy_pipeline.warehouse.connect import open_for_writing
from energy_pipeline.warehouse.errors import WarehouseBusy, WarehouseDamaged
from energy_pipeline.warehouse.publish import LiveFacts, PowerReading, publish_live

log = logging.getLogger("energy.live")

NEXT_INTERVALS = 60  # 12 of five minutes and 48 of thirty: a day ahead
LEAST_PREVIOUS = 3
MOST_PREVIOUS = 288  # a day: what is older comes with the intraday run
POWER_EVERY = timedelta(seconds=60)
POWER_TAKES = timedelta(seconds=10)
"""The longest that asking for the power may take, with what is published of it."""
WAREHOUSE_TIMEOUT_SECONDS = 20.0
FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = 5.0, 60.0
REJECTED_BACK_OFF = timedelta(minutes=5)
LONGEST_SLEEP_SECONDS = 30.0  # then the clock is read again: it may have been set back
CLOCK_TOLERANCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Report:
    """What the poller knows, for the sensor to tell Dagster."""

    interval_start: datetime | None = None
    price_class: str | None = None
    import_c_per_kwh: float | None = None
    requests_left: int | None = None
    state: str = "waiting"
    message: str | None = None
    published_at: datetime | None = None


class LivePoller:
    """Asks the suppliers what holds now, stores it and publishes the live file.

    `step` does what is due and says when to come again: a thread calls it, tests call it with a
    clock of their own.
    """

    def __init__(
        self,
        settings: Settings,
        amber: AmberApi,
        powerpal: PowerpalApi | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self._amber = amber
        self._powerpal = powerpal
        self._clock = clock
        self._site: Site | None = None
        self._confirmed: datetime | None = None
        self._written: object = None
        self._newest: datetime | None = None
        self._price_due = self._power_due = clock()
        self._failures = 0
        self._stepped_at = clock()
        self.report = Report()

    def step(self) -> datetime:
        """Do what is due; return when the next thing is."""
        now = self._clock()
        if now < self._stepped_at:
            self._price_due = self._power_due = now  # the clock was set back: all is due
        self._stepped_at = now
        if now >= self._price_due:
            self._price_due = self._poll_price(now)
        if self._powerpal is None:
            return self._price_due
        # A slow meter must not make the price late: it is asked when the price can wait.
        free_until = self._price_due - POWER_TAKES
        if now >= self._power_due and self._clock() <= free_until:
            self._power_due = self._poll_power(self._powerpal, now)
        if self._power_due <= now:
            return self._price_due
        return min(self._price_due, self._power_due)

    def _poll_price(self, now: datetime) -> datetime:
        try:
            site = self._known_site(now)
            answer = self._amber.current(
                site.id, next_intervals=NEXT_INTERVALS, previous_intervals=self._previous(now)
            )
            return self._took(answer, site, now)
        except SourceError as exc:
            return self._failed(exc, now)
        except (WarehouseBusy, WarehouseDamaged, duckdb.Error, OSError) as exc:
            # The price is asked for again, so that nothing is lost by what was not written.
            log.warning("the live price could not be stored: %s", exc)
            self._set_report(state="down", message=f"storing failed: {exc}")
            return self._clock() + self._back_off()

    def _took(self, answer: Answer, site: Site, now: datetime) -> datetime:
        rows = answer.parsed.rows
        current = rows[
            (rows["channel_type"] == "general") & rows["price_class"].isin(("locked", "estimate"))
        ]
        left = None if answer.budget is None else answer.budget.remaining
        started, kind, price = None, None, None
        if not current.empty:
            last = current.iloc[-1]
            started = last["interval_start"].to_pydatetime()
            kind, price = str(last["price_class"]), float(last["per_kwh"])
        state, message = "ok", _clock_message(answer.server_time, now)
        if current.empty:
            state, message = "stale", "Amber answered without a price for the current interval"
        news = (self.report.state, self.report.message) != (state, message)
        # Once per five minutes even if nothing changed: a half-hour price stays current by that.
        told = (started, kind, price, interval_start(now))
        if told != self._written or news:
            self._store(answer, site, now, state, message)
            self._written = told
        if kind == "locked":
            self._confirmed = started
        self._failures = 0
        self.report = Report(started, kind, price, left, state, message, now)
        # The supplier's clock says which interval is current; ours only says when to ask.
        answered = self._clock()
        confirmed = self._confirmed is not None and self._confirmed >= interval_start(answered)
        return next_poll(answered, confirmed=confirmed, requests_left=left)

    def _store(
        self, answer: Answer, site: Site, now: datetime, state: str, message: str | None
    ) -> None:
        rows = answer.parsed.rows
        forecast = rows["price_class"] == "forecast"
        with self._open() as db:
            with write.transaction(db):
                write.store_revisions(
                    db, write.AMBER_PRICES, rows[~forecast], fetched_at=now, site_id=site.id
                )
                write.store_forecasts(db, rows[forecast], site_id=site.id, issued_at=now)
                write.set_state(db, "amber", state, now, message)
            publish_live(db, self._target, live_facts(self.settings, site.id, now))
        if not rows[~forecast].empty:
            self._newest = rows[~forecast]["interval_start"].max().to_pydatetime()

    def _failed(self, exc: SourceError, now: datetime) -> datetime:
        state, wait = "down", self._back_off()
        if isinstance(exc, KeyRejected):
            state, wait = "key_rejected", REJECTED_BACK_OFF
        elif isinstance(exc, SourceRejected):
            wait = REJECTED_BACK_OFF
        elif isinstance(exc, SourceThrottled):
            state, wait = "throttled", timedelta(seconds=max(exc.retry_after_seconds, 1.0))
        log.warning("no live price: %s", exc)
        if (self.report.state, self.report.message) != (state, str(exc)):
            self._note_state("amber", state, str(exc), now)
        self._set_report(state=state, message=str(exc))
        return self._clock() + wait

    def _back_off(self) -> timedelta:
        """Wait longer after each failure: what fails at once must not use up the quota."""
        self._failures += 1
        seconds = FIRST_BACK_OFF_SECONDS * 2.0 ** min(self._failures - 1, 10)
        return timedelta(seconds=min(seconds, LONGEST_BACK_OFF_SECONDS))

    def _poll_power(self, powerpal: PowerpalApi, now: datetime) -> datetime:
        try:
            device = powerpal.device()
        except SourceError as exc:
            state = "key_rejected" if isinstance(exc, KeyRejected) else "down"
            self._note_state("powerpal", state, str(exc), now)
            return now + POWER_EVERY
        if device.last_reading_at is not None and device.last_reading_watt_hours is not None:
            reading = PowerReading(
                "powerpal",
                device.last_reading_at + timedelta(minutes=1),
                1.0,
                device.last_reading_watt_hours * 60 / 1000,
            )
            self._note_state("powerpal", "ok", None, now, reading)
        return now + POWER_EVERY

    def _note_state(
        self,
        source: str,
        state: str,
        message: str | None,
        now: datetime,
        power: PowerReading | None = None,
    ) -> None:
        try:
            with self._open() as db:
                with write.transaction(db):
                    write.set_state(db, source, state, now, message)
                known = read.site(db, self.settings.amber_site_id)
                facts = live_facts(self.settings, known.site_id if known else "", now)
                publish_live(db, self._target, facts, power)
        except (WarehouseBusy, WarehouseDamaged, duckdb.Error, OSError) as exc:
            log.warning("the state of %s could not be published: %s", source, exc)

    def _known_site(self, now: datetime) -> Site:
        """Ask once which site it is: the answer holds until the next start."""
        if self._site is None:
            site = choose_site(self._amber.sites(), self.settings.amber_site_id)
            with self._open() as db:
                store_site(db, site, now)
                self._newest = read.newest_interval_start(db, "raw.amber_prices")
            self._site = site
        return self._site

    def _previous(self, now: datetime) -> int:
        """Ask back to the newest price we have: an outage heals with the first answer after it."""
        if self._newest is None:
            return MOST_PREVIOUS
        missed = (now - self._newest) // INTERVAL + 1
        return max(LEAST_PREVIOUS, min(missed, MOST_PREVIOUS))

    def _open(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return open_for_writing(
            self.settings.warehouse_path, timeout_seconds=WAREHOUSE_TIMEOUT_SECONDS
        )

    @property
    def _target(self) -> Path:
        return self.settings.serving_dir / "live.duckdb"

    def _set_report(self, *, state: str, message: str) -> None:
        before = self.report
        self.report = Report(
            before.interval_start,
            before.price_class,
            before.import_c_per_kwh,
            before.requests_left,
            state,
            message,
            before.published_at,
        )


class PollerThread:
    """Runs one `LivePoller` for this data folder, and never two: a lock file sees to it."""

    def __init__(self, poller: LivePoller, lock_path: Path) -> None:
        self.poller = poller
        self._lock_path = lock_path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-price", daemon=True)
        self.error: str | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let it end after the request under way; returns at once."""
        self._stop.set()

    def stop(self) -> None:
        """End after the request under way, and wait for it."""
        self.ask_to_stop()
        self._thread.join(timeout=60)

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not self._stop.is_set():
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._stop.wait(2.0)
            while not self._stop.is_set():
                due = self.poller.step()
                seconds = (due - datetime.now(UTC)).total_seconds()
                self._stop.wait(min(max(0.05, seconds), LONGEST_SLEEP_SECONDS))
        except Exception as exc:
            log.exception("the live poller stopped")
            self.error = f"{type(exc).__name__}: {exc}"
        finally:
            os.close(lock)


def live_poller(home: HomeResource) -> LivePoller:
    """Make the poller of a home: Amber, and Powerpal where it is configured."""
    settings = home.settings()
    powerpal = home.powerpal(LIVE_LIMITS) if settings.has_powerpal else None
    return LivePoller(settings, home.amber(LIVE_LIMITS), powerpal)


def live_facts(settings: Settings, site_id: str, now: datetime) -> LiveFacts:
    """What the live file says that only the settings know."""
    return LiveFacts(
        site_id=site_id, timezone=settings.home_timezone, is_demo=settings.demo, now=now
    )


def store_site(db: duckdb.DuckDBPyConnection, site: Site, now: datetime) -> None:
    """Remember what the supplier says of the site."""
    channels = [{"identifier": c.identifier, "type": c.type} for c in site.channels]
    with write.transaction(db):
        write.store_site(
            db,
            {
                "site_id": site.id,
                "network": site.network,
                "status": site.status,
                "active_from": site.active_from,
                "closed_on": site.closed_on,
                "interval_length": site.interval_length,
                "channels": json.dumps(channels),
            },
            now,
        )


def _clock_message(server_time: datetime | None, now: datetime) -> str | None:
    if server_time is None or abs(server_time - now) <= CLOCK_TOLERANCE:
        return None
    seconds = (now - server_time).total_seconds()
    return (
        f"the clock of this machine is {abs(seconds):.0f} s "
        f"{'ahead of' if seconds > 0 else 'behind'} Amber's: check its time synchronisation"
    )
