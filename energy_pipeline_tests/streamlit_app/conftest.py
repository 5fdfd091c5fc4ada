"""A home whose serving files the tests write, the real server on a free port, a real Chromium.

The clock of the server stands still at NOW, and every file is built around it.
"""

import functools
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 24, 3, 6, 40, tzinfo=UTC)  # Tuesday 14:06:40 in Sydney
FIVE = timedelta(minutes=5)
TABLES = ("site", "prices", "usage", "power", "typical", "days", "price_bands", "states")


def price_row(
    start: datetime, minutes: int, price_class: str, c: float | None, **more: Any
) -> dict:
    return {
        "interval_start": start,
        "duration_minutes": minutes,
        "price_class": price_class,
        "import_c_per_kwh": c,
        "feed_in_c_per_kwh": None if c is None else c * 0.6 - 9,
        "spot_c_per_kwh": None if c is None else c - 14,
        "renewables_percent": 47.5,
        "spike_status": "none",
        "descriptor": "neutral",
        "fetched_at": start + timedelta(seconds=24),
        **more,
    }


def usual_price(instant: datetime) -> float:
    """Low at 13:00, high at 18:30, on a Sydney summer clock."""
    hour = ((instant + timedelta(hours=11)).timestamp() % 86400) / 3600
    peak = 26 * math.exp(-(((hour - 18.5) / 1.8) ** 2))
    dip = 12 * math.exp(-(((hour - 12.5) / 2.5) ** 2))
    return 22.0 + peak - dip + 2 * math.sin(hour * 2.1)


def price_rows(
    now: datetime = NOW,
    *,
    current: float = 24.2,
    current_class: str = "locked",
    current_more: dict | None = None,
    next_prices: Callable[[datetime], float] | None = None,
    hours_ahead: float = 16,
) -> list[dict]:
    """Two days of actual prices, the current one, 5-minute forecasts to the half hour, then 30."""
    next_prices = next_prices or (lambda instant: usual_price(instant) + 8)
    start = datetime.fromtimestamp(now.timestamp() // 300 * 300, UTC)
    rows = [
        price_row(start - n * FIVE, 5, "actual", usual_price(start - n * FIVE))
        for n in range(1, 576)
    ]
    fetched = start + timedelta(seconds=24)
    rows.append(
        price_row(start, 5, current_class, current, fetched_at=fetched, **(current_more or {}))
    )
    at = start + FIVE
    while at.minute % 30 or at < start + timedelta(minutes=50):
        rows.append(price_row(at, 5, "forecast", next_prices(at), fetched_at=fetched))
        at += FIVE
    while at < start + timedelta(hours=hours_ahead):
        rows.append(price_row(at, 30, "forecast", next_prices(at), fetched_at=fetched))
        at += timedelta(minutes=30)
    return rows


def home(now: datetime = NOW, **tables: Any) -> dict[str, list[dict]]:
    """Rows of every table of a healthy home at `now`; keywords replace whole tables."""
    local = now + timedelta(hours=11)
    today = local.date()
    rows: dict[str, list[dict]] = {
        "site": [
            {
                "schema_version": 1,
                "published_at": now - timedelta(seconds=10),
                "software_version": "0.1.0",
                "site_id": "01HOME",
                "network": "Ausgrid",
                "timezone": "Australia/Sydney",
                "interval_minutes": 5,
                "has_feed_in": True,
                "is_demo": False,
            }
        ],
        "prices": price_rows(now),
        "usage": [],
        "power": [
            {
                "source": "powerpal",
                "measured_at": now - timedelta(seconds=130),
                "window_minutes": 1.0,
                "import_kw": 1.74,
            }
        ],
        "typical": [
            {"is_weekend": w, "half_hour_of_day": h, "import_kw": 0.8, "day_count": 20}
            for w in (False, True)
            for h in range(48)
        ],
        "days": [day_row(today - timedelta(days=n)) for n in range(61, 0, -1)]
        + [day_row(today, priced_count=170, used_count=163, import_kwh=8.43, cost_aud=2.31)],
        "price_bands": [
            {
                "cheap_below_c_per_kwh": 17.0,
                "expensive_above_c_per_kwh": 31.0,
                "spike_above_c_per_kwh": 100.0,
                "interval_count": 8640,
                "from_start": now - timedelta(days=30),
                "to_end": now,
            }
        ],
        "states": [
            state_row("amber", "ok", last_success_at=now - timedelta(seconds=16)),
            state_row("powerpal", "ok", last_success_at=now - timedelta(seconds=70)),
        ],
    }
    return rows | tables


def day_row(local_date: date, **more: Any) -> dict:
    return {
        "local_date": local_date,
        "interval_count": 288,
        "priced_count": 288,
        "used_count": 288,
        "costed_count": 288,
        "import_kwh": 15.0,
        "export_kwh": 2.0,
        "import_cost_aud": 4.5,
        "export_earning_aud": 0.1,
        "cost_aud": 4.4,
        "mean_import_c_per_kwh": 25.0,
        "reason": None,
        **more,
    }


def state_row(source: str, state: str, **more: Any) -> dict:
    return {"source": source, "state": state, **more}


def write_live_file(path: Path, tables: dict[str, list[dict]]) -> None:
    """Write a file of the published schema beside `path`, and swap it in."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    schema = (ROOT / "energy_pipeline" / "warehouse" / "live_schema.sql").read_text()
    with duckdb.connect(fresh) as db:
        db.execute(schema)
        for table in TABLES:
            if not tables[table]:
                continue
            columns = sorted({name for row in tables[table] for name in row})
            marks = ", ".join("?" for _ in columns)
            db.execute("BEGIN")
            db.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
                [[row.get(name) for name in columns] for row in tables[table]],
            )
            db.execute("COMMIT")
    fresh.replace(path)


def write_history_file(path: Path, days: list[tuple[str, dict]]) -> None:
    """Write a file of the warehouse's schema with `out.days` of (site_id, day_row)."""
    schema = (ROOT / "energy_pipeline" / "warehouse" / "schema.sql").read_text()
    with duckdb.connect(path) as db:
        db.execute(schema)
        for site_id, row in days:
            full = row | {"site_id": site_id, "estimated_count": 0}
            names, marks = ", ".join(full), ", ".join("?" for _ in full)
            db.execute(f"INSERT INTO out.days ({names}) VALUES ({marks})", list(full.values()))


# --- states of a home, each a serving file (None: no file) --------------------------------------


def _current(current: float, current_class: str = "locked", **more: Any) -> dict:
    return home(prices=price_rows(current=current, current_class=current_class, **more))


def _stopped_at(hours: float = 0, minutes: float = 0, **tables: Any) -> dict:
    """A home whose pipeline stopped a while ago."""
    then = NOW - timedelta(hours=hours, minutes=minutes)
    return home(then) | tables


def _steps(*steps: tuple[float, float]) -> Callable[[datetime], float]:
    """Prices that hold until so many hours from now."""
    return lambda instant: next(c for hours, c in steps if instant - NOW < timedelta(hours=hours))


# Cheap now, a dear evening, a night below zero; and a dear afternoon before a cheap night.
EVENING = _steps((2, 15.0), (4, 36.0), (7, 48.0), (9, 24.0), (11, -4.0), (99, 13.0))
AFTERNOON = _steps((1.5, 41.0), (3, 47.0), (4.5, 38.0), (7, 27.0), (99, 14.5))


def _spike(instant: datetime) -> float:
    return 1290.0 if instant - NOW < timedelta(minutes=50) else usual_price(instant)


DOWN = "Amber does not answer since 13:51 (HTTP 502). Trying again every minute."
REJECTED = (
    "Amber rejected the key. Make a new one at app.amber.com.au/developers and put it into"
    " AMBER_TOKEN."
)
SCRIPT = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"


@functools.cache
def states() -> dict[str, dict[str, list[dict]] | bytes | None]:
    """Every designed state of the fridge page by name: rows, or bytes of a file, or no file."""
    no_feed_in = home()["site"][0] | {"has_feed_in": False}
    nothing: dict[str, Any] = {"prices": [], "power": [], "typical": [], "days": []}
    today = (NOW + timedelta(hours=11)).date()
    return {
        "normal": home(),
        "cheap": _current(11.6, next_prices=EVENING),
        "expensive": _current(43.7, next_prices=AFTERNOON),
        "spike": _current(
            154.2, current_more={"spike_status": "spike", "descriptor": "spike"}, next_prices=_spike
        ),
        "thousand": _current(1540.4, next_prices=_spike),
        "single_digit": _current(7.1, next_prices=usual_price),
        "negative": _current(-10.2, next_prices=EVENING),
        "estimate": _current(27.4, "estimate"),
        "forecast": home(prices=price_rows(NOW - FIVE)),
        "stale": _stopped_at(minutes=16),
        "silent_supplier": home(prices=price_rows(NOW - timedelta(minutes=16))),
        "supplier_down": _stopped_at(
            minutes=16,
            states=[state_row("amber", "down", message=DOWN), state_row("powerpal", "ok")],
        ),
        "down_but_current": home(
            states=[state_row("amber", "down", message=DOWN), state_row("powerpal", "ok")]
        ),
        "key_rejected": home(
            **nothing,
            price_bands=[],
            states=[state_row("amber", "key_rejected", message=REJECTED)],
        ),
        "clock_wrong": home(now=NOW + timedelta(hours=3)),
        "no_usage": home(
            power=[],
            typical=[],
            days=[
                day_row(
                    today,
                    used_count=0,
                    import_kwh=None,
                    export_kwh=None,
                    cost_aud=None,
                    import_cost_aud=None,
                    export_earning_aud=None,
                    reason="Usage comes tomorrow.",
                )
            ],
        ),
        "typical_load": home(power=[], site=[no_feed_in]),
        "paid": home(
            prices=price_rows(current=-4.4),
            days=[day_row(today, used_count=169, cost_aud=-1.27)],
            site=[home()["site"][0] | {"is_demo": True}],
        ),
        "short_horizon": home(prices=price_rows(hours_ahead=1)),
        "no_bands": home(price_bands=[], prices=price_rows(current_more={"descriptor": None})),
        "script_in_data": home(
            prices=price_rows(current_more={"descriptor": SCRIPT, "spike_status": SCRIPT}),
            power=[{"source": SCRIPT, "measured_at": NOW, "window_minutes": 1, "import_kw": 1.0}],
            site=[home()["site"][0] | {"network": SCRIPT}],
            states=[state_row("amber", "down", message=SCRIPT * 3)],
        ),
        "empty": home(**nothing, price_bands=[], states=[]),
        "no_site": home(
            **nothing,
            site=[],
            price_bands=[],
            states=[state_row("amber", "key_rejected", message=REJECTED)],
        ),
        "first_start": None,
        "half_written": b"DUCK" * 3000,
        "newer_schema": home(site=[home()["site"][0] | {"schema_version": 2}]),
    }


class Home:
    """A serving folder whose file the tests replace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "live.duckdb"

    def publish(self, tables: dict[str, list[dict]] | bytes | None) -> None:
        if tables is None:
            self.file.unlink(missing_ok=True)
        elif isinstance(tables, bytes):
            fresh = self.file.with_suffix(".new")
            fresh.write_bytes(tables)
            fresh.replace(self.file)
        else:
            write_live_file(self.file, tables)


class Server:
    """The real server process over a `Home`."""

    def __init__(self, served: Home) -> None:
        self.home = served
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = served.folder / "server.log"

    def start(self, clock: str = NOW.isoformat()) -> None:
        environment = os.environ | {
            "ENERGY_SERVING_DIR": str(self.home.folder),
            "ENERGY_CLOCK_FROZEN_AT": clock,
        }
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app/app.py"]
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [*command, "--server.port", str(self.port)],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        for _ in range(600):
            try:
                with urlopen(f"{self.url}/_stcore/health"):
                    return
            except URLError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.1)
        raise RuntimeError(f"the server did not start: {self.log.read_text()}")

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(Home(tmp_path_factory.mktemp("serving")))
    running.start()
    yield running
    running.kill()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server, not yet started, that a test may kill."""
    running = Server(Home(tmp_path))
    yield running
    running.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    path = next((found for name in names if name and (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium: set CHROMIUM to its path, or install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def rows_of() -> Any:
    """The builders above, for tests: they cannot import a conftest."""
    return sys.modules[__name__]
